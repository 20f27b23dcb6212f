package authui_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Both languages have the same keys, with the same placeholders, and no text is empty.
func TestLanguagesAreComplete(t *testing.T) {
	t.Parallel()
	english, german := authui.English(), authui.German()
	if len(english) < 100 {
		t.Fatalf("only %d texts", len(english))
	}
	placeholders := func(text string) []string {
		list := regexp.MustCompile(`\{[a-z]*\}`).FindAllString(text, -1)
		slices.Sort(list)
		return list
	}
	for key, text := range english {
		if text == "" || german[key] == "" || !slices.Equal(placeholders(text), placeholders(german[key])) {
			t.Errorf("%s: %q and %q", key, text, german[key])
		}
	}
	for key := range german {
		if _, ok := english[key]; !ok {
			t.Errorf("%s is German alone", key)
		}
	}
}

// No text stands in a template: not between the tags, and not in an attribute that people read. Every key
// that a template or the code names is one of a text, and every text is used.
func TestTextsStandInTheCatalogue(t *testing.T) {
	t.Parallel()
	keys := authui.English()
	used := map[string]bool{}
	read := regexp.MustCompile(` (title|alt|placeholder|aria-label)="([^"]*)`)
	tag := regexp.MustCompile(`<[^>]*>`)
	letter := regexp.MustCompile(`\pL`)
	files, err := fs.Glob(os.DirFS("templates"), "*.html")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		source := string(must(os.ReadFile("templates/" + file)))
		tree := parse.New(file)
		tree.Mode = parse.SkipFuncCheck
		set := map[string]*parse.Tree{}
		if _, err := tree.Parse(source, "", "", set); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder // with a space in the place of each action
		var walk func(parse.Node)
		walk = func(n parse.Node) {
			switch n := n.(type) {
			case *parse.ListNode:
				if n != nil {
					for _, child := range n.Nodes {
						walk(child)
					}
				}
			case *parse.TextNode:
				text.Write(n.Text)
			case *parse.IfNode:
				walk(n.List)
				walk(n.ElseList)
			case *parse.WithNode:
				walk(n.List)
				walk(n.ElseList)
			case *parse.RangeNode:
				walk(n.List)
				walk(n.ElseList)
			default:
				text.WriteByte(' ')
			}
		}
		for _, name := range slices.Sorted(maps.Keys(set)) {
			walk(set[name].Root)
		}
		for _, found := range read.FindAllStringSubmatch(text.String(), -1) {
			if letter.MatchString(found[2]) {
				t.Errorf("%s has the text %s", file, found[0])
			}
		}
		rest := regexp.MustCompile(` [a-z-]+="[^"]*"`).ReplaceAllString(tag.ReplaceAllString(text.String(), " "), " ")
		if letter.MatchString(rest) {
			t.Errorf("%s has texts: %s", file, strings.Join(strings.Fields(rest), " "))
		}
		for _, found := range regexp.MustCompile(`\.T "([^"]*)"`).FindAllStringSubmatch(source, -1) {
			used[found[1]] = true
		}
		used[strings.TrimSuffix(file, ".html")+".title"] = true
	}
	for _, file := range must(fs.Glob(os.DirFS("."), "*.go")) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range regexp.MustCompile(`"((?:problem|format|notice|account|keys)\.[a-z_.]+)"`).FindAllStringSubmatch(string(must(os.ReadFile(file))), -1) {
			used[found[1]] = true
		}
	}
	delete(used, "layout.title")
	for key := range used {
		if keys[key] == "" && !strings.HasSuffix(key, ".") {
			t.Errorf("there is no text %s", key)
		}
	}
	for key := range keys {
		if !used[key] && !strings.HasPrefix(key, "problem.") && !strings.HasPrefix(key, "notice.") {
			t.Errorf("nothing uses the text %s", key)
		}
	}
}

// The language is the first of those that the browser asks for and the pages have.
func TestAcceptLanguage(t *testing.T) {
	t.Parallel()
	french := authui.English()
	french["login.title"] = "Se connecter"
	s := newSite(t, authui.Config{Languages: map[string]authui.Messages{"fr": french}})
	german := newSite(t, authui.Config{Language: "de"})
	for _, row := range []struct {
		site         *site
		accept, lang string
		heading      string
	}{
		{s, "", "en", "Log in"}, {s, "en-GB,en;q=0.9", "en", "Log in"}, {s, "de", "de", "Anmelden"}, {s, "de-AT,de;q=0.9,en;q=0.8", "de", "Anmelden"},
		{s, "en;q=0.5,de;q=0.9", "de", "Anmelden"}, {s, "ja,fr;q=0.5", "fr", "Se connecter"}, {s, "ja", "en", "Log in"}, {s, "*", "en", "Log in"},
		{s, ";;;", "en", "Log in"}, {s, "de," + strings.Repeat("en,", 5000), "de", "Anmelden"}, {s, strings.Repeat("-", 100000), "en", "Log in"},
		{german, "ja", "de", "Anmelden"}, {german, "en", "en", "Log in"},
	} {
		b := row.site.browser()
		b.header.Set("Accept-Language", row.accept)
		page := b.open("/login")
		if !strings.Contains(page.body, `<html lang="`+row.lang+`">`) || !strings.Contains(page.body, "<h1>"+row.heading+"</h1>") || page.header.Get("Content-Language") != row.lang {
			t.Errorf("%.40q: got %s, want %s", row.accept, page.header.Get("Content-Language"), row.lang)
		}
	}
}

// A language of the host that lacks a text is a fault, and so is one with other placeholders.
func TestConfigFaults(t *testing.T) {
	t.Parallel()
	broken := authui.English()
	delete(broken, "login.title")
	broken["account.user"] = "Logged in"
	broken["more"] = "text"
	s := newSite(t, authui.Config{})
	_, err := s.app.Pages(authui.Config{
		Prefix: "accounts", Home: "https://evil.test/", Logo: "javascript:alert(1)", Style: strings.Repeat("x", 256<<10+1),
		Languages: map[string]authui.Messages{"it": broken, "not a tag": authui.English()}, Language: "ja",
	})
	for _, want := range []string{
		"Config.Prefix", "Config.Home", "Config.Logo", "Config.Style", `it: login.title": is missing`, "it: account.user", "it: more", "not a tag", "Config.Language",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the faults lack %s: %v", want, err)
		}
	}
	if _, ok := errors.AsType[*cfgerr.Error](err); !ok {
		t.Errorf("%T is no fault of the configuration", err)
	}
	for _, prefix := range []string{"/", "/a/", "/a//b", "//a", "/{a}", "/a b", "/a?b", "/../a"} {
		if _, err := s.app.Pages(authui.Config{Prefix: prefix}); err == nil {
			t.Errorf("Prefix %q is taken", prefix)
		}
	}
	if err := s.pages.Mount(s.mux); err == nil {
		t.Error("the same pages twice on one mux are no fault")
	}
	if err := s.pages.Mount(nil); err == nil {
		t.Error("no mux is no fault")
	}
}
