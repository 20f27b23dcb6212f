package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
)

// Bounds of the fields of a user, in bytes. That of the ID is maxUserID.
const (
	maxUsername     = 255
	maxPasswordHash = 1024
)

// accountKey returns the Redis key of a user: a hash, whose fields are written by the scripts.
func (s *Store) accountKey(id string) string { return s.prefix + "a:" + hashed(id) }

// nameKey returns the Redis key of a username, whose value is the ID of the user who has it.
func (s *Store) nameKey(username string) string { return s.prefix + "n:" + hashed(username) }

// CreateUser implements [auth.UserStore]. One script decides whether the ID and the username are free,
// and writes both. It returns an error for an empty ID, and for an ID or a username of more than 255
// bytes or a password hash of more than 1,024.
func (s *Store) CreateUser(ctx context.Context, u auth.User) (string, error) {
	if u.ID == "" || len(u.ID) > maxUserID || len(u.Username) > maxUsername || len(u.PasswordHash) > maxPasswordHash {
		return "", errors.New("auth: redis store: a user needs an ID, and ID, username and password hash must not be too large")
	}
	created, err := s.apply(ctx, "create user", createUser, []string{s.accountKey(u.ID), s.nameKey(u.Username)},
		rand.Text(), u.ID, u.Username, u.PasswordHash, flag(u.Disabled), strconv.FormatInt(u.CreatedAt.UnixMicro(), 10))
	if err != nil {
		return "", err
	}
	if !created {
		return "", auth.ErrUserExists
	}
	return u.ID, nil
}

// UserByID implements [auth.UserStore].
func (s *Store) UserByID(ctx context.Context, id string) (auth.User, error) {
	const doing = "load user"
	if len(id) > maxUserID {
		return auth.User{}, auth.ErrUserNotFound
	}
	reply, err := s.query(ctx, doing, loadUser, []string{s.accountKey(id)})
	if err != nil {
		return auth.User{}, err
	}
	if len(reply) == 0 {
		return auth.User{}, auth.ErrUserNotFound
	}
	if len(reply) != 5 {
		return auth.User{}, errReply(doing)
	}
	micros, err := strconv.ParseInt(reply[4], 10, 64)
	if err != nil || reply[0] != id || reply[3] != flag(true) && reply[3] != flag(false) {
		return auth.User{}, fmt.Errorf("auth: redis store: user %q is damaged", id)
	}
	return auth.User{ID: id, Username: reply[1], PasswordHash: reply[2], Disabled: reply[3] == flag(true), CreatedAt: toTime(micros)}, nil
}

// UserByUsername implements [auth.UserStore].
func (s *Store) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	if len(username) > maxUsername {
		return auth.User{}, auth.ErrUserNotFound
	}
	// A script must declare the key of the user, which is known when the name has been read. A user never
	// gets another name, so a user who does not have this one any more was deleted in between.
	id, err := s.query(ctx, "look up username", loadName, []string{s.nameKey(username)})
	if err != nil {
		return auth.User{}, err
	}
	if len(id) == 0 {
		return auth.User{}, auth.ErrUserNotFound
	}
	u, err := s.UserByID(ctx, id[0])
	if err == nil && u.Username != username {
		return auth.User{}, auth.ErrUserNotFound
	}
	return u, err
}

// ReplacePasswordHash implements [auth.UserStore]. It returns an error for a hash of more than 1,024
// bytes.
func (s *Store) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	const doing = "replace password hash"
	if len(id) > maxUserID {
		return auth.ErrUserNotFound
	}
	if len(replacement) > maxPasswordHash {
		return fmt.Errorf("auth: redis store: the password hash has %d bytes, more than %d", len(replacement), maxPasswordHash)
	}
	reply, err := s.run(ctx, doing, replacePasswordHash, []string{s.accountKey(id)}, old, replacement, rand.Text())
	switch {
	case err != nil:
		return err
	case reply == int64(1):
		return nil
	case reply == int64(0):
		return auth.ErrConflict
	case reply == int64(-1):
		return auth.ErrUserNotFound
	}
	return errReply(doing)
}

// SetDisabled implements [auth.AccountStore].
func (s *Store) SetDisabled(ctx context.Context, id string, disabled bool) error {
	if len(id) > maxUserID {
		return auth.ErrUserNotFound
	}
	changed, err := s.apply(ctx, "disable user", setDisabled, []string{s.accountKey(id)}, flag(disabled))
	if err == nil && !changed {
		return auth.ErrUserNotFound
	}
	return err
}

// DeleteUser implements [auth.AccountStore].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	u, err := s.UserByID(ctx, id)
	if err != nil {
		return err
	}
	call := rand.Text()
	keys := []string{s.accountKey(id), s.nameKey(u.Username), s.prefix + "d:" + call}
	deleted, err := s.apply(ctx, "delete user", deleteUser, keys, id, u.Username, call)
	if err == nil && !deleted {
		return auth.ErrUserNotFound // another call deleted the user in between
	}
	return err
}

// flag returns a boolean as it is stored.
func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// createUser writes the user in KEYS[1], and the username in KEYS[2], if both are free. ARGV[1] is a random
// text of this call, by which a script that is sent again, because its reply was lost, finds its own
// user. ARGV[2] to ARGV[6] are ID, username, password hash, whether the user is disabled, and the
// microseconds of CreatedAt.
var createUser = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'creation') == ARGV[1] then
	return 1
end
if redis.call('EXISTS', KEYS[1], KEYS[2]) ~= 0 then
	return 0
end
redis.call('HSET', KEYS[1], 'creation', ARGV[1], 'id', ARGV[2], 'username', ARGV[3], 'hash', ARGV[4],
	'disabled', ARGV[5], 'created', ARGV[6])
redis.call('SET', KEYS[2], ARGV[2])
return 1
`)

// loadUser returns the fields of the user in KEYS[1], or nothing.
var loadUser = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then
	return {}
end
return redis.call('HMGET', KEYS[1], 'id', 'username', 'hash', 'disabled', 'created')
`)

// loadName returns the ID in KEYS[1], or nothing.
var loadName = redis.NewScript(`return {redis.call('GET', KEYS[1]) or nil}`)

// replacePasswordHash replaces the hash ARGV[1] of the user in KEYS[1] by ARGV[2]. It returns 0 if the user
// has another hash, and -1 if there is no user. ARGV[3] is a random text of this call, by which a script
// that is sent again finds its own hash.
var replacePasswordHash = redis.NewScript(`
local user = redis.call('HMGET', KEYS[1], 'hash', 'change')
if not user[1] then
	return -1
end
if user[2] == ARGV[3] then
	return 1
end
if user[1] ~= ARGV[1] then
	return 0
end
redis.call('HSET', KEYS[1], 'hash', ARGV[2], 'change', ARGV[3])
return 1
`)

// setDisabled disables or enables the user in KEYS[1], as ARGV[1] says.
var setDisabled = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then
	return 0
end
redis.call('HSET', KEYS[1], 'disabled', ARGV[1])
return 1
`)

// deleteUser deletes the user in KEYS[1], whose ID is ARGV[1], and the username ARGV[2] in KEYS[2]. KEYS[3]
// keeps ARGV[3], a random text of this call, as deleteSession does.
var deleteUser = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'username') ~= ARGV[2] then
	return redis.call('GET', KEYS[3]) == ARGV[3] and 1 or 0
end
if redis.call('GET', KEYS[2]) == ARGV[1] then
	redis.call('DEL', KEYS[2])
end
redis.call('DEL', KEYS[1])
redis.pcall('SET', KEYS[3], ARGV[3], 'PX', 600000) -- without it a script that is sent again returns 0
return 1
`)
