package commonpasswords_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/commonpasswords"
	"github.com/seed-e36e2130/auth/internal/testenv"
)

var update = flag.Bool("update", false, "make list.txt anew from Django's list")

// leastLength is the shortest minimum that a host can ask of a password.
const leastLength = 8

// encode writes sorted passwords as the package reads them.
func encode(passwords []string) []byte {
	var out bytes.Buffer
	before := ""
	for _, p := range passwords {
		shared := 0
		for shared < min(len(p), len(before)) && p[shared] == before[shared] {
			shared++
		}
		out.WriteByte('A' + byte(shared))
		out.WriteString(p[shared:])
		before = p
	}
	return out.Bytes()
}

// decode reads the list without the package's own code.
func decode(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("list.txt")
	if err != nil {
		t.Fatal(err)
	}
	var passwords []string
	before := ""
	for len(text) > 0 {
		end := 1
		for end < len(text) && (text[end] < 'A' || text[end] > 'Z') {
			end++
		}
		before = before[:text[0]-'A'] + string(text[1:end])
		passwords = append(passwords, before)
		text = text[end:]
	}
	return passwords
}

// TestFromDjango: the list is Django's, without what is too short to be set.
func TestFromDjango(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(testenv.Python(t, "django"), "-c", `
import gzip, sys
from django.contrib.auth.password_validation import CommonPasswordValidator as validator
with gzip.open(validator.DEFAULT_PASSWORD_LIST_PATH, "rb") as f:
    sys.stdout.buffer.write(f.read())
`)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if p := strings.TrimSpace(line); len(p) >= leastLength {
			want = append(want, p)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if *update {
		if err := os.WriteFile("list.txt", encode(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := decode(t); !slices.Equal(got, want) {
		t.Errorf("the list has %d passwords, Django's %d of its length, and they differ", len(got), len(want))
	}
}

// TestContains: every one is found, in any case, and nothing beside it.
func TestContains(t *testing.T) {
	t.Parallel()
	all := decode(t)
	if len(all) != 8479 || !slices.IsSorted(all) {
		t.Errorf("%d passwords, sorted: %t", len(all), slices.IsSorted(all))
	}
	for i, p := range all {
		if !commonpasswords.Contains(p) {
			t.Errorf("%q is not found", p)
		}
		if i%32 > 0 {
			continue // each look reads the list: they add up under the race detector
		}
		for _, spelled := range []string{strings.ToUpper(p), strings.ToUpper(p[:1]) + p[1:]} {
			if !commonpasswords.Contains(spelled) {
				t.Errorf("%q is not found", spelled)
			}
		}
		for _, beside := range []string{p[:len(p)-1], p[1:], p + "!", "!" + p, p[:4] + "\xc3\xa9" + p[4:], p + "\x00", " " + p} {
			if _, listed := slices.BinarySearch(all, strings.ToLower(beside)); commonpasswords.Contains(beside) != listed {
				t.Errorf("%q is found: %t", beside, !listed)
			}
		}
	}
	for _, p := range []string{"", "A", "~", "\xff", "correct horse", "correct horse battery staple", strings.Repeat("a", 1<<20)} {
		if commonpasswords.Contains(p) {
			t.Errorf("%.40q is found", p)
		}
	}
}

func TestContainsAllocatesNothing(t *testing.T) {
	for _, p := range []string{"Password123", "correct horse", "zzzzzzzzzzzz"} {
		if n := testing.AllocsPerRun(10, func() { commonpasswords.Contains(p) }); n != 0 {
			t.Errorf("%q: %v allocations", p, n)
		}
	}
}

func BenchmarkContains(b *testing.B) {
	for name, p := range map[string]string{"first": "!qaz2wsx", "last": "zzzzzzzz", "none": "correct horse"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				commonpasswords.Contains(p)
			}
		})
	}
}
