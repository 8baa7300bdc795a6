package executor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
)

// queue drives a line as cases would, with machines of an appliance that have one disk unless said otherwise.
type queue struct {
	line  *line
	now   time.Time
	vault observed.Vault
	items map[string]observed.Item
}

func newQueue(limits Limits) *queue {
	q := &queue{now: cleared, vault: vaultOf(), items: map[string]observed.Item{}}
	q.line = newLine(limits, func() time.Time { return q.now })
	q.now = q.now.Add(time.Minute)
	q.vault.Began, q.vault.Taken = q.now, q.now
	return q
}

// ask asks for a case of so many machines with so many disks each; the rank is its place in the request.
func (q *queue) ask(name string, rank, machines, disks int) turn {
	c := events.Case{RequestedAt: cleared, Rank: rank}
	for i := range machines {
		item := failedOver(fmt.Sprintf("%s-%d", name, i))
		item.Disks = make([]observed.ItemDisk, disks)
		q.items[item.ID] = item
		c.Machines = append(c.Machines, machineOf(item))
	}
	return q.line.ask(wish{caseID: name, request: "r1", of: c, starting: c.Machines, items: q.items, waited: false, begun: false}, q.vault, 30*time.Second)
}

// submit lets a case of one machine that may go do so.
func (q *queue) submit(name string) {
	q.line.submitted(events.Machine{Item: "/items/" + name + "-0"}, "job-"+name+"-0")
	q.line.leave(name)
}

// looks takes a new look, in which these jobs run, and these items replicate back.
func (q *queue) looks(after time.Duration, running []string, back ...observed.Item) {
	q.now = q.now.Add(after)
	q.vault = vaultOf(append(back, q.failedOver(running, back)...)...)
	q.vault.Began, q.vault.Taken = q.now, q.now
	for _, name := range running {
		q.vault.Jobs = append(q.vault.Jobs, observed.Job{ID: "job-" + name, State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: name})
	}
}

func (q *queue) failedOver(running []string, back []observed.Item) (items []observed.Item) {
	for id, i := range q.items {
		if slices.ContainsFunc(back, func(b observed.Item) bool { return b.ID == id }) {
			continue
		}
		if slices.Contains(running, i.Name) {
			i.JobID, i.Scenario = "job-"+i.Name, observed.ReprotectScenario
		}
		items = append(items, i)
	}
	return items
}

// backOn is a machine that replicates back through the appliance.
func backOn(name string, disks int) observed.Item {
	i := replicates(10)
	i.ID, i.Name, i.ApplianceID, i.Disks = "/items/"+name, name, "agent-1", make([]observed.ItemDisk, disks)
	return i
}

func TestStartsPerMinute(t *testing.T) {
	q := newQueue(Limits{StartsPerMinute: 2})
	for i, want := range []bool{true, true, false} {
		name := fmt.Sprint("c", i)
		got := q.ask(name, i+1, 1, 1)
		if got.go_ != want {
			t.Fatalf("case %d: %+v", i, got)
		}
		if got.go_ {
			q.submit(name)
		}
	}
	if got := q.ask("c2", 3, 1, 1); got.reason != waiting.ForTurn || got.place != 1 {
		t.Errorf("%+v", got)
	}
	if got := q.ask("c9", 9, 1, 1); got.place != 2 || got.go_ {
		t.Errorf("%+v", got)
	}
	q.now = q.now.Add(61 * time.Second)
	if got := q.ask("c9", 9, 1, 1); !got.go_ { // second in line, and two may start
		t.Errorf("a minute later: %+v", got)
	}
}

// Who is woken late wastes a start: with what is known, the line says when each may go.
func TestTheLineSaysWhenItIsACasesTurn(t *testing.T) {
	q := newQueue(Limits{StartsPerMinute: 2})
	for i, after := range []time.Duration{0, 20 * time.Second} {
		name := fmt.Sprint("c", i)
		q.now = q.now.Add(after)
		q.ask(name, i+1, 1, 1)
		q.submit(name)
	}
	q.now = q.now.Add(10 * time.Second) // c0 started 30 s ago, c1 10 s ago
	for i, want := range []time.Duration{30 * time.Second, 50 * time.Second, 90 * time.Second, 110 * time.Second, 150 * time.Second} {
		if got := q.ask(fmt.Sprint("c", i+2), i+3, 1, 1); got.go_ || got.soonest != want {
			t.Errorf("number %d in the line: %v, want %v", i+1, got.soonest, want)
		}
	}
	q.now = q.now.Add(30 * time.Second)
	if got := q.ask("c2", 3, 1, 1); !got.go_ {
		t.Errorf("at its time: %+v", got)
	}
}

// Who waits for disk slots uses up no starts: those behind are not woken later for it.
func TestWhoWaitsForSlotsTakesNoTurn(t *testing.T) {
	q := newQueue(Limits{StartsPerMinute: 1})
	q.looks(time.Second, nil, backOn("old", 50))
	q.ask("small", 1, 1, 1)
	q.submit("small")
	if got := q.ask("wide", 2, 1, 30); got.reason != waiting.ForDiskSlot {
		t.Errorf("wide waits for %s", got.reason)
	}
	elsewhere := machineOf(failedOver("next"))
	elsewhere.Appliance = "ANOTHER"
	c := events.Case{RequestedAt: cleared, Rank: 3}
	if got := q.line.ask(wish{caseID: "next", request: "r1", of: c, starting: []events.Machine{elsewhere}, items: q.items, waited: false, begun: false}, q.vault, 30*time.Second); got.reason != waiting.ForTurn || got.soonest != time.Minute || got.place != 2 {
		t.Errorf("%+v", got)
	}
}

func TestConcurrentJobs(t *testing.T) {
	q := newQueue(Limits{Concurrent: 2})
	q.looks(time.Second, []string{"elsewhere"}) // somebody else's counts
	if !q.ask("a", 1, 1, 1).go_ {
		t.Fatal("one is free")
	}
	if got := q.ask("b", 2, 1, 1); got.go_ || got.reason != waiting.ForTurn {
		t.Errorf("while a is being submitted: %+v", got)
	}
	q.submit("a")
	q.looks(time.Minute, []string{"elsewhere", "a-0"})
	if q.ask("b", 2, 1, 1).go_ {
		t.Error("both run")
	}
	q.looks(time.Minute, []string{"a-0"})
	if !q.ask("b", 2, 1, 1).go_ {
		t.Error("one has ended")
	}
}

func TestOrderOfTheLine(t *testing.T) {
	q := newQueue(Limits{Concurrent: 1})
	q.looks(time.Second, []string{"elsewhere"})
	for _, rank := range []int{3, 1, 2} {
		q.ask(fmt.Sprint("c", rank), rank, 1, 1)
	}
	for rank := 1; rank <= 3; rank++ {
		if got := q.ask(fmt.Sprint("c", rank), rank, 1, 1); got.place != rank {
			t.Errorf("c%d is at %d", rank, got.place)
		}
	}
	q.looks(time.Second, nil)
	if q.ask("c2", 2, 1, 1).go_ {
		t.Error("c2 overtook c1")
	}
	if !q.ask("c1", 1, 1, 1).go_ {
		t.Error("c1 is first")
	}
	q.line.leave("c1")
	q.looks(20*time.Minute, nil) // c2 and c3 never came back
	if got := q.ask("c4", 4, 1, 1); !got.go_ {
		t.Errorf("who does not ask any more holds the line up: %+v", got)
	}
}

func TestGroupsGoWhole(t *testing.T) {
	q := newQueue(Limits{Concurrent: 3})
	q.looks(time.Second, []string{"elsewhere"})
	if q.ask("group", 1, 3, 1).go_ {
		t.Error("two of three would start")
	}
	if got := q.ask("single", 2, 1, 1); got.go_ {
		t.Error("who comes later starves the group")
	}
	q.looks(time.Second, nil)
	if !q.ask("group", 1, 3, 1).go_ {
		t.Error("all three may start")
	}
	large := newQueue(Limits{Concurrent: 3, StartsPerMinute: 2})
	if !large.ask("group", 1, 5, 1).go_ {
		t.Error("a group that is larger than the limits goes when nothing else runs, or it would never go")
	}
}

func TestDiskSlots(t *testing.T) {
	q := newQueue(Limits{})
	q.looks(time.Second, nil, backOn("old", 50))
	if got := q.ask("wide", 1, 1, 11); got.go_ || got.reason != waiting.ForDiskSlot {
		t.Errorf("61 disks: %+v", got)
	}
	if got := q.ask("small", 2, 1, 1); got.go_ {
		t.Error("who comes later takes the slots that the first waits for")
	}
	q.line.leave("wide")
	if !q.ask("small", 2, 1, 1).go_ {
		t.Error("there are slots")
	}
	if got := q.ask("nine", 3, 1, 10); got.go_ {
		t.Error("a machine that is about to start has its slots")
	}
	q.submit("small")
	q.looks(time.Minute, []string{"small-0"}, backOn("old", 50))
	if got := q.ask("nine", 3, 1, 10); got.go_ {
		t.Error("a machine whose job runs has its slots")
	}
	q.looks(time.Minute, nil, backOn("old", 50), backOn("small-0", 1))
	if got := q.ask("nine", 3, 1, 10); got.go_ {
		t.Error("a machine that replicates has its slots")
	}
	home := backOn("old", 50)
	home.State = "PlannedFailoverCommitted"
	q.looks(time.Minute, nil, home, backOn("small-0", 1))
	if got := q.ask("nine", 3, 1, 10); !got.go_ {
		t.Errorf("a machine that is home has left its slots: %+v", got)
	}
}

func TestAJobThatFailedGivesItsSlotsBack(t *testing.T) {
	q := newQueue(Limits{Concurrent: 1})
	if !q.ask("a", 1, 1, 60).go_ {
		t.Fatal("everything is free")
	}
	q.submit("a")
	q.looks(time.Minute, nil)
	q.vault.Jobs = []observed.Job{{ID: "job-a-0", State: "Failed", Scenario: observed.ReprotectScenario, TargetName: "a-0"}}
	if got := q.ask("b", 2, 1, 60); !got.go_ {
		t.Errorf("%+v", got)
	}
}

func TestTheNextProcessKeepsTheSlots(t *testing.T) {
	q := newQueue(Limits{})
	q.looks(time.Second, []string{"a-0"})
	q.line.begin()
	q.now = q.now.Add(time.Second)
	q.vault.Began, q.vault.Taken = q.now, q.now
	wide := failedOver("a-0")
	wide.Disks = make([]observed.ItemDisk, 60)
	q.line.occupies("a", machineOf(wide), wide, "job-a-0", q.vault) // its case came by
	if got := q.ask("b", 2, 1, 1); got.go_ {
		t.Error("the disks of a job that the process before started are forgotten")
	}
}

func TestALineThatFormsAnewWaitsForItsOrder(t *testing.T) {
	q := newQueue(Limits{})
	q.line.begin()
	c := events.Case{Machines: []events.Machine{machineOf(failedOver("a"))}, RequestedAt: cleared}
	ask := func(waited bool) turn {
		return q.line.ask(wish{caseID: "a", request: "r1", of: c, starting: c.Machines, items: q.items, waited: waited, begun: false}, q.vault, 30*time.Second)
	}
	if got := ask(true); got.go_ || got.soonest <= 0 {
		t.Errorf("%+v", got)
	}
	q.now = q.now.Add(40 * time.Second)
	if got := ask(true); !got.go_ {
		t.Errorf("%+v", got)
	}
}

// A look takes time: what was submitted after it began may be missing in it, however late it was complete.
func TestALookThatBeganBeforeTheSubmissionShowsNothingOfIt(t *testing.T) {
	q := newQueue(Limits{Concurrent: 1})
	if !q.ask("a", 1, 1, 1).go_ {
		t.Fatal("the first may start")
	}
	q.now = q.now.Add(10 * time.Second)
	q.submit("a")
	q.looks(20*time.Second, nil)
	q.vault.Began = q.now.Add(-25 * time.Second)
	if got := q.ask("b", 2, 1, 1); got.go_ {
		t.Error("two jobs run, one may")
	}
}

// A machine whose job failed at once, and that is submitted again, is two starts.
func TestAMachineThatIsSubmittedAgainIsTwoStarts(t *testing.T) {
	q := newQueue(Limits{StartsPerMinute: 2})
	for range 2 {
		if got := q.ask("a", 1, 1, 1); !got.go_ {
			t.Fatalf("%+v", got)
		}
		q.submit("a")
		q.looks(10*time.Second, nil)
	}
	if got := q.ask("b", 2, 1, 1); got.go_ {
		t.Error("three starts in a minute, two are allowed")
	}
}

// The process before submitted and died in the same moment in which this one took over.
func TestAStartOfTheProcessBeforeCounts(t *testing.T) {
	q := newQueue(Limits{StartsPerMinute: 1})
	q.line.begin()
	before := q.now
	q.looks(10*time.Second, []string{"theirs"})
	q.vault.Jobs[0].Start = before
	if got := q.ask("b", 2, 1, 1); got.go_ {
		t.Error("two starts in a minute, one is allowed")
	}
	q.looks(time.Minute, []string{"theirs"})
	q.vault.Jobs[0].Start = before
	if got := q.ask("b", 2, 1, 1); !got.go_ {
		t.Errorf("a minute later: %+v", got)
	}
}

// A start that this process knows and a look shows is one.
func TestAStartThatALookShowsCountsOnce(t *testing.T) {
	q := newQueue(Limits{StartsPerMinute: 2})
	q.ask("a", 1, 1, 1)
	q.submit("a")
	started := q.now
	q.looks(10*time.Second, []string{"a-0"})
	q.vault.Jobs[0].Start = started
	if got := q.ask("b", 2, 1, 1); !got.go_ {
		t.Errorf("one start, two are allowed: %+v", got)
	}
}

// After a restart, and where a person started the job, nobody knows yet which appliance the disks go to.
func TestAJobOfSomebodyElseTakesItsDisksEverywhere(t *testing.T) {
	q := newQueue(Limits{})
	q.ask("theirs", 1, 1, 40)
	q.line.leave("theirs")
	q.looks(time.Minute, []string{"theirs-0"})
	if got := q.ask("ours", 2, 1, 30); got.go_ || got.reason != waiting.ForDiskSlot {
		t.Errorf("70 disks: %+v", got)
	}
	q.line.leave("ours")
	if got := q.ask("small", 3, 1, 20); !got.go_ {
		t.Errorf("60 disks: %+v", got)
	}
}

// The items of a look are read before its jobs: a job may have succeeded in between.
func TestAJobThatSucceededKeepsItsSlotsUntilItsItemShows(t *testing.T) {
	q := newQueue(Limits{})
	q.ask("a", 1, 1, 40)
	q.submit("a")
	q.looks(time.Minute, nil)
	q.vault.Jobs = []observed.Job{{ID: "job-a-0", State: "Succeeded", End: q.now, Scenario: observed.ReprotectScenario, TargetName: "a-0"}}
	if got := q.ask("b", 2, 1, 30); got.go_ {
		t.Error("70 disks")
	}
}
