package apikey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/detach"
)

// NoCache as a CacheTime has the store asked at every use of a key.
const NoCache time.Duration = -1

// Bounds of the settings.
const (
	defaultPerUser, maxPerUser     = 20, 200
	defaultLifetime, minLifetime   = 365 * 24 * time.Hour, time.Hour
	maxLifetime                    = 3650 * 24 * time.Hour
	defaultOverlap, minOverlap     = 7 * 24 * time.Hour, time.Minute
	maxOverlap                     = 90 * 24 * time.Hour
	defaultCacheTime, maxCacheTime = 5 * time.Second, time.Minute
	defaultPlaces, maxPlaces       = 4096, 1 << 20
)

// Errors that a caller's input can cause, for use with [errors.Is].
var (
	ErrNotFound = errors.New("apikey: there is no such key, or it is another user's")
	ErrTooMany  = errors.New("apikey: the user has as many keys as allowed: delete one first")
	ErrInvalid  = errors.New("apikey: invalid") // wrapped by an error that says what is invalid, for the user
)

// Users finds accounts. [auth.UserStore] has this method.
type Users interface {
	UserByID(ctx context.Context, id string) (auth.User, error)
}

// Config configures [New]. Its zero value is the safe choice.
type Config struct {
	// PerUser is how many keys a user may have. 0: 20; from 1 to 200.
	PerUser int

	// MaxLifetime is the longest time for which a key is valid, and the time of keys that are created
	// without one. 0: 365 days; from 1 hour to 3,650 days.
	MaxLifetime time.Duration

	// MaxOverlap is the longest time for which the old secret of a key stays valid beside the new one. 0: 7
	// days; from 1 minute to 90 days.
	MaxOverlap time.Duration

	// CacheTime is how long a key that was verified is accepted from memory. It is also how long a key is
	// still accepted here that another replica has deleted or rolled. 0: 5 s; from 100 ms to 1 minute.
	// [NoCache] keeps nothing in memory: each use reads a record.
	CacheTime time.Duration

	// CacheEntries is how many keys the memory holds, about 400 bytes each. 0: 4,096; from 4 to 1,048,576.
	CacheEntries int

	// Check is the Check of a revocation.List. It says when an account may have been disabled or deleted, which
	// is then loaded. An account is also loaded once a minute while a key of its is in use. nil: it is loaded
	// each time that the record of a key is.
	Check func(ctx context.Context, p *auth.Principal) error

	// Issuer is the Issuer of principals, usually that of the tokens. "": none.
	Issuer string

	// Events receives [auth.EventAPIKeyCreated], [auth.EventAPIKeyRolled] and [auth.EventAPIKeyDeleted],
	// with the user and the key, under the rules of [auth.Config].Events. nil: there are no events.
	Events func(ctx context.Context, e auth.Event)

	// Logger receives a line when the time of the last use could not be written. nil: [slog.Default].
	Logger *slog.Logger
}

// Keys creates and verifies API keys. Make one with [New]. It is safe for concurrent use.
type Keys struct {
	form    form
	users   Users
	calls   *detach.Calls
	records auth.RecordStore
	cache   *cache // nil: none
	config  Config
}

// New returns the keys that begin with a prefix, such as "myapp_live" or "myapp_test": 2 to 32 small letters,
// digits and underscores. Give each environment another prefix, so that nobody takes a key of one for that of
// another. With another prefix all keys become invalid. records is the [auth.Config].Records of the
// Authenticator, so that the keys of a deleted user are deleted.
//
// It returns a [*cfgerr.Error] for each fault, joined.
func New(prefix string, users Users, records auth.RecordStore, cfg Config) (*Keys, error) {
	faults := cfgerr.Faults{Prefix: "apikey."}
	k := &Keys{form: newForm(&faults, prefix), users: users, calls: detach.New()}
	faults.Require("New.users", users != nil)
	faults.Require("New.records", records != nil)
	cfg.PerUser = cfgerr.Within(&faults, "Config.PerUser", cfg.PerUser, defaultPerUser, 1, maxPerUser)
	cfg.MaxLifetime = cfgerr.Within(&faults, "Config.MaxLifetime", cfg.MaxLifetime, defaultLifetime, minLifetime, maxLifetime)
	cfg.MaxOverlap = cfgerr.Within(&faults, "Config.MaxOverlap", cfg.MaxOverlap, defaultOverlap, minOverlap, maxOverlap)
	places := cfgerr.Within(&faults, "Config.CacheEntries", cfg.CacheEntries, defaultPlaces, ways, maxPlaces)
	if cfg.CacheTime != NoCache {
		cfg.CacheTime = cfgerr.Within(&faults, "Config.CacheTime", cfg.CacheTime, defaultCacheTime, 100*time.Millisecond, maxCacheTime)
		k.cache = newCache(places)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	k.records = detach.Records[auth.Record]{Store: records, Calls: k.calls}
	if cfg.Events == nil {
		cfg.Events = func(context.Context, auth.Event) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	k.config = cfg
	return k, nil
}

// Recognizes reports whether a credential begins like a key of k, whatever follows: see [auth.ByForm].
func (k *Keys) Recognizes(credential string) bool {
	return len(credential) >= len(k.form.head) && credential[:len(k.form.head)] == k.form.head
}

// Pattern returns a regular expression (RE2) that matches the keys of k in a text, for secret scanners.
func (k *Keys) Pattern() string {
	return fmt.Sprintf(`\b%s[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}\b`, regexp.QuoteMeta(k.form.head), idLength, secretLength+checksumLength)
}

// Secret is an API key in full, which is shown once. Convert it to a string to show it: however else it is
// printed, logged or encoded, it shows nothing.
type Secret string

const redactedSecret = "apikey.Secret([REDACTED])"

// Format writes a text without the key, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redactedSecret) }

// LogValue returns what Format writes.
func (Secret) LogValue() slog.Value { return slog.StringValue(redactedSecret) }

// MarshalJSON returns what Format writes, as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSecret + `"`), nil }

// Key describes an API key. Nothing in it is secret.
type Key struct {
	ID            string    // stands in the key, in events, and in the TokenID of principals
	UserID        string    // owner
	Name          string    // what the owner calls it
	Scopes, Roles []string  // sorted; what the key may do
	CreatedAt     time.Time // all times of a Key are by the store's clock
	RolledAt      time.Time // time when it got its present secret; zero: it has its first
	LastUsedAt    time.Time // time of the last use, to a minute; zero: it was not used
	ExpiresAt     time.Time // end of the key
	OldUntil      time.Time // time until when the old secret is valid as well; zero: it is not
}
