package jwks

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth/jwt"
)

// tenantID stands for the ID of a tenant in the name of an issuer, as in the metadata of Microsoft
// Entra for all tenants.
const tenantID = "{tenantid}"

// tenants decides about the tokens of an issuer whose name has the ID of a tenant in it.
type tenants struct {
	issuer string // with tenantID in it
	allow  func(id string) bool
}

// of returns the ID of the tenant in the name of an issuer, or "" if it is not such a name.
func (t *tenants) of(issuer string) string {
	before, after, _ := strings.Cut(t.issuer, tenantID)
	id, hasBefore := strings.CutPrefix(issuer, before)
	id, hasAfter := strings.CutSuffix(id, after)
	if !hasBefore || !hasAfter || !isGUID(id) {
		return ""
	}
	return id
}

// isIssuer reports whether p has an issuer with the ID of the tenant that its claim tid names, and was
// signed by a key of this issuer. Some keys of Entra are for one tenant alone, although they are
// published with those for all.
// https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
func (t *tenants) isIssuer(p *jwt.Principal, keyIssuer string) bool {
	id := t.of(p.Issuer())
	claims, err := jwt.Decode[struct {
		TenantID string `json:"tid"`
	}](p)
	return id != "" && err == nil && claims.TenantID == id &&
		(keyIssuer == "" || strings.ReplaceAll(keyIssuer, tenantID, id) == p.Issuer())
}

// check returns a function that asks whether the tenant is allowed, on each use of a token, and then
// the check of the host.
func (t *tenants) check(then func(context.Context, *jwt.Principal) error) func(context.Context, *jwt.Principal) error {
	return func(ctx context.Context, p *jwt.Principal) error {
		if !t.allow(t.of(p.Issuer())) {
			return errTenant
		}
		if then == nil {
			return nil
		}
		return then(ctx, p)
	}
}

// isGUID reports whether s is a GUID as Entra writes it: 32 hexadecimal digits in lower case, in five
// groups.
func isGUID(s string) bool {
	for i, c := range []byte(s) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return len(s) == 36
}

// isManyTenants reports whether an issuer of Entra is a name for several, which no token has.
func isManyTenants(issuer string) bool {
	for _, name := range []string{"common", "organizations", "consumers"} {
		if strings.HasSuffix(issuer, "/"+name+"/v2.0") {
			return true
		}
	}
	return false
}

// isEntraV1 reports whether an issuer makes Entra's tokens of version 1.
func isEntraV1(issuer string) bool { return strings.HasPrefix(issuer, "https://sts.windows.net/") }

var (
	errTenant  = fmt.Errorf("%w: issuer: a tenant that is not allowed", jwt.ErrInvalidToken)
	errEntraV1 = fmt.Errorf("%w: issuer: https://sts.windows.net/ makes tokens of version 1; set requestedAccessTokenVersion to 2 in the manifest of the API", jwt.ErrInvalidToken)
)
