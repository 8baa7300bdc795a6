package observed

// Watched is a virtual machine as a watch sees it at this moment. Of VM the fields Ref, Name, Power, Disks,
// Snapshots, Moves (those that run) and Unread are filled.
type Watched struct {
	VM
	Gone bool // deleted, or hidden from the account; the rest is as it was last
}
