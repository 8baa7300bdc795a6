package servicebus_test

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
)

// bridge takes WebSockets as Azure does on port 443, and hands them to a peer.
func bridge(t *testing.T, p *sbpeer.Peer) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/$servicebus/websocket" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"AMQPWSB10"}})
		if err != nil {
			t.Error(err)
			return
		}
		socket.SetReadLimit(1 << 20)
		nc := websocket.NetConn(context.WithoutCancel(r.Context()), socket, websocket.MessageBinary)
		defer nc.Close()
		join(nc, p.Pipe())
	}))
	t.Cleanup(server.Close)
	return server
}

// join copies both ways until one of them ends.
func join(a, b net.Conn) {
	go func() {
		_, _ = io.Copy(b, a)
		b.Close()
	}()
	_, _ = io.Copy(a, b)
	a.Close()
}

// proxy is an HTTP proxy that asks for a password, and counts what it lets through.
func proxy(t *testing.T, tunnels *atomic.Int32) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic dTpw" { // u:p
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		out, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		tunnels.Add(1)
		w.WriteHeader(http.StatusOK)
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		join(in, out)
	}))
	t.Cleanup(server.Close)
	return server
}

// F12: AMQP goes through WebSockets and a proxy where the config says so, and works as ever.
func TestOverWebSocketsAndAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		proxied bool
		user    string
		fails   string
	}{
		"WebSockets":              {},
		"a proxy":                 {proxied: true, user: "u:p@"},
		"a proxy's password":      {proxied: true, user: "u:wrong@", fails: "Proxy Authentication Required"},
		"certificate not trusted": {fails: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sbpeer.New(sbpeer.Options{})
			t.Cleanup(p.Close)
			validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second}
			if err := sbtest.SetUp(p, servicebus.NewTopology(validator)); err != nil {
				t.Fatal(err)
			}
			azure := bridge(t, p)
			way := servicebus.Way{WebSockets: true}
			if tt.fails != "certificate" {
				way.Roots = x509.NewCertPool()
				way.Roots.AddCert(azure.Certificate())
			}
			var tunnels atomic.Int32
			if tt.proxied {
				way.Proxy = strings.Replace(proxy(t, &tunnels).URL, "://", "://"+tt.user, 1)
			}
			host := strings.TrimPrefix(azure.URL, "https://")
			conn, err := servicebus.Connect(servicebus.Options{
				ConnectionString: strings.NewReplacer(p.Address(), host, ";UseDevelopmentEmulator=true", "").Replace(p.ConnectionString()), Way: way, Timeout: 30 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = conn.Publish(t.Context(), bus.Message{Subject: "reprotect.command.request", ID: "r1", Data: []byte(`{"machines":[{"name":"web01"}]}`)})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "wrong") {
					t.Errorf("%v, want it to say %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			source, err := conn.Consume(t.Context(), validator)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			d, err := source.Next(t.Context())
			if err != nil || d.Received().ID != "r1" {
				t.Fatal(d, err)
			}
			if err := d.Ack(t.Context()); err != nil {
				t.Error(err)
			}
			if got := tunnels.Load() > 0; got != tt.proxied {
				t.Errorf("through the proxy: %v", got)
			}
		})
	}
}

// F12: what cannot work is said before anything is tried, and a password is never quoted.
func TestWaysThatAreNone(t *testing.T) {
	const connection = "Endpoint=sb://contoso.servicebus.windows.net;SharedAccessKeyName=k;SharedAccessKey=s"
	for name, way := range map[string]servicebus.Way{
		"a proxy without WebSockets": {Proxy: "http://u:hunter2@proxy:3128"},
		"no address":                 {WebSockets: true, Proxy: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := servicebus.Connect(servicebus.Options{ConnectionString: connection, Way: way})
			if err == nil {
				conn.Close()
				t.Fatal("taken")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("quotes the password: %v", err)
			}
		})
	}
}
