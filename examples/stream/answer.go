package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/stream"
)

// vocabulary is all that this model knows.
var vocabulary = strings.Fields(`the a every some model token answer question stream user server context window
	reads writes knows repeats forgets predicts slowly quickly again never often one two many long short`)

// wordsOf returns a function that makes up the words of the answer to a question. It understands nothing,
// but the same question has the same answer.
func wordsOf(question string) (next func() string) {
	h := fnv.New64a()
	h.Write([]byte(question))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	return func() string { return vocabulary[r.IntN(len(vocabulary))] }
}

// length is the number of words of an answer.
const length = 10_000

// answers streams the words of an answer as server-sent events. Its last event says why it ends.
func answers(pace time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, connection := r.Context(), http.NewResponseController(w)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		word := wordsOf(r.URL.Query().Get("question"))
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for range length {
			if _, err := fmt.Fprintf(w, "data: %s\n\n", word()); err != nil || connection.Flush() != nil {
				return // the client has gone
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				fmt.Fprintf(w, "event: end\ndata: %s\n\n", reason(ctx))
				return
			}
		}
		fmt.Fprint(w, "event: end\ndata: that is all\n\n")
	})
}

// reason says to the user why a stream has ended.
func reason(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, stream.ErrKeyRevoked):
		return "the API key was deleted"
	case errors.Is(cause, auth.ErrRevokedToken):
		return "you have logged out"
	case errors.Is(cause, auth.ErrExpiredToken):
		return "your login has expired"
	case errors.Is(cause, auth.ErrRevocationUnknown):
		return "not available now, try again later"
	}
	return "the server is closing"
}
