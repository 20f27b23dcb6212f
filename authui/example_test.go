package authui_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
)

// A program with accounts gets its pages in a few lines.
func Example() {
	keys, ring := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.ES256)))), must(secrets.NewRing(secrets.Generate()))
	app := must(authkit.Open(context.Background(), authkit.All(memstore.New()), authkit.Config{
		Issuer: "https://notes.example", Keys: keys, Secrets: ring, Cookies: &authhttp.CookieConfig{},
	}))
	defer app.Close(context.Background())
	mux := http.NewServeMux()

	pages, err := app.Pages(authui.Config{Name: "Notes", Logo: "/logo.svg", Style: ":root { --accent: #0a7d4f; }", Home: "/notes"})
	if err == nil {
		err = pages.Mount(mux)
	}

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/login", nil))
	fmt.Println(err, w.Code)
	// Output: <nil> 200
}

// French is a further language: every text of the English ones in that language.
func ExampleMessages() {
	french := authui.English() // as a model; New reports each key that is missing
	french["login.title"] = "Se connecter"
	cfg := authui.Config{Languages: map[string]authui.Messages{"fr": french}}
	fmt.Println(cfg.Languages["fr"]["login.title"])
	// Output: Se connecter
}
