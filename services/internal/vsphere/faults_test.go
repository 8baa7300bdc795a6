package vsphere_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/observed"
)

func TestNewSaysWhatToMend(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := vsphere.Options{URL: "vcenter.example", Username: "u", Password: "hunter2"}
	if _, err := vsphere.New(good); err != nil {
		t.Fatalf("good options: %v", err)
	}
	for name, tc := range map[string]struct {
		change func(*vsphere.Options)
		names  string // what the error must name
	}{
		"no URL":             {func(o *vsphere.Options) { o.URL = "" }, "vcenter.url"},
		"URL does not parse": {func(o *vsphere.Options) { o.URL = "https://u:hunter2@[::1" }, "vcenter.url"},
		"plain http":         {func(o *vsphere.Options) { o.URL = "http://vcenter.example/sdk" }, "https"},
		"no host":            {func(o *vsphere.Options) { o.URL = "https:///sdk" }, "vcenter.url"},
		"user in the URL":    {func(o *vsphere.Options) { o.URL = "https://u:hunter2@vcenter.example/sdk" }, "vcenter.username"},
		"no user name":       {func(o *vsphere.Options) { o.Username = "" }, "vcenter.username"},
		"no password":        {func(o *vsphere.Options) { o.Password = "" }, "vcenter.passwordFile"},
		"short thumbprint":   {func(o *vsphere.Options) { o.Thumbprint = "AA:BB" }, "vcenter.thumbprint"},
		"not hex":            {func(o *vsphere.Options) { o.Thumbprint = strings.Repeat("zz", 20) }, "vcenter.thumbprint"},
		"no CA file":         {func(o *vsphere.Options) { o.CAFile = empty + ".missing" }, "vcenter.caFile"},
		"empty CA file":      {func(o *vsphere.Options) { o.CAFile = empty }, "vcenter.caFile"},
	} {
		o := good
		tc.change(&o)
		_, err := vsphere.New(o)
		if err == nil || !strings.Contains(err.Error(), tc.names) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	certificate, caFile := vcentertest.Certificate(t)
	_, otherCA := vcentertest.Certificate(t)
	srv, err := vcenter.Start(scenario.Default(1), vcenter.Options{Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	der := certificate.Certificate[0]
	sum1, sum256 := sha1.Sum(der), sha256.Sum256(der)
	colons := func(sum []byte) string {
		var parts []string
		for _, b := range sum {
			parts = append(parts, strings.ToUpper(hex.EncodeToString([]byte{b})))
		}
		return strings.Join(parts, ":")
	}
	wrong := bytes.Repeat([]byte{7}, sha256.Size)
	for name, tc := range map[string]struct {
		thumbprint, caFile string
		good               bool
	}{
		"CA":                    {"", caFile, true},
		"system's roots":        {"", "", false},
		"another CA":            {"", otherCA, false},
		"SHA-256 without a CA":  {hex.EncodeToString(sum256[:]), "", true},
		"SHA-256 with colons":   {colons(sum256[:]), "", true},
		"SHA-1 with colons":     {colons(sum1[:]), "", true},
		"SHA-1":                 {hex.EncodeToString(sum1[:]), "", true},
		"right pin, another CA": {colons(sum256[:]), otherCA, true},
		"wrong pin":             {hex.EncodeToString(wrong), "", false},
		"wrong pin, though the CA would be valid":   {hex.EncodeToString(wrong), caFile, false},
		"wrong SHA-1, though the CA would be valid": {hex.EncodeToString(wrong[:sha1.Size]), caFile, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := vsphere.New(vsphere.Options{
				URL: srv.URL(), Username: srv.Username, Password: srv.Password, Thumbprint: tc.thumbprint, CAFile: tc.caFile,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			_, err = c.Inventory(t.Context(), query("web01"))
			if tc.good {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := wantFault(t, err, "vcenter.certificate", observed.Operator)
			if !strings.Contains(f.Remedy, colons(sum256[:])) {
				t.Errorf("the remedy must show the presented thumbprint: %s", f.Remedy)
			}
		})
	}
}

func wantFault(t *testing.T, err error, code string, class observed.Class) *observed.Fault {
	t.Helper()
	f, ok := observed.FaultOf(err)
	if !ok {
		t.Fatalf("no fault: %v", err)
	}
	if f.Code != code || f.Class != class || f.Remedy == "" || f.What == "" {
		t.Errorf("want %s %s with a remedy: %+v", class, code, f)
	}
	return f
}

func TestReadOnlyAccount(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(2))
	c, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: srv.ReadOnlyUsername, Password: srv.ReadOnlyPassword, CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	inv := look(t, c, "web01", "MT-WIN-01")
	for _, vm := range inv.VMs {
		if len(vm.Unread) != 0 || vm.Power == "" {
			t.Errorf("a read-only account reads everything: %+v", vm)
		}
	}
	if got := slices.Clone(lacking(inv, "/DC-TOKYO")); !slices.Equal(got, vsphere.Privileges) {
		t.Errorf("it lacks every documented privilege at the datacenter; reported: %v", got)
	}
	if missing := lacking(inv, "/DC-TOKYO/datastore/VMFS-01"); len(missing) != 5 {
		t.Errorf("on a datastore it lacks the five of datastores: %v", missing)
	}
}

func TestLoginRefused(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	const wrong = "open-sesame"
	c, err := vsphere.New(vsphere.Options{
		URL: srv.URL(), Username: srv.Username, Password: wrong, CAFile: caFile, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	try := func() int {
		_, err := c.Inventory(t.Context(), query("web01"))
		f := wantFault(t, err, "vcenter.login", observed.Operator)
		if !strings.Contains(f.Remedy, srv.Username) || strings.Contains(err.Error(), wrong) || f.After <= 0 {
			t.Errorf("%+v", f)
		}
		return srv.Calls()["Login"]
	}
	if logins := []int{try(), try(), try()}; !slices.Equal(logins, []int{1, 1, 1}) {
		t.Errorf("a refused login is not repeated at once, or the account is locked: %v", logins)
	}
	now = now.Add(2 * time.Minute)
	if logins := try(); logins != 2 {
		t.Errorf("after the pause it is tried again: %d logins", logins)
	}
}

func TestExpiredSession(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(2))
	c := connect(t, srv, caFile)
	look(t, c, "web01")
	vcentertest.Do(t, srv, "expire-sessions")
	if inv := look(t, c, "web01"); len(inv.VMs) != 1 || len(one(t, inv, "web01").Unread) != 0 {
		t.Errorf("%+v", inv)
	}
	if n := srv.Calls()["Login"]; n != 2 {
		t.Errorf("%d logins", n)
	}

	vcentertest.Do(t, srv, "expire-sessions")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			inv, err := c.Inventory(t.Context(), query("web01"))
			if err != nil || len(inv.VMs) != 1 || inv.VMs[0].Power != "poweredOff" {
				t.Errorf("%v %+v", err, inv.VMs)
			}
		})
	}
	wg.Wait()
	if n := srv.Calls()["Login"]; n != 3 {
		t.Errorf("50 calls on a dead session made %d logins", n-2)
	}
}

// The session dies between two calls of one look. A property read on a dead session gives no error but missing
// properties; the later calls of a look give a fault. Both lead to one new login and a complete look.
func TestSessionDiesInALook(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(2))
	for name, at := range map[string]string{
		"before the closure": "RetrievePropertiesEx", "before the privileges": "HasPrivilegeOnEntities", "before the licences": "QueryAssignedLicenses",
	} {
		t.Run(name, func(t *testing.T) {
			var armed bool
			proxy, proxyCA := reverseProxy(t, srv, caFile, func(body string) {
				first := strings.Contains(body, "parentVApp") && !strings.Contains(body, "extraConfig")
				if armed && strings.Contains(body, at) && !first {
					armed = false
					vcentertest.Do(t, srv, "expire-sessions")
				}
			})
			c, err := vsphere.New(vsphere.Options{URL: proxy, Username: srv.Username, Password: srv.Password, CAFile: proxyCA})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			look(t, c, "web01")
			before := srv.Calls()["Login"]
			armed = true
			inv := look(t, c, "web01", "db01")
			if armed {
				t.Fatal("the session was not ended")
			}
			if len(inv.VMs) != 2 || len(inv.Unread) != 0 || len(one(t, inv, "db01").Unread) != 0 || len(inv.Privileges) == 0 {
				t.Errorf("%+v", inv)
			}
			if n := srv.Calls()["Login"] - before; n != 1 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// reverseProxy stands before the vCenter and shows each request's body before passing it on.
func reverseProxy(t *testing.T, srv *vcenter.Server, caFile string, see func(body string)) (url, proxyCA string) {
	t.Helper()
	certificate, proxyCA := vcentertest.Certificate(t)
	transport := transportTrusting(t, caFile)
	p := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		see(string(body))
		out, err := http.NewRequestWithContext(r.Context(), r.Method, srv.URL(), bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header
		res, err := transport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	p.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p.URL + "/sdk", proxyCA
}

func transportTrusting(t *testing.T, caFile string) *http.Transport {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestNotAnswering(t *testing.T) {
	t.Parallel()
	certificate, caFile := vcentertest.Certificate(t)
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) }) // a login outlives the caller that gave up
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewUnstartedServer(h)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		s.StartTLS()
		t.Cleanup(func() { letGo(); s.Close() })
		return s.URL + "/sdk"
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "https://" + closed.Addr().String() + "/sdk"
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	const body = "<html><body>hello</body></html>"
	for name, tc := range map[string]struct {
		url   string
		code  string
		class observed.Class
	}{
		"nobody listens": {nobody, "vcenter.unreachable", observed.Temporary},
		"hangs":          {serve(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-release }), "vcenter.timeout", observed.Temporary},
		"starting up": {serve(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
		}), "vcenter.unreachable", observed.Temporary},
		"not found":     {serve(http.NotFound), "vcenter.endpoint", observed.Operator},
		"some web page": {serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }), "vcenter.endpoint", observed.Operator},
		"hangs up": {serve(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}), "vcenter.unreachable", observed.Temporary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := vsphere.New(vsphere.Options{URL: tc.url, Username: "u", Password: "hunter2", CAFile: caFile})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err = c.Datastores(ctx)
			wantFault(t, err, tc.code, tc.class)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a password in the error: %v", err)
			}
		})
	}
}

func TestServerStops(t *testing.T) {
	certificate, caFile := vcentertest.Certificate(t)
	srv, err := vcenter.Start(scenario.Default(1), vcenter.Options{Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, srv, caFile)
	look(t, c, "web01")
	srv.Close()
	_, err = c.Inventory(t.Context(), query("web01"))
	wantFault(t, err, "vcenter.unreachable", observed.Temporary)
}

func TestCancelledByTheCaller(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	c := connect(t, srv, caFile)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Inventory(ctx, query("web01"))
	if _, fault := observed.FaultOf(err); !errors.Is(err, context.Canceled) || fault {
		t.Errorf("a caller that gave up gets its own error back: %v", err)
	}
	look(t, c, "web01") // and does no harm to the next
}
