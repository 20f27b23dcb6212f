package authhttp

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Guard lets verified callers pass and answers all other requests itself. [auth.Middleware]
// implements it. Its callers count as users of this service, so it must accept only tokens that
// this service issued.
type Guard interface {
	Require(next http.Handler) http.Handler
}

// GuardFunc is a [Guard] that asks for more, such as [auth.Middleware.RequireMFA] or the result of
// [auth.Middleware.RequireRecent].
type GuardFunc func(next http.Handler) http.Handler

// Require implements [Guard].
func (f GuardFunc) Require(next http.Handler) http.Handler { return f(next) }

// guarded returns a handler for requests with an allowed method whose caller the guard lets pass and is
// the user in person. See decision 0126.
func (cfg Config) guarded(
	guard Guard, next func(w http.ResponseWriter, r *http.Request, p *auth.Principal), allowed ...string,
) http.Handler {
	verified := guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := auth.FromContext(r.Context())
		if !ok {
			cfg.refuse(w, r, errors.New("authhttp: the guard let a request pass without a principal in its context"))
			return
		}
		if !inPerson(p) {
			cfg.refuse(w, r, auth.ErrInsufficientScope)
			return
		}
		next(w, r, p)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := cfg.screen(w, r, allowed...); err != nil {
			cfg.refuse(w, r, err)
			return
		}
		verified.ServeHTTP(w, r)
	})
}

// inPerson reports whether p is a user in person. A key or an agent must not get more than it was given.
func inPerson(p *auth.Principal) bool { return p.Kind() == auth.KindUser && p.Actor() == "" }

// Users finds accounts. [auth.UserStore] has this method.
type Users interface {
	UserByID(ctx context.Context, id string) (auth.User, error)
}

// Me returns the endpoint for the caller's own account: GET answers with its id and username, or
// with 401 if the account has been deleted or disabled.
func Me(users Users, guard Guard, cfg Config) http.Handler {
	users = detached(users)
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		u, err := users.UserByID(r.Context(), p.Subject())
		if errors.Is(err, auth.ErrUserNotFound) || err == nil && u.Disabled {
			err = challengeInvalidToken(w)
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		cfg.answerAccount(w, r, http.StatusOK, u)
	}, http.MethodGet, http.MethodHead)
}

// SessionLister is what [Sessions] calls. [auth.Authenticator] implements it.
type SessionLister interface {
	Sessions(ctx context.Context, userID string) ([]auth.Session, error)
	EndSessions(ctx context.Context, userID, except string) error
}

// Sessions returns the endpoint for the caller's sessions. GET lists them, the last used first, and
// marks the session that asks as current. DELETE ends all sessions but that one. A stolen access
// token can then log out its owner, unless the guard asks for a recent login as well, as that of
// [Mount] does.
func Sessions(a SessionLister, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if r.Method == http.MethodDelete {
			if err := a.EndSessions(auth.WithDevice(r.Context(), cfg.device(r)), p.Subject(), p.SessionID()); err != nil {
				cfg.refuse(w, r, err)
				return
			}
			cfg.succeed(w, r, http.StatusNoContent, nil)
			return
		}
		sessions, err := a.Sessions(r.Context(), p.Subject())
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		cfg.succeed(w, r, http.StatusOK, listSessions(sessions, p.SessionID()))
	}, http.MethodGet, http.MethodHead, http.MethodDelete)
}

// sessionList is the body that lists sessions.
type sessionList struct {
	Sessions []listedSession `json:"sessions"`
}

type listedSession struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	UserAgent  string    `json:"user_agent,omitempty"`
	IP         string    `json:"ip,omitempty"`
}

func listSessions(sessions []auth.Session, currentID string) sessionList {
	list := sessionList{Sessions: []listedSession{}}
	for _, s := range sessions {
		listed := listedSession{
			ID: s.ID, Current: s.ID == currentID, CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt,
			ExpiresAt: s.ExpiresAt, UserAgent: s.UserAgent,
		}
		if s.IP.IsValid() {
			listed.IP = s.IP.String()
		}
		list.Sessions = append(list.Sessions, listed)
	}
	return list
}

// SessionEnder is what [Session] calls. [auth.Authenticator] implements it.
type SessionEnder interface {
	EndSession(ctx context.Context, userID, sessionID string) error
}

// sessionID matches the ID of a [session.Session]. A store is asked for no other.
var sessionID = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// Session returns the endpoint for one session of the caller. The wildcard {id} of the pattern that
// it is mounted at is the session's ID. DELETE ends the session. An unknown ID and the ID of
// another user's session have the same answer, 404. See [Sessions] about stolen access tokens.
func Session(a SessionEnder, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		id, err := r.PathValue("id"), auth.ErrSessionNotFound
		if sessionID.MatchString(id) {
			err = a.EndSession(auth.WithDevice(r.Context(), cfg.device(r)), p.Subject(), id)
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		if id == p.SessionID() {
			cfg.Cookies.clear(w)
		}
		cfg.succeed(w, r, http.StatusNoContent, nil)
	}, http.MethodDelete)
}

// PasswordChanger is what [ChangePassword] calls. [auth.Authenticator] implements it.
type PasswordChanger interface {
	ChangePassword(ctx context.Context, userID, current, replacement string) (auth.Tokens, error)
}

// wrongPassword refuses a caller's current password.
var wrongPassword = &refusal{http.StatusForbidden, "invalid_credentials", "", "the current password is wrong"}

// ChangePassword returns the endpoint that changes the caller's password. It takes the JSON object
// {"current_password": …, "new_password": …}, ends all sessions, and gives the tokens of a new one
// as [Login] does, or as cookies if the caller's access token came in a cookie. The object may hold
// a device_token, as for Login. A wrong current password is answered 403 and not 401, because the
// access token is valid: a client would try to refresh it after a 401.
func ChangePassword(a PasswordChanger, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		c := cfg.Cookies.usedBy(r)
		in, err := cfg.readChecked(w, r, changePasswordBody)
		var t auth.Tokens
		r = r.WithContext(cfg.withDevice(r, in, c))
		if err == nil {
			t, err = a.ChangePassword(r.Context(), p.Subject(), in.values["current_password"], in.values["new_password"])
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = wrongPassword
		}
		if err == nil {
			err = cfg.writeTokens(w, r, c, t)
		}
		if err != nil {
			cfg.refuse(w, r, err)
		}
	}, http.MethodPost)
}

// AccountDeleter is what [DeleteAccount] calls. recovery.Recovery implements it.
type AccountDeleter interface {
	DeleteAccount(ctx context.Context, userID, password string) error
}

// DeleteAccount returns the endpoint that deletes the caller's account. It takes the JSON object
// {"current_password": …}, ends all sessions, and answers 204, also if another request has just
// deleted the account. With [Config].Cookies it removes the cookies from the browser. The object
// may hold a device_token, and a wrong current password is answered 403, as in [ChangePassword]. To
// ask for a second factor or a recent login as well, give it a [GuardFunc].
func DeleteAccount(a AccountDeleter, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, currentPasswordBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		err := a.DeleteAccount(ctx, p.Subject(), in.values["current_password"])
		if errors.Is(err, auth.ErrUserNotFound) {
			err = nil
		}
		return nil, err
	}, func(w http.ResponseWriter, r *http.Request, _ any) {
		cfg.Cookies.clear(w)
		cfg.succeed(w, r, http.StatusNoContent, nil)
	})
}

// confirmed returns a handler for callers who send their current password in a body. It calls do,
// with the caller's device in ctx, and answers with the result of do.
func (cfg Config) confirmed(
	guard Guard, b body, do func(ctx context.Context, p *auth.Principal, in input) (result any, err error),
	answer func(w http.ResponseWriter, r *http.Request, result any),
) http.Handler {
	cfg = cfg.shared()
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		in, err := cfg.readChecked(w, r, b)
		var result any
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies.usedBy(r)))
		if err == nil {
			err = cfg.before(r, b)
		}
		if err == nil {
			result, err = do(r.Context(), p, in)
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = wrongPassword
		}
		if err != nil {
			cfg.refuse(w, r, refuseEndedSession(w, refuseInvalidAddress(err)))
			return
		}
		answer(w, r, result)
	}, http.MethodPost)
}
