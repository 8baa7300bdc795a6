package observed

import "time"

// Watched is a virtual machine as a watch sees it at this moment. Of VM the fields Ref, Name, Power, Connection, Disks,
// Snapshots, Consolidate, Moves (those that run) and Unread are filled.
type Watched struct {
	VM
	Gone  bool      // deleted, or hidden from the account; the rest is as it was last
	Taken time.Time // when it was so

	// Past is what vCenter's history tells of the time since the machine was seen last, the oldest first: only with the
	// first report after that. PastUnread says why it could not be read.
	Past       []Happening
	PastUnread string
}

// Happening is something that happened to a machine while nobody watched.
type Happening struct {
	Kind HappeningKind
	At   time.Time
	User string // "" when the vCenter, a host or the guest did it
}

// HappeningKind says what happened.
type HappeningKind string

// What the history tells.
const (
	SwitchedOn       HappeningKind = "on"
	SwitchedOff      HappeningKind = "off"
	SnapshotMade     HappeningKind = "snapshot"
	SnapshotsRemoved HappeningKind = "no-snapshot"
)
