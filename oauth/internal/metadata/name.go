package metadata

import (
	"strings"
	"unicode"
)

// cleanName returns a client's name as it may be shown to people: without control characters, without
// characters that are invisible or change the direction of text (Unicode Technical Report 36 sections 2.5
// and 3.2), with at most maxMarks combining marks in a row, and with one space in the place of each run of
// white space. It is plain text all the same: a page must escape it.
func cleanName(name string) string {
	var b strings.Builder
	marks, space := 0, false
	for _, c := range name {
		isMark := unicode.Is(unicode.Mn, c) || unicode.Is(unicode.Me, c)
		switch {
		case unicode.IsSpace(c) || c == '\u2800': // the empty pattern of Braille looks like a space
			space = true
			continue
		case !unicode.IsGraphic(c), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c), unicode.Is(unicode.Variation_Selector, c):
			continue
		case isMark && (marks == maxMarks || space || b.Len() == 0):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(c)
		marks++
		if !isMark {
			marks = 0
		}
	}
	return b.String()
}
