package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Fault is something that is not as it was written: from a position to another, both included.
type Fault struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	What string `json:"what"`
}

// Verdict is what a verification found.
type Verdict struct {
	Messages uint64    `json:"messages"` // that were read
	Root     tlog.Hash `json:"root"`     // of the tree over them
	Part     bool      `json:"part"`     // what was read begins after the log does, so no checkpoint can be compared
	Covered  uint64    `json:"covered"`  // messages that a checkpoint vouches for
	Signed   time.Time `json:"signed,omitzero"`
	Faults   []Fault   `json:"faults"`
}

// mostFaults is how many faults a verdict lists: the first tell where to look.
const mostFaults = 100

// Good says whether nothing contradicts what was written.
func (v Verdict) Good() bool { return len(v.Faults) == 0 }

// Verifier compares a log, message by message, with what was written down with each and with checkpoints.
type Verifier struct {
	checkpoints []Checkpoint // by size
	next        int          // of checkpoints
	sound       uint64       // up to here the last checkpoint that fits reaches
	tree        Tree
	expected    uint64 // position
	verdict     Verdict
}

// NewVerifier begins. With several checkpoints a change is found between two of them.
func NewVerifier(checkpoints ...Checkpoint) *Verifier {
	sorted := slices.SortedFunc(slices.Values(checkpoints), func(a, b Checkpoint) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), a.Time.Compare(b.Time))
	})
	v := &Verifier{checkpoints: sorted, expected: 1}
	v.verdict.Faults = []Fault{}
	v.compare()
	return v
}

// Add takes the next message.
func (v *Verifier) Add(e Entry) {
	switch {
	case v.verdict.Messages == 0 && e.Position > 1:
		v.verdict.Part = true
	case e.Position == v.expected-1:
		v.fault(e.Position, e.Position, "this message stands here twice")
	case e.Position > v.expected:
		v.fault(v.expected, e.Position-1, "these messages are missing")
	case e.Position < v.expected:
		v.fault(e.Position, e.Position, fmt.Sprintf("this message was moved: it stands after message %d", v.expected-1))
	}
	v.expected = e.Position + 1
	leaf := LeafOf(e.Received)
	if e.Leaf != nil && *e.Leaf != leaf {
		v.fault(e.Position, e.Position, "this message was changed after it was written down")
	}
	v.tree.Add(leaf)
	v.verdict.Messages++
	v.compare()
}

// Fault adds what somebody else found, such as a line that cannot be read.
func (v *Verifier) Fault(f Fault) { v.fault(f.From, f.To, f.What) }

func (v *Verifier) fault(from, to uint64, what string) {
	if len(v.verdict.Faults) < mostFaults {
		v.verdict.Faults = append(v.verdict.Faults, Fault{from, to, what})
	}
}

// compare takes the checkpoints of the size that was reached.
func (v *Verifier) compare() {
	for ; v.next < len(v.checkpoints) && v.checkpoints[v.next].Size == v.tree.Size() && !v.verdict.Part; v.next++ {
		c := v.checkpoints[v.next]
		if c.Root == v.tree.Root() {
			v.sound, v.verdict.Covered, v.verdict.Signed = c.Size, c.Size, c.Time
			continue
		}
		v.fault(min(v.sound+1, c.Size), c.Size, "these messages are not the ones that were signed"+when(c)+": at least one was changed, removed, added or moved, or this is another log")
	}
}

// End says what was found.
func (v *Verifier) End() Verdict {
	if v.verdict.Part {
		if len(v.checkpoints) > 0 {
			v.fault(1, v.expected-1, "this is a part of the log: a checkpoint can be compared with a log from its first message only")
		}
	} else {
		for _, c := range v.checkpoints[v.next:] {
			v.fault(v.verdict.Messages+1, c.Size, fmt.Sprintf("the log was cut: it has %d messages, and had %d when it was signed%s", v.verdict.Messages, c.Size, when(c)))
		}
	}
	v.verdict.Root = v.tree.Root()
	return v.verdict
}

func when(c Checkpoint) string {
	if c.Time.IsZero() {
		return ""
	}
	return " at " + c.Time.UTC().Format("2006-01-02 15:04:05 MST")
}
