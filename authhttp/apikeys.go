package authhttp

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
)

// KeyCreator is what [APIKeys] calls. [apikey.Keys] implements it.
type KeyCreator interface {
	List(ctx context.Context, userID string) ([]apikey.Key, error)
	Create(ctx context.Context, p *auth.Principal, spec apikey.Spec) (apikey.Key, apikey.Secret, error)
}

// KeyRoller is what [RollAPIKey] calls. [apikey.Keys] implements it.
type KeyRoller interface {
	Roll(ctx context.Context, p *auth.Principal, id string, overlap time.Duration) (apikey.Key, apikey.Secret, error)
}

// KeyDeleter is what [DeleteAPIKey] calls. [apikey.Keys] implements it.
type KeyDeleter interface {
	Delete(ctx context.Context, userID, id string) error
}

// The refusals of API keys.
var (
	keyNotFound = &refusal{http.StatusNotFound, "key_not_found", "", "there is no such API key"}
	tooManyKeys = &refusal{http.StatusConflict, "too_many_keys", "", "there are as many API keys as allowed: delete one first"}
	wrongNumber = &refusal{http.StatusUnprocessableEntity, "invalid_key", "", "a time must be a whole number of seconds"}
)

// revoker revokes tokens. It refuses API keys, which belong to no session: the answer of [Revoke] to a token that
// is unknown would tell whoever has found a key that it has ended.
type revoker struct {
	*auth.Authenticator
	keys *apikey.Keys // nil: there are none
}

var keyNotRevoked = &refusal{http.StatusBadRequest, "", "unsupported_token_type", "this is an API key: its owner must delete it"}

// Verify verifies an access token.
func (r revoker) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	if r.keys != nil && r.keys.Recognizes(token) {
		return nil, keyNotRevoked
	}
	return r.Authenticator.Verify(ctx, token)
}

// keyID matches the ID of an API key.
var keyID = regexp.MustCompile(`^[0-9A-Za-z]{26}$`)

// listedKey is the body that describes an API key. Key is there when it is created or rolled.
type listedKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Key        string     `json:"key,omitempty"`
	Scope      string     `json:"scope,omitempty"`
	Roles      []string   `json:"roles,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	RolledAt   *time.Time `json:"rolled_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	OldUntil   *time.Time `json:"old_until,omitempty"`
}

// keyList is the body that lists API keys.
type keyList struct {
	Keys []listedKey `json:"keys"`
}

func listKey(k apikey.Key, secret apikey.Secret) listedKey {
	optional := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return listedKey{
		ID: k.ID, Name: k.Name, Key: string(secret), Scope: strings.Join(k.Scopes, " "), Roles: k.Roles, CreatedAt: k.CreatedAt,
		ExpiresAt: k.ExpiresAt, RolledAt: optional(k.RolledAt), LastUsedAt: optional(k.LastUsedAt), OldUntil: optional(k.OldUntil),
	}
}

// APIKeys returns the endpoint for the caller's API keys. GET lists them, without their secrets. POST creates
// one: it takes the JSON object {"name": …}, with scope and roles as words separated by spaces, and expires_in in
// seconds, where they are wanted, and answers 201 with the key, which is shown only once. A caller who asks for
// a scope or role that the access token lacks is answered 403. A stolen access token can then create a key that
// outlives it, unless the guard asks for a recent login as well, as that of [Mount] does.
func APIKeys(k KeyCreator, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if r.Method != http.MethodPost {
			keys, err := k.List(r.Context(), p.Subject())
			if err != nil {
				cfg.refuse(w, r, err)
				return
			}
			list := keyList{Keys: []listedKey{}}
			for _, key := range keys {
				list.Keys = append(list.Keys, listKey(key, ""))
			}
			cfg.succeed(w, r, http.StatusOK, list)
			return
		}
		in, err := cfg.readChecked(w, r, createKeyBody)
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies.usedBy(r)))
		spec := apikey.Spec{
			Name: in.values["name"], Scopes: strings.Fields(in.values["scope"]), Roles: strings.Fields(in.values["roles"]),
		}
		if err == nil {
			spec.Lifetime, err = in.seconds("expires_in")
		}
		var key apikey.Key
		var secret apikey.Secret
		if err == nil {
			key, secret, err = k.Create(r.Context(), p, spec)
		}
		if err != nil {
			cfg.refuse(w, r, refuseKey(w, err))
			return
		}
		cfg.succeed(w, r, http.StatusCreated, listKey(key, secret))
	}, http.MethodGet, http.MethodHead, http.MethodPost)
}

// RollAPIKey returns the endpoint that gives an API key of the caller another secret. The wildcard {id} of the
// pattern that it is mounted at is the key's ID. It takes no body, or the JSON object {"overlap": …} with the
// seconds for which the old secret stays valid, and answers 200 with the key, which is shown only once. See
// [APIKeys] about stolen access tokens.
func RollAPIKey(k KeyRoller, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		in, err := cfg.readChecked(w, r, rollKeyBody)
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies.usedBy(r)))
		var overlap time.Duration
		if err == nil {
			overlap, err = in.seconds("overlap")
		}
		var key apikey.Key
		var secret apikey.Secret
		if err == nil {
			key, secret, err = k.Roll(r.Context(), p, r.PathValue("id"), overlap)
		}
		if err != nil {
			cfg.refuse(w, r, refuseKey(w, err))
			return
		}
		cfg.succeed(w, r, http.StatusOK, listKey(key, secret))
	}, http.MethodPost)
}

// DeleteAPIKey returns the endpoint that ends an API key of the caller. The wildcard {id} of the pattern that it
// is mounted at is the key's ID. An unknown ID and the ID of another user's key have the same answer, 404.
func DeleteAPIKey(k KeyDeleter, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if err := k.Delete(auth.WithDevice(r.Context(), cfg.device(r)), p.Subject(), r.PathValue("id")); err != nil {
			cfg.refuse(w, r, refuseKey(w, err))
			return
		}
		cfg.succeed(w, r, http.StatusNoContent, nil)
	}, http.MethodDelete)
}

// maxSeconds keeps a number of seconds within a [time.Duration].
const maxSeconds = 1 << 32

// seconds returns the time that a member gives in seconds, and 0 if it is absent.
func (in input) seconds(member string) (time.Duration, error) {
	text, ok := in.values[member]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > maxSeconds {
		return 0, wrongNumber
	}
	return time.Duration(n) * time.Second, nil
}

// refuseKey returns the refusal for an error of package apikey.
func refuseKey(w http.ResponseWriter, err error) error {
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return keyNotFound
	case errors.Is(err, apikey.ErrTooMany):
		return tooManyKeys
	case errors.Is(err, apikey.ErrInvalid):
		return &refusal{http.StatusUnprocessableEntity, "invalid_key", "", strings.TrimPrefix(err.Error(), "apikey: ")}
	case errors.Is(err, auth.ErrRevokedToken): // the account is gone
		return challengeInvalidToken(w)
	}
	return err
}
