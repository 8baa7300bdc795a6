// Package cases turns the events of the log into what a person asks of it: where every case stands, and what
// happened so far, in plain English.
//
// It is a pure projection. Which state comes out depends on the set of events alone: duplicates and the order in
// which they were added change nothing.
package cases

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Case is where a case stands.
type Case struct {
	ID          string           `json:"id"`
	Site        string           `json:"site"`
	Request     string           `json:"request"`
	State       events.CaseState `json:"state"`
	Step        string           `json:"step"` // the last one decided
	Percent     int              `json:"percent"`
	End         bool             `json:"end"`
	Good        bool             `json:"good"` // ended as it should: completed, or rehearsed
	Since       time.Time        `json:"since,omitzero"`
	Updated     time.Time        `json:"updated,omitzero"`
	Machines    []Machine        `json:"machines"`
	Together    bool             `json:"together,omitempty"`
	Plan        string           `json:"plan,omitempty"`
	DryRun      bool             `json:"dryRun,omitempty"`
	Reason      string           `json:"reason,omitempty"`
	RequestedBy string           `json:"requestedBy,omitempty"`
	RetryOf     string           `json:"retryOf,omitempty"`

	Why    string `json:"why,omitempty"`    // why it ended before all were protected
	Code   string `json:"code,omitempty"`   // of the error
	Words  string `json:"words,omitempty"`  // Azure's or vCenter's own
	Remedy string `json:"remedy,omitempty"` // what to do

	Waiting    *events.Waiting    `json:"waiting,omitempty"` // while it stands still
	Problems   []events.Problem   `json:"problems,omitempty"`
	Violations []events.Violated  `json:"violations,omitempty"` // all that the guard ever told
	Alarms     []Alarm            `json:"alarms,omitempty"`     // the same, with what became of each
	Unwatched  []events.Unwatched `json:"unwatched,omitempty"`  // what the guard cannot watch now
	Findings   []events.Finding   `json:"findings,omitempty"`
	Placements []events.Placement `json:"placements,omitempty"`
	History    []Line             `json:"history,omitempty"`
}

// Machine is where a machine of a case stands.
type Machine struct {
	Name         string       `json:"name"`
	Architecture string       `json:"architecture,omitempty"`
	OS           string       `json:"os,omitempty"`
	Datastore    string       `json:"datastore,omitempty"`
	Location     string       `json:"location,omitempty"`
	State        events.State `json:"state"`
	Percent      int          `json:"percent"`
	Task         string       `json:"task,omitempty"`
	Replication  *int         `json:"replication,omitempty"` // percent of the initial replication
	Bytes        int64        `json:"bytes,omitempty"`
	Rate         int64        `json:"bytesPerSecond,omitempty"`
	ETA          time.Time    `json:"eta,omitzero"`
	Job          string       `json:"job,omitempty"`
	Since        time.Time    `json:"since,omitzero"`       // protected since
	LagSeconds   *int         `json:"lagSeconds,omitempty"` // age of its last recovery point when the case ended
	Returned     time.Time    `json:"returned,omitzero"`    // its failback was seen then: it stands ready no more
	Alarms       []string     `json:"alarms,omitempty"`     // ids of the pressing ones
	Code         string       `json:"code,omitempty"`
	Message      string       `json:"message,omitempty"`
	Remedy       string       `json:"remedy,omitempty"`
}

// Names lists the machines of the case.
func (c Case) Names() []string {
	names := make([]string, len(c.Machines))
	for i, m := range c.Machines {
		names[i] = m.Name
	}
	return names
}

// Took is how long the case has taken so far, or took when it has ended.
func (c Case) Took(now time.Time) time.Duration {
	if c.End {
		now = c.Updated
	}
	return max(now.Sub(c.Since), 0)
}

// Entry is a message of the event log, read.
type Entry struct {
	Sequence uint64
	Time     time.Time // of the event; of its storage when the event has none
	Subject  string
	Header   events.Header
	Kind     events.Kind // zero when this version does not know it
	Data     any         // the Go type of the kind; nil when Problem says why not
	Problem  string
}

// ReadEntry reads a message of the event log. It never fails: what cannot be understood says so in Problem.
func ReadEntry(r bus.Received) Entry {
	e := Entry{Sequence: r.Sequence, Time: r.Published, Subject: r.Subject}
	var err error
	switch r.Subject {
	case events.CommandSubject(events.TypeRequest.Kind):
		err = e.fill(readCommand(events.TypeRequest, r))
	case events.CommandSubject(events.TypeCancel.Kind):
		err = e.fill(readCommand(events.TypeCancel, r))
	case events.CommandSubject(events.TypeRetry.Kind):
		err = e.fill(readCommand(events.TypeRetry, r))
	default:
		if name, unknown := strings.CutPrefix(r.Subject, events.SubjectCommands+"."); unknown {
			e.Header = events.Header{Type: name, ID: bus.CommandID(r)}
			err = fmt.Errorf("nothing answers commands on %s", r.Subject)
			break
		}
		err = e.fill(events.Read(r.Data))
	}
	if err != nil {
		e.Data, e.Problem = nil, err.Error()
	}
	e.Kind, _ = events.KindOf(e.Header.Type)
	if !e.Header.Time.IsZero() {
		e.Time = e.Header.Time
	}
	return e
}

func (e *Entry) fill(read events.Event[any], err error) error {
	e.Header, e.Data = read.Header, read.Data
	return err
}

func readCommand[T any](t events.Type[T], r bus.Received) (events.Event[any], error) {
	read, err := events.ParseCommand(t, r.Data, r.Headers, bus.CommandID(r))
	if read.Type == "" {
		read.Type = t.CloudType()
	}
	return events.Event[any]{Header: read.Header, Data: read.Data}, err
}

// ErrNotAFact: the message is no fact of a case.
var ErrNotAFact = errors.New("not a fact of a case")

// Log collects entries and says where their cases stand. The zero value is empty. It is not safe for use by many
// goroutines at once.
type Log struct {
	cases map[string]*record
}

// record is what is known of a case; its projection is made anew when something was added.
type record struct {
	entries []Entry
	current *Case
}

// Add takes a fact in and returns the id of its case. An entry that is no fact, or says of itself something else
// than its subject, is left out with ErrNotAFact.
func (l *Log) Add(e Entry) (string, error) {
	site, id, step, name, ok := events.SplitFact(e.Subject)
	kind, known := events.KindOf(name)
	h := e.Header
	if !ok || !known || h.Type != kind.CloudType() || h.Site != site || h.Case != id || h.Step != step {
		return "", ErrNotAFact
	}
	if l.cases == nil {
		l.cases = map[string]*record{}
	}
	r := l.cases[id]
	if r == nil {
		r = &record{}
		l.cases[id] = r
	}
	r.entries, r.current = append(r.entries, e), nil
	return id, nil
}

// Case returns one case.
func (l *Log) Case(id string) (Case, bool) {
	r, ok := l.cases[id]
	if !ok {
		return Case{}, false
	}
	if r.current == nil {
		r.entries = inOrder(r.entries)
		c := project(r.entries)
		r.current = &c
	}
	return *r.current, true
}

// Cases returns all cases, the oldest first. A request that waits, since the vault cannot be read, stands there under
// its own id until it has become cases.
func (l *Log) Cases() []Case {
	var all []Case
	for _, id := range slices.Sorted(maps.Keys(l.cases)) {
		c, _ := l.Case(id)
		all = append(all, c)
	}
	all = WithoutBegun(all)
	slices.SortStableFunc(all, func(a, b Case) int { return a.Since.Compare(b.Since) })
	return all
}

// OfRequest says whether a case is a request itself, which waits, waited or was refused.
func (c Case) OfRequest() bool { return c.ID == events.Token(c.Request) }

// WithoutBegun leaves out the requests that have become some of the cases. It changes the slice.
func WithoutBegun(all []Case) []Case {
	begun := map[string]bool{}
	for _, c := range all {
		begun[c.Request] = begun[c.Request] || !c.OfRequest()
	}
	return slices.DeleteFunc(all, func(c Case) bool { return c.OfRequest() && begun[c.Request] })
}

// Fold projects entries to cases, the oldest case first. What is no fact is left out.
func Fold(entries []Entry) []Case {
	var l Log
	for _, e := range entries {
		_, _ = l.Add(e) // only ErrNotAFact, which is said above
	}
	return l.Cases()
}

// inOrder sorts by the order of the log and keeps the first of each event.
func inOrder(entries []Entry) []Entry {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Header.Position, b.Header.Position), cmp.Compare(a.Header.ID, b.Header.ID))
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(entries, func(e Entry) bool {
		twice := seen[e.Header.ID]
		seen[e.Header.ID] = true
		return twice
	})
}
