package events

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Steps of a case. Each has exactly one outcome, for ever; the others only hold what may come more often.
const (
	StepRequest      = "request"
	StepValidation   = "validation"
	StepPlacement    = "placement"
	StepRegistration = "registration"
	StepSubmission   = "submission"
	StepReplication  = "replication"

	// Of a case that leads machines home (Leg), after the submission.
	StepFailback   = "failback"   // home
	StepCommit     = "commit"     // committed, or withdrawn
	StepProtection = "protection" // protected

	StepCancel   = "cancel"   // one cancelling
	StepRetry    = "retry"    // retrying
	StepProgress = "progress" // waiting, progressed
	StepGuard    = "guard"    // violated, cleared, acknowledged, unwatched, watched, returned
)

// Steps lists the steps that have an outcome, in the order of a case. None has all of them: which, its leg decides.
func Steps() []string {
	return []string{StepRequest, StepValidation, StepPlacement, StepRegistration, StepSubmission, StepReplication, StepFailback, StepCommit, StepProtection}
}

// Role says what an event is in the life of a case.
type Role int

const (
	Command      Role = iota + 1 // published by ops
	Outcome                      // decides a step; the case goes on
	End                          // decides a step; the case is over
	Report                       // may come more often, decides nothing
	Notification                 // for people
	DeadLetter                   // a message given up
)

// Kind names one kind of event.
type Kind struct {
	Name string // as in the subject: "accepted"
	Role Role
	Step string // the step it belongs to; "" when the publisher says which (rejected, failed, cancelled, voided)
}

// CloudType is the CloudEvents type: io.reprotect.<name>.v1.
func (k Kind) CloudType() string { return "io.reprotect." + k.Name + ".v1" }

// Schema is the $id of the JSON Schema of the data.
func (k Kind) Schema() string { return "urn:reprotect:schema:" + k.Name + ":v1" }

// Decides says whether the kind is an outcome of its step, so that a second one is refused.
func (k Kind) Decides() bool { return k.Role == Outcome || k.Role == End || k.Name == "cancelling" }

// Mark says whether services look for an event of this kind before they act (bus.Mark).
func (k Kind) Mark() bool {
	return k == TypeCancelling.Kind || k == TypeRetrying.Kind || k == TypeViolated.Kind
}

// Type ties a kind to the Go type of its data.
type Type[T any] struct{ Kind }

// The kinds of events, in the order of a case's life. contract section 2 is their source.
var (
	TypeRequest = Type[Request]{Kind{"request", Command, ""}}
	TypeCancel  = Type[Cancel]{Kind{"cancel", Command, ""}}
	TypeRetry   = Type[Retry]{Kind{"retry", Command, ""}}

	TypeAcknowledge = Type[Acknowledge]{Kind{"acknowledge", Command, ""}}

	TypeFailback = Type[Failback]{Kind{"failback", Command, ""}}
	TypeCommit   = Type[Onward]{Kind{"commit", Command, ""}}
	TypeWithdraw = Type[Onward]{Kind{"withdraw", Command, ""}}
	TypeProtect  = Type[Onward]{Kind{"protect", Command, ""}}

	TypeAccepted   = Type[Accepted]{Kind{"accepted", Outcome, StepRequest}}
	TypeRefused    = Type[Refused]{Kind{"refused", End, StepRequest}}
	TypeValidated  = Type[Validated]{Kind{"validated", Outcome, StepValidation}}
	TypeRejected   = Type[Rejected]{Kind{"rejected", End, ""}}
	TypePlaced     = Type[Placed]{Kind{"placed", Outcome, StepPlacement}}
	TypeRegistered = Type[Registered]{Kind{"registered", Outcome, StepRegistration}}
	TypeStarted    = Type[Started]{Kind{"started", Outcome, StepSubmission}}
	TypeRehearsed  = Type[Rehearsed]{Kind{"rehearsed", End, StepSubmission}}
	TypeCompleted  = Type[Completed]{Kind{"completed", End, StepReplication}}
	TypeHome       = Type[Home]{Kind{"home", Outcome, StepFailback}}
	TypeCommitted  = Type[Committed]{Kind{"committed", Outcome, StepCommit}}
	TypeWithdrawn  = Type[Withdrawn]{Kind{"withdrawn", End, StepCommit}}
	TypeProtected  = Type[Protected]{Kind{"protected", End, StepProtection}}
	TypeFailed     = Type[Failed]{Kind{"failed", End, ""}}
	TypeCancelled  = Type[Cancelled]{Kind{"cancelled", End, ""}}

	TypeCancelling = Type[Cancelling]{Kind{"cancelling", Report, StepCancel}}
	TypeRetrying   = Type[Retrying]{Kind{"retrying", Report, StepRetry}}
	TypeWaiting    = Type[Waiting]{Kind{"waiting", Report, StepProgress}}
	TypeProgressed = Type[Progressed]{Kind{"progressed", Report, StepProgress}}
	TypeViolated   = Type[Violated]{Kind{"violated", Report, StepGuard}}
	TypeReturned   = Type[Returned]{Kind{"returned", Report, StepGuard}}

	TypeCleared      = Type[Cleared]{Kind{"cleared", Report, StepGuard}}
	TypeAcknowledged = Type[Acknowledged]{Kind{"acknowledged", Report, StepGuard}}
	TypeUnwatched    = Type[Unwatched]{Kind{"unwatched", Report, StepGuard}}
	TypeWatched      = Type[Watched]{Kind{"watched", Report, StepGuard}}

	// TypeVoided stands under the step whose outcome it makes void.
	TypeVoided = Type[Voided]{Kind{"voided", Report, ""}}

	TypeNotification = Type[Note]{Kind{"notification", Notification, ""}}
	TypeDead         = Type[Dead]{Kind{"dead", DeadLetter, ""}}
)

// entry is a row of the registry: a kind, and how to read its data strictly without knowing its Go type.
type entry struct {
	kind Kind
	read func(json.RawMessage) (any, error)
}

func row[T any](t Type[T]) entry {
	return entry{t.Kind, func(raw json.RawMessage) (any, error) {
		var data T
		err := strict(raw, &data)
		return data, err
	}}
}

var registry = []entry{
	row(TypeRequest), row(TypeCancel), row(TypeRetry), row(TypeAcknowledge),
	row(TypeFailback), row(TypeCommit), row(TypeWithdraw), row(TypeProtect),
	row(TypeAccepted), row(TypeRefused), row(TypeValidated), row(TypeRejected), row(TypePlaced), row(TypeRegistered),
	row(TypeStarted), row(TypeRehearsed), row(TypeCompleted), row(TypeHome), row(TypeCommitted), row(TypeWithdrawn), row(TypeProtected),
	row(TypeFailed), row(TypeCancelled),
	row(TypeCancelling), row(TypeRetrying), row(TypeWaiting), row(TypeProgressed), row(TypeViolated), row(TypeReturned),
	row(TypeCleared), row(TypeAcknowledged), row(TypeUnwatched), row(TypeWatched),
	row(TypeVoided),
	row(TypeNotification), row(TypeDead),
}

// Kinds lists every kind of event that this version knows.
func Kinds() []Kind {
	kinds := make([]Kind, len(registry))
	for i, e := range registry {
		kinds[i] = e.kind
	}
	return kinds
}

// KindOf finds a kind by its CloudEvents type or by its bare name.
func KindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(registry, func(e entry) bool { return e.kind.Name == name || e.kind.CloudType() == name })
	if i < 0 {
		return Kind{}, false
	}
	return registry[i].kind, true
}

// Subjects of the bus. NATS uses them as they are; Service Bus maps them to topics and properties.
const (
	SubjectCommands      = "reprotect.command"
	SubjectFacts         = "reprotect.event"
	SubjectNotifications = "reprotect.notification"
	SubjectDead          = "reprotect.dead"
)

// CommandSubject is where ops publish a command.
func CommandSubject(k Kind) string { return SubjectCommands + "." + k.Name }

// FactSubject is where a fact stands: reprotect.event.<site>.<case>.<step>.<name>.
func FactSubject(site, caseID, step, name string) string {
	return strings.Join([]string{SubjectFacts, site, caseID, step, name}, ".")
}

// OutcomeFilter matches every outcome of a step of a case: at most one message ever stands under it.
func OutcomeFilter(site, caseID, step string) string { return FactSubject(site, caseID, step, "*") }

// OutcomeAnew is the id of an outcome that was decided after what stood at a place of the event log, under the same step,
// was made void (TypeVoided).
func OutcomeAnew(caseID, step string, void uint64) string {
	return caseID + "/" + step + "/" + strconv.FormatUint(void, 10)
}

// NotificationSubject is where notifications of a level stand.
func NotificationSubject(site, level string) string {
	return SubjectNotifications + "." + site + "." + level
}

// DeadSubject is where the messages stand that a service gave up.
func DeadSubject(service string) string { return SubjectDead + "." + service }

// SplitFact takes a fact's subject apart; ok is false when it is none.
func SplitFact(subject string) (site, caseID, step, name string, ok bool) {
	rest, found := strings.CutPrefix(subject, SubjectFacts+".")
	parts := strings.Split(rest, ".")
	if !found || len(parts) != 4 || slices.Contains(parts, "") {
		return "", "", "", "", false
	}
	return parts[0], parts[1], parts[2], parts[3], true
}
