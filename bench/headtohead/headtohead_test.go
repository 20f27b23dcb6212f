// Package headtohead_test starts four programs that are one application, each on another library, and
// observes over HTTP what they do. The table of docs/comparison.md is what it observed:
//
//	go test ./bench/headtohead -update
//
// writes it. Without the flag, the test fails if the table differs.
package headtohead_test

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

var update = flag.Bool("update", false, "write the table into docs/comparison.md")

const (
	document   = "docs/comparison.md"
	tableBegin = "<!-- The table is written by go test ./bench/headtohead -update -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// TestComparison runs the programs and compares the table of the document with what they do.
func TestComparison(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs many loopback addresses: run it on Linux")
	}
	path := filepath.Join(testenv.Checkout(t), filepath.FromSlash(document))
	executables := build(t)
	cells := make([][]string, len(programs))
	t.Run("probe", func(t *testing.T) {
		for i, p := range programs {
			t.Run(p.folder, func(t *testing.T) {
				t.Parallel()
				cells[i] = make([]string, len(rows))
				proc := start(t, p, executables, nil)
				if proc.hasEnded() {
					t.Fatalf("%s did not start:\n%s", p.name, proc.output.text())
				}
				for j, r := range rows {
					cells[i][j] = cell(t, proc, r)
				}
			})
		}
	})
	if t.Failed() || slices.ContainsFunc(cells, func(c []string) bool { return c == nil }) {
		return // -run has chosen some of the programs
	}
	table := table(t, executables, cells)
	text := read(t, path)
	before, rest, begins := strings.Cut(text, tableBegin)
	old, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no table between its two comments", document)
	}
	if old == table {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the table of %s is not what the programs do; go test ./bench/headtohead -update writes it:\n%s", document, diff(old, table))
}

// cell returns what the table says of a program.
func cell(t *testing.T, p *process, r row) string {
	t.Helper()
	switch {
	case r.title == "":
		return ""
	case slices.Contains(p.host, r.title):
		return "host"
	case slices.Contains(p.none, r.title):
		return "–"
	}
	return r.probe(t, p) + p.notes[r.title]
}

// table returns the table in Markdown.
func table(t *testing.T, executables string, cells [][]string) string {
	t.Helper()
	var out strings.Builder
	line := func(title string, cell func(i int) string) {
		fmt.Fprintf(&out, "| %s |", title)
		for i := range programs {
			fmt.Fprintf(&out, " %s |", cell(i))
		}
		out.WriteByte('\n')
	}
	line("", func(i int) string {
		return "[" + programs[i].name + "](../bench/headtohead/" + programs[i].folder + ")"
	})
	line("---", func(int) string { return "---" })
	var infos []*buildinfo.BuildInfo
	for _, p := range programs {
		info, err := buildinfo.ReadFile(filepath.Join(executables, p.folder))
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	line("version", func(i int) string {
		for _, dep := range infos[i].Deps {
			if dep.Path == programs[i].module {
				return dep.Version
			}
		}
		return "this repository"
	})
	line("lines of Go", func(i int) string { return fmt.Sprint(lines(t, programs[i].folder)) })
	line("lines of Go beside it, for the host's own users and passwords", func(i int) string {
		if slices.Contains(programs[i].host, rowRegister) || slices.Contains(programs[i].host, rowLogin) {
			return fmt.Sprint(lines(t, "accounts"))
		}
		return "0"
	})
	line("modules linked into the program", func(i int) string { return fmt.Sprint(len(infos[i].Deps)) })
	for j, r := range rows {
		if r.title == "" {
			line("**"+r.section+"**", func(int) string { return "" })
			continue
		}
		line(r.title, func(i int) string { return cells[i][j] })
	}
	return out.String()
}

// lines returns how many lines of the Go files of a folder have code: neither blank nor comments alone.
func lines(t *testing.T, folder string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		n += linesOf(t, name)
	}
	if n == 0 {
		t.Fatalf("%s has no code", folder)
	}
	return n
}

func linesOf(t *testing.T, name string) int {
	t.Helper()
	text := read(t, name)
	var s scanner.Scanner
	file := token.NewFileSet().AddFile(name, -1, len(text))
	s.Init(file, []byte(text), func(at token.Position, msg string) { t.Fatalf("%v: %s", at, msg) }, 0)
	code := map[int]bool{}
	for {
		pos, tok, literal := s.Scan()
		switch {
		case tok == token.EOF:
			return len(code)
		case tok == token.SEMICOLON && literal == "\n":
			continue // the end of a line, which is no code
		}
		for i := range 1 + strings.Count(literal, "\n") {
			code[file.Line(pos)+i] = true
		}
	}
}

// TestLines checks that lines are counted without comments and blank lines.
func TestLines(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "x.go")
	write(t, name, "// Package x is one.\npackage x\n\n/* two\nlines */ var a = 1 // one\n\n// b is text.\nconst b = `\nof three\nlines`\n")
	if got := linesOf(t, name); got != 5 {
		t.Errorf("%d lines, want 5", got)
	}
}

// diff returns the lines that differ.
func diff(old, table string) string {
	var out strings.Builder
	before, after := strings.Split(old, "\n"), strings.Split(table, "\n")
	for _, line := range before {
		if !slices.Contains(after, line) {
			fmt.Fprintf(&out, "- %s\n", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			fmt.Fprintf(&out, "+ %s\n", line)
		}
	}
	return out.String()
}
