package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// SecondFactor is what users may have to prove in addition to their password; package totp holds
// one. It is safe for concurrent use.
type SecondFactor interface {
	// Required reports whether the user has a second factor to prove.
	Required(ctx context.Context, userID string) (bool, error)

	// Prove uses up the code of a user: of concurrent calls with one code at most one succeeds. It
	// returns the authentication methods that the code stands for, in words of RFC 8176 such as
	// "otp", or [ErrInvalidCredentials].
	Prove(ctx context.Context, userID, code string) (amr []string, err error)
}

// MFARequiredError says that the password was right and that a second factor is still due. Answer
// the client with the Token, for [Authenticator.LoginMFA]. However it is printed or logged, it shows
// no token.
type MFARequiredError struct {
	Token     string        // good for this one login: 130 random bits
	ExpiresIn time.Duration // life of Token
}

func (e *MFARequiredError) Error() string { return "auth: a second factor is needed" }

// Format writes the text of the error, whatever the verb.
func (e MFARequiredError) Format(f fmt.State, _ rune) { io.WriteString(f, e.Error()) }

// LogValue returns the text of the error.
func (e MFARequiredError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON returns error and expires_in, without the token: a logger that writes JSON calls it for
// values in maps and structs. An answer to the client has to write Token itself.
func (e MFARequiredError) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code      string `json:"error"`
		ExpiresIn int64  `json:"expires_in"`
	}{"mfa_required", int64(e.ExpiresIn / time.Second)})
}
