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
// to try again. Attempts that succeed are not counted. No account is locked unless [Config].HardLock is
// set. Usernames that do not exist are limited like others, so the answers do not tell which exist.
//
// There are four limits:
//
//   - One account from one network. After 5 failures each further one doubles the delay before the
//     next attempt, and after 10 in 30 days the network has no more.
//   - One account from all networks together: 100 failures in any 30 days (NIST SP 800-63B-4 section
//     3.2.2), from however many addresses.
//   - One account from a known device, that is, a device from which the account has logged in before.
//     Attempts from that device count here and nowhere else, so strangers cannot keep the owner out.
//   - One network, whatever the accounts.
//
// For the first limit, a network is an IPv4 address or the /48 of an IPv6 address. For the last, it is
// an IPv4 address or the /64 of an IPv6 address, and the /48 may have four times as many failures.
//
// The first three count several times: for the password of an account, for its second factor, and for
// the codes that package recovery sends to its address (see [auth.Attempt].Target). A limit on one does
// not affect the other.
//
// Strangers on up to nine networks cannot use up what an account allows. Strangers on more can. An owner
// without a known device is then refused like them, also with the right password, and has a way in that
// they cannot use up: a link in a mail. A login by a link makes its device known, and
// [auth.Authenticator.MarkDeviceKnown] does so after a password reset. Keep [auth.Tokens].DeviceToken in
// a cookie with a long life, and pass it as [auth.Device].Known. A simulation is in
// docs/security/lockout.md.
//
// If the host passes no IP address, networks are not counted. The address must be the client's own.
// If it comes from a header that a client can write, each client can choose its network.
package throttle
