// Package pwned refuses new passwords that are known from breaches, by asking the
// range API of Have I Been Pwned (https://haveibeenpwned.com/API/v3#PwnedPasswords)
// or a mirror of it. It sends 20 bits of the password's SHA-1 and finds the rest in
// the answer itself; nothing of the password is in an error or a log.
//
//	checker, err := pwned.New(pwned.Config{})
//	accounts, err := auth.New(users, tokens, auth.Config{PasswordChecker: checker})
package pwned

import (
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

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/passwords"
)

// Config is what [New] may be told. Its zero value is the safe choice.
type Config struct {
	// URL is what "/range/" follows: https, or http on this machine. "":
	// https://api.pwnedpasswords.com.
	URL string

	// Least is how many times a password must have been seen to be refused. 0: 1;
	// at most 1,000,000.
	Least int

	// Timeout bounds one question. 0: 3 s; else 100 ms to 30 s.
	Timeout time.Duration

	// Transport makes the requests, for proxies and private certificate
	// authorities. Whatever it is, redirects are not followed, and an answer may
	// have 512 KiB. nil: a transport of its own, with at most 16 connections and
	// the proxy of the environment.
	Transport http.RoundTripper

	// DangerouslyPassWhenDown lets a password pass that could not be looked up, and
	// Logger know: whoever can keep the answers away then chooses breached ones.
	DangerouslyPassWhenDown bool

	// Logger is told of each password that passed because of
	// DangerouslyPassWhenDown. nil: silent.
	Logger *slog.Logger
}

const (
	defaultURL = "https://api.pwnedpasswords.com"
	maxURL     = 2048
	maxAnswer  = 512 << 10 // a range has a thousand lines or two, of some 40 bytes
	maxHeader  = 64 << 10
	maxLeast   = 1_000_000

	prefixLength = 5 // hexadecimal digits of the SHA-1 that are sent
	suffixLength = 2*sha1.Size - prefixLength
)

// Checker is an [passwords.Checker]. It is safe for concurrent use and has
// nothing to close.
type Checker struct {
	base    string
	least   uint64
	timeout time.Duration
	client  *http.Client
	pass    bool
	log     *slog.Logger
}

var errUnusable = errors.New("auth/pwned: zero value is not usable, use New")

// New returns a Checker, or every fault of cfg as an [*cfgerr.Error]. It asks
// nothing yet.
func New(cfg Config) (*Checker, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: "pwned.Config." + field, Value: value, Reason: reason})
	}
	if cfg.URL == "" {
		cfg.URL = defaultURL
	}
	if reason := checkURL(cfg.URL); reason != "" {
		fault("URL", "", reason) // it may hold a password
	}
	switch {
	case cfg.Least == 0:
		cfg.Least = 1
	case cfg.Least < 1 || cfg.Least > maxLeast:
		fault("Least", strconv.Itoa(cfg.Least), fmt.Sprintf("must be 0 or 1 to %d", maxLeast))
	}
	switch {
	case cfg.Timeout == 0:
		cfg.Timeout = 3 * time.Second
	case cfg.Timeout < 100*time.Millisecond || cfg.Timeout > 30*time.Second:
		fault("Timeout", cfg.Timeout.String(), "must be 0 or 100ms to 30s")
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        16,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: maxHeader,
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Checker{
		base: strings.TrimSuffix(cfg.URL, "/"), least: uint64(cfg.Least), timeout: cfg.Timeout,
		client: &http.Client{
			Transport: cfg.Transport,
			// An answer from elsewhere would be nobody's that was configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		pass: cfg.DangerouslyPassWhenDown, log: cfg.Logger,
	}, nil
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

// CheckPassword implements [passwords.Checker]. It returns an
// [*passwords.Error] of [passwords.Breached] if the password was seen in
// breaches, and why that could not be found out.
func (c *Checker) CheckPassword(ctx context.Context, password string) error {
	if c == nil || c.client == nil {
		return errUnusable
	}
	hash := fmt.Sprintf("%X", sha1.Sum([]byte(password)))
	seen, err := c.ask(ctx, hash[:prefixLength], hash[prefixLength:])
	switch {
	case err == nil && seen >= c.least:
		return &passwords.Error{Rule: passwords.Breached}
	case err == nil:
		return nil
	case c.pass && ctx.Err() == nil:
		c.log.WarnContext(ctx, "auth/pwned: a new password was not looked up", "error", err)
		return nil
	}
	return fmt.Errorf("auth/pwned: %s: %w", c.base, err)
}

// ask returns how often the password with this SHA-1 was seen.
func (c *Checker) ask(ctx context.Context, prefix, suffix string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/range/"+prefix, nil)
	if err != nil {
		return 0, errors.New("the request cannot be made") // err has the prefix
	}
	req.Header.Set("User-Agent", "github.com/seed-e36e2130/auth") // without one it is refused
	req.Header.Set("Add-Padding", "true")                         // so that its length does not say which range it is
	res, err := c.client.Do(req)
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err // without the URL, which has the prefix
	}
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("read answer: %w", err)
	case len(body) > maxAnswer:
		return 0, fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	return count(string(body), suffix)
}

var errAnswer = errors.New("the answer is not a list of hashes")

// count returns the number beside suffix in an answer, and 0 if it is not there:
// as it is beside those that pad it. An answer that is not one all through, or has
// nothing in it, answers nothing.
func count(body, suffix string) (seen uint64, err error) {
	if body == "" {
		return 0, errAnswer
	}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		hash, number, _ := strings.Cut(line, ":")
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || len(hash) != suffixLength || strings.Trim(hash, "0123456789ABCDEFabcdef") != "" {
			return 0, errAnswer
		}
		if strings.EqualFold(hash, suffix) {
			seen = max(seen, n)
		}
	}
	return seen, nil
}
