// Package authtest helps to test programs that use package auth. It has conformance suites for
// implementations of [auth.UserStore], [auth.AccountStore], [auth.RecordStore],
// [auth.SessionStore], [auth.Hasher] and [auth.TokenIssuer], fast replacements for expensive parts, and
// [Attack], which attacks the routes of a program as it has mounted them.
//
// A suite runs each rule of a contract as a named subtest against a fresh value. If a rule is
// broken, the subtest prints it as a sentence. To leave out a rule that a store breaks on purpose,
// name it on the command line, as in
//
//	go test -skip 'TestStore/CreatedAt'
package authtest
