// Package commonpasswords has a list of the passwords that attackers guess first. See decision
// 0046.
//
// The list comes from Django (django/contrib/auth/common-passwords.txt.gz, BSD licence:
// LICENSE.django), where Royce Williams made it from breaches. Django has 19,727 passwords in lower
// case; the 8,479 with at least 8 characters are here. A test compares the two lists, and writes
// this one again with the flag -update.
package commonpasswords

import _ "embed"

// list holds the passwords in byte order. Each entry is a capital letter and the rest of a
// password. The letter is the number of leading bytes that the password shares with the one before
// it: 'A' means 0. No password of the list has a capital letter.
//
//go:embed list.txt
var list string

// maxLength is the length of the longest password of the list in bytes.
const maxLength = 21

// Contains reports whether password is on the list, ignoring the case of ASCII letters. It does not
// allocate.
func Contains(password string) bool {
	if len(password) > maxLength {
		return false
	}
	same := 0 // number of leading bytes that password shares with the previous entry
	for pos := 0; pos < len(list); {
		shared := int(list[pos] - 'A')
		pos++
		from := pos
		for pos < len(list) && !isUpper(list[pos]) {
			pos++
		}
		if shared > same {
			continue // the entry differs from password where the previous one did
		}
		entry := list[from:pos]
		same = shared
		for same < len(password) && same-shared < len(entry) && lower(password[same]) == entry[same-shared] {
			same++
		}
		if same == len(password) && same-shared == len(entry) {
			return true
		}
	}
	return false
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func lower(c byte) byte {
	if isUpper(c) {
		c += 'a' - 'A'
	}
	return c
}
