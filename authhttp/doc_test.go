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

// operations returns what a server's document has, each as "METHOD /path summary",
// less its prefix and the document itself.
func operations(t *testing.T, s *server) (list []string) {
	t.Helper()
	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	paths := document["paths"].(node)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, op := range paths[path].(node) {
			if summary, ok := at(op, "summary").(string); ok {
				list = append(list, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/auth")+" "+summary)
			}
		}
	}
	return list
}

// The table of the package comment says what Mount mounts, and by which Endpoint.
func TestTableOfEndpoints(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "authhttp.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{} // by Endpoint
	var all []string
	for line := range strings.Lines(file.Doc.Text()) {
		if words := strings.Fields(line); strings.HasPrefix(line, "\t") && len(words) > 3 {
			one := strings.Join(words[1:], " ")
			said[words[0]], all = append(said[words[0]], one), append(all, one)
		}
	}
	const metadata = "/.well-known/oauth-authorization-server"
	mounted := func(s *server) []string {
		list := operations(t, s)
		for i, one := range list {
			list[i] = strings.Replace(one, metadata+"/tenant", metadata, 1) // of this issuer
		}
		return list
	}
	same := func(what string, got, want []string) {
		t.Helper()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the package comment has\n%s\nand mounted is\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	same("all", all, mounted(newServer(t, authhttp.Config{})))
	for name, list := range said {
		only := mounted(newServer(t, authhttp.Config{}, authhttp.Endpoint(name)))
		if name != string(authhttp.EndpointOpenAPI) {
			only = slices.DeleteFunc(only, func(one string) bool { return strings.HasPrefix(one, "GET /openapi.json ") })
		}
		same(name, list, only)
	}
}
