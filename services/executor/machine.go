package executor

import (
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
)

// machine is one machine of a case that is followed. It is its item, as the case has it: names are for people.
type machine struct {
	events.Machine

	place int        // in the case
	first events.Job // as the case started with it
	known known

	// Of this look:
	item  observed.Item   // what it is in the vault now; zero: nobody can say
	read  *reading        // its job in full, once that was asked for
	turn  *events.Waiting // it waits for its turn to be submitted again
	asked bool            // for the end of its job
	tried bool            // to submit it again
	stand standing
}

// known is what is kept of a machine between looks.
type known struct {
	Job         string    `json:"job,omitempty"`     // that it was submitted with again
	Failure     *failure  `json:"failure,omitempty"` // its job failed, or Azure refused it
	Ended       string    `json:"ended,omitempty"`   // its job that succeeded, once it was read in full
	Became      string    `json:"became,omitempty"`  // the new item that its job named
	Seen        milestone `json:"seen,omitzero"`     // where its replication stood at first
	Bytes       int64     `json:"bytes,omitempty"`   // replicated so far
	Since       time.Time `json:"since,omitzero"`    // when it was seen protected first
	Cancel      time.Time `json:"cancel,omitzero"`   // when the end of its job was asked for first
	CancelTaken bool      `json:"cancelTaken,omitempty"`
	Unread      time.Time `json:"unread,omitzero"`     // since when its job cannot be read
	Violation   string    `json:"violation,omitempty"` // code of the last one that the guard told of it
}

// milestone is where a replication stood at a time.
type milestone struct {
	Percent int       `json:"percent"`
	Bytes   int64     `json:"bytes,omitempty"`
	At      time.Time `json:"at"`
}

// failure is what is known of a machine whose job failed, or which Azure refused.
type failure struct {
	Of     string              `json:"of,omitempty"`    // the job that failed; empty: there was none
	Cause  observed.Problem    `json:"cause"`           // what failed
	Do     submission.Handling `json:"do,omitempty"`    // what is done about it
	First  time.Time           `json:"first"`           // of the first failure
	At     time.Time           `json:"at"`              // of the last one
	Next   time.Time           `json:"next"`            // when it is tried again by itself
	Tries  int                 `json:"tries"`           // submissions after the first
	Alike  int                 `json:"alike,omitempty"` // tries since it is handled in this way
	Queued bool                `json:"queued,omitempty"`
	// Refused: Azure did not take the last submission; there is no job of it.
	Refused bool `json:"refused,omitempty"`
	Over    bool `json:"over,omitempty"`    // it is not tried again
	Settled bool `json:"settled,omitempty"` // it was submitted again: its new job tells
}

// reading is a job that was read in full, or why it could not be.
type reading struct {
	job   observed.Job
	fault *observed.Fault
}

// standing is where one machine stands.
type standing struct {
	events.MachineProgress

	words    string
	waits    *events.Waiting  // it stands still until something passes, or somebody sees to it
	warnings []events.Problem // what its job carried that succeeded all the same
	runs     bool             // its job runs: it needs its place
}

// rests says whether nothing more is to be awaited of a machine. A replication goes on in Azure even when the case is
// cancelled, so it is followed to its end.
func (s standing) rests() bool {
	return s.State == events.StateProtected || s.State == events.StateFailed || s.State == events.StateCancelled
}

// end brings a machine to rest.
func (s *standing) end(state events.State, code, message, remedy string) {
	s.State, s.Code, s.Message, s.Remedy = state, code, message, remedy
}

// whole is why a machine failed, with Azure's own words.
func (s standing) whole() string {
	if s.words == "" {
		return s.Message
	}
	return s.Message + ": " + s.words
}

// job is the one that counts now.
func (m machine) job() string {
	switch {
	case m.known.Job != "":
		return m.known.Job
	case m.known.Failure != nil && m.known.Failure.Of != "":
		return m.known.Failure.Of
	}
	return m.first.Job
}

// fails takes in what failed, and when, and says what is done about it.
func (f *failure) fails(cause observed.Problem, do submission.Handling, at time.Time) {
	cause.Message = submission.Cut(cause.Message)
	cause.Causes, cause.Action = "", ""
	if f.Alike++; f.Do != do || f.First.IsZero() {
		f.Alike = 0
	}
	if f.First.IsZero() {
		f.First = at
	}
	f.Cause, f.Do, f.At, f.Settled = cause, do, at, false
}
