package jwks

import (
	"strings"

	"github.com/seed-e36e2130/auth/jwt"
)

// The functions below are like those of issuers.go, for platforms that give tokens to programs. The
// [jwt.Principal.Kind] of their callers is KindService. A platform writes the audience that a program
// asks for, so the audience keeps a token from being used at another service, but says nothing about
// who may call: that is what the other parameters are for. See decision 0137.

// Kubernetes returns the settings for the tokens of service accounts of one cluster, by its issuer,
// like "https://kubernetes.default.svc.cluster.local" or "https://oidc.eks.eu-west-1.amazonaws.com/id/ID".
// The audience is the one that the pod's projected volume names. At least one account is needed, as
// "namespace/name" or "namespace/*": whoever may create a pod gets tokens for any audience. The subject
// is "system:serviceaccount:namespace:name".
//
// A cluster that publishes its keys at another host than that of the issuer needs KeysURL, such as
// "https://kubernetes.default.svc/openid/v1/jwks", and one that does not publish them to everybody
// needs [ClusterTransport]. A token is accepted until it expires, also after its pod was deleted: only
// the API server knows that, and a host can ask it in Tokens.Check (TokenReview). Tokens from Secrets,
// which have neither aud nor exp, are refused.
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
// https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection
func Kubernetes(issuerURL, audience string, accounts ...string) Config {
	cfg := Config{
		Tokens: jwt.VerifierConfig{
			Issuer:   issuerURL, // byte for byte: some clusters' issuers end with a slash
			Audience: audience,
			Types:    []string{jwt.NoType, "JWT"}, // API servers write none, external signers JWT
			Kind:     jwt.KindService,
		},
		callers: &callers{decide: kubernetesAccounts(accounts)},
	}
	if len(accounts) == 0 {
		cfg.refuse("Kubernetes", "", "names no service account: name those that may call, as in prod/billing or prod/*")
	}
	for _, account := range accounts {
		if namespace, name, ok := strings.Cut(account, "/"); !ok || !isName(namespace) || name != "*" && !isName(name) {
			cfg.refuse("Kubernetes", account, "must be a namespace and the name of a service account, as in prod/billing or prod/*")
		}
	}
	return cfg
}

// GitHubActions returns the settings for the tokens of workflows in one repository, like
// "octo-org/octo-repo". The audience is what the workflow asks for: the URL of the owner by default,
// better the URL of your service. Workflows of every repository on GitHub get tokens of this issuer,
// with any audience, so repository is what keeps others out.
//
// Refs are what workflows may run on, as in "refs/heads/main" or "refs/tags/*"; without any, every
// branch and tag may call. Whoever can push to a branch can change its workflow: name the refs that
// are protected, or compare environment or job_workflow_ref in Tokens.RequiredClaims. A workflow that
// a pull request triggers is refused unless a ref "refs/pull/*" is named, and one of the event
// pull_request_target always, because it runs with the rights of the repository on a stranger's
// request.
//
// A name can come to another owner when a repository or an account is deleted: set
// Tokens.RequiredClaims["repository_id"] as well. The subject begins with "repo:"; see GitHub's
// documentation for its forms. For GitHub Enterprise Server change Tokens.Issuer and KeysURL.
// https://docs.github.com/en/actions/reference/security/oidc
func GitHubActions(repository, audience string, refs ...string) Config {
	const issuer = "https://token.actions.githubusercontent.com"
	cfg := Config{
		KeysURL: issuer + "/.well-known/jwks",
		Tokens: jwt.VerifierConfig{
			Issuer:         issuer,
			Audience:       audience,
			Types:          []string{"JWT"},
			RequiredClaims: map[string]string{"repository": repository, "ref": "", "event_name": ""},
			Kind:           jwt.KindService,
		},
		callers: &callers{decide: gitHubRefs(refs)},
	}
	if owner, name, ok := strings.Cut(repository, "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		cfg.refuse("GitHubActions", repository, "must be the owner and the name of a repository, as in octo-org/octo-repo")
	}
	cfg.checkRefs("GitHubActions", refs)
	return cfg
}

// GitLabCI returns the settings for the ID tokens of CI/CD jobs in one project, by the URL of the
// instance, like "https://gitlab.com", and the path of the project, like "my-group/my-project". The
// audience is what the job names in id_tokens. Every job of the instance gets tokens with any
// audience, so the project is what keeps others out.
//
// The job must run on a protected branch or tag: to accept others, delete "ref_protected" from
// Tokens.RequiredClaims. Refs narrow that further, as in "refs/heads/main" or "refs/tags/*". Jobs of
// merge requests are refused, unless Tokens.RequiredClaims["pipeline_source"] is
// "merge_request_event". The tokens of "Sign in with GitLab", which the instance signs with keys of
// the same set, are refused because they have no project_path.
//
// A path can come to another project: set Tokens.RequiredClaims["project_id"] as well. The subject is
// "project_path:my-group/my-project:ref_type:branch:ref:main" unless the project configures another.
// https://docs.gitlab.com/ci/secrets/id_token_authentication/
func GitLabCI(instanceURL, projectPath, audience string, refs ...string) Config {
	issuer := strings.TrimSuffix(instanceURL, "/")
	cfg := Config{
		Tokens: jwt.VerifierConfig{
			Issuer:         issuer,
			Audience:       audience,
			Types:          []string{"JWT"},
			RequiredClaims: map[string]string{"project_path": projectPath, "ref_protected": "true", "ref_path": "", "pipeline_source": ""},
			Kind:           jwt.KindService,
		},
		callers: &callers{decide: gitLabRefs(refs)},
	}
	if group, rest, ok := strings.Cut(projectPath, "/"); !ok || group == "" || rest == "" || strings.Contains(projectPath, "://") || strings.HasSuffix(rest, "/") {
		cfg.refuse("GitLabCI", projectPath, "must be the full path of a project, as in my-group/my-project")
	}
	cfg.checkRefs("GitLabCI", refs)
	return cfg
}

// SPIFFE returns the settings for the JWT-SVIDs of one trust domain, like "example.org". The bundleURL
// is where the keys of the domain are: its bundle endpoint, or the /keys of a SPIRE OIDC Discovery
// Provider. The audience is the one that workloads ask for, such as "spiffe://example.org/reports"
// (JWT-SVID section 3.2). IDs are the workloads that may call, as in "spiffe://example.org/ns/prod/*";
// without any, every workload of the domain may.
//
// The subject is the SPIFFE ID, and it says which domain issued the token. The iss, which SVIDs need
// not have, is not looked at unless Tokens.Issuer is set. The verifier has an Issuer for
// [jwt.AnyOf] only then; otherwise use [jwt.Either].
// https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md
func SPIFFE(trustDomain, bundleURL, audience string, ids ...string) Config {
	cfg := Config{
		KeysURL: bundleURL,
		Tokens: jwt.VerifierConfig{
			Audience: audience,
			Types:    []string{jwt.NoType, "JWT", "JOSE"}, // section 2.3
			Kind:     jwt.KindService,
		},
		callers: &callers{trustDomain: trustDomain, decide: spiffeIDs(trustDomain, ids)},
	}
	switch {
	case !isTrustDomain(trustDomain):
		cfg.callers.trustDomain = "invalid" // New refuses it
		cfg.refuse("SPIFFE", trustDomain, "must be the name of a trust domain alone, in lower case, as in example.org")
	case bundleURL == "":
		cfg.refuse("SPIFFE", "", "names no URL of the bundle, which has the keys")
	}
	for _, id := range ids {
		if !isSPIFFEID(trustDomain, strings.TrimSuffix(id, "/*")) {
			cfg.refuse("SPIFFE", id, "must be a SPIFFE ID of the trust domain, as in spiffe://example.org/billing or spiffe://example.org/ns/prod/*")
		}
	}
	return cfg
}

// checkRefs has New report a ref that no token can have.
func (cfg *Config) checkRefs(function string, refs []string) {
	for _, ref := range refs {
		if rest, ok := strings.CutPrefix(ref, "refs/"); !ok || rest == "" || strings.Contains(strings.TrimSuffix(ref, "/*"), "*") || strings.HasSuffix(ref, "/") {
			cfg.refuse(function, ref, "must be a whole ref, or all below one, as in refs/heads/main or refs/tags/*")
		}
	}
}
