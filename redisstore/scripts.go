package redisstore

import "github.com/redis/go-redis/v9"

// The scripts. Each declares its keys, so that a cluster that moves their slot
// refuses a script before it has begun. Redis undoes nothing of a script that fails,
// so each reads what it will write to before it writes: what is of another type
// fails there. A server that is full, or lacks replicas, refuses the first write.

// saving writes the session ARGV[1] to KEYS[1] and its ID ARGV[2] to the list of
// its user in KEYS[2], both to be forgotten at ARGV[3].
const saving = `
local function save()
	redis.call('SET', KEYS[1], ARGV[1])
	redis.call('PEXPIREAT', KEYS[1], ARGV[3])
	local now = redis.call('TIME')
	redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. now[1] * 1000)
	redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
	redis.call('PEXPIREAT', KEYS[2], redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
	return 1
end
`

// create adds a session. The first 16 bytes of a value are one write's own: a
// command that was sent again finds its deed done.
var create = redis.NewScript(saving + `
redis.call('ZCARD', KEYS[2]) -- fails if it is no list
if redis.call('EXISTS', KEYS[1]) == 0 then
	return save()
end
return redis.call('GETRANGE', KEYS[1], 0, 15) == string.sub(ARGV[1], 1, 16) and 1 or 0
`)

// replace puts a session in the place of the one whose version is ARGV[4]. A
// session that the list of its user lost could not be ended with the others of
// the user, so it is over.
var replace = redis.NewScript(saving + `
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
if head == string.sub(ARGV[1], 1, 16) then
	return 1
end
if string.sub(head, 1, 8) ~= ARGV[4] then
	return 0
end
if not redis.call('ZSCORE', KEYS[2], ARGV[2]) then
	redis.call('DEL', KEYS[1])
	return 0
end
return save()
`)

// load returns the time and the values of its keys.
var load = redis.NewScript(`
local found = redis.call('TIME')
for _, key in ipairs(KEYS) do
	found[#found + 1] = redis.call('GET', key)
end
return found
`)

// list returns the IDs of a user's sessions.
var list = redis.NewScript(`return redis.call('ZRANGE', KEYS[1], 0, -1)`)

// recording appends to the feed, which is KEYS[1], and tells the channel, which is
// ARGV[1].
//
// The feed is a sorted set by number. A member begins with 32 hexadecimal digits of
// a hash of all of the feed up to it, so that what has the same number and digits
// in two feeds has the same past; then the time of expiry in microseconds, 20
// digits; then the revocation. The last member is always there, so the numbers go
// on. For each new member eight old ones are looked at, in turn, and removed if
// they have expired.
const recording = `
local feed = KEYS[1]
local last = redis.call('ZREVRANGE', feed, 0, 0, 'WITHSCORES')
local function record(payloads)
	local number, chain, expiry = tonumber(last[2] or 0), string.sub(last[1] or '', 1, 32), 0
	for _, payload in ipairs(payloads) do
		number = number + 1
		chain = string.sub(redis.sha1hex(chain .. payload), 1, 32)
		redis.call('ZADD', feed, number, chain .. payload)
		expiry = math.max(expiry, string.sub(payload, 1, 17))
	end
	local now = redis.call('TIME')
	local past = string.format('%014d%s', now[1], '000000')
	local from = number * 8 % redis.call('ZCARD', feed)
	local old = redis.call('ZRANGE', feed, from, from + 8 * #payloads - 1, 'WITHSCORES')
	for i = 1, #old, 2 do
		if string.sub(old[i], 33, 52) < past and tonumber(old[i + 1]) < number then
			redis.call('ZREM', feed, old[i])
		end
	end
	local life = math.max(expiry - now[1] * 1000, 0) + 3600000
	if life > redis.call('PTTL', feed) then
		redis.call('PEXPIRE', feed, life)
	end
	redis.pcall('PUBLISH', ARGV[1], '') -- may be forbidden: the feed is read all the same
	return 1
end
`

// remove ends the session ARGV[2] of KEYS[2] and the list KEYS[3].
var remove = redis.NewScript(recording + `
if redis.call('EXISTS', KEYS[2]) == 0 then
	return 0
end
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[2])
return record({ARGV[3]})
`)

// removeAll ends the sessions of the list KEYS[2], if they are those of KEYS[3] and
// so on, whose IDs are ARGV[5] and so on, beside the one that is spared, ARGV[2].
// ARGV[3] is what all revocations of sessions begin with, ARGV[4] the one of the
// user, if there is one.
var removeAll = redis.NewScript(recording + `
local listed, payloads = redis.call('ZCARD', KEYS[2]), {}
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then
	listed = listed - 1
end
if listed ~= #ARGV - 4 then
	return 0
end
for i = 5, #ARGV do
	if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then
		return 0
	end
	payloads[#payloads + 1] = ARGV[3] .. ARGV[i]
end
for i = 5, #ARGV do
	redis.call('DEL', KEYS[i - 2])
	redis.call('ZREM', KEYS[2], ARGV[i])
end
if ARGV[4] ~= '' then
	payloads[#payloads + 1] = ARGV[4]
end
if #payloads == 0 then
	return 1
end
return record(payloads)
`)

// since returns the time, and up to ARGV[3] members of the feed with their numbers:
// those after the one that has the number ARGV[1] and the digits ARGV[2], or the
// first ones, if there is no such member.
var since = redis.NewScript(`
local from, found = '-inf', redis.call('TIME')
local at = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])[1]
if at and string.sub(at, 1, 32) == ARGV[2] then
	from = '(' .. ARGV[1]
end
for _, one in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])) do
	found[#found + 1] = one
end
return found
`)
