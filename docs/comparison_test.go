package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamedTests checks that the tests exist which comparison.md names for what other authorization servers do.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("comparison.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| what the peer does |")
	if !found {
		t.Fatal("comparison.md has no table of what peers do")
	}
	named := regexp.MustCompile("((?:`Test\\w+`(?:, | and )?)+) in `([a-z/]+)`")
	checked := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.TrimSpace(cells[2]) == "" || strings.HasPrefix(cells[2], "---") || strings.Contains(cells[2], "requirement") {
			continue
		}
		places := named.FindAllStringSubmatch(cells[3], -1)
		if len(places) == 0 {
			t.Errorf("this row names no test: %s", line)
		}
		for _, place := range places {
			var source strings.Builder
			files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(place[2]), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source.Write(text)
			}
			for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(place[1], -1) {
				if checked++; !strings.Contains(source.String(), "\nfunc "+name+"(t *testing.T) {") {
					t.Errorf("comparison.md names %s, which %s does not have", name, place[2])
				}
			}
		}
	}
	if checked < 25 {
		t.Errorf("%d tests are named, want at least 25", checked)
	}
}
