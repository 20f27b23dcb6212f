package places_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
	"github.com/seed-e36e2130/auth/secrets"
)

const grantID = "AAECAwQFBgcICQoLDA0ODw"

// text returns a token of the grant as the client gets it.
func (g *grant) text(t *testing.T, token places.Token) string {
	t.Helper()
	text, err := g.state(t).Text(g.keys, grantID, token)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// open returns what a text says if it is a token of the grant.
func (g *grant) open(t *testing.T, text string) (places.Token, string, error) {
	t.Helper()
	p, err := places.Read(g.keys, text)
	if err != nil {
		return places.Token{}, "", err
	}
	token, err := g.state(t).Open(p)
	return token, p.Grant(), err
}

func TestTokenText(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	want := places.Token{Lineage: 7, Number: 1<<32 - 1}
	text := g.text(t, want)
	if len(text) != 86 || g.text(t, want) != text {
		t.Errorf("Text = %q, then %q", text, g.text(t, want))
	}
	if got, id, err := g.open(t, text); got != want || id != grantID || err != nil {
		t.Errorf("Open = %v of %s, %v", got, id, err)
	}
	before := g.text(t, want)
	g.rotate(t, 1)
	if got, id, err := g.open(t, before); got != want || id != grantID || err != nil {
		t.Errorf("after a rotation: Open = %v of %s, %v", got, id, err)
	}
	if g.text(t, want) == before {
		t.Error("a new secret makes the tokens of the old one")
	}
	g.rotate(t, 0)
	if _, _, err := g.open(t, before); !errors.Is(err, places.ErrNotGenuine) {
		t.Errorf("without its secret: %v", err)
	}
}

// No other text than the one that was made is a token, whichever of its characters is changed.
func TestTokenIsNotGenuine(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	text := g.text(t, places.Token{Lineage: 1, Number: 1})
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	texts := []string{"", "A", text + "A", text + "=", text[:85], " " + text[1:], text[:85] + "\n", strings.Repeat("A", 86), strings.Repeat("é", 43)}
	for i := range text {
		at := strings.IndexByte(alphabet, text[i])
		for _, other := range []int{at ^ 1, at ^ 32} { // at the end, a bit that stands for nothing
			texts = append(texts, text[:i]+alphabet[other:other+1]+text[i+1:])
		}
	}
	for _, wrong := range texts {
		if _, _, err := g.open(t, wrong); !errors.Is(err, places.ErrNotGenuine) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	other := newGrant(t, places.Params{})
	other.keys = g.keys
	if _, _, err := other.open(t, text); !errors.Is(err, places.ErrNotGenuine) {
		t.Errorf("another grant's token: %v", err)
	}
}

// The MAC is of a purpose of its own, under a key of the ring.
func TestTokenMAC(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	text := g.text(t, places.Token{Lineage: 1, Number: 2})
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	seed := g.stored[1:33]
	input := append(append([]byte("auth oauth refresh token 1\x00"), b[:32]...), seed...)
	if !g.keys.Current().Verify(input, b[32:]) {
		t.Error("the MAC is of something else")
	}
	if mark := g.keys.Current().Mark(); string(b[:8]) != string(mark[:]) || base64.RawURLEncoding.EncodeToString(b[8:24]) != grantID ||
		string(b[24:32]) != "\x00\x00\x00\x01\x00\x00\x00\x02" {
		t.Errorf("the token is %x", b)
	}
}

func TestTextRefuses(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	for _, id := range []string{"", grantID[1:], grantID + "A", "AAECAwQFBgcICQoLDA0ODx", strings.Repeat("!", 22)} {
		if text, err := g.state(t).Text(g.keys, id, places.Token{Lineage: 1, Number: 1}); err == nil || text != "" {
			t.Errorf("the grant %q has the token %q", id, text)
		}
	}
	var none secrets.Ring
	if text, err := g.state(t).Text(&none, grantID, places.Token{Lineage: 1, Number: 1}); err == nil || text != "" {
		t.Errorf("without a secret: %q", text)
	}
}

// What is printed shows neither the seed nor a MAC.
func TestPrintsNoSecret(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	p, err := places.Read(g.keys, g.text(t, places.Token{Lineage: 1, Number: 1}))
	if err != nil {
		t.Fatal(err)
	}
	s := g.state(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "places.State" {
			t.Errorf("%s prints %q", verb, got)
		}
		if got := fmt.Sprintf(verb, p); got != "places.Presented" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
