package authui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// keyLives are the lives of API keys that the page offers, in days.
var keyLives = []int{30, 90, 365}

// keysView is what the page of API keys shows.
type keysView struct {
	Keys   []keyView
	Scopes []string // what the user may give a key
	Days   []int
}

// keyView is an API key.
type keyView struct {
	ID, Name, Scope string
	Expires, Used   string // Used: "" if it was never used
}

// showKeys is the page of the user's API keys.
func (p *Pages) showKeys(v *visit) {
	var list struct {
		Keys []struct {
			ID, Name, Scope string
			ExpiresAt       time.Time  `json:"expires_at"`
			LastUsedAt      *time.Time `json:"last_used_at"`
		}
	}
	re := v.call("GET /keys", nil)
	if !v.answered(re) {
		return
	}
	if err := re.decode(&list); err != nil {
		v.fail(err)
		return
	}
	data := keysView{Scopes: v.principal.Scopes(), Days: keyLives}
	for _, k := range list.Keys {
		key := keyView{ID: k.ID, Name: k.Name, Scope: strings.Join(strings.Fields(k.Scope), ", "), Expires: v.time(k.ExpiresAt)}
		if k.LastUsedAt != nil {
			key.Used = v.time(*k.LastUsedAt)
		}
		data.Keys = append(data.Keys, key)
	}
	v.showAccountPage("keys", data)
}

// changeKeys creates or deletes an API key.
func (p *Pages) changeKeys(v *visit) {
	if id := v.value("id"); id != "" {
		v.changed(v.call("DELETE /keys/"+url.PathEscape(id), nil), "key_deleted")
		return
	}
	body := v.fields("name")
	if scopes := v.form["scope"]; len(scopes) > 0 {
		body["scope"] = strings.Join(scopes, " ")
	}
	days, err := strconv.Atoi(v.value("days"))
	if err != nil || days < 1 || days > 10_000 {
		v.refuse(http.StatusBadRequest, "problem.malformed")
		p.showKeys(v)
		return
	}
	body["expires_in"] = strconv.Itoa(days * 24 * 60 * 60)
	var created struct{ Name, Key string }
	if v.given(v.call("POST /keys", body), &created) {
		v.showAccountPage("newkey", created)
	}
}
