package executor

import (
	"context"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// What an operator has to see to before anything of a case has started is waited for, with an end; 'retry' helps at once.
func TestARefusalForTheOperator(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"), failedOver("db01"))}
	tries, refusing := 0, true
	f.refuse = func(string) error {
		tries++
		if refusing {
			return &observed.Fault{Code: "4711", Class: observed.Operator, What: "no", Remedy: "do as Azure says"}
		}
		return nil
	}
	s := starts(t, f)
	look := func(after time.Duration) any {
		said, _ := s.look(after)
		return said
	}
	w := look(0).(events.Waiting)
	if w.For != events.ForOperator || w.Code != "4711" || w.Machines[0] != "web01" || w.Remedy != "do as Azure says" || !w.Until.Equal(cleared.Add(2*time.Hour)) {
		t.Errorf("%+v", w)
	}
	if said := look(time.Minute); said != nil || tries != 1 {
		t.Errorf("after %d tries: %+v", tries, said)
	}
	if look(10 * time.Minute); tries != 2 {
		t.Errorf("%d tries by itself", tries)
	}
	s.now = s.now.Add(time.Minute)
	s.retrying = s.now
	if look(0); tries != 3 {
		t.Errorf("%d tries after somebody asked", tries)
	}
	bounded := s.kept
	if d, ok := look(2 * time.Hour).(events.Failed); !ok || d.Code != "4711" || d.Machines[1].State != "not-started" {
		t.Errorf("%+v", d)
	}
	s.kept, s.now, refusing = bounded, cleared.Add(time.Hour), false
	if d, ok := look(0).(events.Started); !ok || len(d.Jobs) != 2 {
		t.Errorf("%+v", d)
	}
}

// Once something of a group has started, the others go on, and the end names who was refused.
func TestARefusalInAGroupThatHasBegun(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"), failedOver("db01"), failedOver("app01"))}
	f.refuse = func(machine string) error {
		if machine == "db01" {
			return &observed.Fault{Code: "4711", Class: observed.Operator, What: "no", Remedy: "do as Azure says"}
		}
		return nil
	}
	d := ask(t, f, nil).Publish[0].Data().(events.Started)
	if d.Jobs[0].Job == "" || d.Jobs[2].Job == "" || d.Jobs[1].Refused == nil || !d.Jobs[1].Again || d.Jobs[1].Refused.Remedy != "do as Azure says" {
		t.Errorf("%+v", d.Jobs)
	}
}

func TestACancelStopsTheRestOfAGroup(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"), failedOver("db01"), failedOver("app01"))}
	r := ask(t, f, func(e *workflow.Event[events.Registered]) {
		e.Stands = func(_ context.Context, subject string) (bus.Received, bool, error) {
			if len(f.submitted) < 2 || !strings.HasSuffix(subject, ".cancelling") {
				return bus.Received{}, false, nil
			}
			raw, err := events.Encode(events.Event[events.Cancelling]{Header: events.Header{
				ID: "r7/cancel", Source: "/reprotect/tokyo/validator", Type: events.TypeCancelling.CloudType(), Subject: "r7", Time: cleared, Site: "tokyo", Case: "r7", Step: events.StepCancel, Request: "r7"}})
			return bus.Received{Message: bus.Message{Data: raw}}, true, err
		}
	})
	d := r.Publish[0].Data().(events.Started)
	if len(f.submitted) != 2 || d.Jobs[2].Refused == nil || d.Jobs[2].Refused.Code != codeCancelled {
		t.Errorf("%d submitted: %+v", len(f.submitted), d.Jobs)
	}
}

// A group is complete, or nothing of it starts (S37).
func TestARefusalBeforeAnythingHasBegunEndsTheGroup(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"), failedOver("db01"))}
	asked := 0
	f.refuse = func(string) error {
		asked++
		return &observed.Fault{Code: "90001", Class: observed.Permanent, What: "never", Remedy: "begin anew"}
	}
	d, ok := ask(t, f, nil).Publish[0].Data().(events.Failed)
	if !ok || asked != 1 || d.Code != "90001" || d.Remedy != "begin anew" || len(d.Machines) != 2 {
		t.Errorf("after %d submissions: %+v", asked, d)
	}
}

// A case that waited in the queue for longer than jobWait has its whole time once it is refused.
func TestARefusalAfterALongWaitInTheQueue(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.refuse = func(string) error {
		return &observed.Fault{Code: "4711", Class: observed.Operator, What: "no", Remedy: "do it"}
	}
	r := ask(t, f, func(e *workflow.Event[events.Registered]) { e.Time = cleared.Add(-3 * time.Hour) })
	if w, ok := r.Publish[0].Data().(events.Waiting); !ok || w.For != events.ForOperator || !w.Until.Equal(w.Since.Add(time.Hour)) || r.After == 0 {
		t.Errorf("%+v", r)
	}
}

// Of a group that has begun, one machine cannot start any more: it ends with the others, which are followed.
func TestAMachineThatIsGoneDoesNotHideThoseUnderWay(t *testing.T) {
	under := failedOver("web01")
	under.JobID, under.Scenario = "j1", observed.ReprotectScenario
	f := &fake{look: vaultOf(under, failedOver("db01"), failedOver("app01"))}
	r := ask(t, f, func(*workflow.Event[events.Registered]) { f.look.Items = f.look.Items[:2:2] }) // app01 is gone
	d, ok := r.Publish[0].Data().(events.Started)
	if !ok || d.Jobs[0].Job != "j1" || d.Jobs[1].Job != "job-db01" || d.Jobs[2].Refused == nil || d.Jobs[2].Refused.Code != "machine.gone" {
		t.Errorf("%+v", r.Publish[0].Data())
	}
}
