package guard

import (
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Codes of violations, and of why something cannot be watched.
const (
	codePower    = "guard.powered-on"
	codeMotion   = "guard.storage-vmotion"
	codeSnapshot = "guard.snapshot"
	codeAzure    = "guard.azure-vm"
	codeAzureOff = "guard.azure-vm-off"

	codeAmbiguous = "guard.ambiguous"
	codeNotFound  = "guard.not-found"
	codeBlind     = "guard.unwatched"
)

// unwatched is why a subject cannot be watched.
type unwatched struct {
	code, what, do string
	candidates     []string
}

func (t subject) disconnected(state string) unwatched {
	return unwatched{
		code: codeBlind, what: fmt.Sprintf("%s is not watched: its host is not connected to vCenter, which shows it as %s", t.title(), state),
		do: "Connect the host again, or look there that it stays as it is.",
	}
}

func (t subject) hidden(property, why string) unwatched {
	return unwatched{
		code: codeBlind, what: fmt.Sprintf("%s is not watched: vCenter does not show its %s (%s)", t.title(), property, why),
		do: "Give the account its role on this VM again, propagating from the datacenter.",
	}
}

func (t subject) switchedOn(by string) *events.Violated {
	v := t.damaging(fmt.Sprintf("%s was switched on on-premises while it replicates back from Azure", t.name))
	if by != "" {
		v.What += ", by " + by
	}
	return v
}

func (t subject) isStillOn() *events.Violated {
	return t.damaging(fmt.Sprintf("%s is still on on-premises while it replicates back from Azure: the reprotect did not switch it off", t.name))
}

func (t subject) damaging(what string) *events.Violated {
	return &events.Violated{
		Code: codePower, Machine: t.name, What: what,
		Endangers: "Replication writes to the disks on which the machine now runs: they are damaged, and two machines of one name and address do the same work.",
		Do:        fmt.Sprintf("Switch %s off in vCenter at once, and leave it off until failback. Then look at its replication in the vault: resynchronize it before failback.", t.name),
	}
}

// failsBack ends what was told of a machine that was on, and is so by right from now on.
func (t subject) failsBack(from, until time.Time) *events.Cleared {
	c := t.isOff(from, until)
	c.What = "The failback of " + t.name + " has begun, which switches it on"
	return c
}

// isOff ends what was told of a machine that was on, and says what that leaves.
func (t subject) isOff(from, until time.Time) *events.Cleared {
	return &events.Cleared{
		Code: codePower, Machine: t.name, What: t.name + " is switched off on-premises again", From: from, Until: until.UTC(),
		Remains: fmt.Sprintf("%s was on for %s while replication wrote to its disks: they may be damaged.", t.name, max(until.Sub(from), time.Second).Round(time.Second)),
		Do:      fmt.Sprintf("Look at the replication of %s in the vault, and resynchronize it before failback. Then acknowledge the alarm.", t.name),
	}
}

func (t subject) isRelocated(r observed.Move) *events.Violated {
	by := ""
	if r.User != "" {
		by = ", begun by " + r.User
	}
	return t.relocation(
		fmt.Sprintf("%s %s is being relocated (task %s%s)", t.writer, t.name, r.Kind, by),
		"Cancel the task in vCenter now, if it moves disks. If it has ended: ",
	)
}

func (t subject) wasRelocated(moved []string) *events.Violated {
	return t.relocation(fmt.Sprintf("Disks of %s %s were moved to another datastore: %s", t.writer, t.name, strings.Join(moved, ", ")), "")
}

func (t subject) relocation(what, first string) *events.Violated {
	v := &events.Violated{
		Code: codeMotion, Machine: t.served(), What: what,
		Endangers: fmt.Sprintf("Replication to on-premises of %s: the appliance writes its disks through this VM, and must not be moved after a reprotect.", t.names()),
		Do:        first + "look at the health of the appliance and at the replication in the vault. If it does not recover, move the VM back to its datastore and resynchronize. Take the VM out of Storage DRS.",
	}
	if t.writer == observed.RoleMasterTarget {
		v.Endangers = fmt.Sprintf("The protected disks of %s hang on the master target and are dragged along: the later failback cannot detach them, and the machine cannot boot.", t.names())
		v.Do = first + "do not start a failback before somebody has found the disks and planned how to attach them by hand. Do not move the VM again. Take it out of vMotion and Storage DRS automation."
	}
	v.Do = strings.ToUpper(v.Do[:1]) + v.Do[1:]
	return v
}

func (t subject) hasSnapshot(paths []string) *events.Violated {
	return &events.Violated{
		Code: codeSnapshot, Machine: t.served(),
		What:      fmt.Sprintf("Master target %s has a snapshot: %s", t.name, strings.Join(paths, ", ")),
		Endangers: fmt.Sprintf("Reprotect and failback of %s fail while the master target has a snapshot.", t.names()),
		Do:        fmt.Sprintf("Delete the snapshot of %s in vCenter (do not revert to it), and consolidate its disks. Take the VM out of backup jobs that make snapshots.", t.name),
	}
}

func (t subject) hadSnapshot(from, until time.Time) *events.Violated {
	v := t.hasSnapshot(nil)
	const form = "2006-01-02 15:04:05"
	v.What = fmt.Sprintf("%s had a snapshot from %s to %s, while it was not watched", t.title(), from.UTC().Format(form), until.UTC().Format(form+" MST"))
	v.Do = fmt.Sprintf("Look at the replication of %s in the vault. Take the VM out of backup jobs that make snapshots.", t.names())
	return v
}

func (t subject) wantsConsolidation(disks []string) *events.Violated {
	v := t.hasSnapshot(nil)
	v.What = t.title() + " has no snapshot, and vCenter says that its disks need consolidation"
	if disks != nil {
		v.What = fmt.Sprintf("%s has no snapshot, and delta disks all the same: %s", t.title(), strings.Join(disks, ", "))
	}
	v.Do = fmt.Sprintf("Consolidate the disks of %s in vCenter (Snapshots, Consolidate).", t.name)
	return v
}

// title names a subject at the beginning of a sentence.
func (t subject) title() string {
	if t.writer == "" {
		return t.name
	}
	return strings.ToUpper(t.writer[:1]) + t.writer[1:] + " " + t.name
}

// endangered is the machine in danger; "" when there are many.
func (t subject) endangered() string {
	if t.writer == "" {
		return t.name
	}
	return t.served()
}

func (t subject) leftAzure(at where, vm observed.AzureVM, i observed.Item) *events.Violated {
	group := observed.LastSegment(i.AzureHome())
	v := &events.Violated{
		Code: codeAzure, Machine: t.name,
		What:      fmt.Sprintf("The Azure VM of %s is not in its resource group %s any more: it was deleted or moved", t.name, group),
		Endangers: "A machine whose Azure VM was deleted, or moved to another resource group, cannot come home by Site Recovery any more.",
		Do:        "Look in the activity log of the resource group who did it. Stop whoever deletes or moves more, and keep the disks.",
	}
	switch at { //nolint:exhaustive // told are only these two
	case nowhere:
		v.What = fmt.Sprintf("The Azure VM of %s was deleted from resource group %s", t.name, group)
		v.Do += " Ask Microsoft support at once whether the machine can be brought back; else restore it from backup."
	case elsewhere:
		v.What = fmt.Sprintf("The Azure VM of %s was moved from resource group %s to %s", t.name, group, observed.LastSegment(observed.ResourceGroupOf(vm.ID)))
		v.Do += fmt.Sprintf(" Move the VM with its disks back to %s, then look whether it replicates; if not, ask Microsoft support.", group)
	}
	return v
}

func (t subject) isOffInAzure(power string) *events.Violated {
	return &events.Violated{
		Code: codeAzureOff, Machine: t.name,
		What:      fmt.Sprintf("The Azure VM of %s is switched off: Azure says %s", t.name, power),
		Endangers: "While its Azure VM is off, the machine runs nowhere and nothing replicates: a reprotect fails (78093), and what is replicated grows old.",
		Do:        "Switch the Azure VM on again, unless it is off on purpose. The activity log says who switched it off: a person, an auto-shutdown schedule, or a tool that saves costs.",
	}
}

// served is the machine in danger; "" when there are many.
func (t subject) served() string {
	if len(t.serves) == 1 {
		return t.serves[0].Name
	}
	return ""
}

func (t subject) names() string {
	const shown = 5
	var all []string
	for _, m := range t.serves[:min(len(t.serves), shown)] {
		all = append(all, m.Name)
	}
	if more := len(t.serves) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all, ", "), more)
	}
	return strings.Join(all, ", ")
}
