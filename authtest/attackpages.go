package authtest

import (
	"net/http"
	"net/url"
	"strings"
)

// otherOrigins returns origins that are not the program's, but may look so.
func (a *attack) otherOrigins() map[string]string {
	u, _ := url.Parse(a.cfg.Origin) // cfg was checked
	host, name := u.Host, u.Hostname()
	all := map[string]string{
		"another site": "https://attacker.test", "null": "null", "a site that begins like the host": "https://" + name + ".attacker.test",
		"a site that ends like the host": "https://attacker-" + host, "a site that ends so without a mark": "https://attacker" + host,
		"the host in a user name": "https://" + host + "@attacker.test", "another port of the host": "https://" + name + ":44444", "a dot turned into a letter": "https://" + strings.Replace(name, ".", "x", 1),
		"a file": "file://", "an underscore": "https://" + name + "_.attacker.test", "a sandbox of the host": "https://" + name + "%60.attacker.test",
	}
	for show, origin := range all {
		for _, allowed := range append([]string{a.cfg.Origin}, a.cfg.AllowedOrigins...) {
			if origin == allowed {
				delete(all, show)
			}
		}
	}
	return all
}

// csrf sends what a page of another site can make the victim's browser send: her cookies, no header of
// her own programs, and a body that needs no preflight.
func (a *attack) csrf() {
	const sentence = "A page of another site can change something in the name of the user whose browser shows it (CSRF, CWE-352)."
	for _, target := range a.targets {
		if _, ok := target.byWay[inCookie]; !ok || safe(target.method) {
			continue
		}
		forged := a.bare(target, a.ada).with(a.ada, inCookie)
		if kind := forged.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/x-www-form-urlencoded") && !strings.HasPrefix(kind, "multipart/form-data") {
			forged = forged.set("Content-Type", "text/plain;charset=UTF-8")
		}
		if target.method != http.MethodPost { // a page cannot send it, but a form that is taken for it
			forged.method = http.MethodPost
			separator := "?"
			if strings.Contains(forged.uri, "?") {
				separator = "&"
			}
			forged.uri += separator + "_method=" + target.method
		}
		for show, origin := range a.otherOrigins() {
			a.mustRefuse("csrf", sentence, forged.set("Origin", origin).showing("the Origin of %s", show))
			a.mustRefuse("csrf", sentence, forged.set("Origin", origin).set("Sec-Fetch-Site", "cross-site").showing("the Origin of %s and Sec-Fetch-Site: cross-site", show))
		}
		a.mustRefuse("csrf", sentence, forged.set("Sec-Fetch-Site", "cross-site").showing("no Origin and Sec-Fetch-Site: cross-site"))
		a.mustRefuse("csrf", sentence, forged.set("Sec-Fetch-Site", "same-site").set("Origin", a.sibling()).showing("the Origin of another host of the site"))
	}
}

// sibling returns the origin of another host of the program's site.
func (a *attack) sibling() string {
	u, _ := url.Parse(a.cfg.Origin)
	return "https://stranger." + u.Host
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions || method == http.MethodTrace
}

// webSocket opens a WebSocket as a page of another site does: browsers send cookies along, and no
// preflight (CWE-1385).
func (a *attack) webSocket() {
	for _, target := range a.targets {
		if _, ok := target.byWay[inCookie]; !ok {
			continue
		}
		s := a.bare(target, a.ada).with(a.ada, inCookie)
		s.method, s.body = http.MethodGet, nil
		s = s.set("Connection", "Upgrade").set("Upgrade", "websocket").set("Sec-Websocket-Version", "13").set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		for show, origin := range a.otherOrigins() {
			if got := a.send(s.set("Origin", origin).set("Sec-Fetch-Site", "cross-site")); got.status == http.StatusSwitchingProtocols {
				a.report("websocket", "A page of another site can open a WebSocket in the name of the user whose browser shows it.", s.showing("an upgrade and the Origin of %s", show))
			}
			if got := a.send(s.set("Origin", origin)); got.status == http.StatusSwitchingProtocols {
				a.report("websocket", "A page of another site can open a WebSocket in the name of the user whose browser shows it.", s.showing("an upgrade and the Origin of %s", show))
			}
		}
	}
}

// cors asks which pages may read answers that the victim's credentials get.
func (a *attack) cors() {
	const sentence = "A page of another site may read the answers to the user whose browser shows it (CORS)."
	check := func(got answer, origin string, s shot) {
		allowed := got.header.Get("Access-Control-Allow-Origin")
		if got.err == nil && got.header.Get("Access-Control-Allow-Credentials") == "true" && (allowed == origin || allowed == "*") {
			a.report("cors", sentence, s)
		}
	}
	for _, target := range a.targets {
		for w := range target.byWay {
			for show, origin := range a.otherOrigins() {
				s := a.bare(target, a.ada).with(a.ada, w).set("Origin", origin).showing("the Origin of %s", show)
				check(a.send(s), origin, s)
				preflight := shot{method: http.MethodOptions, uri: s.uri, header: http.Header{}}.set("Origin", origin).
					set("Access-Control-Request-Method", target.method).set("Access-Control-Request-Headers", "authorization,content-type").showing("a preflight from %s", show)
				check(a.send(preflight), origin, preflight)
			}
		}
	}
}
