package smtpnotify

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/recovery"
)

// Text is the plain text of one kind of message, as templates of package text/template. They can use
// .Link, .Code, .UserID and .Minutes, which is how long the link or code is valid. In notices .Time is
// when it happened, in UTC, and .IP the address of the client that did it, or empty.
type Text struct {
	Subject string // one line without a secret, because it is shown on locked screens
	Body    string
}

// values are the fields that a template can use.
type values struct {
	Link, Code, UserID string
	Minutes            int
	Time, IP           string
}

type parsed struct {
	subject, body *template.Template
	time          string // how a time is written
}

// Endings of the default texts.
const (
	ignore = "\n\nIf you did not ask for this, ignore this message. Nothing will change.\n"
	alarm  = "{{if .Time}}\n\nTime: {{.Time}}{{if .IP}}\nNetwork address: {{.IP}}{{end}}{{end}}" +
		"\n\nIf this was not you, someone else has access to your account: contact us at once.\n"
)

// languages have the default texts of each language, and how a time is written in it.
var languages = map[string]struct {
	texts map[recovery.Kind]Text
	time  string
}{
	"en": {englishTexts, "2 January 2006, 15:04 UTC"},
	"de": {germanTexts, "02.01.2006, 15:04 UTC"},
}

// englishTexts are used for the kinds that a host does not replace.
var englishTexts = map[recovery.Kind]Text{
	recovery.KindReset: {
		"Choose a new password",
		"To choose a new password, open this link within {{.Minutes}} minutes:\n\n{{.Link}}" + ignore,
	},
	recovery.KindVerify: {
		"Confirm your address",
		"To confirm that this address is yours, open this link:\n\n{{.Link}}" + ignore,
	},
	recovery.KindChange: {
		"Confirm your new address",
		"To make this the address of your account, open this link:\n\n{{.Link}}" + ignore,
	},
	recovery.KindLogin: {
		"Log in",
		"To log in, open this link within {{.Minutes}} minutes{{if .Code}}, in the browser where you asked for it{{end}}:" +
			"\n\n{{.Link}}{{if .Code}}\n\nOr enter this code there, and only there:\n\n{{.Code}}\n\n" +
			"We will never ask you for it.{{end}}" + ignore,
	},
	recovery.KindCode: {
		"Your code",
		"Your code to log in, valid for {{.Minutes}} minutes:\n\n{{.Code}}\n\n" +
			"Enter it only on the page where you asked for it. We will never ask you for it." + ignore,
	},
	recovery.KindPasswordReset: {
		"Your password was changed",
		"A link was used to choose a new password. You have been logged out everywhere." + alarm,
	},
	recovery.KindPasswordChanged: {
		"Your password was changed",
		"Someone who knew the password of your account has changed it." + alarm,
	},
	recovery.KindFactorAdded: {
		"A second factor was added to your account",
		"From now on a code is needed to log in, beside the password." + alarm,
	},
	recovery.KindFactorRemoved: {
		"The second factor of your account was removed",
		"From now on the password is enough to log in." + alarm,
	},
	recovery.KindRecoveryCodes: {
		"Your recovery codes were replaced",
		"The earlier recovery codes of your account are no longer valid." + alarm,
	},
	recovery.KindNewDevice: {
		"A new device logged in to your account",
		"Someone logged in to your account from a device that has not been used for that before." + alarm,
	},
	recovery.KindKeyCreated: {
		"An API key was created for your account",
		"A program that has the key can act for you until the key expires or is deleted." + alarm,
	},
	recovery.KindKeyRolled: {
		"An API key of your account was replaced",
		"Programs need the new key. Whoever has it can act for you until it expires or is deleted." + alarm,
	},
	recovery.KindChangeAsked: {
		"Another address for your account",
		"Someone entered your password and asked to change the address of your account. " +
			"The address changes when the new one is confirmed." + alarm,
	},
	recovery.KindChanged: {
		"The address of your account was changed",
		"This is no longer the address of your account." + alarm,
	},
	recovery.KindDeleted: {
		"Your account was deleted",
		"Someone entered your password and deleted your account." + alarm,
	},
}

// parseAll returns the texts of all kinds, after it has filled each with sample values. It adds the
// faults of those that replace a default text.
func parseAll(faults *cfgerr.Faults, language string, replaced map[recovery.Kind]Text) map[recovery.Kind]parsed {
	chosen, ok := languages[language]
	if !ok {
		faults.Add("Config.Language", language, "must be en or de")
		chosen = languages["en"]
	}
	for kind := range replaced {
		if _, known := chosen.texts[kind]; !known {
			faults.Add("Config.Texts", string(kind), "is no kind of message")
		}
	}
	all := make(map[recovery.Kind]parsed, len(chosen.texts))
	for kind, text := range chosen.texts {
		if replacement, ok := replaced[kind]; ok {
			text = replacement
		}
		p, err := text.parse()
		p.time = chosen.time
		if err == nil {
			err = p.try(kind)
		}
		if err != nil {
			faults.Add("Config.Texts", string(kind), err.Error())
		}
		all[kind] = p
	}
	return all
}

func (t Text) parse() (p parsed, err error) {
	if p.subject, err = template.New("subject").Option("missingkey=error").Parse(t.Subject); err != nil {
		return p, err
	}
	p.body, err = template.New("body").Option("missingkey=error").Parse(t.Body)
	return p, err
}

// try fills p with sample values. It returns an error if that fails, or if the body lacks the link or
// code that is the purpose of the message.
func (p parsed) try(kind recovery.Kind) error {
	sample := recovery.Message{Kind: kind, Link: "https://link.example", Code: "123456", Life: time.Hour}
	_, body, err := p.fill(sample)
	if err != nil {
		return err
	}
	var secret string
	switch kind {
	case recovery.KindReset, recovery.KindVerify, recovery.KindChange, recovery.KindLogin:
		secret = sample.Link
	case recovery.KindCode:
		secret = sample.Code
	}
	if !strings.Contains(body, secret) {
		return errors.New("the body must contain {{.Link}}, or {{.Code}} for a code")
	}
	return nil
}

// fill returns subject and body for m. Its errors hold no secret of m.
func (p parsed) fill(m recovery.Message) (subject, body string, err error) {
	if p.subject == nil {
		return "", "", fmt.Errorf("smtpnotify: there is no text for messages of kind %q", m.Kind)
	}
	v := values{Link: m.Link, Code: m.Code, UserID: m.UserID, Minutes: int(m.Life.Minutes())}
	if !m.Time.IsZero() {
		v.Time = m.Time.UTC().Format(p.time)
	}
	if m.IP.IsValid() {
		v.IP = m.IP.String()
	}
	var s, b strings.Builder
	if err := errors.Join(p.subject.Execute(&s, v), p.body.Execute(&b, v)); err != nil {
		return "", "", fmt.Errorf("smtpnotify: text of kind %q: %w", m.Kind, err)
	}
	if s.Len() == 0 || strings.ContainsFunc(s.String(), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", "", fmt.Errorf("smtpnotify: the subject of kind %q is not one line", m.Kind)
	}
	return s.String(), b.String(), nil
}
