package authui

import "net/http"

// showLogin is the page that logs in.
func (p *Pages) showLogin(v *visit) {
	if link := v.link(); link != "" && p.has("POST /login/link") {
		v.show("loginlink", link)
		return
	}
	if v.principal == nil && v.problem == "" {
		if p.cookies.MayRefresh(v.r) {
			v.redirect(v.resumePath(""))
			return
		}
		if fromElsewhere(v.r) { // there may be a refresh token that the browser did not send
			v.w.Header().Set("Refresh", "0; url="+v.resumePath(""))
		}
	}
	if v.principal != nil && v.problem == "" && v.returnTo == "" {
		v.redirect(v.target)
		return
	}
	v.readNotice()
	v.show("login", nil)
}

// login logs in with a username and a password, or with the link of a mail.
func (p *Pages) login(v *visit) {
	if v.value("token") != "" && p.has("POST /login/link") {
		p.finish(v, v.call("POST /login/link", v.loginFields("token")), func() { v.show("loginlink", v.value("token")) })
		return
	}
	p.finish(v, v.call("POST /login", v.loginFields("username", "password")), func() { p.showLogin(v) })
}

// loginFields returns the fields of a form that logs in.
func (v *visit) loginFields(names ...string) map[string]string {
	if v.remember {
		names = append(names, "remember")
	}
	return v.fields(names...)
}

// loginCode proves the second factor of a login.
func (p *Pages) loginCode(v *visit) {
	p.finish(v, v.call("POST /login/mfa", v.fields("mfa_token", "code")), func() { v.show("code", v.value("mfa_token")) })
}

// finish answers an attempt to log in: it leads to where the user wanted to go, asks for the second factor,
// or shows the form again.
func (p *Pages) finish(v *visit, re *reply, again func()) {
	if token, ok := re.mfaToken(); ok {
		v.show("code", token)
		return
	}
	if re.ok() {
		v.redirect(v.target)
		return
	}
	v.refuseWith(re)
	again()
}

// logout ends the session of the browser.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	v := p.visit(w, r)
	err := v.readForm()
	if err == nil {
		err = p.cookies.CheckForm(r, "", v.value("form_token"))
	}
	if err != nil {
		v.fail(err)
		return
	}
	if re := v.call("POST /logout", nil); !re.ok() {
		v.failWith(re)
		return
	}
	v.redirect(p.cfg.Prefix + "/login?notice=logged_out")
}

// showMailLogin is the page that asks for the address of an account, to log in by mail.
func (p *Pages) showMailLogin(v *visit) { v.show("mail", nil) }

// requestMailLogin sends the mail, and asks for its code.
func (p *Pages) requestMailLogin(v *visit) {
	var sent struct{ Challenge string }
	re := v.call("POST /login/link/request", v.fields("address"))
	if !re.ok() {
		v.refuseWith(re)
		v.show("mail", nil)
		return
	}
	if err := re.decode(&sent); err != nil {
		v.fail(err)
		return
	}
	v.show("mailcode", sent.Challenge)
}

// loginByCode logs in with the code of a mail.
func (p *Pages) loginByCode(v *visit) {
	again := func() { v.show("mailcode", v.value("challenge")) }
	p.finish(v, v.call("POST /login/code", v.loginFields("challenge", "code")), again)
}

// showRegister is the page that creates an account.
func (p *Pages) showRegister(v *visit) { v.show("register", nil) }

// register creates an account and logs in.
func (p *Pages) register(v *visit) {
	re := v.call("POST /register", v.fields("username", "password"))
	if !re.ok() {
		v.refuseWith(re)
		v.show("register", nil)
		return
	}
	p.finish(v, v.call("POST /login", v.loginFields("username", "password")), func() { p.showLogin(v) })
}
