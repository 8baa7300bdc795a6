package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

// TestSiteRecoveryLeanLists walks what goes wrong when a list's silence is taken for nothing: the lab's lists leave out
// disks, master targets and components, as those of the service do (R1).
func TestSiteRecoveryLeanLists(t *testing.T) {
	t.Run("F1 forty machines with two disks each, one appliance: never more than sixty disks", func(t *testing.T) {
		var machines []scenario.Machine
		var names []string
		for n := range 40 {
			m := modernized(fmt.Sprintf("m-%03d", n))
			m.DiskGB = []int64{10, 10}
			machines, names = append(machines, m), append(names, m.Name)
		}
		w := startWith(t, scenario.Times{Job: time.Minute, InitialReplication: 2 * time.Minute}, machines...)
		w.serve(w.config)
		w.request("site", "", names...)
		tally := func() (started, waiting map[string]bool) {
			started, waiting = map[string]bool{}, map[string]bool{}
			entries, _ := w.now()
			for _, e := range entries {
				switch d := e.event.Data.(type) {
				case events.Started:
					started[e.event.Case] = true
				case events.Waiting:
					waiting[e.event.Case] = d.For == "disk-slot" || waiting[e.event.Case]
				}
			}
			maps.DeleteFunc(waiting, func(id string, forSlot bool) bool { return !forSlot || started[id] })
			return started, waiting
		}
		disks := func() (n int) {
			all, err := lab.Submissions(t.Context(), w.dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, submissions := range all {
				n += 2 * submissions
			}
			return n
		}
		w.until("thirty started, ten wait for disk slots", 90*time.Second, func() bool {
			started, waiting := tally()
			return len(started) >= 30 && len(started)+len(waiting) == 40
		})
		if n := disks(); n != 60 {
			t.Fatalf("%d disks on an appliance that takes 60", n)
		}
		home := 0
		for _, name := range names { // who comes home frees its slots, though it is not committed
			if started, _ := tally(); home < 10 && started[caseOf("site", name)] {
				await(w, events.TypeCompleted, caseOf("site", name))
				w.do("fail-back", name)
				home++
			}
		}
		for _, name := range names {
			await(w, events.TypeCompleted, caseOf("site", name))
		}
	})
	t.Run("F1b the log storage account that the item names is the default", func(t *testing.T) {
		w := start(t, modernized("web01"))
		w.serve(with(w.config, func(s *config.Site) { s.Defaults.LogStorageAccount = "" }))
		w.request("r", "", "web01")
		w.completes(caseOf("r", "web01"))
	})
	t.Run("F1c a machine that is made anew needs the room of its true disks", func(t *testing.T) {
		m := classic("db01")
		m.Deleted, m.DiskGB = true, []int64{500_000}
		w := start(t, m)
		w.serve(w.config)
		w.request("r", "", "db01")
		d := await(w, events.TypeRejected, caseOf("r", "db01"))
		if !strings.Contains(fmt.Sprint(d.Data), "space") && !strings.Contains(fmt.Sprint(d.Data), "free") && !strings.Contains(fmt.Sprint(d.Data), "full") {
			t.Errorf("rejected for %+v", d.Data.Problems)
		}
	})
}
