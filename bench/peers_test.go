// Package bench compares this library with others, and with the cost of the cryptography alone: the
// same token, the same checks, in one run.
package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	auth0 "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	cristalhq "github.com/cristalhq/jwt/v5"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/jwtauth/v5"
	jose4 "github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	kataras "github.com/kataras/jwt"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"github.com/lestrrat-go/jwx/v2/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

const (
	issuer   = "https://issuer.test"
	audience = "api.test"
)

// fixture is a key and a token of about 400 bytes that it signed.
type fixture struct {
	alg    string
	secret []byte
	signer crypto.Signer
	key    jwt.Key
	token  string
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newFixture(alg string) *fixture {
	f := &fixture{alg: alg}
	switch alg {
	case "HS256":
		secret := make([]byte, 32)
		rand.Read(secret)
		f = fixtureOf(secret, "")
	case "ES256":
		f.signer = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(nil)
		f.signer = must(private, err)
	case "RS256":
		f.signer = must(rsa.GenerateKey(rand.Reader, 2048))
	}
	if f.signer != nil {
		f.key = must(jwt.NewSigningKey(f.signer))
	}
	f.token = must(f.issuer(-1).Issue(context.Background(), claims()))
	return f
}

// fixtureOf returns a fixture for HS256 with this secret and token.
func fixtureOf(secret []byte, token string) *fixture {
	return &fixture{alg: "HS256", secret: secret, key: must(jwt.NewSecretKey(secret)), token: token}
}

func claims() auth.Claims {
	return auth.Claims{
		Subject: "u-4f7c1a2e9b", Scopes: []string{"read:items", "write:items"}, Roles: []string{"member"},
		SessionID: "s-81d0c3", Custom: map[string]any{"tenant": "acme"},
	}
}

// issuer returns an issuer of this library whose table of verified tokens has this many places.
func (f *fixture) issuer(places int) *jwt.Issuer {
	ring := must(jwt.NewKeyRing(f.key))
	return must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuer, Audience: audience, Keys: ring, Lifetime: 24 * time.Hour, VerifiedTokens: places}))
}

// verification returns the secret or the public key.
func (f *fixture) verification() any {
	if f.signer != nil {
		return f.signer.Public()
	}
	return f.secret
}

func (f *fixture) golangParser() *golangjwt.Parser {
	return golangjwt.NewParser(golangjwt.WithValidMethods([]string{f.alg}), golangjwt.WithIssuer(issuer),
		golangjwt.WithAudience(audience), golangjwt.WithExpirationRequired(), golangjwt.WithIssuedAt(), golangjwt.WithStrictDecoding())
}

// katarasHeader accepts a header with members beyond alg and typ, which the library's own
// comparison refuses.
func katarasHeader(alg string, text []byte) (kataras.Alg, kataras.PublicKey, kataras.InjectFunc, error) {
	var h struct{ Alg string }
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, nil, nil, err
	}
	if h.Alg != alg {
		return nil, nil, nil, kataras.ErrTokenAlg
	}
	return nil, nil, nil, nil
}

type callerKey struct{}

// minimal is the smallest middleware that a program would write around verify.
func minimal(verify func(token string) (any, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		caller, err := verify(token)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// verifiers returns for each library a function that verifies a token, with issuer, audience,
// expiry and algorithm.
func (f *fixture) verifiers() []named[func(token string) (any, error)] {
	list := []named[func(string) (any, error)]{{"golang-jwt", func() func(string) (any, error) {
		parser, key := f.golangParser(), f.verification()
		return func(token string) (any, error) {
			return parser.ParseWithClaims(token, golangjwt.MapClaims{}, func(*golangjwt.Token) (any, error) { return key, nil })
		}
	}()}}
	ours := func(places int) func(string) (any, error) {
		i := f.issuer(places)
		return func(token string) (any, error) { return i.Verify(context.Background(), token) }
	}
	list = append(list, named[func(string) (any, error)]{"auth-first", ours(-1)}, named[func(string) (any, error)]{"auth-repeat", ours(4096)})
	if f.alg != "HS256" {
		return list
	}
	list = append(list,
		named[func(string) (any, error)]{"go-jose", func(token string) (any, error) {
			t, err := josejwt.ParseSigned(token, []jose4.SignatureAlgorithm{jose4.HS256})
			if err != nil {
				return nil, err
			}
			var c josejwt.Claims
			more := map[string]any{}
			if err := t.Claims(f.secret, &c, &more); err != nil {
				return nil, err
			}
			return more, c.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}}, 0)
		}},
		named[func(string) (any, error)]{"kataras", func(token string) (any, error) {
			t, err := kataras.VerifyWithHeaderValidator(kataras.HS256, f.secret, []byte(token), katarasHeader,
				kataras.Expected{Issuer: issuer, Audience: kataras.Audience{audience}})
			if err != nil {
				return nil, err
			}
			more := map[string]any{}
			return more, t.Claims(&more)
		}},
		named[func(string) (any, error)]{"cristalhq", func() func(string) (any, error) {
			v := must(cristalhq.NewVerifierHS(cristalhq.HS256, f.secret))
			return func(token string) (any, error) {
				t, err := cristalhq.Parse([]byte(token), v)
				if err != nil {
					return nil, err
				}
				var c cristalhq.RegisteredClaims
				if err := t.DecodeClaims(&c); err != nil {
					return nil, err
				}
				if !c.IsValidAt(time.Now()) || !c.IsIssuer(issuer) || !c.IsForAudience(audience) {
					return nil, cristalhq.ErrInvalidFormat
				}
				return c, nil
			}
		}()},
		named[func(string) (any, error)]{"jwx", func(token string) (any, error) {
			return jwxjwt.Parse([]byte(token), jwxjwt.WithKey(jwa.HS256, f.secret), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience))
		}},
	)
	return list
}

// middlewares returns each library's middleware around next.
func (f *fixture) middlewares(next http.Handler) []named[http.Handler] {
	list := []named[http.Handler]{{"none", next}}
	for _, v := range f.verifiers() {
		switch v.name {
		case "auth-first", "auth-repeat":
			places := -1
			if v.name == "auth-repeat" {
				places = 4096
			}
			list = append(list, named[http.Handler]{v.name, must(auth.NewMiddleware(f.issuer(places), auth.MiddlewareConfig{})).Require(next)})
		default:
			list = append(list, named[http.Handler]{v.name, minimal(v.value, next)})
		}
	}
	if f.alg != "HS256" {
		return list
	}

	chi := jwtauth.New("HS256", f.secret, nil, jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience))
	list = append(list, named[http.Handler]{"jwtauth", jwtauth.Verifier(chi)(jwtauth.Authenticator(chi)(next))})

	v := must(validator.New(validator.WithKeyFunc(func(context.Context) (any, error) { return f.secret, nil }),
		validator.WithAlgorithm(validator.HS256), validator.WithIssuer(issuer), validator.WithAudience(audience)))
	list = append(list, named[http.Handler]{"auth0", must(auth0.New(auth0.WithValidator(v))).CheckJWT(next)})

	e := echo.New()
	e.Use(echojwt.WithConfig(echojwt.Config{ParseTokenFunc: func(_ echo.Context, token string) (any, error) {
		return f.golangParser().Parse(token, func(*golangjwt.Token) (any, error) { return f.secret, nil })
	}}))
	e.GET("/", echo.WrapHandler(next))
	list = append(list, named[http.Handler]{"echo-jwt", e})

	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	mw := must(ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm: "api", Key: f.secret, Timeout: time.Hour, IdentityKey: "sub",
		ParseOptions: []golangjwt.ParserOption{golangjwt.WithIssuer(issuer), golangjwt.WithAudience(audience)},
	}))
	g.GET("/", mw.MiddlewareFunc(), gin.WrapH(next))
	return append(list, named[http.Handler]{"gin-jwt", g})
}

type named[T any] struct {
	name  string
	value T
}
