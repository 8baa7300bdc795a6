package workflow

import (
	"strings"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// deciders are the services that decide each step.
var deciders = map[string]string{
	events.StepRequest: "validator", events.StepValidation: "validator", events.StepPlacement: "datastore",
	events.StepRegistration: "agentwatcher", events.StepSubmission: "executor", events.StepReplication: "executor",
}

// Decider is the service that decides a step; "" where there is no such step.
func Decider(step string) string { return deciders[step] }

// Occupies says of a message of the event log which step it keeps from being decided, and why it is no outcome of that: one
// that stands under the step, or that has the id of its outcome where the bus goes by that. step is "" where it occupies none.
func Occupies(r bus.Received) (caseID, step, why string) {
	if strings.HasPrefix(r.Subject, events.SubjectCommands+".") || r.Woken {
		return "", "", ""
	}
	site, caseID, step, _, isFact := events.SplitFact(r.Subject)
	byID, stepByID, hasID := strings.Cut(r.ID, "/")
	switch {
	case hasID && Decider(stepByID) != "" && (!isFact || byID != caseID || stepByID != step):
		return byID, stepByID, "it has the id of that step's outcome, and stands on " + r.Subject
	case !isFact || Decider(step) == "":
		return "", "", ""
	}
	if why = NoOutcome(r, site, caseID, step, "/reprotect/"+site+"/"+Decider(step)); why == "" {
		return "", "", ""
	}
	return caseID, step, why
}
