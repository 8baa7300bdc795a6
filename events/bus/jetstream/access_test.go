package jetstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/natstest"
)

// serve starts a server with JetStream and what else the options say.
func serve(t *testing.T, o *server.Options) string {
	t.Helper()
	o.ServerName, o.Host, o.Port = "guarded", "127.0.0.1", server.RANDOM_PORT
	o.JetStream, o.StoreDir, o.NoLog, o.NoSigs = true, t.TempDir(), true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s.ClientURL()
}

// newCA makes an authority: its certificate in a file, and a certificate of a server on loopback.
func newCA(t *testing.T) (file string, leaf tls.Certificate) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: begin, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, caKey := issue(ca, ca, nil)
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	nats := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "nats"}, NotBefore: begin, NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, leafKey := issue(nats, ca, caKey)
	return file, tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	right, certificate := newCA(t)
	wrong, _ := newCA(t)
	noPEM := filepath.Join(t.TempDir(), "no.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := serve(t, &server.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}})
	for name, tt := range map[string]struct{ ca, says string }{
		"the server's authority": {right, ""},
		"another authority":      {wrong, "certificate"},
		"the system's":           {"", "certificate"},
		"no such file":           {filepath.Join(t.TempDir(), "absent.pem"), "absent.pem"},
		"not a certificate":      {noPEM, "no PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := jetstream.Connect(jetstream.Options{URL: url, CAFile: tt.ca})
			if err == nil {
				defer c.Close()
				setUp(t, c, validator)
			}
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; want it to say %q", err, tt.says)
			}
			if errors.Is(err, bus.ErrNotPermitted) {
				t.Errorf("%v: a certificate is no matter of permission", err)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	url := serve(t, &server.Options{Users: []*server.User{{Username: "validator", Password: "right one"}}})
	for name, tt := range map[string]struct {
		user, password string
		allowed        bool
	}{
		"right":   {"validator", "right one", true},
		"wrong":   {"validator", "wrong one", false},
		"unknown": {"executor", "right one", false},
		"none":    {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := jetstream.Connect(jetstream.Options{URL: url, User: tt.user, Password: tt.password})
			if err == nil {
				defer c.Close()
			}
			if (err == nil) != tt.allowed || !tt.allowed && !errors.Is(err, bus.ErrNotPermitted) {
				t.Errorf("%v", err)
			}
			if err != nil && tt.password != "" && strings.Contains(err.Error(), tt.password) {
				t.Errorf("%v: shows the password", err)
			}
		})
	}
}

func TestDeniedOperations(t *testing.T) {
	t.Parallel()
	url := serve(t, &server.Options{Users: []*server.User{
		{Username: "admin", Password: "a"},
		{Username: "poor", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"reprotect.command.>"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_poor.>"}},
		}},
	}})
	admin, err := jetstream.Connect(jetstream.Options{URL: url, User: "admin", Password: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	setUp(t, admin, validator)
	poor, err := jetstream.Connect(jetstream.Options{URL: url, User: "poor", Password: "p", InboxPrefix: "_INBOX_poor", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(poor.Close)
	publish(t, poor, bus.Message{Subject: "reprotect.command.request", ID: "allowed", Data: []byte("{}")})

	t.Run("refused", func(t *testing.T) {
		for name, do := range map[string]func() error{
			"publish": func() error { return poor.Publish(t.Context(), fact("a", "request", "accepted")) },
			"wake-up": func() error {
				return poor.Wake(t.Context(), validator.Service, "a.look", time.Now(), bus.Message{})
			},
			"consume": func() error {
				_, err := poor.Consume(t.Context(), validator)
				return err
			},
			"set up": func() error { return poor.SetUp(t.Context(), jetstream.Topology(1, validator)) },
			"read": func() error {
				return poor.Read(t.Context(), jetstream.Reading{Stream: jetstream.StreamLog}, func(bus.Received) error { return nil })
			},
			"status": func() error {
				_, err := poor.Status(t.Context())
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if err := do(); !errors.Is(err, bus.ErrNotPermitted) {
					t.Errorf("%v; want ErrNotPermitted", err)
				}
			})
		}
	})
	if log := natstest.ReadAll(t, admin, jetstream.StreamLog); len(log) != 1 {
		t.Errorf("the event log has %d messages, want the one that was allowed", len(log))
	}
}
