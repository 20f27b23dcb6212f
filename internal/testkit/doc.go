// Package testkit holds what the tests of several packages share: keys and tokens made for one test,
// the recorded vectors, and hashers that are fast or slow on purpose.
package testkit
