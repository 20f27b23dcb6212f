package authui

import (
	"embed"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/passwords"
)

// Messages are the texts of all pages in one language, by their keys. A text may have placeholders, such as
// {client}, which are the same in every language. It is text, not HTML. [English] and [German] show the keys;
// a further language has each of them.
type Messages map[string]string

//go:embed messages
var messageFiles embed.FS

// English returns the English texts.
func English() Messages { return readMessages("en") }

// German returns the German texts.
func German() Messages { return readMessages("de") }

// readMessages reads the texts of the package; a test reads all of them.
func readMessages(tag string) Messages {
	m := Messages{}
	text, err := messageFiles.ReadFile("messages/" + tag + ".json")
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return Messages{}
	}
	return m
}

// placeholder matches a placeholder of a text.
var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// placeholders returns the placeholders of a text, each once and sorted.
func placeholders(text string) []string {
	list := placeholder.FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// texts are the texts of one language.
type texts struct {
	tag      string // BCP 47
	messages Messages
}

// languages are all languages of the pages, the one for browsers that ask for none of them first.
type languages struct {
	all   []*texts
	match language.Matcher
}

// newLanguages returns the package's languages with those of the host, or adds each fault.
func newLanguages(more map[string]Messages, first string, faults *cfgerr.Faults) *languages {
	all := map[string]Messages{"en": English(), "de": German()}
	model := all["en"]
	for _, tag := range slices.Sorted(maps.Keys(more)) {
		if t, err := language.Parse(tag); err != nil || t.String() != tag {
			faults.Add("Config.Languages", tag, "must be a language tag, such as fr or pt-BR")
		}
		checkMessages(model, more[tag], tag, faults)
		all[tag] = maps.Clone(more[tag])
	}
	if all[first] == nil {
		faults.Add("Config.Language", first, "must be one of the languages that are there")
		return nil
	}
	l := &languages{all: []*texts{{first, all[first]}}}
	for _, tag := range slices.Sorted(maps.Keys(all)) {
		if tag != first {
			l.all = append(l.all, &texts{tag, all[tag]})
		}
	}
	tags := make([]language.Tag, len(l.all))
	for i, t := range l.all {
		tags[i], _ = language.Parse(t.tag) // checked before
	}
	l.match = language.NewMatcher(tags)
	return l
}

// checkMessages adds a fault for each key that is missing or unknown, and for each text that has other
// placeholders than the English one.
func checkMessages(model, m Messages, tag string, faults *cfgerr.Faults) {
	for _, key := range slices.Sorted(maps.Keys(model)) {
		switch text, ok := m[key]; {
		case !ok || text == "":
			faults.Add("Config.Languages", tag+": "+key, "is missing")
		case !slices.Equal(placeholders(text), placeholders(model[key])):
			faults.Add("Config.Languages", tag+": "+key, "must have the placeholders of the English text: "+model[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if _, ok := model[key]; !ok {
			faults.Add("Config.Languages", tag+": "+key, "is no key of a text")
		}
	}
}

// maxAccept is how much of Accept-Language is read, in bytes.
const maxAccept = 512

// of returns the texts in the language that the browser of r asks for.
func (l *languages) of(r *http.Request) *texts {
	header := r.Header.Get("Accept-Language")
	if len(header) > maxAccept {
		header = header[:strings.LastIndexByte(header[:maxAccept], ',')+1] // whole ranges alone
	}
	wanted, _, err := language.ParseAcceptLanguage(strings.TrimSuffix(header, ","))
	if err != nil || len(wanted) == 0 {
		return l.all[0]
	}
	_, i, sure := l.match.Match(wanted...)
	if sure == language.No {
		i = 0
	}
	return l.all[i]
}

// text returns a text with the values of its placeholders: name, value, name, value, ….
func (t *texts) text(key string, args ...string) string {
	pairs := make([]string, len(args)&^1)
	for i := 0; i+1 < len(args); i += 2 {
		pairs[i], pairs[i+1] = "{"+args[i]+"}", args[i+1]
	}
	return strings.NewReplacer(pairs...).Replace(t.messages[key])
}

// has reports whether there is a text.
func (t *texts) has(key string) bool { return t.messages[key] != "" }

// problem returns the key and the values of the text that says why an endpoint refused a call: a text for
// this endpoint, or for the code of its answer, or for its status.
func (t *texts) problem(re *reply) (key string, args []string) {
	if broken, ok := errors.AsType[*passwords.Error](re.Err); ok && broken.Limit > 0 {
		args = []string{"limit", strconv.Itoa(broken.Limit)}
	}
	wait, _ := strconv.Atoi(re.header.Get("Retry-After"))
	for _, key := range []string{
		"problem" + strings.ReplaceAll(re.path, "/", ".") + "." + re.Code, "problem." + re.Code,
	} {
		if re.Code != "" && t.has(key) {
			return key, args
		}
	}
	switch {
	case re.Status == http.StatusTooManyRequests && wait > 90:
		return "problem.wait_minutes", []string{"minutes", strconv.Itoa(int(math.Ceil(float64(wait) / 60)))}
	case re.Status == http.StatusTooManyRequests && wait > 0:
		return "problem.wait_seconds", []string{"seconds", strconv.Itoa(wait)}
	case re.Status == http.StatusTooManyRequests:
		return "problem.wait", nil
	case re.Status == http.StatusServiceUnavailable:
		return "problem.unavailable", nil
	case re.Status >= 500:
		return "problem.failed", nil
	}
	return "problem.malformed", nil
}
