package observed

import (
	"strings"
	"testing"
	"time"
)

// TestSiteRecoveryRenamed: the id of a classic machine is the configuration server's own, so a VM that has another name
// now is not found, and not taken for gone (F13).
func TestSiteRecoveryRenamed(t *testing.T) {
	t.Parallel()
	const own = "d3731098-963a-11eb-a892-000d3ad78fab" // as recorded: of version 1 (R5)
	vm := func(ref, name, datastore string) VM {
		return VM{Ref: ref, Name: name, Path: "/T/vm/" + ref, BIOSUUID: biosOfDB, InstanceUUID: instanceOfDB, Disks: []VMDisk{{File: "[" + datastore + "] x/x.vmdk"}}}
	}
	removed := []Removal{{Name: "db01", User: "admin", At: time.Unix(0, 0)}}
	for _, row := range []struct {
		name     string
		item     Item
		inv      Inventory
		attested string
		vm       string // ref
		unclear  string
		why      string
	}{
		{name: "F13 it has its name still", inv: Inventory{VMs: []VM{vm("vm-1", "db01", "VMFS-09")}}, vm: "vm-1"},
		{name: "F13 renamed on-premises", inv: Inventory{VMs: []VM{vm("vm-1", "db01-prod", "VMFS-01")}, User: "asr"}, unclear: "deleted or renamed"},
		{name: "F13 two of the name, one where it lay", inv: Inventory{VMs: []VM{vm("vm-1", "db01", "VMFS-02"), vm("vm-2", "db01", "VMFS-01")}}, vm: "vm-2"},
		{name: "F13 two of the name where it lay", inv: Inventory{VMs: []VM{vm("vm-1", "db01", "VMFS-01"), vm("vm-2", "db01", "VMFS-01")}}, unclear: "2 VMs"},
		{name: "F13 deleted, vCenter saw it", inv: Inventory{Removals: removed}, why: "admin removed it"},
		{name: "F13 deleted, a person vouches", attested: "yesterday, M. Sato", why: "vouches"},
		{name: "F14 reversed, what it was is not known", item: Item{Provider: "InMage", OriginUnread: true}, inv: Inventory{VMs: []VM{vm("vm-1", "db01", "VMFS-01")}}, vm: "vm-1"},
		{name: "F14 reversed and not found", item: Item{Provider: "InMage", OriginUnread: true}, unclear: "shows no VM"},
		{name: "F14 reversed modernized and not found", item: Item{Architecture: Modernized, Provider: "InMageRcmFailback", OriginUnread: true}, unclear: "shows no VM"},
		{name: "a physical server", item: Item{Physical: true}, why: "physical server"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			i := row.item
			i.Name, i.VMID, i.Datastores = "db01", own, []string{"VMFS-01"}
			if i.Architecture == "" {
				i.Architecture = Classic
			}
			h := i.Homeward(row.inv.Find(i.VMRef()), row.inv, row.attested)
			if got := refOf(h.VM); got != row.vm || !strings.Contains(h.Unclear, row.unclear) || (h.Unclear == "") != (row.unclear == "") || !strings.Contains(h.Why, row.why) {
				t.Errorf("VM %q, unclear %q, alternate because %q", got, h.Unclear, h.Why)
			}
			if h.Alternate() != (row.why != "") {
				t.Errorf("alternate location: %v", h.Alternate())
			}
		})
	}
	if ref := (Item{Architecture: Modernized, VMID: own}).VMRef(); ref.ID != own {
		t.Errorf("a modernized machine is looked for as %+v: its id is vCenter's", ref)
	}
}
