package oauth

import (
	"html/template"
	"net/http"
)

// pageHeaders sets the headers of pages that people see (OWASP ASVS 3.4). There is no form-action:
// Chromium holds it against every redirect that follows a form, and the callback of an app redirects on to
// whatever the app likes, such as its own scheme. See decision 0143.
func (s *Server) pageHeaders(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// show shows an error to the user, because no client may be told of it, or none is known.
func (s *Server) show(w http.ResponseWriter, r *http.Request, err error) {
	e := s.errorOf(r, err)
	if e.Code == "invalid_client" { // the browser has nothing to authenticate with
		e.status, e.challenge = http.StatusBadRequest, ""
	}
	s.pageHeaders(w.Header())
	e.setHeaders(w.Header())
	w.WriteHeader(e.status)
	_ = errorPage.Execute(w, e)
}

var errorPage = template.Must(template.New("error").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>This did not work</title></head>
<body><main><h1>This did not work</h1>
<p>The app that sent you here asked for something that is not possible: {{.Description}}.</p>
<p>Go back to the app and try again. If that does not help, tell its makers: {{.Code}}.</p></main></body></html>
`))

// plainConsent writes the page that asks.
func (s *Server) plainConsent(w http.ResponseWriter, p ConsentPage) { _ = consentPage.Execute(w, p) }

var consentPage = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Allow {{.ClientName}}?</title></head>
<body><main><h1>Allow {{.ClientName}}?</h1>
{{with .ClientHost}}<p>The app says that it is from <strong>{{.}}</strong>.</p>{{end}}
{{with .Account}}<p>You are logged in as {{.}}.</p>{{end}}
<p>It asks to use {{or .Resource.Name .Resource.URL}} in your name:</p>
<ul>{{range .Scopes}}<li>{{.Text}}</li>{{end}}</ul>
<p>Your answer goes to <strong>{{.Redirect}}</strong>.</p>
{{if .Registered}}<p class="warning">The app has given this name itself. Nobody has checked who it is from.</p>{{end}}
{{if .Loopback}}<p class="warning">That is a program on your own device. Allow this only if you have just started to log in from it.</p>{{end}}
<p>The access ends on {{.Ends.UTC.Format "2 January 2006"}} at the latest.</p>
<form method="post" action="{{.Action}}">{{range $name, $value := .Hidden}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form></main></body></html>
`))
