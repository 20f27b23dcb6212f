package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Paths of the grant for devices.
const (
	pathDeviceStart    = "/device_authorization"
	pathDevice         = "/device"
	pathDeviceDecision = "/device/decision"
)

// DeviceStep is where a user stands who lets a device in.
type DeviceStep string

// The steps.
const (
	DeviceEnter   DeviceStep = "enter"   // the page asks for the code that the device shows
	DeviceDecide  DeviceStep = "decide"  // the page shows that code, and asks
	DeviceAllowed DeviceStep = "allowed" // the device will be let in
	DeviceDenied  DeviceStep = "denied"  // it will not
)

// DevicePage is what a page for the user of a device shows (RFC 8628 section 3.3).
//
// The page with [DeviceEnter] has a form that sends the field "user_code" to Action with GET. The page with
// [DeviceDecide] is like a [ConsentPage]: its form posts Hidden and a button to Action, whose name is
// "decision" and whose value is "allow" or "deny", and it may have the fields "scope" and "narrow". It must
// show the code, for the user to compare it with that of the device, and warn of codes that somebody has
// sent: whoever allows one of these lets a stranger in (section 5.4). Both buttons must be equally prominent.
//
// [Server] has set the headers of the answer by then, as for a ConsentPage.
type DevicePage struct {
	Step    DeviceStep
	Unknown bool              // with DeviceEnter: the code that was typed in is unknown, expired or decided
	Action  string            // address of the form
	Hidden  map[string]string // hidden fields

	// With DeviceDecide.
	Code       string // the code, as the device shows it
	Account    string // as in a ConsentPage, like all that follows
	ClientID   string
	ClientName string
	ClientHost string
	Registered bool
	Scopes     []Scope
	Resource   Resource
	Ends       time.Time
}

// deviceAsked is what the page that asks carries, sealed. It is bound to the login that saw it, so it is also
// what no other site can know.
type deviceAsked struct {
	UserCode string `json:"c"`
	Secret   []byte `json:"d"` // digest of the rest of the device's code: another device may get the same UserCode
	User     string `json:"u"`
	Session  string `json:"l"`
}

// devicePage shows the page for the user of a device, who must be logged in.
func (s *Server) devicePage(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	if wait := s.limits.authorize.take(networks(s.clientIP(r))...); wait > 0 {
		s.show(w, r, tooMany(wait))
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		s.show(w, r, &refusal{Code: "invalid_request", Description: "the request is too long", status: http.StatusRequestURITooLong})
		return
	}
	user, err := s.user(r)
	text := r.URL.Query().Get("user_code")
	switch {
	case err != nil:
		s.show(w, r, err)
	case user == nil && text == "":
		s.toLogin(w, r, s.base+pathDevice)
	case user == nil:
		s.toLogin(w, r, s.base+pathDevice+"?"+url.Values{"user_code": {text}}.Encode())
	case text == "":
		s.writeDevicePage(w, r, http.StatusOK, DevicePage{Step: DeviceEnter, Action: s.base + pathDevice})
	default:
		s.askDevice(w, r, user, text)
	}
}

// askDevice asks the user about a code that was typed in. Tries are counted by network and by account.
func (s *Server) askDevice(w http.ResponseWriter, r *http.Request, user *auth.Principal, text string) {
	wait := s.limits.typed.take(networks(s.clientIP(r))...)
	if wait == 0 {
		wait = s.limits.typed.take("account " + user.Subject())
	}
	if wait > 0 {
		s.show(w, r, tooMany(wait))
		return
	}
	userCode, ok := readUserCode(text)
	var d device
	if ok {
		var err error
		if d, ok, err = s.openDevice(r.Context(), userCode); err != nil {
			s.show(w, r, err)
			return
		}
	}
	if !ok {
		s.writeDevicePage(w, r, http.StatusNotFound, DevicePage{Step: DeviceEnter, Unknown: true, Action: s.base + pathDevice})
		return
	}
	page, err := s.pageOf(r, user, userCode, d)
	if err != nil {
		s.show(w, r, err)
		return
	}
	s.writeDevicePage(w, r, http.StatusOK, page)
}

// openDevice returns what a device has asked for whose user has not decided. ok is false if there is none.
func (s *Server) openDevice(ctx context.Context, userCode string) (d device, ok bool, err error) {
	d, _, now, ok, err := s.deviceOf(ctx, userCode)
	return d, ok && d.State == deviceWaits && now.Before(d.End), err
}

// pageOf returns the page that asks.
func (s *Server) pageOf(r *http.Request, user *auth.Principal, userCode string, d device) (DevicePage, error) {
	req := d.Code.Request
	c, err := s.client(r.Context(), req.Client, s.clientIP(r))
	if err != nil {
		return DevicePage{}, err
	}
	page := DevicePage{
		Step: DeviceDecide, Action: s.base + pathDeviceDecision, Code: shownUserCode(userCode),
		ClientID: c.id, ClientName: c.name, ClientHost: c.host, Registered: !c.known && c.host == "",
		Ends: time.Now().Add(s.cfg.GrantLife),
	}
	page.Resource, _ = s.resource(req.Resource)
	for _, scope := range page.Resource.Scopes {
		if slices.Contains(req.Scopes, scope.Name) {
			page.Scopes = append(page.Scopes, scope)
		}
	}
	asked, err := json.Marshal(deviceAsked{userCode, d.Secret, user.Subject(), user.SessionID()})
	if err != nil {
		return DevicePage{}, err
	}
	sealed, err := s.seal("device", askTime, asked)
	if err == nil && s.cfg.Account != nil {
		page.Account, err = s.cfg.Account(r.Context(), user.Subject())
	}
	page.Hidden = map[string]string{"request": sealed}
	return page, err
}

// decideDevice takes the user's decision about a device. One compare-and-swap makes it the only one.
func (s *Server) decideDevice(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	if !s.sameOrigin(r) {
		s.show(w, r, &refusal{Code: "access_denied", Description: "the form comes from another site", status: http.StatusForbidden})
		return
	}
	if wait := s.limits.authorize.take(networks(s.clientIP(r))...); wait > 0 {
		s.show(w, r, tooMany(wait))
		return
	}
	user, err := s.loggedIn(r)
	var f form
	var all url.Values
	if err == nil {
		f, all, err = readForm(w, r, "scope")
	}
	var step DeviceStep
	if err == nil {
		step, err = s.takeDevice(r.Context(), user, f, all)
	}
	if err != nil {
		s.show(w, r, err)
		return
	}
	s.writeDevicePage(w, r, http.StatusOK, DevicePage{Step: step})
}

// takeDevice stores a decision.
func (s *Server) takeDevice(ctx context.Context, user *auth.Principal, f form, all url.Values) (DeviceStep, error) {
	var asked deviceAsked
	text, ok := s.unseal("device", f["request"])
	decision := f["decision"]
	switch {
	case !ok || json.Unmarshal(text, &asked) != nil || asked.User != user.Subject() || asked.Session != user.SessionID():
		return "", &refusal{Code: "access_denied", Description: "this page is too old, or was made for another login: type the code in again", status: http.StatusForbidden}
	case decision != "allow" && decision != "deny":
		return "", refuse("invalid_request", "the form has no decision")
	}
	for range maxConflicts {
		d, record, now, ok, err := s.deviceOf(ctx, asked.UserCode)
		if err != nil {
			return "", err
		}
		if !ok || d.State != deviceWaits || !now.Before(d.End) || string(d.Secret) != string(asked.Secret) {
			return "", refuse("invalid_request", "the code has expired, or was decided before: start again on your device")
		}
		step, err := s.decided(ctx, user, &d, decision, f, all)
		if err == nil {
			record.Owner = user.Subject()
			_, err = s.storeDevice(ctx, record, d)
		}
		if errors.Is(err, auth.ErrConflict) {
			continue // the device has polled
		}
		if err == nil && step == DeviceDenied {
			s.event(ctx, EventDenied, user.Subject(), "")
		}
		return step, err
	}
	return "", &auth.RetryError{Err: auth.ErrBusy}
}

// decided writes a decision into d.
func (s *Server) decided(ctx context.Context, user *auth.Principal, d *device, decision string, f form, all url.Values) (DeviceStep, error) {
	req := &d.Code.Request
	if f["narrow"] != "" {
		req.Scopes = slices.DeleteFunc(req.Scopes, func(scope string) bool { return !slices.Contains(all["scope"], scope) })
	}
	if decision == "deny" || len(req.Scopes) == 0 {
		d.State = deviceDenied
		return DeviceDenied, nil
	}
	if _, err := s.stillThere(ctx, *req); err != nil {
		return "", err
	}
	d.State, d.Code.AMR = deviceAllowed, user.AMR()
	req.User, req.Session = user.Subject(), user.SessionID()
	if at := user.AuthTime(); !at.IsZero() {
		d.Code.AuthTime = at.Unix()
	}
	return DeviceAllowed, nil
}

// writeDevicePage writes a page.
func (s *Server) writeDevicePage(w http.ResponseWriter, r *http.Request, status int, p DevicePage) {
	s.pageHeaders(w.Header())
	if s.cfg.Device.Page != nil {
		s.cfg.Device.Page(w, r, p)
		return
	}
	w.WriteHeader(status)
	_ = devicePages.Execute(w, p)
}

var devicePages = template.Must(template.New("device").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Connect a device</title></head>
<body><main>
{{- if eq .Step "enter"}}<h1>Connect a device</h1>
{{if .Unknown}}<p role="alert">This code is unknown, has expired, or was used. Start again on your device.</p>{{end}}
<form method="get" action="{{.Action}}"><p><label>Code that your device shows
<input type="text" name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false" required></label></p>
<p><button>Go on</button></p></form>
{{- else if eq .Step "decide"}}<h1>Connect {{.ClientName}}?</h1>
<p>Your device must show this code: <strong>{{.Code}}</strong></p>
<p class="warning">Deny this if the code is not on a device in front of you. If somebody has sent you the code or a link, they want to get in with your account.</p>
{{with .ClientHost}}<p>The app says that it is from <strong>{{.}}</strong>.</p>{{end}}
{{if .Registered}}<p class="warning">The app has given this name itself. Nobody has checked who it is from.</p>{{end}}
{{with .Account}}<p>You are logged in as {{.}}.</p>{{end}}
<p>{{.ClientName}} asks to use {{or .Resource.Name .Resource.URL}} in your name:</p>
<ul>{{range .Scopes}}<li>{{.Text}}</li>{{end}}</ul>
<p>The access ends on {{.Ends.UTC.Format "2 January 2006"}} at the latest.</p>
<form method="post" action="{{.Action}}">{{range $name, $value := .Hidden}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>
{{- else if eq .Step "allowed"}}<h1>Your device is connected</h1>
<p>Go back to it. You can close this page.</p>
{{- else}}<h1>Your device is not connected</h1>
<p>You have denied it. You can close this page.</p>
{{- end}}</main></body></html>
`))
