package main

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestFastAPIClient does what a client of FastAPI's tutorial does: it sends a form in either
// encoding, uses the token by its type, and reads the detail of a refusal.
func TestFastAPIClient(t *testing.T) {
	t.Parallel()
	base := serveTest(t)
	if status, body := register(base, "ada", "correct horse 😀"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	ask := func(r *http.Request, err error) (status int, challenge string, answer map[string]any) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("WWW-Authenticate"), answer
	}
	login := func(kind string, body io.Reader) (*http.Request, error) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/auth/login", body)
		if err == nil {
			r.Header.Set("Content-Type", kind)
		}
		return r, err
	}
	profile := func(authorization string) (*http.Request, error) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/profile", nil)
		if err == nil && authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		return r, err
	}
	const urlencoded = "application/x-www-form-urlencoded"
	fields := url.Values{
		"grant_type": {"password"}, "username": {"ada"}, "password": {"correct horse 😀"}, "scope": {""}, "client_id": {""}, "client_secret": {""},
	}
	var data bytes.Buffer
	parts := multipart.NewWriter(&data)
	for name, values := range fields {
		if err := parts.WriteField(name, values[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	for kind, body := range map[string]string{urlencoded: fields.Encode(), parts.FormDataContentType(): data.String()} {
		status, _, tokens := ask(login(kind, strings.NewReader(body)))
		token, _ := tokens["access_token"].(string)
		if status != 200 || tokens["token_type"] != "bearer" || token == "" {
			t.Fatalf("%s: login answers %d %v", kind, status, tokens)
		}
		for _, scheme := range []string{"Bearer ", "bearer "} {
			if status, _, me := ask(profile(scheme + token)); status != 200 || me["username"] != "ada" {
				t.Errorf("%s: the profile is %d %v", kind, status, me)
			}
		}
	}

	fields.Set("password", "wrong horse")
	status, _, refused := ask(login(urlencoded, strings.NewReader(fields.Encode())))
	if detail, _ := refused["detail"].(string); status != 400 || detail != "wrong username or password" {
		t.Errorf("a wrong password: %d %v, want 400", status, refused)
	}
	for _, authorization := range []string{"", "Bearer none"} {
		status, challenge, refused := ask(profile(authorization))
		if detail, _ := refused["detail"].(string); status != 401 || !strings.HasPrefix(challenge, "Bearer") || detail == "" {
			t.Errorf("with Authorization %q the profile is %d, %q, %v, want 401", authorization, status, challenge, refused)
		}
	}
}
