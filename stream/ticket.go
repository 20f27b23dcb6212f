package stream

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/detach"
)

const (
	// TicketLife is how long a ticket may be used, by the clock of the store.
	TicketLife = 60 * time.Second

	// MaxTickets is how many unused tickets a user may have at once.
	MaxTickets = 32
)

const (
	ticketMark   = "ticket_"        // what no access token begins with
	ticketPrefix = "stream.ticket." // of keys of records
	tries        = 8                // places that are tried for a ticket, from a random one on
	maxValue     = 4096             // bytes of an auth.Record's Value
)

// TicketConfig configures [NewTickets]. Its zero value is the safe choice.
type TicketConfig struct {
	// Guard is the configuration of the middleware before [Tickets.Handler]. Its Realm,
	// ResourceMetadata, ErrorHandler and Logger say how a request for a ticket is refused.
	Guard auth.MiddlewareConfig
}

// Tickets issues and verifies one-time tickets: for EventSource and WebSocket, which send no
// Authorization header in a browser. A ticket stands in the URL, as "?ticket=…", and opens one stream,
// once, within [TicketLife], at one path. It stands for the token that it was issued for, which is
// verified again when the ticket is used: a ticket of a session that was revoked meanwhile opens nothing.
// All replicas that share the records accept it.
//
//	tickets, err := stream.NewTickets(verifier, records, stream.TicketConfig{})
//	guard, err := auth.NewMiddleware(tickets, auth.MiddlewareConfig{
//		Extractors: []auth.Extractor{auth.BearerToken(), tickets.Extractor()},
//	})
//	mux.Handle("POST /tickets", tickets.Handler(app.Middleware)) // a guard that takes tokens
//	mux.Handle("GET /events", guard.Require(streams.Wrap(stream.Cut())(events)))
//	http.ListenAndServe(addr, tickets.Strip(mux)) // takes tickets out of URLs before anything logs them
//
// Only the digest of a ticket is stored, and the token is encrypted with a key that the ticket holds: a
// reader of the store learns neither. A Tickets is an [auth.TokenVerifier], immutable and safe for
// concurrent use.
type Tickets struct {
	verifier auth.TokenVerifier
	records  auth.RecordStore
	refusals *auth.Middleware
}

// NewTickets returns a Tickets, or every fault of the configuration as a [*cfgerr.Error]. v verifies
// access tokens, and records keeps the tickets. A ticket belongs to its user, whose deletion removes it
// if records is the Records of [auth.Config].
func NewTickets(v auth.TokenVerifier, records auth.RecordStore, cfg TicketConfig) (*Tickets, error) {
	faults := cfgerr.Faults{Prefix: "stream."}
	faults.Require("NewTickets.v", v != nil)
	faults.Require("NewTickets.records", records != nil)
	refusals, err := newRefusals(cfg.Guard)
	faults.Join(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &Tickets{
		verifier: v, records: detach.Records[auth.Record]{Store: records, Calls: detach.New()}, refusals: refusals,
	}, nil
}

// ticket is what the text of a ticket holds.
type ticket struct {
	place  [16]byte // names its record: a digest of the user, and a number below MaxTickets
	secret [32]byte
}

// text returns the ticket as it stands in a URL. 64 characters of base64url hold exactly 48 bytes, so a
// ticket has one spelling.
func (t ticket) text() string {
	return ticketMark + base64.RawURLEncoding.EncodeToString(append(t.place[:], t.secret[:]...))
}

func parseTicket(text string) (t ticket, ok bool) {
	var b [48]byte
	encoded, ok := strings.CutPrefix(text, ticketMark)
	// The length is checked because Decode ignores line breaks.
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(len(b)) {
		return t, false
	}
	if n, err := base64.RawURLEncoding.Decode(b[:], []byte(encoded)); err != nil || n != len(b) {
		return t, false
	}
	copy(t.place[:], b[:])
	copy(t.secret[:], b[len(t.place):])
	return t, true
}

func (t ticket) key() string { return ticketPrefix + hex.EncodeToString(t.place[:]) }

// digest returns a digest of the secret under a label.
func (t ticket) digest(label string) [32]byte {
	return sha256.Sum256(append([]byte("stream ticket "+label+"\x00"), t.secret[:]...))
}

// sealer returns the cipher of the token. Its key is used once, so that the nonce may be zero.
func (t ticket) sealer() (c cipher.AEAD, nonce []byte, err error) {
	key := t.digest("key")
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, nil, fmt.Errorf("stream: %w", err)
	}
	if c, err = cipher.NewGCM(block); err != nil {
		return nil, nil, fmt.Errorf("stream: %w", err)
	}
	return c, make([]byte, c.NonceSize()), nil
}

// Issue returns a ticket for a verified caller and the token that proved them, to be used at a path of
// this service. The path is as in the URL of the request: escaped, beginning with a slash, without query,
// at most 1,024 bytes. Issue returns an error that wraps [auth.ErrInvalidRequest] for another path, for
// a ticket in the place of the token, and for a token that is longer than 4,048 bytes; a
// [*auth.RetryError] of [auth.ErrTooManyAttempts] if the caller has too many unused tickets; or the
// store's error.
func (t *Tickets) Issue(ctx context.Context, p *auth.Principal, token, path string) (text string, err error) {
	switch {
	case p == nil || p.Subject() == "":
		return "", auth.ErrNoCredentials
	case !isPath(path):
		return "", fmt.Errorf("%w: the path of a ticket is the escaped path of a URL, without query", auth.ErrInvalidRequest)
	case token == "" || strings.HasPrefix(token, ticketMark):
		return "", fmt.Errorf("%w: a ticket is issued for a token", auth.ErrInvalidRequest)
	}
	issued := newTicket(p)
	proof := issued.digest("proof")
	c, nonce, err := issued.sealer()
	if err != nil {
		return "", err
	}
	value := c.Seal(proof[:], nonce, []byte(token), []byte(path))
	if len(value) > maxValue {
		return "", fmt.Errorf("%w: the token is too long for a ticket", auth.ErrInvalidRequest)
	}
	owner := p.Subject()
	if len(owner) > maxOwner { // no ID of a user of ours
		owner = ""
	}
	for range tries {
		stored, now, err := t.records.Record(ctx, issued.key())
		if err != nil {
			return "", fmt.Errorf("stream: load ticket: %w", err)
		}
		if stored.Version == 0 {
			r := auth.Record{Key: issued.key(), Owner: owner, Value: value, ExpiresAt: now.Add(TicketLife).UTC().Truncate(time.Microsecond)}
			switch err = t.records.ReplaceRecord(ctx, r.Renew(), r); {
			case err == nil:
				return issued.text(), nil
			case !errors.Is(err, auth.ErrConflict):
				return "", fmt.Errorf("stream: write ticket: %w", err)
			}
		}
		last := len(issued.place) - 1
		issued.place[last] = (issued.place[last] + 1) % MaxTickets
	}
	return "", &auth.RetryError{Err: auth.ErrTooManyAttempts, After: TicketLife / 4}
}

// newTicket returns a ticket for a caller, with a place that is one of the caller's.
func newTicket(p *auth.Principal) (t ticket) {
	rand.Read(t.secret[:]) // never fails
	sum := sha256.Sum256([]byte("stream ticket user\x00" + p.Issuer() + "\x00" + p.Subject()))
	last := copy(t.place[:], sum[:]) - 1
	var number [1]byte
	rand.Read(number[:])
	t.place[last] = number[0] % MaxTickets
	return t
}

// Verify returns the principal of an access token, or of the token behind a ticket, which is used up. A
// ticket is refused with [auth.ErrInvalidToken] if it was used before, has expired or is for another
// path; a try at another path uses it up. It is taken from requests behind [Tickets.Strip] alone.
func (t *Tickets) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	if !strings.HasPrefix(token, ticketMark) {
		return t.verifier.Verify(ctx, token)
	}
	given, _ := ctx.Value(givenKey{}).(*given)
	if given == nil || given.ticket != token { // in a header, or in a cookie
		return nil, errTicket
	}
	sealed, ok := parseTicket(token)
	if !ok {
		return nil, errTicket
	}
	token, err := t.open(ctx, sealed, given.path)
	if err != nil {
		return nil, err
	}
	return t.verifier.Verify(ctx, token)
}

var errTicket = fmt.Errorf("%w: the ticket was used, has expired, or is for another path", auth.ErrInvalidToken)

// open uses a ticket up and returns its token.
func (t *Tickets) open(ctx context.Context, used ticket, path string) (token string, err error) {
	r, _, err := t.records.Record(ctx, used.key())
	if err != nil {
		return "", fmt.Errorf("stream: load ticket: %w", err)
	}
	proof := used.digest("proof")
	if len(r.Value) < len(proof) || subtle.ConstantTimeCompare(r.Value[:len(proof)], proof[:]) != 1 {
		return "", errTicket
	}
	switch err := t.records.DeleteRecord(ctx, r.Key, r.Version); { // of concurrent uses exactly one succeeds
	case errors.Is(err, auth.ErrConflict):
		return "", errTicket
	case err != nil:
		return "", fmt.Errorf("stream: use ticket: %w", err)
	}
	c, nonce, err := used.sealer()
	if err != nil {
		return "", err
	}
	opened, err := c.Open(nil, nonce, r.Value[len(proof):], []byte(path))
	if err != nil {
		return "", errTicket
	}
	return string(opened), nil
}
