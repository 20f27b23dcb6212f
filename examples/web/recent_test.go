package main

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/seed-e36e2130/auth/jwt"
)

// TestProofAgain checks that the page asks for the password before it ends other sessions, if the
// login is not recent.
func TestProofAgain(t *testing.T) {
	t.Parallel()
	s := serveTest(t, false)
	b := s.open(t)
	b.register()
	other := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	other.visit("/login")
	other.enter("#username", "ada", "#password", password)
	other.at("/account", "ada")

	// Put an access token of the same session, but of an older login, in the place of the browser's.
	keys, err := jwt.NewKeyRing(s.key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://web.example", Audience: "https://web.example", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	p, err := tokens.Verify(t.Context(), b.cookies()[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	old, err := tokens.Issue(t.Context(), jwt.Claims{Subject: p.Subject(), SessionID: p.SessionID(), AuthTime: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	httpOnly := true
	b.do("set the older token", command(network.SetCookie, network.SetCookieParams{
		Name: "access", Value: old, URL: s.url, Path: "/", HTTPOnly: &httpOnly,
	}))

	const endOthers = `input[name=others] ~ button`
	b.visit("/")
	b.at("/account", "Log out of all other devices")
	b.click(endOthers)
	b.at("/account/confirm", "Confirm that it is you")
	b.wantFocus("password")
	b.click(`a[href="/account"]`)
	b.at("/account", "Log out of all other devices")
	if n := b.sessions(); n != 2 {
		t.Errorf("after a look at the page there are %d sessions, want 2", n)
	}
	b.click(endOthers)
	b.at("/account/confirm", "Confirm that it is you")
	b.enter("#password", otherPassword)
	b.wantError("#problem", "password", "password")
	b.enter("#password", password)
	b.at("/account", "Please repeat what you wanted to do")
	b.click(endOthers)
	b.at("/account", "All other devices are logged out")
	if n := b.sessions(); n != 1 {
		t.Errorf("there are %d sessions, want 1", n)
	}
	other.visit("/")
	other.at("/login", "Log in")
}
