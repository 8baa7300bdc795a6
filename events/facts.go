package events

import (
	"slices"
	"strings"
	"time"
)

// Case is the case so far. Every outcome carries it, so that the next service needs no older event.
type Case struct {
	Machines    []Machine         `json:"machines"`
	Together    bool              `json:"together,omitempty"`
	Plan        string            `json:"plan,omitempty"`
	Group       string            `json:"group,omitempty"` // replication group (S37)
	DryRun      bool              `json:"dryRun,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	RequestedBy string            `json:"requestedBy,omitempty"`
	RequestedAt time.Time         `json:"requestedAt,omitzero"`
	Attest      map[string]string `json:"attest,omitempty"`
	Waive       map[string]string `json:"waive,omitempty"`
	RetryOf     string            `json:"retryOf,omitempty"`
	HomeCase                      // of a case that leads machines home
	Rank        int               `json:"rank,omitempty"`     // among the cases of its request, 1 starts first: the plan's groups, then the request's order
	CheckedAt   time.Time         `json:"checkedAt,omitzero"` // of the facts that the checks saw last
	// RegisteredAt is when the agents of all machines were there, once the case has started: a missing agent is borne
	// for the site's agentWait from then on.
	RegisteredAt time.Time `json:"registeredAt,omitzero"`
}

// Names lists the machines of the case.
func (c Case) Names() []string {
	names := make([]string, len(c.Machines))
	for i, m := range c.Machines {
		names[i] = m.Name
	}
	return names
}

// Beside is the item that an event names beside the name of machine i: none where no other machine of the case has that
// name.
func (c Case) Beside(i int) string {
	m := c.Machines[i]
	if slices.ContainsFunc(c.Machines, func(o Machine) bool { return strings.EqualFold(o.Name, m.Name) && !strings.EqualFold(o.Item, m.Item) }) {
		return m.Item
	}
	return ""
}

// Find is the machine that an event of the case names, as a place in Machines: by its item, else by its name where only
// one has it. -1: none, or nobody can say which.
func (c Case) Find(name, item string) int {
	if i := slices.IndexFunc(c.Machines, func(m Machine) bool { return item != "" && strings.EqualFold(m.Item, item) }); i >= 0 {
		return i
	}
	found := -1
	for i, m := range c.Machines {
		switch {
		case !strings.EqualFold(m.Name, name):
		case found >= 0:
			return -1
		default:
			found = i
		}
	}
	return found
}

// Machine is one machine of a case, with every choice made as far as the case has come.
type Machine struct {
	Name         string `json:"name"`
	Item         string `json:"item"`         // ARM id of the replicated item when the case was made
	Architecture string `json:"architecture"` // classic or modernized
	OS           string `json:"os,omitempty"` // windows or linux
	Choice
	Location     string    `json:"location,omitempty"` // original or alternate (S35, S36), once placed
	FailedOverAt time.Time `json:"failedOverAt,omitzero"`
	Job          string    `json:"job,omitempty"` // Site Recovery job, once started
}

// Accepted: the request became this case.
type Accepted struct {
	Case Case `json:"case"`
}

// Refused: the request could not become cases. Nothing was begun.
type Refused struct {
	Problems []Problem `json:"problems"`
	Original string    `json:"original,omitempty"` // the first 4 KB of what was sent
}

// Problem names what is wrong: where, what, and what to do.
type Problem struct {
	Code    string `json:"code"`
	Place   string `json:"place,omitempty"` // JSON pointer into the event, or the name of a machine
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// Validated: every check was made and nothing blocks.
type Validated struct {
	Case     Case      `json:"case"`
	Findings []Finding `json:"findings"`
}

// Finding is what one check found (contract section 4).
type Finding struct {
	Check   string `json:"check"`
	Machine string `json:"machine,omitempty"`
	Item    string `json:"item,omitempty"` // as in Job
	// Machines are those that it tells of alike, in place of Machine: in a case of more than 16.
	Machines  []string `json:"machines,omitempty"`
	Status    string   `json:"status"` // pass, warn, fail, unknown, skipped, waived
	Level     string   `json:"level"`  // block, warn, info
	Evidence  string   `json:"evidence,omitempty"`
	Remedy    string   `json:"remedy,omitempty"`
	Reference string   `json:"reference,omitempty"` // absent of one that passed or was skipped: the catalogue has it
	Blocks    bool     `json:"blocks,omitempty"`    // this finding stops the case
}

// Rejected: a precondition blocks, or no datastore fits. Nothing was changed.
type Rejected struct {
	Case       Case        `json:"case"`
	Findings   []Finding   `json:"findings,omitempty"`
	Placements []Placement `json:"placements,omitempty"`
	Problems   []Problem   `json:"problems"`
}

// Placed: a datastore is chosen for each machine.
type Placed struct {
	Case       Case        `json:"case"`
	Placements []Placement `json:"placements"`
}

// Placement is the datastore of a machine, and what became of the others.
type Placement struct {
	Machine    string             `json:"machine"`
	Item       string             `json:"item,omitempty"`      // as in Job
	Datastore  string             `json:"datastore,omitempty"` // empty: none fits
	Location   string             `json:"location,omitempty"`  // original or alternate
	Why        string             `json:"why,omitempty"`
	Considered []DatastoreVerdict `json:"considered,omitempty"`
}

// DatastoreVerdict says whether a datastore can take the machine, and why not.
type DatastoreVerdict struct {
	Name      string `json:"name"`
	Type      string `json:"type,omitempty"`
	Accepted  bool   `json:"accepted"`
	FreeBytes int64  `json:"freeBytes,omitempty"`
	Code      string `json:"code,omitempty"` // of the reason, or of the warning
	Warning   string `json:"warning,omitempty"`
	Reason    string `json:"reason,omitempty"` // why refused
	Remedy    string `json:"remedy,omitempty"`
}

// Registered: the agents of all machines of the case are back (S33, M4).
type Registered struct {
	Case   Case    `json:"case"`
	Agents []Agent `json:"agents"`
}

// Agent is the mobility agent of a machine.
type Agent struct {
	Machine   string    `json:"machine"`
	Item      string    `json:"item,omitempty"` // as in Job
	Version   string    `json:"version,omitempty"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
}

// Started: each machine has a Site Recovery job.
type Started struct {
	Case Case  `json:"case"`
	Jobs []Job `json:"jobs"`
}

// Job is a Site Recovery job of a machine.
type Job struct {
	Machine string `json:"machine"`
	// Item is the machine's item in the case, where its name alone does not say which machine it is: Case.Beside.
	Item    string `json:"item,omitempty"`
	Job     string `json:"job,omitempty"`     // empty, and not refused: it replicates back already
	Adopted bool   `json:"adopted,omitempty"` // it ran already when we looked
	// Refused says why Azure did not take the submission, while others of the case were started already.
	Refused *Problem `json:"refused,omitempty"`
	// Again: the refused machine is submitted again when the cause has passed, or an operator has corrected it.
	Again bool `json:"again,omitempty"`
}

// Rehearsed: end of a dry run. This is what would have been submitted; nothing was.
type Rehearsed struct {
	Case  Case      `json:"case"`
	Would []Machine `json:"would"`
}

// Completed: every machine of the case is protected (S40).
type Completed struct {
	Case     Case             `json:"case"`
	Machines []ProtectedState `json:"machines"`
}

// ProtectedState is a machine that replicates from Azure to on-premises and may fail back (S41).
type ProtectedState struct {
	Machine string `json:"machine"`
	Item    string `json:"item"` // from now on: a new one on classic
	// FormerItem is the machine's item in the case, where Item is another.
	FormerItem string    `json:"formerItem,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Location   string    `json:"location,omitempty"`
	// LagSeconds is the age of the last recovery point; absent where Site Recovery does not say.
	LagSeconds *int `json:"lagSeconds,omitempty"`
	// Violation is what the guard reported last of the case, if any.
	Violation string `json:"violation,omitempty"`
}

// Failed: the step could not be done.
type Failed struct {
	Code     string         `json:"code"`
	Message  string         `json:"message"`
	Words    string         `json:"words,omitempty"` // Azure's or vCenter's own
	Remedy   string         `json:"remedy"`
	Machines []MachineState `json:"machines,omitempty"` // what is left half done
	Case     *Case          `json:"case,omitempty"`
}

// MachineState says where one machine stands when a case ends before all are protected.
type MachineState struct {
	Machine string `json:"machine"`
	Item    string `json:"item,omitempty"` // as in Job
	State   State  `json:"state"`
	Job     string `json:"job,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	// Since and LagSeconds are of a machine that is protected (S41), as in ProtectedState.
	Since      time.Time `json:"since,omitzero"`
	LagSeconds *int      `json:"lagSeconds,omitempty"`
}

// Cancelled: the case ended on demand.
type Cancelled struct {
	Case     Case           `json:"case"`
	Reason   string         `json:"reason,omitempty"`
	Machines []MachineState `json:"machines,omitempty"`
}

// Cancelling: the service that holds the case ends it at its next move.
type Cancelling struct {
	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Retrying: a case that waits for an operator tries again at its next move.
type Retrying struct {
	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Waiting: the case stands still for a reason that may pass by itself.
type Waiting struct {
	For      Reason    `json:"for"`
	Machines []string  `json:"machines,omitempty"` // their names; none: all of the case
	Items    []string  `json:"items,omitempty"`    // of the machines, in their order, where one's name alone does not say which it is
	Message  string    `json:"message"`
	Code     string    `json:"code,omitempty"`
	Remedy   string    `json:"remedy,omitempty"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // after that the case fails; absent: it waits on
	NextLook time.Time `json:"nextLook"`
	Place    int       `json:"place,omitempty"` // in the admission queue, 1 is next
}

// Progressed: something moved.
type Progressed struct {
	Percent  int               `json:"percent"` // of the whole case, 0 to 100
	Machines []MachineProgress `json:"machines"`
	Warnings []Problem         `json:"warnings,omitempty"` // that operations carry which go on all the same
}

// MachineProgress is where one machine stands on its way.
type MachineProgress struct {
	Machine     string    `json:"machine"`
	Item        string    `json:"item,omitempty"` // as in Job
	State       State     `json:"state"`
	Job         string    `json:"job,omitempty"` // the Site Recovery job now; a submission after a failure makes another
	Task        string    `json:"task,omitempty"`
	Percent     int       `json:"percent"`
	Replication *int      `json:"replication,omitempty"` // percent of the initial replication, where Azure says
	Bytes       int64     `json:"bytes,omitempty"`
	Rate        int64     `json:"bytesPerSecond,omitempty"`
	ETA         time.Time `json:"eta,omitzero"`   // absent when there is no basis for one
	Since       time.Time `json:"since,omitzero"` // protected since
	// Of a machine that failed, or stands still, while others of the case may go on: why, and what to do.
	For     Reason `json:"for,omitempty"` // what it waits for
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// Violated: something happened after the start that must not (S13, S23, S30, S39, S2).
type Violated struct {
	Code      string `json:"code"`
	Machine   string `json:"machine,omitempty"`
	Item      string `json:"item,omitempty"` // as in Job
	What      string `json:"what"`
	Endangers string `json:"endangers"`
	Do        string `json:"do"`
}

// Returned: the failback of a machine has begun, or is done. It stands ready for failback no more (S41), until one
// that says Undone: the failback was cancelled or failed.
type Returned struct {
	Machine    string `json:"machine"`
	Item       string `json:"item"`                 // now
	FormerItem string `json:"formerItem,omitempty"` // as in ProtectedState
	State      string `json:"state"`                // of the item, in Azure's words
	Undone     bool   `json:"undone,omitempty"`
}

// Cleared: a violation is over (a snapshot is gone, a move has ended with the disks where they belong, a machine is off
// again).
type Cleared struct {
	Violation string    `json:"violation"` // id of the event violated
	Code      string    `json:"code"`      // of the violation
	Machine   string    `json:"machine,omitempty"`
	What      string    `json:"what"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Remains   string    `json:"remains,omitempty"` // the damage that it may have left: the alarm stays until it is acknowledged
	Do        string    `json:"do,omitempty"`
}

// Acknowledged: a person has seen an alarm that does not end by itself.
type Acknowledged struct {
	Violation   string `json:"violation"` // id of the event violated
	Reason      string `json:"reason"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Unwatched: a machine of the case, or the VM that writes its disks, cannot be watched, until Watched.
type Unwatched struct {
	VM         string    `json:"vm"`                // name of the machine or writer
	Writer     string    `json:"writer,omitempty"`  // master target, appliance; "": it is the machine itself
	Machine    string    `json:"machine,omitempty"` // in danger; "": all of the case
	Code       string    `json:"code"`
	What       string    `json:"what"`
	Do         string    `json:"do"`
	Candidates []string  `json:"candidates,omitempty"` // inventory paths of the VMs that may be it
	Since      time.Time `json:"since"`
}

// Watched: what was unwatched is watched again.
type Watched struct {
	Unwatched string    `json:"unwatched"` // id of the event unwatched
	VM        string    `json:"vm"`
	Writer    string    `json:"writer,omitempty"`
	Machine   string    `json:"machine,omitempty"`
	What      string    `json:"what"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
}

// Voided: what stood under a step until now is no outcome of it, says an administrator; the step is decided anew.
type Voided struct {
	Subject     string `json:"subject"`  // of what is void
	Sequence    uint64 `json:"sequence"` // and its place in the event log
	Reason      string `json:"reason"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Levels of a notification.
const (
	LevelInfo     = "info"
	LevelWarning  = "warning"
	LevelCritical = "critical"
)

// Note is the data of a notification: worded for a chat.
type Note struct {
	Level    string   `json:"level"` // info, warning, critical
	Title    string   `json:"title"`
	Text     string   `json:"text"`
	Machines []string `json:"machines,omitempty"`
	Fact     string   `json:"fact"` // id of the event that it tells of
	Kind     string   `json:"kind"` // name of that event: completed, failed, …; of a story what it is about: request, alarm, …

	// Of a message that belongs to a story; see NoteOpen.
	Thread   string      `json:"thread,omitempty"`   // stable for a request, or for a cause that needs a person; "": it tells of one fact
	Number   int         `json:"number,omitempty"`   // place in the thread, from 1 on
	State    string      `json:"state,omitempty"`    // of the thread
	Reminder int         `json:"reminder,omitempty"` // it says again what was said before: which time this is
	Since    time.Time   `json:"since,omitzero"`     // when what it tells of began
	Causes   []NoteCause `json:"causes,omitempty"`
	Counts   *NoteCounts `json:"counts,omitempty"`
	Alarms   []string    `json:"alarms,omitempty"` // ids, for acknowledge
	Tells    []string    `json:"tells,omitempty"`  // threads of which it tells in the place of messages of their own
	Plan     string      `json:"plan,omitempty"`
	Link     string      `json:"link,omitempty"` // to the console
}

// States of a thread. A bot posts at NoteOpen, changes what it posted at NoteUpdate, and closes it at NoteClosed.
const (
	NoteOpen   = "open"
	NoteUpdate = "update"
	NoteClosed = "closed"
)

// NoteCause is what needs a person, with all machines that it stops.
type NoteCause struct {
	Code     string   `json:"code"`
	What     string   `json:"what"`           // in one line
	Do       string   `json:"do,omitempty"`   // in one line
	Next     string   `json:"next,omitempty"` // the command that goes on from here
	Machines []string `json:"machines,omitempty"`
}

// NoteCounts are the machines of a request: Machines = Done + Failed + Left.
type NoteCounts struct {
	Machines int `json:"machines"`
	Done     int `json:"done"`   // protected, or rehearsed
	Failed   int `json:"failed"` // failed, rejected or cancelled
	Left     int `json:"left"`
}

// Dead is a message that a service gave up.
type Dead struct {
	Service  string            `json:"service"`
	Reason   string            `json:"reason"` // malformed, rejected, attempts-exhausted
	Error    string            `json:"error"`
	Attempts int               `json:"attempts"`
	Subject  string            `json:"subject"`
	Headers  map[string]string `json:"headers,omitempty"`
	Original []byte            `json:"original"`           // the message's body as it came
	ID       string            `json:"id,omitempty"`       // that the message had on the bus
	Sequence uint64            `json:"sequence,omitempty"` // of the message in the event log
}
