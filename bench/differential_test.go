package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
)

var update = flag.Bool("update", false, "write testdata/differential.tsv")

// tokenCase is a line of testdata/vectors/tokens.jsonl.
type tokenCase struct {
	ID, Settings, Alg, Token, Why string
	Description, Source           string
}

// oneKey holds those settings of the cases that every library can be configured with: one key.
var oneKey = map[string]struct {
	kid    string
	leeway time.Duration
}{"HS": {"hs-1", 0}, "HS60": {"hs-1", time.Minute}, "RS": {"rs-1", 0}, "ES": {"es-1", 0}}

// TestDifferential compares this library with others, each configured as strictly as it can be,
// case by case. testdata/differential.tsv lists every difference and its reason. The test fails for
// a difference that is missing from the list, and for one in the list that is gone.
func TestDifferential(t *testing.T) {
	var cases []tokenCase
	text, err := os.ReadFile("../testdata/vectors/tokens.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var c tokenCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		if _, ok := oneKey[c.Settings]; ok {
			cases = append(cases, c)
		}
	}
	theirs := [][]bool{golangAnswers(t, cases), jwxAnswers(t, cases), pythonAnswers(t, cases)}
	ours := ourAnswers(t, cases)

	var got strings.Builder
	fmt.Fprintln(&got, "case\tours\tgolang-jwt\tjwx\tpython-jose\twhy\tsource")
	for i, c := range cases {
		differs := false
		row := c.ID + "\t" + word(ours[i])
		for _, answers := range theirs {
			if answers[i] != ours[i] {
				differs = true
				row += "\t" + word(answers[i])
			} else {
				row += "\t="
			}
		}
		if differs {
			fmt.Fprintf(&got, "%s\t%s: %s\t%s\n", row, c.Description, c.Why, c.Source)
		}
	}
	const file = "testdata/differential.tsv"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the differences are not those in %s: run with -update and review the change", file)
	}
}

func word(accepted bool) string {
	if accepted {
		return "accept"
	}
	return "reject"
}

func vectorFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/vectors/keys/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verifying returns a key for verifying: a secret as []byte, or a public key.
func verifying(t *testing.T, kid string) any {
	t.Helper()
	if strings.HasPrefix(kid, "hs") {
		return must(base64.StdEncoding.DecodeString(strings.TrimSpace(string(vectorFile(t, kid+".b64")))))
	}
	block, _ := pem.Decode(vectorFile(t, kid+".public.pem"))
	return must(x509.ParsePKIXPublicKey(block.Bytes))
}

var vectorTime = time.Unix(1_800_000_000, 0)

func ourAnswers(t *testing.T, cases []tokenCase) (answers []bool) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(vectorTime))
		for _, c := range cases {
			s := oneKey[c.Settings]
			var key jwt.Key
			switch k := verifying(t, s.kid).(type) {
			case []byte:
				key = must(jwt.NewSecretKey(k))
			default:
				key = must(jwt.NewVerifyingKey(k))
			}
			leeway := s.leeway
			if leeway == 0 {
				leeway = jwt.NoLeeway
			}
			v := must(jwt.NewVerifier(jwt.VerifierConfig{
				Issuer: issuer, Audience: audience, Leeway: leeway,
				Keys: must(jwt.NewVerifyingKeyRing(must(key.WithID(s.kid)))),
			}))
			_, err := v.Verify(context.Background(), c.Token)
			answers = append(answers, err == nil)
		}
	})
	return answers
}

func golangAnswers(t *testing.T, cases []tokenCase) (answers []bool) {
	for _, c := range cases {
		s := oneKey[c.Settings]
		key := verifying(t, s.kid)
		parser := golangjwt.NewParser(golangjwt.WithValidMethods([]string{algOf(s.kid)}), golangjwt.WithIssuer(issuer),
			golangjwt.WithAudience(audience), golangjwt.WithExpirationRequired(), golangjwt.WithIssuedAt(),
			golangjwt.WithStrictDecoding(), golangjwt.WithLeeway(s.leeway), golangjwt.WithJSONNumber(),
			golangjwt.WithTimeFunc(func() time.Time { return vectorTime }))
		_, err := parser.Parse(c.Token, func(*golangjwt.Token) (any, error) { return key, nil })
		answers = append(answers, err == nil)
	}
	return answers
}

func jwxAnswers(t *testing.T, cases []tokenCase) (answers []bool) {
	for _, c := range cases {
		s := oneKey[c.Settings]
		_, err := jwxjwt.Parse([]byte(c.Token), jwxjwt.WithKey(jwa.SignatureAlgorithm(algOf(s.kid)), verifying(t, s.kid)),
			jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience), jwxjwt.WithRequiredClaim("exp"), jwxjwt.WithRequiredClaim("sub"),
			jwxjwt.WithAcceptableSkew(s.leeway), jwxjwt.WithClock(jwxjwt.ClockFunc(func() time.Time { return vectorTime })))
		answers = append(answers, err == nil)
	}
	return answers
}

// pythonAnswers runs python-jose.
func pythonAnswers(t *testing.T, cases []tokenCase) (answers []bool) {
	python := testenv.Python(t, "jose")
	var in bytes.Buffer
	for _, c := range cases {
		s := oneKey[c.Settings]
		line := map[string]any{"token": c.Token, "alg": algOf(s.kid), "leeway": s.leeway.Seconds(), "pem": !strings.HasPrefix(s.kid, "hs")}
		if line["pem"] == true {
			line["key"] = string(vectorFile(t, s.kid+".public.pem"))
		} else {
			line["key"] = strings.TrimSpace(string(vectorFile(t, s.kid+".b64")))
		}
		if err := json.NewEncoder(&in).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, "testdata/python_jose.py")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		answers = append(answers, sc.Text() == "accept")
	}
	if len(answers) != len(cases) {
		t.Fatalf("python-jose gave %d answers to %d cases", len(answers), len(cases))
	}
	return answers
}

func algOf(kid string) string {
	return map[string]string{"hs-1": "HS256", "rs-1": "RS256", "es-1": "ES256"}[kid]
}
