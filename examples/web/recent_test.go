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
	other.at("/", "ada")

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

	b.visit("/")
	b.at("/", "Log out of all other devices")
	b.click("#end-others")
	b.at("/", "Confirm your password")
	if got := b.focused(); got != "again" {
		t.Errorf("in the dialog the focus is on %q, want again", got)
	}
	b.click("#confirm-cancel")
	b.until("what a cancelled dialog says", `document.querySelector("#sessions-error").textContent.includes("Nothing has been changed")`)
	if n := b.sessions(); n != 2 {
		t.Errorf("after the dialog was cancelled there are %d sessions, want 2", n)
	}
	b.click("#end-others")
	b.enter("#again", otherPassword)
	b.wantError("#confirm-error", "password", "again")
	b.enter("#again", password)
	b.until("the end of the other session", `document.querySelector("#sessions-status").textContent.includes("logged out of all other devices") && document.querySelectorAll("#sessions li").length === 1`)
	if evaluate[bool](b, `document.querySelector("#confirm").open || document.querySelector("#again").value !== ""`) {
		t.Error("the dialog is still open, or keeps the password")
	}
	other.visit("/")
	other.at("/login", "Your session has ended")
}
