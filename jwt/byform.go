package jwt

import (
	"context"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// FormVerifier is a [TokenVerifier] of credentials that are told from tokens by their form, such as the
// Keys of package apikey.
type FormVerifier interface {
	TokenVerifier

	// Recognizes reports whether a credential has the form of those that it verifies. It looks at nothing
	// but the text, which may be of any length and comes from anybody.
	Recognizes(credential string) bool
}

// ByForm returns a verifier that asks exactly one verifier about a credential: keys, if keys recognizes its
// form, and otherwise tokens. The answer is final: no credential is tried with the other.
//
// It returns a [*cfgerr.Error] if a verifier is nil.
func ByForm(tokens TokenVerifier, keys FormVerifier) (TokenVerifier, error) {
	var faults cfgerr.Faults
	faults.Require("jwt.ByForm.tokens", tokens != nil)
	faults.Require("jwt.ByForm.keys", keys != nil)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &byForm{tokens, keys}, nil
}

type byForm struct {
	tokens TokenVerifier
	keys   FormVerifier
}

// Verify asks one of the verifiers.
func (b *byForm) Verify(ctx context.Context, credential string) (*Principal, error) {
	if b.keys.Recognizes(credential) {
		return b.keys.Verify(ctx, credential)
	}
	return b.tokens.Verify(ctx, credential)
}
