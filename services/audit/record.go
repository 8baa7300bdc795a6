package audit

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"reprotect.example/events"
	"reprotect.example/events/bus"
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
