package vsphere_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/observed"
)

// The tests here have the ids of findings about vCenters that were not made by the lab; the lab shows each.

func watchOf(t *testing.T, names ...string) (*vcenter.Server, *watched) {
	t.Helper()
	srv, caFile := vcentertest.Start(t, scenario.Default(2))
	inv := look(t, connect(t, srv, caFile), names...)
	w, seen, _ := watch(t, srv, caFile)
	for _, name := range names {
		w.Add(one(t, inv, name).Ref, time.Now())
		seen.until(0, name, is(name, func(observed.Watched) bool { return true }))
	}
	return srv, seen
}

func TestVSphereWatch(t *testing.T) {
	t.Run("4.2 a property that is hidden, and shown again", func(t *testing.T) {
		srv, seen := watchOf(t, mt)
		from := seen.count()
		vcentertest.Do(t, srv, "hide-property", mt, "snapshot")
		seen.until(from, "hidden", is(mt, func(vm observed.Watched) bool { return strings.Contains(vm.Unread["snapshot"], "NoPermission") }))
		vcentertest.Do(t, srv, "show-properties", mt)
		seen.until(from, "shown", is(mt, func(vm observed.Watched) bool { return vm.Unread["snapshot"] == "" }))
		from = seen.count()
		vcentertest.Do(t, srv, "hide-property-from", srv.ReadOnlyUsername, mt, "snapshot")
		vcentertest.Do(t, srv, "add-snapshot", mt, "s")
		seen.until(from, "hidden from another account only", is(mt, func(vm observed.Watched) bool { return len(vm.Snapshots) == 1 && vm.Snapshots[0].ID != 0 }))
	})
	t.Run("A07 the host is not connected", func(t *testing.T) {
		srv, seen := watchOf(t, "web01")
		vcentertest.Do(t, srv, "disconnect-host", "esx01.tokyo.example")
		seen.until(0, "disconnected", is("web01", func(vm observed.Watched) bool { return vm.Connection == "disconnected" }))
	})
	t.Run("4.1b a move says what it moves", func(t *testing.T) {
		srv, seen := watchOf(t, mt)
		running := func(scope observed.Scope) func(observed.Watched) bool {
			return is(mt, func(vm observed.Watched) bool { return len(vm.Moves) == 1 && vm.Moves[0].Scope == scope })
		}
		vcentertest.Do(t, srv, "begin-migration", mt)
		seen.until(0, "of the host", running(observed.MovesHost))
		vcentertest.Do(t, srv, "end-relocation", mt)
		from := seen.count()
		vcentertest.Do(t, srv, "begin-relocation", mt)
		seen.until(from, "of the disks", running(observed.MovesDisks))
		vcentertest.Do(t, srv, "end-relocation", mt)
		vcentertest.Do(t, srv, "migrate", mt, "esx01.tokyo.example")
	})
	t.Run("4.3 what happened before it was seen", func(t *testing.T) {
		srv, caFile := vcentertest.Start(t, scenario.Default(2))
		inv := look(t, connect(t, srv, caFile), "db01", mt)
		since := time.Now()
		vcentertest.Do(t, srv, "power-on", "db01")
		vcentertest.Do(t, srv, "power-off", "db01")
		vcentertest.Do(t, srv, "add-snapshot", mt, "s")
		vcentertest.Do(t, srv, "remove-snapshot", mt)
		w, seen, _ := watch(t, srv, caFile)
		w.Add(one(t, inv, "db01").Ref, since)
		w.Add(one(t, inv, mt).Ref, since)
		had := func(kinds ...observed.HappeningKind) func(observed.Watched) bool {
			return func(vm observed.Watched) bool {
				if len(vm.Past) != len(kinds) || vm.PastUnread != "" {
					return false
				}
				for i, h := range vm.Past {
					if h.Kind != kinds[i] || h.At.Before(since.Add(-time.Second)) || h.At.After(time.Now().Add(time.Second)) {
						return false
					}
				}
				return true
			}
		}
		seen.until(0, "on and off", is("db01", had(observed.SwitchedOn, observed.SwitchedOff)))
		seen.until(0, "made and removed", is(mt, had(observed.SnapshotMade, observed.SnapshotsRemoved)))
		if calls := srv.Calls(); calls["DestroyCollector"] != calls["CreateCollectorForEvents"]+calls["CreateCollectorForTasks"] {
			t.Errorf("collectors are left: %v", calls)
		}
	})
	t.Run("4.3 a history that is refused", func(t *testing.T) {
		srv, caFile := vcentertest.Start(t, scenario.Default(2))
		inv := look(t, connect(t, srv, caFile), "db01")
		vcentertest.Do(t, srv, "refuse-method", "CreateCollectorForEvents")
		w, seen, _ := watch(t, srv, caFile)
		w.Add(one(t, inv, "db01").Ref, time.Now())
		seen.until(0, "unread", is("db01", func(vm observed.Watched) bool { return vm.PastUnread != "" && vm.Power == "poweredOff" }))
	})
	t.Run("4.3 a restart of the vCenter", func(t *testing.T) {
		srv, seen := watchOf(t, "web01")
		from := seen.count()
		vcentertest.Do(t, srv, "restart-vcenter")
		vcentertest.Do(t, srv, "power-on", "web01")
		vcentertest.Do(t, srv, "power-off", "web01")
		seen.until(from, "what happened meanwhile, or live", func(vm observed.Watched) bool { return len(vm.Past) > 0 || vm.Power == "poweredOn" })
		vcentertest.Do(t, srv, "power-on", "web01")
		seen.until(from, "seen again", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOn" }))
	})
}

// B07: every login has its logout, also when what follows it fails.
func TestVSphereB07EveryLoginHasItsLogout(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	vcentertest.Do(t, srv, "refuse-method", "CreateContainerView")
	c := connect(t, srv, caFile)
	for range 20 {
		if _, err := c.Inventory(t.Context(), query("web01")); err == nil {
			t.Fatal("a look without a view")
		}
	}
	calls := srv.Calls()
	if calls["Login"] != 20 || calls["Logout"] != 20 {
		t.Errorf("%d logins, %d logouts", calls["Login"], calls["Logout"])
	}
}

// B06: a proxy that answers in the vCenter's place is named.
func TestVSphereB06ProxyIsNamed(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refusing.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for name, address := range map[string]string{"refuses": refusing.URL, "is not there": "http://" + gone.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			c, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: srv.Username, Password: srv.Password, CAFile: caFile, Proxy: address})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Inventory(t.Context(), query("web01"))
			f, ok := observed.FaultOf(err)
			host := strings.TrimPrefix(address, "http://")
			if !ok || !strings.Contains(f.What, "through the proxy "+host) || !strings.Contains(f.Remedy, "NO_PROXY") || !strings.Contains(f.Remedy, "vcenter.proxy") {
				t.Errorf("%+v", f)
			}
		})
	}
	t.Setenv("HTTPS_PROXY", refusing.URL)
	c, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: srv.Username, Password: srv.Password, CAFile: caFile, Proxy: vsphere.NoProxy})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Inventory(t.Context(), query("web01")); err != nil {
		t.Error(err)
	}
	c.Close(t.Context())
	for _, wrong := range []string{"ftp://proxy", "proxy.example:3128", "://"} {
		if _, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: "u", Password: "p", Proxy: wrong}); err == nil || !strings.Contains(err.Error(), "vcenter.proxy") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// Frozen connections: open ones swallow all, new ones work. It is noticed within 30 s.
func TestVSphereFrozenConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a connection may be silent")
	}
	srv, seen := watchOf(t, "web01")
	begun := time.Now()
	from := seen.count()
	vcentertest.Do(t, srv, "freeze-connections")
	vcentertest.Do(t, srv, "power-on", "web01")
	vcentertest.Do(t, srv, "power-off", "web01")
	deadline := time.After(30 * time.Second)
	for {
		seen.mu.Lock()
		changed, past := seen.changed, 0
		for _, vm := range seen.told[from:] {
			past += len(vm.Past)
		}
		seen.mu.Unlock()
		if past >= 2 {
			t.Logf("seen again after %s", time.Since(begun).Round(time.Millisecond))
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("blind for 30 s: %v", seen.sight())
		}
	}
}
