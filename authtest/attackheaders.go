package authtest

import (
	"net/http"
	"net/url"
	"strings"
)

const namedUser = "A header of the request names the user, and nothing proves it: anybody can be anybody."

// headers sends what proxies set, and what programs behind a proxy may trust, without credentials.
func (a *attack) headers() {
	for _, target := range a.targets {
		bare := a.bare(target, a.ada)
		id := a.ada.ID
		if id == "" {
			id = a.ada.Mark
		}
		for _, name := range []string{
			"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Remote-User", "Remote-User", "X-User", "X-User-Id", "X-Username",
			"X-Auth-User", "X-Authenticated-User", "X-Authenticated-Userid", "X-Auth-Request-User", "X-Webauth-User", "X-Ms-Client-Principal-Name", "From",
		} {
			if id == "" {
				break
			}
			a.mustRefuse("named-user", namedUser, bare.set(name, id).showing("%s and no credentials", name))
			for w, good := range target.byWay {
				if _, ok := target.byEve[w]; !ok {
					continue
				}
				s := a.good(target, a.eve, w).set(name, id).showing("%s and the attacker's credentials", name)
				if got := a.send(s); a.shows(got, good, a.ada) && !a.shows(got, target.byEve[w], a.eve) {
					a.report("named-user", namedUser, s)
				}
			}
		}
		for _, header := range [][2]string{
			{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-Ip", "127.0.0.1"}, {"X-Client-Ip", "127.0.0.1"}, {"True-Client-Ip", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1;proto=https"},
			{"X-Forwarded-Host", "localhost"}, {"X-Original-Url", "/"}, {"X-Rewrite-Url", "/"}, {"X-Original-Uri", "/"}, {"X-Forwarded-Uri", "/"}, {"X-Forwarded-Prefix", "/public"},
			{"X-Http-Method-Override", "OPTIONS"}, {"X-Http-Method", "OPTIONS"}, {"X-Method-Override", "OPTIONS"}, {"X-Forwarded-Method", "OPTIONS"},
			{"X-Middleware-Subrequest", "middleware:middleware:middleware:middleware:middleware"}, {"X-Internal", "true"}, {"X-Debug", "1"}, {"X-Admin", "true"},
		} {
			a.mustRefuse("trusted-header", "A header that anybody can send takes the place of credentials.", bare.set(header[0], header[1]).showing("%s: %s and no credentials", header[0], header[1]))
		}
		if bare.method != http.MethodGet && bare.method != http.MethodHead {
			s := bare
			s.method = http.MethodPost
			for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
				a.mustRefuse("trusted-header", "A header that anybody can send takes the place of credentials.", s.set(name, bare.method).showing("%s: %s and no credentials", name, bare.method))
			}
		}
	}
}

// credentials sends the victim's token in ways that two readers of a request see differently (RFC 6750
// section 3.1: a request with more than one of them is malformed).
func (a *attack) credentials() {
	for _, target := range a.targets {
		if _, ok := target.byWay[inHeader]; !ok {
			continue
		}
		s := a.good(target, a.ada, inHeader)
		token, broken := a.ada.authorization(a.ada.Token), a.ada.authorization("x")
		const twice = "A request with two credentials is let in: a proxy or a log that reads the other one sees another caller."
		for show, values := range map[string][]string{
			"two Authorization headers, the victim's first": {token, broken}, "two Authorization headers, the victim's last": {broken, token},
			"two Authorization headers of two users": {token, a.eve.authorization(a.eve.Token)}, "two tokens in a header, with a comma": {token + ", " + broken},
			"two tokens in a header, the victim's last": {broken + ", " + token}, "a token and a word": {token + " x"},
			"two schemes": {"Basic YTpi", token},
		} {
			a.mustRefuse("two-credentials", twice, s.setAll("Authorization", values...).showing("%s", show))
		}
		for _, scheme := range []string{"Basic", "Digest", "Negotiate"} {
			a.mustRefuse("scheme", "A token is accepted under another scheme.", s.set("Authorization", scheme+" "+a.ada.Token).showing("the victim's token under %s", scheme))
		}
	}
}

// query sends the victim's token in the URL, which ends in logs, histories and the Referer (RFC 9700
// section 4.3.2).
func (a *attack) query() {
	if a.ada.Token == "" {
		return
	}
	for _, target := range a.targets {
		bare := a.bare(target, a.ada)
		separator := "?"
		if strings.Contains(bare.uri, "?") {
			separator = "&"
		}
		for _, name := range []string{"access_token", "token", "auth", "auth_token", "authToken", "jwt", "bearer", "api_key", "apikey", "key", "authorization", "Authorization", "id_token", "session"} {
			for _, value := range []string{a.ada.Token, a.ada.authorization(a.ada.Token)} {
				s := bare
				s.uri += separator + name + "=" + url.QueryEscape(value)
				a.mustRefuse("query", "A token in the URL is accepted: URLs end in logs, in histories and at other sites.", s.showing("the token in the parameter %s", name))
			}
		}
	}
}

// paths asks for a route in other ways, without credentials. An answer is a fault if it is the one that
// the owner gets.
func (a *attack) paths() {
	for _, target := range a.targets {
		bare := a.bare(target, a.ada)
		path, query, _ := strings.Cut(bare.uri, "?")
		if query != "" {
			query = "?" + query
		}
		uris := map[string]string{
			"a slash at its end": path + "/", "a dot before it": "/." + path, "a detour": "/x/.." + path, "capitals": strings.ToUpper(path),
			"an escape": escaped(path), "a slash escaped": path + "%2f", "a semicolon": path + ";x", "a suffix": path + ".json", "a dot after it": path + "/.", "two escapes": path + "%252f",
			"an empty byte": path + "%00", "a space": path + "%20",
		}
		shots := []shot{}
		for show, uri := range uris {
			s := bare
			s.uri = uri + query
			shots = append(shots, s.showing("%s in its path and no credentials", show))
		}
		for _, method := range []string{"HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "QUERY", "PROPFIND"} {
			s := bare
			if s.method != method {
				s.method = method
				shots = append(shots, s.showing("no credentials"))
			}
		}
		for _, s := range shots {
			got := a.send(s)
			for w, good := range target.byWay {
				if a.shows(got, good, a.ada) || a.shows(got, target.byEve[w], a.eve) {
					a.report("way-around", "Another spelling of the path, or another method, leads around the check of credentials.", s)
				}
			}
		}
	}
}

// escaped returns a path whose last letter is escaped.
func escaped(path string) string {
	if len(path) < 2 {
		return path
	}
	const digits = "0123456789ABCDEF"
	c := path[len(path)-1]
	return path[:len(path)-1] + "%" + string(digits[c>>4]) + string(digits[c&15])
}
