package smtpnotify

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/seed-e36e2130/auth/recovery"
)

// htmlPage is the HTML part of every message. Its styles stand in attributes, because mail programs read no
// others.
var htmlPage = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="{{.Language}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{.Subject}}</title>
</head>
<body style="margin: 0 auto; padding: 24px; max-width: 34em; font: 16px/1.5 sans-serif">
{{range .Paragraphs}}<p>{{range .}}{{if .Break}}<br>
{{else if .Link}}<a href="{{.Text}}" style="overflow-wrap: anywhere">{{.Text}}</a>{{else if .Code}}<strong style="font-size: 28px; letter-spacing: 4px">{{.Text}}</strong>{{else}}{{.Text}}{{end}}{{end}}</p>
{{end}}</body>
</html>
`))

// run is a piece of a paragraph: plain text, the link, the code, or the end of a line.
type run struct {
	Text              string
	Link, Code, Break bool
}

// toHTML returns the HTML part of a message: its text, with the link to click on and the code in large digits.
func toHTML(language, subject, body string, m recovery.Message) (string, error) {
	var paragraphs [][]run
	for paragraph := range strings.SplitSeq(strings.Trim(body, "\n"), "\n\n") {
		var runs []run
		for i, line := range strings.Split(paragraph, "\n") {
			if i > 0 {
				runs = append(runs, run{Break: true})
			}
			runs = append(runs, runsOf(line, m)...)
		}
		paragraphs = append(paragraphs, runs)
	}
	var b strings.Builder
	err := htmlPage.Execute(&b, struct {
		Language, Subject string
		Paragraphs        [][]run
	}{language, subject, paragraphs})
	if err != nil {
		return "", fmt.Errorf("smtpnotify: HTML of kind %q: %w", m.Kind, err)
	}
	return b.String(), nil
}

// runsOf returns the pieces of a line.
func runsOf(line string, m recovery.Message) []run {
	for _, secret := range []run{{Text: m.Link, Link: true}, {Text: m.Code, Code: true}} {
		before, after, found := strings.Cut(line, secret.Text)
		if secret.Text == "" || !found {
			continue
		}
		return append(append(runsOf(before, m), secret), runsOf(after, m)...)
	}
	if line == "" {
		return nil
	}
	return []run{{Text: line}}
}
