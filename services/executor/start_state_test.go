package executor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// startsOf takes a case to its start look by look, as the bus would.
type startsOf struct {
	t        *testing.T
	vault    *fake
	queue    *admission.Queue
	now      time.Time
	kept     startState
	retrying time.Time
	event    workflow.Event[events.Registered]
}

func starts(t *testing.T, f *fake) *startsOf {
	s := &startsOf{t: t, vault: f, now: cleared}
	s.queue = queueAt(func() time.Time { return s.now })
	s.event.Site, s.event.Case, s.event.Time = "tokyo", "r7", cleared
	for _, i := range f.look.Items {
		s.event.Data.Case.Machines = append(s.event.Data.Case.Machines, machineOf(i))
	}
	s.event.Stands = func(_ context.Context, subject string) (bus.Received, bool, error) {
		if s.retrying.IsZero() || !strings.HasSuffix(subject, ".retrying") {
			return bus.Received{}, false, nil
		}
		raw, err := events.Encode(events.Event[events.Retrying]{Header: events.Header{
			ID: "r7/retry/1", Source: "/reprotect/tokyo/validator", Type: events.TypeRetrying.CloudType(), Subject: "r7", Time: s.retrying, Site: "tokyo", Case: "r7", Step: events.StepRetry, Request: "r7"}})
		return bus.Received{Message: bus.Message{Data: raw}}, true, err
	}
	return s
}

// look looks once, after a pause, and returns what is published first, if anything, and the pause until the next look.
func (s *startsOf) look(after time.Duration) (any, time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(after)
	s.vault.look.Began, s.vault.look.Taken = s.now, s.now
	s.event.Data.Case.CheckedAt = s.now
	x := executor{sites: map[string]Site{"tokyo": {Vault: s.vault, Inventory: s.vault, Look: 30 * time.Second, AgentWait: 20 * time.Minute, JobWait: 2 * time.Hour}},
		queues: map[string]*admission.Queue{"tokyo": s.queue}, now: func() time.Time { return s.now }}
	r, err := x.registered(s.t.Context(), s.event, s.kept)
	if err != nil {
		s.t.Fatal(err)
	}
	s.kept = later(s.t, r.State)
	if len(r.Publish) == 0 {
		return nil, r.After
	}
	return r.Publish[0].Data(), r.After
}

// A machine that Azure answers with 500 or 409 while looks go on: it is tried at growing pauses, each try is told, and
// it ends.
func TestAnOutageOfTheFirstSubmissionIsBounded(t *testing.T) {
	for _, code := range []string{"azure.unavailable", "azure.conflict", "azure.no-job", "azure.forbidden"} {
		t.Run(code, func(t *testing.T) {
			tries := 0
			f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error {
				tries++
				class := observed.Temporary
				if code == "azure.forbidden" {
					class = observed.Operator
				}
				return &observed.Fault{Code: code, Class: class, What: "HTTP 500", Remedy: "wait"}
			}}
			s := starts(t, f)
			said, pause := s.look(0)
			first := said.(events.Waiting)
			if first.For != events.ForAzure || first.Code != code || !first.Since.Equal(cleared) || !first.Until.Equal(cleared.Add(2*time.Hour)) || first.Remedy != "wait" || f.freshest > 0 {
				t.Fatalf("%+v", first)
			}
			told := 1
			for pause > 0 && s.now.Before(cleared.Add(5*time.Hour)) {
				before := tries
				said, pause = s.look(pause)
				if _, waits := said.(events.Waiting); waits != (tries > before) && pause > 0 {
					t.Errorf("%s after the first try: %+v, after %d tries", s.now.Sub(cleared), said, tries)
				}
				if said != nil {
					told++
				}
			}
			d, ok := said.(events.Failed)
			if !ok || d.Code != code || s.now.Sub(cleared) > 2*time.Hour+5*time.Minute {
				t.Errorf("after %s: %+v", s.now.Sub(cleared), said)
			}
			if tries < 5 || tries > 9 || told != tries+1 {
				t.Errorf("%d tries, told %d times", tries, told)
			}
		})
	}
}

// Azure says that there is no such item, and each fresh look shows it: that ends after some tries.
func TestAnItemThatAzureNeverFindsEndsItsCase(t *testing.T) {
	tries := 0
	f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error {
		tries++
		return &observed.Fault{Code: "ArmResourceDoesNotExist", Class: observed.Permanent, What: "no such item", Remedy: "look"}
	}}
	s := starts(t, f)
	said, pause := s.look(0)
	for pause > 0 && s.now.Before(cleared.Add(time.Hour)) {
		said, pause = s.look(pause)
	}
	if d, ok := said.(events.Failed); !ok || d.Code != "ArmResourceDoesNotExist" || tries != submission.MostTries+1 || f.freshest > 0 {
		t.Errorf("after %d tries: %+v", tries, said)
	}
}

// The answer was lost, and the submission had arrived: a fresh look shows it.
func TestASubmissionThatHadArrivedIsAdopted(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error {
		return &observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 500"}
	}}
	s := starts(t, f)
	_, pause := s.look(time.Hour) // looks may be shared
	f.look.Items[0].JobID, f.look.Items[0].Scenario = "j1", observed.ReprotectScenario
	f.look = vaultOf(f.look.Items...)
	stale := vaultOf(failedOver("web01"))
	f.stale = &stale
	said, _ := s.look(pause)
	if d, ok := said.(events.Started); !ok || d.Jobs[0].Job != "j1" || !d.Jobs[0].Adopted {
		t.Errorf("%+v", said)
	}
}

// In a group that has begun, the one that Azure answers with 500 does not hold up the others: who follows them tries
// it again.
func TestAnOutageOfOneSubmissionDoesNotHoldUpTheOthers(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"), failedOver("db01"), failedOver("app01")), refuse: func(machine string) error {
		if machine == "db01" {
			return &observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 500"}
		}
		return nil
	}}
	said, _ := starts(t, f).look(0)
	d, ok := said.(events.Started)
	if !ok || d.Jobs[0].Job == "" || d.Jobs[2].Job == "" || !d.Jobs[1].Again || d.Jobs[1].Refused.Code != "azure.unavailable" || !d.Case.RegisteredAt.Equal(cleared) {
		t.Errorf("%+v", said)
	}
}

// What passes by itself is tried a few times.
func TestARefusalThatPassesIsTriedAFewTimes(t *testing.T) {
	tries := 0
	f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error {
		tries++
		return &observed.Fault{Code: "499", Class: observed.Temporary, What: "try again"}
	}}
	s := starts(t, f)
	said, pause := s.look(0)
	if w := said.(events.Waiting); !w.Until.IsZero() || w.For != events.ForAzure {
		t.Errorf("%+v", w)
	}
	for pause > 0 && tries < 20 {
		said, pause = s.look(pause)
	}
	if d, ok := said.(events.Failed); !ok || d.Code != "499" || tries != submission.MostTries+1 {
		t.Errorf("after %d tries: %+v", tries, said)
	}
}

// What Azure refuses in turn counts by its kind: an agent that is back leaves what passes its own tries.
func TestRefusalsInTurn(t *testing.T) {
	refusal := observed.Fault{Code: noAgent, Class: observed.Temporary, What: "no agent"}
	tries := 0
	f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error { tries++; return &refusal }}
	s := starts(t, f)
	said, pause := s.look(0)
	if w := said.(events.Waiting); w.For != events.ForAgent || !w.Until.Equal(cleared.Add(20*time.Minute)) || !w.Since.Equal(cleared) || pause != 30*time.Second {
		t.Fatalf("%+v, %v", w, pause)
	}
	if s.look(pause); tries != 2 {
		t.Errorf("%d tries", tries)
	}
	refusal = observed.Fault{Code: "4711", Class: observed.Operator, What: "no", Remedy: "do it"}
	said, _ = s.look(time.Minute)
	if w := said.(events.Waiting); w.For != events.ForOperator || !w.Since.Equal(cleared) || s.kept.Refused.Tries != 0 {
		t.Errorf("%+v, %+v", said, s.kept.Refused)
	}
	s.look(9 * time.Minute)
	if tries != 3 {
		t.Errorf("tried after 9 minutes of %d looks' pause", 20)
	}
	s.retrying = s.now.Add(time.Second)
	if s.look(time.Minute); tries != 4 || s.kept.Refused.Tries != 1 {
		t.Errorf("%d tries, %+v", tries, s.kept.Refused)
	}
	if s.look(time.Minute); tries != 4 {
		t.Error("one retry was taken twice")
	}
}

// Azure says when it may be asked again.
func TestARefusalThatNamesATime(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error {
		return &observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 503", After: 10 * time.Minute}
	}}
	s := starts(t, f)
	s.look(0)
	if want := cleared.Add(10 * time.Minute); !s.kept.Refused.Next.Equal(want) {
		t.Errorf("next at %v", s.kept.Refused.Next)
	}
}

// A case that waits for its turn when its next try is due is not sent back to wait for that.
func TestATryThatIsDueWaitsForItsTurnOnly(t *testing.T) {
	r := &refusal{Do: submission.AwaitOperator, First: cleared, Next: cleared.Add(time.Hour), Due: true}
	s := &starter{site: Site{JobWait: time.Minute}, now: cleared.Add(30 * time.Minute), moves: []move{{kind: submit}}, state: startState{Refused: r}}
	if got := s.plan(); got != submitAll {
		t.Errorf("%v", got)
	}
}

// The plan of a start, from top to bottom.
func TestPlanOfAStart(t *testing.T) {
	refused := func(do submission.Handling, next time.Duration) *refusal {
		return &refusal{Do: do, First: cleared, At: cleared, Next: cleared.Add(next)}
	}
	for _, tt := range []struct {
		name    string
		moves   []moveKind
		cancel  bool
		dryRun  bool
		refused *refusal
		retry   time.Duration
		after   time.Duration
		want    step
	}{
		{name: "to be started", moves: []moveKind{submit}, want: submitAll},
		{name: "nothing to be started", moves: []moveKind{done}, want: submitAll},
		{name: "cancelled", moves: []moveKind{submit, stop}, cancel: true, want: cancelAll},
		{name: "cancelled, some run", moves: []moveKind{submit, adopt}, cancel: true, want: cancelRest},
		{name: "cancelled, some are done", moves: []moveKind{submit, done}, cancel: true, want: cancelRest},
		{name: "one cannot start", moves: []moveKind{submit, stop, hold}, want: failAll},
		{name: "one cannot start, another runs", moves: []moveKind{adopt, stop}, want: submitAll},
		{name: "one is held", moves: []moveKind{submit, hold}, want: holdOff},
		{name: "a dry run", moves: []moveKind{submit}, dryRun: true, want: rehearse},
		{name: "refused, not due", moves: []moveKind{submit}, refused: refused(submission.AwaitOperator, time.Hour), after: time.Minute, want: awaitAzure},
		{name: "refused, due", moves: []moveKind{submit}, refused: refused(submission.AwaitOperator, time.Minute), after: time.Minute, want: submitAll},
		{name: "refused, somebody asked", moves: []moveKind{submit}, refused: refused(submission.AwaitOperator, time.Hour), retry: time.Second, after: time.Minute, want: submitAll},
		{name: "refused, somebody had asked before", moves: []moveKind{submit}, refused: refused(submission.AwaitOperator, time.Hour), retry: -time.Second, after: time.Minute, want: awaitAzure},
		{name: "refused for long, at its bound", moves: []moveKind{submit}, refused: refused(submission.AwaitAzure, 9*time.Hour), after: 2 * time.Hour, want: awaitAzure},
		{name: "refused for too long", moves: []moveKind{submit}, refused: refused(submission.AwaitAzure, time.Hour), after: 2*time.Hour + 1, want: giveUpAll},
		{name: "refused as an older version kept it", moves: []moveKind{submit}, refused: refused(0, time.Hour), after: 2*time.Hour + 1, want: giveUpAll},
		{name: "the agent is judged by the next refusal", moves: []moveKind{submit}, refused: refused(submission.AwaitAgent, time.Hour), after: 3 * time.Hour, want: submitAll},
		{name: "a few tries have no bound in time", moves: []moveKind{submit}, refused: refused(submission.TryAgain, time.Hour), after: 3 * time.Hour, want: submitAll},
		{name: "refused, but some run", moves: []moveKind{submit, adopt}, refused: refused(submission.AwaitOperator, time.Hour), after: time.Minute, want: submitAll},
		{name: "refused for too long, but some run", moves: []moveKind{submit, adopt}, refused: refused(submission.AwaitOperator, time.Hour), after: 3 * time.Hour, want: submitAll},
	} {
		s := &starter{site: Site{JobWait: 2 * time.Hour}, now: cleared.Add(tt.after), c: events.Case{DryRun: tt.dryRun}, state: startState{Refused: tt.refused}}
		for _, kind := range tt.moves {
			s.moves = append(s.moves, move{kind: kind})
		}
		if tt.cancel {
			s.cancelling = &events.Cancelling{}
		}
		if tt.retry != 0 {
			s.retry = cleared.Add(tt.retry)
		}
		if got := s.plan(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A case that waits for its turn keeps its place, is told it, and looks again at the moment it may come.
func TestACaseWaitsForItsTurn(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	s := starts(t, f)
	s.queue = admission.NewLedger(func() time.Time { return s.now }).Queue(admission.Limits{StartsPerMinute: 1})
	f.look.Jobs = []observed.Job{{ID: "j9", State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: "other", Start: cleared.Add(50 * time.Second)}}
	said, pause := s.look(time.Minute)
	w, ok := said.(events.Waiting)
	if !ok || w.For != events.ForTurn || w.Place != 1 || !w.Since.Equal(cleared) || pause.Round(time.Second) != 50*time.Second || !s.kept.Queued || len(f.submitted) != 0 {
		t.Fatalf("%+v, again after %v", said, pause)
	}
	other := admission.Request{ID: "other", Order: admission.Order{Asked: cleared.Add(time.Hour)}, Machines: []admission.Machine{{Item: "x"}}, Patience: time.Hour}
	if d := s.queue.Ask(other, f.look); d.Place != 2 {
		t.Errorf("it has lost its place: %+v", d)
	}
	if said, _ := s.look(pause + time.Second); len(f.submitted) != 1 {
		t.Errorf("%+v", said)
	}
}

// A start that is far away is not slept through: somebody may cancel meanwhile.
func TestALongWaitForATurnIsCutShort(t *testing.T) {
	s := &starter{site: Site{Look: 30 * time.Second}, now: cleared, c: events.Case{}}
	if r, err := s.waitInQueue(admission.Decision{Outcome: admission.NotYet, Soonest: time.Hour}); err != nil || r.After != 5*time.Minute {
		t.Errorf("%v, %v", r.After, err)
	}
	if r, err := s.waitInQueue(admission.Decision{Outcome: admission.NoDiskSlot}); err != nil || r.After < 27*time.Second || r.After > 33*time.Second || r.Publish[0].Data().(events.Waiting).For != events.ForDiskSlot {
		t.Errorf("%+v, %v", r, err)
	}
}

// What a case that did not start leaves says of each machine where it stands.
func TestStatesOfACaseThatDidNotStart(t *testing.T) {
	s := &starter{c: events.Case{Machines: make([]events.Machine, 4)}, moves: []move{
		{kind: submit}, {kind: adopt, job: "j1"}, {kind: done}, {kind: stop, because: events.Problem{Code: "machine.gone", Message: "gone"}},
	}}
	states := s.states()
	for i, want := range []events.MachineState{
		{State: events.StateNotStarted}, {State: events.StateRunning, Job: "j1"}, {State: events.StateReplicating}, {State: events.StateNotStarted, Code: "machine.gone", Message: "gone"},
	} {
		if states[i] != want {
			t.Errorf("%+v, want %+v", states[i], want)
		}
	}
}

// What is no answer of Azure is an error of the handler: the message comes again.
func TestErrorsThatAreNotAzures(t *testing.T) {
	broke := errors.New("broken pipe")
	for _, tt := range []struct {
		name  string
		spoil func(*fake, *workflow.Event[events.Registered])
	}{
		{"of a look", func(f *fake, _ *workflow.Event[events.Registered]) { f.err = broke }},
		{"of a submission", func(f *fake, _ *workflow.Event[events.Registered]) { f.refuse = func(string) error { return broke } }},
		{"of a mark", func(_ *fake, e *workflow.Event[events.Registered]) {
			e.Stands = func(context.Context, string) (bus.Received, bool, error) { return bus.Received{}, false, broke }
		}},
	} {
		f := &fake{look: vaultOf(failedOver("web01"))}
		s := starts(t, f)
		tt.spoil(f, &s.event)
		s.event.Data.Case.CheckedAt = s.now
		x := executor{sites: map[string]Site{"tokyo": {Vault: f, Inventory: f, Look: 30 * time.Second}}, queues: map[string]*admission.Queue{"tokyo": s.queue}, now: func() time.Time { return s.now }}
		if _, err := x.registered(t.Context(), s.event, startState{}); !errors.Is(err, broke) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if d := s.queue.Ask(admission.Request{ID: "another", Machines: []admission.Machine{{Item: "/items/web01"}}}, f.look); d.Outcome != admission.Admitted {
			t.Errorf("%s: its place is not given back: %+v", tt.name, d)
		}
	}
}

func TestNew(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	now := func() time.Time { return cleared }
	s := New(map[string]Site{"tokyo": {Vault: f, Limits: admission.Limits{StartsPerMinute: 10}}, "osaka": {Vault: f}}, now)
	if !s.Alone || s.Name != "executor" || len(s.Routes) != 5 {
		t.Errorf("%+v", s)
	}
	s.Begin(t.Context())
	x := executor{sites: map[string]Site{"tokyo": {Limits: admission.Limits{StartsPerMinute: 10}}, "osaka": {}}}
	if got := x.longest(); got != workflow.Limit+10*time.Minute {
		t.Errorf("a start may take %v", got)
	}
	if got := (executor{sites: map[string]Site{"osaka": {}}}).longest(); got != workflow.Limit {
		t.Errorf("a start may take %v", got)
	}
	if _, _, err := x.site("kyoto"); err == nil {
		t.Error("a site that nobody knows")
	}
}
