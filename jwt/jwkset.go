package jwt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/internal/origin"
)

// jwkSet is the published JWK set of a ring's public keys.
type jwkSet struct {
	body []byte
	etag string
}

func newJWKSet(keys []*jose.Key) (jwkSet, error) {
	body, err := jose.PublicSet(keys)
	sum := sha256.Sum256(body)
	return jwkSet{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}, err
}

// JWKSHandler returns a handler that publishes the ring's public keys as a JWK set (RFC 7517 section
// 5), usually under /.well-known/jwks.json, so that other services can verify tokens of this one. It
// never writes secrets and private members; the set of a ring of secrets is empty. It follows
// [KeyRing.Replace] at once. Clients may cache the set for five minutes, so publish a key for longer
// than that before it signs. Pages of every origin may read the set.
func (r *KeyRing) JWKSHandler() http.Handler {
	return origin.Public(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			w.Header().Set("Allow", origin.PublicMethods)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		s := r.snapshot()
		if s == nil { // the zero KeyRing
			http.Error(w, "no keys", http.StatusServiceUnavailable)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/jwk-set+json")
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("ETag", s.published.etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(s.published.body))
	}))
}
