// Command metrics counts what happens to accounts, and serves the counts to Prometheus, together with a
// readiness probe, on an address of their own. Anybody can ask the service to log in; the counts are for
// the operator.
package main

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/memstore"
)

func main() {
	public, internal, app, err := handlers(context.Background(), authkit.Config{Issuer: "http://localhost:8080", KeyFolder: "data/metrics"})
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close(context.Background())
	go func() { log.Fatal(server("localhost:9090", internal).ListenAndServe()) }()
	log.Print("accounts at http://localhost:8080/auth/, counts at http://localhost:9090/metrics")
	log.Fatal(server("localhost:8080", public).ListenAndServe())
}

// handlers returns the routes for everybody, and those for the operator.
func handlers(ctx context.Context, cfg authkit.Config) (public, internal http.Handler, app *authkit.App, err error) {
	registry := prometheus.NewRegistry()
	cfg.Events = count(registry)
	app, err = authkit.Open(ctx, authkit.All(memstore.New()), cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := app.Ready(r.Context()); err != nil {
			log.Print("not ready: ", err)
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	return app.Handler(), mux, app, nil
}

// count returns a function that counts events by their kind. The kinds are few, and users are not among
// the labels: each would be a time series.
func count(registry prometheus.Registerer) func(context.Context, auth.Event) {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "auth_events_total", Help: "What happened to accounts, sessions and keys, by kind.",
	}, []string{"event"})
	registry.MustRegister(events)
	return func(_ context.Context, e auth.Event) { events.WithLabelValues(string(e.Kind)).Inc() }
}

func server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
}
