package telemetry

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Handler serves /metrics, /ready and /live. A process is live as long as it answers; whether it can work is
// /ready.
func Handler(m *Metrics, h *Health) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler())
	mux.Handle("GET /ready", h)
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"live\":true}\n")) // fails only when the caller has gone
	})
	return mux
}

// bodyTime is how long the body of a request may take to come. There are few, and they are small.
const bodyTime = 30 * time.Second

// bounded ends the wait for a body that does not come. Requests without a body may be answered for as long as it takes.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // not every connection knows deadlines
		}
		h.ServeHTTP(w, r)
	})
}

// Serve answers on the listener until ctx ends, lets requests under way finish for five seconds, and closes
// the listener. A connection that sends nothing is closed: headers and a body must come in time.
func Serve(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{Handler: bounded(h), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(listener)
	if stop() { // the listener failed by itself
		return err
	}
	return <-stopped
}
