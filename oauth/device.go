package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Device configures the grant for devices without a browser (RFC 8628): the device shows a code, which its
// user types in on another device that has a browser. Whoever can have a user type in a code that is not of
// their own device gets access in that user's name (section 5.4), so leave it off unless clients need it.
// Its zero value is off.
type Device struct {
	On bool

	// Life is how long a code is good. 0: 10 minutes; from 1 s to 15 minutes.
	Life time.Duration

	// PerMinute is how many codes one network (an IPv4 address, a /64 of IPv6) may ask for in a minute. All
	// networks together may ask for 20 times as many. Both are counted in the memory of each process. 0:
	// 30; at most 60,000.
	PerMinute int

	// Page writes the pages of the user. nil: plain pages.
	Page func(w http.ResponseWriter, r *http.Request, p DevicePage)
}

func (d *Device) check(faults *cfgerr.Faults) {
	if !d.On && (d.Life != 0 || d.PerMinute != 0 || d.Page != nil) {
		faults.Add("Device", "", "has settings, but is not On")
	}
	d.Life = cfgerr.Within(faults, "Device.Life", d.Life, 10*time.Minute, time.Second, 15*time.Minute)
	d.PerMinute = cfgerr.Within(faults, "Device.PerMinute", d.PerMinute, 30, 1, 60_000)
}

// What becomes of a code of a device.
const (
	deviceWaits   = ""
	deviceAllowed = "allowed"
	deviceDenied  = "denied"
)

// device is what a device has asked for, as its record has it. The key of the record has a digest of the
// code that the user types in, which is also part of the device's own code.
type device struct {
	Code     code      `json:"c"`           // of a device that is allowed, as of a code of a browser
	Secret   []byte    `json:"d"`           // digest of the rest of the device's code
	State    string    `json:"s,omitempty"` // what the user has decided
	Interval int       `json:"i"`           // seconds between two polls
	Polled   time.Time `json:"p"`           // the last one, by the store's clock
	End      time.Time `json:"e"`
}

const (
	firstInterval = 5         // seconds between two polls (RFC 8628 section 3.2)
	moreInterval  = 5         // what a poll that comes too early adds (section 3.5)
	lastInterval  = 60        // no poll adds to that, so a device that does not listen costs a read each time
	keepEnded     = time.Hour // how long the record of a code is kept that has ended, to say so
)

// Letters of user codes: 20 that are not taken for each other, and that make no words (RFC 8628 section 6.1).
const (
	userLetters  = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeSize = 8
)

// newUserCode returns one of 20 to the power of 8 codes.
func newUserCode() string {
	text := make([]byte, 0, userCodeSize)
	for len(text) < userCodeSize {
		var b [1]byte
		rand.Read(b[:]) // never fails
		if int(b[0]) < 256-256%len(userLetters) {
			text = append(text, userLetters[int(b[0])%len(userLetters)])
		}
	}
	return string(text)
}

// shownUserCode returns a code as people read it.
func shownUserCode(code string) string {
	return code[:userCodeSize/2] + "-" + code[userCodeSize/2:]
}

// readUserCode returns the code that somebody has typed in, in any case, and with whatever stands between
// its letters.
func readUserCode(text string) (code string, ok bool) {
	if len(text) > 64 {
		return "", false
	}
	code = strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c
		}
		return -1
	}, strings.ToUpper(text))
	return code, len(code) == userCodeSize && strings.Trim(code, userLetters) == ""
}

func deviceKey(userCode string) string {
	sum := sha256.Sum256([]byte(userCode))
	return "oauth:device:" + base64url.EncodeToString(sum[:])
}

// deviceCodes is the answer to a device (RFC 8628 section 3.2).
type deviceCodes struct {
	Device    string `json:"device_code"`
	User      string `json:"user_code"`
	URI       string `json:"verification_uri"`
	Complete  string `json:"verification_uri_complete"`
	ExpiresIn int64  `json:"expires_in"`
	Interval  int    `json:"interval"`
}

// beginDevice is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) beginDevice(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	wait := s.limits.device.take(networks(s.clientIP(r))...)
	if wait == 0 {
		wait = s.limits.deviceAll.take("")
	}
	if wait > 0 {
		s.fail(w, r, tooMany(wait))
		return
	}
	f, all, err := readForm(w, r, "resource")
	var c *client
	if err == nil {
		c, err = s.authenticate(r, f)
	}
	var req request
	if err == nil {
		req, err = s.deviceRequest(c, f, all)
	}
	var answer deviceCodes
	if err == nil {
		answer, err = s.newDevice(r.Context(), req)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, answer)
}

// deviceRequest returns what a client asks for.
func (s *Server) deviceRequest(c *client, f form, all url.Values) (request, error) {
	switch {
	case c.unproven:
		return request{}, errUnavailable
	case !c.mayUse(grantDevice):
		return request{}, refuse("unauthorized_client", "this grant is not for this client")
	}
	resource, err := s.resourceOf(all["resource"], s.cfg.Resources[0].URL)
	if err != nil {
		return request{}, err
	}
	req := request{Client: c.id, Resource: resource.URL, Proven: !c.allows(authNone)}
	if req.Scopes, err = scopesFor(c, resource, f["scope"]); err != nil {
		return request{}, err
	}
	if !fitsGrant(c, req) {
		return request{}, refuse("invalid_scope", "the client asks for too many scopes at once")
	}
	return req, nil
}

// newDevice stores a request under a code that no other has.
func (s *Server) newDevice(ctx context.Context, req request) (deviceCodes, error) {
	var random [32]byte
	rand.Read(random[:]) // never fails
	secret := base64url.EncodeToString(random[:])
	digest := sha256.Sum256([]byte(secret))
	for range maxConflicts {
		userCode := newUserCode()
		record, now, err := s.records.Record(ctx, deviceKey(userCode))
		if err != nil {
			return deviceCodes{}, err
		}
		if record.Version != 0 {
			continue
		}
		d := device{Code: code{Request: req}, Secret: digest[:], Interval: firstInterval, End: now.Add(s.cfg.Device.Life)}
		record.Key, record.ExpiresAt = deviceKey(userCode), d.End.Add(keepEnded)
		_, err = s.storeDevice(ctx, record, d)
		if errors.Is(err, auth.ErrConflict) {
			continue // somebody else has just got the same
		}
		shown, uri := shownUserCode(userCode), s.url(pathDevice)
		return deviceCodes{
			Device: secret + "." + userCode, User: shown, URI: uri, Complete: uri + "?user_code=" + shown,
			ExpiresIn: int64(s.cfg.Device.Life.Seconds()), Interval: firstInterval,
		}, err
	}
	return deviceCodes{}, &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}

// storeDevice puts d in the place of what record has, and returns what it has stored, or [auth.ErrConflict].
func (s *Server) storeDevice(ctx context.Context, record auth.Record, d device) (auth.Record, error) {
	record.Value, _ = json.Marshal(d)
	if len(record.Value) > maxValue {
		return record, refuse("invalid_scope", "the client asks for too much at once")
	}
	old := record.Renew()
	err := s.records.ReplaceRecord(ctx, old, record)
	return record, err
}

// deviceOf returns what a device has asked for that shows a code, and the store's time. ok is false if there
// is none.
func (s *Server) deviceOf(ctx context.Context, userCode string) (d device, record auth.Record, now time.Time, ok bool, err error) {
	record, now, err = s.records.Record(ctx, deviceKey(userCode))
	if err != nil || record.Version == 0 || json.Unmarshal(record.Value, &d) != nil {
		return d, record, now, false, err
	}
	return d, record, now, true, nil
}

var errInvalidDevice = refuse("invalid_grant", "the device_code is unknown, used, or another client's")

// poll answers a device that asks whether its user has decided (RFC 8628 section 3.4). A device_code is used
// up by one compare-and-swap, as the code of a browser is.
func (s *Server) poll(r *http.Request, c *client, f form, all url.Values) (grant, error) {
	secret, userCode, _ := strings.Cut(f["device_code"], ".")
	if f["device_code"] == "" {
		return grant{}, refuse("invalid_request", "device_code is missing")
	}
	for range maxConflicts {
		d, record, now, ok, err := s.deviceOf(r.Context(), userCode)
		if err != nil {
			return grant{}, err
		}
		digest := sha256.Sum256([]byte(secret))
		if !ok || subtle.ConstantTimeCompare(d.Secret, digest[:]) != 1 || d.Code.Request.Client != c.id {
			return grant{}, errInvalidDevice
		}
		g, err := s.pollOnce(r, c, all, d, record, now)
		if !errors.Is(err, auth.ErrConflict) {
			return g, err
		}
	}
	return grant{}, &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}

// pollOnce returns [auth.ErrConflict] if the record has changed meanwhile.
func (s *Server) pollOnce(r *http.Request, c *client, all url.Values, d device, record auth.Record, now time.Time) (grant, error) {
	ctx := r.Context()
	switch {
	case c.unproven && d.Code.Request.Proven:
		return grant{}, errUnavailable
	case d.Code.Grant != "":
		return grant{}, errInvalidDevice
	case d.State == deviceDenied:
		return grant{}, refuse("access_denied", "the user has not allowed this")
	case !now.Before(d.End):
		return grant{}, refuse("expired_token", "the codes have expired: start again")
	}
	if err := sameResource(all["resource"], d.Code.Request.Resource); err != nil {
		return grant{}, err
	}
	if d.State == deviceWaits {
		return grant{}, s.wait(ctx, d, record, now)
	}
	g, err := s.draft(r, c, d.Code, now)
	if err != nil {
		return grant{}, err
	}
	d.Code.Grant = g.ID
	used, err := s.storeDevice(ctx, record, d)
	if err != nil {
		return grant{}, err
	}
	return g, s.begin(ctx, g, d.Code, used)
}

// wait tells a device to ask again. One that asks too early has to wait longer from then on.
func (s *Server) wait(ctx context.Context, d device, record auth.Record, now time.Time) error {
	early := now.Before(d.Polled.Add(time.Duration(d.Interval) * time.Second))
	switch {
	case !early:
		d.Polled = now
	case d.Interval < lastInterval:
		d.Interval += moreInterval
	default:
		return errSlowDown
	}
	if _, err := s.storeDevice(ctx, record, d); err != nil {
		return err
	}
	if early {
		return errSlowDown
	}
	return refuse("authorization_pending", "the user has not decided yet")
}

var errSlowDown = refuse("slow_down", "the device asks too often: wait 5 seconds longer from now on")
