// Package smtpnotify sends the messages of package recovery by SMTP. It is a module
// of its own, on github.com/wneessen/go-mail.
package smtpnotify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	netmail "net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// Config is what [New] may be told, beside From, which is required. Printed, logged
// or written as JSON it shows no password.
type Config struct {
	// From is the sender: "ops@example.com", or "Example <ops@example.com>".
	From string

	// Username and Password log in at the server, if they are set.
	Username, Password string

	// StartTLS begins without TLS and asks for it before anything else, on port
	// 587; a server that has none gets nothing. false: TLS from the first byte, on
	// port 465 (RFC 8314 section 3.3).
	StartTLS bool

	// Port, if it is not the usual one. 0: see StartTLS; 1 to 65,535.
	Port int

	// TLS, if not nil, has other roots, or a certificate of the client's. Versions
	// below 1.2 are not spoken whatever it says.
	TLS *tls.Config

	// DangerouslyWithoutTLS sends links that open accounts for everybody on the way
	// to read, on port 25: for a server on this machine. It forbids Username.
	DangerouslyWithoutTLS bool

	// Texts replace the texts of single kinds, which are English.
	Texts map[recovery.Kind]Text

	// Timeout bounds each exchange with the server, and how long connecting may
	// take. 0: 15 s; 1 s to 1 min. A context that ends sooner bounds them, too.
	Timeout time.Duration
}

// String returns a text without the password.
func (c Config) String() string { return "smtpnotify.Config(from " + c.From + ")" }

// Format writes what String returns, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue returns what String returns.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns what String returns.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

const (
	defaultTimeout = 15 * time.Second
	maxTimeout     = time.Minute
)

// Notifier is a [recovery.Notifier]. Each message has a connection of its own, so
// that none waits for another. It is safe for concurrent use.
type Notifier struct {
	host    string
	from    *netmail.Address
	texts   map[recovery.Kind]parsed
	timeout time.Duration
	options func() []mail.Option // package fmt looks into no function for the password
}

// New returns a Notifier that sends through the server host, or every fault as an
// [*cfgerr.Error]. It opens no connection.
func New(host string, cfg Config) (*Notifier, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	if _, err := netip.ParseAddr(host); err != nil && (host == "" || strings.ContainsAny(host, " :/\r\n")) {
		fault("smtpnotify.New.host", host, "must be a name or an IP address, without the port, which is Config.Port")
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil || strings.ContainsAny(cfg.From, "\r\n") {
		fault("smtpnotify.Config.From", cfg.From, "must be an address, or a name and an address in angle brackets")
	}
	if (cfg.Username == "") != (cfg.Password == "") {
		fault("smtpnotify.Config.Password", "", "and Username need each other")
	}
	if cfg.DangerouslyWithoutTLS && (cfg.Username != "" || cfg.StartTLS || cfg.TLS != nil) {
		fault("smtpnotify.Config.DangerouslyWithoutTLS", "", "contradicts Username, StartTLS and TLS")
	}
	if cfg.Port < 0 || cfg.Port > 65_535 {
		fault("smtpnotify.Config.Port", fmt.Sprint(cfg.Port), "must be 0 or 1 to 65535")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	} else if cfg.Timeout < time.Second || cfg.Timeout > maxTimeout {
		fault("smtpnotify.Config.Timeout", cfg.Timeout.String(), "must be 0 or 1s to 1m")
	}
	texts, err := parse(cfg.Texts)
	if err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	options := connection(host, cfg)
	return &Notifier{
		host: host, from: from, texts: texts, timeout: cfg.Timeout,
		options: func() []mail.Option { return options },
	}, nil
}

// connection returns how to reach the server.
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
	settings := &tls.Config{}
	if cfg.TLS != nil {
		settings = cfg.TLS.Clone()
	}
	if settings.ServerName == "" {
		settings.ServerName = host
	}
	settings.MinVersion = max(settings.MinVersion, tls.VersionTLS12)
	options = append(options, mail.WithPort(port), mail.WithTLSConfig(settings))
	if cfg.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(cfg.Username), mail.WithPassword(cfg.Password))
	}
	return options
}

var errZero = errors.New("smtpnotify: zero value is not usable, use New")

// Notify sends m, and returns when the server has taken it.
func (n *Notifier) Notify(ctx context.Context, m recovery.Message) error {
	if n == nil || n.options == nil {
		return errZero
	}
	// One mailbox and nothing else, whoever calls: no name, no second address, no
	// line of its own.
	to, err := netmail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return errors.New("smtpnotify: the address is not one bare address")
	}
	subject, body, err := n.texts[m.Kind].fill(m)
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
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5: nobody is away to this
	msg.SetBodyString(mail.TypeTextPlain, body)

	timeout := n.timeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), time.Millisecond))
	}
	client, err := mail.NewClient(n.host, append(n.options()[:len(n.options()):len(n.options())], mail.WithTimeout(timeout))...)
	if err != nil {
		return fmt.Errorf("smtpnotify: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		if quotes(err, m) {
			err = errors.New("refused, in words that hold the link or code")
		}
		return fmt.Errorf("smtpnotify: send %s: %w", m.Kind, err)
	}
	return nil
}

// quotes reports whether an error, in which the server's words are, holds what is
// secret in m: filters like to say which link they found.
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
