package validator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/workflow"
)

// acknowledge answers the command that a person has seen to an alarm.
func (v validator) acknowledge(ctx context.Context, e workflow.Event[events.Acknowledge], _ workflow.None) (workflow.Result[workflow.None], error) {
	id := e.Data.Alarm
	caseID, number, _ := cases.AlarmPlace(id) // its schema lets no other in
	c, result, done := v.find(ctx, e.Header, events.TypeAcknowledge.Kind, e.Looks, caseID)
	if done {
		return result, nil
	}
	at := slices.IndexFunc(c.Alarms, func(a cases.Alarm) bool { return a.ID == id })
	if at < 0 && e.Looks == 0 {
		return workflow.Result[workflow.None]{After: secondLook}, nil // the log may be a moment behind
	}
	if at < 0 {
		return v.refuseChange(e.Header, c, "alarm.unknown", fmt.Sprintf("Case %s has no alarm %s", caseID, id), "See 'reprotect show "+caseID+"' for the ids of its alarms."), nil
	}
	switch a := c.Alarms[at]; {
	case a.State == cases.AlarmCleared:
		return v.refuseChange(e.Header, c, "alarm.over", fmt.Sprintf("Alarm %s is over since %s, and left nothing: %s", id, a.Until.UTC().Format(time.RFC3339), a.What), "Nothing is left to be acknowledged."), nil
	case a.State == cases.AlarmAcknowledged && a.Acknowledge == e.ID:
		return result, nil // this command comes again
	case a.State == cases.AlarmAcknowledged:
		return v.refuseChange(e.Header, c, "alarm.acknowledged", strings.TrimSuffix(fmt.Sprintf("Alarm %s was acknowledged by %s: %s", id, orSomebody(a.By), a.Reason), ": "), "Nothing is left to be acknowledged."), nil
	}
	fact := events.Acknowledged{Violation: id, Reason: e.Data.Reason, RequestedBy: e.Data.RequestedBy}
	draft := workflow.Fact(events.TypeAcknowledged, "", fact).For(c.Site, caseID, c.Request).Numbered(number + cases.AcknowledgedAfter)
	return workflow.Result[workflow.None]{Publish: []workflow.Draft{draft}}, nil
}

func orSomebody(name string) string {
	if name == "" {
		return "somebody"
	}
	return name
}
