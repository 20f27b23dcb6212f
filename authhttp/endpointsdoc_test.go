package authhttp_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/internal/testenv"
)

// docs/endpoints.md has a row for each endpoint that Mount mounts, with the status of success and
// every code that is particular to the endpoint.
func TestEndpointsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(testenv.Checkout(t), "docs", "endpoints.md"))
	if err != nil {
		t.Fatal(err)
	}
	chosenBy := map[string]string{} // name of the Endpoint, by "METHOD /path"
	for _, row := range authhttp.Table() {
		chosenBy[row.Method+" "+row.Path] = string(row.Name)
	}

	type row struct{ by, success, refuses string }
	got := map[string]row{}
	cells := regexp.MustCompile("(?m)^\\| `([A-Z]+ /\\S*)` \\| `([a-z-]+)` \\|[^|]*\\| (\\d+)[^|]*\\|([^|]*)\\|$")
	for _, c := range cells.FindAllStringSubmatch(string(page), -1) {
		got[c[1]] = row{c[2], c[3], strings.Join(refusals(c[4]), ", ")}
	}
	want := map[string]row{}
	s := newServer(t, authhttp.Config{PasswordGrant: true})
	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	for path, item := range document["paths"].(node) {
		path = strings.TrimSuffix(strings.TrimPrefix(path, "/auth"), "/tenant") // prefix, and path of the issuer
		for method, op := range item.(node) {
			name := strings.ToUpper(method) + " " + path
			if by, isMethod := chosenBy[name]; isMethod {
				success, refuses := answersOf(op.(node))
				want[name] = row{by, success, strings.Join(refuses, ", ")}
			}
		}
	}
	for name, w := range want {
		if g, found := got[name]; !found {
			t.Errorf("docs/endpoints.md has no row for %s", name)
		} else if g != w {
			t.Errorf("row of %s: got\n%+v, want\n%+v", name, g, w)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("docs/endpoints.md has a row for %s, which Mount does not mount", name)
	}
	if len(want) < len(chosenBy) {
		t.Errorf("got %d mounted endpoints, want the %d of the table", len(want), len(chosenBy))
	}
}

// refusals reads a cell such as "409 `username_taken`, 429". It returns "status code" for each
// code, and the status alone if the cell has no code for it.
func refusals(cell string) (list []string) {
	for _, m := range regexp.MustCompile("(\\d{3})|`([a-z_*]+)`").FindAllStringSubmatch(cell, -1) {
		last := len(list) - 1
		switch {
		case m[1] != "":
			list = append(list, m[1])
		case len(list[last]) == 3:
			list[last] += " " + m[2]
		default:
			list = append(list, list[last][:3]+" "+m[2])
		}
	}
	slices.Sort(list)
	return list
}

// answersOf returns the status of success of an operation, and its refusals, except those that the
// page lists once for all endpoints.
func answersOf(op node) (success string, refuses []string) {
	for status, answer := range op["responses"].(node) {
		if status < "400" {
			success = status
			continue
		}
		text, _ := json.Marshal(answer)
		codes := regexp.MustCompile(`"enum":\[([^\]]*)\]`).FindStringSubmatch(string(text))
		var names []string
		if codes != nil {
			names = strings.Split(strings.ReplaceAll(codes[1], `"`, ""), ",")
		}
		if strings.Contains(string(text), "MFARequired") {
			names = append(names, "mfa_required")
		}
		number, _ := strconv.Atoi(status)
		for _, name := range names {
			if strings.HasPrefix(name, "password_") {
				name = "password_*"
			}
			switch {
			case number >= 500, number == http.StatusRequestEntityTooLarge, number == http.StatusUnsupportedMediaType:
			case name == "invalid_request", name == "no_credentials", name == "invalid_token", name == "insufficient_scope":
			case name == problem.Code(number):
				refuses = append(refuses, status)
			default:
				refuses = append(refuses, status+" "+name)
			}
		}
	}
	slices.Sort(refuses)
	return success, slices.Compact(refuses)
}
