package notifier

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/workflow"
)

var (
	when    = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	theCase = events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic", Choice: events.Choice{Datastore: "VMFS-01"}, Location: "original"}}, Reason: "CHG0012345"}
	problem = events.Problem{Code: "x", Place: "/data/machines/0/name", Message: "No machine web09", Remedy: "Name another."}
)

// fact is an event of a kind with what must be told of it.
type fact struct {
	draft workflow.Draft
	level string
	title string
	parts []string
}

func facts() map[string]fact {
	return map[string]fact{
		"accepted":  {workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: theCase}), events.LevelInfo, "Reprotect requested: web01", []string{"CHG0012345"}},
		"refused":   {workflow.Fact(events.TypeRefused, "", events.Refused{Problems: []events.Problem{problem}}), events.LevelWarning, "Request refused", []string{"No machine web09. Name another."}},
		"rejected":  {workflow.Fact(events.TypeRejected, events.StepValidation, events.Rejected{Case: theCase, Problems: []events.Problem{problem}}), events.LevelWarning, "Not reprotected: web01", []string{"Nothing was changed"}},
		"started":   {workflow.Fact(events.TypeStarted, "", events.Started{Case: theCase, Jobs: []events.Job{{Machine: "web01", Job: "j1", Adopted: true}}}), events.LevelInfo, "Reprotect started: web01", []string{"j1", "running already", "Do not switch"}},
		"rehearsed": {workflow.Fact(events.TypeRehearsed, "", events.Rehearsed{Case: theCase, Would: theCase.Machines}), events.LevelInfo, "Rehearsal passed: web01", []string{"VMFS-01", "Nothing was started"}},
		"completed": {workflow.Fact(events.TypeCompleted, "", events.Completed{Case: theCase, Machines: []events.ProtectedState{{Machine: "web01", Item: "/i"}}}), events.LevelInfo, "Protected: web01", []string{"Failback"}},
		"failed": {workflow.Fact(events.TypeFailed, events.StepReplication, events.Failed{Case: &theCase, Code: "8061", Message: "The job failed", Words: "datastore not accessible", Remedy: "Mount it.",
			Machines: []events.MachineState{{Machine: "web01", State: "failed"}}}), events.LevelCritical, "Reprotect failed: web01", []string{"The job failed. Mount it.", "Azure says: datastore not accessible", "web01: failed"}},
		"cancelled": {workflow.Fact(events.TypeCancelled, events.StepSubmission, events.Cancelled{Case: theCase, Reason: "wrong machine"}), events.LevelWarning, "Cancelled: web01", []string{"wrong machine"}},
		"waiting": {workflow.Fact(events.TypeWaiting, "", events.Waiting{For: "agent", Machines: []string{"web01"}, Message: "No agent yet.", Since: when, Until: when, NextLook: when}),
			events.LevelInfo, "Waiting: web01", []string{"No agent yet.", "09:30 UTC"}},
		"waiting for somebody": {workflow.Fact(events.TypeWaiting, "", events.Waiting{For: "vcenter", Machines: []string{"web01"}, Message: "Login refused", Remedy: "Correct the password.", Since: when, NextLook: when}),
			events.LevelWarning, "Waiting: web01", []string{"Correct the password."}},
		"violated": {workflow.Fact(events.TypeViolated, "", events.Violated{Code: "guard.powered-on", Machine: "web01", What: "web01 was switched on", Endangers: "Its disks.", Do: "Switch it off."}),
			events.LevelCritical, "Danger: web01 was switched on", []string{"Its disks.", "Switch it off."}},
		"cleared": {workflow.Fact(events.TypeCleared, "", events.Cleared{Violation: "r7/guard/1", Code: "guard.snapshot", What: "MT has no snapshot any more", From: when, Until: when}),
			events.LevelInfo, "Over: MT has no snapshot any more", []string{"from 2026-11-22 09:30:00 to 2026-11-22 09:30:00 UTC"}},
		"cleared, with damage": {workflow.Fact(events.TypeCleared, "", events.Cleared{Violation: "r7/guard/1", Code: "guard.powered-on", Machine: "web01", What: "web01 is off again", From: when, Until: when, Remains: "Its disks may be damaged", Do: "Resynchronize."}),
			events.LevelWarning, "Over: web01 is off again", []string{"Its disks may be damaged. Resynchronize.", "acknowledges"}},
		"acknowledged": {workflow.Fact(events.TypeAcknowledged, "", events.Acknowledged{Violation: "r7/guard/1", Reason: "Resynchronized", RequestedBy: "ops"}),
			events.LevelInfo, "Alarm acknowledged by ops", []string{"r7/guard/1", "Resynchronized"}},
		"unwatched": {workflow.Fact(events.TypeUnwatched, "", events.Unwatched{VM: "MT", Writer: "master target", Code: "guard.ambiguous", What: "Two VMs may be it", Do: "Name it.", Candidates: []string{"/DC/vm/MT", "/DC/vm/old/MT"}, Since: when}),
			events.LevelWarning, "Not watched: MT", []string{"Two VMs may be it. Name it.", "/DC/vm/MT", "/DC/vm/old/MT"}},
		"watched": {workflow.Fact(events.TypeWatched, "", events.Watched{Unwatched: "r7/guard/1", VM: "MT", What: "MT is watched again", From: when, Until: when}),
			events.LevelInfo, "Watched again: MT", []string{"MT is watched again. It was not watched from"}},
	}
}

// source publishes one fact when the case is asked for, as another service would.
func source(d workflow.Draft) workflow.Service {
	return workflow.Service{Name: "source", Routes: []workflow.Route{
		workflow.OnUnknownCommand(func(events.Header, []byte, error) workflow.Draft { return d.For("tokyo", "r7", "r7") }),
	}}
}

func TestTells(t *testing.T) {
	for name, f := range facts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				note := told(t, f.draft)
				if note == nil {
					t.Fatal("nothing was told")
				}
				n := note.Data
				if n.Level != f.level || n.Title != f.title || n.Kind != f.draft.Kind().Name || !strings.HasPrefix(n.Fact, "r7/") {
					t.Errorf("%+v", n)
				}
				for _, part := range f.parts {
					if !strings.Contains(n.Text, part) {
						t.Errorf("the text does not say %q: %s", part, n.Text)
					}
				}
			})
		})
	}
}

func TestKeepsSilentOnStepsInBetween(t *testing.T) {
	for _, draft := range []workflow.Draft{
		workflow.Fact(events.TypeValidated, "", events.Validated{Case: theCase, Findings: []events.Finding{}}),
		workflow.Fact(events.TypeProgressed, "", events.Progressed{Machines: []events.MachineProgress{}}),
	} {
		synctest.Test(t, func(t *testing.T) {
			if note := told(t, draft); note != nil {
				t.Errorf("%s was told: %+v", draft.Kind().Name, note.Data)
			}
		})
	}
}

// told publishes a fact and returns the notification of it, or nil when there is none.
func told(t *testing.T, d workflow.Draft) *events.Event[events.Note] {
	b := memory.New(memory.Faults{})
	for _, s := range []workflow.Service{source(d), PerMachine()} {
		conn := b.Connect()
		done := make(chan error, 1)
		go func() { done <- workflow.Run(t.Context(), conn, s, workflow.Options{}) }()
		t.Cleanup(func() { <-done })
	}
	if err := b.Connect().Publish(t.Context(), bus.Message{Subject: "reprotect.command.go", ID: "r7", Data: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	log := b.Log()
	i := slices.IndexFunc(log, func(r bus.Received) bool { return strings.HasPrefix(r.Subject, events.SubjectNotifications) })
	if i < 0 {
		return nil
	}
	e, err := events.Decode(events.TypeNotification, log[i].Data)
	if err != nil {
		t.Fatal(err)
	}
	if want := events.NotificationSubject("tokyo", e.Data.Level); log[i].Subject != want {
		t.Errorf("stands on %s, want %s", log[i].Subject, want)
	}
	return &e
}

func TestTitlesStayShort(t *testing.T) {
	var many events.Case
	for i := range 50 {
		many.Machines = append(many.Machines, events.Machine{Name: fmt.Sprintf("vm%02d", i)})
	}
	if got := completed(events.Completed{Case: many}); got.Title != "Protected: vm00, vm01, vm02 and 47 more" || len(got.Machines) != 50 {
		t.Errorf("%q, %d machines", got.Title, len(got.Machines))
	}
}

// A place in the admission queue changes often, and the case starts by itself.
func TestAPlaceInTheLineIsNotNotified(t *testing.T) {
	if note := waits(events.Waiting{For: "turn", Place: 3, Message: "60 starts a minute are allowed"}); note.Title != "" {
		t.Errorf("%+v", note)
	}
}

// Two machines of one name are told apart.
func TestTwinsAreToldApart(t *testing.T) {
	twins := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/a"}, {Name: "WEB01", Item: "/items/b"}}}
	if n := completed(events.Completed{Case: twins}); n.Title != "Protected: web01 (a), WEB01 (b)" || !slices.Equal(n.Machines, []string{"web01", "WEB01"}) {
		t.Errorf("%s, %v", n.Title, n.Machines)
	}
	if n := started(events.Started{Case: twins, Jobs: []events.Job{{Machine: "web01", Item: "/items/a", Job: "j1"}}}); !strings.HasPrefix(n.Text, "web01 (a): job j1") {
		t.Error(n.Text)
	}
	if n := waits(events.Waiting{For: events.ForAgent, Machines: []string{"web01", "db01"}, Items: []string{"/items/b", ""}}); n.Title != "Waiting: web01 (b), db01" {
		t.Error(n.Title)
	}
	if n := failed(events.Failed{Machines: []events.MachineState{{Machine: "web01", Item: "/items/b", State: events.StateFailed}}}); !strings.HasSuffix(n.Text, "web01 (b): failed") {
		t.Error(n.Text)
	}
}
