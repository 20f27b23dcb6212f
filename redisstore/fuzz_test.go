package redisstore_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/redisstore"
)

const someID = "aaaaaaaaaaaaaaaaaaaaaA"

// FuzzDecode checks that a session that can be decoded is encoded to the same bytes, except for the
// random bytes of a write.
func FuzzDecode(f *testing.F) {
	used := time.UnixMicro(1_700_000_000_123_456)
	for _, sess := range []auth.Session{
		{ID: someID},
		{ID: someID, UserID: "ada", CreatedAt: used, LastUsedAt: used, ExpiresAt: used, Version: 7, State: []byte("state"),
			Device: auth.Device{UserAgent: "curl", IP: netip.MustParseAddr("2001:db8::1")}},
	} {
		value, err := redisstore.Encode(&sess)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
		f.Add(value[:len(value)-1])
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		sess, err := redisstore.Decode(someID, value)
		if err != nil {
			return
		}
		again, err := redisstore.Encode(&sess)
		if err != nil {
			return // larger than a session may be
		}
		if len(again) != len(value) || again[:8] != value[:8] || again[16:] != value[16:] {
			t.Errorf("%x was decoded, and encoded as %x", value, again)
		}
	})
}

// FuzzCursor checks that an accepted cursor has one spelling.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("7.0123456789abcdef0123456789abcdef")
	f.Add("-1.0123456789abcdef0123456789abcdef")
	f.Add("18446744073709551615.0123456789abcdef0123456789abcdef")
	f.Add("0.")
	f.Fuzz(func(t *testing.T, cursor string) {
		pos, err := redisstore.ParsePosition(cursor)
		if err != nil {
			return
		}
		again, err := redisstore.ParsePosition(pos.String())
		if err != nil || again != pos {
			t.Errorf("%q was parsed as %v, and that as %v, %v", cursor, pos, again, err)
		}
	})
}

// FuzzMember parses what another program may have put into the feed.
func FuzzMember(f *testing.F) {
	chain, expiry := "0123456789abcdef0123456789abcdef", "00001700000000123456"
	f.Add(chain+expiry+"s"+someID, "1")
	f.Add(chain+expiry+"u"+expiry+"ada", "9007199254740991")
	f.Add(chain+expiry+"u", "1")
	f.Add(chain, "1e99")
	f.Fuzz(func(t *testing.T, member, number string) {
		r, _, ok := redisstore.ParseMember(member, number)
		if ok && !strings.HasSuffix(member, r.SessionID+r.UserID) {
			t.Errorf("%q was parsed as %+v", member, r)
		}
	})
}

// FuzzDecodeRecord checks that a record that can be decoded is encoded to the same bytes, except for
// the random bytes of a write.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range []auth.Record{
		{Key: "k", Version: 1},
		{Key: "k", Version: -1, Value: []byte("value"), ExpiresAt: time.UnixMicro(1_700_000_000_123_456)},
		{Key: "k", Version: 7, Owner: strings.Repeat("o", 255), Value: []byte("value")},
	} {
		value := redisstore.EncodeRecord(&r)
		f.Add(value)
		f.Add(value[:20])
		f.Add(value[:len(value)-len(r.Value)-len(r.Owner)])
	}
	f.Fuzz(func(t *testing.T, value string) {
		r, ok := redisstore.DecodeRecord("k", value)
		if !ok {
			return
		}
		again := redisstore.EncodeRecord(&r)
		if len(again) != len(value) || again[:8] != value[:8] || again[16:] != value[16:] {
			t.Errorf("%q was decoded, and encoded as %q", value, again)
		}
	})
}
