package executor

import (
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
)

// needs is what the start of a machine takes.
func needs(m events.Machine, item observed.Item, vault observed.Vault) admission.Machine {
	return admission.Machine{Item: m.Item, Name: m.Name, Writer: writerOf(m, item.FabricID, vault), Disks: len(item.Disks)}
}

// writerOf is the id of what writes the disks of a machine on-premises, in lower case.
func writerOf(m events.Machine, fabricID string, vault observed.Vault) string {
	home, _ := vault.Fabric(fabricID) // unknown while the item is being replaced
	for _, f := range append([]observed.Fabric{home}, vault.Fabrics...) {
		if m.Architecture == string(observed.Modernized) {
			if a, ok := f.Appliance(m.Appliance); ok {
				return strings.ToLower(a.ID)
			}
		} else if mt, ok := f.MasterTarget(m.MasterTarget); ok {
			return strings.ToLower(mt.ID)
		}
	}
	return strings.ToLower(m.MasterTarget + m.Appliance)
}

// request is what a case asks of the queue for starts, without its machines.
func request(id, of string, c events.Case, look time.Duration) admission.Request {
	return admission.Request{
		ID: id, Order: admission.Order{Asked: c.RequestedAt, Request: of, Rank: c.Rank},
		Patience: 15 * look, // longer than the longest pause
		Forming:  look + look/4,
	}
}

// waitsFor names in a waiting event what the queue lets a case wait for.
func waitsFor(d admission.Decision) events.Reason {
	if d.Outcome == admission.NoDiskSlot {
		return waiting.ForDiskSlot
	}
	return waiting.ForTurn
}
