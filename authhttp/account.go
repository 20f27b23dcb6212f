package authhttp

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Guard lets verified callers pass, as [auth.Middleware] does, and answers the rest
// itself. Its callers are taken for users of this service, so it must take the
// tokens of this service alone.
type Guard interface {
	Require(next http.Handler) http.Handler
}

// GuardFunc is a [Guard] that asks for more, as [auth.Middleware.RequireMFA] or what
// [auth.Middleware.RequireRecent] returns does.
type GuardFunc func(next http.Handler) http.Handler

// Require implements [Guard].
func (f GuardFunc) Require(next http.Handler) http.Handler { return f(next) }

// Users finds accounts, as [auth.UserStore] does.
type Users interface {
	UserByID(ctx context.Context, id string) (auth.User, error)
}

// guarded returns a handler for callers that guard lets pass, and for methods that
// are one of those allowed.
func (cfg Config) guarded(guard Guard, next func(w http.ResponseWriter, r *http.Request, p *auth.Principal), allowed ...string) http.Handler {
	inner := guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := auth.FromContext(r.Context())
		if !ok {
			cfg.refuse(w, r, errors.New("authhttp: the guard let pass a request and named no caller"))
			return
		}
		next(w, r, p)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(allowed, r.Method) {
			cfg.refuse(w, r, notAllowed(w, allowed...))
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// Me returns the endpoint that tells callers who they are: GET answers with id and
// username of their account, and 401 if it is gone or disabled.
func Me(users Users, guard Guard, cfg Config) http.Handler {
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		u, err := users.UserByID(r.Context(), p.Subject())
		if errors.Is(err, auth.ErrUserNotFound) || err == nil && u.Disabled {
			w.Header().Set("WWW-Authenticate", `Bearer realm="api", error="invalid_token"`) // RFC 6750 section 3.1
			err = auth.ErrInvalidToken
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, account{u.ID, u.Username})
	}, http.MethodGet, http.MethodHead)
}

// SessionEnder ends sessions and lists them, as [auth.Authenticator] does.
type SessionEnder interface {
	Sessions(ctx context.Context, userID string) ([]auth.Session, error)
	EndSession(ctx context.Context, userID, sessionID string) error
	EndSessions(ctx context.Context, userID, except string) error
}

// Sessions returns the endpoint for the caller's sessions: GET lists them, the last
// used first, and says which is the one that is asking; DELETE ends all others.
func Sessions(a SessionEnder, guard Guard, cfg Config) http.Handler {
	type session struct {
		ID         string    `json:"id"`
		Current    bool      `json:"current"`
		CreatedAt  time.Time `json:"created_at"`
		LastUsedAt time.Time `json:"last_used_at"`
		ExpiresAt  time.Time `json:"expires_at"`
		UserAgent  string    `json:"user_agent,omitempty"`
		IP         string    `json:"ip,omitempty"`
	}
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if r.Method == http.MethodDelete {
			if err := a.EndSessions(auth.WithDevice(r.Context(), cfg.device(r)), p.Subject(), p.SessionID()); err != nil {
				cfg.refuse(w, r, err)
				return
			}
			done(w)
			return
		}
		all, err := a.Sessions(r.Context(), p.Subject())
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		answer := struct {
			Sessions []session `json:"sessions"`
		}{[]session{}}
		for _, s := range all {
			one := session{
				ID: s.ID, Current: s.ID == p.SessionID(), CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt,
				ExpiresAt: s.ExpiresAt, UserAgent: s.UserAgent,
			}
			if s.IP.IsValid() {
				one.IP = s.IP.String()
			}
			answer.Sessions = append(answer.Sessions, one)
		}
		write(w, http.StatusOK, answer)
	}, http.MethodGet, http.MethodHead, http.MethodDelete)
}

// sessionID is what the ID of a [session.Session] looks like: nothing else is asked
// of a store.
var sessionID = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// Session returns the endpoint for one session of the caller's, whose ID is the
// wildcard {id} of the pattern it is mounted at: DELETE ends it. It answers 404 to
// the ID of nobody's and of another's session alike.
func Session(a SessionEnder, guard Guard, cfg Config) http.Handler {
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
		done(w)
	}, http.MethodDelete)
}

// Leaver ends the session of whoever asks, as [auth.Authenticator] does.
type Leaver interface {
	Logout(ctx context.Context, refreshToken string) error
	EndSession(ctx context.Context, userID, sessionID string) error
}

// Logout returns the endpoint that ends a session, and answers 204 if it had ended
// before, too. It takes the JSON object {"refresh_token": …}, or no body and
// the access token. With [Config].Cookies it takes no body, and takes the cookies
// from the browser; a browser whose access token has expired is answered 401 and
// refreshes first, for its refresh token is sent to [Refresh] alone.
func Logout(a Leaver, guard Guard, cfg Config) http.Handler {
	takes := leaving
	if cfg.Cookies != nil {
		takes = nothing
	}
	own := cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if err := ended(a.EndSession(auth.WithDevice(r.Context(), cfg.device(r)), p.Subject(), p.SessionID())); err != nil {
			cfg.refuse(w, r, err)
			return
		}
		cfg.Cookies.clear(w)
		done(w)
	}, http.MethodPost)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in input
		err := cfg.Cookies.check(r)
		if err == nil {
			in, err = takes.read(w, r)
		}
		token, given := in.values["refresh_token"]
		if err == nil && !given {
			own.ServeHTTP(w, r)
			return
		}
		if err == nil {
			err = a.Logout(auth.WithDevice(r.Context(), cfg.device(r)), token)
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		done(w)
	})
}

// PasswordChanger changes passwords, as [auth.Authenticator] does.
type PasswordChanger interface {
	ChangePassword(ctx context.Context, userID, current, replacement string) (auth.Tokens, error)
}

// wrongPassword is the refusal of a caller's password.
var wrongPassword = refusal{http.StatusForbidden, "invalid_credentials", "", "the current password is wrong"}

// ChangePassword returns the endpoint that changes the caller's password: it takes
// the JSON object {"current_password": …, "new_password": …}, ends all sessions,
// and gives the tokens of a new one as [Login] does, or as cookies to a caller
// that came by one. A device_token may come along, as in Login. A wrong current
// password is 403, for the access token is good: a 401 would have clients refresh it.
func ChangePassword(a PasswordChanger, guard Guard, cfg Config) http.Handler {
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		var in input
		var t auth.Tokens
		err := cfg.Cookies.check(r)
		if err == nil {
			in, err = change.read(w, r)
		}
		if err == nil {
			t, err = a.ChangePassword(auth.WithDevice(r.Context(), cfg.known(r, in, cfg.Cookies.of(r))), p.Subject(), in.values["current_password"], in.values["new_password"])
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = &wrongPassword
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		cfg.give(w, r, cfg.Cookies.of(r), t)
	}, http.MethodPost)
}

// AccountDeleter deletes accounts, as recovery.Recovery does.
type AccountDeleter interface {
	DeleteAccount(ctx context.Context, userID, password string) error
}

// DeleteAccount returns the endpoint that deletes the caller's account: it takes the
// JSON object {"current_password": …}, ends all sessions, and answers 204, also if
// another request has just deleted it. With [Config].Cookies it takes the cookies from
// the browser. A device_token may come along, and a wrong current password is 403, as
// in [ChangePassword]. For a second factor or a recent login besides, give it a
// [GuardFunc].
func DeleteAccount(a AccountDeleter, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, leave, func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error) {
		err := a.DeleteAccount(auth.WithDevice(ctx, d), p.Subject(), in.values["current_password"])
		if errors.Is(err, auth.ErrUserNotFound) {
			err = nil
		}
		return nil, err
	}, func(w http.ResponseWriter, _ any) {
		cfg.Cookies.clear(w)
		done(w)
	})
}

// confirmed returns a handler for callers who give their current password in a body,
// and say what to do with it, and how to answer with what that made.
func (cfg Config) confirmed(guard Guard, takes body, do func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error), answer func(http.ResponseWriter, any)) http.Handler {
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		var in input
		var made any
		err := cfg.Cookies.check(r)
		if err == nil {
			in, err = takes.read(w, r)
		}
		if err == nil {
			made, err = do(r.Context(), cfg.known(r, in, cfg.Cookies.of(r)), p, in)
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = &wrongPassword
		}
		if err != nil {
			cfg.refuse(w, r, ofSession(w, ofAddress(err)))
			return
		}
		answer(w, made)
	}, http.MethodPost)
}
