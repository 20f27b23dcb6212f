package authui

import "net/http"

// showForgot is the page that asks for the address of an account whose password is forgotten.
func (p *Pages) showForgot(v *visit) { v.show("forgot", nil) }

// forgot sends a link that resets the password. It does not reveal whether there is such an account.
func (p *Pages) forgot(v *visit) {
	v.sent(v.call("POST /password/forgot", v.fields("address")), p.showForgot)
}

// sent says that a mail is on its way, or shows the form again.
func (v *visit) sent(re *reply, again func(*visit)) {
	if !re.ok() {
		v.refuseWith(re)
		again(v)
		return
	}
	v.show("sent", nil)
}

// link returns the token of the link that led to the page, or that its form holds.
func (v *visit) link() string {
	if v.r.Method == http.MethodPost {
		return v.value("token")
	}
	return v.r.URL.Query().Get("token")
}

// showReset is the page that a link to reset the password leads to.
func (p *Pages) showReset(v *visit) {
	if v.link() == "" {
		v.redirect(v.path("/forgot"))
		return
	}
	v.show("reset", v.link())
}

// reset sets a new password.
func (p *Pages) reset(v *visit) {
	re := v.call("POST /password/reset", v.fields("token", "new_password"))
	if !re.ok() {
		v.refuseWith(re)
		p.showReset(v)
		return
	}
	v.redirect(p.cfg.Prefix + "/login?notice=password_reset")
}

// showVerify is the page that a link to confirm an address leads to. Without a link it sends one.
func (p *Pages) showVerify(v *visit) {
	if v.link() == "" {
		v.show("verifyagain", nil)
		return
	}
	v.show("verify", v.link())
}

// verify confirms an address, by the current password or by a new one, or sends another link.
func (p *Pages) verify(v *visit) {
	if v.link() == "" {
		v.sent(v.call("POST /verify/request", v.fields("address")), p.showVerify)
		return
	}
	p.proven(v, v.call("POST /verify", v.fields("token", "current_password", "new_password")), "verified", p.showVerify)
}

// proven leads on after a link has been used, or shows the form again.
func (p *Pages) proven(v *visit, re *reply, notice string, again func(*visit)) {
	switch {
	case !re.ok():
		v.refuseWith(re)
		again(v)
	case v.principal != nil:
		v.redirect(p.cfg.Prefix + "/account?notice=" + notice)
	default:
		v.redirect(p.cfg.Prefix + "/login?notice=" + notice)
	}
}

// showChange is the page that a link to change the address leads to.
func (p *Pages) showChange(v *visit) { v.show("change", v.link()) }

// change changes the address of an account.
func (p *Pages) change(v *visit) {
	p.proven(v, v.call("POST /address/confirm", v.fields("token", "current_password")), "address_changed", p.showChange)
}
