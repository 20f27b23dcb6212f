package authhttp_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// Wrong passwords have the same answers, with the same headers, for an account, a disabled account,
// an account without a password, and an unknown username.
func TestGuessingTellsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, ctx := memstore.New(), t.Context()
		tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey("EdDSA"))))}))
		a := must(auth.New(store, tokens, auth.Config{Hasher: authtest.FastHasher(t), Throttle: must(throttle.New(store, throttle.Config{}))}))
		must(a.Register(ctx, "known", password))
		off := must(a.Register(ctx, "disabled", password))
		if err := store.SetDisabled(ctx, off.ID, true); err != nil {
			t.Fatal(err)
		}
		if _, err := store.CreateUser(ctx, auth.User{ID: "bare", Username: "passwordless"}); err != nil {
			t.Fatal(err)
		}
		login := authhttp.Login(a, authhttp.Config{})
		var want string
		for _, name := range []string{"known", "disabled", "passwordless", "nobody"} {
			var got strings.Builder
			for i := range 8 { // the last two with a form
				form, body := asJSON, `{"username":"%s","password":"wrong password"}`
				if i >= 6 {
					form, body = asForm, "grant_type=password&username=%s&password=wrong+password"
				}
				w := post(login, "/", form, fmt.Sprintf(body, name))
				fmt.Fprintln(&got, w.Code, w.Header(), w.Body)
				if throttled := i >= 5; throttled != (w.Code == 429) || throttled != (w.Header().Get("Retry-After") != "") {
					t.Errorf("%s: attempt %d: got %d with %v, throttled: %t", name, i, w.Code, w.Header(), throttled)
				}
			}
			if want == "" {
				want = got.String()
			}
			if got.String() != want {
				t.Errorf("%s: got\n%swant\n%s", name, got.String(), want)
			}
		}
	})
}
