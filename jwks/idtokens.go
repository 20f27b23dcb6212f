package jwks

import (
	"strings"

	"github.com/seed-e36e2130/auth/jwt"
)

// The functions below are like those of issuers.go, for products that issue no access tokens for the
// APIs of others: clients send ID tokens.

// Firebase returns the settings for the ID tokens of the users of a project, by its ID. Firebase has
// no access tokens for other APIs: clients send these. Session cookies are another issuer's, and are
// refused. Anonymous users are accepted like others; their claim firebase has the sign_in_provider
// "anonymous". Custom claims are members of their own: set Tokens.RolesClaim to the name of one.
// https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library
func Firebase(projectID string) Config {
	cfg := Config{
		KeysURL: "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
		Tokens: jwt.VerifierConfig{
			Issuer:         "https://securetoken.google.com/" + projectID,
			Audience:       projectID,
			Types:          []string{"JWT"},
			RequiredClaims: map[string]string{"user_id": ""},
		},
	}
	if strings.ContainsAny(projectID, "/ ") {
		cfg.refuse("Firebase", projectID, "must be the ID of a project")
	}
	return cfg
}

// Google returns the settings for the ID tokens of "Sign in with Google", by the client IDs of the
// applications. Everybody with a Google account can get one: to let in the users of one Workspace,
// set Tokens.RequiredClaims to {"hd": domain}. Use the subject to identify a user, not the email.
//
// Google's documentation also allows "accounts.google.com" in iss. To accept it, make a second
// verifier with that Tokens.Issuer, and combine both with [jwt.AnyOf].
// https://developers.google.com/identity/gsi/web/guides/verify-google-id-token
func Google(clientID string, otherClientIDs ...string) Config {
	return Config{
		KeysURL: "https://www.googleapis.com/oauth2/v3/certs",
		Tokens: jwt.VerifierConfig{
			Issuer:         "https://accounts.google.com",
			Audience:       clientID,
			OtherAudiences: otherClientIDs,
			Types:          []string{"JWT"},
		},
	}
}

// Apple returns the settings for the identity tokens of "Sign in with Apple", by the client IDs of
// the applications: bundle IDs of apps, Services IDs of sites. They are for signing in once: compare
// the claim nonce with the one that the request had, and then start a session.
// https://developer.apple.com/documentation/signinwithapple/verifying-a-user
func Apple(clientID string, otherClientIDs ...string) Config {
	return Config{
		KeysURL: "https://appleid.apple.com/auth/keys",
		Tokens: jwt.VerifierConfig{
			Issuer:         "https://appleid.apple.com",
			Audience:       clientID,
			OtherAudiences: otherClientIDs,
			Types:          []string{jwt.NoType, "JWT"}, // Apple writes none
		},
	}
}
