package authhttp_test

import (
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
)

// operations returns the operations of a server's document as "METHOD /path summary", without the
// prefix.
func operations(t *testing.T, s *server) (list []string) {
	t.Helper()
	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	paths := document["paths"].(node)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, op := range paths[path].(node) {
			if summary, ok := member(op, "summary").(string); ok {
				list = append(list, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/auth")+" "+summary)
			}
		}
	}
	return list
}

// The table of the package comment has what Mount mounts, with the Endpoint that it is chosen by.
func TestPackageComment(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "authhttp.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	commented := map[string][]string{} // operations of the table, by Endpoint
	var all []string
	for line := range strings.Lines(file.Doc.Text()) {
		if words := strings.Fields(line); strings.HasPrefix(line, "\t") && len(words) > 3 {
			operation := strings.Join(words[1:], " ")
			commented[words[0]], all = append(commented[words[0]], operation), append(all, operation)
		}
	}
	const metadata = "/.well-known/oauth-authorization-server"
	mounted := func(s *server) []string {
		list := operations(t, s)
		for i, operation := range list {
			list[i] = strings.Replace(operation, metadata+"/tenant", metadata, 1) // path of this issuer
		}
		return list
	}
	same := func(what string, got, want []string) {
		t.Helper()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the package comment has\n%s\nMount mounts\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	same("all", all, mounted(newServer(t, authhttp.Config{})))
	for name, list := range commented {
		chosen := mounted(newServer(t, authhttp.Config{}, authhttp.Endpoint(name)))
		if name != string(authhttp.EndpointOpenAPI) {
			chosen = slices.DeleteFunc(chosen, func(operation string) bool { return strings.HasPrefix(operation, "GET /openapi.json ") })
		}
		same(name, list, chosen)
	}
}
