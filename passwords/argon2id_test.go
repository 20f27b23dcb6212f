package passwords_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/passwords"
)

// fastArgon2id is an Argon2id at nearly the lowest cost there is.
var fastArgon2id = passwords.LowCostArgon2id("m=64,t=1,p=1")

func TestNewArgon2id(t *testing.T) {
	t.Parallel()
	for _, params := range []string{
		"", passwords.Argon2idOWASP, passwords.Argon2idRFC9106First, passwords.Argon2idRFC9106Second,
		"m=47104,t=1,p=1", "m=12288,t=3,p=1", "m=9216,t=4,p=1", "m=7168,t=5,p=1", // what else OWASP lists
		"m=1048576,t=4,p=16", "m=19456,t=2,p=255", "m=209715,t=20,p=1",
	} {
		if _, err := passwords.NewArgon2id(params); err != nil {
			t.Errorf("NewArgon2id(%q): %v", params, err)
		}
	}
	for _, params := range []string{
		"m=7167,t=20,p=1", "m=7168,t=4,p=1", "m=35839,t=1,p=1", "m=64,t=1,p=1", // too weak
		"m=2097153,t=1,p=1", "m=19456,t=21,p=1", "m=19456,t=2,p=256", "m=1048577,t=4,p=1", // too costly
		"m=19456,t=0,p=1", "m=19456,t=2,p=0", "m=19456,t=2,p=257", "m=0,t=2,p=1",
		"m=4294986752,t=2,p=1", "m=-19456,t=2,p=1", "m=019456,t=2,p=1", "m=19456, t=2, p=1",
		"m=19456", "m=19456,t=2", "t=2,m=19456,p=1", "m=19456,t=2,p=1,x=1", "m=19456,t=2,p=1$", "v=19$m=19456,t=2,p=1",
		"m=19456,t=2,p=1\n", "19456,2,1", "owasp", "$", strings.Repeat("m", 1<<20),
	} {
		var fault *cfgerr.Error
		if _, err := passwords.NewArgon2id(params); !errors.As(err, &fault) || fault.Field != "passwords.NewArgon2id.params" {
			t.Errorf("NewArgon2id(%.40q): %v, want a *cfgerr.Error", params, err)
		}
	}
}

// TestArgon2idEncodes looks at what the named parameters write.
func TestArgon2idEncodes(t *testing.T) {
	t.Parallel()
	second, err := passwords.NewArgon2id(passwords.Argon2idRFC9106Second)
	if err != nil {
		t.Fatal(err)
	}
	for params, hasher := range map[string]passwords.Argon2id{passwords.Argon2idOWASP: {}, passwords.Argon2idRFC9106Second: second} {
		encoded, err := hasher.Hash(t.Context(), "correct horse")
		if err != nil {
			t.Fatal(err)
		}
		prefix := "$argon2id$v=19$" + params + "$"
		if rest, ok := strings.CutPrefix(encoded, prefix); !ok || len(rest) != 22+1+43 {
			t.Errorf("Hash returned %s, want %s and then 16 and 32 bytes", encoded, prefix)
		}
		if hasher.NeedsRehash(encoded) {
			t.Errorf("NeedsRehash(%q) of its own hash", encoded)
		}
		if err := hasher.Verify(t.Context(), encoded, "correct horse"); err != nil {
			t.Errorf("Verify(%q): %v", encoded, err)
		}
	}
}

func TestArgon2idContract(t *testing.T) {
	t.Parallel()
	authtest.TestHasher(t, func(*testing.T) passwords.Hasher { return fastArgon2id })
}

const (
	argon2Salt   = "$Y29ycHVzLXNhbHQtMDAwMQ"
	argon2Digest = "$CVIZjqJdjnCW6x5bBFxSqgvuW5ZSwOkH3WO/at2rPMs"
	argon2Text   = "$argon2id$v=19$m=64,t=1,p=1" + argon2Salt + argon2Digest // of corpusPassword

	corpusPassword = "correct horse battery staple"
)

// TestArgon2idGrammar: each row is one sound hash with one thing changed. The
// vectors hold more.
func TestArgon2idGrammar(t *testing.T) {
	t.Parallel()
	change := func(old, replacement string) string { return testkit.Replaced(argon2Text, old, replacement) }
	rows := map[string]struct {
		encoded string
		want    error
	}{
		"as it is":              {argon2Text, nil},
		"another digest":        {change("CVIZ", "CVIA"), passwords.ErrMismatch},
		"Argon2i":               {change("argon2id", "argon2i"), passwords.ErrMismatch},
		"more passes":           {change("t=1", "t=2"), passwords.ErrMismatch},
		"more memory":           {change("m=64", "m=72"), passwords.ErrMismatch},
		"more lanes":            {change("p=1", "p=2"), passwords.ErrMismatch},
		"spare bits, salt":      {change("MDAwMQ", "MDAwMR"), passwords.ErrMalformedHash},
		"spare bits, digest":    {change("rPMs", "rPMt"), passwords.ErrMalformedHash},
		"bcrypt's alphabet":     {change("/at2", ".at2"), passwords.ErrMalformedHash},
		"URL alphabet":          {change("/at2", "_at2"), passwords.ErrMalformedHash},
		"salt of 7 bytes":       {change(argon2Salt, "$c2FsdHNhbA"), passwords.ErrMalformedHash},
		"salt of 65 bytes":      {change(argon2Salt, "$"+strings.Repeat("a", 86)+"A"), passwords.ErrMalformedHash},
		"digest of 15 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 20)), passwords.ErrMalformedHash},
		"digest of 65 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 86)+"A"), passwords.ErrMalformedHash},
		"digest of 31 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 41)+"A"), passwords.ErrMalformedHash},
		"digest of 33 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 44)), passwords.ErrMalformedHash},
		"digest of 50 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 66)+"Q"), passwords.ErrMismatch}, // Gitea's
		"digest of 16 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 21)+"Q"), passwords.ErrMismatch},
		"digest of 64 bytes":    {change(argon2Digest, "$"+strings.Repeat("a", 85)+"Q"), passwords.ErrMismatch},
		"a key ID":              {change("p=1", "p=1,keyid=x"), passwords.ErrMalformedHash},
		"associated data":       {change("p=1", "p=1,data=x"), passwords.ErrMalformedHash},
		"version 0x10":          {change("v=19", "v=16"), passwords.ErrUnknownHash},
		"no version":            {change("v=19$", ""), passwords.ErrUnknownHash},
		"version 20":            {change("v=19", "v=20"), passwords.ErrMalformedHash},
		"Argon2d":               {change("argon2id", "argon2d"), passwords.ErrUnknownHash},
		"Argon2id in capitals":  {change("argon2id", "Argon2id"), passwords.ErrUnknownHash},
		"a NUL":                 {change("$CVIZ", "\x00$CVIZ"), passwords.ErrMalformedHash},
		"a megabyte":            {argon2Text + strings.Repeat("A", 1<<20), passwords.ErrMalformedHash},
		"a megabyte of dollars": {"$argon2id$" + strings.Repeat("$", 1<<20), passwords.ErrMalformedHash},
		"1 GiB and 1 KiB":       {change("m=64", "m=1048577"), passwords.ErrMalformedHash},
		"t=21":                  {change("t=1", "t=21"), passwords.ErrMalformedHash},
		"p=8":                   {change("p=1", "p=8"), passwords.ErrMismatch},
		"p=9":                   {change("p=1", "p=9"), passwords.ErrMalformedHash}, // 64 KiB are not 8 for each lane
		"p=255":                 {change("m=64,t=1,p=1", "m=2040,t=1,p=255"), passwords.ErrMismatch},
		"p=256":                 {change("m=64,t=1,p=1", "m=2048,t=1,p=256"), passwords.ErrMalformedHash},
		"order t, m, p":         {change("m=64,t=1,p=1", "t=1,m=64,p=1"), nil},
		"order p, m, t":         {change("m=64,t=1,p=1", "p=1,m=64,t=1"), passwords.ErrMalformedHash},
		"order t, p, m":         {change("m=64,t=1,p=1", "t=1,p=1,m=64"), passwords.ErrMalformedHash},
		"t and t":               {change("m=64,t=1,p=1", "t=1,t=1,p=1"), passwords.ErrMalformedHash},
		"padded by CHAR(128)":   {argon2Text + strings.Repeat(" ", 128-len(argon2Text)), nil},
		"padded, other digest":  {change("CVIZ", "CVIA") + " ", passwords.ErrMismatch},
		"a line break":          {argon2Text + "\n", passwords.ErrMalformedHash},
		"padding, a line break": {argon2Text + " \r\n", passwords.ErrMalformedHash},
		"m=15,p=2":              {change("m=64,t=1,p=1", "m=15,t=1,p=2"), passwords.ErrMalformedHash},
		"1 GiB, five passes":    {change("m=64,t=1", "m=1048576,t=5"), passwords.ErrMalformedHash},
		"t=1000000":             {change("t=1", "t=1000000"), passwords.ErrMalformedHash},
		"m=4 GiB":               {change("m=64", "m=4194304"), passwords.ErrMalformedHash},
		"m=2^64+64":             {change("m=64", "m=18446744073709551680"), passwords.ErrMalformedHash},
	}
	for name, row := range rows {
		err := fastArgon2id.Verify(t.Context(), row.encoded, corpusPassword)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), row.encoded[max(0, len(row.encoded)-20):]) {
			t.Errorf("%s: the error %q holds the hash", name, err)
		}
	}
}

// TestArgon2idBounds checks how much a stored hash may cost: 8 times the memory and work of a new hash
// or of the default, or what was named as stored. A hash within the bounds goes on to the hashing,
// which a context that has ended stops.
func TestArgon2idBounds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hasher := func(params string, stored ...string) passwords.Argon2id {
		a, err := passwords.NewArgon2id(params, stored...)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first, second := hasher(passwords.Argon2idRFC9106First), hasher(passwords.Argon2idRFC9106Second)
	moderate := hasher("", "m=4096,t=3,p=1", "m=262144,t=3,p=1")
	with := func(params string) string { return testkit.Replaced(argon2Text, "m=64,t=1,p=1", params) }
	for _, row := range []struct {
		name   string
		hasher passwords.Argon2id
		params string
		want   error
	}{
		{"default", passwords.Argon2id{}, "m=8,t=1,p=1", context.Canceled},
		{"default", passwords.Argon2id{}, "m=155648,t=2,p=255", context.Canceled}, // 8 times memory and work
		{"default", passwords.Argon2id{}, "m=155649,t=1,p=1", passwords.ErrMalformedHash},
		{"default", passwords.Argon2id{}, "m=155648,t=3,p=1", passwords.ErrMalformedHash},
		{"default", passwords.Argon2id{}, "m=15564,t=20,p=1", context.Canceled},
		{"default", passwords.Argon2id{}, "m=15565,t=20,p=1", passwords.ErrMalformedHash},
		{"default", passwords.Argon2id{}, "m=102400,t=2,p=8", context.Canceled}, // Django
		{"default", passwords.Argon2id{}, "m=65536,t=4,p=1", context.Canceled},  // PHP
		{"default", passwords.Argon2id{}, passwords.Argon2idRFC9106Second, context.Canceled},
		{"default", passwords.Argon2id{}, passwords.Argon2idRFC9106First, passwords.ErrMalformedHash},
		{"default", passwords.Argon2id{}, "m=1048576,t=4,p=16", passwords.ErrMalformedHash},
		{"default", passwords.Argon2id{}, "m=262144,t=3,p=1", passwords.ErrMalformedHash}, // libsodium, moderate
		{"low", fastArgon2id, "m=155648,t=2,p=1", context.Canceled},
		{"low", fastArgon2id, "m=155649,t=1,p=1", passwords.ErrMalformedHash},
		{"stored", moderate, "m=262144,t=3,p=1", context.Canceled},
		{"stored", moderate, "m=262145,t=1,p=1", passwords.ErrMalformedHash},
		{"stored", moderate, "m=262144,t=4,p=1", passwords.ErrMalformedHash},
		{"second", second, "m=524288,t=3,p=4", context.Canceled},
		{"second", second, "m=524289,t=1,p=4", passwords.ErrMalformedHash},
		{"first", first, passwords.Argon2idRFC9106First, context.Canceled},
		{"first", first, "m=2097153,t=1,p=4", passwords.ErrMalformedHash},
		{"first", first, "m=2097152,t=3,p=4", passwords.ErrMalformedHash},
	} {
		if err := row.hasher.Verify(ctx, with(row.params), "password"); !errors.Is(err, row.want) {
			t.Errorf("%s, %s: %v, want %v", row.name, row.params, err, row.want)
		}
	}
	if _, err := fastArgon2id.Hash(ctx, "password"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v", err)
	}
	for _, stored := range []string{"", "x", "m=2097153,t=1,p=1", "m=64,t=21,p=1", "m=2048,t=1,p=256"} {
		_, err := passwords.NewArgon2id("", "m=64,t=1,p=1", stored)
		if fault, ok := errors.AsType[*cfgerr.Error](err); !ok || fault.Field != "passwords.NewArgon2id.stored" {
			t.Errorf("stored %q: %v, want a fault of it", stored, err)
		}
	}
}

func TestArgon2idNeedsRehash(t *testing.T) {
	t.Parallel()
	with := func(params string) string { return testkit.Replaced(argon2Text, "m=64,t=1,p=1", params) }
	for encoded, want := range map[string]bool{
		with("m=19456,t=2,p=1"):                                               false,
		with("m=19456,t=2,p=4"):                                               false, // lanes are threads, not strength
		with("m=19456,t=2,p=255"):                                             false,
		with("t=2,m=19456,p=1"):                                               false,
		with("m=19456,t=2,p=1") + "   ":                                       false, // or each login would write it anew
		with("m=19456,t=1,p=1"):                                               true,
		with("m=19455,t=2,p=1"):                                               true,
		with("m=9728,t=4,p=1"):                                                true, // as much work in half the memory
		with("m=12288,t=3,p=1"):                                               true,
		with("m=19456,t=3,p=1"):                                               false,
		with(passwords.Argon2idRFC9106Second):                                 false,
		with(passwords.Argon2idRFC9106First):                                  false, // fewer passes, and a hundred times the memory
		with("m=38911,t=1,p=1"):                                               true,
		with("m=38912,t=1,p=1"):                                               false,
		with("m=4194304,t=1000000,p=1"):                                       false, // absurd, but not weaker
		with("m=4294967296,t=1,p=1"):                                          true,  // no hash at all
		testkit.Replaced(with("m=19456,t=2,p=1"), "argon2id", "argon2i"):      true,
		testkit.Replaced(with("m=19456,t=2,p=1"), "v=19", "v=16"):             true,
		testkit.Replaced(with("m=19456,t=2,p=1"), argon2Salt, "$c29tZXNhbHQ"): true, // 8 bytes
		plainText: true,
		"":        true,
		"!":       true,
	} {
		if got := (passwords.Argon2id{}).NeedsRehash(encoded); got != want {
			t.Errorf("NeedsRehash(%q) = %v", encoded, got)
		}
	}
}

// TestArgon2idMismatchDoesTheCurrentWork: whatever a stored hash costs, checking
// it and what follows a mismatch are together the current work, in no more than
// the current memory.
func TestArgon2idMismatchDoesTheCurrentWork(t *testing.T) {
	t.Parallel()
	second, err := passwords.NewArgon2id(passwords.Argon2idRFC9106Second)
	if err != nil {
		t.Fatal(err)
	}
	for most, a := range map[int]passwords.Argon2id{19456: {}, 65536: second} {
		for _, stored := range []string{
			"m=8,t=1,p=1", "m=64,t=20,p=1", "m=4096,t=3,p=1", "m=15360,t=2,p=1", "m=19456,t=1,p=1", "m=19456,t=2,p=1",
			"m=38904,t=1,p=1", "m=65536,t=2,p=4", "m=65536,t=3,p=4", "m=102400,t=2,p=8", "m=1048576,t=4,p=1",
		} {
			work, missing, memory := passwords.Argon2Beyond(a, stored)
			if work > missing || work < missing-8*4 { // a pass takes at least 8 KiB a lane
				t.Errorf("after %s: work %d, want %d", stored, work, missing)
			}
			if memory > most {
				t.Errorf("after %s: %d KiB, the current parameters take %d", stored, memory, most)
			}
		}
	}
}

// TestArgon2idMismatchMemory sees that Verify does what the test above counts: by
// its memory, which is surer than time.
func TestArgon2idMismatchMemory(t *testing.T) {
	current := passwords.LowCostArgon2id("m=4096,t=2,p=1")
	match := testkit.Allocated(func() { _ = current.Verify(t.Context(), argon2Text, corpusPassword) })
	mismatch := testkit.Allocated(func() { _ = current.Verify(t.Context(), argon2Text, "another") })
	if match > 1<<20 || mismatch < 4<<20 {
		t.Errorf("a match with 64 KiB allocates %d bytes, a mismatch %d, want 4 MiB there", match, mismatch)
	}
}

// TestArgon2idAllocations: at most 8 beyond x/crypto's own call.
func TestArgon2idAllocations(t *testing.T) {
	key, salt := []byte(corpusPassword), make([]byte, 16)
	own := testing.AllocsPerRun(20, func() { passwords.Argon2idKey(fastArgon2id, key, salt) })
	for name, run := range map[string]func(){
		"Verify":      func() { _ = fastArgon2id.Verify(t.Context(), argon2Text, corpusPassword) },
		"Hash":        func() { _, _ = fastArgon2id.Hash(t.Context(), corpusPassword) },
		"NeedsRehash": func() { fastArgon2id.NeedsRehash(argon2Text) },
	} {
		if got := testing.AllocsPerRun(20, run); got > own+8 {
			t.Errorf("%s allocates %v times, x/crypto %v", name, got, own)
		}
	}
}

// FuzzArgon2idVerify: whatever the stored text, no panic, no match, and no more
// memory than the text says within the bounds.
func FuzzArgon2idVerify(f *testing.F) {
	for _, encoded := range []string{argon2Text, testkit.Replaced(argon2Text, "argon2id", "argon2i"), testkit.Replaced(argon2Text, "p=1", "p=257"), "$argon2id$", ""} {
		f.Add(encoded, "password")
	}
	f.Fuzz(func(t *testing.T, encoded, password string) {
		ctx, cancel := context.WithCancel(t.Context())
		if cancel(); len(encoded) > len(argon2Text) || strings.Contains(encoded, "m=") && !strings.Contains(encoded, "m=64,t=1,") {
			// It takes its time by right: see only that it is read.
			if err := fastArgon2id.Verify(ctx, encoded, password); err == nil {
				t.Errorf("%q matches %q", encoded, password)
			}
			return
		}
		// The password has an end that no seed was made with.
		bytes := testkit.Allocated(func() {
			if err := fastArgon2id.Verify(t.Context(), encoded, password+"\x01never"); err == nil {
				t.Errorf("%q matches %q", encoded, password)
			}
		})
		if bytes > 1<<20 { // the memory of the one pass in the text, and of what fastArgon2id adds to it
			t.Errorf("%q allocated %d bytes", encoded, bytes)
		}
	})
}

func BenchmarkArgon2id(b *testing.B) {
	key, salt, ctx := []byte(corpusPassword), make([]byte, 16), b.Context()
	encoded, err := passwords.Argon2id{}.Hash(ctx, corpusPassword)
	if err != nil {
		b.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"Verify":  func() error { return passwords.Argon2id{}.Verify(ctx, encoded, corpusPassword) },
		"Hash":    func() error { _, err := passwords.Argon2id{}.Hash(ctx, corpusPassword); return err },
		"xcrypto": func() error { passwords.Argon2idKey(passwords.Argon2id{}, key, salt); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
