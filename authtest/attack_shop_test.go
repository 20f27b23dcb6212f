package authtest_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/authtest"
)

const shopOrigin = "https://app.test"

// shop is a host that does everything itself: tokens in the header and sessions in cookies. It is sound
// but for the fault that is planted in it.
type shop struct {
	fault   string
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	refused atomic.Int32

	mu       sync.Mutex
	sessions map[string]string // user by cookie, and by ID of a protocol's session
}

func newShop(t *testing.T, fault string) *shop {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &shop{fault: fault, public: public, private: private, sessions: map[string]string{}}
}

// has reports whether a fault is the planted one.
func (s *shop) has(fault string) bool { return s.fault == fault }

var shopEncoding = base64.RawURLEncoding.Strict()

func (s *shop) issue(user string) string {
	now := time.Now().Unix()
	header := `{"alg":"EdDSA","kid":"1","typ":"at+jwt"}`
	if s.has("a secret of a tutorial") {
		header = `{"alg":"HS256","kid":"1","typ":"at+jwt"}`
	}
	claims, _ := json.Marshal(map[string]any{"iss": shopOrigin, "aud": "shop", "sub": user, "iat": now, "exp": now + 600})
	text := shopEncoding.EncodeToString([]byte(header)) + "." + shopEncoding.EncodeToString(claims)
	signature := ed25519.Sign(s.private, []byte(text))
	if s.has("a secret of a tutorial") {
		signature = mac([]byte("secret"), text)
	}
	return text + "." + shopEncoding.EncodeToString(signature)
}

func mac(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

var errShop = errors.New("not a token of this shop")

// verify returns the user of a token.
func (s *shop) verify(token string) (string, error) {
	parts := strings.Split(token, ".")
	if s.has("a panic") {
		_ = parts[2] // the first request without dots ends here
	}
	if len(parts) != 3 && !(s.has("what follows is ignored") && len(parts) > 3) {
		return "", errShop
	}
	var header struct {
		Alg, Kid, Typ, Jku string
		Jwk                *struct{ X string }
		Crit               any
	}
	var claims struct {
		Iss, Aud, Sub string
		Exp           any
		Nbf           int64
	}
	var raw [3][]byte
	for i := range raw {
		var err error
		if raw[i], err = shopEncoding.DecodeString(parts[i]); err != nil {
			return "", err
		}
	}
	if err := errors.Join(json.Unmarshal(raw[0], &header), json.Unmarshal(raw[1], &claims)); err != nil {
		return "", err
	}
	text := parts[0] + "." + parts[1]
	if err := s.checkSignature(header.Alg, header.Kid, header.Jku, header.Jwk, text, raw[2]); err != nil {
		return "", err
	}
	expiry, isNumber := claims.Exp.(float64)
	switch now := time.Now(); {
	case !s.has("no expiry") && (!isNumber || now.Unix() >= int64(expiry)), !s.has("before its time") && claims.Nbf > now.Unix(),
		!s.has("any audience") && claims.Aud != "shop", !s.has("any issuer") && claims.Iss != shopOrigin, !s.has("nobody") && claims.Sub == "",
		!s.has("an ID token") && header.Typ != "at+jwt", header.Crit != nil && !s.has("critical headers"):
		return "", errShop
	}
	return claims.Sub, nil
}

// checkSignature checks the signature of a token by what its header says, where a fault lets it.
func (s *shop) checkSignature(alg, kid, jku string, jwk *struct{ X string }, text string, signature []byte) error {
	public := s.public
	switch {
	case s.has("alg none") && strings.EqualFold(alg, "none"):
		return nil
	case s.has("an empty signature") && len(signature) == 0:
		return nil
	case s.has("the public key as a secret") && alg == "HS256":
		der, err := x509.MarshalPKIXPublicKey(s.public)
		if err == nil && hmac.Equal(signature, mac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), text)) {
			return nil
		}
		return errShop
	case s.has("the kid is a file") && alg == "HS256":
		secret, err := os.ReadFile("/etc/shop/keys/" + kid)
		if os.IsNotExist(err) { // the folder need not be there for the detour through it
			secret, err = os.ReadFile("/" + strings.TrimLeft(strings.ReplaceAll(kid, "../", ""), "/"))
		}
		if err == nil && hmac.Equal(signature, mac(secret, text)) {
			return nil
		}
		return errShop
	case s.has("a secret of a tutorial") && alg == "HS256" && hmac.Equal(signature, mac([]byte("secret"), text)):
		return nil
	case s.has("a key in the header") && jwk != nil:
		public, _ = shopEncoding.DecodeString(jwk.X)
	case s.has("a key at a URL") && jku != "":
		res, err := http.Get(jku)
		if err != nil {
			return err
		}
		res.Body.Close()
	}
	if alg != "EdDSA" || len(public) != ed25519.PublicKeySize {
		return errShop
	}
	if s.has("half a signature") && len(signature) == 32 {
		return nil
	}
	if !ed25519.Verify(public, []byte(text), signature) {
		return errShop
	}
	return nil
}

// caller returns who makes a request.
func (s *shop) caller(r *http.Request) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user := r.Header.Get("X-Forwarded-User"); s.has("a user in a header") && user != "" {
		return user, nil
	}
	if s.has("the method of a header") && r.Header.Get("X-Http-Method-Override") == "OPTIONS" {
		return "nobody", nil
	}
	if token := r.URL.Query().Get("access_token"); s.has("a token in the URL") && token != "" {
		return s.verify(token)
	}
	if s.has("no check") {
		return attackNames[0], nil
	}
	headers, all := r.Header["Authorization"], r.CookiesNamed("session")
	if s.has("the first credential") && len(headers) > 1 {
		headers = headers[:1]
	}
	if s.has("the first cookie") && len(all) > 1 {
		all = all[:1]
	}
	switch {
	case len(headers)+len(all) != 1:
		return "", errShop
	case len(all) == 1:
		user, ok := s.sessions[all[0].Value]
		if !ok {
			return "", errShop
		}
		return user, s.checkOrigin(r)
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	ok = ok && (scheme == "Bearer" || s.has("any scheme"))
	if !ok {
		return "", errShop
	}
	user, err := s.verify(token)
	if named := r.Header.Get("X-User-Id"); s.has("another user in a header") && err == nil && named != "" {
		return named, nil
	}
	if other, ok := s.sessions[r.Header.Get("Shop-Session")]; ok && err == nil && other != user && user != "" {
		if s.has("the session wins") {
			return other, nil
		}
		return "", errShop
	}
	return user, err
}

func (s *shop) checkOrigin(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	isSocket := r.Header.Get("Upgrade") != ""
	if r.Method == http.MethodGet && !isSocket || s.has("no check of the origin") && !isSocket || s.has("sockets for all") && isSocket {
		return nil
	}
	switch {
	case isSocket && origin != shopOrigin:
		return errShop
	case s.has("an origin that begins so") && strings.HasPrefix(origin, shopOrigin), s.has("an origin that ends so") && strings.HasSuffix(origin, "app.test"):
		return nil
	case s.has("no origin at all") && (origin == "" || origin == "null"):
		return nil
	case origin != shopOrigin || site != "" && site != "same-origin":
		return errShop
	}
	return nil
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); s.has("CORS for all") && origin != "" || s.has("CORS for null") && origin == "null" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	switch {
	case r.URL.Path == "/keys":
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":%q}]}`, shopEncoding.EncodeToString(s.public))
		return
	case r.URL.Path == "/login" && r.Method == http.MethodPost:
		s.login(w, r)
		return
	case s.has("a path with capitals") && r.URL.Path == "/PROFILE":
		fmt.Fprintln(w, "hello", attackNames[0])
		return
	}
	user, err := s.caller(r)
	if s.has("a lock") && err != nil {
		s.refused.Add(1)
	}
	if s.refused.Load() > 100 {
		err = errShop
	}
	owner, isOwned := strings.CutPrefix(r.URL.Path, "/orders/")
	switch {
	case err != nil && s.has("an error in full"):
		http.Error(w, fmt.Sprintf("shop.go:42: %v: dial tcp 10.0.0.3:5432: connect: connection refused", err), http.StatusUnauthorized)
		return
	case err != nil && s.has("an echo"):
		http.Error(w, "refused: "+strings.Join(append(r.Header["Authorization"], "and no more"), ","), http.StatusUnauthorized)
		return
	case err != nil:
		http.Error(w, "log in", http.StatusUnauthorized)
		return
	case isOwned && owner != user && !s.has("orders of others"), !isOwned && r.URL.Path != "/profile":
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if r.Header.Get("Upgrade") == "websocket" && r.Method == http.MethodGet {
		if connection, buffer, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			_ = buffer.Flush()
			_ = connection.Close()
		}
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if s.has("a public cache") {
		w.Header().Set("Cache-Control", "public, max-age=300")
	}
	fmt.Fprintln(w, "hello", user)
}

func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	body := r.Body
	if !s.has("a body without end") {
		body = http.MaxBytesReader(w, body, 4096)
	}
	text, err := io.ReadAll(body)
	var form map[string]any
	if err == nil {
		err = json.Unmarshal(text, &form)
	}
	if s.has("an unexpected body") && form["username"] != nil {
		_ = form["username"].(string) // panics, and is recovered below
	}
	user, ok := form["username"].(string)
	if err != nil || !ok || form["password"] != attackPassword {
		http.Error(w, "wrong username or password", http.StatusBadRequest)
		return
	}
	session, protocol := rand.Text(), rand.Text()
	s.mu.Lock()
	s.sessions[session], s.sessions[protocol] = user, user
	s.mu.Unlock()
	if !s.has("a login in the cache") {
		w.Header().Set("Cache-Control", "no-store")
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: session, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	_ = json.NewEncoder(w).Encode(map[string]string{"token": s.issue(user), "session": protocol})
}

// handler returns the shop behind the recovery of panics that many programs have.
func (s *shop) handler() http.Handler {
	if !s.has("an unexpected body") {
		return s
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}()
		s.ServeHTTP(w, r)
	})
}

func (s *shop) config(handler http.Handler) authtest.AttackConfig {
	cfg := authtest.AttackConfig{
		Login: func(t testing.TB, user int) authtest.AttackLogin {
			res := post(t, handler, "/login", map[string]string{"username": attackNames[user], "password": attackPassword})
			var body struct{ Token, Session string }
			if err := json.NewDecoder(res.Body).Decode(&body); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("login: %s %v", res.Status, err)
			}
			return authtest.AttackLogin{
				Token: body.Token, Cookies: res.Cookies(), Mark: attackNames[user], ID: attackNames[user], Header: http.Header{"Shop-Session": {body.Session}},
			}
		},
		Routes: []authtest.AttackRoute{
			{Request: request(http.MethodPost, "/profile", "{}")},
		},
		LoginRequest: func() *http.Request {
			return request(http.MethodPost, "/login", `{"username":"`+attackNames[0]+`","password":"`+attackPassword+`"}`)(authtest.AttackLogin{})
		},
		KeysPath: "/keys", SigningKey: s.private,
	}
	if s.has("orders of others") || s.has("nothing that is wrong at all") { // one route is enough to find any other fault
		cfg.Routes = append(cfg.Routes, authtest.AttackRoute{Owned: true, Request: func(owner authtest.AttackLogin) *http.Request {
			return httptest.NewRequest(http.MethodGet, "/orders/"+owner.ID, nil)
		}})
	}
	if s.has("a secret of a tutorial") {
		cfg.SigningKey, cfg.KeysPath = []byte("secret"), ""
	}
	return cfg
}
