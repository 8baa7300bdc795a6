package admission

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/services/observed"
)

func TestPace(t *testing.T) {
	for _, tt := range []struct {
		limit, machines int
		want            time.Duration // for ten submissions
	}{
		{0, 1, 0},
		{60, 1, 4 * time.Second},  // two at once, then twice the pace
		{60, 60, 4 * time.Second}, // as large as the limit
		{60, 61, 9 * time.Second}, // larger than the limit: at its pace
		{6, 1, 8 * time.Second},   // not slower than one a second, for the limit itself holds back
		{120, 1, 2 * time.Second}, {6, 7, 90 * time.Second},
	} {
		t.Run(fmt.Sprint(tt.limit, " a minute, ", tt.machines), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := NewLedger(time.Now).Queue(Limits{StartsPerMinute: tt.limit})
				begun := time.Now()
				for range 10 {
					if err := q.Pace(t.Context(), tt.machines); err != nil {
						t.Fatal(err)
					}
				}
				if got := time.Since(begun).Round(time.Millisecond); got != tt.want {
					t.Errorf("%v, want %v", got, tt.want)
				}
				ended, end := context.WithCancel(t.Context())
				end()
				if err := q.Pace(ended, tt.machines); err == nil && tt.limit > 0 {
					t.Error("it does not heed the end")
				}
			})
		})
	}
}

func TestMaxAge(t *testing.T) {
	now := cleared
	l := NewLedger(func() time.Time { return now })
	q := l.Queue(Limits{})
	for _, tt := range []struct{ after, want time.Duration }{{0, 0}, {10 * time.Second, 10*time.Second - 1}, {time.Hour, poll}} {
		if now = cleared.Add(tt.after); q.MaxAge(poll) != tt.want {
			t.Errorf("after %v: %v", tt.after, q.MaxAge(poll))
		}
	}
	if l.Begin(); q.MaxAge(poll) != 0 {
		t.Error("it took over this moment")
	}
}

func TestWhoseAJobIs(t *testing.T) {
	q := newSite(Limits{})
	q.ask("a", 1, 2, 1)
	if job, at := q.Job("/ITEMS/a-0"); job != "" || !at.IsZero() {
		t.Errorf("%q at %v: not submitted yet", job, at)
	}
	q.Submitted("/items/a-0", "J1")
	q.Submitted("/items/unknown", "j9")
	q.Submitted("/items/a-1", "")
	if job, at := q.Job("/ITEMS/a-0"); job != "J1" || !at.Equal(q.now) {
		t.Errorf("%q at %v", job, at)
	}
	if item, known := q.Owner("j1"); !known || item != observed.NormalID("/items/a-0") {
		t.Errorf("%q, %v", item, known)
	}
	for _, job := range []string{"j9", "", "j2"} {
		if item, known := q.Owner(job); known {
			t.Errorf("%q is of %s", job, item)
		}
	}
}

// What is reserved is in use until a look shows it, and no longer; the second submission takes the place of the first.
func TestReservationsAreCountedOnce(t *testing.T) {
	q := newSite(Limits{Concurrent: 9, StartsPerMinute: 9})
	use := func() (jobs, slots, starts int) {
		in := q.ledger.use.now(q.now)
		return in.jobs, q.ledger.waiting.writer(observed.NormalID("/agents/1")).used, len(in.starts)
	}
	check := func(when string, jobs, slots, starts int) {
		t.Helper()
		if j, s, n := use(); j != jobs || s != slots || n != starts {
			t.Errorf("%s: %d jobs, %d slots, %d starts, want %d, %d, %d", when, j, s, n, jobs, slots, starts)
		}
	}
	check("nothing", 0, 0, 0)
	q.ask("a", 1, 2, 5)
	check("admitted", 2, 10, 2)
	q.Submitted("/items/a-0", "job-a-0")
	q.Leave("a")
	check("one is submitted, the other left", 1, 5, 1)
	q.Leave("a")
	check("left again", 1, 5, 1)
	q.looks(10*time.Second, []string{"a-0"})
	q.ask("none", 2, 0, 0)
	check("the look shows its job", 1, 5, 1)
	q.looks(10*time.Second, nil)
	q.ask("none", 2, 0, 0)
	check("its job is not there any more", 0, 0, 1)
	q.Occupied("a", q.machine("a-0", 5), "job-a-0", q.vault)
	q.Occupied("a", q.machine("a-0", 5), "job-a-0", q.vault)
	check("it runs already, and counts in the look", 0, 5, 1)
	again := q.request("a/a-0", 1, q.machine("a-0", 7))
	if d := q.Ask(again, q.vault); d.Outcome != Admitted {
		t.Fatalf("%+v", d)
	}
	check("admitted again, in the place of the first", 1, 7, 2)
	q.looks(50*time.Second, nil, backOn("a-0", 7))
	q.Submitted("/items/a-0", "job-2")
	q.ask("none", 2, 0, 0)
	check("submitted at the moment in which the look began", 1, 14, 1)
	q.looks(time.Second, nil, backOn("a-0", 7))
	q.ask("none", 2, 0, 0)
	check("it replicates back", 0, 7, 1)
}

// A classic machine's item is replaced: its slots are kept while that is under way, and counted as the new item's then.
func TestAClassicMachineKeepsItsSlotsWhileItsItemIsReplaced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		vault observed.Vault
		used  int
	}{
		{"its job runs", observed.Vault{Jobs: []observed.Job{{ID: "j1", State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: "web01"}}}, 4},
		{"its job has just succeeded", observed.Vault{Jobs: []observed.Job{{ID: "j1", State: "Succeeded", Scenario: observed.ReprotectScenario, TargetName: "web01", End: cleared.Add(time.Hour - ReplacedWithin + 1)}}}, 4},
		{"its job succeeded long ago", observed.Vault{Jobs: []observed.Job{{ID: "j1", State: "Succeeded", Scenario: observed.ReprotectScenario, TargetName: "web01", End: cleared.Add(time.Hour - ReplacedWithin)}}}, 0},
		{"its job failed", observed.Vault{Jobs: []observed.Job{{ID: "j1", State: "Failed", Scenario: observed.ReprotectScenario, TargetName: "web01", End: cleared.Add(time.Hour)}}}, 0},
		{"its new item is there", observed.Vault{Items: []observed.Item{{ID: "/items/new", Name: "web01", Architecture: observed.Classic, Provider: "InMage", State: "Protected", Location: "Primary", MasterTargetID: "/targets/1", Disks: make([]observed.ItemDisk, 4)}}}, 4},
		{"nothing is known of it", observed.Vault{}, 0},
	} {
		q := newSite(Limits{})
		m := Machine{Item: "/items/old", Name: "web01", Writer: "/Targets/1", Disks: 4}
		q.Ask(q.request("a", 1, m), q.vault)
		q.Submitted("/items/old", "j1")
		q.now = cleared.Add(time.Hour)
		tt.vault.Began, tt.vault.Taken = q.now, q.now
		q.Ask(q.request("none", 2), tt.vault)
		if got := q.ledger.waiting.writer(observed.NormalID("/targets/1")).used; got != tt.used {
			t.Errorf("%s: %d slots, want %d", tt.name, got, tt.used)
		}
	}
}

// Whoever's job it is: its disks go to a writer of its kind.
func TestJobsOfStrangersCountWhereTheyMayGo(t *testing.T) {
	item := func(architecture observed.Architecture, os string) observed.Item {
		return observed.Item{ID: "/items/x", Name: "x", Architecture: architecture, OS: os, JobID: "j", Scenario: observed.ReprotectScenario, Location: "Recovery", Disks: make([]observed.ItemDisk, 3)}
	}
	back := item(observed.Classic, "linux")
	back.Provider = "InMage"
	home := item(observed.Classic, "linux")
	home.Provider, home.State, home.ActiveSite, home.JobID, home.Scenario = "InMage", "UnplannedFailoverCommitted", "OnPrem", "", ""
	for _, tt := range []struct {
		name string
		item observed.Item
		want [3]int // appliance, Windows master target, Linux master target
	}{
		{"modernized", item(observed.Modernized, "linux"), [3]int{3, 0, 0}},
		{"classic Windows", item(observed.Classic, "windows"), [3]int{0, 3, 0}},
		{"classic Linux", item(observed.Classic, "linux"), [3]int{0, 0, 3}},
		{"classic, of no system that is named", item(observed.Classic, ""), [3]int{0, 3, 3}},
		{"back already, at no writer that is named", back, [3]int{0, 0, 3}},
		{"home already", home, [3]int{0, 0, 0}},
	} {
		q := newSite(Limits{})
		q.looks(time.Second, nil, tt.item)
		q.vault.Fabrics[1].MasterTargets = []observed.MasterTarget{{ID: "/targets/w", OS: "windows"}, {ID: "/targets/l", OS: "linux"}}
		q.vault.Jobs = []observed.Job{{ID: "j", State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: "x"}, {ID: "k", State: "InProgress", Scenario: "TestFailover", TargetName: "x"}}
		q.Ask(q.request("none", 2), q.vault)
		for i, id := range []string{"/agents/1", "/targets/w", "/targets/l"} {
			if got := q.ledger.waiting.writer(observed.NormalID(id)).used; got != tt.want[i] {
				t.Errorf("%s: %d at %s, want %d", tt.name, got, id, tt.want[i])
			}
		}
		if jobs := q.ledger.use.now(q.now).jobs; jobs != 1 {
			t.Errorf("%s: %d reprotect jobs", tt.name, jobs)
		}
	}
}

// The process before may have started a job that ended between a look's items and its jobs: the item shows later.
func TestAJobThatHasJustEndedCountsUntilItsItemShowsIt(t *testing.T) {
	for _, tt := range []struct {
		name, state string
		ended       time.Duration // before the look
		home        bool
		want        bool
	}{
		{"succeeded now", "Succeeded", 0, false, true},
		{"succeeded long ago", "Succeeded", ReplacedWithin, false, false},
		{"failed now", "Failed", 0, false, false},
		{"protected at home again", "Succeeded", time.Minute, true, false},
	} {
		q := newSite(Limits{})
		q.machine("a-0", 60)
		if tt.home {
			home := q.items["a-0"]
			home.State, home.Location = "Protected", "Primary"
			q.items["a-0"] = home
		}
		q.looks(time.Second, nil)
		q.vault.Jobs = []observed.Job{{ID: "j", State: tt.state, Scenario: observed.ReprotectScenario, TargetName: "a-0", End: q.now.Add(-tt.ended)}}
		if got := q.ask("b", 2, 1, 1); (got.Outcome == NoDiskSlot) != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// Who does not ask again is dropped, whoever asked before.
func TestPatience(t *testing.T) {
	q := newSite(Limits{Concurrent: 1})
	q.looks(time.Second, []string{"elsewhere"})
	q.ask("a", 1, 1, 1)
	q.now = q.now.Add(time.Minute)
	q.ask("b", 2, 1, 1)
	q.ask("a", 1, 1, 1)
	q.now = q.now.Add(time.Minute)
	q.ask("b", 2, 1, 1)
	q.looks(15*poll-time.Minute, []string{"elsewhere"}) // a asked 15 looks ago
	if got := q.ask("c", 3, 1, 1); got.Place != 3 {
		t.Errorf("%+v", got)
	}
	q.looks(1, []string{"elsewhere"})
	if got := q.ask("c", 3, 1, 1); got.Place != 2 || len(q.ledger.waiting.entries) != 2 {
		t.Errorf("%+v", got)
	}
}

// The requests of two sites have ids of their own.
func TestRequestsOfTwoSitesOfOneName(t *testing.T) {
	q := newSite(Limits{})
	other := q.ledger.Queue(Limits{})
	q.ask("case", 1, 1, 1)
	if d := other.Ask(q.request("case", 1, q.machine("case-0", 1)), q.vault); d.Outcome != NotYet || d.Message != "Another case is starting case-0" {
		t.Errorf("%+v", d)
	}
	other.Leave("case", 1)
	if q.ledger.use.reserved[observed.NormalID("/items/case-0")] == nil {
		t.Error("the other site's case has given it back")
	}
}

// A message that comes twice has two deliveries: the second one fails while the first is about to submit, and takes
// nothing from it.
func TestAnotherDeliveryGivesNothingBack(t *testing.T) {
	for name, ends := range map[string]func(q *site){
		"it fails, or the case ends":      func(q *site) { q.Queue.Leave("a", 0) },
		"it fails after a beginning":      func(q *site) { q.Queue.Keep("a", 0, -time.Second) },
		"it was told to wait, and leaves": func(q *site) { q.Queue.Leave("a", q.Queue.Ask(q.request("a", 1, q.machine("a-0", 40)), q.vault).Turn) },
	} {
		q := newSite(Limits{})
		first := q.ask("a", 1, 1, 40)
		if first.Outcome != Admitted {
			t.Fatalf("%+v", first)
		}
		ends(q)
		q.looks(time.Second, nil)
		if got := q.ask("b", 2, 1, 30); got.Outcome == Admitted {
			t.Errorf("%s: 70 disks", name)
		}
		q.Queue.Leave("a", first.Turn)
		if got := q.ask("b", 2, 1, 30); got.Outcome != Admitted {
			t.Errorf("%s: %+v, but the first delivery gave them back", name, got)
		}
	}
}

// The same of a delivery of the process before, which is still on its way out.
func TestADeliveryFromBeforeGivesNothingBack(t *testing.T) {
	q := newSite(Limits{})
	before := q.ask("a", 1, 1, 40)
	q.ledger.Begin()
	q.looks(time.Second, nil)
	if again := q.ask("a", 1, 1, 40); again.Outcome != Admitted {
		t.Fatalf("%+v", again)
	}
	q.Queue.Leave("a", before.Turn)
	if got := q.ask("b", 2, 1, 30); got.Outcome == Admitted {
		t.Error("70 disks")
	}
}
