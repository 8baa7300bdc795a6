package cases

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
)

// States of an alarm.
const (
	AlarmOpen         = "open"         // what was told is so
	AlarmEnded        = "ended"        // it is over, and may have left damage
	AlarmAcknowledged = "acknowledged" // a person has seen to it
	AlarmCleared      = "cleared"      // it is over and left nothing
)

// Alarm is a violation that the guard told, and what became of it.
type Alarm struct {
	ID string `json:"id"` // of the event violated; 'acknowledge' takes it
	events.Violated
	State   string    `json:"state"`
	From    time.Time `json:"from,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Remains string    `json:"remains,omitempty"` // what damage it may have left
	Reason  string    `json:"reason,omitempty"`  // of whoever acknowledged it
	By      string    `json:"by,omitempty"`

	Acknowledge string `json:"-"` // id of the command that acknowledged it
}

// AcknowledgedAfter is how far behind the number of an alarm that of its acknowledgement stands among the guard's reports
// of a case. The guard leaves it free, so that however many say the same, the bus keeps one.
const AcknowledgedAfter = 2

var alarmID = regexp.MustCompile(`^([a-z0-9-]{1,128})/` + events.StepGuard + `/([1-9][0-9]{0,8})$`)

// AlarmPlace takes the id of an alarm apart: the case that it belongs to, and its number there; ok is false when it is none.
func AlarmPlace(id string) (caseID string, number int, ok bool) {
	parts := alarmID.FindStringSubmatch(id)
	if parts == nil {
		return "", 0, false
	}
	number, _ = strconv.Atoi(parts[2]) // nine digits at most
	return parts[1], number, true
}

// Pressing says whether a person has yet to do something about the alarm.
func (a Alarm) Pressing() bool { return a.State == AlarmOpen || a.State == AlarmEnded }

// About says whether the alarm is about a machine, or about all of its case.
func (a Alarm) About(m Machine) bool {
	return a.Machine == "" || m.is(a.Item) || a.Item == "" && strings.EqualFold(a.Machine, m.Name)
}

// Pressing lists the alarms of a case about which a person has yet to do something, the latest last.
func (c Case) Pressing() []Alarm {
	return slices.DeleteFunc(slices.Clone(c.Alarms), func(a Alarm) bool { return !a.Pressing() })
}

// alarms takes in what the guard told, in whatever order it came: an end may stand in the log before its beginning.
func (c *Case) alarms(entries []Entry) {
	cleared, acknowledged, commands, watched := map[string]events.Cleared{}, map[string]events.Acknowledged{}, map[string]string{}, map[string]bool{}
	for _, e := range entries {
		switch d := e.Data.(type) {
		case events.Cleared:
			cleared[d.Violation] = d
		case events.Acknowledged:
			acknowledged[d.Violation], commands[d.Violation] = d, e.Header.Causation
		case events.Watched:
			watched[d.Unwatched] = true
		}
	}
	for _, e := range entries {
		switch d := e.Data.(type) {
		case events.Violated:
			a := Alarm{ID: e.Header.ID, Violated: d, State: AlarmOpen, From: e.Time}
			if end, over := cleared[a.ID]; over {
				a.State, a.From, a.Until, a.Remains = AlarmCleared, end.From, end.Until, end.Remains
				if end.Remains != "" {
					a.State = AlarmEnded
				}
				if end.Do != "" {
					a.Do = end.Do
				}
			}
			if by, seen := acknowledged[a.ID]; seen && a.State != AlarmCleared {
				a.State, a.Reason, a.By, a.Acknowledge = AlarmAcknowledged, by.Reason, by.RequestedBy, commands[a.ID]
			}
			c.Violations, c.Alarms = append(c.Violations, d), append(c.Alarms, a)
		case events.Unwatched:
			if !watched[e.Header.ID] {
				c.Unwatched = append(c.Unwatched, d)
			}
		}
	}
	for i, m := range c.Machines {
		for _, a := range c.Alarms {
			if a.Pressing() && a.About(m) {
				c.Machines[i].Alarms = append(c.Machines[i].Alarms, a.ID)
			}
		}
	}
}
