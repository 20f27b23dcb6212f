// Package throttle limits how often passwords and codes can be guessed, before a guess is checked. It
// counts failures on any [auth.RecordStore], so that all replicas that share a store share the
// counts. These lines switch it on:
//
//	limits, err := throttle.New(store, throttle.Config{})
//	…
//	accounts, err := auth.New(users, tokens, auth.Config{Throttle: limits, …})
//	…
//	ctx = auth.WithDevice(ctx, auth.Device{IP: ip, Known: cookie})
//	tokens, err := accounts.Login(ctx, name, password)
//
// A login that is refused returns a [*auth.RetryError] of [auth.ErrTooManyAttempts], which says when
// to try again. Each failure beyond the first few doubles the delay before the next attempt.
// Attempts that succeed are not counted. No account is locked unless [Config].HardLock is set.
// Usernames that do not exist are limited like others, so the answers do not tell which exist.
//
// There are four limits:
//
//   - One account from one network. A client that guesses is stopped here, while the owner of the
//     account logs in from elsewhere.
//   - One account from all networks together. With the defaults it allows at most 100 guesses in any
//     30 days (NIST SP 800-63B-4 section 3.2.2), from however many addresses.
//   - One account from a known device, that is, a device from which the account has logged in before.
//     Attempts from that device count here and nowhere else, so strangers cannot keep the owner out.
//   - One network, whatever the accounts. A network is an IPv4 address, or the /64 of an IPv6
//     address.
//
// The first three count twice: for the password and the second factor of an account, and for the
// codes that package recovery sends to its address (see [auth.Attempt].Target). A limit on one does
// not affect the other.
//
// An owner without a known device waits as strangers do while they guess at the account from many
// networks: at most 12 hours with the defaults. A password reset by mail (package recovery) does not
// change that. So keep [auth.Tokens].DeviceToken in a cookie with a long life, and pass it as
// [auth.Device].Known.
//
// If the host passes no IP address, networks are not counted. The address must be the client's own.
// If it comes from a header that a client can write, each client can choose its network.
package throttle
