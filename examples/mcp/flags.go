package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// options are what the command line says.
type options struct {
	addr   string
	issuer string
	data   string
	keys   string
	users  []account

	clients     string         // file of clients that are known beforehand
	register    int            // registrations an hour from one address; 0: registration is off
	documents   bool           // Client ID Metadata Documents are fetched
	testClients bool           // documents may come from loopback addresses, and rate limits are raised
	proxies     []netip.Prefix // peers whose X-Forwarded-For is believed
	access      time.Duration  // life of an access token
	code        time.Duration  // life of a code
	window      time.Duration  // how long a used refresh token gets the same answer
	idle        time.Duration  // end of a grant that is not used; 0: the library's
	grant       time.Duration  // end of any grant; 0: the library's

	sessions    bool // MCP sessions of the protocols up to 2025-11-25, in the memory of this process
	printTokens bool

	hasher auth.Hasher // nil: the library's; tests have a faster one
}

// account is one that is created if it does not exist.
type account struct{ name, password string }

// parse reads the command line, and returns every fault in it.
func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mcp", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on")
	flags.StringVar(&o.issuer, "issuer", "", "URL of this service and issuer of its tokens (default http:// and -addr)")
	flags.StringVar(&o.data, "data", "", "folder of the database and the keys, or a URL of PostgreSQL or Redis (default a temporary folder)")
	flags.StringVar(&o.keys, "keys", "", "folder of the keys, which all replicas share (default -data, or data/mcp if that is a URL)")
	flags.Func("user", "NAME=PASSWORD of an account, created if it does not exist; may come many times", func(s string) error {
		name, password, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return errors.New("want NAME=PASSWORD")
		}
		o.users = append(o.users, account{name, password})
		return nil
	})
	flags.StringVar(&o.clients, "clients", "", "file of clients, a JSON array with the names of RFC 7591")
	flags.IntVar(&o.register, "register", 0, "registrations that one client address may make in an hour (default: registration is off)")
	flags.BoolVar(&o.documents, "documents", true, "fetch client ID metadata documents")
	flags.BoolVar(&o.testClients, "test-clients", false, "for tests: fetch documents from loopback addresses, too, and raise rate limits")
	flags.Func("proxies", "networks, separated by commas, whose X-Forwarded-For is believed", func(s string) error {
		for text := range strings.SplitSeq(s, ",") {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return err
			}
			o.proxies = append(o.proxies, prefix)
		}
		return nil
	})
	flags.DurationVar(&o.access, "access", 15*time.Minute, "life of an access token")
	flags.DurationVar(&o.code, "code", time.Minute, "life of an authorization code, at most 60s")
	flags.DurationVar(&o.window, "window", 30*time.Second, "how long a used refresh token is answered again with the same successor")
	flags.DurationVar(&o.idle, "idle", 0, "how long a grant lives that is not used (default: the library's)")
	flags.DurationVar(&o.grant, "grant", 0, "how long any grant lives (default: the library's)")
	flags.BoolVar(&o.sessions, "sessions", false, "keep MCP sessions, for clients that need them; replicas do not share them")
	flags.BoolVar(&o.printTokens, "print-tokens", false, "log each -user in, and print access tokens for the resources")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.register < 0 {
		return options{}, errors.New("-register must not be negative")
	}
	o.issuer = cmp.Or(o.issuer, "http://"+o.addr)
	return o, nil
}
