package telemetry

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// nats-N10: a connection on which a header or a body does not come is closed in time; an answer that takes long is not cut.
func TestWhoSendsNothingIsNotWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		sends  string
		within time.Duration // until the connection is closed
	}{
		"nothing":              {"", 11 * time.Second},
		"half a header":        {"GET / HTTP/1.1\r\nHost: a\r\n", 11 * time.Second},
		"no body":              {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 31 * time.Second},
		"half a body":          {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", 31 * time.Second},
		"half a chunk":         {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 31 * time.Second},
		"a body of a GET":      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 31 * time.Second},
		"nothing more":         {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2*time.Minute + time.Second},
		"an answer of an hour": {"GET /hour HTTP/1.1\r\nHost: a\r\n\r\n", time.Hour + 2*time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				l := pipes{make(chan net.Conn), make(chan struct{})}
				ended := make(chan error, 1)
				cut := make(chan bool, 1)
				go func() {
					ended <- Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						if r.URL.Path == "/hour" {
							select {
							case <-time.After(time.Hour):
								cut <- false
							case <-r.Context().Done():
								cut <- true
							}
						}
					}))
				}()
				ours, theirs := net.Pipe()
				l.accepted <- theirs
				begun := time.Now()
				go func() { _, _ = io.Copy(ours, strings.NewReader(tt.sends)) }()
				answer, _ := io.ReadAll(ours) // until it is closed
				if took := time.Since(begun); took > tt.within {
					t.Errorf("closed after %s", took)
				}
				if strings.Contains(tt.sends, "/hour") && (<-cut || !strings.HasPrefix(string(answer), "HTTP/1.1 200")) {
					t.Errorf("the answer was cut: %q", answer)
				}
				_ = ours.Close()
				stop()
				<-ended
			})
		})
	}
}
