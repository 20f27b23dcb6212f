package recovery

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/seed-e36e2130/auth"
)

// ErrInvalidToken is for links, challenges and codes that are wrong, were used, have
// expired or were voided: never said which. It wraps [auth.ErrInvalidCredentials].
var ErrInvalidToken = fmt.Errorf("recovery: link or code wrong, used or expired: %w", auth.ErrInvalidCredentials)

// token is what a link holds: where its record is, and 256 random bits.
type token struct {
	id     [16]byte // of whom it is for, as a digest: no secret
	secret [32]byte
}

func newToken(id [16]byte) token {
	t := token{id: id}
	rand.Read(t.secret[:]) // never fails: crypto/rand
	return t
}

// text returns 64 characters of base64url, which hold 48 bytes without a bit over:
// there is no second spelling.
func (t token) text() string {
	return base64.RawURLEncoding.EncodeToString(append(t.id[:], t.secret[:]...))
}

func parseToken(text string) (t token, err error) {
	var b [48]byte
	// Decode passes over line breaks: then the length differs.
	if len(text) != base64.RawURLEncoding.EncodedLen(len(b)) {
		return t, ErrInvalidToken
	}
	if n, err := base64.RawURLEncoding.Decode(b[:], []byte(text)); err != nil || n != len(b) {
		return t, ErrInvalidToken
	}
	copy(t.id[:], b[:])
	copy(t.secret[:], b[len(t.id):])
	return t, nil
}

// digest returns who or what is meant, for a key that tells no names.
func digest(of, name string) (id [16]byte) {
	sum := sha256.Sum256([]byte("recovery " + of + "\x00" + name))
	copy(id[:], sum[:])
	return id
}

func userDigest(userID string) [16]byte     { return digest("user", userID) }
func addressDigest(address string) [16]byte { return digest("address", address) }

func key(kind Kind, id [16]byte) string {
	return "recovery." + string(kind) + "." + hex.EncodeToString(id[:])
}

// proof returns what is kept of a token, or of a token and a code.
func (t token) proof(kind Kind, code string) []byte {
	sum := sha256.Sum256([]byte(string(kind) + "\x00" + string(t.secret[:]) + code))
	return sum[:]
}

// entry is the value of a token's record.
type entry struct {
	User    []byte // ID; bytes, for JSON would mend what is not UTF-8
	Nobody  bool   `json:",omitempty"` // of KindCode without a code: User is a filler
	Proof   []byte // of the token
	State   []byte // of the account that it was made for: see [account]
	Address string `json:",omitempty"` // of KindChange: the new one
	Code    []byte `json:",omitempty"` // of KindCode: the proof of token and code
	Tries   int    `json:",omitempty"` // of KindCode: that were made
}

func (e entry) opens(t token, kind Kind) bool {
	return subtle.ConstantTimeCompare(e.Proof, t.proof(kind, "")) == 1
}

// stands returns the account of an entry if it is still as it was.
func (r *Recovery) stands(ctx context.Context, e entry) (account, error) {
	a, err := r.account(ctx, string(e.User))
	switch {
	case isGone(err):
		return account{}, ErrInvalidToken
	case err != nil:
		return account{}, err
	case subtle.ConstantTimeCompare(a.state, e.State) != 1:
		return account{}, ErrInvalidToken
	}
	return a, nil
}

// newCode returns six digits.
func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("recovery: code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// load returns the record under a key, to be replaced if there is none, and what is
// in it: nothing if it cannot be read, which opens nothing.
func (r *Recovery) load(ctx context.Context, key string) (e entry, record auth.Record, now time.Time, err error) {
	record, now, err = r.records.Record(ctx, key)
	if err != nil {
		return e, record, now, fmt.Errorf("recovery: load record: %w", err)
	}
	record.Key = key
	return readEntry(record), record, now, nil
}

func readEntry(record auth.Record) (e entry) {
	if json.Unmarshal(record.Value, &e) != nil {
		return entry{}
	}
	return e
}

// write puts v until end in the place of a record, and returns what is there then.
func (r *Recovery) write(ctx context.Context, record auth.Record, v any, end time.Time) (auth.Record, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return record, fmt.Errorf("recovery: write record: %w", err)
	}
	record.Value, record.ExpiresAt = value, end.UTC().Truncate(time.Microsecond)
	old := record.Renew()
	if err := r.records.ReplaceRecord(ctx, old, record); err != nil {
		return record, fmt.Errorf("recovery: write record: %w", err)
	}
	return record, nil
}

// issue puts a new token in the place of the last one of its kind.
func (r *Recovery) issue(ctx context.Context, kind Kind, t token, e entry) error {
	e.Proof = t.proof(kind, "")
	for range 4 { // again if another request came between
		_, record, now, err := r.load(ctx, key(kind, t.id))
		if err != nil {
			return err
		}
		_, err = r.write(ctx, record, e, now.Add(r.life(kind)))
		if !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("recovery: write record: %w", auth.ErrConflict)
}

// claim uses a token up and returns what it was made for: of concurrent calls
// exactly one succeeds. giveBack undoes it, for where nothing came of it.
func (r *Recovery) claim(ctx context.Context, kind Kind, text string) (a account, e entry, giveBack func(), err error) {
	refuse := func(err error) (account, entry, func(), error) { return account{}, entry{}, nil, err }
	t, err := parseToken(text)
	if err != nil {
		return refuse(err)
	}
	e, record, _, err := r.load(ctx, key(kind, t.id))
	if err != nil {
		return refuse(err)
	}
	if !e.opens(t, kind) {
		return refuse(ErrInvalidToken)
	}
	if a, err = r.stands(ctx, e); err != nil {
		return refuse(err)
	}
	if giveBack, err = r.use(ctx, record); err != nil {
		return refuse(err)
	}
	return a, e, giveBack, nil
}

// use deletes the record of a token, or of a challenge whose code has been tried:
// of concurrent calls exactly one succeeds, and who has come between is ErrInvalidToken.
// giveBack undoes it.
func (r *Recovery) use(ctx context.Context, record auth.Record) (giveBack func(), err error) {
	switch err := r.records.DeleteRecord(ctx, record.Key, record.Version); {
	case errors.Is(err, auth.ErrConflict):
		return func() {}, ErrInvalidToken
	case err != nil:
		return func() {}, fmt.Errorf("recovery: delete record: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.queue.timeout)
		defer cancel()
		record.Renew()
		// Where a newer token has come between, that one stays.
		if err := r.records.ReplaceRecord(ctx, 0, record); err != nil && !errors.Is(err, auth.ErrConflict) {
			r.config.Logger.WarnContext(ctx, "recovery: an unused link or code was lost", "record", record.Key, "error", err)
		}
	}, nil
}
