package main

import (
	"strings"
	"testing"
)

// converse returns the answers to requests. In a request, $n stands for the token of the n-th answer.
func converse(t *testing.T, strict bool, requests ...string) []string {
	t.Helper()
	j, err := newJudge(strict)
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, request := range requests {
		f := strings.Fields(request)
		for i, word := range f {
			if n, found := strings.CutPrefix(word, "$"); found {
				f[i] = strings.Fields(answers[n[0]-'1'])[1]
			}
		}
		answer, err := j.answer(f)
		if err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		if answer != "" {
			answers = append(answers, answer)
		}
	}
	return answers
}

// kinds are the answers without their tokens.
func kinds(answers []string) string {
	var all []string
	for _, a := range answers {
		f := strings.Fields(a)
		if f[0] == "ok" || f[0] == "token" {
			f = append(f[:1], f[2:]...)
		}
		all = append(all, strings.Join(f, " "))
	}
	return strings.Join(all, ", ")
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	requests := []string{
		"start g 10.0.0.1 0.5 900",
		"present g $1 10.0.0.2 3600.25",
		"present g $1 20.0.0.1 7200",
		"present g $2 10.0.0.3 10800",
		"present g $3 20.0.0.2 14400",
		"end g",
	}
	got := converse(t, false, requests...)
	if kinds(got) != "token, ok, ok, ok, ok told" || got[0] == got[1] {
		t.Errorf("answers %q", got)
	}
	if got := kinds(converse(t, true, requests[:3]...)); got != "token, ok, ended told" {
		t.Errorf("strict: answers %q", got)
	}
}

func TestNoRequest(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "start g", "present g t 10.0.0.1 0", "start g x 0 900", "start g 10.0.0.1 x 900", "start g 10.0.0.1 0 x", "end"} {
		var out strings.Builder
		if err := serve(strings.NewReader(line+"\n"), &out, false); err == nil || out.Len() > 0 {
			t.Errorf("%q: answered %q, %v", line, &out, err)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := serve(strings.NewReader("start a 10.0.0.1 0 900\nstart b ::1 0 900\nend a\n"), &out, false); err != nil || kinds(strings.Split(strings.TrimSpace(out.String()), "\n")) != "token, token" {
		t.Errorf("answered %q, %v", &out, err)
	}
}
