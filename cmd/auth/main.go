// Command auth is for operators: it lists, changes, imports and exports the accounts that package
// sqlstore keeps, prepares and checks its tables, and makes and rotates keys. `auth help` lists the
// commands:
//
//	go run github.com/seed-e36e2130/auth/cmd/auth@latest help
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/seed-e36e2130/auth"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	info, err := os.Stderr.Stat()
	c := &command{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
	os.Exit(c.run(ctx, os.Args[1:]))
}

// command is one run of the program.
type command struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	hasher         auth.Hasher // nil: the default of package auth
	terminal       bool        // stderr is one, so that progress is shown

	flags    *flag.FlagSet
	database database
	json     bool // -json
	yes      bool // -yes
	byID     bool // -id
	secret   secretSource
	after    string // -after
	limit    int    // -limit
	email    string // -email
	format   string // -format
	dryRun   bool   // -dry-run
	alg      string // -alg
	refresh  bool   // -refresh
}

// An action does the work of a command with its arguments.
type action func(ctx context.Context, c *command, args []string) error

// entry is a command as the help shows it.
type entry struct {
	name, args, help string
	flags            string // names of the flags it takes, beside those of the database and -json
	run              action
}

// commands are all commands, in the order of the help.
var commands = []entry{
	{"user list", "", "list the users", "after limit", listUsers},
	{"user show", "NAME…", "show users, with their address, sessions and records", "id", showUsers},
	{"user create", "NAME", "add a user, whose password comes from standard input", "generate email", createUser},
	{"user disable", "NAME…", "refuse the logins of users, and end their sessions", "id yes", each(by((*auth.Authenticator).Disable), "disabled")},
	{"user enable", "NAME…", "accept their logins again", "id yes", each(by((*auth.Authenticator).Enable), "enabled")},
	{"user unlock", "NAME…", "forget how often their password was guessed", "id yes", each((*accounts).unlock, "unlocked")},
	{"user delete", "NAME…", "delete users and all that is kept of them", "id yes", each(by((*auth.Authenticator).Delete), "deleted")},
	{"user password", "NAME", "set the password, and end all sessions", "id generate", setPassword},
	{"user sessions", "NAME", "list the sessions of a user", "id", listSessions},
	{"user end-sessions", "NAME…", "log users out everywhere", "id yes", each(by(endSessions), "logged out")},
	{"user export", "NAME", "write all that is kept of a user, without hashes, as JSON", "id", exportUser},
	{"user import", "FILE", "add users with the hashes of another system; - is standard input", "format dry-run", importUsers},
	{"migrate", "", "create the tables, or bring them up to date", "", migrate},
	{"check", "", "report what is wrong with the tables", "", checkTables},
	{"prune", "", "delete what expired more than 25 hours ago", "", prune},
	{"keys new", "FILE", "create a key file", "alg refresh", newKey},
	{"keys rotate", "FILE add|sign|drop", "do one step of a rotation: see below", "alg", rotateKeys},
	{"keys show", "FILE", "list the keys of a file, without secrets", "", showKeys},
}

const helpHead = `auth manages the accounts of package sqlstore, and key files.

usage: auth [-dsn DATABASE] COMMAND [arguments]

`

const helpTail = `
The database is named by -dsn, or by the variable AUTH_DSN, which other users of the machine do not see:
  postgres://user:password@host/database
  mysql:user:password@tcp(host:3306)/database      MariaDB and MySQL, as their Go driver writes it
  path/of/users.db                                 an SQLite file
Names of users are written as they are stored, or with capitals. A command that changes more than one
user needs -yes.

Import files are CSV with a header, or JSON lines, with these columns or members: username and
password_hash (both required, the hash may be empty), id, email, email_verified, disabled, created_at
(RFC 3339).

A rotation of keys has three steps, each followed by a restart of all replicas: "add" appends a new key,
which other services then find in the key set; "sign" lets it sign, with the old keys still verifying; and
"drop", when the last token of the old keys has expired, leaves the key that signs alone.

Run "auth help COMMAND" for the flags of a command.
`

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error in the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// run runs the command of args and returns the exit code.
func (c *command) run(ctx context.Context, args []string) int { return c.runOf(ctx, commands, args) }

func (c *command) runOf(ctx context.Context, commands []entry, args []string) int {
	err := c.dispatch(ctx, commands, args)
	if err == nil {
		return 0
	}
	fmt.Fprintf(c.stderr, "auth: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintln(c.stderr, `Run "auth help" for the commands.`)
		return exitUsage
	}
	return exitFailed
}

// dispatch finds the command and runs it.
func (c *command) dispatch(ctx context.Context, commands []entry, args []string) error {
	c.flags = flag.NewFlagSet("auth", flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	c.databaseFlags()
	args, err := c.parse(args, false)
	if errors.Is(err, flag.ErrHelp) {
		args, err = []string{"help"}, nil
	}
	if err != nil {
		return err
	}
	help := len(args) == 0 || args[0] == "help"
	if len(args) > 0 && args[0] == "help" {
		args = args[1:]
	}
	if len(args) == 0 {
		c.help()
		return nil
	}
	i := slices.IndexFunc(commands, func(e entry) bool {
		words := strings.Fields(e.name)
		return len(args) >= len(words) && slices.Equal(args[:len(words)], words)
	})
	if i < 0 {
		return usagef("there is no command %q", strings.Join(args[:min(2, len(args))], " "))
	}
	e := commands[i]
	c.commandFlags(e.flags)
	args, err = c.parse(args[len(strings.Fields(e.name)):], true)
	if help || errors.Is(err, flag.ErrHelp) {
		c.helpOf(e)
		return nil
	}
	if err != nil {
		return err
	}
	return e.run(ctx, c, args)
}

// parse parses flags. If they may stand between the arguments, all are parsed.
func (c *command) parse(args []string, between bool) (rest []string, err error) {
	for {
		if err := c.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError(err.Error())
		}
		args = c.flags.Args()
		if len(args) == 0 || !between {
			return append(rest, args...), nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// databaseFlags defines the flags that every command takes.
func (c *command) databaseFlags() {
	f, d := c.flags, &c.database
	f.StringVar(&d.dsn, "dsn", c.getenv("AUTH_DSN"), "the database; the variable AUTH_DSN if it is missing")
	f.Lookup("dsn").DefValue = "" // it may hold a password
	f.StringVar(&d.prefix, "prefix", "", `prefix of the names of the tables ("auth_")`)
	f.StringVar(&d.users.Table, "table", "", "table of users, if it is one that the program had already")
	f.StringVar(&d.users.ID, "id-column", "", `its column of IDs ("id")`)
	f.StringVar(&d.users.Username, "username-column", "", `its column of usernames ("username")`)
	f.StringVar(&d.users.PasswordHash, "hash-column", "", `its column of password hashes ("password_hash")`)
	f.StringVar(&d.users.Disabled, "disabled-column", "", "its column of disabled users")
	f.StringVar(&d.users.CreatedAt, "created-column", "", "its column of times of creation")
	f.BoolVar(&c.json, "json", false, "write JSON, one object a line")
}

// commandFlags defines the flags of one command.
func (c *command) commandFlags(names string) {
	f := c.flags
	for _, name := range strings.Fields(names) {
		switch name {
		case "after":
			f.StringVar(&c.after, name, "", "begin after this username")
		case "limit":
			f.IntVar(&c.limit, name, 100, "list at most so many; 0: all")
		case "id":
			f.BoolVar(&c.byID, name, false, "NAME is an ID")
		case "yes":
			f.BoolVar(&c.yes, name, false, "change more than one user")
		case "generate":
			f.BoolVar(&c.secret.generate, name, false, "make a random password and print it")
		case "email":
			f.StringVar(&c.email, name, "", "address of the user, which counts as verified")
		case "format":
			f.StringVar(&c.format, name, "", `"csv" or "jsonl"; by the name of the file if it is missing`)
		case "dry-run":
			f.BoolVar(&c.dryRun, name, false, "read and check the file, and change nothing")
		case "alg":
			f.StringVar(&c.alg, name, "EdDSA", "algorithm of the key: EdDSA, ES256, ES384, RS256, HS256 …")
		case "refresh":
			f.BoolVar(&c.refresh, name, false, "a key of refresh tokens, in the place of one of access tokens")
		}
	}
}

func (c *command) help() {
	fmt.Fprint(c.stdout, helpHead)
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, e := range commands {
		fmt.Fprintf(w, "  %s %s\t%s\n", e.name, e.args, e.help)
	}
	w.Flush()
	fmt.Fprint(c.stdout, helpTail)
}

func (c *command) helpOf(e entry) {
	fmt.Fprintf(c.stdout, "auth %s %s: %s\n\n", e.name, e.args, e.help)
	c.flags.SetOutput(c.stdout)
	c.flags.PrintDefaults()
}

// object is a row of a table, or a JSON object, with its members in order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(m.name) // of a text: it cannot fail
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// table writes objects that have the same members.
type table struct {
	c     *command
	w     *tabwriter.Writer
	lines int
}

func (c *command) table() *table {
	return &table{c: c, w: tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)}
}

func (t *table) add(o object) error {
	if t.c.json {
		return json.NewEncoder(t.c.stdout).Encode(o)
	}
	var names, values []string
	for _, m := range o {
		names = append(names, strings.ToUpper(strings.ReplaceAll(m.name, "_", " ")))
		values = append(values, printable(fmt.Sprint(m.value)))
	}
	if t.lines++; t.lines == 1 {
		fmt.Fprintln(t.w, strings.Join(names, "\t"))
	}
	_, err := fmt.Fprintln(t.w, strings.Join(values, "\t"))
	return err
}

func (t *table) flush() error { return t.w.Flush() }

// printable returns s without what could move the cursor or break the line: names come from strangers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// progress shows how far long work is, on a terminal alone.
func (c *command) progress(done int, what string) {
	if c.terminal {
		fmt.Fprintf(c.stderr, "\r%d %s", done, what)
	}
}

// progressEnds ends the line of progress.
func (c *command) progressEnds() {
	if c.terminal {
		fmt.Fprintln(c.stderr)
	}
}
