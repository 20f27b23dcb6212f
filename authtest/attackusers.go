package authtest

import (
	"net/http"
	"strings"
)

// tossing sends the cookies of two users in one request, as happens when a page of another host of the
// site sets a cookie for all of them. Names with the prefix __Host- cannot be set from there (RFC 6265bis
// section 4.1.3.2).
func (a *attack) tossing() {
	const sentence = "A page of another host of the site can put its own cookie beside the user's, so that she acts in the account of an attacker."
	for _, target := range a.targets {
		good, ok := target.byWay[inCookie]
		if !ok {
			continue
		}
		for i, c := range a.ada.Cookies {
			other := a.cookieOfEve(c.Name)
			if other == "" || other == c.Value || !a.needs(target, i) {
				continue
			}
			s := a.good(target, a.ada, inCookie)
			victims := cookies(a.ada.Cookies)
			if !hostPrefixed(c.Name) {
				for show, header := range map[string]string{"first": c.Name + "=" + other + "; " + victims, "last": victims + "; " + c.Name + "=" + other} {
					tossed := s.set("Cookie", header).showing("two cookies %s, the attacker's %s", c.Name, show)
					if got := a.send(tossed); a.shows(got, target.byEve[inCookie], a.eve) && !a.shows(got, good, a.ada) {
						a.report("tossing", sentence, tossed)
					}
				}
			}
			if swapped := swapCase(c.Name); swapped != c.Name { // a browser lets another host set this name
				s = s.set("Cookie", strings.ReplaceAll(victims, c.Name+"="+c.Value, swapped+"="+other))
				a.mustRefuse("tossing", sentence, s.showing("the cookie under the name %s", swapped))
			}
		}
	}
}

func hostPrefixed(name string) bool {
	return strings.HasPrefix(name, "__Host-") || strings.HasPrefix(name, "__Host-Http-")
}

// cookieOfEve returns the value of one of Eve's cookies, or "".
func (a *attack) cookieOfEve(name string) string {
	for _, c := range a.eve.Cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// swap sends the credentials of one user with everything else of another: identity comes from the
// credentials of this request, never from a session that it names.
func (a *attack) swap() {
	const sentence = "With credentials of one user and a session of another, the other's answer comes: a user can act as another."
	for _, target := range a.targets {
		for w, good := range target.byWay {
			if _, ok := target.byEve[w]; !ok {
				continue
			}
			s := a.good(target, a.ada, w).with(a.eve, w)
			if target.route.Owned {
				own := a.bare(target, a.ada).with(a.eve, w)
				own.header.Set("Origin", a.cfg.Origin)
				for name, values := range a.eve.Header {
					own.header[name] = values
				}
				a.mustRefuse("owned", "A user gets at what belongs to another by its ID (IDOR, CWE-639).", own.showing("the ID of the victim's and the attacker's credentials"))
				continue
			}
			stolen := map[string]shot{}
			if len(a.ada.Header) > 0 {
				stolen["the attacker's credentials and the victim's other headers"] = s
			}
			if w == inHeader && len(a.ada.Cookies) > 0 {
				stolen["the attacker's token and the victim's cookies"] = s.set("Cookie", cookies(a.ada.Cookies)).set("Origin", a.cfg.Origin)
			}
			for show, s := range stolen {
				got := a.send(s)
				if a.shows(got, good, a.ada) && !a.shows(got, target.byEve[w], a.eve) {
					a.report("swap", sentence, s.showing("%s", show))
				}
			}
		}
	}
}

// caching looks at whether a shared cache may keep what is for one user (RFC 9111 section 3.5), and
// whether anything may keep the answer to a login (RFC 6749 section 5.1).
func (a *attack) caching() {
	const sentence = "A private answer says that shared caches may keep it, so that they give it to others."
	for _, target := range a.targets {
		for w, good := range target.byWay {
			directives := directivesOf(good.header)
			_, public := directives["public"]
			_, shared := directives["s-maxage"]
			_, private := directives["private"]
			_, noStore := directives["no-store"]
			age := directives["max-age"]
			fresh := age != "" && age != "0" || good.header.Get("Expires") != "" && len(directives) == 0
			if (public || shared || w == inCookie && fresh) && !private && !noStore {
				a.report("caching", sentence, a.good(target, a.ada, w).showing("Cache-Control: %s in the answer", good.header.Get("Cache-Control")))
			}
		}
	}
	if a.cfg.LoginRequest != nil {
		s := a.login()
		got := a.send(s)
		if _, ok := directivesOf(got.header)["no-store"]; got.letIn() && !ok {
			a.report("login-cached", "The answer to a login may be kept by a cache: it lacks Cache-Control: no-store.", s)
		}
	}
}

// directivesOf returns the directives of Cache-Control.
func directivesOf(header http.Header) map[string]string {
	all := map[string]string{}
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		if name != "" {
			all[name] = strings.Trim(value, `"`)
		}
	}
	return all
}
