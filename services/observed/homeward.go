package observed

import "fmt"

// Homeward is where a machine comes home: to its VM on-premises, whose disks are written, or to an alternate location,
// where a new VM is made (S21, S22, S35).
type Homeward struct {
	VM      *VM    // nil: an alternate location, unless it is unclear
	Unclear string // why it is not known, as a sentence
	Why     string // of an alternate location, as a sentence
}

// Alternate says whether a new VM will be made.
func (h Homeward) Alternate() bool { return h.VM == nil && h.Unclear == "" }

// Homeward says where a machine comes home, from what Site Recovery says of it and what was seen of its VM.
func (i Item) Homeward(seen Sighting, user string) Homeward {
	what := i.Name
	switch {
	case i.Physical:
		return Homeward{Why: fmt.Sprintf("%s was protected as a physical server and has no VM on-premises.", i.Name)}
	case i.VMDeleted != nil && *i.VMDeleted:
		return Homeward{Why: "Site Recovery says that the on-premises VM was deleted."}
	case seen.VM != nil:
		return Homeward{VM: seen.VM}
	case !seen.Absent:
		return Homeward{Unclear: seen.Why(what, user)}
	case i.VMDeleted != nil:
		return Homeward{Unclear: seen.Why(what, user) + " Site Recovery still sees it, so it is most likely hidden from the account."}
	}
	return Homeward{Why: seen.Why(what, user)}
}

// VMRef is how a machine's VM on-premises is found.
func (i Item) VMRef() VMRef { return VMRef{Name: i.Name, ID: i.VMID} }
