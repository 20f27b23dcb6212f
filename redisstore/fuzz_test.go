package redisstore_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/redisstore"
)

const someID = "aaaaaaaaaaaaaaaaaaaaaA"

// FuzzDecode holds that a session that can be read is written as it was read, but
// for what only one write has.
func FuzzDecode(f *testing.F) {
	at := time.UnixMicro(1_700_000_000_123_456)
	for _, one := range []auth.Session{
		{ID: someID},
		{ID: someID, UserID: "ada", CreatedAt: at, LastUsedAt: at, ExpiresAt: at, Version: 7, State: []byte("state"),
			Device: auth.Device{UserAgent: "curl", IP: netip.MustParseAddr("2001:db8::1")}},
	} {
		value, err := redisstore.Encode(&one)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
		f.Add(value[:len(value)-1])
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		one, err := redisstore.Decode(someID, value)
		if err != nil {
			return
		}
		again, err := redisstore.Encode(&one)
		if err != nil {
			return // more than fits
		}
		if len(again) != len(value) || again[:8] != value[:8] || again[16:] != value[16:] {
			t.Errorf("%x was read, and written as %x", value, again)
		}
	})
}

// FuzzCursor holds that a cursor that is taken has one spelling.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("7.0123456789abcdef0123456789abcdef")
	f.Add("-1.0123456789abcdef0123456789abcdef")
	f.Add("18446744073709551615.0123456789abcdef0123456789abcdef")
	f.Add("0.")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, err := redisstore.ParsePosition(cursor)
		if err != nil {
			return
		}
		again, err := redisstore.ParsePosition(at.String())
		if err != nil || again != at {
			t.Errorf("%q was read as %v, and that as %v, %v", cursor, at, again, err)
		}
	})
}

// FuzzMember reads what a stranger may have put into the feed.
func FuzzMember(f *testing.F) {
	chain, expiry := "0123456789abcdef0123456789abcdef", "00001700000000123456"
	f.Add(chain+expiry+"s"+someID, "1")
	f.Add(chain+expiry+"u"+expiry+"ada", "9007199254740991")
	f.Add(chain+expiry+"u", "1")
	f.Add(chain, "1e99")
	f.Fuzz(func(t *testing.T, member, number string) {
		r, _, ok := redisstore.ParseMember(member, number)
		if ok && !bytes.HasSuffix([]byte(member), []byte(r.SessionID+r.UserID)) {
			t.Errorf("%q was read as %+v", member, r)
		}
	})
}

// FuzzDecodeRecord holds that a record that can be read is written as it was read,
// but for what only one write has.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range []auth.Record{{Key: "k", Version: 1}, {Key: "k", Version: -1, Value: []byte("value"), ExpiresAt: time.UnixMicro(1_700_000_000_123_456)}} {
		value := redisstore.EncodeRecord(&r)
		f.Add(value)
		f.Add(value[:20])
	}
	f.Fuzz(func(t *testing.T, value string) {
		r, ok := redisstore.DecodeRecord("k", value)
		if !ok {
			return
		}
		again := redisstore.EncodeRecord(&r)
		if len(again) != len(value) || again[:8] != value[:8] || again[16:] != value[16:] {
			t.Errorf("%q was read, and written as %q", value, again)
		}
	})
}
