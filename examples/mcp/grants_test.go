package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

const knownClients = `[
{"client_id":"job","client_secret":"a-secret-of-a-job-0123456789","token_endpoint_auth_method":"client_secret_basic",
 "grant_types":["client_credentials","urn:ietf:params:oauth:grant-type:token-exchange"]},
{"client_id":"tv","client_name":"Television","token_endpoint_auth_method":"none","grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}]`

// A job gets a token for itself, and one for the user whose token it was sent; a device gets its codes. Each is
// good for what it should be.
func TestFurtherGrants(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(file, []byte(knownClients), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "-clients="+file)
	post := func(path string, form url.Values) (got map[string]any) {
		t.Helper()
		res := p.send(t, "POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if err := json.Unmarshal([]byte(read(t, res)), &got); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v, %v", path, res.StatusCode, got, err)
		}
		return got
	}
	get := func(token any) int {
		t.Helper()
		text, _ := token.(string)
		return p.send(t, "GET", "/notes", "", "Authorization", "Bearer "+text).StatusCode
	}
	job := url.Values{"client_id": {"job"}, "client_secret": {"a-secret-of-a-job-0123456789"}} // as the Go SDK of MCP sends it
	job.Set("grant_type", "client_credentials")
	own := post("/token", job)
	if status := get(own["access_token"]); status != http.StatusOK || own["refresh_token"] != nil {
		t.Errorf("the job's own token: %d", status)
	}
	job.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
	job.Set("subject_token", p.token(t, p.notes))
	job.Set("subject_token_type", "urn:ietf:params:oauth:token-type:access_token")
	if status := get(post("/token", job)["access_token"]); status != http.StatusOK {
		t.Errorf("the user's token in the hands of the job: %d", status)
	}
	codes := post("/device_authorization", url.Values{"client_id": {"tv"}})
	if codes["verification_uri"] != p.base+"/device" || codes["user_code"] == nil {
		t.Errorf("codes: %v", codes)
	}
}
