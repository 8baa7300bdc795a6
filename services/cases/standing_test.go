package cases_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// A3b: each case that waits for its turn has a place of its own, in the order in which they were told, site by site.
func TestA3bEachPlaceIsGivenOnce(t *testing.T) {
	t.Parallel()
	var all []cases.Case
	for i, told := range []int{7, 7, 152, 7, 1, 152} {
		all = append(all, cases.Case{
			ID: fmt.Sprintf("c-%d", i), Site: "tokyo", Since: begun.Add(time.Duration(i) * time.Second), State: events.CaseWaiting,
			Waiting: &events.Waiting{For: events.ForTurn, Place: told},
		})
	}
	ended := all[4]
	ended.ID, ended.End = "over", true
	osaka := all[2]
	osaka.ID, osaka.Site = "c-o", "osaka"
	agent := cases.Case{ID: "a", Site: "tokyo", Waiting: &events.Waiting{For: events.ForAgent}}
	want := map[string]int{"c-4": 1, "c-0": 2, "c-1": 3, "c-3": 4, "c-2": 5, "c-5": 6, "c-o": 1}
	if diff := cmp.Diff(want, cases.Places(append(all, ended, osaka, agent))); diff != "" {
		t.Error(diff)
	}
}

// A3a: what the guard tells of a case that has ended does not prolong it.
func TestA3aAnEndedCaseTookAsLongAsItTook(t *testing.T) {
	t.Parallel()
	s := upTo(events.StepSubmission)
	tell(s, events.TypeCompleted, "", 6, events.Completed{Case: two, Machines: []events.ProtectedState{{Machine: "web01"}, {Machine: "db01"}}})
	took := cases.Fold(s.entries).Took(begun.Add(time.Hour))
	tell(s, events.TypeViolated, "guard", 7, events.Violated{Code: "guard.powered-on", Machine: "db01", What: "db01 is on"})
	if c := cases.Fold(s.entries); c.Took(begun.Add(time.Hour)) != took || took != 5*time.Minute {
		t.Errorf("took %s, then %s", took, c.Took(begun.Add(time.Hour)))
	}
	if took := (cases.Case{End: true, Since: begun, Updated: begun.Add(time.Minute)}).Took(begun.Add(time.Hour)); took != time.Minute {
		t.Errorf("of an older journal: %s", took)
	}
}

// A12b: a refused request says for what it asked, as far as that can be read.
func TestA12bARefusedRequestNamesWhatItAskedFor(t *testing.T) {
	t.Parallel()
	for original, want := range map[string][]string{
		`{"machines":[{"name":"wbe01"}],"requestedBy":"me"}`:             {"wbe01"},
		`{"specversion":"1.0","data":{"plan":"ERP","requestedBy":"me"}}`: {"ERP"},
		`{"machines":[{"name":"wbe01"`:                                   nil,
		`names: [x]`:                                                     nil,
		``:                                                               nil,
		`{"machines":"all"}`:                                             nil,
		`{"case":"r-1-web01"}`:                                           nil,
		`{"specversion":"1.0","machines":[{"name":"no"}],"data":{"machines":[]}}`: nil,
	} {
		s := tell(&story{}, events.TypeRefused, "", 1, events.Refused{Problems: []events.Problem{{Code: "x", Message: "y"}}, Original: original})
		c := cases.Fold(s.entries)
		if diff := cmp.Diff(want, c.Asked); diff != "" {
			t.Errorf("%s: %s", original, diff)
		}
		if want != nil && c.RequestedBy != "me" {
			t.Errorf("%s: by %q", original, c.RequestedBy)
		}
	}
}
