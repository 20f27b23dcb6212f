package authtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// twins has groups of strings that some collation, column type or query treats as equal, or does
// not treat as plain strings.
var twins = []struct {
	name, holds string
	strings     []string
}{
	{"Case", "Letters of different case are different.",
		[]string{"alice", "Alice", "ALICE", "straße", "STRASSE", "ka", "\u212aa"}},
	{"Spaces", "Spaces at either end count.",
		[]string{"bob", "bob ", "bob  ", " bob", "bob\u00a0", "bob\t"}},
	{"Normalization", "A composed character differs from its decomposed form.",
		[]string{"ren\u00e9", "rene\u0301", "office", "o\ufb03ce", "\uac00", "\u1100\u1161"}},
	{"Accents", "An accent counts.",
		[]string{"jose", "jos\u00e9", "jos\u00ea", "strasse", "stra\u00dfe", "aegir", "\u00e6gir"}},
	{"FourBytes", "Characters of four bytes in UTF-8 are kept, and are different.",
		[]string{"\U0001f600", "\U0001f603", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U00020000", "\U0001d51e\U0001d52b"}},
	{"Invisible", "Invisible characters count.",
		[]string{"zoe", "z\u200boe", "z\u00adoe", "zoe\u200e", "\ufeffzoe", "zoe\u0001", "zoe\u007f"}},
	{"Numbers", "Digits are compared as text.",
		[]string{"1", "01", "1.0", "1e0", "+1", "0x1", "18446744073709551617", "18446744073709551616"}},
	{"Patterns", "No character is a wildcard.",
		[]string{"%", "_", "a%", "a_", "ab", "a\\%", "[a-b]", "*", "a*", ".*"}},
	{"Quotes", "No character ends a string literal or begins a parameter.",
		[]string{"o'brien", "o''brien", "o\\'brien", `o"brien`, "o`brien", `back\slash`, `back\\slash`,
			"'; DROP TABLE users; --", "' OR '1'='1", "$1", "?", ":id", "@p1", "%s", "{prefix}", "\r\n", "\\0", "\\"}},
	{"Lengths", "Usernames of 254 bytes (the longest e-mail address) and hashes of 255 bytes are kept to the last byte.",
		[]string{strings.Repeat("x", 253) + "a", strings.Repeat("x", 253) + "b", strings.Repeat("\U0001f600", 63) + "c", strings.Repeat("x", 253)}},
}

// byteRules are the rules that strings are kept and compared byte for byte.
func byteRules() []rule[users] {
	var rules []rule[users]
	for _, t := range twins {
		rules = append(rules, rule[users]{name: "Bytes/" + t.name, holds: t.holds,
			check: func(s users) error { return checkTwins(s, t.strings) }})
	}
	return append(rules,
		rule[users]{name: "Bytes/ID", holds: "IDs are compared byte for byte.", check: checkIDTwins},
		rule[users]{name: "Bytes/NUL", holds: "A NUL character is kept or refused, and does not end a string.",
			check: func(s users) error { return checkHostile(s, "dave", "dave\x00", "dave\x00admin", "\x00dave") }},
		rule[users]{name: "Bytes/InvalidUTF8", holds: "Invalid UTF-8 is kept or refused, and never changed.",
			check: func(s users) error {
				return checkHostile(s, "eve\ufffd", "eve\xff", "eve\xfe", "eve\xc0\xaf", "eve\xed\xa0\x80")
			}},
		rule[users]{name: "Bytes/Oversized", holds: "A username that is too long is refused, never cut.",
			check: func(s users) error {
				long := strings.Repeat("y", 1<<20)
				return checkHostile(s, long[:8], long[:256], long[:1<<16], long)
			}},
	)
}

// checkTwins creates users with these strings as usernames and hashes, and expects that the store
// distinguishes each from the others.
func checkTwins(s users, words []string) error {
	ctx, cancel := background()
	defer cancel()
	var users []auth.User
	for i, w := range words {
		u := s.account(i, w)
		u.PasswordHash = w
		users = append(users, u)
	}
	if err := create(ctx, s, pointers(users)...); err != nil {
		return err
	}
	if err := kept(ctx, s, users...); err != nil {
		return err
	}
	for i, u := range users {
		for _, other := range words {
			if other == u.PasswordHash {
				continue
			}
			err := s.ReplacePasswordHash(ctx, u.ID, other, "$hash$new")
			if err := answers(fmt.Sprintf("ReplacePasswordHash of %s where the hash is %s", name(other), name(words[i])), err, auth.ErrConflict); err != nil {
				return err
			}
		}
		if err := answers("ReplacePasswordHash of "+name(u.PasswordHash), s.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, u.PasswordHash+"!"), nil); err != nil {
			return err
		}
		users[i].PasswordHash += "!"
	}
	return kept(ctx, s, users...)
}

func checkIDTwins(s users) error {
	ctx, cancel := background()
	defer cancel()
	var users []auth.User
	for i, id := range []string{
		"id", "ID", "id ", " id", "i%", "i_", "1", "01", "1.0", "jos\u00e9", "jose\u0301", "jose",
		"\U0001f600", "\U0001f603", "id'; DROP TABLE users; --", `i\d`, strings.Repeat("z", 63) + "a", strings.Repeat("z", 63) + "b",
	} {
		u := s.account(i, fmt.Sprintf("user-%d", i))
		u.ID = id
		users = append(users, u)
	}
	if err := create(ctx, s, pointers(users)...); err != nil {
		return err
	}
	for i, u := range users {
		if err := answers("ReplacePasswordHash of "+name(u.ID), s.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, "$hash$new"), nil); err != nil {
			return err
		}
		users[i].PasswordHash = "$hash$new"
		if err := kept(ctx, s, users...); err != nil {
			return err
		}
	}
	return nil
}

// checkHostile creates users with usernames that a store may refuse, and one with a plain username that
// it must accept. It expects that each username is kept exactly or refused.
func checkHostile(s users, plain string, hostile ...string) error {
	ctx, cancel := background()
	defer cancel()
	var accepted []auth.User
	ids := make(map[string]string) // ID of each user, keyed by username
	for i, w := range hostile {
		u := s.account(1+i, w)
		if err := createOne(ctx, s, &u); err == nil {
			accepted = append(accepted, u)
		} else if err := fails("CreateUser of "+name(w), err); err != nil {
			return err
		}
		ids[w] = u.ID
	}
	ordinary := s.account(0, plain)
	if err := absent(ctx, s, ordinary); err != nil {
		return err
	}
	if err := create(ctx, s, &ordinary); err != nil {
		return err
	}
	accepted = append(accepted, ordinary)
	if err := kept(ctx, s, accepted...); err != nil {
		return err
	}
	for _, w := range hostile {
		got, err := s.UserByUsername(ctx, w)
		if err == nil && (got.Username != w || got.ID != ids[w]) {
			return fmt.Errorf("UserByUsername of %s returned the user %s", name(w), name(got.Username))
		}
		if err != nil && !errors.Is(err, auth.ErrUserNotFound) {
			if err := fails("UserByUsername of "+name(w), err); err != nil {
				return err
			}
		}
	}
	return nil
}
