// Package throttle slows down who guesses passwords and codes, before what they guess
// is looked at. It is an [auth.Throttle] on any [auth.RecordStore], so all replicas
// that share a store share its counts:
//
//	slow, err := throttle.New(store, throttle.Config{})
//	accounts, err := auth.New(users, tokens, auth.Config{Throttle: slow})
//	…
//	tokens, err := accounts.Login(auth.WithDevice(ctx, auth.Device{IP: ip, Known: cookie}), name, password)
//
// Failures are counted, and what succeeds is not. An account is never locked, unless
// [Config].HardLock says so: each failure beyond the first few makes the next attempt
// wait longer, for a name that nobody has just as for others. Four things are counted:
//
//   - an account from one network: who guesses at it is stopped there, and its owner
//     logs in from elsewhere;
//   - an account from anywhere: with the defaults at most 100 guesses in any 30 days
//     (NIST SP 800-63B-4 section 3.2.2), from however many addresses;
//   - an account from a device that it has logged in from before: that is counted by
//     itself, so nobody who has not the device can keep its owner out;
//   - a network, whatever the account: an IPv4 address, or the /64 of an IPv6 address.
//
// The first three are counted twice: for the password and the second factor of an
// account, and for the codes that are sent to its address (package recovery, see
// [auth.Attempt].Target). Who is stopped at the one is not stopped at the other.
//
// An owner who has no such device, while strangers guess at the account from many
// networks, waits as they do: at most 12 hours with the defaults. A new password by
// mail (package recovery) does not change that, so keep [auth.Tokens].DeviceToken in a
// cookie of long life, and pass it as [session.Device].Known.
//
// Where the host passes no address, networks are not counted. An address must be the
// client's own: who takes it from a header that a client can write lets everybody
// choose a network.
package throttle
