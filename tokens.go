package auth

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Tokens is the result of a login. As JSON it is the body of RFC 6749 section 5.1, which must be
// sent with Cache-Control: no-store. However else it is printed or logged, it shows no token.
type Tokens struct {
	AccessToken string
	ExpiresIn   time.Duration // remaining life of AccessToken, in whole seconds; 0: it does not expire
	Principal   *Principal    // the caller that AccessToken stands for

	// RefreshToken gets the next tokens: see [Authenticator.Refresh]. It can do more, for longer, than
	// AccessToken: keep it where scripts do not reach. Empty: there are no sessions.
	RefreshToken     string
	RefreshExpiresIn time.Duration // remaining life of RefreshToken, in whole seconds

	// DeviceToken is for [Device].Known at a later login: the client keeps it, for instance in a
	// cookie of long life. Empty: there is no [Throttle] that would use it.
	DeviceToken DeviceToken

	// NewDevice says that the [Throttle] did not know the device of the call for this account. It is
	// false where there is no Throttle.
	NewDevice bool

	// NonPersistent asks the client to forget the tokens when it closes: see [session.Terms].
	NonPersistent bool
}

// MarshalJSON returns access_token, token_type and expires_in; refresh_token and device_token if
// there are any; and scope if the token has any, because a client must be told which scopes it got if
// they are not those that it asked for.
func (t Tokens) MarshalJSON() ([]byte, error) {
	scope := ""
	if t.Principal != nil {
		scope = strings.Join(t.Principal.Scopes(), " ")
	}
	return json.Marshal(struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in,omitempty"`
		Refresh     string `json:"refresh_token,omitempty"`
		Device      string `json:"device_token,omitempty"`
		Scope       string `json:"scope,omitempty"`
	}{t.AccessToken, "bearer", int64(t.ExpiresIn / time.Second), t.RefreshToken, string(t.DeviceToken), scope})
}

// Format writes a text without the tokens, whatever the verb.
func (t Tokens) Format(f fmt.State, _ rune) { io.WriteString(f, redactedTokens) }

// LogValue returns what Format writes.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(redactedTokens) }

const redactedTokens = "auth.Tokens([REDACTED])"
