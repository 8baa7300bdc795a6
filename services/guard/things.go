package guard

import (
	"slices"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// thing is what a case depends on: one of its machines, or the VM that writes the disks of some of them.
type thing struct {
	name    string
	writer  string           // "master target" or "appliance"; "" for a machine
	machine events.Machine   // unless it is a writer
	serves  []events.Machine // whose disks it writes
}

// things lists what a case depends on, always in the same order: first its machines, then their writers. A
// machine whose submission was refused for good is not on its way and needs no guard.
func things(s events.Started) []thing {
	var machines, writers []thing
	for i, m := range s.Case.Machines {
		if i < len(s.Jobs) && s.Jobs[i].Refused != nil && !s.Jobs[i].Again {
			continue
		}
		machines = append(machines, thing{name: m.Name, machine: m})
		w := thing{name: m.MasterTarget, writer: "master target"}
		if m.Architecture == string(observed.Modernized) {
			w = thing{name: m.Appliance, writer: "appliance"}
		}
		if w.name == "" {
			continue
		}
		at := slices.IndexFunc(writers, func(o thing) bool { return o.name == w.name && o.writer == w.writer })
		if at < 0 {
			at, writers = len(writers), append(writers, w)
		}
		writers[at].serves = append(writers[at].serves, m)
	}
	return append(machines, writers...)
}

// Of a thing that many kinds of news are told: it may be violated in two ways, and a machine returns.
const (
	ways = 3

	poweredOn = 0 // a machine
	azureGone = 1
	returned  = 2

	relocated   = 0 // a writer
	snapshotted = 1
)

// number numbers the news of a case, without gaps for what has happened and alike for every guard that sees
// them, in whatever order: count is how often this way of this thing was told so far, itself included.
func number(things, at, way, count int) int { return (count-1)*things*ways + at*ways + way + 1 }

// known is what the guard knows of a thing. All of a case's travel with its wake-up, so it is kept short.
type known struct {
	Ref   string    `json:"ref,omitempty"` // managed object id, once found
	Seen  bool      `json:"seen,omitempty"`
	Count [ways]int `json:"count,omitzero"`

	machineKnown
	writerKnown
}

type machineKnown struct {
	On    bool   `json:"on,omitempty"`
	Lost  bool   `json:"lost,omitempty"`  // the Azure VM is not where it was
	Home  bool   `json:"home,omitempty"`  // its guard has ended
	Back  bool   `json:"back,omitempty"`  // its failback has begun; it falls when that is cancelled
	Still int64  `json:"still,omitempty"` // Unix time since when nothing brings it home; 0: something does
	Item  string `json:"item,omitempty"`  // its item now

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
	Snapshots []string            `json:"snapshots,omitempty"` // their marks
	Moving    string              `json:"moving,omitempty"`    // mark of the relocation that was told
	Moved     int64               `json:"moved,omitempty"`     // Unix time when that ended; 0: it runs
}
