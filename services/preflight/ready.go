package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/services/observed"
)

// Readiness is whether a machine may be failed back, by what Site Recovery, Azure and vCenter say now.
type Readiness struct {
	Machine string   `json:"machine"`
	Item    string   `json:"item"` // ARM id
	Site    string   `json:"site"`
	Ready   *bool    `json:"ready"` // null: nothing stands against it, but something could not be read
	Why     []string `json:"why"`   // what stands against it, and what could not be read, as sentences

	LagSeconds    *int       `json:"lag"`           // age of the last recovery point in seconds; null when it is not known
	RecoveryPoint *time.Time `json:"recoveryPoint"` // the latest; null when there is none, or none is known
	PendingBytes  *int64     `json:"pendingBytes"`  // written in Azure and not yet on-premises; null when it is not said
	AsOf          time.Time  `json:"asOf"`          // nothing of this is older

	refused, unread []string
}

// readersAtOnce is how many machines are read at the same time; the vault's client keeps Azure's limits.
const readersAtOnce = 8

// ReadyForFailback judges every machine of a site that replicates from Azure to on-premises: whether it may be failed back now.
// Machines that have come home are left out. Everything is read anew. A vault that cannot be read is an error; what else
// cannot be read is not known of the machines that it is about.
func ReadyForFailback(ctx context.Context, s Site, now func() time.Time) ([]Readiness, error) {
	asOf := now()
	vault, err := s.Vault.Vault(ctx, 0)
	if err != nil {
		return nil, err
	}
	vault = vault.Indexed()
	var found []candidate
	var query observed.Query
	for _, i := range vault.Items {
		// What cannot be read may be one that replicates back.
		if (i.Unread != "" || i.ReversedOnce() && !i.Home()) && ofFabric(vault, i, s.Fabric) {
			found = append(found, candidate{item: i})
			query.VMs = append(query.VMs, i.VMRef())
		}
	}
	readAll(ctx, s.Vault, found)
	if vault.AzureVMs, err = alsoNamed(ctx, s.Vault, vault.AzureVMs, found); err != nil {
		return nil, err
	}
	inventory, noInventory := observed.Inventory{}, ""
	if len(found) > 0 {
		if inventory, err = s.VCenter.Inventory(ctx, query); err != nil {
			noInventory = err.Error()
		}
	}
	finder := observed.NewFinder(inventory.VMs)
	all := []Readiness{}
	for _, f := range found {
		if f.unread == "" && (f.item.Home() || !f.item.ReversedOnce()) { // it moved on since the list was read
			continue
		}
		r := Readiness{Machine: f.item.Name, Item: f.item.ID, Site: s.Name, AsOf: asOf.UTC()}
		f.judge(&r, vault, now())
		switch {
		case f.unread != "": // nothing more can be said of it
		case noInventory != "":
			r.unknown("vCenter could not be read: %s.", strings.TrimSuffix(noInventory, "."))
		default:
			r.onPremises(f.item, inventory, finder)
		}
		all = append(all, r.decided())
	}
	slices.SortStableFunc(all, func(a, b Readiness) int {
		return strings.Compare(observed.NormalName(a.Machine), observed.NormalName(b.Machine))
	})
	return all, nil
}

// alsoNamed is the look at Azure with the VMs that have the names of machines whose items do not name theirs any more: such
// are the classic ones.
func alsoNamed(ctx context.Context, vault Vault, look observed.AzureVMs, found []candidate) (observed.AzureVMs, error) {
	var names []string
	for _, f := range found {
		if f.item.AzureHome() == "" {
			names = append(names, f.item.Name)
		}
	}
	if len(names) == 0 {
		return look, nil
	}
	vms, err := vault.AzureVMsNamed(ctx, names)
	if err != nil && ctx.Err() != nil {
		return look, err
	}
	more := observed.AzureVMs{Taken: look.Taken, VMs: slices.Clone(look.VMs), Groups: look.Groups, Elsewhere: look.Elsewhere, PowerUnread: look.PowerUnread}
	if err != nil {
		more.PowerUnread = err.Error()
	}
	for _, vm := range vms {
		if !slices.ContainsFunc(more.VMs, func(known observed.AzureVM) bool { return observed.SameID(known.ID, vm.ID) }) {
			more.VMs = append(more.VMs, vm)
		}
	}
	return more.Indexed(), nil
}

// ofFabric says whether a machine lies in the fabric that the config of a site names; "" is any.
func ofFabric(vault observed.Vault, i observed.Item, fabric string) bool {
	f, _ := vault.Fabric(i.FabricID)
	return fabric == "" || strings.EqualFold(f.Name, fabric) || observed.SameID(f.ID, fabric)
}

// candidate is what was read of one machine.
type candidate struct {
	item   observed.Item
	unread string // why the item could not be read
	points []observed.RecoveryPoint
	dark   string // why its recovery points could not be read
}

// readAll reads each machine, and its recovery points, by itself: what a list says may be left out there, or old.
func readAll(ctx context.Context, vault Vault, all []candidate) {
	var reading sync.WaitGroup
	slots := make(chan struct{}, readersAtOnce)
	for n := range all {
		slots <- struct{}{}
		reading.Go(func() {
			defer func() { <-slots }()
			s := &all[n]
			item, err := vault.Item(ctx, s.item.ID)
			if err != nil {
				s.unread = err.Error()
			} else {
				s.item = item
			}
			if s.points, err = vault.RecoveryPoints(ctx, s.item.ID); err != nil {
				s.dark = err.Error()
			}
		})
	}
	reading.Wait()
}

func (r *Readiness) refuse(format string, args ...any) {
	r.refused = append(r.refused, fmt.Sprintf(format, args...))
}

func (r *Readiness) unknown(format string, args ...any) {
	r.unread = append(r.unread, fmt.Sprintf(format, args...))
}

// decided weighs what was found: what is not known never makes a machine ready.
func (r Readiness) decided() Readiness {
	ready := len(r.refused)+len(r.unread) == 0
	if ready || len(r.refused) > 0 {
		r.Ready = &ready
	}
	r.Why = append(append([]string{}, r.refused...), r.unread...)
	return r
}

// judge says what the vault and Azure know of a failback of the machine.
func (s candidate) judge(r *Readiness, vault observed.Vault, now time.Time) {
	i := s.item
	r.PendingBytes, r.LagSeconds = i.Replication.PendingBytes, i.Replication.LagSeconds
	if why := strings.TrimSuffix(cmp.Or(s.unread, i.Unread), "."); why != "" {
		r.unknown("%s could not be read: %s.", i.Name, why)
		return
	}
	r.stage(i)
	switch said := observed.Words(i.HealthErrors); i.HealthOf() {
	case observed.Sound:
	case observed.Unclear:
		r.unknown("Site Recovery does not say the health of %s.", i.Name)
	default:
		r.refuse("Site Recovery calls the health of %s %s%s.", i.Name, strings.ToLower(i.Health), after(said))
	}
	r.recoveryPoints(s, now)
	r.writer(i, vault, now)
	r.azureVM(i, vault.AzureVMs)
}

func (r *Readiness) stage(i observed.Item) {
	percent := ""
	if p := i.Replication.Percent; p != nil {
		percent = fmt.Sprintf(", %d %% done", *p)
	}
	switch stage := i.Stage(); stage {
	case observed.StageReady, observed.StageFailbackCancelled:
		if i.Busy() {
			r.refuse("Site Recovery job %s (%s) holds %s.", i.JobID, i.Scenario, i.Name)
		}
	case observed.StageResynchronizing:
		r.refuse("A resynchronization of %s is due or runs%s.", i.Name, percent)
	case observed.StageReplicationFailed:
		r.refuse("The initial replication of %s has failed.", i.Name)
	case observed.StageReprotecting, observed.StageInitial:
		r.refuse("%s is not protected yet: %s%s.", i.Name, cmp.Or(i.StateText, i.State), percent)
	case observed.StageFailingBack:
		r.refuse("%s fails back just now, or its failback is being cancelled.", i.Name)
	default:
		r.unknown("What Site Recovery says of %s is not known: state %s (%s), active location %s.", i.Name, i.State, i.StateText, i.Location)
	}
}

// recoveryPoints: a failback needs one. Its age is told only where the service's clock allows it.
func (r *Readiness) recoveryPoints(s candidate, now time.Time) {
	switch {
	case s.dark != "":
		r.unknown("The recovery points of %s could not be read: %s.", s.item.Name, strings.TrimSuffix(s.dark, "."))
		return
	case len(s.points) == 0:
		r.refuse("%s has no recovery point.", s.item.Name)
		return
	}
	if at := s.points[0].At; !at.IsZero() {
		r.RecoveryPoint = &at
		if lag := int(now.Sub(at).Seconds()); r.LagSeconds == nil && lag >= 0 { // times were seen that lie hours ahead
			r.LagSeconds = &lag
		}
	}
}

// writer judges what writes the machine's disks: a failback needs it.
func (r *Readiness) writer(i observed.Item, vault observed.Vault, now time.Time) {
	role, id := observed.RoleMasterTarget, i.MasterTargetID
	if i.Architecture == observed.Modernized {
		role, id = observed.RoleAppliance, i.ApplianceID
	}
	home, ok := vault.Fabric(i.FabricID)
	switch {
	case id == "":
		r.unknown("Site Recovery does not say which %s writes the disks of %s.", role, i.Name)
		return
	case !ok:
		r.unknown("The %s of %s could not be read%s.", role, i.Name, after(strings.TrimSuffix(vault.Unread["fabrics"], ".")))
		return
	}
	var parts []observed.Component
	if a, found := home.Appliance(id); role == observed.RoleAppliance && found {
		parts = a.Components()
	} else if mt, found := home.MasterTarget(id); found {
		parts = []observed.Component{home.Component(), mt.Component()}
		if ps, found := home.ProcessServer(i.ProcessServerID); found {
			parts = append(parts, ps.Component())
		}
	} else {
		r.refuse("The %s %s of %s is not registered with %s any more.", role, id, i.Name, home.Name)
	}
	for _, part := range parts {
		for _, complaint := range part.Complaints(now) {
			switch complaint.Condition {
			case observed.Broken:
				r.refuse("The %s: %s.", part, complaint.What)
			case observed.Unclear:
				r.unknown("The %s: %s.", part, complaint.What)
			case observed.Sound, observed.Doubtful: // it works
			}
		}
	}
}

// azureVM: it must run, for the failback begins with the last changes from it. A classic item does not name it any more:
// then its name must do, where one VM alone has it.
func (r *Readiness) azureVM(i observed.Item, look observed.AzureVMs) {
	vms, sure := look.Of(i)
	if !sure && i.AzureHome() == "" {
		vms = look.Named(i.Name)
		sure = len(vms) == 1
	}
	switch {
	case !sure:
		why := cmp.Or(look.Groups[strings.ToLower(i.AzureHome())], look.PowerUnread)
		r.unknown("Which Azure VM %s is, and whether it runs, is not known%s.", i.Name, after(strings.TrimSuffix(why, ".")))
	case vms[0].Power == "":
		r.unknown("Whether Azure VM %s of %s runs is not known%s.", vms[0].Name, i.Name, after(strings.TrimSuffix(look.PowerUnread, ".")))
	case vms[0].Power != observed.Running:
		r.refuse("Azure VM %s of %s does not run: Azure calls it %s.", vms[0].Name, i.Name, vms[0].Power)
	}
}

// onPremises: the VM there must be off, for its disks are written.
func (r *Readiness) onPremises(i observed.Item, inv observed.Inventory, finder *observed.Finder) {
	seen := finder.Find(i.VMRef())
	vm := seen.VM
	switch {
	case vm == nil && seen.Absent && (i.Physical || i.VMDeleted != nil && *i.VMDeleted): // made anew at the failback
	case vm == nil:
		r.unknown("%s", seen.Why(i.Name, inv.User))
	case vm.Unread.Why("runtime.powerState", "runtime.connectionState") != "":
		r.unknown("Whether VM %s is off could not be read: %s.", vm.Place(), vm.Unread.Why("runtime.powerState", "runtime.connectionState"))
	case vm.Connection != "connected":
		r.unknown("VM %s is %s in vCenter, so its power state is not known.", vm.Place(), cmp.Or(vm.Connection, "not said to be connected"))
	case vm.Power == "poweredOff":
	case vm.Power == "":
		r.unknown("vCenter does not say whether VM %s is off.", vm.Place())
	default:
		r.refuse("VM %s is not off on-premises: vCenter calls it %s, while replication writes to its disks.", vm.Place(), vm.Power)
	}
}

// after is what stands behind a colon, where there is something.
func after(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
