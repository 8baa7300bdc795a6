package servicebus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/coder/websocket"

	"reprotect.example/events/bus/servicebus/readable"
)

// Way is how the namespace is reached: AMQP over TLS to port 5671, unless it says otherwise.
type Way struct {
	// WebSockets takes AMQP through HTTPS, port 443, as many networks let out nothing else.
	WebSockets bool
	// Proxy is the address of an HTTP proxy (http://proxy:3128), with user and password where it asks for them. It
	// is for WebSockets only, as with all of Azure's clients; empty: as HTTPS_PROXY and NO_PROXY of the environment say.
	Proxy string
	// Roots are trusted instead of the system's certificates; nil: those.
	Roots *x509.CertPool
}

const (
	portAMQP     = "5671"
	portPlain    = "5672"
	mostReceived = 1 << 30 // WebSockets bound a message by 32 KB unless told otherwise; frames have their own bound
)

// dialer opens connections to the namespace, and lets through only what the client library can read.
func (c *Conn) dialer(o Options) (func(context.Context, azservicebus.NewWebSocketConnArgs) (net.Conn, error), error) {
	dial, err := o.Way.dialer(standsIn(o.ConnectionString))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, args azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
		var nc net.Conn
		var err error
		if o.Dial != nil {
			nc, err = o.Dial(ctx)
		} else {
			nc, err = dial(ctx, args.Host)
		}
		if err != nil {
			return nil, err
		}
		return readable.Conn(nc, func(why string) {
			c.log.Warn("a message came in a form that the client library cannot read, and is taken as far as it can be", slog.String("why", why))
		}), nil
	}, nil
}

// dialer opens connections to wss://HOST/PATH, which is how the SDK names the namespace.
func (w Way) dialer(plain bool) (func(ctx context.Context, address string) (net.Conn, error), error) {
	config := &tls.Config{RootCAs: w.Roots, MinVersion: tls.VersionTLS12}
	proxy := http.ProxyFromEnvironment
	if w.Proxy != "" {
		at, err := url.Parse(w.Proxy)
		if err != nil || at.Host == "" { // not quoted: it may hold a password
			return nil, fmt.Errorf("bus: the proxy for Service Bus must be an address such as http://proxy.example.com:3128")
		}
		if !w.WebSockets {
			return nil, fmt.Errorf("bus: a proxy takes AMQP of Service Bus through WebSockets only: set webSockets, too")
		}
		proxy = http.ProxyURL(at)
	}
	transport := &http.Transport{Proxy: proxy, TLSClientConfig: config}
	return func(ctx context.Context, address string) (net.Conn, error) {
		at, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		if w.WebSockets {
			if plain {
				at.Scheme = "ws"
			}
			return overWebSocket(ctx, at.String(), transport)
		}
		host := at.Host
		if plain {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", withPort(host, portPlain))
		}
		dialer := tls.Dialer{Config: config}
		nc, err := dialer.DialContext(ctx, "tcp", withPort(host, portAMQP))
		if err != nil {
			return nil, fmt.Errorf("%w: is TCP %s let out? Where only 443 is, set bus.serviceBus.webSockets", err, portAMQP)
		}
		return nc, nil
	}, nil
}

func overWebSocket(ctx context.Context, address string, transport *http.Transport) (net.Conn, error) {
	socket, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"AMQPWSB10", "amqp"},
	})
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // the socket has the connection, and an answer that is none was read
	}
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	socket.SetReadLimit(mostReceived)
	// It lives as long as the client wants it: ctx is for opening it.
	return websocket.NetConn(context.WithoutCancel(ctx), socket, websocket.MessageBinary), nil
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(host, port)
}

// standsIn says whether a connection string leads to a stand-in for Service Bus, which is reached without TLS.
func standsIn(connectionString string) bool {
	for part := range strings.SplitSeq(connectionString, ";") {
		if key, value, _ := strings.Cut(part, "="); strings.EqualFold(strings.TrimSpace(key), "UseDevelopmentEmulator") && !strings.EqualFold(value, "false") {
			return true
		}
	}
	return false
}
