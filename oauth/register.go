package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/oauth/internal/metadata"
)

// Register configures dynamic client registration (RFC 7591), by which clients make themselves known that
// nobody has heard of before. Client ID metadata documents do the same without leaving anything in a
// store. Its zero value is off.
type Register struct {
	// PerHour is how many clients one address (an IPv4 address, a /64 of IPv6) may register in an hour.
	// All addresses together may register 20 times as many, and 10,000 at least. Both are counted in
	// the memory of each process. 0: registration is off; at most 1,000,000.
	PerHour int
}

func (r Register) on() bool { return r.PerHour > 0 }

func (r Register) check(faults *cfgerr.Faults) {
	cfgerr.Within(faults, "Register.PerHour", r.PerHour, 0, 1, 1_000_000)
}

const (
	// unusedLife is how long a registered client is kept that no user has allowed anything.
	unusedLife = 24 * time.Hour

	// usedLife is how long a client is kept that users have allowed something, since the last time.
	// It is renewed each renewAfter.
	usedLife, renewAfter = 400 * 24 * time.Hour, 30 * 24 * time.Hour
)

// registration is a client that has registered itself, as its record has it. Its ID is in the key.
type registration struct {
	Metadata metadata.Metadata `json:"m"`
	Secret   []byte            `json:"s,omitempty"` // digest; empty: there is none
	Used     bool              `json:"u,omitempty"` // a user has allowed it something
}

func clientKey(id string) string { return "oauth:client:" + id }

// register is the registration endpoint (RFC 7591 section 3).
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	answer, err := s.newClient(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(answer)
}

func (s *Server) newClient(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	wait := s.limits.register.take(networks(s.clientIP(r))...)
	if wait == 0 {
		wait = s.limits.registerAll.take("")
	}
	if wait > 0 {
		return nil, tooMany(wait)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, metadata.MaxBody))
	if err != nil {
		return nil, &refusal{Code: metadata.InvalidClientMetadata, Description: "the body is too large, or could not be read", status: http.StatusRequestEntityTooLarge}
	}
	said, fault := metadata.Registration(body, s.offer())
	if fault != nil {
		return nil, refuse(fault.Code, fault.Description)
	}
	id, secret := rand.Text(), ""
	reg := registration{Metadata: said}
	if said.AuthMethod == authBasic || said.AuthMethod == authPost {
		secret = rand.Text() + rand.Text() // letters and digits alone, which no client encodes
		digest := sha256.Sum256([]byte(secret))
		reg.Secret = digest[:]
	}
	record, now, err := s.records.Record(r.Context(), clientKey(id))
	if err != nil {
		return nil, err
	}
	record.Key, record.ExpiresAt = clientKey(id), now.Add(unusedLife)
	if record.Value, err = json.Marshal(reg); err != nil {
		return nil, err
	}
	if err := s.records.ReplaceRecord(r.Context(), record.Renew(), record); err != nil {
		return nil, err
	}
	s.event(r.Context(), EventClientRegistered, "", "")
	return said.Answer(id, secret, now)
}

// offer is what the server has for clients that describe themselves.
func (s *Server) offer() metadata.Offer {
	return metadata.Offer{Grants: s.selfGrants(), Methods: []string{authNone, authBasic, authPost, authKey}}
}

// registered returns the client that has registered under an ID, or errUnknownClient.
func (s *Server) registered(ctx context.Context, id string) (*client, error) {
	reg, _, _, err := s.registration(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &client{
		id: id, name: displayName(reg.Metadata.Name, id), redirects: reg.Metadata.RedirectURIs, method: reg.Metadata.AuthMethod,
		grants: reg.Metadata.GrantTypes, keys: reg.Metadata.JWKS, keysURL: reg.Metadata.JWKSURI,
	}
	if c.method == authBasic || c.method == authPost {
		if len(reg.Secret) != len(c.secret) {
			return nil, errors.New("oauth: the record of a client is damaged")
		}
		c.secret = [sha256.Size]byte(reg.Secret)
	}
	return c, nil
}

func (s *Server) registration(ctx context.Context, id string) (reg registration, record auth.Record, now time.Time, err error) {
	if !s.cfg.Register.on() || len(id) != len(rand.Text()) || !isVisible(id) {
		return reg, record, now, errUnknownClient
	}
	record, now, err = s.records.Record(ctx, clientKey(id))
	switch {
	case err != nil:
	case record.Version == 0:
		err = errUnknownClient
	default:
		err = json.Unmarshal(record.Value, &reg)
	}
	return reg, record, now, err
}

// allowed keeps a registered client that a user has just allowed something. It returns errUnknownClient if
// the client is gone.
func (s *Server) allowed(ctx context.Context, id string) error {
	for {
		reg, record, now, err := s.registration(ctx, id)
		if err != nil || reg.Used && record.ExpiresAt.Sub(now) > usedLife-renewAfter {
			return err
		}
		reg.Used = true
		record.ExpiresAt = now.Add(usedLife)
		if record.Value, err = json.Marshal(reg); err != nil {
			return err
		}
		if err = s.records.ReplaceRecord(ctx, record.Renew(), record); !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
}
