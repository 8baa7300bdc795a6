package preflight

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/readiness"
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
		f.judge(&r, readiness.Subject{Vault: vault, Now: now(), Seen: finder.Find(f.item.VMRef()), User: inventory.User, NoInventory: noInventory})
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
	return look.With(vms, err), nil
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

// decided weighs what was found: what is not known never makes a machine ready.
func (r Readiness) decided() Readiness {
	ready := len(r.refused)+len(r.unread) == 0
	if ready || len(r.refused) > 0 {
		r.Ready = &ready
	}
	r.Why = append(append([]string{}, r.refused...), r.unread...)
	return r
}

// judge says what stands against a failback of the machine now, and what is not known.
func (s candidate) judge(r *Readiness, subject readiness.Subject) {
	subject.Item, subject.Unread, subject.Points, subject.PointsUnread = s.item, s.unread, s.points, s.dark
	said := readiness.Of(events.LegFailback, subject)
	r.refused, r.unread = said.Refused, said.Unread
	r.PendingBytes, r.LagSeconds = s.item.Replication.PendingBytes, s.item.Replication.LagSeconds
	if s.dark != "" || len(s.points) == 0 || s.points[0].At.IsZero() {
		return
	}
	r.RecoveryPoint = &s.points[0].At                                                             // its age is told only where the service's clock allows it
	if lag := int(subject.Now.Sub(*r.RecoveryPoint).Seconds()); r.LagSeconds == nil && lag >= 0 { // times were seen that lie hours ahead
		r.LagSeconds = &lag
	}
}
