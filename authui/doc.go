// Package authui has the pages of a program with accounts: log in, create an account, second factor,
// forgotten and new password, confirm an address, the account with its sessions, and the consent to apps.
//
//	pages, err := authui.New(accounts, guard, endpoints, authui.Config{Name: "Notes"})
//	…
//	err = pages.Mount(mux)
//
// The pages are forms in HTML that work without a script. They call the endpoints of package authhttp in
// this process, with the cookies and the address of the browser: whatever an endpoint checks, counts or
// sends, it does so for a page as well. The program may mount those endpoints beside the pages.
//
// Each form carries a token that is bound to the browser and, once a user is logged in, to the session
// ([authhttp.Cookies.CheckForm]). That is a second lock: the browser's own word about where a form comes from
// (Sec-Fetch-Site, Origin) is checked as well. No page can be framed, stored, or run a script, and none loads
// anything from another host but the logo.
//
// [Pages.Mount] puts these pages on a mux, below Config.Prefix, as far as their endpoints are there:
//
//	GET, POST /login              log in; with the link of a mail, log in with that
//	POST      /login/code         the second factor of a login
//	GET, POST /login/mail         send a link and a code that log in
//	POST      /login/mail/code    log in with the code
//	GET, POST /register           create an account
//	GET, POST /forgot             send a link that resets the password
//	GET, POST /reset              set a new password with the link
//	GET, POST /verify             confirm an address with a link, or send another link
//	GET, POST /change             change the address with a link
//	GET       /account            the account: sessions, keys, connected apps
//	GET, POST /account/password   change the password
//	GET, POST /account/address    change the address
//	GET, POST /account/factor     set up or remove the second factor
//	GET, POST /account/keys       create and delete API keys
//	GET, POST /account/delete     delete the account
//	GET, POST /account/confirm    prove the identity again
//	GET       /style.css          the stylesheet
//
// Two further pages stand below the paths of the endpoints Refresh and Logout, because browsers send the
// refresh token nowhere else: GET …/refresh/page, which continues a login whose access token has expired, and
// POST …/logout/page.
//
// The links of package recovery lead to these pages if its Config.BaseURL is their URL, such as
// "https://example.com" for an empty Prefix.
package authui
