package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// Entry is a message of the log at its position, which counts from 1.
type Entry struct {
	Position uint64
	bus.Received

	// Leaf is the hash that was written down with it, where one was: it tells which message was changed.
	Leaf *tlog.Hash
}

// leafVersion begins each leaf, so that another form of it can never be taken for this one.
const leafVersion = "reprotect log entry v1"

// LeafOf is the hash of a message: of its subject, id, headers, the time when the bus stored it, and its bytes. Its
// position is what the tree says.
func LeafOf(r bus.Received) tlog.Hash {
	r.ID = idOf(r)
	published := ""
	if !r.Published.IsZero() {
		published = r.Published.UTC().Format(time.RFC3339Nano)
	}
	fields := []string{leafVersion, r.Subject, r.ID, published, string(r.Data)}
	for _, name := range slices.SortedFunc(maps.Keys(r.Headers), cmp.Compare[string]) {
		fields = append(fields, name, r.Headers[name])
	}
	var leaf []byte
	for _, f := range fields { // each with its length, so that no two messages have one form
		leaf = append(binary.BigEndian.AppendUint64(leaf, uint64(len(f))), f...)
	}
	return tlog.RecordHash(leaf)
}

// idOf is the id of a message: a bare command has the one that is made from its sequence.
func idOf(r bus.Received) string {
	if strings.HasPrefix(r.Subject, events.SubjectCommands+".") {
		return bus.CommandID(r)
	}
	return r.ID
}

// KeyOf names the message behind a delivery, so that it is one entry of the log however often and however late it comes.
// All outcomes of a step share one id, so the first that came stands. A message that has no id is told by its sequence,
// and by the time when it was stored: a stream that was made anew counts from 1 again. eventID is the id that the event
// itself has.
func KeyOf(r bus.Received, eventID string) string {
	fact := strings.HasPrefix(r.Subject, events.SubjectFacts+".")
	id := r.ID
	if fact {
		id = cmp.Or(id, eventID)
	}
	switch {
	case id == "":
		published := ""
		if !r.Published.IsZero() {
			published = r.Published.UTC().Format(keyTime)
		}
		return fmt.Sprintf("sequence %s %d %s", r.Subject, r.Sequence, published)
	case fact:
		return "fact " + id
	}
	return "message " + r.Subject + " " + id
}

// OtherKeyOf names a command whose id another one before it had, with other content: whoever sends may use an id again once the
// bus has forgotten it. ok is false where the key alone tells messages apart.
func OtherKeyOf(r bus.Received, key string) (other string, ok bool) {
	if r.ID == "" || !strings.HasPrefix(r.Subject, events.SubjectCommands+".") {
		return "", false
	}
	sum := sha256.Sum256(r.Data)
	return fmt.Sprintf("%s with %x", key, sum[:16]), true
}

// keyTime is how moments stand in keys, which journals have stored.
const keyTime = "2006-01-02T15:04:05.000000000Z"

// Counter numbers the messages of a log that is read from its beginning, as the journal does.
type Counter struct {
	seen map[[16]byte]bool
	last uint64
}

// Next is a message as the next entry of the log; false: it came before.
func (c *Counter) Next(r bus.Received) (Entry, bool) {
	if c.seen == nil {
		c.seen = map[[16]byte]bool{}
	}
	key := KeyOf(r, cases.ReadEntry(r).Header.ID)
	other, told := OtherKeyOf(r, key)
	if came := c.sees(key); told && c.sees(other) || !told && came {
		return Entry{}, false
	}
	c.last++
	return Entry{Position: c.last, Received: r}, true
}

// sees takes note of a key, and says whether it was seen before.
func (c *Counter) sees(key string) (before bool) {
	hash := sha256.Sum256([]byte(key))
	short := [16]byte(hash[:16])
	before = c.seen[short]
	c.seen[short] = true
	return before
}
