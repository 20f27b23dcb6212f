package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

var (
	fences   = regexp.MustCompile("(?ms)^```.*?^```")
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// documents returns every document of the repository, by its path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := testenv.Checkout(t)
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		all[filepath.ToSlash(name)] = fences.ReplaceAllString(strings.ReplaceAll(string(text), "\r\n", "\n"), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// anchors returns the fragments by which the headings of a document are found.
func anchors(document string) (list []string) {
	for _, h := range headings.FindAllStringSubmatch(document, -1) {
		list = append(list, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, h[1]))
	}
	return list
}

// TestLinks checks that each link from one document to another, or to a file of the
// repository, leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	root, all := testenv.Checkout(t), documents(t)
	for name, text := range all {
		for _, link := range links.FindAllStringSubmatch(text, -1) {
			target, fragment, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, ":") {
				continue // of the web
			}
			at := name
			if target != "" {
				at = filepath.ToSlash(filepath.Join(filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(target)))
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(at))); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			} else if fragment != "" && !slices.Contains(anchors(all[at]), fragment) {
				t.Errorf("%s links to %s: no heading of %s is #%s", name, link[1], at, fragment)
			}
		}
	}
}

// TestRefusalsExplained checks that troubleshooting.md explains each reason for which a
// token is refused, in the words of the error.
func TestRefusalsExplained(t *testing.T) {
	t.Parallel()
	root := testenv.Checkout(t)
	page, err := os.ReadFile("troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	reason := regexp.MustCompile(`Errorf\("%w: ([^"%]+)", ErrInvalidToken\)`)
	found := 0
	for _, dir := range []string{".", "jwt"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range reason.FindAllStringSubmatch(string(source), -1) {
				found++
				if !strings.Contains(string(page), "`: "+m[1]+"`") {
					t.Errorf("troubleshooting.md does not explain %q", m[1])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d reasons in the source", found)
	}
}
