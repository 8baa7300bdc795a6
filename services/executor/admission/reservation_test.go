package admission

import (
	"fmt"
	"testing"
	"time"

	"reprotect.example/services/observed"
)

// rest is what is left of a case of three machines, of which the first is under way.
func (s *site) rest(underWay bool) Request {
	r := s.request("group", 1, s.group("group", 3, len(s.items["group-1"].Disks))[1:]...)
	r.Waited, r.Begun, r.Running = true, underWay, 1
	return r
}

// What Azure's throttle leaves of a group has its places still, and waits for nobody.
func TestACaseThatHasBegunKeepsItsPlaces(t *testing.T) {
	q := newSite(Limits{Concurrent: 2})
	if q.ask("group", 1, 3, 19).Outcome != Admitted {
		t.Fatal("a group larger than the limit starts alone")
	}
	q.Submitted("/items/group-0", "job-group-0")
	q.Keep("group", time.Hour)
	if got := q.ask("other", 2, 1, 1); got.Outcome == Admitted {
		t.Error("somebody else takes the slots of the rest")
	}
	q.looks(30*time.Second, []string{"group-0"})
	rest := func(underWay bool) Decision { return q.Ask(q.rest(underWay), q.vault) }
	if got := rest(true); got.Outcome != Admitted {
		t.Errorf("the rest waits: %+v", got)
	}
	if got := rest(true); got.Outcome == Admitted {
		t.Error("two deliveries start the same machines")
	}

	q.ledger.Begin() // a crash: the next process knows nothing of the places
	q.looks(time.Minute, []string{"group-0"})
	if got := rest(true); got.Outcome != Admitted {
		t.Errorf("the rest waits for the limit behind its own job: %+v", got)
	}
	q.ledger.Begin()
	q.looks(time.Minute, []string{"group-0", "stranger"})
	if got := rest(true); got.Outcome == Admitted {
		t.Error("the rest goes beyond the limit")
	}
	if got := q.ask("other", 0, 1, 1); got.Outcome == Admitted || got.Place != 2 {
		t.Errorf("somebody goes before it: %+v", got)
	}
}

func TestOneMachineIsStartedByOneCase(t *testing.T) {
	q := newSite(Limits{})
	if q.ask("a", 1, 1, 1).Outcome != Admitted {
		t.Fatal("the first may start")
	}
	if got := q.Ask(q.request("b", 1, q.machine("a-0", 1)), q.vault); got.Outcome == Admitted || got.Message == "" {
		t.Errorf("both start it: %+v", got)
	}
}

// A master target may write for machines of another vault. Its count is as old as the look that read it.
func TestDisksOfOthersOnAMasterTarget(t *testing.T) {
	q := newSite(Limits{})
	classic := func(i int) observed.Item {
		name := fmt.Sprintf("c-%d", i)
		return observed.Item{
			ID: "/items/" + name, Name: name, Architecture: observed.Classic, Provider: "InMageAzureV2", Location: "Recovery",
			State: "UnplannedFailoverCommitted", FabricID: "/fabrics/cs", Disks: make([]observed.ItemDisk, 1),
		}
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
			name := fmt.Sprintf("case-%02d", i)
			m := Machine{Item: item.ID, Name: item.Name, Writer: "/targets/1", Disks: 1}
			if !began[i] && q.Ask(q.request(name, i, m), q.vault).Outcome == Admitted {
				q.Submitted(item.ID, fmt.Sprintf("job-c-%d", i))
				q.Leave(name)
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
	q := newSite(Limits{})
	if q.ask("group", 1, 3, 20).Outcome != Admitted {
		t.Fatal("the group may start")
	}
	q.Submitted("/items/group-0", "job-group-0")
	q.Submitted("/items/group-1", "") // no answer: it may have arrived
	q.Keep("group", time.Hour)
	q.looks(30*time.Second, []string{"group-0"})
	if got := q.ask("other", 2, 1, 1); got.Outcome == Admitted {
		t.Error("the place of the machine that Azure throttled is taken")
	}
	if got := q.Ask(q.rest(true), q.vault); got.Outcome != Admitted {
		t.Errorf("the rest waits: %+v", got)
	}
}

// What a case keeps is its own, also when it asks for more than that.
func TestACaseDoesNotWaitForItsOwnPlaces(t *testing.T) {
	q := newSite(Limits{})
	if q.ask("group", 1, 3, 20).Outcome != Admitted {
		t.Fatal("the group may start")
	}
	q.Submitted("/items/group-0", "job-group-0")
	q.Keep("group", time.Hour)
	q.ledger.use.giveUp(q.ledger.use.reserved["items/group-1"]) // given up meanwhile
	q.looks(30*time.Second, []string{"group-0"})
	if got := q.Ask(q.rest(true), q.vault); got.Outcome != Admitted {
		t.Errorf("%+v", got)
	}
}

func TestKeptPlacesEnd(t *testing.T) {
	q := newSite(Limits{})
	if q.ask("group", 1, 2, 30).Outcome != Admitted {
		t.Fatal("the group may start")
	}
	q.Keep("group", 10*time.Minute)
	q.looks(11*time.Minute, nil)
	if got := q.ask("other", 2, 1, 30); got.Outcome != Admitted {
		t.Errorf("places are kept for ever: %+v", got)
	}
}

// Two sites of one vault have a queue each, and one set of master targets and appliances.
func TestTwoSitesOfAVaultShareItsSlots(t *testing.T) {
	q := newSite(Limits{StartsPerMinute: 1})
	other := q.ledger.Queue(Limits{StartsPerMinute: 1})
	if q.ask("here", 1, 1, 40).Outcome != Admitted {
		t.Fatal("everything is free")
	}
	if got := other.Ask(q.request("there", 1, q.machine("there-0", 30)), q.vault); got.Outcome != NoDiskSlot || got.Place != 1 {
		t.Errorf("70 disks on one appliance: %+v", got)
	}
	if got := q.ask("late", 3, 1, 1); got.Outcome != NoDiskSlot {
		t.Errorf("it takes slots that the other site's case waits for: %+v", got)
	}
	elsewhere := q.machine("elsewhere", 1)
	elsewhere.Writer = "/agents/2"
	if got := other.Ask(q.request("elsewhere", 2, elsewhere), q.vault); got.Outcome != NotYet || got.Place != 2 {
		t.Errorf("the vault has had its start in this minute: %+v", got)
	}
	q.Leave("here")
	q.Leave("late")
	if got := other.Ask(q.request("there", 1, q.machine("there-0", 30)), q.vault); got.Outcome != Admitted {
		t.Errorf("%+v", got)
	}
}
