package cases_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// teller draws the facts of one case, as the bus lets them pass: along its way, with reports of every kind between the
// outcomes, and clocks that disagree by minutes.
type teller struct {
	*rapid.T
	leg      events.HomeCase
	machines []events.Machine
	position int
	at       time.Time
	facts    []cases.Entry
}

func drawFacts(t *rapid.T) []cases.Entry {
	s := &teller{T: t, at: begun}
	steps := events.Steps()[:6]
	if s.leg.Leg = rapid.SampledFrom(append(events.Legs(), events.LegReprotect)).Draw(t, "leg"); s.leg.Leg != events.LegReprotect {
		s.leg.Until = rapid.SampledFrom([]events.Until{events.UntilHome, events.UntilCommitted, events.UntilProtected}).Draw(t, "until")
		steps = homeSteps
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "machines") {
		s.machines = append(s.machines, events.Machine{Name: rapid.SampledFrom([]string{"web01", "WEB01", "db01"}).Draw(t, "name"), Item: fmt.Sprintf("/items/%c", 'a'+i), Architecture: "classic"})
	}
	s.reports(2)
	for i := range rapid.IntRange(0, len(steps)).Draw(t, "steps") {
		s.outcome(steps[i])
		s.reports(8)
	}
	if rapid.Bool().Draw(t, "ends") {
		s.end()
		s.reports(3)
	}
	if len(s.facts) == 0 {
		s.outcome(events.StepRequest)
	}
	return s.facts
}

// fact tells something; id is behind the step.
func (s *teller) fact(k events.Kind, step, id string, position int, data any) {
	s.at = s.at.Add(time.Minute)
	at := s.at.Add(time.Duration(rapid.IntRange(-180, 180).Draw(s.T, "clock")) * time.Second)
	e := cases.Entry{
		Sequence: uint64(len(s.facts) + 1), Time: at, Subject: events.FactSubject("tokyo", "r1-web01", step, k.Name), Kind: k, Data: data,
		Header: events.Header{ID: "r1-web01/" + step + id, Type: k.CloudType(), Site: "tokyo", Case: "r1-web01", Step: step, Request: rapid.SampledFrom([]string{"r1", "r1", ""}).Draw(s.T, "request"), Position: position, Time: at},
	}
	if rapid.IntRange(0, 30).Draw(s.T, "readable") == 0 {
		e.Data, e.Problem = nil, "newer than this program"
	}
	if rapid.IntRange(0, 30).Draw(s.T, "timed") == 0 {
		e.Time = time.Time{}
	}
	s.facts = append(s.facts, e)
}

func (s *teller) outcome(step string) {
	c := events.Case{Machines: s.machines, HomeCase: s.leg}
	s.position += rapid.IntRange(0, 1).Draw(s.T, "gap") // 0: a report has the same, of a delivery that came again
	s.position = max(s.position, 1)
	switch step {
	case events.StepRequest:
		s.fact(events.TypeAccepted.Kind, step, "", s.position, events.Accepted{Case: c})
	case events.StepValidation:
		s.fact(events.TypeValidated.Kind, step, "", s.position, events.Validated{Case: c})
	case events.StepPlacement:
		s.fact(events.TypePlaced.Kind, step, "", s.position, events.Placed{Case: c})
	case events.StepRegistration:
		s.fact(events.TypeRegistered.Kind, step, "", s.position, events.Registered{Case: c})
	case events.StepSubmission:
		d := events.Started{Case: c}
		for _, m := range s.machines {
			j := events.Job{Machine: m.Name, Item: s.beside(m), Job: "j1"}
			if rapid.Bool().Draw(s.T, "refused") {
				j.Refused, j.Again = &events.Problem{Code: "78052"}, rapid.Bool().Draw(s.T, "again")
			}
			d.Jobs = append(d.Jobs, j)
		}
		s.fact(events.TypeStarted.Kind, step, "", s.position, d)
	case events.StepReplication:
		d := events.Completed{Case: c}
		for i, m := range s.machines {
			d.Machines = append(d.Machines, events.ProtectedState{Machine: m.Name, Item: fmt.Sprintf("/items/new-%d", i), FormerItem: s.beside(m)})
		}
		s.fact(events.TypeCompleted.Kind, step, "", s.position, d)
	case events.StepFailback:
		d := events.Home{Case: c}
		for _, m := range s.machines {
			d.Machines = append(d.Machines, events.HomeState{Machine: m.Name, Item: s.beside(m), Down: begun, Up: s.at})
		}
		s.fact(events.TypeHome.Kind, step, "", s.position, d)
	case events.StepCommit:
		if s.leg.Leg == events.LegWithdraw {
			d := events.Withdrawn{Case: c}
			for _, m := range s.machines {
				d.Machines = append(d.Machines, events.MachineState{Machine: m.Name, Item: s.beside(m), State: events.StateWithdrawn})
			}
			s.fact(events.TypeWithdrawn.Kind, step, "", s.position, d)
			break
		}
		d := events.Committed{Case: c}
		for _, m := range s.machines {
			d.Machines = append(d.Machines, events.CommittedState{Machine: m.Name, Item: s.beside(m), Evidence: "on"})
		}
		s.fact(events.TypeCommitted.Kind, step, "", s.position, d)
	case events.StepProtection:
		d := events.Protected{Case: c}
		for _, m := range s.machines {
			d.Machines = append(d.Machines, events.ProtectedState{Machine: m.Name, Item: m.Item + "-new", FormerItem: m.Item})
		}
		s.fact(events.TypeProtected.Kind, step, "", s.position, d)
	}
}

func (s *teller) end() {
	s.position++
	c := events.Case{Machines: s.machines, HomeCase: s.leg}
	step := rapid.SampledFrom(events.Steps()).Draw(s.T, "ended at")
	var states []events.MachineState
	for _, m := range s.machines {
		states = append(states, events.MachineState{Machine: m.Name, Item: s.beside(m), State: rapid.SampledFrom(events.States()).Draw(s.T, "state")})
	}
	switch rapid.IntRange(0, 4).Draw(s.T, "end") {
	case 0:
		s.fact(events.TypeFailed.Kind, step, "/end", s.position, events.Failed{Code: "8061", Message: "no", Machines: states})
	case 1:
		s.fact(events.TypeCancelled.Kind, step, "/end", s.position, events.Cancelled{Case: c, Machines: states})
	case 2:
		s.fact(events.TypeRejected.Kind, step, "/end", s.position, events.Rejected{Case: c, Problems: []events.Problem{{Code: "x", Message: "y"}}})
	case 3:
		s.fact(events.TypeRehearsed.Kind, step, "/end", s.position, events.Rehearsed{Case: c, Would: s.machines})
	case 4:
		s.fact(events.TypeRefused.Kind, events.StepRequest, "/end", s.position, events.Refused{Problems: []events.Problem{{Code: "x", Message: "y"}}})
	}
}

func (s *teller) reports(most int) {
	for range rapid.IntRange(0, most).Draw(s.T, "reports") {
		n := fmt.Sprintf("/%d", len(s.facts))
		m := rapid.SampledFrom(s.machines).Draw(s.T, "of")
		alarm := fmt.Sprintf("r1-web01/guard/%d", rapid.IntRange(0, 12).Draw(s.T, "alarm"))
		switch rapid.IntRange(0, 13).Draw(s.T, "kind") {
		case 0:
			s.fact(events.TypeViolated.Kind, events.StepGuard, n, 40, events.Violated{Code: "guard.powered-on", Machine: m.Name, Item: s.beside(m)})
		case 1:
			s.fact(events.TypeReturned.Kind, events.StepGuard, n, 40, events.Returned{Machine: m.Name, Item: m.Item + "-new", FormerItem: s.beside(m)})
		case 2:
			s.fact(events.TypeCleared.Kind, events.StepGuard, n, 40, events.Cleared{Violation: alarm, Remains: rapid.SampledFrom([]string{"", "damage"}).Draw(s.T, "remains")})
		case 3:
			s.fact(events.TypeAcknowledged.Kind, events.StepGuard, n, 40, events.Acknowledged{Violation: alarm})
		case 4:
			s.fact(events.TypeUnwatched.Kind, events.StepGuard, n, 40, events.Unwatched{VM: m.Name})
		case 5:
			s.fact(events.TypeWatched.Kind, events.StepGuard, n, 40, events.Watched{Unwatched: alarm})
		case 6:
			s.fact(events.TypeRetrying.Kind, events.StepRetry, n, 2, events.Retrying{})
		case 7:
			if rapid.IntRange(0, 5).Draw(s.T, "cancelling") == 0 {
				s.fact(events.TypeCancelling.Kind, events.StepCancel, n, 2, events.Cancelling{})
			}
		case 8:
			if step := rapid.SampledFrom(events.Steps()).Draw(s.T, "void"); rapid.IntRange(0, 5).Draw(s.T, "voided") == 0 {
				s.fact(events.TypeVoided.Kind, step, n, 2, events.Voided{Subject: "s", Sequence: 1, Reason: "forged"})
			}
		case 9, 10, 11:
			s.position++
			s.fact(events.TypeWaiting.Kind, events.StepProgress, n, s.position, s.waiting(m))
		default:
			s.position++
			s.fact(events.TypeProgressed.Kind, events.StepProgress, n, s.position, s.progress())
		}
	}
}

var (
	anyReason = rapid.SampledFrom([]events.Reason{events.ForOperator, events.ForOthers, events.ForAgent})
	anyCode   = rapid.SampledFrom([]string{"95226", "78093"})
)

func (s *teller) waiting(m events.Machine) events.Waiting {
	w := events.Waiting{For: anyReason.Draw(s.T, "for"), Code: anyCode.Draw(s.T, "code"), Message: "no way", Since: s.at}
	if rapid.IntRange(0, 3).Draw(s.T, "some") > 0 {
		w.Machines = []string{m.Name}
		if item := s.beside(m); item != "" {
			w.Items = []string{item}
		}
	}
	return w
}

func (s *teller) progress() events.Progressed {
	p := events.Progressed{Percent: rapid.IntRange(0, 100).Draw(s.T, "percent")}
	for _, m := range s.machines {
		now := events.MachineProgress{Machine: m.Name, Item: s.beside(m), State: rapid.SampledFrom(events.States()).Draw(s.T, "state"), Percent: rapid.IntRange(0, 100).Draw(s.T, "of machine")}
		if rapid.IntRange(0, 2).Draw(s.T, "still") == 0 {
			now.For, now.Code = anyReason.Draw(s.T, "for"), anyCode.Draw(s.T, "code")
		}
		p.Machines = append(p.Machines, now)
	}
	return p
}

// beside is the item beside the name: as it is now, or none as in older events.
func (s *teller) beside(m events.Machine) string {
	if rapid.Bool().Draw(s.T, "as of old") {
		return ""
	}
	return m.Item
}

// delivered brings facts in another order, and some of them again, with the sequence in which they came.
func delivered(t *rapid.T, facts []cases.Entry) []cases.Entry {
	again := rapid.SliceOfN(rapid.SampledFrom(facts), 0, 3).Draw(t, "again")
	all := rapid.Permutation(slices.Concat(facts, again)).Draw(t, "order")
	for i := range all {
		all[i].Sequence = uint64(i + 1)
	}
	return all
}

func same(t *rapid.T, what string, want, got cases.Case) {
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// Whatever is forgotten, and however the facts came: where the case stands is the same at every moment.
func TestCompactForgetsNothingThatCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := drawFacts(t)
		came := delivered(t, facts)
		want := cases.Fold(facts)
		same(t, "in another order", want, cases.Fold(came))
		same(t, "compacted", want, cases.Fold(cases.Compact(came)))
		split := rapid.IntRange(0, len(came)).Draw(t, "split")
		same(t, "compacted, then more", want, cases.Fold(cases.Compact(slices.Concat(cases.Compact(came[:split]), came[split:]))))

		var kept []cases.Entry
		var log cases.Log
		for i, e := range came {
			kept = cases.Compact(append(kept, e))
			now := cases.Fold(came[:i+1])
			same(t, "one after the other", now, cases.Fold(kept))
			if _, err := log.Add(e); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(t, "look") == 0 {
				listed, _ := log.Case("r1-web01")
				listed.History = nil
				same(t, "in a log", now, listed)
			}
		}
	})
}

// No kind of fact is left out above, nor will one be that comes later.
func TestEveryKindOfFactIsDrawn(t *testing.T) {
	t.Parallel()
	drawn := map[events.Kind]bool{}
	draw := rapid.Custom(drawFacts)
	for seed := range 500 {
		for _, e := range draw.Example(seed) {
			drawn[e.Kind] = true
		}
	}
	for _, k := range events.Kinds() {
		if (k.Role == events.Outcome || k.Role == events.End || k.Role == events.Report) && !drawn[k] {
			t.Errorf("%s is not drawn", k.Name)
		}
	}
}

// What Compact leaves does not grow with the reports that were told.
func TestCompactLeavesFew(t *testing.T) {
	t.Parallel()
	s := upTo(events.StepSubmission)
	before := len(s.entries)
	for i := range 500 {
		tell(s, events.TypeProgressed, "", 10+2*i, events.Progressed{Percent: i / 5, Machines: []events.MachineProgress{{Machine: "web01", State: "replicating", Percent: i / 5}}})
		tell(s, events.TypeWaiting, "", 11+2*i, events.Waiting{For: "turn", Machines: []string{"web01", "db01"}, Message: fmt.Sprint(i)})
	}
	left := cases.Compact(s.entries)
	if len(left) != before+2 { // the newest progress, and the newest report
		t.Errorf("%d of %d are left", len(left), len(s.entries))
	}
	if !slices.IsSortedFunc(left, func(a, b cases.Entry) int { return int(a.Sequence) - int(b.Sequence) }) {
		t.Error("they are in another order")
	}
}

// A list of all cases needs the last fact of each subject, and all of some kinds: then it says what all facts say.
func TestTheLastOfEachSubjectIsEnoughForAList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := slices.DeleteFunc(drawFacts(t), func(e cases.Entry) bool { return e.Data == nil })
		if len(facts) == 0 {
			t.Skip("none can be read")
		}
		for len(facts) > 1 && facts[0].Kind.Role == events.Report && facts[0].Kind != events.TypeWaiting.Kind {
			facts = facts[1:] // no case begins so
		}
		for i := range facts { // the stream has them in the order of their publication
			facts[i].Time = begun.Add(time.Duration(i) * time.Minute)
		}
		last := map[string]cases.Entry{}
		var read []cases.Entry
		for _, e := range facts {
			last[e.Subject] = e
			if slices.Contains(cases.AlsoOlder(), e.Kind) {
				read = append(read, e)
			}
		}
		for _, e := range last {
			read = append(read, e)
		}
		want, got := listed(t, cases.Fold(facts)), listed(t, cases.Fold(read))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-all +last):\n%s", diff)
		}
	})
}

func listed(t *rapid.T, c cases.Case) (is map[string]any) {
	raw, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(raw, &is)
	}
	if err != nil {
		t.Fatal(err)
	}
	return is
}
