package executor

import (
	"fmt"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// What Azure's throttle leaves of a group has its places still, and waits for nobody.
func TestACaseThatHasBegunKeepsItsPlaces(t *testing.T) {
	q := newQueue(Limits{Concurrent: 2})
	if !q.ask("group", 1, 3, 19).go_ {
		t.Fatal("a group larger than the limit starts alone")
	}
	q.line.submitted(events.Machine{Item: "/items/group-0"}, "job-group-0")
	q.line.keep("group", time.Hour)
	if got := q.ask("other", 2, 1, 1); got.go_ {
		t.Error("somebody else takes the slots of the rest")
	}
	q.looks(30*time.Second, []string{"group-0"})
	rest := func(underWay bool) turn {
		c := events.Case{RequestedAt: cleared, Rank: 1, Machines: []events.Machine{machineOf(q.items["/items/group-1"]), machineOf(q.items["/items/group-2"])}}
		return q.line.ask(wish{caseID: "group", request: "r1", of: c, starting: c.Machines, items: q.items, waited: true, begun: underWay, running: 1}, q.vault, 30*time.Second)
	}
	if got := rest(true); !got.go_ {
		t.Errorf("the rest waits: %+v", got)
	}
	if got := rest(true); got.go_ {
		t.Error("two deliveries start the same machines")
	}

	q.line.begin() // a crash: the next process knows nothing of the places
	q.looks(time.Minute, []string{"group-0"})
	if got := rest(true); !got.go_ {
		t.Errorf("the rest waits for the limit behind its own job: %+v", got)
	}
	q.line.begin()
	q.looks(time.Minute, []string{"group-0", "stranger"})
	if got := rest(true); got.go_ {
		t.Error("the rest goes beyond the limit")
	}
	if got := q.ask("other", 0, 1, 1); got.go_ || got.place != 2 {
		t.Errorf("somebody goes before it: %+v", got)
	}
}

func TestOneMachineIsStartedByOneCase(t *testing.T) {
	q := newQueue(Limits{})
	if !q.ask("a", 1, 1, 1).go_ {
		t.Fatal("the first may start")
	}
	c := events.Case{RequestedAt: cleared, Rank: 1, Machines: []events.Machine{machineOf(q.items["/items/a-0"])}}
	if got := q.line.ask(wish{caseID: "b", request: "r2", of: c, starting: c.Machines, items: q.items, waited: false, begun: false}, q.vault, 30*time.Second); got.go_ || got.message == "" {
		t.Errorf("both start it: %+v", got)
	}
}

// A master target may write for machines of another vault. Its count is as old as the look that read it.
func TestDisksOfOthersOnAMasterTarget(t *testing.T) {
	q := newQueue(Limits{})
	classic := func(i int) observed.Item {
		item := failedOver(fmt.Sprintf("c-%d", i))
		item.Architecture, item.FabricID, item.Disks = observed.Classic, "/fabrics/cs", make([]observed.ItemDisk, 1)
		return item
	}
	began := map[int]bool{}
	for look := range 6 {
		q.looks(30*time.Second, nil)
		q.vault.Items = nil
		for i := range 40 {
			item := classic(i)
			if began[i] {
				item.JobID = fmt.Sprintf("job-c-%d", i)
				q.vault.Jobs = append(q.vault.Jobs, observed.Job{ID: item.JobID, State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: item.Name})
			}
			q.vault.Items = append(q.vault.Items, item)
		}
		q.vault.Oldest = q.now
		q.vault.Fabrics[1].MasterTargets[0].DiskCount = 50 // of others alone, until those of the jobs are attached
		q.vault = q.vault.Indexed()
		for i := range 40 {
			item := classic(i)
			c := events.Case{RequestedAt: cleared, Rank: i, Machines: []events.Machine{machineOf(item)}}
			name := fmt.Sprintf("case-%02d", i)
			if !began[i] && q.line.ask(wish{caseID: name, request: "r1", of: c, starting: c.Machines, items: map[string]observed.Item{item.ID: item}, waited: false, begun: false}, q.vault, 30*time.Second).go_ {
				q.line.submitted(c.Machines[0], fmt.Sprintf("job-c-%d", i))
				q.line.leave(name)
				began[i] = true
			}
		}
		if len(began) > 10 {
			t.Fatalf("after look %d, %d disks beside 50 of others", look+1, len(began))
		}
	}
	if len(began) != 10 {
		t.Errorf("%d began where 10 slots are free", len(began))
	}
}

// Azure's throttle hits a group of three in its second machine, and the look after that, and leaves it no worse.
func TestAThrottledGroupKeepsAllItsPlaces(t *testing.T) {
	q := newQueue(Limits{})
	if !q.ask("group", 1, 3, 20).go_ {
		t.Fatal("the group may start")
	}
	q.line.submitted(events.Machine{Item: "/items/group-0"}, "job-group-0")
	q.line.submitted(events.Machine{Item: "/items/group-1"}, "") // no answer: it may have arrived
	q.line.keep("group", time.Hour)
	q.looks(30*time.Second, []string{"group-0"})
	if got := q.ask("other", 2, 1, 1); got.go_ {
		t.Error("the place of the machine that Azure throttled is taken")
	}
	rest := events.Case{RequestedAt: cleared, Rank: 1, Machines: []events.Machine{machineOf(q.items["/items/group-1"]), machineOf(q.items["/items/group-2"])}}
	w := wish{caseID: "group", request: "r1", of: rest, starting: rest.Machines, items: q.items, waited: true, begun: true, running: 1}
	if got := q.line.ask(w, q.vault, 30*time.Second); !got.go_ {
		t.Errorf("the rest waits: %+v", got)
	}
}

// What a case keeps is its own, also when it asks for more than that.
func TestACaseDoesNotWaitForItsOwnPlaces(t *testing.T) {
	q := newQueue(Limits{})
	if !q.ask("group", 1, 3, 20).go_ {
		t.Fatal("the group may start")
	}
	q.line.submitted(events.Machine{Item: "/items/group-0"}, "job-group-0")
	q.line.keep("group", time.Hour)
	delete(q.line.given, "/items/group-1") // given up meanwhile
	q.looks(30*time.Second, []string{"group-0"})
	rest := events.Case{RequestedAt: cleared, Rank: 1, Machines: []events.Machine{machineOf(q.items["/items/group-1"]), machineOf(q.items["/items/group-2"])}}
	w := wish{caseID: "group", request: "r1", of: rest, starting: rest.Machines, items: q.items, waited: true, begun: true, running: 1}
	if got := q.line.ask(w, q.vault, 30*time.Second); !got.go_ {
		t.Errorf("%+v", got)
	}
}

func TestKeptPlacesEnd(t *testing.T) {
	q := newQueue(Limits{})
	if !q.ask("group", 1, 2, 30).go_ {
		t.Fatal("the group may start")
	}
	q.line.keep("group", 10*time.Minute)
	q.looks(11*time.Minute, nil)
	if got := q.ask("other", 2, 1, 30); !got.go_ {
		t.Errorf("places are kept for ever: %+v", got)
	}
}
