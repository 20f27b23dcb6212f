package jwks_test

import (
	"fmt"
	"log"
	"os"

	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// A service in a Kubernetes cluster whose API server shows its keys to service accounts alone. It
// accepts the pods of the namespace prod, whose projected volume names its audience.
func ExampleClusterTransport() {
	if _, err := inCluster(); err != nil {
		fmt.Println("not in a pod")
	}
}

func inCluster() (*jwks.Verifier, error) {
	const folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
	ca, err := os.ReadFile(folder + "ca.crt")
	if err != nil {
		return nil, err
	}
	cluster := jwks.Kubernetes("https://kubernetes.default.svc.cluster.local", "https://billing.example.com", "prod/*")
	cluster.KeysURL = "https://kubernetes.default.svc/openid/v1/jwks"
	cluster.Transport, err = jwks.ClusterTransport(ca, func() (string, error) {
		token, err := os.ReadFile(folder + "token") // the kubelet replaces the file
		return string(token), err
	})
	if err != nil {
		return nil, err
	}
	return jwks.New(cluster)
}

// A service that workflows of one repository deploy to, from its main branch and its tags, and jobs of
// one GitLab project. Each token is verified only by the verifier of its issuer.
func ExampleGitHubActions() {
	github, err := jwks.New(jwks.GitHubActions("octo-org/octo-repo", "https://deploy.example.com", "refs/heads/main", "refs/tags/*"))
	if err != nil {
		log.Fatal(err)
	}
	gitlab, err := jwks.New(jwks.GitLabCI("https://gitlab.com", "my-group/my-project", "https://deploy.example.com"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := jwt.AnyOf(map[string]jwt.TokenVerifier{github.Issuer(): github, gitlab.Issuer(): gitlab}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(github.Issuer(), gitlab.Issuer())
	// Output: https://token.actions.githubusercontent.com https://gitlab.com
}
