// Package commonpasswords knows the passwords that are guessed first.
//
// The list is that of Django (django/contrib/auth/common-passwords.txt.gz, BSD
// licence: LICENSE.django), which Royce Williams made from breaches: 19,727 passwords in lower
// case, of which the 8,479 of 8 characters and more are here. A test compares the
// two; with the flag -update it makes the list anew.
package commonpasswords

import _ "embed"

// list holds the passwords in byte order, each as a capital letter, which says how
// many bytes it begins with that the one before it begins with ('A': none), and
// the bytes that follow. No password in it has a capital letter.
//
//go:embed list.txt
var list string

// longest password of list, in bytes.
const longest = 21

// Contains reports whether password is on the list, in whatever case. It
// allocates nothing.
func Contains(password string) bool {
	if len(password) > longest {
		return false
	}
	same := 0 // bytes that password and the entry before begin with
	for at := 0; at < len(list); {
		shared := int(list[at] - 'A')
		at++
		from := at
		for at < len(list) && !isUpper(list[at]) {
			at++
		}
		if shared > same {
			continue // it differs from password where the one before did
		}
		entry := list[from:at]
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
