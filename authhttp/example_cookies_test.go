package authhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// The callback of another identity provider logs its user in, with the cookies that the endpoints use.
func ExampleCookies_Set() {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys}))
	accounts := must(auth.New(memstore.New(), tokens, auth.Config{Hasher: must(passwords.NewBcrypt(10))}))
	ada := must(accounts.Register(context.Background(), "ada@example.com", "correct horse battery"))
	cookies := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh"}))

	callback := func(w http.ResponseWriter, r *http.Request) {
		// Here stands what proves the user: the state and the code of OAuth, and its ID token.
		t, err := accounts.LoginUser(r.Context(), ada.ID, "fed")
		if err == nil {
			err = cookies.Set(w, r, t)
		}
		if err != nil {
			authhttp.WriteError(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}

	w := httptest.NewRecorder()
	callback(w, httptest.NewRequest("GET", "/callback?state=x&code=y", nil))
	fmt.Println(w.Code, w.Result().Cookies()[0].Name)
	// Output: 303 __Host-access
}
