// Package cases owns where every case stands: the fold of its facts, which of them may be forgotten, which report is newer
// than another, which machine of a case a fact names, and what happened so far, in plain English. Journal, command line and
// validator ask it; none of them knows which fact supersedes which.
//
// It is a pure projection. What comes out depends on the set of facts alone: neither duplicates nor the order in which they
// came change anything. Only History tells them in the order of the log.
package cases

import (
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
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
	Good        bool             `json:"good"` // ended as it should: with the last step of its leg, or rehearsed
	Since       time.Time        `json:"since,omitzero"`
	Updated     time.Time        `json:"updated,omitzero"` // of its latest fact, which may be younger than its end
	EndedAt     time.Time        `json:"endedAt,omitzero"`
	Machines    []Machine        `json:"machines"`
	Together    bool             `json:"together,omitempty"`
	Plan        string           `json:"plan,omitempty"`
	DryRun      bool             `json:"dryRun,omitempty"`
	Reason      string           `json:"reason,omitempty"`
	RequestedBy string           `json:"requestedBy,omitempty"`
	RetryOf     string           `json:"retryOf,omitempty"`

	Leg     events.Leg   `json:"leg,omitempty"`     // "": it reprotects its machines
	Until   events.Until `json:"until,omitempty"`   // of a failback
	Follows string       `json:"follows,omitempty"` // the case that brought its machines to where it began

	Asked []string `json:"asked,omitempty"` // names for which a refused request asked, as far as they can be read

	Why    string `json:"why,omitempty"`    // why it ended before all were protected
	Code   string `json:"code,omitempty"`   // of the error
	Words  string `json:"words,omitempty"`  // Azure's or vCenter's own
	Remedy string `json:"remedy,omitempty"` // what to do

	Waiting    *events.Waiting    `json:"waiting,omitempty"` // while it stands still
	Problems   []events.Problem   `json:"problems,omitempty"`
	Violations []events.Violated  `json:"violations,omitempty"` // all that the guard told
	Alarms     []Alarm            `json:"alarms,omitempty"`     // the same, with what became of each
	Unwatched  []events.Unwatched `json:"unwatched,omitempty"`  // what the guard cannot watch now
	Findings   []events.Finding   `json:"findings,omitempty"`
	Placements []events.Placement `json:"placements,omitempty"`
	History    []Line             `json:"history,omitempty"`

	// For who answers a command about the case; the journal does not keep them.
	Accepted  *events.Case  `json:"-"` // as the request became it; nil: it has not
	Cause     string        `json:"-"` // id of the event that it was accepted for
	For       events.Reason `json:"-"` // what it stands still for, an operator first, though it may be about to be cancelled; "": it moves, or has ended
	Retries   int           `json:"-"` // how often another try was asked for
	Cancelled bool          `json:"-"` // its end was asked for
}

// Machine is where a machine of a case stands.
type Machine struct {
	Name         string       `json:"name"`
	Item         string       `json:"item,omitempty"`    // what the machine is: the ARM id of its replicated item when the case was made
	NewItem      string       `json:"newItem,omitempty"` // the item that took its place, where one did
	Architecture string       `json:"architecture,omitempty"`
	OS           string       `json:"os,omitempty"`
	Datastore    string       `json:"datastore,omitempty"`
	Location     string       `json:"location,omitempty"`
	State        events.State `json:"state"`
	Up           time.Time    `json:"up,omitzero"`           // seen to run on-premises since
	DownSeconds  *int         `json:"downSeconds,omitempty"` // from the start of its failback until then
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

// Labels names the machines of the case for people: two of one name are told apart.
func (c Case) Labels() []string {
	labels := make([]string, len(c.Machines))
	for i, m := range c.Machines {
		if labels[i] = m.Name; slices.ContainsFunc(c.Machines, func(o Machine) bool { return strings.EqualFold(o.Name, m.Name) && !strings.EqualFold(o.Item, m.Item) }) {
			labels[i] = Label(m.Name, m.Item)
		}
	}
	return labels
}

// Label names a machine for people, where its name alone does not say which it is: beside the name stands the last part of
// the item's id. Without an item it is the name.
func Label(name, item string) string {
	return name + bracket(item[strings.LastIndexByte(item, '/')+1:])
}

// LabelsOf names the machines of a case as an event carries it, for people.
func LabelsOf(c events.Case) []string {
	labels := make([]string, len(c.Machines))
	for i, m := range c.Machines {
		labels[i] = Label(m.Name, c.Beside(i))
	}
	return labels
}

// LabelsOfWaiting names the machines that wait, for people.
func LabelsOfWaiting(w events.Waiting) []string {
	labels := make([]string, len(w.Machines))
	for i, name := range w.Machines {
		labels[i] = Label(name, itemAt(w.Items, i))
	}
	return labels
}

// OfRequest says whether a case is a request itself, which waits, waited or was refused.
func (c Case) OfRequest() bool { return c.ID == events.Token(c.Request) }

// Flows says whether the data of every machine of a case that reprotects flows already, or has.
func (c Case) Flows() bool {
	return c.Leg == events.LegReprotect && len(c.Machines) > 0 && !slices.ContainsFunc(c.Machines, func(m Machine) bool {
		return m.State != events.StateReplicating && m.State != events.StateProtected
	})
}

// Left are the machines of the case as it was accepted that are not where the case was to lead them.
func (c Case) Left() []events.Machine {
	if c.Accepted == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Accepted.Machines), func(m events.Machine) bool {
		i := c.find(m.Name, m.Item)
		return i >= 0 && c.Machines[i].State == events.StateProtected
	})
}

// Ended is when the case ended, zero while it has not. What the guard tells of it later does not move it; a journal of an
// older version knows no better than its latest fact.
func (c Case) Ended() time.Time {
	switch {
	case !c.End:
		return time.Time{}
	case c.EndedAt.IsZero():
		return c.Updated
	}
	return c.EndedAt
}

// Took is how long the case has taken so far, or took when it has ended.
func (c Case) Took(now time.Time) time.Duration {
	if c.End {
		now = c.Ended()
	}
	return max(now.Sub(c.Since), 0)
}
