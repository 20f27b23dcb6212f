// Package pwned refuses new passwords that are known from data breaches. It asks the range API of
// Have I Been Pwned (https://haveibeenpwned.com/API/v3#PwnedPasswords) or a mirror of it. These lines
// switch it on:
//
//	checker, err := pwned.New(pwned.Config{})
//	…
//	accounts, err := auth.New(users, tokens, auth.Config{Passwords: passwords.Policy{Checker: checker}, …})
//
// A request holds the first 20 bits of the password's SHA-1. The answer lists all hashes that begin
// with these bits, and the rest is compared here. No error and no log entry holds any part of the
// password or its hash.
package pwned

import (
	"cmp"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/passwords"
)

// Config configures a [Checker]. Its zero value is the safe choice.
type Config struct {
	// URL is the part of the API's address before "/range/". It must be https, or http to this
	// machine. "": https://api.pwnedpasswords.com.
	URL string

	// Least is how many times a password must have been seen in breaches to be refused. 0: 1; at most
	// 1,000,000.
	Least int

	// Timeout bounds one request. 0: 3 s; from 100 ms to 30 s.
	Timeout time.Duration

	// Transport makes the requests: set it for a proxy or a private certificate authority. Whatever
	// it is, redirects are not followed, and an answer may have at most 512 KiB. nil: a transport
	// with at most 16 connections, which uses the proxy of the environment.
	Transport http.RoundTripper

	// DangerouslyPassWhenDown accepts a password that could not be looked up, and logs that to
	// Logger. An attacker who can block the answers can then choose a breached password.
	DangerouslyPassWhenDown bool

	// Logger receives a warning for each password that was accepted because of
	// DangerouslyPassWhenDown. nil: [slog.Default].
	Logger *slog.Logger
}

const (
	defaultURL = "https://api.pwnedpasswords.com"
	maxURL     = 2048
	maxAnswer  = 512 << 10 // bytes; a range has one or two thousand lines of about 40 bytes
	maxHeader  = 64 << 10
	maxLeast   = 1_000_000

	prefixLength = 5 // hexadecimal digits of the SHA-1 that are sent
	suffixLength = 2*sha1.Size - prefixLength
)

// Checker is a [passwords.Checker]. It is safe for concurrent use and needs no Close. Make one with
// [New].
type Checker struct {
	base         string // ends without a slash
	least        uint64
	timeout      time.Duration
	client       *http.Client
	passWhenDown bool
	log          *slog.Logger
}

// New returns a Checker, or every fault of the configuration as a [*cfgerr.Error]. It makes no
// request.
func New(cfg Config) (*Checker, error) {
	faults := cfgerr.Faults{Prefix: "pwned.Config."}
	base := cmp.Or(cfg.URL, defaultURL)
	if reason := checkURL(base); reason != "" {
		faults.Add("URL", "", reason) // the URL may hold a password, so it is not shown
	}
	least := cfgerr.Within(&faults, "Least", cfg.Least, 1, 1, maxLeast)
	timeout := cfgerr.Within(&faults, "Timeout", cfg.Timeout, 3*time.Second, 100*time.Millisecond, 30*time.Second)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Checker{
		base: strings.TrimSuffix(base, "/"), least: uint64(least), timeout: timeout,
		client: &http.Client{
			Transport: cfg.Transport,
			// A redirect could lead to a server that the host did not choose.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		passWhenDown: cfg.DangerouslyPassWhenDown, log: cfg.Logger,
	}, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// checkURL returns what is wrong with a base URL, or "".
func checkURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Hostname() == "" || u.Opaque != "":
		return "must be an https URL"
	case u.User != nil || strings.ContainsAny(text, "?#"):
		return "must have no user, query or fragment"
	case origin.IsSecure(u):
		return ""
	}
	return "must be https, or http on this machine"
}

// CheckPassword implements [passwords.Checker]. It returns a [*passwords.Error] of
// [passwords.Breached] if the password was seen in breaches. If it could not be looked up,
// CheckPassword returns another error that says why.
func (c *Checker) CheckPassword(ctx context.Context, password string) error {
	hash := fmt.Sprintf("%X", sha1.Sum([]byte(password)))
	seen, err := c.lookUp(ctx, hash[:prefixLength], hash[prefixLength:])
	switch {
	case err == nil && seen >= c.least:
		return &passwords.Error{Rule: passwords.Breached}
	case err == nil:
		return nil
	case c.passWhenDown && ctx.Err() == nil:
		c.log.WarnContext(ctx, "auth/pwned: a new password could not be looked up and was accepted", "error", err)
		return nil
	}
	return fmt.Errorf("auth/pwned: %s: %w", c.base, err)
}

// lookUp returns how often the password with this SHA-1 was seen.
func (c *Checker) lookUp(ctx context.Context, prefix, suffix string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body, err := c.fetch(ctx, prefix)
	if err != nil {
		return 0, err
	}
	return count(body, suffix)
}

// fetch returns the answer of the API for a prefix. Its errors do not hold the prefix.
func (c *Checker) fetch(ctx context.Context, prefix string) (body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/range/"+prefix, nil)
	if err != nil {
		return "", errors.New("the request cannot be made") // err holds the prefix
	}
	req.Header.Set("User-Agent", "github.com/seed-e36e2130/auth") // the API refuses requests without one
	req.Header.Set("Add-Padding", "true")                         // hides which range an answer is from by its length
	res, err := c.client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // leaves out the URL, which holds the prefix
	}
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read answer: %w", err)
	case len(answer) > maxAnswer:
		return "", fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return string(answer), nil
}

var errMalformed = errors.New("the answer is not a list of hashes")

// count returns the number beside suffix in an answer, and 0 if suffix is not there or stands in a
// line of padding. It returns an error if the answer is empty or any line of it is malformed.
func count(body, suffix string) (seen uint64, err error) {
	if body == "" {
		return 0, errMalformed
	}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		hash, number, _ := strings.Cut(line, ":")
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || len(hash) != suffixLength || strings.Trim(hash, "0123456789ABCDEFabcdef") != "" {
			return 0, errMalformed
		}
		if strings.EqualFold(hash, suffix) {
			seen = max(seen, n)
		}
	}
	return seen, nil
}
