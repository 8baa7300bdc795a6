package status

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

var now = time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// on is a case of machines that stand alike, begun an hour ago.
func on(id string, state events.CaseState, machine events.State, names ...string) cases.Case {
	c := cases.Case{ID: id, Site: "tokyo", Request: "r-1", State: state, Since: ago(time.Hour), Updated: ago(time.Minute), Step: events.StepRequest}
	switch state {
	case events.CaseCompleted, events.CaseRehearsed, events.CaseFailed, events.CaseRejected, events.CaseCancelled, events.CaseRefused:
		c.End, c.EndedAt = true, ago(30*time.Minute)
		c.Good = state == events.CaseCompleted || state == events.CaseRehearsed
	default: // it goes on
	}
	for _, name := range names {
		c.Machines = append(c.Machines, cases.Machine{Name: name, Item: "/items/" + name, State: machine})
	}
	return c
}

func with(c cases.Case, change func(*cases.Case)) cases.Case {
	change(&c)
	return c
}

func of(all ...cases.Case) View { return Of(Given{Cases: all, Now: now}) }

func stage(v View, name string) int {
	return v.Stages[slices.IndexFunc(v.Stages, func(s Stage) bool { return s.Stage == name })].Machines
}

func snapshotOf(machine string) func(*cases.Case) {
	return func(c *cases.Case) {
		c.Problems = []events.Problem{{Code: "master-target.snapshots", Place: machine, Message: "MT-LINUX-01 has 1 snapshot", Remedy: "Delete it."}}
	}
}

// A shared cause is one thing to do, however many machines it stops; each machine counts once in it.
func TestA3eOneCauseIsToldOnce(t *testing.T) {
	t.Parallel()
	var all []cases.Case
	for i := range 12 {
		name := fmt.Sprintf("vm%03d", i)
		all = append(all, with(on("c-"+name, events.CaseRejected, events.StateNotStarted, name), snapshotOf(name)))
	}
	all = append(all, with(on("c-bad", events.CaseFailed, events.StateFailed, "vm016"), func(c *cases.Case) {
		c.Code, c.Why, c.Remedy = "8061", "The datastore cannot be reached", "Mount it."
	}))
	v := of(all...)
	if len(v.NeedsYou) != 2 {
		t.Fatalf("%d needs: %+v", len(v.NeedsYou), v.NeedsYou)
	}
	failed, rejected := v.NeedsYou[0], v.NeedsYou[1]
	if failed.Code != "8061" || failed.Next != "reprotect retry vm016" || failed.Do != "Mount it." {
		t.Errorf("failed: %+v", failed)
	}
	if rejected.Code != "master-target.snapshots" || len(rejected.Machines) != 12 || rejected.Cause != "MT-LINUX-01 has 1 snapshot" || rejected.Next != "reprotect retry r-1" {
		t.Errorf("rejected: %+v", rejected)
	}
}

// Causes that differ in the machine's name alone are one; the catalogue says what it is.
func TestNeedsGroupWithoutTheNamesOfMachines(t *testing.T) {
	t.Parallel()
	var all []cases.Case
	for _, name := range []string{"db01", "db02"} {
		all = append(all, with(on("c-"+name, events.CaseCompleted, events.StateProtected, name), func(c *cases.Case) {
			c.Alarms = []cases.Alarm{{ID: "a-" + name, State: cases.AlarmOpen, From: ago(time.Minute), Violated: events.Violated{
				Code: "guard.powered-on", Machine: name, What: name + " was switched on", Do: "Switch " + name + " off.",
			}}}
		}))
	}
	v := of(all...)
	if len(v.NeedsYou) != 1 || v.NeedsYou[0].Cause != "Machine switched on on-premises" || len(v.NeedsYou[0].Machines) != 2 || len(v.NeedsYou[0].Alarms) != 2 {
		t.Fatalf("%+v", v.NeedsYou)
	}
	if v := of(all[:1]...); v.NeedsYou[0].Cause != "db01 was switched on" || v.NeedsYou[0].Do != "Switch db01 off." {
		t.Errorf("of one: %+v", v.NeedsYou)
	}
	if v := Of(Given{Cases: all, Now: now, Lang: "ja"}); v.NeedsYou[0].Cause == "" || strings.Contains(v.NeedsYou[0].Cause, "switched") {
		t.Errorf("in Japanese: %q", v.NeedsYou[0].Cause)
	}
}

// A2: an alarm on a machine that is protected is the first that a person reads; an acknowledged one is not there.
func TestA2AlarmsOfProtectedMachinesComeFirst(t *testing.T) {
	t.Parallel()
	alarm := func(state string) cases.Case {
		return with(on("c-db01", events.CaseCompleted, events.StateProtected, "db01"), func(c *cases.Case) {
			c.Alarms = []cases.Alarm{{ID: "a", State: state, Violated: events.Violated{Code: "guard.powered-on", What: "db01 is on"}, Remains: "Its disks may be damaged."}}
		})
	}
	bad := on("c-x", events.CaseFailed, events.StateFailed, "x")
	for state, first := range map[string]string{cases.AlarmOpen: Alarm, cases.AlarmEnded: Alarm, cases.AlarmAcknowledged: Failed, cases.AlarmCleared: Failed} {
		v := of(bad, alarm(state))
		if v.NeedsYou[0].Kind != first {
			t.Errorf("%s: first is %+v", state, v.NeedsYou[0])
		}
		if state == cases.AlarmEnded && (v.NeedsYou[0].Cause != "Its disks may be damaged." || v.NeedsYou[0].Next != "reprotect acknowledge a --reason '…'") {
			t.Errorf("ended: %+v", v.NeedsYou[0])
		}
	}
}

// A4: what waits for a person is told with code and cause, and not among what waits by itself.
func TestA4WhatWaitsForAPersonIsNoPatience(t *testing.T) {
	t.Parallel()
	wait := func(id string, why events.Reason, code string) cases.Case {
		return with(on("c-"+id, events.CaseWaiting, events.StateNotStarted, id), func(c *cases.Case) {
			c.Waiting = &events.Waiting{For: why, Code: code, Message: "The agent of " + id + " is not ready", Remedy: "Look at it.", Since: ago(time.Minute)}
		})
	}
	v := of(wait("vm013", events.ForOperator, "95226"), wait("vm014", events.ForTurn, ""), wait("vm015", events.ForTurn, ""))
	if len(v.NeedsYou) != 1 || v.NeedsYou[0].Kind != Operator || v.NeedsYou[0].Code != "95226" || v.NeedsYou[0].Cause != "The agent of vm013 is not ready" || v.NeedsYou[0].Next != "reprotect retry vm013" {
		t.Errorf("needs %+v", v.NeedsYou)
	}
	if len(v.Waits) != 1 || v.Waits[0].Machines != 2 || v.Waits[0].For != events.ForTurn {
		t.Errorf("waits %+v", v.Waits)
	}
	if r := v.Requests[0]; r.Basis != NeedsPerson || !r.ETA.IsZero() {
		t.Errorf("request %+v", r)
	}
}

// What was taken up again needs nobody; a rejection of a machine that is protected does not undo that; a dry run says
// nothing of a machine of which a real case does.
func TestWhatIsOverNeedsNobody(t *testing.T) {
	t.Parallel()
	failed := on("c-1", events.CaseFailed, events.StateFailed, "web01")
	later := func(c cases.Case) cases.Case {
		return with(c, func(c *cases.Case) { c.Since = ago(10 * time.Minute) })
	}
	for name, test := range map[string]struct {
		second cases.Case
		stage  string
		needs  int
	}{
		"done":       {later(on("c-1--2", events.CaseCompleted, events.StateProtected, "web01")), StageProtected, 0},
		"under way":  {later(on("c-1--2", events.CaseAccepted, events.StateNotStarted, "web01")), StageChecking, 0},
		"rejected":   {later(with(on("c-1--2", events.CaseRejected, events.StateNotStarted, "WEB01"), snapshotOf("web01"))), StageRejected, 1},
		"a dry run":  {later(with(on("c-1--2", events.CaseRehearsed, events.StateNotStarted, "web01"), func(c *cases.Case) { c.DryRun = true })), StageFailed, 1},
		"other site": {later(with(on("c-1--2", events.CaseCompleted, events.StateProtected, "web01"), func(c *cases.Case) { c.Site = "osaka" })), StageFailed, 1},
	} {
		v := of(test.second, failed)
		if len(v.NeedsYou) != test.needs || stage(v, test.stage) == 0 {
			t.Errorf("%s: %+v, stages %+v", name, v.NeedsYou, v.Stages)
		}
	}
	protected := on("c-1", events.CaseCompleted, events.StateProtected, "web01")
	again := later(with(on("c-2", events.CaseRejected, events.StateNotStarted, "web01"), snapshotOf("web01")))
	if v := of(protected, again); len(v.NeedsYou) != 0 || stage(v, StageProtected) != 1 || stage(v, StageRejected) != 0 {
		t.Errorf("a protected machine that was asked for again: %+v", v)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	refused := func(problem events.Problem, by string, ended time.Duration) cases.Case {
		return with(on("r-9", events.CaseRefused, ""), func(c *cases.Case) {
			c.Request, c.RequestedBy, c.EndedAt, c.Problems = "r-9", by, ago(ended), []events.Problem{problem}
		})
	}
	typo := events.Problem{Code: "machine.unknown", Place: "wbe01", Message: "The vault has no machine of that name"}
	for name, test := range map[string]struct {
		c     cases.Case
		needs int
	}{
		"mine":            {refused(typo, "me@host", time.Minute), 1},
		"anybody's":       {refused(typo, "", time.Minute), 1},
		"somebody else's": {refused(typo, "you@host", time.Minute), 0},
		"long ago":        {refused(typo, "me@host", Lately+time.Second), 0},
		"a retry":         {refused(events.Problem{Code: "case.running", Place: "/data/case", Message: "Case x runs"}, "", time.Minute), 0},
	} {
		v := Of(Given{Cases: []cases.Case{test.c}, Now: now, Sender: "me@host"})
		if len(v.NeedsYou) != test.needs || len(v.Requests) != 0 {
			t.Errorf("%s: %+v %+v", name, v.NeedsYou, v.Requests)
		}
		if test.needs > 0 && (v.NeedsYou[0].Cause != "wbe01: The vault has no machine of that name" || v.NeedsYou[0].Next != "reprotect show r-9") {
			t.Errorf("%s: %+v", name, v.NeedsYou[0])
		}
	}
}

// A3: a request counts its machines once, whatever was refused, retried or waited beside it, and what has ended is at its end.
func TestA3cA3dRequestsCountMachines(t *testing.T) {
	t.Parallel()
	var all []cases.Case
	for i := range 6 {
		all = append(all, on(fmt.Sprintf("c-%d", i), events.CaseCompleted, events.StateProtected, fmt.Sprintf("vm%d", i)))
	}
	all = append(all,
		with(on("c-6", events.CaseFailed, events.StateFailed, "vm6"), func(c *cases.Case) { c.Percent = 6 }),
		with(on("c-6--2", events.CaseStarted, events.StateReplicating, "vm6"), func(c *cases.Case) { c.Since, c.Percent = ago(time.Minute), 40 }),
		with(on("c-7", events.CaseRejected, events.StateNotStarted, "vm7"), func(c *cases.Case) { c.Percent = 4 }),
		with(on("r-1", events.CaseWaiting, ""), func(c *cases.Case) { c.Waiting = &events.Waiting{For: events.ForThrottle} }), // itself
		with(on("r-2", events.CaseRefused, ""), func(c *cases.Case) {
			c.Request, c.Problems = "r-2", []events.Problem{{Code: "case.running", Place: "/data/case"}}
		}))
	v := of(all...)
	if len(v.Requests) != 1 {
		t.Fatalf("%d requests: %+v", len(v.Requests), v.Requests)
	}
	r := v.Requests[0]
	if r.Machines != 8 || r.Done != 6 || r.Failed != 1 || r.Percent != (7*100+40)/8 || !r.EndedAt.IsZero() {
		t.Errorf("%+v", r)
	}
	// Six in half an hour: one more in five minutes.
	if r.Basis != ByPace || !r.ETA.Equal(now.Add(5*time.Minute)) {
		t.Errorf("estimate %s by %s", r.ETA, r.Basis)
	}
	waiting := with(on("r-3", events.CaseWaiting, ""), func(c *cases.Case) { c.Request, c.Waiting = "r-3", &events.Waiting{For: events.ForThrottle} })
	if v := of(waiting); v.Requests[0].Machines != 0 || v.Requests[0].Percent != 0 || v.Requests[0].Basis != NoBasis || v.Waits[0].Cases != 1 {
		t.Errorf("a request that waits itself: %+v %+v", v.Requests, v.Waits)
	}
}

func TestEstimateIsHonest(t *testing.T) {
	t.Parallel()
	until := func(id string, eta time.Time) cases.Case {
		return with(on(id, events.CaseStarted, events.StateReplicating, id), func(c *cases.Case) { c.Machines[0].ETA = eta })
	}
	for name, test := range map[string]struct {
		all   []cases.Case
		eta   time.Time
		basis string
	}{
		"the latest that Azure says": {[]cases.Case{until("a", now.Add(time.Hour)), until("b", now.Add(2*time.Hour))}, now.Add(2 * time.Hour), ByReplication},
		"one that nobody knows":      {[]cases.Case{until("a", now.Add(time.Hour)), until("b", time.Time{})}, time.Time{}, NoBasis},
		"one that is over already":   {[]cases.Case{until("a", ago(time.Hour))}, time.Time{}, NoBasis},
		"ended":                      {[]cases.Case{on("a", events.CaseCompleted, events.StateProtected, "a")}, time.Time{}, ""},
	} {
		r := of(test.all...).Requests[0]
		if !r.ETA.Equal(test.eta) || r.Basis != test.basis {
			t.Errorf("%s: %s by %q", name, r.ETA, r.Basis)
		}
	}
}

func TestHealthSaysWhatIsGivenUp(t *testing.T) {
	t.Parallel()
	g := Given{
		Now: now, Health: []Part{{"executor", OK, ""}, {"journal", Unknown, "not reached"}},
		Dead: []Letter{{events.Dead{Service: "executor", Reason: "malformed", Error: "x"}, now}, {events.Dead{Service: "journal", Reason: "malformed", Error: "x"}, ago(time.Hour)}},
	}
	v := Of(g)
	if v.Health[0].State != Behind || v.Health[1].State != Unknown || g.Health[0].State != OK {
		t.Errorf("%+v of %+v", v.Health, g.Health)
	}
	if len(v.NeedsYou) != 2 || v.NeedsYou[0].Next != "reprotect bus dead list" || v.NeedsYou[0].Code != "dead.malformed" {
		t.Errorf("%+v", v.NeedsYou)
	}
}

// The JSON has the names that others build on, and no list is null.
func TestJSON(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(of())
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"needsYou", "stages", "waits", "requests", "health"} {
		if _, ok := document[name].([]any); !ok {
			t.Errorf("%s is %v in %s", name, document[name], raw)
		}
	}
	if document["asOf"] != now.Format(time.RFC3339) {
		t.Errorf("asOf %v", document["asOf"])
	}
}

func TestFiltersBySiteAndRequest(t *testing.T) {
	t.Parallel()
	tokyo := on("c-1", events.CaseFailed, events.StateFailed, "web01")
	osaka := with(on("c-2", events.CaseFailed, events.StateFailed, "db01"), func(c *cases.Case) { c.Site, c.Request = "osaka", "R 2" })
	taken := with(on("c-3", events.CaseCompleted, events.StateProtected, "web01"), func(c *cases.Case) { c.Request, c.Since = "r-3", ago(time.Minute) })
	for name, test := range map[string]struct {
		g     Given
		needs []string
	}{
		"all":          {Given{}, []string{"db01"}},
		"tokyo":        {Given{Site: "tokyo"}, nil},
		"osaka":        {Given{Site: "osaka"}, []string{"db01"}},
		"r-1":          {Given{Request: "r-1"}, nil}, // its machine was taken up by another request
		"by its token": {Given{Request: events.Token("R 2")}, []string{"db01"}},
	} {
		test.g.Cases, test.g.Now = []cases.Case{tokyo, osaka, taken}, now
		var needs []string
		for _, n := range Of(test.g).NeedsYou {
			needs = append(needs, n.Machines...)
		}
		if diff := cmp.Diff(test.needs, needs); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Hostile words are one line, whatever they hold, and never part of a command.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	hostile := "web\x1b[2J\n01; rm -rf \u202e/"
	v := of(with(on("c-1", events.CaseFailed, events.StateFailed, hostile), func(c *cases.Case) { c.Code, c.Why = "8061", "It broke on "+hostile }))
	n := v.NeedsYou[0]
	if strings.ContainsAny(n.Cause, "\x1b\n\u202e") || n.Next != "reprotect retry c-1" {
		t.Errorf("%q, next %q", n.Cause, n.Next)
	}
}

// Whatever the cases: each machine counts in exactly one stage, as in a plain second reading, and the order in which they
// come changes nothing.
func TestEachMachineCountsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []cases.Case
		names := map[string]bool{}
		for i := range rapid.IntRange(0, 8).Draw(t, "cases") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			state := rapid.SampledFrom([]events.CaseState{events.CaseAccepted, events.CaseWaiting, events.CaseStarted, events.CaseFailed, events.CaseRejected, events.CaseCompleted, events.CaseCancelled}).Draw(t, "state")
			machine := rapid.SampledFrom(events.States()).Draw(t, "machine")
			c := on(fmt.Sprintf("c-%d", i), state, machine, name)
			c.Since = ago(time.Duration(rapid.IntRange(0, 5).Draw(t, "since")) * time.Minute)
			if state == events.CaseWaiting {
				c.Waiting = &events.Waiting{For: rapid.SampledFrom(events.Reasons()).Draw(t, "for")}
			}
			all, names[name] = append(all, c), true
		}
		v := of(all...)
		total := 0
		for _, s := range v.Stages {
			total += s.Machines
		}
		if total != len(names) {
			t.Fatalf("%d machines at stages, there are %d", total, len(names))
		}
		machines := 0
		for _, r := range v.Requests {
			if r.Percent < 0 || r.Percent > 100 || r.Done+r.Failed > r.Machines {
				t.Fatalf("%+v", r)
			}
			machines += r.Machines
		}
		if len(v.Requests) > 0 && machines != len(names) {
			t.Fatalf("%d machines of requests, there are %d", machines, len(names))
		}
		slices.Reverse(all)
		if diff := cmp.Diff(v, of(all...)); diff != "" {
			t.Fatal(diff)
		}
	})
}
