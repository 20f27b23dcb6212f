package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
)

// TestCounts checks what Prometheus reads after a registration, two logins and a failed one.
func TestCounts(t *testing.T) {
	t.Parallel()
	public, internal, app, err := handlers(t.Context(), authkit.Config{
		Issuer: "https://example.com", KeyFolder: t.TempDir(), Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close(context.WithoutCancel(t.Context()))
	post := func(path, body string, want int) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if public.ServeHTTP(w, r); w.Code != want {
			t.Fatalf("%s answers %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	const right, wrong = `{"username":"ada","password":"correct horse battery"}`, `{"username":"ada","password":"wrong horse battery"}`
	post("/auth/register", right, 201)
	post("/auth/login", right, 200)
	post("/auth/login", right, 200)
	post("/auth/login", wrong, 401)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		internal.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return w.Code, w.Body.String()
	}
	_, counts := get("/metrics")
	for _, line := range []string{
		`auth_events_total{event="registered"} 1`, `auth_events_total{event="login"} 2`, `auth_events_total{event="login_failed"} 1`,
	} {
		if !strings.Contains(counts, line+"\n") {
			t.Errorf("the counts have no line %s:\n%s", line, counts)
		}
	}
	if strings.Contains(counts, "ada") {
		t.Error("the counts name a user")
	}
	if code, body := get("/readyz"); code != 200 || body != "" {
		t.Errorf("readyz answers %d %s", code, body)
	}
}
