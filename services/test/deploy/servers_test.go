package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"reprotect.example/events"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
)

func roles() []string { return append(app.Targets(), admin, ops, audit, chatbot) }

func passwordVariable(role string) string { return "REPROTECT_PASSWORD_" + strings.ToUpper(role) }

// installation is servers that run from the files of deploy/nats, with the edits that these ask for.
type installation struct {
	url      string // of all servers
	replicas int
	caFile   string // "": no TLS
	folder   string // the files as they run
}

// installed copies deploy/nats into a folder, as an administrator does who keeps it elsewhere than in /etc.
func installed(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	files, err := filepath.Glob(filepath.Join(deploy, "nats", "*.conf"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, filepath.Base(file)), strings.ReplaceAll(string(text), "/etc/nats/", folder+"/"))
	}
	newAuthority(t, filepath.Join(folder, "tls"), "cluster", x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	newAuthority(t, filepath.Join(folder, "tls"), "server", x509.ExtKeyUsageServerAuth)
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newAuthority makes NAME-ca.pem, and NAME.pem with NAME-key.pem of a server on loopback that it vouches for.
func newAuthority(t *testing.T, folder, name string, uses ...x509.ExtKeyUsage) {
	t.Helper()
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name + " authority"}, NotBefore: begin, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: uses,
	}
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	issue := func(file string, c *x509.Certificate, key *ecdsa.PrivateKey) {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, keys[0])
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, file), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	issue(name+"-ca.pem", ca, keys[0])
	issue(name+".pem", leaf, keys[1])
	der, err := x509.MarshalPKCS8PrivateKey(keys[1])
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, name+"-key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// edit changes a file as its comments ask for, and fails where there is nothing to change.
func edit(t *testing.T, file string, changes ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(edited, changes[i]) {
			t.Fatalf("%s has no %q", file, changes[i])
		}
		edited = strings.ReplaceAll(edited, changes[i], changes[i+1])
	}
	write(t, file, edited)
}

// process reads a server configuration of a folder as nats-server does.
func process(t *testing.T, folder, file, name string) *server.Options {
	t.Helper()
	for _, role := range roles() {
		t.Setenv(passwordVariable(role), "secret-of-"+role)
	}
	t.Setenv("REPROTECT_NATS_NAME", name)
	o, err := server.ProcessConfigFile(filepath.Join(folder, file))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// run starts a server; only its port and the place of its store are the test's.
func run(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.Port, o.StoreDir, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func ready(t *testing.T, servers ...*server.Server) {
	t.Helper()
	for _, s := range servers {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("a server is not ready")
		}
	}
}

func single(t *testing.T) installation {
	t.Helper()
	folder := installed(t)
	s := run(t, process(t, folder, "nats.conf", ""))
	ready(t, s)
	return installation{url: s.ClientURL(), replicas: 1, folder: folder}
}

// withTLS takes the comment marks from the block tls.
func withTLS(t *testing.T) installation {
	t.Helper()
	folder := installed(t)
	edit(t, filepath.Join(folder, "nats.conf"), "# tls {", "tls {", "#   cert_file", "  cert_file", "#   key_file", "  key_file", "#   min_version", "  min_version", "# }", "}")
	s := run(t, process(t, folder, "nats.conf", ""))
	ready(t, s)
	return installation{url: s.ClientURL(), replicas: 1, caFile: filepath.Join(folder, "tls", "server-ca.pem"), folder: folder}
}

// cluster puts the machines' own names into the routes.
func cluster(t *testing.T) installation {
	t.Helper()
	folder := installed(t)
	const size = 3
	var held []net.Listener
	var changes []string
	for i := range size { // each must know all ports before it starts
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
		changes = append(changes, fmt.Sprintf("nats-%d.example:6222", i+1), l.Addr().String())
	}
	edit(t, filepath.Join(folder, "cluster.conf"), changes...)
	var servers []*server.Server
	var urls []string
	for i := range size {
		o := process(t, folder, "cluster.conf", fmt.Sprintf("nats-%d", i+1))
		o.Cluster.Host, o.Cluster.Port = "127.0.0.1", held[i].Addr().(*net.TCPAddr).Port
		held[i].Close()
		servers = append(servers, run(t, o))
	}
	ready(t, servers...)
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	deadline := time.After(20 * time.Second)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == size {
				return installation{url: strings.Join(urls, ","), replicas: size, folder: folder}
			}
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("nats-N4: no cluster of three: the servers have %d, %d and %d routes", servers[0].NumRoutes(), servers[1].NumRoutes(), servers[2].NumRoutes())
		}
	}
}

var shapes = map[string]func(*testing.T) installation{"single": single, "TLS": withTLS, "cluster": cluster}

// as is the config with which a role works.
func (i installation) as(c config.Config, role string) config.Config {
	c.Bus = config.Bus{NATS: &config.NATS{
		URL: i.url, User: role, PasswordEnv: "env:" + passwordVariable(role), InboxPrefix: "_INBOX_" + role, Replicas: i.replicas,
	}}
	c.Bus.NATS.TLS.CAFile = i.caFile
	return c
}

func (i installation) dial(t *testing.T, role string) *nats.Conn {
	t.Helper()
	options := []nats.Option{
		nats.UserInfo(role, "secret-of-"+role), nats.CustomInboxPrefix("_INBOX_" + role),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // each test asks for the last error
	}
	if i.caFile != "" {
		options = append(options, nats.RootCAs(i.caFile))
	}
	nc, err := nats.Connect(i.url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestServerConfigurations(t *testing.T) {
	for _, file := range []string{"nats.conf", "cluster.conf"} {
		o := process(t, installed(t), file, "nats-1")
		if !o.JetStream || !o.SyncAlways || o.MaxPayload < 2*events.MaxSize {
			t.Errorf("%s: JetStream %v, sync always %v, payload %d", file, o.JetStream, o.SyncAlways, o.MaxPayload)
		}
		users := map[string]string{}
		for _, u := range o.Users {
			users[u.Username] = u.Account.Name
			if u.Permissions == nil || u.Permissions.Publish == nil || u.Permissions.Subscribe == nil {
				t.Errorf("%s: user %s may do anything", file, u.Username)
			}
		}
		for _, role := range roles() {
			account := strings.ToUpper(role)
			if role == admin {
				account = "REPROTECT"
			}
			if users[role] != account {
				t.Errorf("%s: user %s is in account %q, want %s", file, role, users[role], account)
			}
		}
		if len(users) != len(roles()) {
			t.Errorf("%s: users %v, want %v", file, sortedKeys(users), roles())
		}
	}
}
