package jwks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/jwt"
)

// callers says which programs a platform's tokens may speak for.
type callers struct {
	trustDomain string // of SPIFFE, where sub says who issued the token; "": iss says it

	// decide returns nil for a token that may call. It is called on each use, after everything else
	// was in order, with the required claims of the host.
	decide func(p *jwt.Principal, required map[string]string) error
}

// apply makes rules those for these callers.
func (c *callers) apply(rules *jwt.VerifierConfig) {
	if c.trustDomain != "" && rules.Issuer == "" && rules.IssuerFunc == nil {
		rules.IssuerFunc = func(p *jwt.Principal, _ string) bool { return isSPIFFEID(c.trustDomain, p.Subject()) }
	}
	then, required := rules.Check, maps.Clone(rules.RequiredClaims)
	rules.Check = func(ctx context.Context, p *jwt.Principal) error {
		if err := c.decide(p, required); err != nil || then == nil {
			return err
		}
		return then(ctx, p)
	}
}

// isTrustDomain reports whether the callers are the workloads of a SPIFFE trust domain.
func (c *callers) isTrustDomain() bool { return c != nil && c.trustDomain != "" }

// checkTrustDomain refuses tokens of other trust domains before they cause a fetch. It reads the claim
// without verifying the token, so its success proves nothing.
func (c *callers) checkTrustDomain(token string) error {
	unverified, err := jose.UnverifiedText(token, "sub")
	switch {
	case err != nil:
		return errMalformed
	case !isSPIFFEID(c.trustDomain, unverified):
		return &notAllowed{"sub", unverified}
	}
	return nil
}

// kubernetesAccounts decides by the namespace and the service account. Both are in sub and in the
// claim kubernetes.io, and have to be the same in both.
func kubernetesAccounts(accounts []string) func(*jwt.Principal, map[string]string) error {
	accounts = slices.Clone(accounts)
	return func(p *jwt.Principal, _ map[string]string) error {
		claims, err := jwt.Decode[struct {
			Kubernetes struct {
				Namespace      string `json:"namespace"`
				ServiceAccount struct {
					Name string `json:"name"`
				} `json:"serviceaccount"`
			} `json:"kubernetes.io"`
		}](p)
		namespace, name := claims.Kubernetes.Namespace, claims.Kubernetes.ServiceAccount.Name
		switch {
		case err != nil || !isName(namespace) || !isName(name):
			return &notAllowed{"kubernetes.io", namespace + "/" + name}
		case p.Subject() != "system:serviceaccount:"+namespace+":"+name, !matches(accounts, namespace+"/"+name):
			return &notAllowed{"sub", p.Subject()}
		}
		return nil
	}
}

// gitHubRefs decides by the ref that a workflow runs on, and by the event that triggered it.
func gitHubRefs(refs []string) func(*jwt.Principal, map[string]string) error {
	if refs = slices.Clone(refs); len(refs) == 0 {
		refs = []string{"refs/heads/*", "refs/tags/*"}
	}
	return func(p *jwt.Principal, _ map[string]string) error {
		claims, err := jwt.Decode[struct {
			Ref   string `json:"ref"`
			Event string `json:"event_name"`
		}](p)
		isPull := strings.HasPrefix(claims.Event, "pull_request")
		switch {
		case err != nil || !matches(refs, claims.Ref):
			return &notAllowed{"ref", claims.Ref}
		case claims.Event == "pull_request_target", isPull && !strings.HasPrefix(claims.Ref, "refs/pull/"):
			return &notAllowed{"event_name", claims.Event}
		}
		return nil
	}
}

// gitLabRefs decides by the ref that a job runs on, and by what started its pipeline.
func gitLabRefs(refs []string) func(*jwt.Principal, map[string]string) error {
	const mergeRequest = "merge_request_event"
	refs = slices.Clone(refs)
	return func(p *jwt.Principal, required map[string]string) error {
		claims, err := jwt.Decode[struct {
			Ref    string `json:"ref_path"`
			Source string `json:"pipeline_source"`
		}](p)
		switch {
		case err != nil, len(refs) > 0 && !matches(refs, claims.Ref):
			return &notAllowed{"ref_path", claims.Ref}
		case claims.Source == mergeRequest && required["pipeline_source"] != mergeRequest:
			return &notAllowed{"pipeline_source", claims.Source}
		}
		return nil
	}
}

// spiffeIDs decides by the ID of the workload.
func spiffeIDs(trustDomain string, ids []string) func(*jwt.Principal, map[string]string) error {
	ids = slices.Clone(ids)
	return func(p *jwt.Principal, _ map[string]string) error {
		if !isSPIFFEID(trustDomain, p.Subject()) || len(ids) > 0 && !matches(ids, p.Subject()) {
			return &notAllowed{"sub", p.Subject()}
		}
		return nil
	}
}

// matches reports whether name is one of patterns, or below one that ends with "/*".
func matches(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if parent, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, parent) && len(name) > len(parent) {
			return true
		}
		if name == pattern {
			return true
		}
	}
	return false
}

const (
	lower   = "abcdefghijklmnopqrstuvwxyz0123456789"
	capital = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// isName reports whether s can be the name of an object of Kubernetes (RFC 1123).
func isName(s string) bool { return s != "" && len(s) <= 253 && consists(s, lower+"-.") }

// isTrustDomain reports whether s is the name of a SPIFFE trust domain (SPIFFE-ID section 2.1).
func isTrustDomain(s string) bool { return s != "" && len(s) <= 255 && consists(s, lower+"-._") }

// isSPIFFEID reports whether s is the ID of a workload in a trust domain, in the one spelling that the
// standard allows (SPIFFE-ID sections 2.2 and 2.3): no empty segment, no "." or "..", no escapes.
func isSPIFFEID(trustDomain, s string) bool {
	path, ok := strings.CutPrefix(s, "spiffe://"+trustDomain+"/")
	if !ok || len(s) > 2048 {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || !consists(segment, capital+lower+"-._") {
			return false
		}
	}
	return true
}

// consists reports whether s has no other characters than those of alphabet.
func consists(s, alphabet string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }) < 0
}

// notAllowed says which claim of a genuine token is not that of an allowed caller. Its text is made
// when it is needed.
type notAllowed struct{ claim, got string }

func (e *notAllowed) Error() string {
	return fmt.Sprintf("%v: %s %.200q is not one of those that may call", jwt.ErrInvalidToken, e.claim, e.got)
}
func (e *notAllowed) Unwrap() error { return jwt.ErrInvalidToken }
