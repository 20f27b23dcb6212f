package smtpnotify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/smtpnotify"
)

// server is an SMTP server on the loopback interface, which keeps what it receives.
type server struct {
	port  int
	roots *x509.CertPool

	mu      sync.Mutex
	sent    []envelope
	refusal string // reply to every message, unless empty
}

type envelope struct {
	user, from string
	to         []string
	secure     bool
	data       []byte
}

// serve starts a server: with TLS from the first byte, with STARTTLS, or without TLS. If old is
// given, TLS 1.1 is its newest version.
func serve(t *testing.T, implicit, startTLS bool, old ...bool) *server {
	t.Helper()
	s := new(server)
	backend := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	backend.Domain, backend.ReadTimeout, backend.WriteTimeout = "localhost", 5*time.Minute, 5*time.Minute
	settings := s.certify(t)
	if len(old) > 0 {
		settings.MinVersion, settings.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	}
	if startTLS {
		backend.TLSConfig = settings
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	if implicit {
		listener = tls.NewListener(listener, settings)
	}
	done := make(chan struct{})
	go func() { defer close(done); backend.Serve(listener) }()
	t.Cleanup(func() { backend.Close(); <-done })
	return s
}

// certify returns settings with a certificate for localhost, and adds the certificate to s.roots.
func (s *server) certify(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (s *server) take() []envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

type session struct {
	server *server
	conn   *smtp.Conn
	envelope
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if password != "app password" {
			return errors.New("535 wrong password")
		}
		s.user = username
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.to = from, nil
	_, s.secure = s.conn.TLSConnectionState()
	return nil
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                    {}
func (s *session) Logout() error                             { return nil }
func (s *session) Data(r io.Reader) (err error) {
	if s.data, err = io.ReadAll(r); err == nil {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		if s.server.refusal != "" {
			return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: s.server.refusal}
		}
		s.server.sent = append(s.server.sent, s.envelope)
	}
	return err
}

const link = "https://app.example.com/account/reset?token=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

var reset = recovery.Message{Kind: recovery.KindReset, UserID: "u1", To: "ada@example.com", Link: link, Life: 30 * time.Minute}

func (s *server) config() smtpnotify.Config {
	return smtpnotify.Config{
		From: "Example Ⓔ <ops@example.com>", Port: s.port, TLS: &tls.Config{RootCAs: s.roots}, Timeout: time.Minute, // the maximum
		Username: "ops", Password: "app password",
	}
}

func send(t *testing.T, cfg smtpnotify.Config, m recovery.Message) error {
	t.Helper()
	n, err := smtpnotify.New("localhost", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n.Notify(t.Context(), m)
}

// read returns header and text of a message, decoded, and checks that its HTML part says the same.
func read(t *testing.T, e envelope) (mail.Header, string) {
	t.Helper()
	header, text, html := parts(t, e)
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	if got := words(plain(html[strings.Index(html, "<body"):])); got != words(text) {
		t.Errorf("the HTML part reads %q, the text %q", got, words(text))
	}
	return header, text
}

// plain returns the text of an HTML page.
func plain(page string) string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " "))
}

// parts returns the header of a message and its two parts.
func parts(t *testing.T, e envelope) (header mail.Header, text, html string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(e.data))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the message is %s, %v", kind, err)
	}
	var got []string
	all := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		part, err := all.NextPart() // decodes quoted-printable
		if err != nil || !strings.HasPrefix(part.Header.Get("Content-Type"), want) {
			t.Fatalf("the next part is %v, %v, want %s", part.Header, err, want)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(content))
	}
	if _, err := all.NextPart(); err != io.EOF {
		t.Errorf("there is a third part: %v", err)
	}
	return m.Header, got[0], got[1]
}

func TestSend(t *testing.T) {
	t.Parallel()
	for name, startTLS := range map[string]bool{"ImplicitTLS": false, "StartTLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, !startTLS, startTLS)
			cfg := s.config()
			cfg.StartTLS = startTLS
			if err := send(t, cfg, reset); err != nil {
				t.Fatal(err)
			}
			sent := s.take()
			if len(sent) != 1 || !sent[0].secure || sent[0].user != "ops" || sent[0].from != "ops@example.com" || fmt.Sprint(sent[0].to) != "[ada@example.com]" {
				t.Fatalf("the server got %+v", sent)
			}
			header, body := read(t, sent[0])
			if !strings.Contains(body, link) || !strings.Contains(body, "30 minutes") {
				t.Errorf("the body is %q", body)
			}
			if header.Get("Subject") != "Choose a new password" || header.Get("To") != "<ada@example.com>" || header.Get("Auto-Submitted") != "auto-generated" || header.Get("Date") == "" {
				t.Errorf("the header is %v", header)
			}
			if from, err := new(mime.WordDecoder).DecodeHeader(header.Get("From")); err != nil || !strings.HasPrefix(from, `"Example Ⓔ"`) && !strings.HasPrefix(from, "Example Ⓔ") {
				t.Errorf("From: %q, %v", from, err)
			}
		})
	}
}

// TestNothingIsSentInTheClear checks that nothing is sent if the server has no TLS, a certificate that
// is not trusted, or only an old version.
func TestNothingIsSentInTheClear(t *testing.T) {
	t.Parallel()
	plain, foreign := serve(t, false, false), serve(t, true, false)
	withoutTLS, implicit, untrusted := plain.config(), plain.config(), foreign.config()
	withoutTLS.StartTLS, untrusted.TLS = true, nil
	withoutLogin := withoutTLS // go-mail itself refuses to log in without TLS
	withoutLogin.Username, withoutLogin.Password = "", ""
	ancient := serve(t, true, false, true)
	old := ancient.config()
	old.TLS.MinVersion = tls.VersionTLS10
	for name, cfg := range map[string]smtpnotify.Config{
		"no STARTTLS": withoutTLS, "no STARTTLS, no login": withoutLogin, "no TLS": implicit, "untrusted certificate": untrusted, "TLS 1.1": old,
	} {
		err := send(t, cfg, reset)
		if err == nil || strings.Contains(err.Error(), link) || strings.Contains(err.Error(), "app password") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if sent := slices.Concat(plain.take(), foreign.take(), ancient.take()); len(sent) != 0 {
		t.Errorf("sent %+v", sent)
	}
	err := send(t, smtpnotify.Config{From: "ops@example.com", Port: plain.port, DangerouslyWithoutTLS: true}, reset)
	if sent := plain.take(); err != nil || len(sent) != 1 || sent[0].secure {
		t.Errorf("DangerouslyWithoutTLS: %v, %+v", err, sent)
	}
}

func TestOneRecipient(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	for _, to := range []string{
		"", "ada", "ada@example.com\r\nBcc: eve@example.com", "ada@example.com\nSubject: x", "ada@example.com, eve@example.com",
		"Ada <ada@example.com>", "<ada@example.com>", "ada@example.com>\r\nRCPT TO:<eve@example.com", " ada@example.com",
	} {
		m := reset
		m.To = to
		if err := send(t, s.config(), m); err == nil {
			t.Errorf("sent to %q", to)
		}
	}
	// A value in a subject cannot end the header.
	cfg := s.config()
	cfg.Texts = map[recovery.Kind]smtpnotify.Text{recovery.KindReset: {Subject: "For {{.UserID}}", Body: "{{.Link}}"}}
	m := reset
	m.UserID = "u1\r\nBcc: eve@example.com"
	if err := send(t, cfg, m); err == nil || strings.Contains(err.Error(), link) {
		t.Errorf("a subject of two lines was sent, or the error shows the link: %v", err)
	}
	if sent := s.take(); len(sent) != 0 {
		t.Errorf("sent %+v", sent)
	}
	m.UserID = "Ädä"
	if err := send(t, cfg, m); err != nil {
		t.Fatal(err)
	}
	header, body := read(t, s.take()[0])
	if subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject")); err != nil || subject != "For Ädä" || strings.TrimSpace(body) != link {
		t.Errorf("the subject is %q, the body %q", subject, body)
	}
}

// TestRefusalQuotes has a server quote the link or code in its refusal. Errors are logged, so the
// error must not show it: a reader of the log could open the account.
func TestRefusalQuotes(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	code := reset
	code.Kind, code.Link, code.Code = recovery.KindCode, "", "271828"
	for refusal, m := range map[string]recovery.Message{
		"spam, see " + link: reset, "spam: " + strings.ToUpper(link): reset, "bad token " + link[len(link)-64:]: reset, "spam: 271828": code,
	} {
		s.mu.Lock()
		s.refusal = refusal
		s.mu.Unlock()
		err := send(t, s.config(), m)
		if err == nil || !strings.Contains(err.Error(), string(m.Kind)) {
			t.Errorf("%s: %v, want an error that names the kind", refusal, err)
			continue
		}
		for _, secret := range []string{link[len(link)-64:], code.Code} {
			if strings.Contains(strings.ToLower(err.Error()), secret) {
				t.Errorf("the error shows the secret: %v", err)
			}
		}
	}
	s.mu.Lock()
	s.refusal = "not today"
	s.mu.Unlock()
	if err := send(t, s.config(), code); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("the error does not show the server's reply: %v", err)
	}
}

// kinds are all kinds of message.
var kinds = []recovery.Kind{
	recovery.KindReset, recovery.KindVerify, recovery.KindChange, recovery.KindLogin, recovery.KindCode,
	recovery.KindPasswordReset, recovery.KindPasswordChanged, recovery.KindFactorAdded, recovery.KindFactorRemoved,
	recovery.KindRecoveryCodes, recovery.KindChangeAsked, recovery.KindChanged, recovery.KindDeleted, recovery.KindNewDevice,
	recovery.KindKeyCreated, recovery.KindKeyRolled,
}

// TestEveryKind checks that each kind has a text that contains its link, its code or its warning.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	for _, kind := range kinds {
		m := recovery.Message{Kind: kind, To: "ada@example.com", Life: time.Hour}
		want := "contact us at once"
		switch kind {
		case recovery.KindCode:
			m.Code, want = "012345", "012345"
		case recovery.KindReset, recovery.KindVerify, recovery.KindChange, recovery.KindLogin:
			m.Link, want = link, link
		}
		if err := send(t, s.config(), m); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		header, body := read(t, s.take()[0])
		if !strings.Contains(body, want) || strings.Contains(header.Get("Subject"), "012345") {
			t.Errorf("%s: %q, %q", kind, header.Get("Subject"), body)
		}
	}

	// A notice says when and from where, and a message with a link and a code has both.
	for want, m := range map[string]recovery.Message{
		"Time: 2 January 2026, 03:04 UTC\nNetwork address: 192.0.2.1\n": {
			Kind: recovery.KindNewDevice, Time: time.Date(2026, 1, 2, 4, 4, 0, 0, time.FixedZone("", 3600)), IP: netip.MustParseAddr("192.0.2.1"),
		},
		link + "\n\nOr enter this code there, and only there:\n\n012345\n": {Kind: recovery.KindLogin, Link: link, Code: "012345"},
	} {
		m.To = "ada@example.com"
		if err := send(t, s.config(), m); err != nil {
			t.Fatal(err)
		}
		if _, body := read(t, s.take()[0]); !strings.Contains(strings.ReplaceAll(body, "\r\n", "\n"), want) {
			t.Errorf("%s: got %q, want %q in it", m.Kind, body, want)
		}
	}
	if err := send(t, s.config(), recovery.Message{Kind: "other", To: "ada@example.com"}); err == nil {
		t.Error("a message of an unknown kind was sent")
	}
}

// TestHTML checks that the link can be clicked on, that the code stands out, and that no text becomes HTML.
func TestHTML(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	cfg := s.config()
	cfg.Texts = map[recovery.Kind]smtpnotify.Text{recovery.KindLogin: {
		Subject: "Log in to <b>R&D</b>", Body: "Open {{.Link}} now.\nOr type {{.Code}} <script>alert(1)</script>\n\nYours",
	}}
	m := recovery.Message{Kind: recovery.KindLogin, To: "ada@example.com", Link: link + "&x=1", Code: "012345"}
	if err := send(t, cfg, m); err != nil {
		t.Fatal(err)
	}
	_, text, page := parts(t, s.take()[0])
	for _, want := range []string{
		`<html lang="en">`, `<a href="` + html.EscapeString(m.Link) + `"`, ">012345</strong>", "&lt;script&gt;", "<p>Yours</p>", "<title>Log in to &lt;b&gt;R&amp;D&lt;/b&gt;</title>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the HTML lacks %s:\n%s", want, page)
		}
	}
	if !strings.Contains(text, "Open "+m.Link+" now.") || strings.Contains(text, "<a") {
		t.Errorf("the text is %q", text)
	}
}

// TestGerman checks that every text is there in German, with what it is for, and is no English one.
func TestGerman(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	german := s.config()
	german.Language = "de"
	for _, kind := range kinds {
		m := recovery.Message{
			Kind: kind, To: "ada@example.com", Link: link, Code: "012345", Life: time.Hour,
			Time: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), IP: netip.MustParseAddr("192.0.2.1"),
		}
		if err := errors.Join(send(t, german, m), send(t, s.config(), m)); err != nil {
			t.Fatal(err)
		}
		sent := s.take()
		header, text, page := parts(t, sent[0])
		english, englishText := read(t, sent[1])
		if header.Get("Subject") == english.Get("Subject") || text == englishText || !strings.Contains(page, `lang="de"`) {
			t.Errorf("%s: %s, %q", kind, header.Get("Subject"), text)
		}
		for _, held := range []string{link, "012345", "192.0.2.1"} {
			if strings.Contains(text, held) != strings.Contains(englishText, held) {
				t.Errorf("%s: one language has %s, and the other has not", kind, held)
			}
		}
		if strings.Contains(englishText, "2 January") && !strings.Contains(text, "02.01.2026, 03:04 UTC") {
			t.Errorf("%s: the time is missing: %q", kind, text)
		}
	}
}

// TestSilentServer checks that the context bounds the whole call.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	n, err := smtpnotify.New("localhost", smtpnotify.Config{From: "ops@example.com", Port: listener.Addr().(*net.TCPAddr).Port, DangerouslyWithoutTLS: true, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := n.Notify(ctx, reset); err == nil {
		t.Error("Notify succeeded without an answer of the server")
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("Notify took %v", took)
	}
}

// TestNewFindsEveryFault checks the faults of a configuration, and that no form of a valid one shows
// its password.
func TestNewFindsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := smtpnotify.New("mail.example.com:25", smtpnotify.Config{
		From: "ops@example.com\r\nBcc: x", Username: "ops", DangerouslyWithoutTLS: true, Port: -1, Timeout: time.Hour,
		Texts: map[recovery.Kind]smtpnotify.Text{
			"other": {}, recovery.KindReset: {Subject: "x", Body: "no secret"}, recovery.KindCode: {Subject: "{{.Nothing}}", Body: "{{.Code}}"},
			recovery.KindLogin: {Subject: "a\nb", Body: "{{.Link}}"}, recovery.KindVerify: {Subject: "x", Body: "{{"},
		},
	})
	for _, field := range []string{
		"host", "From", "Password", "DangerouslyWithoutTLS", "Port", "Timeout",
		`Texts "other"`, `Texts "reset"`, `Texts "code"`, `Texts "login"`, `Texts "verify"`,
	} {
		if !strings.Contains(fmt.Sprint(err), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	if _, ok := errors.AsType[*auth.ConfigError](err); !ok {
		t.Errorf("%T is not an *auth.ConfigError", err)
	}
	cfg := smtpnotify.Config{From: "ops@example.com", Username: "ops", Password: "app password"}
	n, err := smtpnotify.New("mail.example.com", cfg)
	asJSON, jsonErr := json.Marshal([]any{cfg, &cfg, n})
	if err = errors.Join(err, jsonErr); err != nil {
		t.Fatal(err)
	}
	if text := string(asJSON) + fmt.Sprintf("%v %+v %#v %v %+v %#v", cfg, cfg, cfg, n, n, n) + cfg.LogValue().String(); strings.Contains(text, "app password") {
		t.Errorf("%s shows the password", text)
	}
}

// TestForgottenPassword asks for a link, receives it by SMTP, and uses it.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	notifier, err := smtpnotify.New("localhost", s.config())
	if err != nil {
		t.Fatal(err)
	}
	store, addresses := memstore.New(), recovery.NewMemoryAddresses()
	accounts, err := auth.New(store, testkit.NewIssuer(t, jwt.IssuerConfig{}), auth.Config{Hasher: authtest.FastHasher(t)})
	if err != nil {
		t.Fatal(err)
	}
	u, err := accounts.Register(t.Context(), "ada", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if err := addresses.ReplaceAddress(t.Context(), u.ID, "", "ada@example.com", true); err != nil {
		t.Fatal(err)
	}
	flows, err := recovery.New(accounts, addresses, store, notifier, recovery.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := flows.RequestReset(t.Context(), "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := flows.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := s.take()
	if len(sent) != 1 {
		t.Fatalf("sent %+v", sent)
	}
	_, body := read(t, sent[0])
	_, token, found := strings.Cut(body, "https://app.example.com/reset?token=")
	if !found {
		t.Fatalf("no link in %q", body)
	}
	if _, err := flows.Reset(t.Context(), token[:64], "a quite different one"); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Login(t.Context(), "ada", "a quite different one"); err != nil {
		t.Error(err)
	}
}
