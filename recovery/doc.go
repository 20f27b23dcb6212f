// Package recovery gives users who forgot their password a way back into their account. It sends a
// link or a code to the user's e-mail address: to reset the password, to verify or change the
// address, or to log in. It can also delete an account. These lines switch it on:
//
//	flows, err := recovery.New(accounts, addresses, store, notifier, recovery.Config{
//		BaseURL: "https://app.example.com/account",
//	})
//	…
//	err = flows.AddAddress(ctx, user.ID, "ada@example.com") // after Register
//	…
//	err = flows.RequestReset(ctx, address)      // the form "forgot password"
//	err = flows.Reset(ctx, token, newPassword)  // the form that the link opens
//	…
//	err = flows.Close(ctx) // when the server stops
//
// [Addresses] is where the host keeps addresses, and its [Notifier] sends the messages: package
// smtpnotify sends them by mail.
//
// An account has the address that [Recovery.AddAddress] gave it, or [Recovery.Register], which takes the
// username for the address where it is one; authhttp.Mount registers so. Any other username is not an
// address, even if it looks like one. Nothing is sent to an account without an address. A change of the
// address never changes the username: the user goes on logging in with the name that was registered.
//
// A request does not reveal whether an address is known: it returns at once and the same for every
// address, and the rest happens in queues, which known and unknown addresses occupy alike. Pass the
// client's device in the context ([auth.WithDevice]), because requests are counted by network.
// [Config].Events tells the host what came of a request.
//
// Notices inform the owner of what happened to the account: what this package did, and what the host
// passes to [Recovery.Inform], as Mount of package authhttp does. They go to verified addresses alone, so
// that nobody who registers with somebody else's address fills that mailbox. They are sent again, for a
// day, if the mail server is down. They wait in memory: call Close before the process ends.
//
// A login by mail ([Recovery.RequestLogin]) succeeds only in the browser that requested it. A link that is
// opened in another browser logs nobody in there: not a thief of the link, and not a victim whom an
// attacker sends a link to the attacker's own account.
//
// A link holds 256 random bits, of which the store keeps only a SHA-256. It is for one account and one
// purpose, and works once. It becomes invalid when the same network requests a newer one, when the
// password or the address changes, when the address is proven for the first time, when the account is
// disabled, or when its time is over. The page that a link opens must show a form, and only the POST of
// the form may use the token, because mail scanners open every link. Serve that page with
// Referrer-Policy: no-referrer.
//
// Somebody else may have registered with the address of a user. So [Recovery.VerifyAddress] takes the
// current password besides the link. A user who does not know it sets a new one, by
// [Recovery.ClaimAddress] or [Recovery.Reset], and then every session, link and second factor ends that
// was set before: see [Config].OnFirstProof.
//
// Records about a user have the user's ID as their Owner, so that [auth.Authenticator.Delete] removes
// them with the account, if they are in the store that [auth.Config].Records names. The counts of messages to an address that is not
// verified have no Owner: otherwise a stranger could reset them, by deleting the account that they
// registered with the address.
package recovery
