package origin

import (
	"net"
	"slices"
	"strings"
)

// hosting are the best-known domains below which strangers get names: those of services that host pages,
// previews and tunnels. The list is not complete: only the Public Suffix List has them all, and it changes
// each week.
var hosting = strings.Fields(`
	amplifyapp.com appspot.com azurecontainerapps.io azurestaticapps.net azureedge.net azurewebsites.net
	b4a.run blogspot.com cloudapp.net cloudfront.net cloudfunctions.net codesandbox.io csb.app cyclic.app deno.dev
	deno.net duckdns.org dyndns.org edgeone.app firebaseapp.com fly.dev forgeblocks.com framer.app framer.website
	github.dev github.io githubpreview.dev gitlab.io gitpod.io glitch.me hatena.ne.jp herokuapp.com hf.space
	hosted.app kinsta.app koyeb.app lhr.life loca.lt localto.net lovable.app medium.com myshopify.com netlify.app
	ngrok.app ngrok.dev ngrok.io ngrok-free.app ngrok-free.dev no-ip.org nip.io now.sh onrender.com pages.dev
	pythonanywhere.com railway.app readthedocs.io repl.co replit.app replit.dev run.app serveo.net sslip.io
	stackblitz.io streamlit.app surge.sh trycloudflare.com tumblr.com up.railway.app v0.build vercel.app vercel.dev
	web.app webcontainer.io webflow.io weebly.com wixsite.com wordpress.com workers.dev`)

// secondLevel are the labels below a country's domain under which that country registers names, as in co.uk.
var secondLevel = strings.Fields("ac co com edu gob gouv gov govt go id info ltd me mil mod ne net nhs nom or org plc police sch")

// isShared reports whether strangers may get a name below a domain, as far as that is known here. A domain of
// one label, and an address, count as shared.
func isShared(domain string) bool {
	name := domain
	if host, _, err := net.SplitHostPort(domain); err == nil {
		name = host
	}
	labels := strings.Split(name, ".")
	first, last := labels[0], labels[len(labels)-1]
	switch {
	case len(labels) < 2, net.ParseIP(strings.Trim(name, "[]")) != nil, slices.Contains(labels, ""):
		return true
	case len(labels) == 2 && len(last) == 2 && slices.Contains(secondLevel, first):
		return true
	case strings.HasSuffix(name, ".amazonaws.com"), name == "amazonaws.com":
		return true
	}
	return slices.Contains(hosting, name)
}
