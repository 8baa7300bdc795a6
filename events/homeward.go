package events

import (
	"slices"
	"strings"
	"time"
)

// Leg is the part of the way on which a case leads its machines.
type Leg string

// The legs. A case that names none reprotects its machines.
const (
	LegReprotect Leg = ""
	LegFailback  Leg = "failback" // home, and as far beyond as its Until says
	LegCommit    Leg = "commit"   // a failback becomes final
	LegWithdraw  Leg = "withdraw" // back to Azure from a failback that is not committed
	LegProtect   Leg = "protect"  // a machine that is home replicates to Azure again
)

// Legs lists the legs that a case names.
func Legs() []Leg { return []Leg{LegFailback, LegCommit, LegWithdraw, LegProtect} }

// Until is how far a failback leads.
type Until string

// Ends of a failback.
const (
	UntilHome      Until = "home"
	UntilCommitted Until = "committed"
	UntilProtected Until = "protected"
)

// Points to which a machine is failed back.
const (
	CrashConsistent       = "crash-consistent"
	ApplicationConsistent = "application-consistent"
)

// ByHand is the word of Commit for: by a person.
const ByHand = "manual"

// HomeCase is what a case says that leads machines home, beside what all say.
type HomeCase struct {
	Leg    Leg    `json:"leg,omitempty"`
	Until  Until  `json:"until,omitempty"`  // of a failback
	Point  string `json:"point,omitempty"`  // of a failback: CrashConsistent or ApplicationConsistent
	Commit string `json:"commit,omitempty"` // of a failback: ByHand, or "after 24h"
	// Follows is the case that brought the machines to where this one begins; "" where no case of the event log did.
	Follows string `json:"follows,omitempty"`
}

// CommitAfter is how long after a machine is home its failback is committed without another word; ok is false when that is
// for a person.
func (h HomeCase) CommitAfter() (after time.Duration, ok bool) {
	text, found := strings.CutPrefix(h.Commit, "after ")
	if !found {
		return 0, false
	}
	after, err := time.ParseDuration(text)
	return after, err == nil && after > 0
}

// Last is the step with which the case ends when all goes well.
func (h HomeCase) Last() string {
	switch h.Leg {
	case LegCommit, LegWithdraw:
		return StepCommit
	case LegProtect:
		return StepProtection
	case LegFailback:
		switch h.Until {
		case UntilCommitted:
			return StepCommit
		case UntilProtected:
			return StepProtection
		case UntilHome:
		}
		return StepFailback
	case LegReprotect:
	}
	return StepReplication
}

// Failback asks for machines to be brought home. Machines, Plan or Ready says which.
type Failback struct {
	Site     string            `json:"site,omitempty"`
	Machines []NamedMachine    `json:"machines,omitempty"`
	Plan     string            `json:"plan,omitempty"`
	Ready    bool              `json:"ready,omitempty"`  // all that are protected in Azure and may be failed back now
	Until    Until             `json:"until,omitempty"`  // left out: home
	Point    string            `json:"point,omitempty"`  // left out: CrashConsistent
	Commit   string            `json:"commit,omitempty"` // left out: ByHand
	DryRun   bool              `json:"dryRun,omitempty"`
	Waive    map[string]string `json:"waive,omitempty"` // check code -> why it may be passed over

	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// NamedMachine names a machine by its name in Site Recovery (or its ARM id).
type NamedMachine struct {
	Name string `json:"name"`
}

// Onward asks for the next step of machines that are named, or of those of a case: commit, withdraw, protect.
type Onward struct {
	Site     string            `json:"site,omitempty"`
	Case     string            `json:"case,omitempty"`
	Machines []NamedMachine    `json:"machines,omitempty"`
	Waive    map[string]string `json:"waive,omitempty"`

	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// Names lists the machines that a command names.
func Names(machines []NamedMachine) []string {
	var names []string
	for _, m := range machines {
		names = append(names, m.Name)
	}
	return slices.Clip(names)
}

// Home: every machine of the case runs on-premises. Its failback is not committed yet, unless somebody did.
type Home struct {
	Case     Case        `json:"case"`
	Machines []HomeState `json:"machines"`
}

// HomeState is what was seen of a machine that has come home.
type HomeState struct {
	Machine string `json:"machine"`
	Item    string `json:"item,omitempty"` // as in Job
	Job     string `json:"job,omitempty"`  // that brought it home, as far as it is known
	// Down and Up are when the failback job began, which takes the machine down, and when it was seen to run on-premises.
	Down      time.Time `json:"down,omitzero"`
	Up        time.Time `json:"up,omitzero"`
	VM        string    `json:"vm,omitempty"`    // inventory path of its VM
	Host      string    `json:"host,omitempty"`  // what the guest calls itself
	Tools     string    `json:"tools,omitempty"` // as vCenter says it
	Addresses []string  `json:"addresses,omitempty"`
}

// Committed: the failback of every machine of the case is final.
type Committed struct {
	Case     Case             `json:"case"`
	Machines []CommittedState `json:"machines"`
}

// CommittedState is what a commit left of a machine.
type CommittedState struct {
	Machine  string   `json:"machine"`
	Item     string   `json:"item,omitempty"` // as in Job
	Job      string   `json:"job,omitempty"`  // empty: somebody else committed it
	Evidence string   `json:"evidence"`       // that the machine runs on-premises
	Gone     []string `json:"gone,omitempty"` // what the commit destroys
}

// Withdrawn: every machine of the case is back in Azure, and may be failed back again.
type Withdrawn struct {
	Case     Case           `json:"case"`
	Machines []MachineState `json:"machines"`
}

// Protected: every machine of the case replicates to Azure again. The way home is over.
type Protected struct {
	Case     Case             `json:"case"`
	Machines []ProtectedState `json:"machines"`
}
