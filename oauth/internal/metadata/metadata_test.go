package metadata_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/oauth/internal/metadata"
	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// open is what a server offers that has registration on, and documents those that have a key.
var (
	open      = metadata.Offer{Grants: []string{"authorization_code", "refresh_token"}, Methods: []string{"none", "client_secret_basic", "client_secret_post"}}
	withKeys  = metadata.Offer{Grants: []string{"authorization_code", "refresh_token", "client_credentials"}, Methods: []string{"none", "private_key_jwt"}}
	noneAlone = metadata.Offer{Grants: open.Grants, Methods: []string{"none"}}
)

// keySet returns a JWK set with the public key of a new key pair.
func keySet(tb testing.TB) string {
	tb.Helper()
	key, err := jose.Generate("ES256")
	if err != nil {
		tb.Fatal(err)
	}
	set, err := jose.PublicSet([]*jose.Key{key})
	if err != nil {
		tb.Fatal(err)
	}
	return string(set)
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		body string
		want metadata.Metadata
	}{
		"the smallest": {
			`{"redirect_uris":["https://app.example/cb"]}`,
			metadata.Metadata{RedirectURIs: []string{"https://app.example/cb"}, AuthMethod: "client_secret_basic", GrantTypes: []string{"authorization_code"}},
		},
		"claude.ai": {
			`{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post","scope":"a  b a"}`,
			metadata.Metadata{Name: "Claude", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}, AuthMethod: "client_secret_post", GrantTypes: []string{"authorization_code", "refresh_token"}, Scope: "a b"},
		},
		"VS Code, with a grant that is not offered and members that are not used": {
			`{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","application_type":"native","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],
			"response_types":["code"],"token_endpoint_auth_method":"none","redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],
			"software_id":"x","software_version":"1","contacts":["a@example.com"],"x_unknown":{"a":1},"client_id":"https://app.example/mine"}`,
			metadata.Metadata{Name: "Visual Studio Code", RedirectURIs: []string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"}, AuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"}, ApplicationType: "native"},
		},
		"Cursor, as a web application": {
			`{"application_type":"web","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":[]}`,
			metadata.Metadata{RedirectURIs: []string{"cursor://anysphere.cursor-mcp/oauth/callback"}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}, ApplicationType: "web"},
		},
		"nulls, which are no members": {
			`{"client_name":null,"redirect_uris":["http://localhost/cb","http://localhost/cb"],"scope":null,"jwks":null,"jwks_uri":null,"token_endpoint_auth_method":"none","response_types":null,"contacts":null}`,
			metadata.Metadata{RedirectURIs: []string{"http://localhost/cb"}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}},
		},
		"dangerous addresses, which are left out": {
			`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none","client_uri":"javascript:alert(1)","logo_uri":"javascript:alert(2)","tos_uri":"data:text/html,x","policy_uri":"javascript:x","application_type":"javascript:x"}`,
			metadata.Metadata{RedirectURIs: []string{"https://app.example/cb"}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}},
		},
	} {
		got, fault := metadata.Registration([]byte(row.body), open)
		if fault != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, fault, row.want)
		}
	}
}

// many returns an array of n strings.
func many(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = `"` + fmt.Sprintf(format, i) + `"`
	}
	return "[" + strings.Join(list, ",") + "]"
}

// body returns a registration with further members, which end in a comma.
func body(members string) string {
	return `{` + members + `"redirect_uris":["https://app.example/cb"]}`
}

func TestRegistrationRefused(t *testing.T) {
	t.Parallel()
	uri, other := metadata.InvalidRedirectURI, metadata.InvalidClientMetadata
	for text, code := range map[string]string{
		"": other, "null": other, "[]": other, "not json": other, `"x"`: other, "1": other, body("") + "x": other, body(`"a":1,"a":2,`): other,
		body(`"client_name":"a","client_name":"b",`): other, body(`"redirect_uris":[],`): other, "{\"client_name\":\"\xff\"}": other, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: other,
		`{}`: uri, `{"redirect_uris":[]}`: uri, `{"redirect_uris":null}`: uri, `{"redirect_uris":"https://app.example/cb"}`: uri, `{"redirect_uris":[1]}`: uri, `{"redirect_uris":[null]}`: uri, `{"redirect_uris":{}}`: uri,
		`{"redirect_uris":[""]}`: uri, `{"redirect_uris":["https://app.example/cb","javascript:alert(1)"]}`: uri, `{"redirect_uris":["http://app.example/cb"]}`: uri, `{"redirect_uris":["https://app.example/cb\n"]}`: uri,
		`{"redirect_uris":` + many(200, "https://app.example/cb/%d") + `}`:                         uri,
		`{"redirect_uris":` + many(21, "https://app.example/cb/%d") + `}`:                          uri,
		`{"redirect_uris":` + many(20, "https://app.example/"+strings.Repeat("a", 100)+"%d") + `}`: uri,
		`{"redirect_uris":["https://app.example/` + strings.Repeat("a", 1100) + `"]}`:              uri,
		body(`"client_name":"` + strings.Repeat("x", 1000000) + `",`):                              other,
		body(`"client_name":"` + strings.Repeat("x", 101) + `",`):                                  other,
		body(`"unknown":"` + strings.Repeat("x", metadata.MaxBody) + `",`):                         other,
		body(`"scope":"` + strings.Repeat("a ", 600) + `",`):                                       other,
		body(`"software_id":"` + strings.Repeat("a", 300) + `",`):                                  other,
		body(`"contacts":` + many(51, "%d") + `,`):                                                 other,
		body(`"contacts":["` + strings.Repeat("a", 300) + `"],`):                                   other,
		body(`"client_name":1,`):                                                           other,
		body(`"client_name":["a"],`):                                                       other,
		body(`"grant_types":"authorization_code",`):                                        other,
		body(`"grant_types":[1],`):                                                         other,
		body(`"response_types":{},`):                                                       other,
		body(`"scope":["a"],`):                                                             other,
		body(`"scope":"a\"b",`):                                                            other,
		body(`"contacts":"a@example.com",`):                                                other,
		body(`"token_endpoint_auth_method":["none"],`):                                     other,
		body(`"application_type":1,`):                                                      other,
		body(`"logo_uri":1,`):                                                              other,
		body(`"jwks_uri":1,`):                                                              other,
		body(`"jwks":[],`):                                                                 other,
		body(`"jwks":"",`):                                                                 other,
		body(`"token_endpoint_auth_method":"private_key_jwt",`):                            other,
		body(`"token_endpoint_auth_method":"tls_client_auth",`):                            other,
		body(`"grant_types":["client_credentials"],`):                                      other,
		body(`"grant_types":["refresh_token"],`):                                           other,
		body(`"grant_types":["password","implicit"],`):                                     other,
		body(`"response_types":["token"],`):                                                other,
		body(`"response_types":[],`):                                                       other,
		body(`"jwks_uri":"http://app.example/keys",`):                                      other,
		body(`"jwks_uri":"javascript:alert(1)",`):                                          other,
		body(`"jwks_uri":"https://user@app.example/keys",`):                                other,
		body(`"jwks":{"keys":[]},`):                                                        other,
		body(`"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]},`):                                other,
		body(`"jwks":` + keySet(t) + `,"jwks_uri":"https://app.example/keys",`):            other,
		body(`"jwks":` + strings.Replace(keySet(t), `"kty"`, `"d":"AAAA","kty"`, 1) + `,`): other,
		body(`"jwks":` + strings.Replace(keySet(t), `]}`, `,{"kty":"oct","k":"AAAA"}]}`, 1) + `,`):            other,
		body(`"jwks":` + strings.Replace(keySet(t), `]}`, `],"x":"`+strings.Repeat("a", 5000)+`"}`, 1) + `,`): other,
	} {
		got, fault := metadata.Registration([]byte(text), open)
		switch {
		case fault == nil:
			t.Errorf("%.120s: registered as %+v", text, got)
		case fault.Code != code:
			t.Errorf("%.120s: got %s (%s), want %s", text, fault.Code, fault.Description, code)
		case strings.ContainsAny(fault.Description, "\"\\\n") || len(fault.Description) > 200:
			t.Errorf("%.120s: %q cannot stand in an error_description", text, fault.Description)
		}
	}
}

// A record of the store holds 4,096 bytes, and the authorization server adds to it.
func TestRegistrationFitsARecord(t *testing.T) {
	t.Parallel()
	offer := metadata.Offer{Grants: open.Grants, Methods: withKeys.Methods}
	key := strings.TrimSuffix(strings.TrimPrefix(keySet(t), `{"keys":[`), `]}`)
	refused := false
	for n := 1; n < 15; n++ {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = strings.Replace(key, `"kid":"`, fmt.Sprintf(`"kid":"%d`, i), 1)
		}
		text := body(`"token_endpoint_auth_method":"private_key_jwt","client_name":"` + strings.Repeat("\u20ac", 100) + `","scope":"` + strings.Repeat("a", 900) + `","jwks":{"keys":[` + strings.Join(keys, ",") + `]},`)
		m, fault := metadata.Registration([]byte(text), offer)
		kept, err := json.Marshal(m)
		if err != nil || len(kept) > metadata.MaxKept {
			t.Errorf("%d keys: %d bytes are kept, %v", n, len(kept), err)
		}
		if n == 1 && fault != nil {
			t.Errorf("one key: %v", fault)
		}
		refused = refused || fault != nil
	}
	if !refused {
		t.Error("no registration was too long: the test proves nothing")
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	m, fault := metadata.Registration([]byte(`{"client_name":"A & B","redirect_uris":["https://app.example/cb?a&b"],"grant_types":["authorization_code","refresh_token","x"],"scope":"a b","application_type":"web"}`), open)
	if fault != nil {
		t.Fatal(fault)
	}
	at := time.Unix(1700000000, 5)
	for secret, want := range map[string]string{
		"s3cret": `{"client_id":"id","client_id_issued_at":1700000000,"client_secret":"s3cret","client_secret_expires_at":0,"client_name":"A & B","redirect_uris":["https://app.example/cb?a&b"],"token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"a b","application_type":"web"}`,
		"":       `{"client_id":"id","client_id_issued_at":1700000000,"client_name":"A & B","redirect_uris":["https://app.example/cb?a&b"],"token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"a b","application_type":"web"}`,
	} {
		got, err := m.Answer("id", secret, at)
		if err != nil || !reflect.DeepEqual(decoded(t, got), decoded(t, []byte(want))) {
			t.Errorf("got %s, %v\nwant %s", got, err, want)
		}
	}
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

const documentURL = "https://client.example/client.json"

// document returns a document with further members, which end in a comma.
func document(members string) string {
	return `{` + members + `"client_id":"` + documentURL + `","redirect_uris":["https://client.example/cb"]}`
}

func TestDocument(t *testing.T) {
	t.Parallel()
	keys := keySet(t)
	base := metadata.Metadata{ClientID: documentURL, RedirectURIs: []string{"https://client.example/cb"}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}}
	with := func(change func(*metadata.Metadata)) metadata.Metadata {
		m := base
		change(&m)
		return m
	}
	// What ChatGPT says of itself.
	const both = `"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt"],"token_endpoint_auth_signing_alg":"RS256","jwks_uri":"https://chatgpt.com/oauth/jwks.json",`
	for name, row := range map[string]struct {
		text  string
		offer metadata.Offer
		want  metadata.Metadata
	}{
		"the smallest":                  {document(""), withKeys, base},
		"none":                          {document(`"token_endpoint_auth_method":"none","logo_uri":"https://tracker.example/x.png",`), withKeys, base},
		"both methods, none is offered": {document(both), noneAlone, base},
		"both methods, both are offered": {document(both), withKeys, with(func(m *metadata.Metadata) {
			m.AuthMethod, m.AuthMethods, m.JWKSURI = "private_key_jwt", []string{"private_key_jwt", "none"}, "https://chatgpt.com/oauth/jwks.json"
		})},
		"a key, but no method": {document(`"jwks":` + keys + `,`), withKeys, base},
		"a key":                {document(`"token_endpoint_auth_method":"private_key_jwt","jwks":` + keys + `,`), withKeys, with(func(m *metadata.Metadata) { m.AuthMethod, m.JWKS = "private_key_jwt", json.RawMessage(keys) })},
		"a list alone":         {document(`"token_endpoint_auth_methods_supported":["client_secret_basic","none"],`), withKeys, base},
		"the device grant":     {document(`"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],`), withKeys, with(func(m *metadata.Metadata) { m.GrantTypes = []string{"authorization_code", "refresh_token"} })},
		"a machine, without redirect URIs": {
			`{"client_id":"` + documentURL + `","grant_types":["client_credentials"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://client.example/keys"}`, withKeys,
			metadata.Metadata{ClientID: documentURL, AuthMethod: "private_key_jwt", GrantTypes: []string{"client_credentials"}, JWKSURI: "https://client.example/keys"},
		},
	} {
		got, fault := metadata.Document(documentURL, []byte(row.text), row.offer)
		if fault != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, fault, row.want)
			continue
		}
		for _, method := range []string{"none", "private_key_jwt", "client_secret_basic", ""} {
			if want := method == row.want.AuthMethod || slices.Contains(row.want.AuthMethods, method); got.Allows(method) != want {
				t.Errorf("%s: allows %s: %t, want %t", name, method, !want, want)
			}
		}
	}
}

func TestDocumentRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "null", "<html></html>", "[]",
		`{"redirect_uris":["https://client.example/cb"]}`,
		strings.Replace(document(""), documentURL, "https://app.example/client.json", 1),
		strings.Replace(document(""), documentURL, documentURL+"?", 1),
		strings.Replace(document(""), documentURL, "https://CLIENT.example/client.json", 1),
		`{"client_id":["` + documentURL + `"],"redirect_uris":["https://client.example/cb"]}`,
		document(`"client_id":"` + documentURL + `",`),
		`{"client_id":"` + documentURL + `"}`,
		`{"client_id":"` + documentURL + `","redirect_uris":[]}`,
		`{"client_id":"` + documentURL + `","redirect_uris":["http://client.example/cb"]}`,
		`{"client_id":"` + documentURL + `","redirect_uris":["https://client.example/cb","javascript:alert(1)"]}`,
		document(`"client_secret":"s3cret",`),
		document(`"client_secret":"",`),
		document(`"client_secret_expires_at":0,`),
		document(`"token_endpoint_auth_method":"client_secret_basic",`),
		document(`"token_endpoint_auth_method":"client_secret_post","token_endpoint_auth_methods_supported":["none"],`),
		document(`"token_endpoint_auth_method":"client_secret_jwt",`),
		document(`"token_endpoint_auth_method":"tls_client_auth",`),
		document(`"token_endpoint_auth_methods_supported":["client_secret_basic"],`),
		document(`"token_endpoint_auth_method":"private_key_jwt",`),
		document(`"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"oct","k":"AAAA"}]},`),
		document(`"jwks":` + strings.Replace(keySet(t), `"kty"`, `"d":"AAAA","kty"`, 1) + `,`),
		document(`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"http://client.example/keys",`),
		document(`"client_name":{},`),
		document(`"client_name":"` + strings.Repeat("x", 500) + `",`),
	} {
		// The secret methods stand here by mistake: a document must not have them all the same.
		offer := metadata.Offer{Grants: withKeys.Grants, Methods: append([]string{"client_secret_basic", "client_secret_post", "client_secret_jwt"}, withKeys.Methods...)}
		if got, fault := metadata.Document(documentURL, []byte(text), offer); fault == nil {
			t.Errorf("%.200s: taken as %+v", text, got)
		}
	}
	if _, fault := metadata.Document("", []byte(`{"client_id":"","redirect_uris":["https://client.example/cb"]}`), withKeys); fault == nil {
		t.Error("a document without an address was taken")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"Claude Code (notes)":                    "Claude Code (notes)",
		"  a \t b\r\n c\u2028d\u00a0\u3000e":     "a b c d e",
		"Cla\u200bude\u200d\u2060\ufeff":         "Claude",
		"\u202eedualC\u202c \u2066x\u2069":       "edualC x",
		"a\x00b\x1b[31mc\x7f\u0085d":             "ab[31mc d",
		"a\u115f\u3164\uffa0\u034f\u00adb":       "ab",
		"a\u2800b":                               "a b",
		"\U000e0041\U000e007fx":                  "x",
		"a\ue000b\U0010fffdc":                    "abc",
		"Se\u0301bastien \u00fc":                 "Se\u0301bastien \u00fc",
		"a\u0301\u0301\u0301\u0301\u0301\u0301b": "a\u0301\u0301\u0301b",
		"\u0301a \u0301b":                        "a b",
		"\u65e5\u672c\u8a9e \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627": "\u65e5\u672c\u8a9e \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
		"<script>alert(1)</script>": "<script>alert(1)</script>", // the page escapes it
		"\u200b \u202e":             "",
	} {
		quoted, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		m, fault := metadata.Registration([]byte(body(`"client_name":`+string(quoted)+`,`)), open)
		if fault != nil || m.Name != want {
			t.Errorf("%q: got %q, %v, want %q", said, m.Name, fault, want)
		}
	}
	if m, fault := metadata.Registration([]byte(body(`"client_name":"`+strings.Repeat("\u20ac", 100)+`",`)), open); fault != nil || utf8.RuneCountInString(m.Name) != 100 {
		t.Errorf("a name of 100 characters: %v", fault)
	}
}

// FuzzRegistration holds that whatever is registered is within the bounds, leads only where it may, and comes
// back from a store as it was.
func FuzzRegistration(f *testing.F) {
	f.Add(body(`"client_name":"a\u202eb","scope":"a b","grant_types":["authorization_code","x"],`))
	f.Add(body(`"jwks":` + keySet(f) + `,"token_endpoint_auth_method":"private_key_jwt",`))
	f.Add(document(`"token_endpoint_auth_methods_supported":["none","private_key_jwt"],"jwks_uri":"https://a.example/",`))
	f.Add(`{"redirect_uris":["http://127.0.0.1/","cursor://a/b"],"token_endpoint_auth_method":"none"}`)
	f.Fuzz(func(t *testing.T, text string) {
		offer := metadata.Offer{Grants: withKeys.Grants, Methods: append(slices.Clone(open.Methods), "private_key_jwt")}
		m, fault := metadata.Registration([]byte(text), offer)
		if fault != nil {
			m, fault = metadata.Document(documentURL, []byte(text), offer)
		}
		if fault != nil {
			if strings.ContainsAny(fault.Description, "\"\\\n") || fault.Code == "" {
				t.Errorf("%q cannot stand in an error_description", fault.Description)
			}
			return
		}
		for _, uri := range m.RedirectURIs {
			if err := redirect.Check(uri); err != nil {
				t.Errorf("%q is registered: it %v", uri, err)
			}
		}
		if len(m.RedirectURIs) > 20 || utf8.RuneCountInString(m.Name) > 100 || len(m.GrantTypes) == 0 || !slices.Contains(offer.Methods, m.AuthMethod) {
			t.Errorf("registered as %+v", m)
		}
		kept, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if m.ClientID == "" && len(kept) > metadata.MaxKept {
			t.Errorf("%d bytes are kept", len(kept))
		}
		var again metadata.Metadata
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatal(err)
		}
		twice, err := json.Marshal(again)
		if err != nil || string(twice) != string(kept) {
			t.Errorf("kept as %s, read as %s: %v", kept, twice, err)
		}
	})
}
