package validator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// told is an event log: the facts of each case.
type told map[string][]bus.Received

var errAway = errors.New("the bus is away")

func (l told) Story(_ context.Context, caseID string) ([]bus.Received, error) {
	if caseID == "away" {
		return nil, errAway
	}
	return l[caseID], nil
}

// Kept says that the log has every command but that of a log that is behind.
func (l told) Kept(_ context.Context, subject, id string) (bool, error) {
	if !strings.HasPrefix(subject, events.SubjectCommands+".") || id == "" {
		return false, errors.New("no command")
	}
	return l["behind"] == nil, nil
}

// tell adds a fact to the story of a case.
func tell[T any](t *testing.T, l told, caseID, step, cause string, kind events.Type[T], data T) {
	t.Helper()
	if step == "" {
		step = kind.Step
	}
	n := len(l[caseID]) + 1
	id := caseID + "/" + step
	if !kind.Decides() {
		id = fmt.Sprintf("%s/%d", id, n)
	}
	raw, err := events.Encode(events.Event[T]{Header: events.Header{
		ID: id, Source: "/reprotect/tokyo/test", Type: kind.CloudType(), Subject: caseID, Site: "tokyo",
		Case: caseID, Step: step, Request: "r7", Causation: cause, Position: n, Time: acceptedAt.Add(time.Duration(n) * time.Minute),
	}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	subject := events.FactSubject("tokyo", caseID, step, kind.Name)
	l[caseID] = append(l[caseID], bus.Received{Message: bus.Message{Subject: subject, Data: raw}, Sequence: uint64(n)})
}

// stories tells of cases in every state.
func stories(t *testing.T) told {
	l := told{}
	pair := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/1", Architecture: "classic"}, {Name: "db01", Item: "/2", Architecture: "classic"}}, Reason: "CHG1"}
	for _, id := range []string{"runs", "waits", "cancelling", "completed", "rehearsed", "failed", "rejected", "taken", "twice--2"} {
		c := pair
		if id == "twice--2" {
			c.RetryOf = "twice"
		}
		tell(t, l, id, "", "r7", events.TypeAccepted, events.Accepted{Case: c})
	}
	operator := events.Waiting{For: events.ForOperator, Message: "no way", Since: acceptedAt, NextLook: acceptedAt}
	tell(t, l, "runs", "", "", events.TypeWaiting, operator)
	tell(t, l, "runs", "", "", events.TypeProgressed, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", State: "running"}}})
	tell(t, l, "waits", "", "", events.TypeWaiting, operator)
	tell(t, l, "flows", "", "r7", events.TypeAccepted, events.Accepted{Case: pair})
	tell(t, l, "flows", "", "", events.TypeProgressed, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", State: "replicating"}, {Machine: "db01", State: "protected"}}})
	tell(t, l, "half", "", "r7", events.TypeAccepted, events.Accepted{Case: pair})
	tell(t, l, "half", "", "", events.TypeWaiting, operator)
	tell(t, l, "half", "", "", events.TypeProgressed, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", State: "running", For: events.ForOperator}, {Machine: "db01", State: "replicating"}}})
	tell(t, l, "others", "", "r7", events.TypeAccepted, events.Accepted{Case: pair})
	tell(t, l, "others", "", "", events.TypeProgressed, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", State: "running", For: events.ForOperator}, {Machine: "db01", State: "failed"}}})
	tell(t, l, "others", "", "", events.TypeWaiting, operator)
	tell(t, l, "others", "", "", events.TypeWaiting, events.Waiting{For: events.ForOthers, Message: "db01 failed"})
	tell(t, l, "cancelling", "", "", events.TypeCancelling, events.Cancelling{})
	tell(t, l, "completed", "", "", events.TypeCompleted, events.Completed{Case: pair, Machines: []events.ProtectedState{{Machine: "web01", Item: "/1", Since: acceptedAt}}})
	tell(t, l, "rehearsed", "", "", events.TypeRehearsed, events.Rehearsed{Case: pair, Would: pair.Machines})
	half := []events.MachineState{{Machine: "web01", State: "protected"}, {Machine: "db01", State: "failed"}}
	for _, id := range []string{"failed", "taken", "twice--2"} {
		tell(t, l, id, events.StepReplication, "", events.TypeFailed, events.Failed{Case: &pair, Code: "8061", Message: "no", Remedy: "mount", Machines: half})
	}
	tell(t, l, "r8", "", "", events.TypeRefused, events.Refused{Problems: []events.Problem{{Code: "x", Message: "y"}}})
	tell(t, l, "r9", "", "", events.TypeWaiting, events.Waiting{For: "azure", Message: "away"})
	tell(t, l, "r10", "", "", events.TypeWaiting, events.Waiting{For: "azure", Message: "away"})
	tell(t, l, "r10", "", "", events.TypeCancelling, events.Cancelling{}) // in its last moment
	tell(t, l, "r10", "", "", events.TypeProgressed, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", State: "not-started"}}})
	tell(t, l, "rejected", events.StepValidation, "", events.TypeRejected, events.Rejected{Case: pair, Problems: []events.Problem{{Code: "x", Message: "y"}}})
	tell(t, l, "taken--2", "", "an-older-retry", events.TypeAccepted, events.Accepted{Case: pair})
	return l
}

func TestCancel(t *testing.T) {
	for _, tt := range []struct {
		name, caseID string
		looks        int
		want         string // the kind that is published, or the code of a refusal
		again        bool   // it looks again
	}{
		{"one that runs", "runs", 0, "cancelling", false},
		{"one that is being cancelled", "cancelling", 0, "", false},
		{"one of which one machine waits for somebody", "half", 0, "cancelling", false},
		{"one whose data flows", "flows", 0, "case.replicating", false},
		{"one that has completed", "completed", 0, "case.ended", false},
		{"one that failed", "failed", 0, "case.ended", false},
		{"nobody knows it, yet", "nowhere", 0, "", true},
		{"nobody knows it", "nowhere", 1, "case.unknown", false},
		{"a request that was refused", "r8", 0, "request.refused", false},
		{"a request that waits", "r9", 1, "cancelling", false},
		{"a request that waited and has become cases", "r10", 0, "request.begun", false},
		{"the log is away", "away", 3, "", true},
		{"the log stays away", "away", mostLooks, "log.unread", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := changer(t).cancel(t.Context(), commandOf(events.Cancel{Case: tt.caseID, Reason: "wrong window"}, tt.looks), workflow.None{})
			judge(t, r, err, tt.want, tt.again)
		})
	}
}

// A log that has not got the command yet does not know either which cases there were before it.
func TestUnknownCaseOfALogThatIsBehind(t *testing.T) {
	v, log := changer(t), stories(t)
	log["behind"] = []bus.Received{}
	v.log = log
	for looks, want := range map[int]string{0: "", 1: "", 5: "", mostLooks - 1: "", mostLooks: "log.unread"} {
		r, err := v.cancel(t.Context(), commandOf(events.Cancel{Case: "nowhere"}, looks), workflow.None{})
		judge(t, r, err, want, want == "")
		r, err = v.retry(t.Context(), commandOf(events.Retry{Case: "nowhere"}, looks), workflow.None{})
		judge(t, r, err, want, want == "")
	}
	r, err := v.cancel(t.Context(), commandOf(events.Cancel{Case: "runs"}, 0), workflow.None{}) // what it knows, it knows
	judge(t, r, err, "cancelling", false)
}

// late is a log that gets the story and the command between two questions.
type late struct {
	told
	asked *int
}

func (l late) Story(ctx context.Context, caseID string) ([]bus.Received, error) {
	if *l.asked++; *l.asked == 1 {
		return nil, nil
	}
	return l.told.Story(ctx, caseID)
}

func TestCaseThatBecomesKnownWhileItIsLookedFor(t *testing.T) {
	v := changer(t)
	v.log = late{stories(t), new(int)}
	r, err := v.cancel(t.Context(), commandOf(events.Cancel{Case: "runs"}, 1), workflow.None{})
	judge(t, r, err, "cancelling", false)
}

func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		name, caseID string
		want         string
		into         string   // the case that the event belongs to
		machines     []string // of the new case
	}{
		{"one that failed: what is not protected", "failed", "accepted", "failed--2", []string{"db01"}},
		{"one that was rejected: all", "rejected", "accepted", "rejected--2", []string{"web01", "db01"}},
		{"a retry that failed", "twice--2", "accepted", "twice--3", []string{"db01"}},
		{"one that waits for somebody", "waits", "retrying", "waits", nil},
		{"one of which one machine waits for somebody, while another moves", "half", "retrying", "half", nil},
		{"one of which one machine waits for somebody, while another has failed", "others", "retrying", "others", nil},
		{"one that is under way", "runs", "case.running", "", nil},
		{"one that has completed", "completed", "case.completed", "", nil},
		{"a dry run", "rehearsed", "case.rehearsed", "", nil},
		{"a request that waits", "r9", "request.waiting", "", nil},
		{"a request that waited and has become cases", "r10", "request.begun", "", nil},
		{"one that was taken up before", "taken", "case.retried", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := changer(t).retry(t.Context(), commandOf(events.Retry{Case: tt.caseID, Reason: "corrected"}, 0), workflow.None{})
			judge(t, r, err, tt.want, false)
			if tt.into == "" {
				return
			}
			d := r.Publish[0]
			if d.Case() != tt.into {
				t.Errorf("stands in %s", d.Case())
			}
			if a, ok := d.Data().(events.Accepted); ok {
				if a.Case.RetryOf != tt.caseID || a.Case.Reason != "corrected" || !slices.Equal(a.Case.Names(), tt.machines) {
					t.Errorf("%+v", a.Case)
				}
			}
		})
	}
}

// The same command twice, as the bus may deliver it, makes one case.
func TestRetryIsDeliveredTwice(t *testing.T) {
	v := changer(t)
	e := commandOf(events.Retry{Case: "taken"}, 0)
	e.ID = "an-older-retry"
	r, err := v.retry(t.Context(), e, workflow.None{})
	judge(t, r, err, "accepted", false)
}

// A request that waits for Azure can be cancelled; the command may come in the moment in which it becomes cases.
func TestCancelOfARequestThatWaits(t *testing.T) {
	marks := told{}
	tell(t, marks, "r8", "", "", events.TypeCancelling, events.Cancelling{Reason: "wrong window"})
	stands := func(_ context.Context, subject string) (bus.Received, bool, error) {
		r := marks["r8"][0]
		return r, r.Subject == subject, nil
	}
	v := changer(t)
	site := v.sites["tokyo"]
	site.Inventory = bare{}
	v.sites["tokyo"] = site
	for _, tt := range []struct {
		id    string
		looks int
		want  string // code of the refusal; "": it becomes cases
	}{
		{"r8", 1, "request.cancelled"},
		{"r8", 0, ""}, // it did not wait
		{"r9", 1, ""},
	} {
		e := commandOf(events.Request{Machines: []events.RequestMachine{{Name: "web01"}}}, tt.looks)
		e.ID, e.Stands = tt.id, stands
		r, err := v.requested(t.Context(), e, waiting.Told{})
		if err != nil || len(r.Publish) == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if d, ok := r.Publish[0].Data().(events.Refused); ok != (tt.want != "") || ok && d.Problems[0].Code != tt.want {
			t.Errorf("%s after %d looks: %+v", tt.id, tt.looks, r.Publish[0].Data())
		}
		var moves []string // its own story tells that it waits no more
		for _, d := range r.Publish {
			if p, ok := d.Data().(events.Progressed); ok {
				moves = append(moves, d.Case()+" "+p.Machines[0].Machine+" "+string(p.Machines[0].State))
			}
		}
		if waited := tt.looks > 0 && tt.want == ""; waited != slices.Equal(moves, []string{tt.id + " web01 not-started"}) || !waited && moves != nil {
			t.Errorf("%s after %d looks moves: %q", tt.id, tt.looks, moves)
		}
	}
	for request, want := range map[string]string{"r8": "cancelled", "r9": ""} {
		var e workflow.Event[events.Accepted]
		e.Site, e.Case, e.Request, e.Time, e.Stands = "tokyo", request+"-web01", request, acceptedAt, stands
		e.Data.Case = events.Case{RequestedAt: acceptedAt.Add(-time.Hour), Machines: []events.Machine{{Name: "web01", Item: "/1"}}}
		r, err := v.accepted(t.Context(), e, waiting.Told{})
		if err != nil || len(r.Publish) != 1 || (r.Publish[0].Kind().Name == "cancelled") != (want != "") {
			t.Errorf("%s: %+v, %v", request, r, err)
		}
	}
}

// bare is a vCenter that shows nothing.
type bare struct{}

func (bare) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	return observed.Inventory{}, nil
}

func changer(t *testing.T) validator {
	return validator{map[string]Site{"tokyo": {Vault: &refreshed{facts: theVault()}}}, stories(t), func() time.Time { return acceptedAt }}
}

func commandOf[T any](data T, looks int) (e workflow.Event[T]) {
	e.ID, e.Data, e.Looks, e.Received = "cmd-1", data, looks, acceptedAt
	return e
}

func judge(t *testing.T, r workflow.Result[workflow.None], err error, want string, again bool) {
	t.Helper()
	if err != nil || (r.After > 0) != again {
		t.Fatalf("again after %v: %v", r.After, err)
	}
	if want == "" {
		if len(r.Publish) != 0 {
			t.Errorf("published %+v", r.Publish[0].Data())
		}
		return
	}
	if len(r.Publish) != 1 {
		t.Fatalf("published %d events", len(r.Publish))
	}
	d, refused := r.Publish[0].Data().(events.Refused)
	switch {
	case refused && (d.Problems[0].Code != want || d.Problems[0].Remedy == "" || !strings.Contains(d.Problems[0].Message, "ase ")):
		t.Errorf("refused with %+v", d.Problems[0])
	case !refused && r.Publish[0].Kind().Name != want:
		t.Errorf("published %s, want %s", r.Publish[0].Kind().Name, want)
	}
}
