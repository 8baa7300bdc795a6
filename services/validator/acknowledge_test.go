package validator

import (
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/workflow"
)

// alarmed tells of a case whose alarms stand in every state; the n-th report of its guard has the number n.
func alarmed(t *testing.T) told {
	l := stories(t)
	for range 2 { // the ids of alarms have the numbers of their reports
		tell(t, l, "alarmed", "", "r7", events.TypeAccepted, events.Accepted{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/1", Architecture: "classic"}}}})
	}
	violated := events.Violated{Code: "guard.powered-on", Machine: "web01", What: "web01 was switched on", Endangers: "its disks", Do: "Switch it off"}
	over := events.Cleared{Code: violated.Code, What: "off", From: acceptedAt, Until: acceptedAt.Add(time.Minute)}
	tell(t, l, "alarmed", "", "", events.TypeViolated, violated) // 3: open
	tell(t, l, "alarmed", "", "", events.TypeViolated, violated) // 4: over, with damage
	tell(t, l, "alarmed", "", "", events.TypeViolated, violated) // 5: over, without
	tell(t, l, "alarmed", "", "", events.TypeViolated, violated) // 6: acknowledged by another command
	tell(t, l, "alarmed", "", "", events.TypeViolated, violated) // 7: acknowledged by this command
	over.Violation = "alarmed/guard/5"
	tell(t, l, "alarmed", "", "", events.TypeCleared, over)
	over.Violation, over.Remains = "alarmed/guard/4", "its disks may be damaged"
	tell(t, l, "alarmed", "", "", events.TypeCleared, over)
	tell(t, l, "alarmed", "", "cmd-0", events.TypeAcknowledged, events.Acknowledged{Violation: "alarmed/guard/6", Reason: "seen", RequestedBy: "ops"})
	tell(t, l, "alarmed", "", "cmd-1", events.TypeAcknowledged, events.Acknowledged{Violation: "alarmed/guard/7", Reason: "seen"})
	return l
}

func TestVSphereAcknowledge(t *testing.T) {
	for _, tt := range []struct {
		name, alarm string
		looks       int
		want        string // the kind that is published, or the code of a refusal
		again       bool
	}{
		{"one that is open", "alarmed/guard/3", 0, "acknowledged", false},
		{"one that is over and left damage", "alarmed/guard/4", 0, "acknowledged", false},
		{"one that is over and left nothing", "alarmed/guard/5", 0, "alarm.over", false},
		{"one that somebody has acknowledged", "alarmed/guard/6", 0, "alarm.acknowledged", false},
		{"the command comes again", "alarmed/guard/7", 0, "", false},
		{"no alarm of that number, yet", "alarmed/guard/8", 0, "", true},
		{"no alarm of that number", "alarmed/guard/8", 1, "alarm.unknown", false},
		{"no case of that id, yet", "nowhere/guard/8", 0, "", true},
		{"no case of that id", "nowhere/guard/8", 1, "case.unknown", false},
		{"the log is away", "away/guard/3", 3, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := changer(t)
			v.log = alarmed(t)
			e := commandOf(events.Acknowledge{Alarm: tt.alarm, Reason: "resynchronized", RequestedBy: "ops@example.com"}, tt.looks)
			e.Type = events.TypeAcknowledge.CloudType()
			r, err := v.acknowledge(t.Context(), e, workflow.None{})
			switch {
			case err != nil || (r.After > 0) != tt.again || (len(r.Publish) == 1) != (tt.want != ""):
				t.Fatalf("%+v, %v", r, err)
			case tt.want == "":
				return
			}
			switch d := r.Publish[0].Data().(type) {
			case events.Refused:
				if p := d.Problems[0]; p.Code != tt.want || p.Place != "/data/alarm" || p.Remedy == "" {
					t.Errorf("%+v", p)
				}
			case events.Acknowledged:
				if tt.want != "acknowledged" || r.Publish[0].Case() != "alarmed" || d != (events.Acknowledged{Violation: tt.alarm, Reason: "resynchronized", RequestedBy: "ops@example.com"}) {
					t.Errorf("%+v", d)
				}
			default:
				t.Errorf("%+v", d)
			}
		})
	}
}

// A site that another process serves answers itself.
func TestVSphereAcknowledgeElsewhere(t *testing.T) {
	v := validator{map[string]Site{"tokyo": {Elsewhere: true}}, alarmed(t), func() time.Time { return acceptedAt }}
	r, err := v.acknowledge(t.Context(), commandOf(events.Acknowledge{Alarm: "alarmed/guard/3", Reason: "x"}, 0), workflow.None{})
	if err != nil || len(r.Publish) != 0 || r.After != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
