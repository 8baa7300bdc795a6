package guard

import (
	"slices"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/observed"
)

// subject is what a case depends on: one of its machines, or the VM that writes the disks of some of them.
type subject struct {
	name    string
	writer  string           // "master target" or "appliance"; "" for a machine
	machine events.Machine   // unless it is a writer
	serves  []events.Machine // whose disks it writes
}

// subjects lists what a case depends on, always in the same order: first its machines, then their writers. A
// machine whose submission was refused for good is not on its way and needs no guard.
func subjects(s events.Started) []subject {
	var machines, writers []subject
	for i, m := range s.Case.Machines {
		if i < len(s.Jobs) && s.Jobs[i].Refused != nil && !s.Jobs[i].Again {
			continue
		}
		machines = append(machines, subject{name: m.Name, machine: m})
		w := subject{name: m.MasterTarget, writer: observed.RoleMasterTarget}
		if m.Architecture == string(observed.Modernized) {
			w = subject{name: m.Appliance, writer: observed.RoleAppliance}
		}
		if w.name == "" {
			continue
		}
		at := slices.IndexFunc(writers, func(o subject) bool { return o.name == w.name && o.writer == w.writer })
		if at < 0 {
			at, writers = len(writers), append(writers, w)
		}
		writers[at].serves = append(writers[at].serves, m)
	}
	return append(machines, writers...)
}

// The ways of a subject are the kinds of news that there are of it.
const (
	poweredOn = 0 // of a machine
	azureGone = 1 // the Azure VM is not there, or off
	returned  = 2

	relocated   = 0 // of a writer
	snapshotted = 1
	loose       = 2 // delta disks without a snapshot

	unseen = 3 // of either: it cannot be watched

	ways = 4
)

// Each time that a way of a subject is told has three numbers: of what was told, of its end, and of the word of the person
// who has seen it.
const (
	partTold  = 0
	partEnded = 1
	partAcked = cases.AcknowledgedAfter // published by whoever takes that word

	parts = 3
)

// number numbers the news of a case, without gaps for what has happened and alike for every guard that sees
// them, in whatever order: count is how often this way of this subject was told so far, itself included.
func number(subjects, at, way, count, part int) int {
	return ((count-1)*subjects*ways+at*ways+way)*parts + part + 1
}

// numbered is the reverse of number.
func numbered(subjects, n int) (at, way, count, part int) {
	n--
	part, n = n%parts, n/parts
	way, n = n%ways, n/ways
	return n % subjects, way, n/subjects + 1, part
}

// known is what the guard knows of a subject. All of a case's travel with its wake-up, so it is kept short. Times are Unix
// milliseconds.
type known struct {
	Ref   string        `json:"ref,omitempty"` // managed object id, once found
	Seen  bool          `json:"seen,omitempty"`
	Sight int64         `json:"sight,omitempty"` // when it was in view last
	Taken int64         `json:"taken,omitempty"` // what happened until then is known
	Count [ways]int     `json:"count,omitzero"`  // how often each way was told
	Open  [ways][]int64 `json:"open,omitzero"`   // since when the last of these are so that are not over

	// Recalled is when an alarm of each way was told that only the event log knows: what began before is told with it.
	Recalled [ways]int64 `json:"recalled,omitzero"`

	machineKnown
	writerKnown
}

type machineKnown struct {
	On     bool   `json:"on,omitempty"`
	Before bool   `json:"before,omitempty"` // it is on since before the reprotect, whose job switches it off
	Past   bool   `json:"past,omitempty"`   // it replicates back: that job had its time
	Lost   bool   `json:"lost,omitempty"`   // the Azure VM is not where it was
	Off    int64  `json:"off,omitempty"`    // when the Azure VM was seen switched off first; 0: it is not
	Home   bool   `json:"home,omitempty"`   // its guard has ended
	Back   bool   `json:"back,omitempty"`   // its failback has begun; it falls when that is cancelled
	Still  int64  `json:"still,omitempty"`  // Unix time since when nothing brings it home; 0: something does
	Item   string `json:"item,omitempty"`   // its item now

	Azure *azureVM `json:"azure,omitempty"`
}

// azureVM is what the item said of the Azure VM when the case began; later a classic item says nothing of it.
type azureVM struct {
	ID    string   `json:"id,omitempty"`
	Name  string   `json:"name,omitempty"`
	Group string   `json:"group,omitempty"`
	Disks []string `json:"disks,omitempty"`
}

type writerKnown struct {
	Disks     map[string][]string `json:"disks,omitempty"`     // datastore -> marks of the disks there
	Away      map[string]string   `json:"away,omitempty"`      // mark of a disk that was moved -> where it belongs
	Snapshots []string            `json:"snapshots,omitempty"` // their marks
	Loose     int64               `json:"loose,omitempty"`     // since when there are delta disks without a snapshot
	Moving    string              `json:"moving,omitempty"`    // mark of the relocation that was told
	Moved     int64               `json:"moved,omitempty"`     // Unix time when that ended; 0: it runs
}
