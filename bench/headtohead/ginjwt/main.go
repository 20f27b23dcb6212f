// Command ginjwt is the application of the comparison on appleboy/gin-jwt, as its README has it: the quick
// start, with the settings of its secure configuration. Package accounts and the registration are the
// program's own.
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-e36e2130/auth/bench/headtohead/accounts"
)

const (
	issuer      = "http://localhost:8080"
	audience    = "headtohead"
	identityKey = "sub"
)

type login struct {
	Username string `form:"username" json:"username" binding:"required"`
	Password string `form:"password" json:"password" binding:"required"`
}

// User is what Authenticator returns.
type User struct{ UserName string }

var users = accounts.New()

func main() {
	engine := gin.Default()
	middleware, err := ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm:           "headtohead",
		Key:             []byte(os.Getenv("JWT_SECRET")),
		Timeout:         15 * time.Minute,
		MaxRefresh:      7 * 24 * time.Hour,
		IdentityKey:     identityKey,
		PayloadFunc:     payload,
		IdentityHandler: identity,
		Authenticator:   authenticate,
		ParseOptions:    []jwt.ParserOption{jwt.WithExpirationRequired(), jwt.WithIssuer(issuer), jwt.WithAudience(audience)},
		TokenLookup:     "header: Authorization, query: token, cookie: jwt",
		SendCookie:      true,
		SecureCookie:    true,
		CookieHTTPOnly:  true,
		CookieSameSite:  http.SameSiteStrictMode,
	})
	if err != nil {
		log.Fatal("JWT Error:" + err.Error())
	}
	engine.POST("/register", register)
	engine.POST("/login", middleware.LoginHandler)
	engine.POST("/refresh", middleware.RefreshHandler)
	protected := engine.Group("", middleware.MiddlewareFunc())
	protected.GET("/profile", profile)
	protected.POST("/logout", middleware.LogoutHandler)
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), engine))
}

func register(c *gin.Context) {
	var l login
	if err := c.ShouldBind(&l); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"message": err.Error()})
		return
	}
	if err := users.Register(l.Username, l.Password); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"message": err.Error()})
	}
}

func authenticate(c *gin.Context) (any, error) {
	var l login
	if err := c.ShouldBind(&l); err != nil {
		return nil, ginjwt.ErrMissingLoginValues
	}
	if err := users.Check(l.Username, l.Password); err != nil {
		return nil, ginjwt.ErrFailedAuthentication
	}
	return &User{UserName: l.Username}, nil
}

func payload(data any) jwt.MapClaims {
	if user, ok := data.(*User); ok {
		return jwt.MapClaims{identityKey: user.UserName, "iss": issuer, "aud": audience}
	}
	return jwt.MapClaims{}
}

func identity(c *gin.Context) any {
	claims := ginjwt.ExtractClaims(c)
	return &User{UserName: claims[identityKey].(string)}
}

func profile(c *gin.Context) {
	user, _ := c.Get(identityKey)
	c.String(http.StatusOK, "you are %s\n", user.(*User).UserName)
}
