package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/oauth"
)

// The scopes in words, for the page that asks the user.
var scopeTexts = map[string]string{
	readNotes: "Read your notes", writeNotes: "Change your notes", readFiles: "Read your files",
}

// mountAuthorization serves the authorization server, and the pages that it leads to.
func (s *server) mountAuthorization(mux *http.ServeMux) error {
	clients, err := readClients(s.opts.clients, s.notes, s.files)
	if err != nil {
		return fmt.Errorf("-clients: %w", err)
	}
	if s.clientIP, err = clientIP(s.opts.proxies); err != nil {
		return fmt.Errorf("-proxies: %w", err)
	}
	cfg := oauth.Config{
		Issuer: s.opts.issuer, Tokens: s.tokens, Keys: s.keys, Records: s.store, Sessions: s.store, Secrets: s.secrets,
		Revoked: s.revoked.Sync, LoginURL: s.path() + "/login", Account: s.accountName, Clients: clients,
		Register:  oauth.Register{PerHour: s.opts.register},
		Documents: oauth.Documents{On: s.opts.documents},

		// What programs without a user, devices without a browser, and services behind a resource need.
		ClientCredentials: true, Device: oauth.Device{
			On: true, Page: func(w http.ResponseWriter, r *http.Request, p oauth.DevicePage) { s.pages.Device(w, r, p) },
		}, Exchange: true,

		AccessLife: s.opts.access, CodeLife: s.opts.code, IdleLife: s.opts.idle, GrantLife: s.opts.grant, GrantsPerUser: 1000, RefreshWindow: s.opts.window,
		ClientIP: s.clientIP, Events: s.events,
		Consent: func(w http.ResponseWriter, r *http.Request, p oauth.ConsentPage) { s.pages.Consent(w, r, p) },
	}
	for _, r := range []resource{s.notes, s.files} {
		described := oauth.Resource{URL: r.url, Name: r.name}
		for _, scope := range r.scopes {
			described.Scopes = append(described.Scopes, oauth.Scope{Name: scope, Text: scopeTexts[scope]})
		}
		cfg.Resources = append(cfg.Resources, described)
	}
	if s.opts.testClients { // all requests of a test run come from one address
		cfg.Limits = oauth.Limits{Authorize: 100_000, WrongSecrets: 1000, DeviceCodes: 1000}
		cfg.Device.PerMinute = 1000
		if s.opts.documents {
			cfg.Documents.PerMinute, cfg.Documents.DangerouslyAllowLoopback = 60_000, true
		}
	}
	if err := s.openPages(); err != nil {
		return err
	}
	cfg.User = s.browsers.Check
	if s.oauth, err = oauth.New(s.accounts, cfg); err != nil {
		return err
	}
	if err := s.mountPages(mux); err != nil {
		return err
	}
	return s.oauth.Mount(mux)
}

// clientIP returns what finds the address of a client behind the proxies, or nil if there are none.
func clientIP(proxies []netip.Prefix) (func(*http.Request) netip.Addr, error) {
	if len(proxies) == 0 {
		return nil, nil
	}
	return authhttp.TrustProxies(proxies...)
}

// accountName returns the name that the page shows that asks the user.
func (s *server) accountName(ctx context.Context, userID string) (string, error) {
	u, err := s.store.UserByID(ctx, userID)
	return u.Username, err
}

// knownClient is a client of -clients, with the names of RFC 7591.
type knownClient struct {
	ID           string          `json:"client_id"`
	Name         string          `json:"client_name"`
	Secret       string          `json:"client_secret"`
	RedirectURIs []string        `json:"redirect_uris"`
	AuthMethod   string          `json:"token_endpoint_auth_method"`
	GrantTypes   []string        `json:"grant_types"`
	JWKS         json.RawMessage `json:"jwks"`
}

// readClients reads the file of -clients. Those that exchange tokens exchange those of all resources.
func readClients(file string, resources ...resource) ([]oauth.Client, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var known []knownClient
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, err
	}
	var clients []oauth.Client
	for _, c := range known {
		client := oauth.Client{
			ID: c.ID, Name: c.Name, Secret: c.Secret, RedirectURIs: c.RedirectURIs, AuthMethod: c.AuthMethod, Keys: c.JWKS, Grants: c.GrantTypes,
		}
		if c.AuthMethod == "client_secret_basic" && slices.Contains(c.GrantTypes, "client_credentials") {
			client.AuthMethod += " client_secret_post" // where the metadata names both, the Go SDK of MCP takes this
		}
		if slices.Contains(c.GrantTypes, "urn:ietf:params:oauth:grant-type:token-exchange") {
			for _, r := range resources {
				client.Exchanges = append(client.Exchanges, r.url)
			}
		}
		clients = append(clients, client)
	}
	return clients, nil
}
