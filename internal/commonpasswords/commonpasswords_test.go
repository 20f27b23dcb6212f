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

var update = flag.Bool("update", false, "write list.txt from the list of Django")

// minLength is the lowest minimum length of passwords that a host can configure.
const minLength = 8

// encode returns sorted passwords in the format of list.txt.
func encode(passwords []string) []byte {
	var out bytes.Buffer
	previous := ""
	for _, p := range passwords {
		shared := 0
		for shared < min(len(p), len(previous)) && p[shared] == previous[shared] {
			shared++
		}
		out.WriteByte('A' + byte(shared))
		out.WriteString(p[shared:])
		previous = p
	}
	return out.Bytes()
}

// decode reads list.txt without the code of the package.
func decode(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("list.txt")
	if err != nil {
		t.Fatal(err)
	}
	var passwords []string
	previous := ""
	for len(text) > 0 {
		end := 1
		for end < len(text) && (text[end] < 'A' || text[end] > 'Z') {
			end++
		}
		previous = previous[:text[0]-'A'] + string(text[1:end])
		passwords = append(passwords, previous)
		text = text[end:]
	}
	return passwords
}

// The list has exactly the passwords of Django's list that are long enough to be set.
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
		if p := strings.TrimSpace(line); len(p) >= minLength {
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
		t.Errorf("the list has %d passwords and Django's has %d of that length, and they differ", len(got), len(want))
	}
}

// Contains finds each password of the list in upper and lower case, and no similar one.
func TestContains(t *testing.T) {
	t.Parallel()
	passwords := decode(t)
	if len(passwords) != 8479 || !slices.IsSorted(passwords) {
		t.Errorf("the list has %d passwords, sorted: %t, want 8479, sorted", len(passwords), slices.IsSorted(passwords))
	}
	for i, p := range passwords {
		if !commonpasswords.Contains(p) {
			t.Errorf("%q was not found", p)
		}
		if i%32 > 0 {
			continue // each call scans the list, which takes long under the race detector
		}
		for _, variant := range []string{strings.ToUpper(p), strings.ToUpper(p[:1]) + p[1:]} {
			if !commonpasswords.Contains(variant) {
				t.Errorf("%q was not found", variant)
			}
		}
		for _, similar := range []string{p[:len(p)-1], p[1:], p + "!", "!" + p, p[:4] + "\xc3\xa9" + p[4:], p + "\x00", " " + p} {
			if _, listed := slices.BinarySearch(passwords, strings.ToLower(similar)); commonpasswords.Contains(similar) != listed {
				t.Errorf("%q: Contains returned %t, want %t", similar, !listed, listed)
			}
		}
	}
	for _, p := range []string{"", "A", "~", "\xff", "correct horse", "correct horse battery staple", strings.Repeat("a", 1<<20)} {
		if commonpasswords.Contains(p) {
			t.Errorf("%.40q was found", p)
		}
	}
}

func TestContainsAllocatesNothing(t *testing.T) {
	for _, p := range []string{"Password123", "correct horse", "zzzzzzzzzzzz"} {
		if n := testing.AllocsPerRun(10, func() { commonpasswords.Contains(p) }); n != 0 {
			t.Errorf("Contains(%q): %v allocations, want none", p, n)
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
