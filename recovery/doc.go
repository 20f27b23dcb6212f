// Package recovery holds what an account needs when its password is not at hand:
// resetting it, proving an address, changing it, logging in by a link or a code in a
// mail; and deleting the account.
//
// Nobody learns from a request whether an address is known: the answer is the same,
// and all that differs happens in a queue beside it. The host sends what a
// [Notifier] is given.
//
// An account has the address that [Recovery.AddAddress] gave it, and none before:
// what it registered as is its name, even where that is an address. To an account
// without one nothing is sent, and a request says no word of it: [Config].Events does.
//
// A link holds 256 random bits, of which the store has the SHA-256 alone. It is for
// one account and one purpose, works once, and no longer when a newer one was sent,
// the password or the address has changed, the account is disabled, or its time is
// over. The page it leads to shows a form, and the form is what uses the token, by
// POST: programs that look at mails open every link. That page should answer with
// Referrer-Policy: no-referrer.
package recovery
