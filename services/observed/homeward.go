package observed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Homeward is where a machine comes home: to its VM on-premises, whose disks are written, or to an alternate location,
// where a new VM is made (S21, S22, S35).
type Homeward struct {
	VM      *VM    // nil: an alternate location, unless it is unclear
	Unclear string // why it is not known, as a sentence
	Why     string // of an alternate location, as a sentence
}

// Alternate says whether a new VM will be made.
func (h Homeward) Alternate() bool { return h.VM == nil && h.Unclear == "" }

// Homeward says where a machine comes home, from what Site Recovery says of it and what vCenter shows. A VM that is not
// shown may have been deleted or be hidden from the account. Modernized vaults tell; else it is known when
// vCenter has it among its events, which are newer than what Site Recovery discovered, or a person vouches for it.
func (i Item) Homeward(seen Sighting, inv Inventory, attested string) Homeward {
	if attested != "" && seen.VM == nil && seen.Candidates == nil {
		return Homeward{Why: fmt.Sprintf("A person vouches that %s has no VM on-premises.", i.Name)}
	}
	switch {
	case i.Physical:
		return Homeward{Why: fmt.Sprintf("%s was protected as a physical server and has no VM on-premises.", i.Name)}
	case i.VMDeleted != nil && *i.VMDeleted:
		return Homeward{Why: "Site Recovery says that the on-premises VM was deleted."}
	case seen.VM != nil:
		return Homeward{VM: seen.VM}
	case !seen.Absent:
		return Homeward{Unclear: seen.Why(i.Name, inv.User)}
	}
	for _, r := range slices.Backward(inv.Removals) {
		if SameName(r.Name, i.Name) {
			return Homeward{Why: fmt.Sprintf("vCenter shows no VM of %s: %s removed it at %s.", i.Name, cmp.Or(r.User, "somebody"), r.At.UTC().Format("2006-01-02 15:04 UTC"))}
		}
	}
	switch {
	case i.VMDeleted != nil:
		return Homeward{Unclear: seen.Why(i.Name, inv.User) + " Site Recovery still sees it, so it is most likely hidden from the account."}
	case i.Architecture == Modernized && !i.OriginUnread:
		return Homeward{Why: seen.Why(i.Name, inv.User)}
	}
	why := seen.Why(i.Name, inv.User)
	if unread := inv.Unread["removals"]; unread != "" {
		why += " Its events could not be read: " + strings.TrimSuffix(unread, ".") + "."
	}
	return Homeward{Unclear: why}
}

// AttestGone is the check by which a person vouches that a machine has no VM on-premises any more.
const AttestGone = "location.original-or-alternate"

// VMRef is how a machine's VM on-premises is found. vCenter does not know the id of a classic one, which is the
// configuration server's own: where several VMs have the name, the datastores on which it lay tell.
func (i Item) VMRef() VMRef {
	ref := VMRef{Name: i.Name, Datastores: strings.Join(i.Datastores, "\n")}
	if i.Architecture != Classic {
		ref.ID = i.VMID
	}
	return ref
}
