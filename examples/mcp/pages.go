package main

import (
	"html/template"
	"net/http"
)

// page writes a page. Nothing may frame or store it. There is no form-action: after a login, the browser may
// be sent on to an app.
func page(w http.ResponseWriter, status int, t *template.Template, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = t.Execute(w, data)
}

func pageOf(title, body string) *template.Template {
	return template.Must(template.New(title).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>` + title + `</title></head>
<body><main><h1>` + title + `</h1>
` + body + `
</main></body></html>
`))
}

var loginForm = pageOf("Log in", `{{with .Message}}<p role="alert">{{.}}</p>{{end}}
<form method="post" action="{{.Action}}">
<input type="hidden" name="form" value="{{.Secret}}"><input type="hidden" name="return_to" value="{{.ReturnTo}}">
<p><label>Name <input type="text" name="username" autocomplete="username" required></label></p>
<p><label>Password <input type="password" name="password" autocomplete="current-password" required></label></p>
<p><button>Log in</button></p></form>`)

var homePage = pageOf("Notes", `<p>You are logged in as {{.Name}}.</p>
<form method="post" action="{{.Logout}}"><button>Log out</button></form>`)

var messagePage = pageOf("This did not work", `<p>{{.}}</p>`)
