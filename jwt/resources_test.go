package jwt_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// A token is for one API, and no other API of the same issuer accepts it.
func TestResources(t *testing.T) {
	t.Parallel()
	const notes, files = "https://api.example.com/notes", "https://api.example.com/files"
	i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, testkit.Generated(t, "ES256")), Resources: []string{notes, files}})
	verifiers := map[string]jwt.TokenVerifier{"own": i}
	for _, audience := range []string{testkit.Audience, notes, files} {
		v, err := i.VerifierFor(audience)
		if err != nil {
			t.Fatal(err)
		}
		verifiers[audience] = v
	}
	for _, audience := range []string{"", testkit.Audience, notes, files} {
		c := jwt.Claims{Subject: "u-1"}
		if audience != "" {
			c.Audience = []string{audience}
		} else {
			audience = testkit.Audience
		}
		token := testkit.Issue(t, i, c)
		for name, v := range verifiers {
			for range 2 { // the second time from the table
				p, err := v.Verify(t.Context(), token)
				switch meant := name == audience || name == "own" && audience == testkit.Audience; {
				case meant && (err != nil || !slices.Equal(p.Audience(), []string{audience})):
					t.Errorf("token for %q at the verifier for %q: %v", audience, name, err)
				case !meant && !errors.Is(err, jwt.ErrInvalidToken):
					t.Errorf("token for %q is accepted by the verifier for %q: %v", audience, name, err)
				}
			}
		}
	}
	for _, audience := range [][]string{{}, {"https://api.example.com/note"}, {notes + "/"}, {notes, files}, {""}} {
		if _, err := i.Issue(t.Context(), jwt.Claims{Subject: "u-1", Audience: audience}); err == nil {
			t.Errorf("a token for %q is issued", audience)
		}
	}
	if v, err := i.VerifierFor(notes + "/"); err == nil || v != nil {
		t.Errorf("verifier for an audience that the issuer has not: %v", err)
	}
}

// A verifier for one resource asks the issuer's Check.
func TestVerifierForChecks(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{
		Keys: testkit.RingOf(t, testkit.Generated(t, "HS256")), Resources: []string{"https://api.example.com/notes"},
		Check: func(context.Context, *jwt.Principal) error { return jwt.ErrRevokedToken },
	})
	v, err := i.VerifierFor("https://api.example.com/notes")
	if err != nil {
		t.Fatal(err)
	}
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u-1", Audience: []string{"https://api.example.com/notes"}})
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwt.ErrRevokedToken) {
		t.Errorf("Check is not asked: %v", err)
	}
}

// Each token names its client: the claims', or else the issuer's, or else the issuer.
func TestClientID(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ configured, claimed, want string }{
		{"", "", testkit.Issuer}, {"web-app", "", "web-app"}, {"web-app", "https://client.example/app.json", "https://client.example/app.json"},
	} {
		i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, testkit.Generated(t, "HS256")), ClientID: row.configured})
		token := testkit.Issue(t, i, jwt.Claims{Subject: "u-1", ClientID: row.claimed})
		if got := testkit.Segment(t, token, 1)["client_id"]; got != row.want {
			t.Errorf("client_id %q of a token, want %q", got, row.want)
		}
		if p := testkit.Verify(t, i, token); p.ClientID() != row.want || p.Claims().ClientID != row.want || p.Claims().Custom["client_id"] != nil {
			t.Errorf("principal of client %q, want %q", p.ClientID(), row.want)
		}
	}
	ring := testkit.RingOf(t, testkit.Generated(t, "HS256"))
	for _, cfg := range []jwt.IssuerConfig{{ClientID: strings.Repeat("x", 1025)}, {Resources: []string{""}}, {Resources: []string{"\xff"}}} {
		cfg.Issuer, cfg.Audience, cfg.Keys = testkit.Issuer, testkit.Audience, ring
		if _, err := jwt.NewIssuer(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// Actors stand inside each other, the one who acts now outside.
func TestActors(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, testkit.Generated(t, "HS256"))})
	actors := []string{"agent-3", `agent "2"`, "agent-1"}
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u-1", Actors: actors})
	p := testkit.Verify(t, i, token)
	if p.Actor() != "agent-3" || !slices.Equal(p.Actors(), actors) {
		t.Errorf("actor %q of %q, want %q", p.Actor(), p.Actors(), actors)
	}
	if copied, err := jwt.NewPrincipal(p.Claims()); err != nil || !slices.Equal(copied.Actors(), actors) {
		t.Errorf("copied claims: %v", err)
	}
	if p := testkit.Verify(t, i, testkit.Issue(t, i, jwt.Claims{Subject: "u-1"})); p.Actor() != "" || p.Actors() != nil {
		t.Errorf("actors %q of a caller who acts for themselves", p.Actors())
	}
	if _, err := i.Issue(t.Context(), jwt.Claims{Subject: "u-1", Actors: []string{"agent-1", ""}}); err == nil {
		t.Error("an actor without a subject is written")
	}
}
