package observed_test

import (
	"strings"
	"testing"
	"unicode"

	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

// Whatever can stand against a datastore is known to the catalogue of errors, and says in both languages what
// to do about the same values.
func TestGroundsAreComplete(t *testing.T) {
	for _, g := range observed.Grounds() {
		if _, ok := faults.Lookup(g.Code); !ok {
			t.Errorf("the catalogue of errors does not know %s", g.Code)
		}
		if g.Reason == "" || g.Remedy == "" || strings.Count(g.Remedy, "%") != strings.Count(g.Japanese, "%") {
			t.Errorf("%s is not worded in both languages: %+v", g.Code, g)
		}
		if strings.ContainsFunc(g.Remedy, isJapanese) || !strings.ContainsFunc(g.Japanese, isJapanese) {
			t.Errorf("%s: a remedy is not in its language: %+v", g.Code, g)
		}
	}
}

func isJapanese(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana) }

const gib = int64(1) << 30

// Whether a datastore can be used and why not, for checks and placement alike.
func TestRefuse(t *testing.T) {
	t.Parallel()
	type world struct {
		observed.Datastore
		observed.Station
	}
	sound := func() world {
		return world{
			observed.Datastore{
				Ref: "ds-1", Name: "VMFS-01", Type: "vmfs", Accessible: true, Maintenance: "normal", CapacityBytes: 100 * gib, FreeBytes: 50 * gib,
				Mounts: map[string]observed.Mount{"host-1": {Mode: "readWrite", Mounted: true, Accessible: true}},
			},
			observed.Station{Writer: observed.Writer{Role: observed.RoleMasterTarget, Name: "MT-01"}, Host: &observed.Host{Ref: "host-1", Name: "esx01"}},
		}
	}
	mount := func(m observed.Mount) func(*world) { return func(w *world) { w.Mounts["host-1"] = m } }
	unread := func(path string) func(*world) {
		return func(w *world) { w.Datastore.Unread = observed.Unread{path: "no permission"} }
	}
	listing := func(role string, names ...string) func(*world) {
		return func(w *world) {
			w.Writer.Role, w.Writer.Lists = role, true
			for _, n := range names {
				w.Writer.Datastores = append(w.Writer.Datastores, observed.FabricDatastore{Name: n})
			}
		}
	}
	for _, row := range []struct {
		name   string
		change func(*world)
		code   string // "" is none
		reason string
	}{
		{"sound", func(*world) {}, "", ""},
		{"NFS", func(w *world) { w.Type = "nfs41" }, "datastore.unsupported", "NFS41 is not supported"},
		{"type not said", func(w *world) { w.Type = "" }, "datastore.unread", "does not tell"},
		{"type unread", unread("summary.type"), "datastore.unread", "summary.type: no permission"},
		{"summary unread", unread("summary"), "datastore.unread", "summary.type: no permission"},
		{"host unread", unread("host"), "datastore.unread", "host: no permission"},
		{"accessible unread", unread("summary.accessible"), "datastore.unread", "summary.accessible: no permission"},
		{"writer not found", func(w *world) { w.Host, w.Why = nil, "The host of it is gone." }, "datastore.no-writer", "the host of it is gone"},
		{"A07 host not connected", func(w *world) { w.Host.Connection = "notResponding" }, "datastore.no-writer", "host esx01 of the master target MT-01 is notResponding"},
		{"A07 connection unread", func(w *world) { w.Host.Unread = observed.Unread{"runtime.connectionState": "no permission"} }, "datastore.no-writer", "runtime.connectionState: no permission"},
		{"not accessible", func(w *world) { w.Accessible = false }, "datastore.inaccessible", "not accessible"},
		{"entering maintenance", func(w *world) { w.Maintenance = "enteringMaintenance" }, "datastore.maintenance", "enteringMaintenance"},
		{"maintenance not said", func(w *world) { w.Maintenance = "" }, "", ""},
		{"not mounted", func(w *world) { w.Mounts = nil }, "datastore.unmounted", "not mounted on esx01, the host of the master target MT-01"},
		{"unmounted", mount(observed.Mount{Mode: "readWrite", Accessible: true}), "datastore.unmounted", "not mounted on esx01"},
		{"no path", mount(observed.Mount{Mode: "readWrite", Mounted: true}), "datastore.unreachable", "esx01"},
		{"read-only", mount(observed.Mount{Mode: "readOnly", Mounted: true, Accessible: true}), "datastore.read-only", "read-only on esx01"},
		{"mode not said", mount(observed.Mount{Mounted: true, Accessible: true}), "datastore.read-only", "in no known way"},
		{"listed", listing(observed.RoleAppliance, "vmfs-01"), "", ""},
		{"not on the appliance", listing(observed.RoleAppliance), "datastore.undiscovered", "does not list it as accessible"},
		{"not on the master target", listing(observed.RoleMasterTarget, "VMFS-02"), "datastore.undiscovered", "has not discovered it on master target MT-01"},
		{"vSAN", func(w *world) { w.Type = "vsan" }, "datastore.vsan", "prefer VMFS"},
		{"vSAN that is read-only says the graver", func(w *world) {
			w.Type = "vsan"
			mount(observed.Mount{Mode: "readOnly", Mounted: true, Accessible: true})(w)
		}, "datastore.read-only", "read-only"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := sound()
			row.change(&w)
			r := w.Refuse(w.Station)
			if r == nil {
				if row.code != "" {
					t.Fatalf("nothing stands against it, want %s", row.code)
				}
				return
			}
			if r.Code != row.code || !strings.Contains(r.Reason, row.reason) || r.Remedy.String() == "" || strings.Contains(r.Reason+r.Remedy.String(), "%!") {
				t.Errorf("%+v", *r)
			}
			unsure := r.Code == "datastore.unread" || r.Code == "datastore.no-writer"
			if r.Unknown != unsure || r.Warning != (r.Code == "datastore.vsan") {
				t.Errorf("it is taken for unknown or a warning: %+v", *r)
			}
		})
	}
}

func TestRefuseFull(t *testing.T) {
	t.Parallel()
	d := observed.Datastore{Name: "VMFS-01", FreeBytes: 50 * gib}
	for _, row := range []struct {
		need, taken    int64
		reason, remedy string // "": there is room
	}{
		{50 * gib, 0, "", ""},
		{50*gib + 1, 0, "50.1 GB are needed, 50 GB are free", "Free 0.1 GB on it"},
		{40 * gib, 10 * gib, "", ""},
		{40 * gib, 11 * gib, "40 GB are needed, 39 GB are free", "Free 1 GB"},
		{5 * gib, 60 * gib, "5 GB are needed, 0 GB are free", "Free 5 GB"},
		{0, 60 * gib, "", ""},
	} {
		r := d.RefuseFull(row.need, row.taken)
		switch {
		case r == nil && row.reason != "" || r != nil && row.reason == "":
			t.Errorf("%d with %d taken: %+v", row.need, row.taken, r)
		case r != nil && (r.Code != "datastore.full" || !strings.Contains(r.Reason, row.reason) || !strings.Contains(r.Remedy.String(), row.remedy)):
			t.Errorf("%d with %d taken: %+v", row.need, row.taken, *r)
		}
	}
	d.Unread = observed.Unread{"summary.freeSpace": "no permission"}
	if r := d.RefuseFull(0, 0); r == nil || !r.Unknown || !strings.Contains(r.Reason, "no permission") {
		t.Errorf("free space that was not read: %+v", r)
	}
}
