package redisstore

import "github.com/redis/go-redis/v9"

// A record that has an owner exists only while the list of its owner names it (decision 0094).
// Every script that writes or deletes such a record changes the list with it, so the two agree
// whatever happens around a script:
//
//   - Redis runs a script as one step and logs and replicates it as one. After kill -9, a truncated
//     append-only file or a failover, a record and its entry are both there or both not.
//   - A list lives as long as the last of its records, and an entry until Redis forgets its record.
//   - If the list is evicted, its records are over: no call returns them, and only a write where
//     there is none lists such a key again, with the value that it writes. If a record is evicted,
//     its entry is skipped, and DeleteRecords removes it.
//   - A record that changes its owner moves from one list to the other in the same script. A script
//     must declare the keys of both lists, but the caller does not know the old owner. A script that
//     meets a record of an owner whose list it was not given changes nothing and returns that
//     owner; the caller runs it again with the list.
//
// DeleteRecords reads the list, and then deletes what it read in scripts of 256 records. This is
// what concurrent calls can see:
//
//   - A record that existed when DeleteRecords began is gone when it returns nil, also if it was
//     replaced in between: the version does not matter. It stays only if it has another owner by
//     then.
//   - A ReplaceRecord of a version that was deleted returns ErrConflict. A ReplaceRecord where there
//     is none, after the list was read, adds a record that stays, and Records returns it.
//   - If DeleteRecords fails or is killed midway, the rest is still there, and still listed.
//   - No record of the owner exists that the list does not name, at any time.
//
// When the reply of a script is lost, the client sends the script again. A ReplaceRecord then finds
// its own write, which the 8 random bytes identify, and succeeds without another one. If the record
// was replaced in between, it returns ErrConflict although it has written. If the record was deleted
// in between, the result is ErrConflict, or with version 0 the record is written again and listed
// again; Redis would have to remember deleted records to prevent that. A second DeleteRecord returns
// ErrConflict, and a second DeleteRecords finds nothing left to do.

// recordScripts are functions that the scripts share.
const recordScripts = `
local now = redis.call('TIME')

-- head returns the head of a stored record, up to the end of its owner, and the owner.
local function head(key)
	local stored = redis.call('GETRANGE', key, 0, 291)
	return stored, string.sub(stored, 38, 37 + (string.byte(stored, 37) or 0))
end

-- tidy removes the entries of a list whose records Redis has forgotten, and lets the list live
-- until the last of the others is forgotten.
local function tidy(list)
	redis.call('ZREMRANGEBYSCORE', list, '-inf', '(' .. now[1] * 1000)
	local last = redis.call('ZREVRANGE', list, 0, 0, 'WITHSCORES')[2]
	if last == 'inf' then
		redis.call('PERSIST', list)
	elseif last then
		redis.call('PEXPIREAT', list, last)
	end
end
`

// current finds the version and the owner of the record in KEYS[1], whose key is ARGV[1]. KEYS[2]
// and so on are lists, ARGV[3] and so on their owners. If the record has an owner whose list is not
// among them, the script ends and returns the owner. If there is no record, the version is empty. If
// the version is not ARGV[2], the script ends and returns 0.
const current = recordScripts + `
local lists = {}
for i = 2, #KEYS do
	lists[ARGV[i + 1]] = KEYS[i]
	redis.call('ZCARD', KEYS[i]) -- fails, before anything is written, if it is no sorted set
end
local stored, owner = head(KEYS[1])
local value = ARGV[#KEYS + 2]
if value and string.sub(stored, 1, 16) == string.sub(value, 1, 16) then
	return 1 -- this write was made already, and the reply was lost
end
if string.sub(stored, 17, 36) <= string.format('%014d%06d', now[1], now[2]) then
	stored, owner = '', '' -- it has expired, or there is none
end
local version = string.sub(stored, 1, 8)
if owner ~= '' then
	if not lists[owner] then
		return owner
	end
	if not redis.call('ZSCORE', lists[owner], ARGV[1]) then
		version = '' -- the list was lost, so the record is over
	end
end
if version ~= ARGV[2] then
	return 0
end
`

// replaceRecord writes a record in the place of the one whose version is ARGV[2]: see current. After
// the owners follow the new value and the time when Redis forgets it, in milliseconds or "+inf".
var replaceRecord = redis.NewScript(current + `
local forgetAt = ARGV[#KEYS + 3]
local newOwner = string.sub(value, 38, 37 + string.byte(value, 37))
redis.call('SET', KEYS[1], value)
if forgetAt ~= '+inf' then
	redis.call('PEXPIREAT', KEYS[1], forgetAt)
end
for name, list in pairs(lists) do
	if name == newOwner then
		redis.call('ZADD', list, forgetAt, ARGV[1])
	else
		redis.call('ZREM', list, ARGV[1])
	end
	tidy(list)
end
return 1
`)

// deleteRecord deletes the record whose version is ARGV[2]: see current.
var deleteRecord = redis.NewScript(current + `
redis.call('DEL', KEYS[1])
if owner ~= '' then
	redis.call('ZREM', lists[owner], ARGV[1])
	tidy(lists[owner])
end
return 1
`)

// loadRecord returns the time, the value of KEYS[1], and whether the list KEYS[2], if there is one,
// names ARGV[1].
var loadRecord = redis.NewScript(`
local reply = redis.call('TIME')
reply[3] = redis.call('GET', KEYS[1])
reply[4] = KEYS[2] and redis.call('ZSCORE', KEYS[2], ARGV[1]) or false
return reply
`)

// loadRecords returns the time and the values of KEYS[2] and so on, each if the list KEYS[1] names
// its key, which is in ARGV[2] and so on.
var loadRecords = redis.NewScript(`
local reply = redis.call('TIME')
for i = 2, #KEYS do
	reply[i + 1] = redis.call('ZSCORE', KEYS[1], ARGV[i]) and redis.call('GET', KEYS[i])
end
return reply
`)

// deleteRecords deletes KEYS[2] and so on, whose keys are ARGV[2] and so on, and their entries in the
// list KEYS[1]. It spares records that have another owner than ARGV[1]. A record that is too short
// to have an owner is damaged, and deleted.
var deleteRecords = redis.NewScript(recordScripts + `
local deleted = {}
for i = 2, #KEYS do
	local stored, owner = head(KEYS[i])
	if owner == ARGV[1] or #stored < 37 then
		deleted[#deleted + 1] = KEYS[i]
	end
end
for i = 2, #KEYS do
	redis.call('ZREM', KEYS[1], ARGV[i]) -- fails, before anything is written, if it is no sorted set
end
for _, key in ipairs(deleted) do
	redis.call('DEL', key)
end
tidy(KEYS[1])
return {}
`)
