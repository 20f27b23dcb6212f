package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/secure/precis"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
)

// imported is a user of another system.
type imported struct {
	ID            string    `json:"id"`
	Username      string    `json:"username"`
	PasswordHash  string    `json:"password_hash"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Disabled      bool      `json:"disabled"`
	CreatedAt     time.Time `json:"created_at"`
}

// columns are the names of the columns of a CSV file, and how each is read.
var columns = map[string]func(u *imported, text string) error{
	"id":            func(u *imported, s string) error { u.ID = s; return nil },
	"username":      func(u *imported, s string) error { u.Username = s; return nil },
	"password_hash": func(u *imported, s string) error { u.PasswordHash = s; return nil },
	"email":         func(u *imported, s string) error { u.Email = s; return nil },
	"email_verified": func(u *imported, s string) (err error) {
		u.EmailVerified, err = boolean(s)
		return err
	},
	"disabled": func(u *imported, s string) (err error) { u.Disabled, err = boolean(s); return err },
	"created_at": func(u *imported, s string) (err error) {
		if s != "" {
			u.CreatedAt, err = time.Parse(time.RFC3339, s)
		}
		return err
	},
}

func boolean(s string) (bool, error) {
	if s == "" {
		return false, nil
	}
	return strconv.ParseBool(s)
}

// importUsers adds the users of a file. It checks the whole file first, so that a mistake in it changes
// nothing. It can be repeated: a user who is there with the same ID and hash is passed over.
func importUsers(ctx context.Context, c *command, args []string) error {
	name, err := oneArgument(args, "file")
	if err != nil {
		return err
	}
	users, err := c.readImport(name)
	if err != nil {
		return err
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		if err := c.checkImport(users); err != nil {
			return err
		}
		if c.dryRun {
			return c.done(fmt.Sprintf("all %d users of the file can be imported", len(users)))
		}
		defer c.progressEnds()
		added := 0
		for i, u := range users {
			new, err := a.add(ctx, u)
			if err != nil {
				return fmt.Errorf("user %d of the file, %q, and those after it are not imported: %w", i+1, u.Username, err)
			}
			if new {
				added++
			}
			if i%100 == 99 || i == len(users)-1 {
				c.progress(i+1, fmt.Sprintf("of %d users", len(users)))
			}
		}
		return c.done(fmt.Sprintf("imported %d of %d users; the others were there", added, len(users)))
	})
}

// readImport reads a file.
func (c *command) readImport(name string) (users []imported, err error) {
	in := c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	format := c.format
	if format == "" {
		switch {
		case strings.HasSuffix(name, ".csv"):
			format = "csv"
		case strings.HasSuffix(name, ".jsonl"), strings.HasSuffix(name, ".ndjson"):
			format = "jsonl"
		}
	}
	switch format {
	case "csv":
		return readCSV(in)
	case "jsonl":
		return readJSONLines(in)
	}
	return nil, usageError("-format must be csv or jsonl, unless the name of the file ends in .csv or .jsonl")
}

func readCSV(in io.Reader) (users []imported, err error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	header[0] = strings.TrimPrefix(header[0], "\uFEFF") // as spreadsheets write it
	for _, column := range header {
		if columns[column] == nil {
			return nil, fmt.Errorf("the header has the column %q, which is none of those that `auth help` lists", column)
		}
	}
	for _, column := range []string{"username", "password_hash"} {
		if !slices.Contains(header, column) {
			return nil, fmt.Errorf("the header has no column %s", column)
		}
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return users, nil
		}
		if err != nil {
			return nil, err
		}
		var u imported
		for i, column := range header {
			if err := columns[column](&u, row[i]); err != nil {
				line, _ := r.FieldPos(i)
				return nil, fmt.Errorf("line %d, %s: %w", line, column, err)
			}
		}
		users = append(users, u)
	}
}

func readJSONLines(in io.Reader) (users []imported, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var u imported
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&u); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, fmt.Errorf("line %d: there is more than one object", n)
		}
		users = append(users, u)
	}
	return users, lines.Err()
}

// readable reads every hash that the library can read without a setting.
var readable = passwords.Chain(passwords.Bcrypt{}, passwords.Argon2id{}, legacyhash.All())

// checkImport returns what is wrong with the users, at most ten faults. No hash is in an error.
func (c *command) checkImport(users []imported) error {
	var faults []error
	names, ids, emails := map[string]int{}, map[string]int{}, map[string]int{}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for i := range users {
		u := &users[i]
		fault := func(text string) {
			faults = append(faults, fmt.Errorf("user %d of the file, %q, %s", i+1, u.Username, text))
		}
		twin := func(seen map[string]int, value, what string) {
			if first := seen[value]; value != "" && first != 0 {
				fault(fmt.Sprintf("has the %s of user %d", what, first))
			} else {
				seen[value] = i + 1
			}
		}
		name, err := precis.UsernameCaseMapped.String(u.Username)
		if err != nil || name == "" || len(name) > 255 {
			fault("has a username that is not allowed (RFC 8265, 1 to 255 bytes)")
		}
		u.Username = name
		twin(names, u.Username, "username")
		twin(ids, u.ID, "ID")
		// A hash is parsed before the context is looked at, so that this costs no hashing.
		if err := readable.Verify(ended, u.PasswordHash, "password"); u.PasswordHash != "" &&
			(errors.Is(err, passwords.ErrUnknownHash) || errors.Is(err, passwords.ErrMalformedHash)) {
			fault("has a hash that cannot be read")
		}
		if u.Email != "" {
			canonical, err := recovery.Canonical(u.Email)
			if err != nil {
				fault("has an address that is none")
			}
			u.Email = canonical
			twin(emails, u.Email, "address")
		}
		if len(faults) >= 10 {
			faults = append(faults, errors.New("there may be more"))
			break
		}
	}
	return errors.Join(faults...)
}

// add adds a user, and reports whether it was new.
func (a *accounts) add(ctx context.Context, u imported) (added bool, err error) {
	user := auth.User{ID: u.ID, Username: u.Username, PasswordHash: u.PasswordHash, Disabled: u.Disabled, CreatedAt: u.CreatedAt.UTC()}
	if user.ID == "" {
		user.ID = rand.Text()
	}
	if user.CreatedAt.IsZero() {
		user.CreatedAt = time.Now().UTC()
	}
	id, err := a.store.CreateUser(ctx, user)
	if added = err == nil; errors.Is(err, auth.ErrUserExists) {
		there, found := a.store.UserByUsername(ctx, u.Username)
		if found != nil {
			return false, err
		}
		if same := there.PasswordHash == u.PasswordHash && (u.ID == "" || there.ID == u.ID); !same {
			return false, errors.New("there is another user with this name")
		}
		id, err = there.ID, nil
	}
	if err != nil {
		return false, err
	}
	return added, a.addAddress(ctx, id, u.Email, u.EmailVerified)
}

// addAddress gives a user an address, unless it is empty, or the one that the user has.
func (a *accounts) addAddress(ctx context.Context, userID, email string, verified bool) error {
	if email == "" {
		return nil
	}
	canonical, err := recovery.Canonical(email)
	if err != nil {
		return err
	}
	if present, _, err := a.address(ctx, userID); err != nil || present == canonical {
		return err
	}
	if err := a.store.ReplaceAddress(ctx, userID, "", canonical, verified); errors.Is(err, auth.ErrUserExists) {
		return errors.New("another user has this address")
	} else if err != nil {
		return err
	}
	return nil
}
