package origin

import "net/http"

// Public returns next for a document that any page may read: it allows cross-origin requests without
// credentials, and answers OPTIONS, with which browsers ask first. next need not know that method.
func Public(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Allow", PublicMethods)
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*, Authorization, Content-Type, MCP-Protocol-Version") // a star does not stand for Authorization
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// PublicMethods are the methods of a document behind [Public], as they stand in Allow.
const PublicMethods = "GET, HEAD, OPTIONS"
