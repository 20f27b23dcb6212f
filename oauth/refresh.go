package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

var errInvalidGrant = refuse("invalid_grant", "the refresh token is unknown, expired, or its grant has ended")

// maxConflicts bounds how often one call meets a grant that others have just changed.
const maxConflicts = 16

// refresh answers a refresh token (OAuth 2.1 section 4.3) by the rule of package places.
func (s *Server) refresh(r *http.Request, c *client, f form, all url.Values) (tokens, error) {
	if f["refresh_token"] == "" {
		return tokens{}, refuse("invalid_request", "refresh_token is missing")
	}
	presented, err := places.Read(s.cfg.Secrets, f["refresh_token"])
	if err != nil {
		return tokens{}, asInvalidGrant(err, places.ErrNotGenuine)
	}
	for range maxConflicts {
		t, err := s.refreshOnce(r, c, f, all, presented)
		if !errors.Is(err, auth.ErrConflict) {
			return t, err
		}
	}
	return tokens{}, &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}

// refreshOnce returns [auth.ErrConflict] if the grant has changed meanwhile.
func (s *Server) refreshOnce(r *http.Request, c *client, f form, all url.Values, presented places.Presented) (tokens, error) {
	ctx := r.Context()
	g, err := s.load(ctx, presented.Grant())
	if err != nil {
		return tokens{}, asInvalidGrant(err, ErrGrantNotFound)
	}
	token, err := g.places.Open(presented)
	if err != nil {
		return tokens{}, asInvalidGrant(err, places.ErrNotGenuine)
	}
	if g.ClientID != c.id || !g.now.Before(g.LastUsed.Add(s.cfg.IdleLife)) || !g.now.Before(g.Created.Add(s.cfg.GrantLife)) {
		return tokens{}, errInvalidGrant
	}
	if c.unproven && g.Proven {
		return tokens{}, errUnavailable
	}
	if err := sameResource(all["resource"], g.Resource); err != nil {
		return tokens{}, err
	}
	scopes, err := narrower(g.Scopes, f["scope"])
	if err != nil {
		return tokens{}, err
	}
	if err := s.lasts(ctx, g); err != nil {
		return tokens{}, err
	}
	state, here, err := g.places.Locate(s.cfg.Secrets, s.clientIP(r))
	if err != nil {
		return tokens{}, err
	}
	state, answer := state.Present(token, here, g.now, s.rule())
	g.places = state
	if answer.Verdict == places.Ended {
		return tokens{}, s.theft(ctx, g)
	}
	if answer.Changed {
		if answer.Verdict == places.Served {
			g.LastUsed = g.now
		}
		if err := s.store(ctx, g); err != nil {
			return tokens{}, err
		}
	}
	s.refreshEvents(ctx, g, answer)
	if answer.Verdict == places.Refused {
		return tokens{}, errInvalidGrant
	}
	text, err := state.Text(s.cfg.Secrets, g.ID, answer.Token)
	if err != nil {
		return tokens{}, err
	}
	return s.issue(r, g, scopes, text)
}

// rule returns the settings of the rule.
func (s *Server) rule() places.Params {
	return places.Params{Strict: s.cfg.Strict, Repeat: s.cfg.RefreshWindow, TokenLife: s.cfg.AccessLife}
}

// narrower returns the scopes of a grant that a request asks for: all of them if it asks for none. It
// never widens a grant (OAuth 2.1 section 4.3.1).
func narrower(granted []string, asked string) ([]string, error) {
	words := slices.DeleteFunc(strings.Fields(asked), func(w string) bool { return w == offlineAccess })
	if len(words) == 0 {
		return granted, nil
	}
	var list []string
	for _, scope := range granted {
		if slices.Contains(words, scope) {
			list = append(list, scope)
		}
	}
	for _, w := range words {
		if !slices.Contains(granted, w) {
			return nil, refuse("invalid_scope", "the user has allowed less")
		}
	}
	return list, nil
}

// lasts returns an error if the grant has ended: with its session, with the account, or because the account
// has another password. The session is read from the store, so an end on one replica holds on each.
func (s *Server) lasts(ctx context.Context, g grant) error {
	use, err := s.keeper.Find(ctx, g.UserID, g.ID)
	if err != nil {
		return asInvalidGrant(err, auth.ErrSessionNotFound)
	}
	fingerprint, err := s.accounts.Fingerprint(ctx, g.UserID)
	if err == nil && !use.BelongsTo(fingerprint) {
		err = auth.ErrInvalidCredentials
	}
	if errors.Is(err, auth.ErrInvalidCredentials) {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		if err := s.end(after, g.UserID, g.ID, EventGrantEnded); err != nil && !errors.Is(err, ErrGrantNotFound) {
			return err
		}
		return errInvalidGrant
	}
	if err == nil && g.now.Sub(use.Session.LastUsedAt) > touchAfter {
		err = s.touch(ctx, use.Session, g.now)
	}
	return err
}

// touchAfter is how long the session of a grant is left alone that is used: its last use decides alone
// which session is ended if a user has too many.
const touchAfter = 24 * time.Hour

// touch writes that the session of a grant is used.
func (s *Server) touch(ctx context.Context, old auth.Session, now time.Time) error {
	used := old
	used.LastUsedAt, used.Version = now, old.Version+1
	if err := s.sessions.ReplaceSession(ctx, old, used); !errors.Is(err, auth.ErrConflict) {
		return err
	}
	return nil // another refresh was faster, or the next one finds that the session is gone
}

// theft ends a grant that two parties hold. A client that hangs up does not stop that.
func (s *Server) theft(ctx context.Context, g grant) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := s.end(ctx, g.UserID, g.ID, auth.EventReuse); err != nil && !errors.Is(err, ErrGrantNotFound) {
		return err
	}
	return errInvalidGrant
}

// refreshEvents says what a refresh has shown.
func (s *Server) refreshEvents(ctx context.Context, g grant, a places.Answer) {
	for _, e := range []struct {
		kind auth.EventKind
		is   bool
	}{
		{EventRefreshForked, a.Forked}, {EventRefreshConflict, a.Conflict}, {EventRefreshDormant, a.Verdict == places.Refused},
		{EventGrantRefreshed, a.Verdict == places.Served || a.Verdict == places.Repeated},
	} {
		if e.is {
			s.event(ctx, e.kind, g.UserID, g.ID)
		}
	}
}
