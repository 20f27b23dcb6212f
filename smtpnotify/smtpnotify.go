// Package smtpnotify sends the messages of package recovery by SMTP, through
// [github.com/wneessen/go-mail].
package smtpnotify

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/recovery"
)

// Config configures a [Notifier]. Only From is required. Printed, logged or written as JSON it shows
// the sender only, and not the password.
type Config struct {
	// From is the sender: "ops@example.com", or "Example <ops@example.com>".
	From string

	// Username and Password are the credentials for the server. Empty: it requires none. Set both or
	// neither.
	Username, Password string

	// StartTLS connects without TLS, on port 587, and switches to TLS by STARTTLS before anything
	// else. If the server does not support STARTTLS, nothing is sent. false: TLS from the first byte,
	// on port 465 (RFC 8314 section 3.3).
	StartTLS bool

	// Port is the port of the server: 1 to 65,535. 0: 465, 587 or 25, as StartTLS and
	// DangerouslyWithoutTLS say.
	Port int

	// TLS sets, for example, other roots or a client certificate. nil: the system's roots. The
	// minimum version is 1.2, even if TLS says less.
	TLS *tls.Config

	// DangerouslyWithoutTLS sends without TLS, on port 25. Everybody on the way can read the links,
	// which open accounts: use it only for a server on the same machine. Username, StartTLS and TLS
	// must not be set.
	DangerouslyWithoutTLS bool

	// Language is the language of the default texts: "en" or "de". "": "en". The HTML part of each message
	// names it for screen readers, so it is also the language of Texts.
	Language string

	// Texts replace the default texts, one kind of message at a time. The HTML part of a message is made from
	// its text.
	Texts map[recovery.Kind]Text

	// Timeout bounds the time to connect, and the time of each exchange with the server. The deadline
	// of a context bounds them as well. 0: 15 s; 1 s to 1 min.
	Timeout time.Duration
}

// Format writes the sender, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "smtpnotify.Config(from %s)", c.From) }

// LogValue returns what Format writes.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalText returns what Format writes.
func (c Config) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(c)), nil }

// Notifier is a [recovery.Notifier]. Make one with [New]. Each message has its own connection, so that
// no message waits for another. It is safe for concurrent use.
type Notifier struct {
	host    string
	from    *netmail.Address
	texts   map[recovery.Kind]parsed
	timeout time.Duration

	language string // of texts

	options func() []mail.Option // a function, so that package fmt does not print the password in it
}

// New returns a Notifier that sends through the server with the name host. It does not connect. It
// returns a [*cfgerr.Error] for each fault, joined.
func New(host string, cfg Config) (*Notifier, error) {
	faults := cfgerr.Faults{Prefix: "smtpnotify."}
	if _, err := netip.ParseAddr(host); err != nil && (host == "" || strings.ContainsAny(host, " :/\r\n")) {
		faults.Add("New.host", host, "must be a name or an IP address, without the port, which is Config.Port")
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil || strings.ContainsAny(cfg.From, "\r\n") {
		faults.Add("Config.From", cfg.From, "must be an address, or a name and an address in angle brackets")
	}
	if (cfg.Username == "") != (cfg.Password == "") {
		faults.Add("Config.Password", "", "must be set together with Username")
	}
	if cfg.DangerouslyWithoutTLS && (cfg.Username != "" || cfg.StartTLS || cfg.TLS != nil) {
		faults.Add("Config.DangerouslyWithoutTLS", "", "must not be set with Username, StartTLS or TLS")
	}
	cfg.Port = cfgerr.Within(&faults, "Config.Port", cfg.Port, 0, 1, 65_535)
	cfg.Timeout = cfgerr.Within(&faults, "Config.Timeout", cfg.Timeout, 15*time.Second, time.Second, time.Minute)
	language := cmp.Or(cfg.Language, "en")
	texts := parseAll(&faults, language, cfg.Texts)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	options := connection(host, cfg)
	return &Notifier{
		host: host, from: from, language: language, texts: texts, timeout: cfg.Timeout,
		options: func() []mail.Option { return options },
	}, nil
}

// connection returns the options of go-mail for connections to the server.
func connection(host string, cfg Config) []mail.Option {
	var options []mail.Option
	port := 465
	switch {
	case cfg.DangerouslyWithoutTLS:
		port = 25
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case cfg.StartTLS:
		port = 587
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	default:
		options = append(options, mail.WithSSL())
	}
	if cfg.Port != 0 {
		port = cfg.Port
	}
	tlsConfig := &tls.Config{}
	if cfg.TLS != nil {
		tlsConfig = cfg.TLS.Clone()
	}
	if tlsConfig.ServerName == "" {
		tlsConfig.ServerName = host
	}
	tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)
	options = append(options, mail.WithPort(port), mail.WithTLSConfig(tlsConfig))
	if cfg.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(cfg.Username), mail.WithPassword(cfg.Password))
	}
	return options
}

// Notify implements [recovery.Notifier]. It returns nil when the server has accepted the message.
func (n *Notifier) Notify(ctx context.Context, m recovery.Message) error {
	// To must be exactly one mailbox. A name, a second address or a line break could add recipients
	// or headers.
	to, err := netmail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return errors.New("smtpnotify: the recipient is not one bare address")
	}
	subject, body, err := n.texts[m.Kind].fill(m)
	if err != nil {
		return err
	}
	html, err := toHTML(n.language, subject, body, m)
	if err != nil {
		return err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(n.from)
	msg.ToMailAddress(to)
	msg.Subject(subject)
	msg.SetDate()
	_, domain, _ := strings.Cut(n.from.Address, "@")
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5: no automatic reply to this
	msg.SetBodyString(mail.TypeTextPlain, body)
	msg.AddAlternativeString(mail.TypeTextHTML, html)

	timeout := n.timeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), time.Millisecond))
	}
	client, err := mail.NewClient(n.host, slices.Concat(n.options(), []mail.Option{mail.WithTimeout(timeout)})...)
	if err != nil {
		return fmt.Errorf("smtpnotify: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		if quotes(err, m) {
			err = errors.New("the server refused the message; its reply holds the link or code and is not shown")
		}
		return fmt.Errorf("smtpnotify: send %s: %w", m.Kind, err)
	}
	return nil
}

// quotes reports whether an error, which contains the server's reply, holds a secret of m: spam
// filters quote the link that they object to.
func quotes(err error, m recovery.Message) bool {
	_, token, _ := strings.Cut(m.Link, "?token=")
	text := strings.ToLower(err.Error())
	for _, secret := range []string{token, m.Link, m.Code} {
		if secret != "" && strings.Contains(text, strings.ToLower(secret)) {
			return true
		}
	}
	return false
}
