package authui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// accountPages returns the pages for users who are logged in.
func (p *Pages) accountPages() []page {
	pages := []page{
		{path: "/account", account: true, get: p.showAccount},
		{path: "/account/sessions", needs: "DELETE /sessions/{id}", account: true, get: p.showAccount, post: p.endSession},
		{path: "/account/password", needs: "POST /password", account: true, get: p.showPassword, post: p.changePassword},
		{path: "/account/address", needs: "POST /address", account: true, get: p.showAddress, post: p.changeAddress},
		{path: "/account/factor", needs: "POST /mfa/begin", account: true, get: p.showFactor, post: p.changeFactor},
		{path: "/account/keys", needs: "POST /keys", account: true, get: p.showKeys, post: p.changeKeys},
		{path: "/account/delete", needs: "POST /account/delete", account: true, get: p.showDelete, post: p.deleteAccount},
		{path: "/account/confirm", needs: "POST /step-up", account: true, get: p.showConfirm, post: p.confirm},
	}
	if p.cfg.Apps != nil {
		pages = append(pages, page{path: "/account/apps", account: true, get: p.showAccount, post: p.endApp})
	}
	return pages
}

// accountView is what the page of the account shows.
type accountView struct {
	Username  string
	Factor    bool // there is a second factor
	Sessions  []sessionView
	HasOthers bool // there are sessions other than this one
	Apps      []appView
}

// sessionView is a login of the user.
type sessionView struct {
	ID               string
	Browser, System  string // of the device, or ""
	IP               string
	LastUsed, Exact  string // time for people and for programs
	Current, Unknown bool   // this session; nothing is known about the device
}

// showAccount is the page of the account.
func (p *Pages) showAccount(v *visit) {
	var data accountView
	if p.has("GET /me") {
		re := v.call("GET /me", nil)
		if !v.answered(re) {
			return
		}
		data.Username = re.User.Username
	}
	if p.has("GET /sessions") {
		var list struct {
			Sessions []struct {
				ID         string
				Current    bool
				LastUsedAt time.Time `json:"last_used_at"`
				UserAgent  string    `json:"user_agent"`
				IP         string
			}
		}
		re := v.call("GET /sessions", nil)
		if !v.answered(re) {
			return
		}
		if err := re.decode(&list); err != nil {
			v.fail(err)
			return
		}
		for _, s := range list.Sessions {
			browser, system := device(s.UserAgent)
			data.Sessions = append(data.Sessions, sessionView{
				ID: s.ID, Browser: browser, System: system, IP: s.IP, Current: s.Current, Unknown: browser == "" && system == "",
				LastUsed: v.time(s.LastUsedAt), Exact: s.LastUsedAt.UTC().Format(time.RFC3339),
			})
			data.HasOthers = data.HasOthers || !s.Current
		}
	}
	slices.SortStableFunc(data.Sessions, func(a, b sessionView) int { // this one first, the last used next
		switch {
		case a.Current == b.Current:
			return 0
		case a.Current:
			return -1
		}
		return 1
	})
	if p.has("POST /mfa/begin") {
		has, err := p.accounts.HasSecondFactor(v.r.Context(), v.principal.Subject())
		if err != nil {
			v.fail(err)
			return
		}
		data.Factor = has
	}
	var err error
	if data.Apps, err = v.apps(); err != nil {
		v.fail(err)
		return
	}
	v.showAccountPage("account", data)
}

// time returns a time as the texts write it.
func (v *visit) time(t time.Time) string { return t.UTC().Format(v.texts.text("format.time")) }

// showAccountPage shows a page whose forms are bound to the login of the user.
func (v *visit) showAccountPage(name string, data any) {
	v.readNotice()
	v.showBound(name, v.binding(v.page), data)
}

// answered reports whether an endpoint gave what a page of the account shows. Otherwise it answers.
func (v *visit) answered(re *reply) bool {
	switch {
	case re.ok():
		return true
	case re.Status == http.StatusUnauthorized:
		v.redirect(v.resumePath(v.page.path))
	default:
		v.failWith(re)
	}
	return false
}

// changed answers an attempt to change something: it leads to the page of the account, which says what has
// been done, asks for a proof of identity, or shows the form again.
func (v *visit) changed(re *reply, notice string) {
	if token, ok := re.mfaToken(); ok { // the change is made; the new session asks for the second factor
		v.show("code", token)
		return
	}
	switch {
	case re.ok():
		v.redirect(v.cfg.Prefix + "/account?notice=" + notice)
	case re.needsProof() && v.has("POST /step-up"):
		v.redirect(v.cfg.Prefix + "/account/confirm?" + url.Values{"to": {v.page.path}}.Encode())
	case re.Status == http.StatusUnauthorized:
		v.redirect(v.resumePath(v.page.path))
	default:
		v.refuseWith(re)
		v.page.get(v)
	}
}

// endSession logs one device out, or all others.
func (p *Pages) endSession(v *visit) {
	if v.value("others") != "" {
		v.changed(v.call("DELETE /sessions", nil), "others_ended")
		return
	}
	v.changed(v.call("DELETE /sessions/"+url.PathEscape(v.value("id")), nil), "session_ended")
}

func (p *Pages) showPassword(v *visit) { v.showAccountPage("password", nil) }

// changePassword changes the password.
func (p *Pages) changePassword(v *visit) {
	v.changed(v.call("POST /password", v.fields("current_password", "new_password")), "password_changed")
}

func (p *Pages) showAddress(v *visit) { v.showAccountPage("address", nil) }

// changeAddress sends a link to a new address.
func (p *Pages) changeAddress(v *visit) {
	v.changed(v.call("POST /address", v.fields("current_password", "address")), "address_sent")
}

// enrolment is what an authenticator app is set up with.
type enrolment struct {
	Secret string `json:"secret"`
	URL    string `json:"otpauth_url"`
}

// showFactor is the page of the second factor.
func (p *Pages) showFactor(v *visit) {
	if v.value("do") == "confirm" && v.problem != "" && strings.HasPrefix(v.value("url"), "otpauth://") {
		v.showSetup(enrolment{v.value("secret"), v.value("url")})
		return
	}
	has, err := p.accounts.HasSecondFactor(v.r.Context(), v.principal.Subject())
	if err != nil {
		v.fail(err)
		return
	}
	v.showAccountPage("factor", has)
}

// changeFactor sets up, removes or renews the second factor.
func (p *Pages) changeFactor(v *visit) {
	switch v.value("do") {
	case "begin":
		var begun enrolment
		re := v.call("POST /mfa/begin", v.fields("current_password"))
		if v.given(re, &begun) {
			v.showSetup(begun)
		}
	case "confirm":
		p.showCodes(v, v.call("POST /mfa/confirm", v.fields("current_password", "code")))
	case "renew":
		p.showCodes(v, v.call("POST /mfa/recovery-codes", v.fields("current_password", "code")))
	case "remove":
		v.changed(v.call("POST /mfa/remove", v.fields("current_password", "code")), "factor_removed")
	default:
		v.refuse(http.StatusBadRequest, "problem.malformed")
		p.showFactor(v)
	}
}

// given reads what an endpoint gave, or answers as changed does and returns false.
func (v *visit) given(re *reply, into any) bool {
	if !re.ok() {
		v.changed(re, "")
		return false
	}
	if err := re.decode(into); err != nil {
		v.fail(err)
		return false
	}
	return true
}

// showCodes shows recovery codes, this once.
func (p *Pages) showCodes(v *visit, re *reply) {
	var given struct {
		Codes []string `json:"recovery_codes"`
	}
	if v.given(re, &given) {
		v.showAccountPage("recoverycodes", given.Codes)
	}
}

func (p *Pages) showDelete(v *visit) { v.showAccountPage("delete", nil) }

// deleteAccount deletes the account.
func (p *Pages) deleteAccount(v *visit) {
	re := v.call("POST /account/delete", v.fields("current_password"))
	if re.ok() {
		v.redirect(p.cfg.Prefix + "/login?notice=deleted")
		return
	}
	v.changed(re, "")
}

// confirmView is what the page shows that asks for a proof of identity.
type confirmView struct {
	To     string // path of the page that asked
	Factor bool
}

// showConfirm is the page that asks for a proof of identity.
func (p *Pages) showConfirm(v *visit) {
	to := v.value("to")
	if v.r.Method != http.MethodPost {
		to = v.r.URL.Query().Get("to")
	}
	has, err := p.accounts.HasSecondFactor(v.r.Context(), v.principal.Subject())
	if err != nil {
		v.fail(err)
		return
	}
	v.showAccountPage("confirm", confirmView{to, has})
}

// confirm proves the identity of the user again, and leads to the page that asked.
func (p *Pages) confirm(v *visit) {
	re := v.call("POST /step-up", v.fields("password", "code"))
	if !re.ok() {
		v.changed(re, "")
		return
	}
	to := "/account"
	for _, page := range p.accountPages() {
		if page.path == v.value("to") && page.path != "/account/sessions" {
			to = page.path
		}
	}
	v.redirect(p.cfg.Prefix + to + "?notice=confirmed")
}

// showSetup is the page that sets up an authenticator app.
func (v *visit) showSetup(begun enrolment) {
	v.showAccountPage("setup", setupView{begun, groups(begun.Secret)})
}

// setupView is what the page shows that sets up an authenticator app.
type setupView struct {
	enrolment
	Grouped string // secret for people who type it
}

// groups returns a text in groups of four characters.
func groups(text string) string {
	var b strings.Builder
	for i, c := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Names of browsers and systems in a User-Agent. The first that is there counts: most browsers name others,
// too.
var (
	browsers = [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// device returns the names of the browser and of the system in a User-Agent, each "" if it is not known.
func device(userAgent string) (browser, system string) {
	return firstNamed(browsers, userAgent), firstNamed(systems, userAgent)
}

func firstNamed(names [][2]string, text string) string {
	for _, name := range names {
		if strings.Contains(text, name[0]) {
			return name[1]
		}
	}
	return ""
}
