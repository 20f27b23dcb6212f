package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// maxColumns is the width that prose in a document may have.
const maxColumns = 120

var (
	decisionFile   = regexp.MustCompile(`^(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md$`)
	decisionDate   = regexp.MustCompile(`^- Date: (\d{4}-\d\d-\d\d)(?:, amended (\d{4}-\d\d-\d\d))?$`)
	decisionStatus = regexp.MustCompile(`^- Status: (?:accepted|(?:accepted, in part )?superseded by \[(\d{4})\]\(([^)]+)\))$`)
	decisionLink   = regexp.MustCompile(`\[(\d{4})\]\(([^)]+)\)`)

	decisionSections = []string{
		"## Context", "## Decision", "## Alternatives considered", "## Consequences", "## When to look again",
	}
)

// readText returns a file with "\n" as the end of each line, also where git has
// checked it out with "\r\n".
func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestDecisions checks the names of the decisions, the fields of each, and the index.
func TestDecisions(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("decisions")
	if err != nil {
		t.Fatal(err)
	}
	index := readText(t, filepath.Join("decisions", "README.md"))
	texts := map[string]string{} // by file name
	for _, entry := range entries {
		name := entry.Name()
		if name == "README.md" {
			continue
		}
		number := fmt.Sprintf("%04d", len(texts)+1) // ReadDir sorts by name
		if match := decisionFile.FindStringSubmatch(name); match == nil || match[1] != number {
			t.Errorf("decisions/%s: want a name of the form %s-slug.md: numbers have no gap", name, number)
		}
		texts[name] = readText(t, filepath.Join("decisions", name))
	}
	rows := map[string]bool{}
	for line := range strings.Lines(index) {
		rows[strings.TrimSuffix(line, "\n")] = true
	}
	for name, text := range texts {
		row, faults := checkDecision(name, text, texts)
		for _, fault := range faults {
			t.Errorf("decisions/%s: %s", name, fault)
		}
		if len(faults) == 0 && !rows[row] {
			t.Errorf("decisions/README.md: want a row for %s:\n%s", name, row)
		}
	}
	// As many rows as decisions: then each decision has exactly one.
	if listed := strings.Count(index, "\n| ["); listed != len(texts) {
		t.Errorf("decisions/README.md has %d rows for %d decisions", listed, len(texts))
	}
}

// checkDecision returns the row of the index that belongs to a decision, and what is
// wrong with the decision.
func checkDecision(name, text string, all map[string]string) (row string, faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	lines := strings.Split(text, "\n")
	if len(lines) < 5 {
		return "", []string{"want a title, a date, a status and sections"}
	}
	number, _, _ := strings.Cut(name, "-")
	title, ok := strings.CutPrefix(lines[0], "# "+number+". ")
	if !ok || title == "" {
		fault("line 1: want # %s. Title", number)
	}
	if date := decisionDate.FindStringSubmatch(lines[2]); date == nil {
		fault("line 3: want - Date: YYYY-MM-DD")
	} else {
		for _, day := range date[1:] {
			if _, err := time.Parse(time.DateOnly, day); err != nil && day != "" {
				fault("line 3: %v", err)
			}
		}
	}
	status := decisionStatus.FindStringSubmatch(lines[3])
	switch {
	case status == nil:
		fault("line 4: want - Status: accepted, or superseded by [NNNN](NNNN-slug.md)")
	case status[2] != "" && status[2] <= name:
		fault("line 4: only a later decision can supersede it")
	}
	for _, to := range decisionLink.FindAllStringSubmatch(text, -1) {
		if all[to[2]] == "" || !strings.HasPrefix(to[2], to[1]+"-") {
			fault("there is no decision %s in %s", to[1], to[2])
		}
	}
	next := 0
	for i, line := range lines {
		if !strings.HasPrefix(line, "## ") {
			continue
		}
		if next == len(decisionSections) || line != decisionSections[next] {
			fault("line %d: %q is out of place, want %q", i+1, line, decisionSections)
			break
		}
		if i+2 >= len(lines) || lines[i+2] == "" || strings.HasPrefix(lines[i+2], "## ") {
			fault("line %d: the section is empty", i+1)
		}
		next++
	}
	if next < len(decisionSections) {
		fault("has no section %q", decisionSections[next])
	}
	row = fmt.Sprintf("| [%s](%s) | %s | %s | %s |", number, name, title,
		strings.TrimPrefix(lines[3], "- Status: "), strings.TrimPrefix(lines[2], "- Date: "))
	return row, faults
}

// TestFaultyDecisions checks that TestDecisions would find each of these faults.
func TestFaultyDecisions(t *testing.T) {
	t.Parallel()
	const name, good = "0001-a.md", "# 0001. A\n\n- Date: 2026-01-31\n- Status: superseded by [0002](0002-b.md)\n" +
		"\n## Context\n\nx\n\n## Decision\n\nx\n\n## Alternatives considered\n\nx\n\n## Consequences\n\nx\n\n## When to look again\n\nx\n"
	all := map[string]string{name: good, "0002-b.md": "x", "0000-z.md": "x"}
	if row, faults := checkDecision(name, good, all); len(faults) > 0 ||
		row != "| [0001](0001-a.md) | A | superseded by [0002](0002-b.md) | 2026-01-31 |" {
		t.Errorf("a decision without a fault: %q, %q", row, faults)
	}
	for _, change := range [][2]string{
		{"# 0001. A", "# 0002. A"}, {"# 0001. A", "# 0001. "}, {"01-31", "02-31"}, {"- Date", "Date"}, {"2026-01-31", "2026-01-31, amended 2026-13-01"},
		{"superseded by [0002](0002-b.md)", "open"}, {"0002-b.md", "0003-c.md"}, {"[0002]", "[0003]"}, {"0002-b.md", "0001-a.md"},
		{"[0002](0002-b.md)", "[0000](0000-z.md)"}, {"## Context", "## Contexts"}, {"\n## Decision\n\nx\n", ""},
		{"## Decision\n\nx\n", "## Decision\n\n"}, {"again\n\nx", "again\n\n"}, {"## Consequences", "## Decision"}, {"again\n\nx", "again\n\nSee [0003](0003-c.md)."}, {good, ""},
	} {
		if _, faults := checkDecision(name, strings.Replace(good, change[0], change[1], 1), all); len(faults) == 0 {
			t.Errorf("%q in the place of %q is not found", change[1], change[0])
		}
	}
}

// TestWidth checks that prose in the documents of this folder fits a terminal.
func TestWidth(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		for _, line := range wideLines(readText(t, path)) {
			t.Errorf("%s:%d is wider than %d columns", filepath.ToSlash(path), line, maxColumns)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	fence = regexp.MustCompile("^ {0,3}(```+|~~~+)")
	link  = regexp.MustCompile(`\]\([^)]*\)|https?://\S+`)
)

// wideLines returns the numbers of the lines that are wider than maxColumns. Tables
// and code blocks have any width, and the address of a link counts as nothing.
func wideLines(text string) (numbers []int) {
	number, code := 0, ""
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if marks := fence.FindStringSubmatch(line); marks != nil {
			switch {
			case code == "":
				code = marks[1]
			case strings.HasPrefix(marks[1], code):
				code = ""
			}
			continue
		}
		if code != "" || strings.HasPrefix(strings.TrimSpace(line), "|") {
			continue
		}
		if utf8.RuneCountInString(link.ReplaceAllString(line, "]")) > maxColumns {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func TestWideLines(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("ü", maxColumns+1)
	text := wide[2:] + "\n" + wide + "\n| " + wide + " |\n```go\n" + wide + "\n```\n" + wide + "\n[a](" + wide + ")\nhttps://example.com/" + wide + "\n"
	if got := fmt.Sprint(wideLines(text)); got != "[2 7]" {
		t.Errorf("wide lines %s, want [2 7]", got)
	}
}
