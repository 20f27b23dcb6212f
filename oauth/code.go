package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/seed-e36e2130/auth"
)

// code is an authorization code, as its record has it. The record has a digest of the code for its key.
type code struct {
	Request  request  `json:"q"`
	AuthTime int64    `json:"t,omitempty"` // of the login, in seconds
	AMR      []string `json:"m,omitempty"`
	Grant    string   `json:"g,omitempty"` // what it was used for; "": not used yet
	Replayed bool     `json:"x,omitempty"` // it was presented again
}

// replayTime is how long a used code is kept, so that its second use is noticed.
const replayTime = time.Hour

// maxValue is the size of the largest record (see [auth.Record]).
const maxValue = 4096

func codeKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "oauth:code:" + base64url.EncodeToString(sum[:])
}

// giveCode answers a request that is allowed with a code.
func (s *Server) giveCode(w http.ResponseWriter, r *http.Request, user *auth.Principal, req request) {
	text, err := s.newCode(r.Context(), user, req)
	if err != nil {
		s.answerError(w, r, req, err)
		return
	}
	s.answer(w, req, "code", text)
}

// newCode stores a code for a request, bound to the login that allowed it.
func (s *Server) newCode(ctx context.Context, user *auth.Principal, req request) (string, error) {
	var random [32]byte
	rand.Read(random[:]) // never fails
	text := base64url.EncodeToString(random[:])
	req.User, req.Session, req.Nonce, req.State = user.Subject(), user.SessionID(), "", ""
	c := code{Request: req, AMR: user.AMR()}
	if at := user.AuthTime(); !at.IsZero() {
		c.AuthTime = at.Unix()
	}
	record, now, err := s.records.Record(ctx, codeKey(text))
	if err != nil {
		return "", err
	}
	record.Key, record.Owner, record.ExpiresAt = codeKey(text), req.User, now.Add(s.cfg.CodeLife)
	record.Value, _ = json.Marshal(c)
	if len(record.Value) > maxValue {
		return "", refuse("invalid_request", "the request is too long")
	}
	return text, s.records.ReplaceRecord(ctx, record.Renew(), record)
}

// verifierForm is the form of a code_verifier (RFC 7636 section 4.1).
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

var errInvalidCode = refuse("invalid_grant", "the code is unknown, expired, used, or was given to another request")

// redeem exchanges a code for a grant (OAuth 2.1 section 4.1.3). Whatever does not fit the code leaves it as
// it is. The code is used up by one compare-and-swap; a second valid use of it ends what the first was
// given.
func (s *Server) redeem(r *http.Request, c *client, f form, all url.Values) (grant, error) {
	ctx := r.Context()
	switch {
	case f["code"] == "":
		return grant{}, refuse("invalid_request", "code is missing")
	case f["code_verifier"] == "":
		return grant{}, refuse("invalid_request", "code_verifier is missing")
	}
	for {
		record, now, err := s.records.Record(ctx, codeKey(f["code"]))
		if err != nil {
			return grant{}, err
		}
		var of code
		if record.Version == 0 || json.Unmarshal(record.Value, &of) != nil {
			return grant{}, errInvalidCode
		}
		if err := of.fits(c, f, all); err != nil {
			return grant{}, err
		}
		if of.Grant != "" {
			return grant{}, s.replayed(ctx, record, of)
		}
		g, err := s.draft(r, c, of, now)
		if err != nil {
			return grant{}, err
		}
		of.Grant = g.ID
		record.Value, _ = json.Marshal(of)
		record.ExpiresAt = now.Add(replayTime)
		err = s.records.ReplaceRecord(ctx, record.Renew(), record)
		if errors.Is(err, auth.ErrConflict) {
			continue // another request with the same code
		}
		if err != nil {
			return grant{}, err
		}
		return g, s.begin(ctx, g, of, record)
	}
}

// fits returns an error if a token request is not one for the code.
func (c *code) fits(by *client, f form, all url.Values) error {
	sum := sha256.Sum256([]byte(f["code_verifier"]))
	challenge := base64url.EncodeToString(sum[:])
	switch {
	case by.unproven && c.Request.Proven:
		return errUnavailable
	case c.Request.Client != by.id,
		f["redirect_uri"] != "" && f["redirect_uri"] != c.Request.Redirect,
		!verifierForm.MatchString(f["code_verifier"]),
		subtle.ConstantTimeCompare([]byte(challenge), []byte(c.Request.Challenge)) != 1:
		return errInvalidCode
	}
	return sameResource(all["resource"], c.Request.Resource)
}

// sameResource returns an error if a token request asks for another resource than that of its grant (RFC
// 8707 section 2.2).
func sameResource(asked []string, resource string) error {
	for _, u := range asked {
		if u != resource {
			return refuse("invalid_target", "the user has allowed another resource")
		}
	}
	return nil
}

// replayed ends what a code was used for, because two parties have it, and none is the one to trust.
func (s *Server) replayed(ctx context.Context, record auth.Record, c code) error {
	c.Replayed = true
	record.Value, _ = json.Marshal(c)
	if err := s.records.ReplaceRecord(ctx, record.Renew(), record); err != nil && !errors.Is(err, auth.ErrConflict) {
		return err
	}
	if err := s.end(ctx, c.Request.User, c.Grant, EventCodeReplayed); err != nil && !errors.Is(err, ErrGrantNotFound) {
		return err
	}
	return errInvalidCode
}
