package authhttp_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/internal/testenv"
)

// openapiSchemaValidator is a program that prints the findings of the npm package of that name.
const openapiSchemaValidator = `
import { Validator } from "@seriousme/openapi-schema-validator";
import { readFileSync } from "node:fs";

const results = {};
for (const [name, text] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
	const validator = new Validator();
	const result = await validator.validate(JSON.parse(text));
	if (result.valid) validator.resolveRefs(); // throws if a reference leads nowhere
	results[name] = result.valid ? validator.version : JSON.stringify(result.errors);
}
process.stdout.write(JSON.stringify(results));
`

func TestOpenAPIValidator(t *testing.T) {
	t.Parallel()
	dir := testenv.NodeModule(t, "@seriousme/openapi-schema-validator")
	documents := map[string]string{}
	for name, cfg := range map[string]authhttp.Config{
		"bearer": {}, "grant": {PasswordGrant: true}, "cookies": cookies(t, authhttp.CookieConfig{}),
		"localhost": cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}),
	} {
		documents[name], _ = documentAt(t, newServer(t, cfg).Config.Handler, "/auth/openapi.json")
	}
	documents["none"], _ = documentAt(t, newServer(t, authhttp.Config{}, authhttp.EndpointOpenAPI).Config.Handler, "/auth/openapi.json")
	documents["wrong"] = strings.Replace(documents["bearer"], `"responses"`, `"answers"`, 1)
	cmd := exec.CommandContext(t.Context(), testenv.Command(t, "node"), "--input-type=module", "-e", openapiSchemaValidator)
	cmd.Dir = dir
	var got map[string]string
	testenv.Ask(t, cmd, documents, &got)
	for name := range documents {
		if valid := got[name] == "3.1"; valid == (name == "wrong") {
			t.Errorf("document %s: the validator printed %s", name, got[name])
		}
	}
}

// generatedClient is what a user of npm's openapi-typescript and openapi-fetch writes. Its types
// are generated from the document.
const generatedClient = `
import createClient from "openapi-fetch";
import type { paths } from "./schema";

declare const process: { argv: string[]; stdout: { write(s: string): void } };

const client = createClient<paths>({ baseUrl: process.argv[2]! });
const body = { username: "ada", password: process.argv[3]! };

const wrong = await client.POST("/auth/login", { body: { ...body, password: "wrong horse" } });
if (!wrong.error || !("code" in wrong.error)) throw new Error("a wrong password was accepted");
const code: string = wrong.error.code;

const { data: tokens, error } = await client.POST("/auth/login", { body });
if (!tokens) throw new Error(JSON.stringify(error));
const headers = { Authorization: "Bearer " + tokens.access_token };
const { data: me } = await client.GET("/auth/me", { headers });
const { data: list } = await client.GET("/auth/sessions", { headers });
const current: boolean | undefined = list?.sessions[0]?.current;

const { data: next } = await client.POST("/auth/refresh", { body: { refresh_token: tokens.refresh_token! } });
const logout = await client.POST("/auth/logout", { headers: { Authorization: "Bearer " + next?.access_token } });
const afterLogout = await client.GET("/auth/me", { headers });
// @ts-expect-error a member that the document does not have
await client.POST("/auth/login", { body: { user: "ada", password: "x" } });

const { data: requested } = await client.POST("/auth/login/code/request", { body: { address: "ada@example.com" } });
const mailed = await client.POST("/auth/login/code", { body: { challenge: requested!.challenge, code: "no code" } });
const { data: last } = await client.POST("/auth/login", { body });
const deletion = await client.POST("/auth/account/delete", {
	headers: { Authorization: "Bearer " + (last && "access_token" in last ? last.access_token : "") }, body: { current_password: body.password },
});
process.stdout.write(JSON.stringify({
	code, username: me?.username, current, logout: logout.response.status, afterLogout: afterLogout.error?.code,
	mailed: mailed.error && "code" in mailed.error && mailed.error.code, deletion: deletion.response.status,
}));
`

// A client that is generated from the document compiles, logs in and calls other endpoints.
func TestOpenAPIClient(t *testing.T) {
	t.Parallel()
	dir := testenv.NodeModule(t, "openapi-typescript")
	testenv.NodeModule(t, "openapi-fetch")
	testenv.NodeModule(t, "typescript")
	node := testenv.Command(t, "node")
	s := newServer(t, authhttp.Config{})
	server := httptest.NewServer(s.Config.Handler)
	t.Cleanup(server.Close)
	text, _ := documentAt(t, s.Config.Handler, "/auth/openapi.json")

	work := t.TempDir()
	modules := filepath.Join(dir, "node_modules")
	if err := os.Symlink(modules, filepath.Join(work, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"openapi.json": text, "client.ts": generatedClient, "package.json": `{"type":"module"}`} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), node, args...)
		cmd.Dir = work
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, output)
		}
		return string(output)
	}
	run(filepath.Join(modules, "openapi-typescript", "bin", "cli.js"), "openapi.json", "-o", "schema.d.ts")
	run(filepath.Join(modules, "typescript", "bin", "tsc"), "--strict", "--noUncheckedIndexedAccess", "--skipLibCheck", "--target", "es2022",
		"--lib", "es2022,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler", "client.ts")
	got := run("client.js", server.URL, password)
	if want := `{"code":"invalid_credentials","username":"ada","current":true,"logout":204,"afterLogout":"invalid_token","mailed":"invalid_credentials","deletion":204}`; got != want {
		t.Errorf("the client printed %s, want %s", got, want)
	}
}
