package pwned_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/pwned"
)

func Example() {
	// A server on this machine stands in for Have I Been Pwned.
	server := httptest.NewServer(write("1E4C9B93F3F0682250B6CF8331B7EE68FD8:52579\r\n"))
	defer server.Close()

	// Production uses pwned.Config{}.
	checker, err := pwned.New(pwned.Config{URL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	// With auth.Config{Passwords: passwords.Policy{Checker: checker}} an Authenticator asks the checker
	// about each new password, as here:
	err = checker.CheckPassword(context.Background(), "password")
	refused, ok := errors.AsType[*passwords.Error](err)
	fmt.Println(ok, refused)
	// Output: true auth: password is known from a breach
}
