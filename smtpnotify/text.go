package smtpnotify

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// Text is what a message says, as text/template has it, in plain text. It is given
// .Link, .Code, .UserID and .Minutes, for which link or code is good.
type Text struct {
	Subject string // one line; holds no secret, for it is shown on locked screens
	Body    string
}

// values are what a Text is filled with.
type values struct {
	Link, Code, UserID string
	Minutes            int
}

type parsed struct{ subject, body *template.Template }

const ignore = "\n\nIf it was not you, ignore this message: without it nothing happens.\n"
const alarm = "\n\nIf it was not you, somebody else has access to your account: tell us at once.\n"

// texts are those that a host does not replace.
var texts = map[recovery.Kind]Text{
	recovery.KindReset:         {"Choose a new password", "To choose a new password, open this link within {{.Minutes}} minutes:\n\n{{.Link}}" + ignore},
	recovery.KindVerify:        {"Confirm your address", "To confirm that this address is yours, open this link:\n\n{{.Link}}" + ignore},
	recovery.KindChange:        {"Confirm your new address", "To make this the address of your account, open this link:\n\n{{.Link}}" + ignore},
	recovery.KindLogin:         {"Log in", "To log in, open this link within {{.Minutes}} minutes:\n\n{{.Link}}" + ignore},
	recovery.KindCode:          {"Your code", "Your code to log in, good for {{.Minutes}} minutes:\n\n{{.Code}}\n\nType it only where you asked for it. Nobody of ours will ask you to tell it." + ignore},
	recovery.KindPasswordReset: {"Your password was changed", "A link was used to choose a new password. All sessions have ended." + alarm},
	recovery.KindChangeAsked:   {"Another address for your account", "It was asked, with your password, to give your account another address. It will be, when that address is confirmed." + alarm},
	recovery.KindChanged:       {"The address of your account was changed", "This is no longer the address of your account." + alarm},
	recovery.KindDeleted:       {"Your account was deleted", "Your account was deleted, with your password." + alarm},
}

// parse returns the texts of all kinds, and tries each.
func parse(replaced map[recovery.Kind]Text) (map[recovery.Kind]parsed, error) {
	all := make(map[recovery.Kind]parsed, len(texts))
	var faults []error
	for kind := range replaced {
		if _, known := texts[kind]; !known {
			faults = append(faults, &auth.ConfigError{Field: "smtpnotify.Config.Texts", Value: string(kind), Reason: "is no kind of message"})
		}
	}
	for kind, text := range texts {
		if other, is := replaced[kind]; is {
			text = other
		}
		one, err := text.parse()
		if err == nil {
			_, body, tried := one.fill(recovery.Message{Kind: kind, Link: "https://link.example", Code: "123456", Life: time.Hour})
			err = tried
			if wants := secretOf(kind); err == nil && wants != "" && !strings.Contains(body, wants) {
				err = errors.New("the body does not hold the link or code")
			}
		}
		if err != nil {
			faults = append(faults, &auth.ConfigError{Field: "smtpnotify.Config.Texts", Value: string(kind), Reason: err.Error()})
		}
		all[kind] = one
	}
	return all, errors.Join(faults...)
}

// secretOf returns what a body of this kind must hold of the message it is tried with.
func secretOf(kind recovery.Kind) string {
	switch kind {
	case recovery.KindReset, recovery.KindVerify, recovery.KindChange, recovery.KindLogin:
		return "https://link.example"
	case recovery.KindCode:
		return "123456"
	}
	return ""
}

func (t Text) parse() (p parsed, err error) {
	if p.subject, err = template.New("subject").Option("missingkey=error").Parse(t.Subject); err != nil {
		return p, err
	}
	p.body, err = template.New("body").Option("missingkey=error").Parse(t.Body)
	return p, err
}

// fill returns subject and body for m. No error holds what is secret in m.
func (p parsed) fill(m recovery.Message) (subject, body string, err error) {
	if p.subject == nil {
		return "", "", fmt.Errorf("smtpnotify: there is no text for messages of kind %q", m.Kind)
	}
	v := values{m.Link, m.Code, m.UserID, int(m.Life.Minutes())}
	var s, b strings.Builder
	if err := errors.Join(p.subject.Execute(&s, v), p.body.Execute(&b, v)); err != nil {
		return "", "", fmt.Errorf("smtpnotify: text of kind %q: %w", m.Kind, err)
	}
	if s.Len() == 0 || strings.ContainsFunc(s.String(), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", "", fmt.Errorf("smtpnotify: the subject of kind %q is not one line", m.Kind)
	}
	return s.String(), b.String(), nil
}
