package validator

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
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

// story is what the facts of a case say of where it stands.
type story struct {
	site, request string
	accepted      events.Accepted
	begun         bool            // it was accepted; else it is a request that waits, when it waits
	end           events.Kind     // of its last outcome, when that is an end; the zero value otherwise
	endedAt       time.Time       // of that
	left          map[string]bool // machines that were not protected when it ended
	step          string          // that was decided last
	cancelling    bool
	waits         events.Reason // what it waits for now, as in its last report; "" when that says it moves
	moves         bool          // its last report says so; of a request: it has become cases
	stuck         bool          // one of its machines waits for an operator, whatever the others do
	flows         bool          // the data of all of its machines flows, as its last report says
	retries       int           // how often another try was asked for
	cause         string        // id of the event that made it
}

// read folds the facts of a case.
func read(log []bus.Received) (s story, err error) {
	slices.SortStableFunc(log, func(a, b bus.Received) int { return int(int64(a.Sequence) - int64(b.Sequence)) })
	for _, r := range log {
		e, err := events.Read(r.Data)
		if err != nil {
			return s, fmt.Errorf("event on %s: %w", r.Subject, err)
		}
		kind, _ := events.KindOf(e.Type)
		if kind.Role == events.Outcome || kind.Role == events.End {
			s.step, s.waits = e.Step, ""
		}
		if kind.Role == events.End {
			s.end, s.endedAt = kind, e.Time
		}
		switch d := e.Data.(type) {
		case events.Accepted:
			s.accepted, s.begun, s.site, s.request, s.cause = d, true, e.Site, e.Request, e.Causation
		case events.Cancelling:
			s.cancelling = true
		case events.Retrying:
			s.retries++
		case events.Waiting:
			s.waits, s.moves = d.For, false
			s.site, s.request = e.Site, e.Request
		case events.Progressed:
			s.waits, s.moves = "", true
			s.stuck = slices.ContainsFunc(d.Machines, func(m events.MachineProgress) bool { return m.For == waiting.ForOperator })
			s.flows = !slices.ContainsFunc(d.Machines, func(m events.MachineProgress) bool { return m.State != "replicating" && m.State != "protected" })
		case events.Failed:
			s.left = unprotected(d.Machines)
		case events.Cancelled:
			s.left = unprotected(d.Machines)
		}
	}
	return s, nil
}

// unprotected lists the machines that a case left behind; nil when its end does not say.
func unprotected(states []events.MachineState) map[string]bool {
	if len(states) == 0 {
		return nil
	}
	left := map[string]bool{}
	for _, s := range states {
		if s.State != "protected" {
			left[s.Machine] = true
		}
	}
	return left
}

// secondLook is how long a command waits whose case nobody knows: the log may be a moment behind.
const secondLook = 2 * time.Second

// look reads the story of a case.
func (v validator) look(ctx context.Context, caseID string) (s story, err error) {
	log, err := v.log.Story(ctx, caseID)
	if err != nil {
		return s, err
	}
	return read(log)
}

// nobodyKnows says that the log tells nothing of the case.
func (s story) nobodyKnows() bool { return !s.begun && s.end.Name == "" && s.waits == "" && !s.moves }

// find reads the story of the case that a command of that kind names. Done says that the command is answered with the
// result.
func (v validator) find(ctx context.Context, e events.Header, kind events.Kind, looks int, caseID string) (s story, result workflow.Result[workflow.None], done bool) {
	s, err := v.look(ctx, caseID)
	behind := false
	if err == nil && s.nobodyKnows() && looks > 0 {
		var kept bool
		kept, err = v.log.Kept(ctx, events.CommandSubject(kind), e.ID)
		behind = err == nil && !kept
		if kept { // the story may have come since
			s, err = v.look(ctx, caseID)
		}
	}
	switch {
	case err != nil && looks < mostLooks:
		return s, workflow.Result[workflow.None]{After: waiting.Pause(secondLook, looks)}, true
	case err != nil:
		return s, v.refuseChange(e, s, "log.unread", fmt.Sprintf("The event log of case %s cannot be read: %v", caseID, err),
			"Send the command again when the bus, or on Service Bus the journal, is there."), true
	case s.nobodyKnows() && (looks == 0 || behind && looks < mostLooks):
		return s, workflow.Result[workflow.None]{After: waiting.Pause(secondLook, looks)}, true
	case s.nobodyKnows() && behind:
		return s, v.refuseChange(e, s, "log.unread", fmt.Sprintf("The event log is behind: it has not got this command yet, so nobody can say whether there is a case %s", caseID),
			"Send the command again when the journal has caught up."), true
	case !s.begun && s.end == events.TypeRefused.Kind:
		return s, v.refuseChange(e, s, "request.refused", fmt.Sprintf("There is no case %s: the request of that name was refused, and nothing was begun", caseID), "Send the request again, mended: 'reprotect show "+caseID+"' says how."), true
	case !s.begun && s.waits == "" && !s.moves:
		return s, v.refuseChange(e, s, "case.unknown", fmt.Sprintf("There is no case %s", caseID), "See 'reprotect list' for the ids of all cases."), true
	}
	if site, known := v.sites[s.site]; !known || site.Elsewhere {
		return s, workflow.Result[workflow.None]{}, true // its own process answers
	}
	if !s.begun && s.moves {
		return s, v.refuseChange(e, s, "request.begun", fmt.Sprintf("There is no case %s: the request of that name has become cases", caseID),
			"Cancel its cases, or retry them, each by its own id: 'reprotect list' shows them. 'reprotect cancel "+caseID+"' on the command line cancels all of them."), true
	}
	return s, result, false
}

// mostLooks is how often a log that cannot be read, or is behind, is looked at again: some five minutes.
const mostLooks = 20

// cancel answers the command that a case be ended.
func (v validator) cancel(ctx context.Context, e workflow.Event[events.Cancel], _ workflow.None) (workflow.Result[workflow.None], error) {
	s, result, done := v.find(ctx, e.Header, events.TypeCancel.Kind, e.Looks, e.Data.Case)
	switch {
	case done || s.cancelling && s.end.Name == "":
		return result, nil // asked for twice is asked for once
	case s.end.Name != "":
		return v.refuseChange(e.Header, s, "case.ended", fmt.Sprintf("Case %s ended as %s at %s", e.Data.Case, s.end.Name, s.endedAt.UTC().Format(time.RFC3339)),
			"Nothing is left to be cancelled."), nil
	case s.begun && s.flows:
		return v.refuseChange(e.Header, s, "case.replicating", fmt.Sprintf("Every machine of case %s replicates from Azure already, and that cannot be cancelled", e.Data.Case),
			"Follow it with 'reprotect watch "+e.Data.Case+"' until its machines are protected. To give one up after all, disable its replication in the vault."), nil
	}
	draft := workflow.Fact(events.TypeCancelling, "", events.Cancelling{Reason: e.Data.Reason}).For(s.site, e.Data.Case, s.request)
	return workflow.Result[workflow.None]{Publish: []workflow.Draft{draft}}, nil
}

// retry answers the command that a case be taken up again: one that has ended by a new case, one that waits for
// somebody by another try.
func (v validator) retry(ctx context.Context, e workflow.Event[events.Retry], _ workflow.None) (workflow.Result[workflow.None], error) {
	id := e.Data.Case
	s, result, done := v.find(ctx, e.Header, events.TypeRetry.Kind, e.Looks, id)
	if done {
		return result, nil
	}
	switch s.end {
	case events.Kind{}:
		if !s.begun {
			return v.refuseChange(e.Header, s, "request.waiting", fmt.Sprintf("There is no case %s yet: the request of that name waits for %s, and goes on by itself", id, s.waits),
				"Wait until it has become cases, or cancel it."), nil
		}
		if s.waits != waiting.ForOperator && !s.stuck {
			return v.refuseChange(e.Header, s, "case.running", fmt.Sprintf("Case %s is under way: its last step was %s", id, s.step),
				"Follow it with 'reprotect watch "+id+"', or cancel it first."), nil
		}
		draft := workflow.Fact(events.TypeRetrying, "", events.Retrying{Reason: e.Data.Reason}).For(s.site, id, s.request).Numbered(s.retries + 1)
		return workflow.Result[workflow.None]{Publish: []workflow.Draft{draft}}, nil
	case events.TypeCompleted.Kind:
		return v.refuseChange(e.Header, s, "case.completed", fmt.Sprintf("Every machine of case %s is protected", id), "Nothing is left to be done: failback may begin."), nil
	case events.TypeRehearsed.Kind:
		return v.refuseChange(e.Header, s, "case.rehearsed", fmt.Sprintf("Case %s was a dry run", id), "Send the request again, without dryRun."), nil
	}
	next := nextTry(id, s.accepted.Case)
	log, err := v.log.Story(ctx, next)
	if err != nil {
		return workflow.Result[workflow.None]{}, err
	}
	if later, err := read(log); err == nil && later.begun && later.cause != e.ID {
		return v.refuseChange(e.Header, s, "case.retried", fmt.Sprintf("Case %s was taken up again as %s", id, next), "Follow or retry that one."), nil
	}
	draft := workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: takeUp(id, s, e)}).For(s.site, next, s.request)
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
func takeUp(id string, s story, e workflow.Event[events.Retry]) events.Case {
	c := s.accepted.Case
	c.RetryOf, c.RequestedAt = id, e.Received.UTC()
	if e.Data.Reason != "" {
		c.Reason = e.Data.Reason
	}
	if s.left != nil {
		c.Machines = slices.DeleteFunc(slices.Clone(c.Machines), func(m events.Machine) bool { return !s.left[m.Name] })
	}
	return c
}

// refuseChange says why a command makes no sense.
func (v validator) refuseChange(e events.Header, s story, code, message, remedy string) workflow.Result[workflow.None] {
	site := s.site
	if site == "" {
		site = v.anySite()
	}
	return workflow.Result[workflow.None]{Publish: []workflow.Draft{refusal(site, e.ID, nil, events.Problem{Code: code, Place: "/data/case", Message: message, Remedy: remedy})}}
}
