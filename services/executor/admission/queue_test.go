package admission

import (
	"fmt"
	"testing"
	"time"

	"reprotect.example/services/observed"
)

func TestStartsPerMinute(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 2})
	for i, want := range []bool{true, true, false} {
		name := fmt.Sprint("c", i)
		got := q.ask(name, i+1, 1, 1)
		if got.Outcome == Admitted != want {
			t.Fatalf("case %d: %+v", i, got)
		}
		if got.Outcome == Admitted {
			q.submit(name)
		}
	}
	if got := q.ask("c2", 3, 1, 1); got.Outcome != NotYet || got.Place != 1 {
		t.Errorf("%+v", got)
	}
	if got := q.ask("c9", 9, 1, 1); got.Place != 2 || got.Outcome == Admitted {
		t.Errorf("%+v", got)
	}
	q.now = q.now.Add(61 * time.Second)
	if got := q.ask("c9", 9, 1, 1); got.Outcome != Admitted { // second in the queue, and two may start
		t.Errorf("a minute later: %+v", got)
	}
}

// Who is woken late wastes a start: with what is known, the queue says when each may go.
func TestTheQueueSaysWhenItIsACasesTurn(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 2})
	for i, after := range []time.Duration{0, 20 * time.Second} {
		name := fmt.Sprint("c", i)
		q.now = q.now.Add(after)
		q.ask(name, i+1, 1, 1)
		q.submit(name)
	}
	q.now = q.now.Add(10 * time.Second) // c0 started 30 s ago, c1 10 s ago
	for i, want := range []time.Duration{30 * time.Second, 50 * time.Second, 90 * time.Second, 110 * time.Second, 150 * time.Second} {
		if got := q.ask(fmt.Sprint("c", i+2), i+3, 1, 1); got.Outcome == Admitted || got.Soonest != want {
			t.Errorf("number %d in the queue: %v, want %v", i+1, got.Soonest, want)
		}
	}
	q.now = q.now.Add(30 * time.Second)
	if got := q.ask("c2", 3, 1, 1); got.Outcome != Admitted {
		t.Errorf("at its time: %+v", got)
	}
}

// Who waits for disk slots uses up no starts: those behind are not woken later for it.
func TestWhoWaitsForSlotsTakesNoTurn(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 1})
	q.looks(time.Second, nil, backOn("old", 50))
	q.ask("small", 1, 1, 1)
	q.submit("small")
	if got := q.ask("wide", 2, 1, 30); got.Outcome != NoDiskSlot {
		t.Errorf("wide: %v", got.Outcome)
	}
	elsewhere := q.machine("next", 1)
	elsewhere.Writer = "/agents/2"
	if got := q.Ask(q.request("next", 3, elsewhere), q.vault); got.Outcome != NotYet || got.Soonest != time.Minute || got.Place != 2 {
		t.Errorf("%+v", got)
	}
}

func TestConcurrentJobs(t *testing.T) {
	q := newSite(Limits{Concurrent: 2})
	q.looks(time.Second, []string{"elsewhere"}) // somebody else's counts
	if q.ask("a", 1, 1, 1).Outcome != Admitted {
		t.Fatal("one is free")
	}
	if got := q.ask("b", 2, 1, 1); got.Outcome == Admitted || got.Outcome != NotYet {
		t.Errorf("while a is being submitted: %+v", got)
	}
	q.submit("a")
	q.looks(time.Minute, []string{"elsewhere", "a-0"})
	if q.ask("b", 2, 1, 1).Outcome == Admitted {
		t.Error("both run")
	}
	q.looks(time.Minute, []string{"a-0"})
	if q.ask("b", 2, 1, 1).Outcome != Admitted {
		t.Error("one has ended")
	}
}

func TestOrderOfTheQueue(t *testing.T) {
	q := newSite(Limits{Concurrent: 1})
	q.looks(time.Second, []string{"elsewhere"})
	for _, rank := range []int{3, 1, 2} {
		q.ask(fmt.Sprint("c", rank), rank, 1, 1)
	}
	for rank := 1; rank <= 3; rank++ {
		if got := q.ask(fmt.Sprint("c", rank), rank, 1, 1); got.Place != rank {
			t.Errorf("c%d is at %d", rank, got.Place)
		}
	}
	q.looks(time.Second, nil)
	if q.ask("c2", 2, 1, 1).Outcome == Admitted {
		t.Error("c2 overtook c1")
	}
	if q.ask("c1", 1, 1, 1).Outcome != Admitted {
		t.Error("c1 is first")
	}
	q.Leave("c1")
	q.looks(20*time.Minute, nil) // c2 and c3 never came back
	if got := q.ask("c4", 4, 1, 1); got.Outcome != Admitted {
		t.Errorf("who does not ask any more holds the queue up: %+v", got)
	}
}

// A case whose first machines run goes before those that have begun nothing, also when it waited behind them before.
func TestACaseThatHasBegunMovesToTheFront(t *testing.T) {
	q := newSite(Limits{Concurrent: 1})
	q.looks(time.Second, []string{"elsewhere"})
	q.ask("c1", 1, 1, 1)
	if got := q.ask("c2", 2, 1, 1); got.Place != 2 {
		t.Fatalf("%+v", got)
	}
	begun := q.request("c2", 2, q.group("c2", 1, 1)...)
	begun.Begun = true
	if got := q.Ask(begun, q.vault); got.Place != 1 {
		t.Errorf("it is at %d", got.Place)
	}
	if got := q.ask("c1", 1, 1, 1); got.Place != 2 {
		t.Errorf("the other is at %d", got.Place)
	}
}

// Who gives its turn up gives up its own.
func TestATurnGivenUpIsOneTurn(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 2})
	for i, id := range []string{"a", "b"} {
		if got := q.ask(id, i, 1, 1); got.Outcome != Admitted {
			t.Fatalf("%s: %+v", id, got)
		}
	}
	q.Leave("a")
	if got := q.ask("c", 3, 1, 1); got.Outcome != Admitted {
		t.Errorf("a's turn is free: %+v", got)
	}
	if got := q.ask("d", 4, 1, 1); got.Outcome == Admitted {
		t.Error("three starts in a minute, two are allowed")
	}
}

func TestGroupsGoWhole(t *testing.T) {
	q := newSite(Limits{Concurrent: 3})
	q.looks(time.Second, []string{"elsewhere"})
	if q.ask("group", 1, 3, 1).Outcome == Admitted {
		t.Error("two of three would start")
	}
	if got := q.ask("single", 2, 1, 1); got.Outcome == Admitted {
		t.Error("who comes later starves the group")
	}
	q.looks(time.Second, nil)
	if q.ask("group", 1, 3, 1).Outcome != Admitted {
		t.Error("all three may start")
	}
	large := newSite(Limits{Concurrent: 3, StartsPerMinute: 2})
	if large.ask("group", 1, 5, 1).Outcome != Admitted {
		t.Error("a group that is larger than the limits goes when nothing else runs, or it would never go")
	}
}

func TestDiskSlots(t *testing.T) {
	q := newSite(Limits{})
	q.looks(time.Second, nil, backOn("old", 50))
	if got := q.ask("wide", 1, 1, 11); got.Outcome == Admitted || got.Outcome != NoDiskSlot {
		t.Errorf("61 disks: %+v", got)
	}
	if got := q.ask("small", 2, 1, 1); got.Outcome == Admitted {
		t.Error("who comes later takes the slots that the first waits for")
	}
	q.Leave("wide")
	if q.ask("small", 2, 1, 1).Outcome != Admitted {
		t.Error("there are slots")
	}
	if got := q.ask("nine", 3, 1, 10); got.Outcome == Admitted {
		t.Error("a machine that is about to start has its slots")
	}
	q.submit("small")
	q.looks(time.Minute, []string{"small-0"}, backOn("old", 50))
	if got := q.ask("nine", 3, 1, 10); got.Outcome == Admitted {
		t.Error("a machine whose job runs has its slots")
	}
	q.looks(time.Minute, nil, backOn("old", 50), backOn("small-0", 1))
	if got := q.ask("nine", 3, 1, 10); got.Outcome == Admitted {
		t.Error("a machine that replicates has its slots")
	}
	home := backOn("old", 50)
	home.State, home.Location = "PlannedFailoverCommitted", "Recovery"
	q.looks(time.Minute, nil, home, backOn("small-0", 1))
	if got := q.ask("nine", 3, 1, 10); got.Outcome != Admitted {
		t.Errorf("a machine that is home has left its slots: %+v", got)
	}
}

func TestAJobThatFailedGivesItsSlotsBack(t *testing.T) {
	q := newSite(Limits{Concurrent: 1})
	if q.ask("a", 1, 1, 60).Outcome != Admitted {
		t.Fatal("everything is free")
	}
	q.submit("a")
	q.looks(time.Minute, nil)
	q.vault.Jobs = []observed.Job{{ID: "job-a-0", State: "Failed", Scenario: observed.ReprotectScenario, TargetName: "a-0"}}
	if got := q.ask("b", 2, 1, 60); got.Outcome != Admitted {
		t.Errorf("%+v", got)
	}
}

func TestTheNextProcessKeepsTheSlots(t *testing.T) {
	q := newSite(Limits{})
	q.looks(time.Second, []string{"a-0"})
	q.ledger.Begin()
	q.now = q.now.Add(time.Second)
	q.vault.Began, q.vault.Taken = q.now, q.now
	q.Occupied("a", q.machine("a-0", 60), "job-a-0", q.vault) // its case came by
	if got := q.ask("b", 2, 1, 1); got.Outcome == Admitted {
		t.Error("the disks of a job that the process before started are forgotten")
	}
}

func TestAQueueThatFormsAnewWaitsForItsOrder(t *testing.T) {
	q := newSite(Limits{})
	q.ledger.Begin()
	ask := func(waited bool) Decision {
		r := q.request("a", 0, q.machine("a", 1))
		r.Waited = waited
		return q.Ask(r, q.vault)
	}
	if got := q.ask("new", 1, 1, 1); got.Outcome != Admitted {
		t.Errorf("who has never waited has no place that could be forgotten: %+v", got)
	}
	q.Leave("new")
	if got := ask(true); got.Outcome == Admitted || got.Soonest <= 0 {
		t.Errorf("%+v", got)
	}
	q.now = q.now.Add(40 * time.Second)
	if got := ask(true); got.Outcome != Admitted {
		t.Errorf("%+v", got)
	}
}

// A look takes time: what was submitted after it began may be missing in it, however late it was complete.
func TestALookThatBeganBeforeTheSubmissionShowsNothingOfIt(t *testing.T) {
	q := newSite(Limits{Concurrent: 1})
	if q.ask("a", 1, 1, 1).Outcome != Admitted {
		t.Fatal("the first may start")
	}
	q.now = q.now.Add(10 * time.Second)
	q.submit("a")
	q.looks(20*time.Second, nil)
	q.vault.Began = q.now.Add(-25 * time.Second)
	if got := q.ask("b", 2, 1, 1); got.Outcome == Admitted {
		t.Error("two jobs run, one may")
	}
}

// A machine whose job failed at once, and that is submitted again, is two starts.
func TestAMachineThatIsSubmittedAgainIsTwoStarts(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 2})
	for range 2 {
		if got := q.ask("a", 1, 1, 1); got.Outcome != Admitted {
			t.Fatalf("%+v", got)
		}
		q.submit("a")
		q.looks(10*time.Second, nil)
	}
	if got := q.ask("b", 2, 1, 1); got.Outcome == Admitted {
		t.Error("three starts in a minute, two are allowed")
	}
}

// The process before submitted and died in the same moment in which this one took over.
func TestAStartOfTheProcessBeforeCounts(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 1})
	q.ledger.Begin()
	before := q.now
	q.looks(10*time.Second, []string{"theirs"})
	q.vault.Jobs[0].Start = before
	if got := q.ask("b", 2, 1, 1); got.Outcome == Admitted {
		t.Error("two starts in a minute, one is allowed")
	}
	q.looks(time.Minute, []string{"theirs"})
	q.vault.Jobs[0].Start = before
	if got := q.ask("b", 2, 1, 1); got.Outcome != Admitted {
		t.Errorf("a minute later: %+v", got)
	}
}

// A start that this process knows and a look shows is one.
func TestAStartThatALookShowsCountsOnce(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 2})
	q.ask("a", 1, 1, 1)
	q.submit("a")
	started := q.now
	q.looks(10*time.Second, []string{"a-0"})
	q.vault.Jobs[0].Start = started
	if got := q.ask("b", 2, 1, 1); got.Outcome != Admitted {
		t.Errorf("one start, two are allowed: %+v", got)
	}
}

// After a restart, and where a person started the job, nobody knows yet which appliance the disks go to.
func TestAJobOfSomebodyElseTakesItsDisksEverywhere(t *testing.T) {
	q := newSite(Limits{})
	q.ask("theirs", 1, 1, 40)
	q.Leave("theirs")
	q.looks(time.Minute, []string{"theirs-0"})
	if got := q.ask("ours", 2, 1, 30); got.Outcome == Admitted || got.Outcome != NoDiskSlot {
		t.Errorf("70 disks: %+v", got)
	}
	q.Leave("ours")
	if got := q.ask("small", 3, 1, 20); got.Outcome != Admitted {
		t.Errorf("60 disks: %+v", got)
	}
}

// The items of a look are read before its jobs: a job may have succeeded in between.
func TestAJobThatSucceededKeepsItsSlotsUntilItsItemShows(t *testing.T) {
	q := newSite(Limits{})
	q.ask("a", 1, 1, 40)
	q.submit("a")
	q.looks(time.Minute, nil)
	q.vault.Jobs = []observed.Job{{ID: "job-a-0", State: "Succeeded", End: q.now, Scenario: observed.ReprotectScenario, TargetName: "a-0"}}
	if got := q.ask("b", 2, 1, 30); got.Outcome == Admitted {
		t.Error("70 disks")
	}
}

// Azure's answer was lost, the job ended between a look's items and its jobs: it arrived all the same.
func TestASubmissionWithoutAnAnswerThatSucceededKeepsItsSlots(t *testing.T) {
	for _, name := range []string{"a-0", "somebody-else"} {
		q := newSite(Limits{})
		q.ask("a", 1, 1, 40)
		q.Submitted("/items/a-0", "")
		q.Leave("a")
		q.looks(time.Minute, nil)
		q.vault.Jobs = []observed.Job{{ID: "j", State: "Succeeded", End: q.now, Scenario: observed.ReprotectScenario, TargetName: name}}
		if got := q.ask("b", 2, 1, 30); (got.Outcome == Admitted) == (name == "a-0") {
			t.Errorf("job of %s: %+v", name, got)
		}
	}
}
