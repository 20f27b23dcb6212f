// Package authtest helps to test programs that use package auth: conformance
// suites for one's own [auth.UserStore], [passwords.Hasher] and [jwt.TokenIssuer],
// and fast stand-ins for the costly parts.
//
// A suite runs each rule of a contract as a named subtest against a fresh value,
// and a broken rule is printed as a sentence. A store that departs from a rule on
// purpose names it on the command line, as in
//
//	go test -skip 'TestStore/CreatedAt'
package authtest
