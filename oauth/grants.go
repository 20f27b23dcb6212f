package oauth

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

// Kinds of events of this package, in addition to those of package auth. SessionID is the ID of the grant.
const (
	EventGrantBegan       auth.EventKind = "grant_began"       // a client got tokens for a code
	EventGrantEnded       auth.EventKind = "grant_ended"       // a grant was ended by its user or its client
	EventDenied           auth.EventKind = "grant_denied"      // a user has denied what a client asked for
	EventCodeReplayed     auth.EventKind = "code_replayed"     // a code was used twice, so its grant was ended
	EventGrantRefreshed   auth.EventKind = "grant_refreshed"   // a refresh token was used
	EventRefreshForked    auth.EventKind = "refresh_forked"    // a used refresh token came again, from another process of the client
	EventRefreshConflict  auth.EventKind = "refresh_conflict"  // a refresh token was used as an honest holder would hardly do
	EventRefreshDormant   auth.EventKind = "refresh_dormant"   // an old copy of a refresh token was refused
	EventClientRegistered auth.EventKind = "client_registered" // a client has registered
)

// ErrGrantNotFound is the error of [Server.EndGrant] if the user has no such grant.
var ErrGrantNotFound = errors.New("oauth: grant not found")

// Grant is what a user has allowed a client: a connected app.
type Grant struct {
	ID         string // sid of its access tokens
	UserID     string
	ClientID   string
	ClientName string // as it was shown to the user
	Resource   string // URL of the resource
	Scopes     []string
	Created    time.Time // when the client got its first tokens
	LastUsed   time.Time // when it last got tokens
}

// grant is a Grant with what is needed to go on with it.
type grant struct {
	Grant
	AuthTime int64 // of the login, in seconds
	AMR      []string
	Proven   bool      // the client must authenticate
	End      time.Time // absolute end, by the store's clock

	places  places.State // state of the refresh tokens
	version int64        // of the record
	now     time.Time    // time of the store when it was read
	first   string       // first refresh token, of a grant that begins
	session auth.Session // what Draft made, of a grant that begins
}

// description is what the record of a grant says in JSON. ID and user are in its key and owner.
type description struct {
	Client   string    `json:"c"`
	Name     string    `json:"n"`
	Resource string    `json:"r"`
	Scopes   []string  `json:"s"`
	Created  time.Time `json:"b"`
	LastUsed time.Time `json:"u"`
	End      time.Time `json:"e"`
	AuthTime int64     `json:"t,omitempty"`
	AMR      []string  `json:"m,omitempty"`
	Proven   bool      `json:"k,omitempty"`
}

// describe returns the description of a grant for its record.
func (g *grant) describe() ([]byte, error) {
	return json.Marshal(description{
		g.ClientID, g.ClientName, g.Resource, g.Scopes, g.Created, g.LastUsed, g.End, g.AuthTime, g.AMR, g.Proven,
	})
}

// maxGrant bounds the description of a grant, so that the state of its refresh tokens fits beside it.
const maxGrant = maxValue - 2 - places.MaxSize

func grantKey(id string) string { return "oauth:grant:" + id }

// record returns the record of a grant: the length of its description, the description, the state.
func (g *grant) record(idle time.Duration) (auth.Record, error) {
	text, err := g.describe()
	if err != nil || len(text) > maxGrant {
		return auth.Record{}, errors.Join(err, fmt.Errorf("oauth: the description of grant %s has %d bytes, more than %d", g.ID, len(text), maxGrant))
	}
	value := binary.BigEndian.AppendUint16(make([]byte, 0, 512), uint16(len(text)))
	value = g.places.Append(append(value, text...))
	end := g.LastUsed.Add(idle)
	if g.End.Before(end) {
		end = g.End
	}
	return auth.Record{Key: grantKey(g.ID), Owner: g.UserID, Value: value, Version: g.version, ExpiresAt: end}, nil
}

// fitsGrant reports whether the grant that follows from a request fits into a record.
func fitsGrant(c *client, req request) bool {
	const more = 250 // times, and the methods of the login
	g := grant{Grant: Grant{ClientID: c.id, ClientName: c.name, Resource: req.Resource, Scopes: req.Scopes}}
	text, err := g.describe()
	return err == nil && len(text)+more <= maxGrant
}

// grantOf returns the grant of a record.
func grantOf(record auth.Record, now time.Time) (grant, error) {
	b := record.Value
	if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
		return grant{}, errors.New("oauth: the record of a grant is damaged")
	}
	text, state := b[2:2+binary.BigEndian.Uint16(b)], b[2+binary.BigEndian.Uint16(b):]
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return grant{}, fmt.Errorf("oauth: the record of a grant is damaged: %w", err)
	}
	known, err := places.Parse(state)
	return grant{
		Grant:    Grant{record.Key[len(grantKey("")):], record.Owner, d.Client, d.Name, d.Resource, d.Scopes, d.Created, d.LastUsed},
		AuthTime: d.AuthTime, AMR: d.AMR, Proven: d.Proven, End: d.End, places: known, version: record.Version, now: now,
	}, err
}

// load returns a grant whose record is there. Its session may be gone.
func (s *Server) load(ctx context.Context, id string) (grant, error) {
	record, now, err := s.records.Record(ctx, grantKey(id))
	switch {
	case err != nil:
		return grant{}, err
	case record.Version == 0:
		return grant{}, ErrGrantNotFound
	}
	return grantOf(record, now)
}

// store puts g in the place of what it was loaded from. It returns [auth.ErrConflict] if that has changed.
func (s *Server) store(ctx context.Context, g grant) error {
	record, err := g.record(s.cfg.IdleLife)
	if err != nil {
		return err
	}
	return s.records.ReplaceRecord(ctx, record.Renew(), record)
}

// draft returns a grant for a code, which [Server.begin] stores.
func (s *Server) draft(r *http.Request, c *client, of code, now time.Time) (grant, error) {
	req := of.Request
	draft := s.keeper.Draft(req.User, auth.Device{UserAgent: c.name, IP: s.clientIP(r)})
	g := grant{
		Grant: Grant{
			ID: draft.ID, UserID: req.User, ClientID: c.id, ClientName: c.name, Resource: req.Resource, Scopes: req.Scopes,
			Created: now, LastUsed: now,
		},
		AuthTime: of.AuthTime, AMR: of.AMR, Proven: req.Proven, End: now.Add(s.cfg.GrantLife), now: now, session: draft,
	}
	state, first, err := places.Begin(s.cfg.Secrets, s.clientIP(r), now)
	if err != nil {
		return grant{}, err
	}
	g.places = state
	g.first, err = state.Text(s.cfg.Secrets, g.ID, first)
	return g, err
}

// begin stores a grant: first its record, and then the session without which the record is nothing. So no
// crash leaves half a grant. A user who has logged out, or cannot log in any more, since the consent gets
// none.
func (s *Server) begin(ctx context.Context, g grant, of code, used auth.Record) error {
	fingerprint, err := s.accounts.Fingerprint(ctx, g.UserID)
	if err != nil {
		return asInvalidGrant(err, auth.ErrInvalidCredentials)
	}
	if err := s.loginLasts(ctx, of.Request); err != nil {
		return err
	}
	if err := s.store(ctx, g); err != nil {
		return err
	}
	tokensUntil := g.session.ExpiresAt.Add(s.cfg.AccessLife)
	if _, err := s.keeper.CreateBound(ctx, &g.session, fingerprint, nil, tokensUntil); err != nil {
		return err
	}
	// A logout, a changed password or a replayed code came before this check, or ends the new session.
	again, err := s.accounts.Fingerprint(ctx, g.UserID)
	if err == nil && again != fingerprint {
		err = auth.ErrInvalidCredentials
	}
	if err != nil {
		err = asInvalidGrant(err, auth.ErrInvalidCredentials)
	} else {
		err = s.loginLasts(ctx, of.Request)
	}
	if err == nil {
		var now auth.Record
		if now, _, err = s.records.Record(ctx, used.Key); err == nil && now.Version != used.Version {
			err = errInvalidCode
		}
	}
	if err != nil {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		_ = s.end(after, g.UserID, g.ID, "") // nobody has its tokens
		return err
	}
	s.endSurplus(ctx, g)
	return nil
}

// cleanupTime bounds what is done for a client that may have hung up.
const cleanupTime = 10 * time.Second

// asInvalidGrant returns the answer about a grant that cannot be used any more if err is refusal, and
// otherwise err.
func asInvalidGrant(err, refusal error) error {
	if errors.Is(err, refusal) {
		return errInvalidGrant
	}
	return err
}

// loginLasts returns an error if the login that allowed a request has ended since.
func (s *Server) loginLasts(ctx context.Context, req request) error {
	if req.Session == "" {
		return nil
	}
	login, now, err := s.sessions.Session(ctx, req.Session)
	if err == nil && (login.UserID != req.User || !now.Before(login.ExpiresAt)) {
		err = auth.ErrSessionNotFound
	}
	return asInvalidGrant(err, auth.ErrSessionNotFound)
}

// revocationMargin is how much longer a revocation is kept than the tokens that it ends: for the leeway of
// verifiers and for clocks that differ. It is that of package session.
const revocationMargin = 10 * time.Minute

// end ends a grant of a user: its session, with which its access tokens end on every replica, the consent
// that is remembered, and its record. It returns [ErrGrantNotFound] if the user has no such grant.
func (s *Server) end(ctx context.Context, userID, grantID string, kind auth.EventKind) error {
	g, err := s.load(ctx, grantID)
	if err == nil && g.UserID != userID {
		err = ErrGrantNotFound
	}
	if err != nil {
		return err
	}
	// The session goes first: without it, no part of the grant is good for anything.
	err = s.endSession(ctx, grantID)
	if err != nil && !errors.Is(err, auth.ErrSessionNotFound) {
		return err
	}
	ended := err == nil
	if err := s.forget(ctx, userID, g.ClientID, g.Resource); err != nil {
		return err
	}
	if err := s.deleteRecord(ctx, grantID); err != nil {
		return err
	}
	if !ended {
		return ErrGrantNotFound
	}
	s.tellEnded(ctx, kind, userID, grantID)
	return nil
}

// endSession ends the session of a grant. It returns [auth.ErrSessionNotFound] if that has ended.
func (s *Server) endSession(ctx context.Context, grantID string) error {
	return s.sessions.DeleteSession(ctx, grantID, time.Now().Add(s.cfg.Tokens.MaxLifetime()+revocationMargin))
}

// deleteRecord deletes the record of a grant whose session has ended.
func (s *Server) deleteRecord(ctx context.Context, grantID string) error {
	for {
		record, _, err := s.records.Record(ctx, grantKey(grantID))
		if err == nil && record.Version != 0 {
			err = s.records.DeleteRecord(ctx, record.Key, record.Version)
		}
		if !errors.Is(err, auth.ErrConflict) { // otherwise a refresh came between, which sees the session gone
			return err
		}
	}
}

// revokedTime bounds how long an end waits for Config.Revoked.
const revokedTime = time.Second

// tellEnded makes the end of a grant take effect in this process, and emits an event.
func (s *Server) tellEnded(ctx context.Context, kind auth.EventKind, userID, grantID string) {
	if s.cfg.Revoked != nil {
		syncing, cancel := context.WithTimeout(ctx, revokedTime)
		defer cancel()
		if err := s.cfg.Revoked(syncing); err != nil {
			s.log.WarnContext(ctx, "oauth: Config.Revoked failed", "error", err)
		}
	}
	if kind != "" {
		s.event(ctx, kind, userID, grantID)
	}
}

// Grants returns the grants of a user that have not ended, the newest first.
func (s *Server) Grants(ctx context.Context, userID string) ([]Grant, error) {
	if userID == "" {
		return nil, nil
	}
	records, err := s.records.Records(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("oauth: list grants: %w", err)
	}
	sessions, err := s.sessions.Sessions(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("oauth: list grants: %w", err)
	}
	lives := make(map[string]bool, len(sessions))
	for _, one := range sessions {
		lives[one.ID] = true
	}
	var list []Grant
	prefix := grantKey("")
	for _, record := range records {
		if len(record.Key) <= len(prefix) || record.Key[:len(prefix)] != prefix || !lives[record.Key[len(prefix):]] {
			continue
		}
		g, err := grantOf(record, time.Time{})
		if err != nil {
			return nil, err
		}
		list = append(list, g.Grant)
	}
	slices.SortFunc(list, func(x, y Grant) int { return y.Created.Compare(x.Created) })
	return list, nil
}

// EndGrant disconnects an app: its refresh tokens are refused at once, on every replica, and its access
// tokens and streams end as soon as package revocation says so. The user is asked again when the client
// comes back. It returns [ErrGrantNotFound] if the user has no such grant. Take userID from a verified
// [jwt.Principal].
func (s *Server) EndGrant(ctx context.Context, userID, grantID string) error {
	if userID == "" || len(grantID) > 64 || !isVisible(grantID) {
		return ErrGrantNotFound
	}
	return s.end(ctx, userID, grantID, EventGrantEnded)
}
