package jwks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// ClusterTransport returns a transport for the keys of a Kubernetes cluster whose API server shows them
// to service accounts alone: Config.Transport for the Config of [Kubernetes]. caPEM are the certificates
// of the authorities that the server's certificate must come from, and no others; a pod finds them in
// /var/run/secrets/kubernetes.io/serviceaccount/ca.crt. token returns the token to authenticate with,
// which a pod finds beside it. It is called for each request, because the file is replaced before the
// token expires. The token goes nowhere but to the URLs that the Config allows, and only over TLS.
//
// It returns a [*cfgerr.Error] if caPEM has no certificate or token is nil.
func ClusterTransport(caPEM []byte, token func() (string, error)) (http.RoundTripper, error) {
	faults := cfgerr.Faults{Prefix: "jwks."}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		faults.Add("ClusterTransport", "", "caPEM has no certificate in PEM")
	}
	if token == nil {
		faults.Add("ClusterTransport", "", "token is nil: it returns the token of the pod's service account")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &clusterTransport{token: token, base: &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeader,
	}}, nil
}

type clusterTransport struct {
	token func() (string, error)
	base  http.RoundTripper
}

// RoundTrip makes the request with the token of the service account.
func (t *clusterTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, errors.New("jwks: ClusterTransport sends its token over https alone")
	}
	token, err := t.token()
	if err != nil {
		return nil, fmt.Errorf("jwks: token of the service account: %w", err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	return t.base.RoundTrip(r)
}
