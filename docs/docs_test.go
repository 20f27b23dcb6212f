// Package docs holds the pictures of README.md: each NAME.svg is drawn from NAME.txt.
package docs_test

import (
	"bytes"
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var draw = flag.Bool("draw", false, "write the pictures anew: go test ./docs -draw")

func TestPictures(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("*.txt")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		want, err := picture(string(text))
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		file := strings.TrimSuffix(source, ".txt") + ".svg"
		if *draw {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s says (%v): go test ./docs -draw", file, source, err)
		}
	}
}

// What would be drawn wrong is not drawn.
func TestFaultyPictures(t *testing.T) {
	t.Parallel()
	const head = "title x\nlanes a | b\n"
	if _, err := picture(head + "1>2 ok\n2!1 no\n2: note\n-- part\n"); err != nil {
		t.Errorf("a right one: %v", err)
	}
	for _, line := range []string{
		"1>3 no such lane", "1>1 to itself", "0: no such lane", "1>2", "1~2 no such step", "a>b x", "",
		"1>2 " + strings.Repeat("x", 100), "2: " + strings.Repeat("x", 60), "-- " + strings.Repeat("x", 100),
	} {
		if svg, err := picture(head + line + "\n"); err == nil {
			t.Errorf("%q is drawn:\n%s", line, svg)
		}
	}
	if _, err := picture("1>2 no lanes\n"); err == nil {
		t.Error("a picture without lanes is drawn")
	}
}

// In pixels. A letter is taken for wider than those of common fonts are, so that
// what fits by this fits in any.
const (
	lane   = 250 // from one to the next
	row    = 34
	top    = 112
	letter = 7
	gap    = 8
)

// picture draws a sequence of steps. Its source has a line "title TEXT", a line "lanes
// A | B", and a line for each step: "1>2 TEXT" is an arrow from lane 1 to 2, "2!1 TEXT"
// one that refuses, "2: TEXT" what lane 2 does, and "-- TEXT" begins a part.
func picture(source string) ([]byte, error) {
	lines := strings.Split(strings.TrimSuffix(source, "\n"), "\n")
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "title ") || !strings.HasPrefix(lines[1], "lanes ") {
		return nil, fmt.Errorf("want title, lanes and steps")
	}
	title, lanes, steps := lines[0][len("title "):], strings.Split(lines[1][len("lanes "):], " | "), lines[2:]
	width, height := lane*len(lanes), top+row*len(steps)+24

	var b bytes.Buffer
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t d">`, width, height, width, height)
	put(`<title id="t">%s</title>`, html.EscapeString(title))
	put(`<desc id="d">%s</desc>`, html.EscapeString(strings.Join(lines[1:], ". ")))
	put("%s", style)
	put(`<rect class="paper" x="0.5" y="0.5" width="%d" height="%d" rx="10"/>`, width-1, height-1)
	put(`<text class="title" x="%d" y="36">%s</text>`, width/2, html.EscapeString(title))
	for i, name := range lanes {
		x := middle(i)
		if tooWide(name, 180-2*gap) {
			return nil, fmt.Errorf("%q: too long", name)
		}
		put(`<path class="life" d="M%d 90V%d"/>`, x, height-18)
		put(`<rect class="head" x="%d" y="58" width="%d" height="32" rx="6"/>`, x-90, 180)
		put(`<text class="name" x="%d" y="79">%s</text>`, x, html.EscapeString(name))
	}
	for i, step := range steps {
		if err := drawStep(put, step, len(lanes), top+row*i+row/2); err != nil {
			return nil, fmt.Errorf("%q: %w", step, err)
		}
	}
	put(`</svg>`)
	return b.Bytes(), nil
}

func middle(i int) int { return lane*i + lane/2 }

func drawStep(put func(string, ...any), step string, lanes, y int) error {
	text, isPart := strings.CutPrefix(step, "-- ")
	if isPart {
		if tooWide(text, lane*lanes-4*gap) {
			return fmt.Errorf("too long")
		}
		put(`<rect class="part" x="%d" y="%d" width="%d" height="24" rx="4"/>`, gap, y-12, lane*lanes-2*gap)
		put(`<text class="label" x="%d" y="%d">%s</text>`, 2*gap, y+5, html.EscapeString(text))
		return nil
	}
	at, text, found := strings.Cut(step, " ")
	if !found || text == "" {
		return fmt.Errorf("no text")
	}
	var from, to int
	if n, err := fmt.Sscanf(at, "%d:", &from); n == 1 && err == nil && strings.HasSuffix(at, ":") {
		half := (utf8.RuneCountInString(text)*letter + 2*gap) / 2
		if from < 1 || from > lanes || half > lane*3/4 {
			return fmt.Errorf("no such lane, or too long")
		}
		x := min(max(middle(from-1), half+gap), lane*lanes-half-gap)
		put(`<rect class="note" x="%d" y="%d" width="%d" height="26" rx="4"/>`, x-half, y-13, 2*half)
		put(`<text class="label mid" x="%d" y="%d">%s</text>`, x, y+5, html.EscapeString(text))
		return nil
	}
	var sign rune
	if _, err := fmt.Sscanf(at, "%d%c%d", &from, &sign, &to); err != nil || sign != '>' && sign != '!' {
		return fmt.Errorf("no step")
	}
	if min(from, to) < 1 || max(from, to) > lanes || from == to {
		return fmt.Errorf("no such lanes")
	}
	a, z := middle(from-1), middle(to-1)
	kind, point := "go", 9
	if sign == '!' {
		kind = "stop"
	}
	if z < a {
		point = -point
	}
	if tooWide(text, max(a, z)-min(a, z)+lane-2*gap) {
		return fmt.Errorf("too long")
	}
	put(`<path class="%s" d="M%d %dH%d"/>`, kind, a, y+11, z-point)
	put(`<path class="%s point" d="M%d %dl%d -5v10z"/>`, kind, z, y+11, -point)
	put(`<text class="label mid halo %s" x="%d" y="%d">%s</text>`, kind, (a+z)/2, y+1, html.EscapeString(text))
	return nil
}

func tooWide(text string, width int) bool { return utf8.RuneCountInString(text)*letter > width }

// style has colours for light surroundings and for dark ones.
const style = `<style>
svg{--paper:#fff;--ink:#1f2328;--line:#8c959f;--box:#eef2f6;--note:#fff8e1;--noteline:#c9a227;--go:#0b5cad;--stop:#b3261e}
@media (prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--line:#6e7681;--box:#1c2430;--note:#2b2613;--noteline:#a1862a;--go:#79b8ff;--stop:#ff8f87}}
text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:12px;fill:var(--ink)}
.paper{fill:var(--paper);stroke:var(--line)}.title{font-size:17px;font-weight:600;text-anchor:middle}.name{font-size:13px;font-weight:600;text-anchor:middle}
.life{stroke:var(--line);stroke-dasharray:2 4}.head{fill:var(--box);stroke:var(--line)}.part{fill:var(--box)}.note{fill:var(--note);stroke:var(--noteline)}
.mid{text-anchor:middle}.halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
path.go{stroke:var(--go);stroke-width:1.5}path.stop{stroke:var(--stop);stroke-width:1.5;stroke-dasharray:6 3}.point.go{fill:var(--go)}.point.stop{fill:var(--stop);stroke-dasharray:none}
text.stop{fill:var(--stop)}
</style>`
