package redisstore

import "github.com/redis/go-redis/v9"

// The scripts for sessions. Each declares its keys, so that a cluster that is moving their slot
// refuses a script before it has begun. Redis undoes nothing of a script that fails, so each script
// reads what it will write to before it writes: a key of another type fails there. A server that is
// full, or that lacks replicas, refuses the first write.

// saving writes the session ARGV[1] to KEYS[1] and its ID ARGV[2] to the list of its user in KEYS[2].
// Redis forgets both at ARGV[3].
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

// createSession adds a session. The first 16 bytes of a value belong to one write alone: a script
// that is sent again finds that its change is made.
var createSession = redis.NewScript(saving + `
redis.call('ZCARD', KEYS[2]) -- fails if it is no sorted set
if redis.call('EXISTS', KEYS[1]) == 0 then
	return save()
end
return redis.call('GETRANGE', KEYS[1], 0, 15) == string.sub(ARGV[1], 1, 16) and 1 or 0
`)

// replaceSession puts a session in the place of the one whose version is ARGV[4]. A session that is
// missing from the list of its user could not be ended with the user's others, so it is deleted
// (decision 0053).
var replaceSession = redis.NewScript(saving + `
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

// loadSessions returns the time and the values of its keys.
var loadSessions = redis.NewScript(`
local reply = redis.call('TIME')
for _, key in ipairs(KEYS) do
	reply[#reply + 1] = redis.call('GET', key)
end
return reply
`)

// listMembers returns the members of a list: the IDs of a user's sessions, or the keys of an owner's
// records.
var listMembers = redis.NewScript(`return redis.call('ZRANGE', KEYS[1], 0, -1)`)

// recording appends to the feed, KEYS[1], and publishes on the channel, ARGV[1].
//
// The feed is a sorted set by number. A member begins with 32 hexadecimal digits of a hash of the
// whole feed up to it, so that two feeds that have the same number with the same digits have the
// same past. The time of expiry follows in microseconds, as 20 digits, and then the revocation. The
// last member is never removed, so the numbers go on. For each new member the script looks at eight
// old ones in turn, and removes those that expired more than a day ago: the expiry is by the clock of
// the caller, which may differ from the server's.
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
	local past = string.format('%014d%s', now[1] - 86400, '000000')
	local from = number * 8 % redis.call('ZCARD', feed)
	local old = redis.call('ZRANGE', feed, from, from + 8 * #payloads - 1, 'WITHSCORES')
	for i = 1, #old, 2 do
		if string.sub(old[i], 33, 52) < past and tonumber(old[i + 1]) < number then
			redis.call('ZREM', feed, old[i])
		end
	end
	local life = math.max(expiry - now[1] * 1000, 0) + 90000000
	if life > redis.call('PTTL', feed) then
		redis.call('PEXPIRE', feed, life)
	end
	redis.pcall('PUBLISH', ARGV[1], '') -- an error is no matter: readers poll the feed as well
	return 1
end
`

// deleteSession ends the session in KEYS[2], whose ID is ARGV[2] and whose user has the list KEYS[3].
// ARGV[3] is the revocation, ARGV[4] a random text of this call. KEYS[4] keeps that text for ten
// minutes, so that a script that is sent again, because its reply was lost, finds that it was this
// call that ended the session.
var deleteSession = redis.NewScript(recording + `
if redis.call('EXISTS', KEYS[2]) == 0 then
	return redis.call('GET', KEYS[4]) == ARGV[4] and 1 or 0
end
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[2])
record({ARGV[3]})
redis.pcall('SET', KEYS[4], ARGV[4], 'PX', 600000) -- without it a script that is sent again returns 0
return 1
`)

// deleteUserSessions ends the sessions in the list KEYS[2] except ARGV[2]. It does so only if these
// are exactly KEYS[3] and so on, whose IDs are ARGV[5] and so on. ARGV[3] is what every revocation of
// a session begins with, ARGV[4] the revocation of the user, or empty.
var deleteUserSessions = redis.NewScript(recording + `
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

// revokedSince returns the time, and up to ARGV[3] members of the feed with their numbers: those
// after the member that has the number ARGV[1] and the digits ARGV[2], or the first ones if there is
// no such member.
var revokedSince = redis.NewScript(`
local from, reply = '-inf', redis.call('TIME')
local member = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])[1]
if member and string.sub(member, 1, 32) == ARGV[2] then
	from = '(' .. ARGV[1]
end
for _, element in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])) do
	reply[#reply + 1] = element
end
return reply
`)
