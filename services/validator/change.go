package validator

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// Log reads the event log: the stream itself on NATS, the journal on Service Bus.
type Log interface {
	// Story returns every fact of a case, in order; none when nothing is known of it.
	Story(ctx context.Context, caseID string) ([]bus.Received, error)
	// Kept says whether the log has the command with that id on that subject; then it has what came before it, too.
	Kept(ctx context.Context, subject, id string) (bool, error)
}

// read says where the case stands of which these are the facts; known is whether there are any. A fact that cannot be read
// leaves open where it stands.
func read(log []bus.Received) (c cases.Case, known bool, err error) {
	var facts []cases.Entry
	for _, r := range log {
		e := cases.ReadEntry(r)
		if !cases.IsFact(e) {
			continue
		}
		if e.Data == nil {
			return c, false, fmt.Errorf("event on %s: %s", r.Subject, e.Problem)
		}
		facts = append(facts, e)
	}
	return cases.Fold(facts), len(facts) > 0, nil
}

// secondLook is how long a command waits whose case nobody knows: the log may be a moment behind.
const secondLook = 2 * time.Second

// look reads where a case stands; known is whether the log tells anything of it.
func (v validator) look(ctx context.Context, caseID string) (c cases.Case, known bool, err error) {
	log, err := v.log.Story(ctx, caseID)
	if err != nil {
		return c, false, err
	}
	return read(log)
}

// find reads where the case stands that a command of that kind names. Done says that the command is answered with the
// result.
func (v validator) find(ctx context.Context, e events.Header, kind events.Kind, looks int, caseID string) (c cases.Case, result workflow.Result[workflow.None], done bool) {
	c, known, err := v.look(ctx, caseID)
	behind := false
	if err == nil && !known && looks > 0 {
		var kept bool
		kept, err = v.log.Kept(ctx, events.CommandSubject(kind), e.ID)
		behind = err == nil && !kept
		if kept { // the story may have come since
			c, known, err = v.look(ctx, caseID)
		}
	}
	switch {
	case err != nil && looks < mostLooks:
		return c, workflow.Result[workflow.None]{After: waiting.Pause(secondLook, looks)}, true
	case err != nil:
		return c, v.refuseChange(e, c, "log.unread", fmt.Sprintf("The event log of case %s cannot be read: %v", caseID, err),
			"Send the command again when the bus, or on Service Bus the journal, is there."), true
	case !known && (looks == 0 || behind && looks < mostLooks):
		return c, workflow.Result[workflow.None]{After: waiting.Pause(secondLook, looks)}, true
	case !known && behind:
		return c, v.refuseChange(e, c, "log.unread", fmt.Sprintf("The event log is behind: it has not got this command yet, so nobody can say whether there is a case %s", caseID),
			"Send the command again when the journal has caught up."), true
	case c.End && c.Accepted == nil:
		return c, v.refuseChange(e, c, "request.refused", fmt.Sprintf("There is no case %s: the request of that name ended as %s, and nothing was begun", caseID, c.State), "Send the request again as 'reprotect show "+caseID+"' says."), true
	case !known:
		return c, v.refuseChange(e, c, "case.unknown", fmt.Sprintf("There is no case %s", caseID), "See 'reprotect list' for the ids of all cases."), true
	}
	if site, ours := v.sites[c.Site]; !ours || site.Elsewhere {
		return c, workflow.Result[workflow.None]{}, true // its own process answers
	}
	if c.Accepted == nil && !c.End && c.For == "" {
		return c, v.refuseChange(e, c, "request.begun", fmt.Sprintf("There is no case %s: the request of that name has become cases", caseID),
			"Cancel its cases, or retry them, each by its own id: 'reprotect list' shows them. 'reprotect cancel "+caseID+"' on the command line cancels all of them."), true
	}
	return c, result, false
}

// mostLooks is how often a log that cannot be read, or is behind, is looked at again: some five minutes.
const mostLooks = 20

// cancel answers the command that a case be ended.
func (v validator) cancel(ctx context.Context, e workflow.Event[events.Cancel], _ workflow.None) (workflow.Result[workflow.None], error) {
	c, result, done := v.find(ctx, e.Header, events.TypeCancel.Kind, e.Looks, e.Data.Case)
	switch {
	case done || c.Cancelled && !c.End:
		return result, nil // asked for twice is asked for once
	case c.End:
		return v.refuseChange(e.Header, c, "case.ended", fmt.Sprintf("Case %s ended as %s at %s", e.Data.Case, c.State, c.EndedAt.UTC().Format(time.RFC3339)),
			"Nothing is left to be cancelled."), nil
	case c.Accepted != nil && c.Flows():
		return v.refuseChange(e.Header, c, "case.replicating", fmt.Sprintf("Every machine of case %s replicates from Azure already, and that cannot be cancelled", e.Data.Case),
			"Follow it with 'reprotect watch "+e.Data.Case+"' until its machines are protected. To give one up after all, disable its replication in the vault."), nil
	}
	draft := workflow.Fact(events.TypeCancelling, "", events.Cancelling{Reason: e.Data.Reason, RequestedBy: e.Data.RequestedBy}).For(c.Site, e.Data.Case, c.Request)
	return workflow.Result[workflow.None]{Publish: []workflow.Draft{draft}}, nil
}

// retry answers the command that a case be taken up again: one that has ended by a new case, one that waits for
// somebody by another try.
func (v validator) retry(ctx context.Context, e workflow.Event[events.Retry], _ workflow.None) (workflow.Result[workflow.None], error) {
	id := e.Data.Case
	c, result, done := v.find(ctx, e.Header, events.TypeRetry.Kind, e.Looks, id)
	if done {
		return result, nil
	}
	switch {
	case !c.End:
		if c.Accepted == nil {
			return v.refuseChange(e.Header, c, "request.waiting", fmt.Sprintf("There is no case %s yet: the request of that name waits for %s, and goes on by itself", id, c.For),
				"Wait until it has become cases, or cancel it."), nil
		}
		if c.For != events.ForOperator {
			return v.refuseChange(e.Header, c, "case.running", fmt.Sprintf("Case %s is under way: its last step was %s", id, c.Step),
				"Follow it with 'reprotect watch "+id+"', or cancel it first."), nil
		}
		draft := workflow.Fact(events.TypeRetrying, "", events.Retrying{Reason: e.Data.Reason, RequestedBy: e.Data.RequestedBy}).For(c.Site, id, c.Request).Numbered(c.Retries + 1)
		return workflow.Result[workflow.None]{Publish: []workflow.Draft{draft}}, nil
	case c.Good && c.Leg != events.LegReprotect && !c.DryRun:
		return v.refuseChange(e.Header, c, "case.completed", fmt.Sprintf("Case %s has led its machine to where it was to go: %s", id, c.State), "Nothing is left to be done. 'reprotect failback', 'commit' and 'protect' ask for the next step."), nil
	case c.State == events.CaseCompleted:
		return v.refuseChange(e.Header, c, "case.completed", fmt.Sprintf("Every machine of case %s is protected", id), "Nothing is left to be done: failback may begin."), nil
	case c.State == events.CaseRehearsed:
		return v.refuseChange(e.Header, c, "case.rehearsed", fmt.Sprintf("Case %s was a dry run", id), "Send the request again, without dryRun."), nil
	}
	next := nextTry(id, *c.Accepted)
	log, err := v.log.Story(ctx, next)
	if err != nil {
		return workflow.Result[workflow.None]{}, err
	}
	if later, _, err := read(log); err == nil && later.Accepted != nil && later.Cause != e.ID {
		return v.refuseChange(e.Header, c, "case.retried", fmt.Sprintf("Case %s was taken up again as %s", id, next), "Follow or retry that one."), nil
	}
	draft := workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: takeUp(id, c, e)}).For(c.Site, next, c.Request)
	return workflow.Result[workflow.None]{Publish: []workflow.Draft{draft}}, nil
}

// nextTry is the id of the case that takes a case up again: the same for every command that asks for it.
func nextTry(id string, c events.Case) string {
	n := 2
	if at := strings.LastIndex(id, "--"); c.RetryOf != "" && at >= 0 {
		if tries, err := strconv.Atoi(id[at+2:]); err == nil {
			id, n = id[:at], tries+1
		}
	}
	return fmt.Sprintf("%s--%d", id, n)
}

// takeUp makes the case that goes on with what another left: its machines that are not protected, with what was
// chosen for them when it was accepted.
func takeUp(id string, left cases.Case, e workflow.Event[events.Retry]) events.Case {
	c := *left.Accepted
	c.Machines = left.Left()
	c.RetryOf, c.RequestedAt = id, e.Received.UTC()
	c.Reason, c.RequestedBy = cmp.Or(e.Data.Reason, c.Reason), cmp.Or(e.Data.RequestedBy, c.RequestedBy)
	return c
}

// refuseChange says why a command makes no sense.
func (v validator) refuseChange(e events.Header, c cases.Case, code, message, remedy string) workflow.Result[workflow.None] {
	site := c.Site
	if site == "" {
		site = v.anySite()
	}
	place := "/data/case"
	if e.Type == events.TypeAcknowledge.CloudType() {
		place = "/data/alarm"
	}
	return workflow.Result[workflow.None]{Publish: []workflow.Draft{refusal(site, e.ID, nil, events.Problem{Code: code, Place: place, Message: message, Remedy: remedy})}}
}
