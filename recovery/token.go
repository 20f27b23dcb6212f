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

// ErrInvalidToken is returned for a link, challenge or code that is wrong, used, expired or replaced: the
// error does not say which. It wraps [auth.ErrInvalidCredentials].
var ErrInvalidToken = fmt.Errorf("recovery: link or code wrong, used or expired: %w", auth.ErrInvalidCredentials)

// token is what a link holds, and what a challenge is: 16 bytes that say where it belongs, and 256 random
// bits.
type token struct {
	id     [16]byte // linkDigest, or the digest of the address of a challenge; not secret
	secret [32]byte
}

func newToken(id [16]byte) token {
	t := token{id: id}
	rand.Read(t.secret[:]) // never fails
	return t
}

// text returns 64 characters of base64url. They hold exactly 48 bytes, so a token has one spelling.
func (t token) text() string {
	return base64.RawURLEncoding.EncodeToString(append(t.id[:], t.secret[:]...))
}

func parseToken(text string) (t token, err error) {
	var b [48]byte
	// The length is checked because Decode ignores line breaks.
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

// digest returns a digest of a name, for keys of records: a reader of the store sees no names in them.
func digest(kind, name string) (id [16]byte) {
	sum := sha256.Sum256([]byte("recovery " + kind + "\x00" + name))
	copy(id[:], sum[:])
	return id
}

func addressDigest(address string) [16]byte { return digest("address", address) }

// linkDigest returns the place of the links of a kind to a user that one network requested. So a request
// from another network does not replace the link that the owner is about to open. A change of address
// takes the password: all links for it have one place.
func linkDigest(userID string, kind Kind, network string) [16]byte {
	if kind == KindChange {
		network = ""
	}
	return digest("user", userID+"\x00"+network)
}

// key returns the key of a record.
func key(kind Kind, id [16]byte) string {
	return "recovery." + string(kind) + "." + hex.EncodeToString(id[:])
}

// key returns the key of the token's record. Each challenge has a record of its own, so that a request by
// somebody else does not replace the code that is being typed.
func (t token) key(kind Kind) string {
	if kind == KindCode {
		return key(kind, t.recordID())
	}
	return key(kind, t.id)
}

// recordID returns the id in the key of a challenge's record, which is also that of its link.
func (t token) recordID() [16]byte {
	return digest("challenge", string(t.id[:])+string(t.secret[:]))
}

// proof returns the digest that is stored of a token, or of a challenge and its code.
func (t token) proof(kind Kind, code string) []byte {
	sum := sha256.Sum256([]byte(string(kind) + "\x00" + string(t.secret[:]) + code))
	return sum[:]
}

// browserProof returns the digest that is stored of the secret of a browser.
func browserProof(secret string) []byte {
	sum := sha256.Sum256([]byte("browser\x00" + secret))
	return sum[:]
}

// newCode returns six digits.
func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("recovery: code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// entry is the value of a token's record.
type entry struct {
	User    []byte // user ID; bytes, because JSON would replace what is not UTF-8
	Nobody  bool   `json:",omitempty"` // of a challenge: no code was sent, and User is the ID of no user
	Proof   []byte // proof of the token
	State   []byte // account.state when the token was issued
	Address string `json:",omitempty"` // KindChange: the new address
	Session string `json:",omitempty"` // KindChange: the session that requested the change
	Code    []byte `json:",omitempty"` // of a challenge: the proof of challenge and code
	Tries   int    `json:",omitempty"` // of a challenge: the number of tries so far
	Link    []byte `json:",omitempty"` // of a challenge: the proof of the link in the same message
	Browser []byte `json:",omitempty"` // of a challenge with a link: the proof of the browser that requested it
}

// matches reports whether the entry was issued for t.
func (e entry) matches(t token, kind Kind) bool {
	return subtle.ConstantTimeCompare(e.Proof, t.proof(kind, "")) == 1
}

// stillValid returns the account of an entry. It returns [ErrInvalidToken] if password or address have
// changed since the entry was issued, or if the account is gone or disabled.
func (r *Recovery) stillValid(ctx context.Context, e entry) (account, error) {
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

// load returns the record with this key and the store's time. If there is no such record, it returns
// an empty one with the key, to be written.
func (r *Recovery) load(ctx context.Context, key string) (record auth.Record, now time.Time, err error) {
	record, now, err = r.records.Record(ctx, key)
	if err != nil {
		return record, now, fmt.Errorf("recovery: load record: %w", err)
	}
	record.Key = key
	return record, now, nil
}

// readEntry returns the entry in a record. It returns the zero entry, which matches no token, if there
// is none or it cannot be read.
func readEntry(record auth.Record) (e entry) {
	if json.Unmarshal(record.Value, &e) != nil {
		return entry{}
	}
	return e
}

// write writes v into a record that was loaded, to expire at end. It returns the record as it is
// stored then.
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

// issue stores the entry of a new token, which replaces a link that the same network requested. The
// record belongs to the user of the entry.
func (r *Recovery) issue(ctx context.Context, w wanted, t token, e entry) error {
	kind := w.kind
	if w.isChallenged() {
		kind = KindCode
	}
	e.Proof = t.proof(kind, "")
	for range 4 { // a conflict means that a concurrent request has issued a token
		record, now, err := r.load(ctx, t.key(kind))
		if err != nil {
			return err
		}
		record.Owner = string(e.User)
		_, err = r.write(ctx, record, e, now.Add(r.life(w)))
		if !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("recovery: write record: %w", auth.ErrConflict)
}

// claim uses a token up and returns what it was issued for: of concurrent calls exactly one succeeds.
// giveBack makes the token valid again, if the purpose of the call could not be achieved. confirm, if
// not nil, is called with the account of a valid token, which is not used up if confirm returns an error.
func (r *Recovery) claim(
	ctx context.Context, kind Kind, text string, confirm func(account) error,
) (a account, e entry, giveBack func(), err error) {
	refuse := func(err error) (account, entry, func(), error) { return account{}, entry{}, nil, err }
	t, err := parseToken(text)
	if err != nil {
		return refuse(err)
	}
	record, _, err := r.load(ctx, t.key(kind))
	if err != nil {
		return refuse(err)
	}
	if e = readEntry(record); !e.matches(t, kind) {
		return refuse(ErrInvalidToken)
	}
	if a, err = r.stillValid(ctx, e); err != nil {
		return refuse(err)
	}
	if confirm != nil {
		if err := confirm(a); err != nil {
			return refuse(err)
		}
	}
	if giveBack, err = r.consume(ctx, record); err != nil {
		return refuse(err)
	}
	return a, e, giveBack, nil
}

// consume deletes the record of a token, or of a challenge whose code was right. Of concurrent calls
// exactly one succeeds, and the others return [ErrInvalidToken]. giveBack writes the record again.
func (r *Recovery) consume(ctx context.Context, record auth.Record) (giveBack func(), err error) {
	switch err := r.records.DeleteRecord(ctx, record.Key, record.Version); {
	case errors.Is(err, auth.ErrConflict):
		return func() {}, ErrInvalidToken
	case err != nil:
		return func() {}, fmt.Errorf("recovery: delete record: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.SendTimeout)
		defer cancel()
		record.Renew()
		// A conflict means that a newer token was issued meanwhile: that one stays.
		if err := r.records.ReplaceRecord(ctx, 0, record); err != nil && !errors.Is(err, auth.ErrConflict) {
			r.config.Logger.WarnContext(ctx, "recovery: an unused link or code was lost", "record", record.Key, "error", err)
		}
	}, nil
}
