package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/cli"
	_ "github.com/vmware/govmomi/cli/vm"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// The tests here show findings about vCenters that were not made by the lab, by their ids, with the whole product.

// cleared waits for the n-th end of a violation of that code, and demands that it names one that was told.
func (w *site) cleared(n int, code, machine string) events.Cleared {
	w.t.Helper()
	e := await(w, n, events.TypeCleared, caseOf(machine), func(c events.Cleared) bool { return c.Code == code })[n-1]
	told := await(w, 1, events.TypeViolated, caseOf(machine), coded(code))
	for _, v := range told {
		if v.ID == e.Data.Violation {
			if !e.Data.From.Before(e.Data.Until) {
				w.t.Errorf("from %s to %s", e.Data.From, e.Data.Until)
			}
			return e.Data
		}
	}
	w.t.Errorf("%+v ends none of what was told", e.Data)
	return e.Data
}

// acknowledge says that a person has seen to an alarm.
func (w *site) acknowledge(id, alarm, reason string) {
	w.t.Helper()
	data := fmt.Appendf(nil, `{"alarm": %q, "reason": %q, "requestedBy": "ops@example.com"}`, alarm, reason)
	if err := w.bus.Publish(w.t.Context(), bus.Message{Subject: events.CommandSubject(events.TypeAcknowledge.Kind), ID: id, Data: data}); err != nil {
		w.t.Fatal(err)
	}
}

// govc runs one of govc's own commands against the lab, as an operator would.
func (w *site) govc(args ...string) {
	w.t.Helper()
	v := w.vcenter
	for name, value := range map[string]string{
		"GOVC_URL": v.URL, "GOVC_USERNAME": v.Username, "GOVC_PASSWORD": v.Password, "GOVC_TLS_CA_CERTS": v.CAFile, "GOVC_PERSIST_SESSION": "false",
	} {
		w.t.Setenv(name, value)
	}
	if status := cli.Run(args); status != 0 {
		w.t.Fatalf("govc %v ends with %d", args, status)
	}
}

func TestVSphereGuard(t *testing.T) {
	w := startSite(t, modern("web01"), classic("db01"), classic("app01"))
	for _, m := range []string{"web01", "db01", "app01"} {
		await(w, 1, events.TypeCompleted, caseOf(m), any1[events.Completed])
	}
	w.do("replicate", "db01", "db01_replica")
	stop := w.serve("guard")
	w.guarded("web01", "db01", "app01")

	t.Run("1.2 A04 a replica with the UUIDs of its source, by govc", func(t *testing.T) {
		w.govc("vm.power", "-on", "db01_replica")
		begun := time.Now()
		w.govc("vm.power", "-on", "db01")
		v := await(w, 1, events.TypeViolated, caseOf("db01"), coded("guard.powered-on"))[0]
		t.Logf("told after %s", time.Since(begun).Round(time.Millisecond))
		if v.Data.Machine != "db01" || time.Since(begun) > bound {
			t.Errorf("%+v after %s", v.Data, time.Since(begun))
		}
		w.govc("vm.power", "-off", "db01")
		c := w.cleared(1, "guard.powered-on", "db01")
		if c.Remains == "" || c.Violation != v.ID {
			t.Errorf("%+v", c)
		}
		w.only("db01", "guard.powered-on")

		w.acknowledge("ack-1", v.ID, "resynchronized")
		a := await(w, 1, events.TypeAcknowledged, caseOf("db01"), any1[events.Acknowledged])[0]
		if a.Data != (events.Acknowledged{Violation: v.ID, Reason: "resynchronized", RequestedBy: "ops@example.com"}) || a.Position != v.Position+cases.AcknowledgedAfter {
			t.Errorf("%+v", a)
		}
		note := await(w, 1, events.TypeNotification, caseOf("db01"), func(n events.Note) bool { return n.Fact == a.ID && n.Thread == "" })[0]
		if note.Data.Level != events.LevelInfo || !strings.Contains(note.Data.Title, "ops@example.com") {
			t.Errorf("%+v", note.Data)
		}
		w.acknowledge("ack-2", v.ID, "again")
		if p := await(w, 1, events.TypeRefused, "ack-2", any1[events.Refused])[0].Data.Problems[0]; p.Code != "alarm.acknowledged" {
			t.Errorf("%+v", p)
		}
	})
	t.Run("4.1b a move that moves no disk", func(t *testing.T) {
		w.do("migrate", "MT-LINUX-01", "esx01.tokyo.example")
		w.do("begin-migration", "ASR-APPL-01")
		w.do("end-relocation", "ASR-APPL-01")
	})
	t.Run("4.2 permission lost, and given back", func(t *testing.T) {
		w.do("hide-property", "ASR-APPL-01", "config.hardware.device")
		u := await(w, 1, events.TypeUnwatched, caseOf("web01"), any1[events.Unwatched])[0]
		note := await(w, 1, events.TypeNotification, caseOf("web01"), func(n events.Note) bool { return n.Fact == u.ID && n.Thread == "" })[0]
		if u.Data.Code != "guard.unwatched" || !strings.Contains(u.Data.What, "ASR-APPL-01") || note.Data.Level != events.LevelWarning {
			t.Errorf("%+v, %+v", u.Data, note.Data)
		}
		w.do("show-properties", "ASR-APPL-01")
		if d := await(w, 1, events.TypeWatched, caseOf("web01"), any1[events.Watched])[0].Data; d.Unwatched != u.ID {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a snapshot ends, and leaves nothing", func(t *testing.T) {
		w.raises(1, "guard.snapshot", "app01", "add-snapshot", "MT-LINUX-01", "nightly")
		w.do("remove-snapshot", "MT-LINUX-01")
		if c := w.cleared(1, "guard.snapshot", "app01"); c.Remains != "" {
			t.Errorf("%+v", c)
		}
	})
	t.Run("a disk that comes home again", func(t *testing.T) {
		w.raises(1, "guard.storage-vmotion", "app01", "relocate", "MT-LINUX-01", "VMFS-02")
		w.do("relocate", "MT-LINUX-01", "VMFS-01")
	})
	w.only("web01")

	t.Run("4.3 what happened while no guard ran", func(t *testing.T) {
		w.remembered("app01", func(note string) bool {
			return strings.Contains(note, `"seen":true`) && !strings.Contains(note, `"on":true`)
		})
		stop()
		w.do("power-on", "app01")
		w.do("power-off", "app01")
		w.do("add-snapshot", "MT-LINUX-01", "in-the-gap")
		w.do("remove-snapshot", "MT-LINUX-01")
		begun := time.Now()
		stop = w.serve("guard")
		if c := w.cleared(1, "guard.powered-on", "app01"); !c.Until.Before(begun) || c.Remains == "" {
			t.Errorf("it was over before the guard came back: %+v", c)
		}
		w.cleared(2, "guard.snapshot", "app01")
		for _, m := range []string{"db01", "app01"} { // its state is kept, or the next guard would know of one alarm less
			w.remembered(m, func(note string) bool { return strings.Contains(note, `"count":[1,2,0,0]`) })
		}
	})
	t.Run("1.3 two VMs named like the master target", func(t *testing.T) {
		stop()
		w.do("set-guest", "MT-LINUX-01", "none", "none")
		w.do("add-namesake", "MT-LINUX-01", "old")
		w.do("reregister", "MT-LINUX-01") // the guard's reference is dead: it has to look anew
		w.serve("guard")
		u := await(w, 1, events.TypeUnwatched, caseOf("db01"), any1[events.Unwatched])[0]
		if u.Data.Code != "guard.ambiguous" || len(u.Data.Candidates) != 2 || u.Data.Do == "" {
			t.Errorf("%+v", u.Data)
		}
		w.do("rename-vm", "old/MT-LINUX-01", "MT-old")
		if d := await(w, 1, events.TypeWatched, caseOf("db01"), any1[events.Watched])[0].Data; d.Unwatched != u.ID {
			t.Errorf("%+v", d)
		}
		w.raises(3, "guard.snapshot", "db01", "add-snapshot", "MT-LINUX-01", "seen-again")
	})
}
