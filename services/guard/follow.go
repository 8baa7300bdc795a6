package guard

import (
	"context"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

const (
	// growth is how often the pause between looks grows: from look to about three times that. Until its next look
	// a guard that was restarted does not know of a case.
	growth = 3
	// silence is after how many looks without a word a case has gone to another process.
	silence = 15
	// firstLooks come quickly, so that what vCenter shows at first is soon kept by the bus.
	firstLooks = 3
)

// started keeps a case under guard. What happens in vCenter the guard of the site hears by itself; here the case is found
// again after a restart, its machines are looked up, the vault and Azure are asked, and all that is known goes
// into the next wake-up.
func (g *Guard) started(ctx context.Context, e workflow.Event[events.Started], before []known) (workflow.Result[[]known], error) {
	if e.Data.Case.Leg != events.LegReprotect {
		return workflow.Result[[]known]{}, nil // its machine stands under guard with the case that reprotected it, until it is home
	}
	p, ok := g.sites[e.Site]
	if !ok {
		return workflow.Result[[]known]{}, workflow.UnknownSite(e.Site)
	}
	c, found := p.enter(e, before)
	if !found {
		p.recall(ctx, e, c)
	}
	if err := p.look(ctx, c, e.Looks); err != nil {
		if _, ok := observed.FaultOf(err); !ok {
			return workflow.Result[[]known]{}, err
		}
		p.trouble(err) // it passes; what is known already stays under guard
	}
	if err := p.judge(ctx, c); err != nil {
		return workflow.Result[[]known]{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.known[:machines(c.subjects)], func(k known) bool { return !k.Home }) {
		return workflow.Result[[]known]{}, p.end(ctx, c)
	}
	p.sighted(c)
	looks := min(e.Looks, growth)
	if !slices.ContainsFunc(c.known[:machines(c.subjects)], func(k known) bool { return !k.Home && k.Still == 0 }) {
		looks = e.Looks // nothing brings one home: it may take a day until somebody has removed the cause
	}
	pause := waiting.Pause(p.site.Look, looks)
	if e.Looks < firstLooks {
		pause = min(pause, time.Second)
	}
	return workflow.Result[[]known]{After: pause, State: slices.Clone(c.known)}, nil
}

// recall takes in what the event log has of a case that this process did not know: an alarm that was told, and is not in the
// state that came with the wake-up, because the process that told it ended before. Without it the next alarm would have
// its number, and the bus would take it for the same.
func (p *siteGuard) recall(ctx context.Context, e workflow.Event[events.Started], c *guarded) {
	last, found, err := workflow.Mark(ctx, e, events.TypeViolated)
	if err != nil {
		p.trouble(err)
		return
	}
	if !found {
		return
	}
	at, way, count, part := numbered(len(c.subjects), last.Position-e.Position)
	c.mu.Lock()
	defer c.mu.Unlock()
	if part != partTold || at < 0 || at >= len(c.known) || c.known[at].Count[way] >= count {
		return
	}
	k := &c.known[at]
	k.Count[way], k.Recalled[way] = count, last.Time.UnixMilli()
	k.Open[way] = append(k.Open[way], last.Time.UnixMilli()) // when it is over already, its end is told, which the bus has too
	if c.subjects[at].writer == "" {
		k.On, k.Lost = k.On || way == poweredOn, k.Lost || way == azureGone
	}
}

// machines counts those at the head of a case's subjects.
func machines(subjects []subject) int {
	n := slices.IndexFunc(subjects, func(t subject) bool { return t.writer != "" })
	if n < 0 {
		return len(subjects)
	}
	return n
}

// unlearned are the items that may still tell of their Azure VM's disks.
func unlearned(c *guarded) (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.subjects {
		if t.writer == "" && c.known[i].Azure == nil && !c.known[i].Home {
			ids = append(ids, t.machine.Item)
		}
	}
	return ids
}

// anew is after how many looks machines that were found are looked for again: a replica or a namesake may have come, and
// vCenter may know a machine under another id by now.
const anew = 10

// look asks the vault where the machines stand, vCenter for those that are not found yet, and Azure.
func (p *siteGuard) look(ctx context.Context, c *guarded, looks int) error {
	vault, err := p.site.Vault.Vault(ctx, p.site.Look, unlearned(c)...)
	if err != nil {
		return err
	}
	c.mu.Lock()
	q := observed.Query{}
	refs := make([]observed.VMRef, len(c.subjects))
	for i, t := range c.subjects {
		if t.writer == "" {
			item, found := itemOf(vault, t.machine)
			if err := p.follow(ctx, c, i, item, found); err != nil {
				c.mu.Unlock()
				return err
			}
			refs[i] = item.VMRef()
			refs[i].Name = t.name
		} else {
			refs[i] = vault.Writer(t.writer, t.name, "").VM
		}
		if !c.known[i].Home && (c.known[i].Ref == "" || looks%anew == anew-1) {
			q.VMs = append(q.VMs, refs[i])
		}
	}
	c.mu.Unlock()
	if len(q.VMs) > 0 {
		inventory, err := p.site.Inventory.Inventory(ctx, q)
		if err != nil {
			return err
		}
		if err := p.find(ctx, c, refs, q, inventory); err != nil {
			return err
		}
	}
	return p.lookAtAzure(ctx, c)
}

// find takes the machines of a query into view that are found among an inventory, and tells of those that are not, or of
// which it cannot be told which they are.
func (p *siteGuard) find(ctx context.Context, c *guarded, refs []observed.VMRef, q observed.Query, inventory observed.Inventory) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.subjects {
		if c.known[i].Home || !slices.Contains(q.VMs, refs[i]) {
			continue
		}
		k := c.known[i]
		vm, why, ok := t.identify(inventory, refs[i])
		var told []news
		switch {
		case ok:
			k.Ref = vm.Ref
		case t.writer == "" && t.machine.Location == "alternate" && why.code == codeNotFound:
			k.Ref = "" // the failback makes it
		default:
			k.Ref = ""
			k, told = t.blind(k, why, p.now())
		}
		if err := p.publish(ctx, c, i, k, told); err != nil {
			return err
		}
	}
	p.watch(c)
	return nil
}

// end ends the guard of a case, and what is told of it that has no end else. The caller holds the case.
func (p *siteGuard) end(ctx context.Context, c *guarded) error {
	for i, t := range c.subjects {
		k, told := t.leave(c.known[i], p.now())
		if err := p.publish(ctx, c, i, k, told); err != nil {
			return err
		}
	}
	p.leave(c)
	return nil
}

// follow takes in where a machine stands, and tells when its failback is seen: it stands ready no more (S41). When that
// is cancelled or fails, it tells that too: the machine is under guard again, and ready. The caller holds the case.
func (p *siteGuard) follow(ctx context.Context, c *guarded, at int, item observed.Item, found bool) error {
	s := stageOf(item, found)
	k := c.known[at].follow(s, found && item.ReversedOnce(), p.now(), p.site.JobWait+settled).learn(item, found)
	if found && k.Back != c.known[at].Back {
		k.Count[returned]++
		fact := events.Returned{Machine: c.subjects[at].name, Item: item.ID, State: item.State, Undone: !k.Back}
		if err := p.report(ctx, c, number(len(c.subjects), at, returned, k.Count[returned], partTold), workflow.Fact(events.TypeReturned, "", fact)); err != nil {
			return err
		}
	}
	c.known[at] = k
	return nil
}

func (p *siteGuard) lookAtAzure(ctx context.Context, c *guarded) error {
	look := p.azureVMs(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.subjects {
		k, told := t.judgeAzure(c.known[i], look, p.now())
		if dangerous(told) { // a failback switches the Azure VM off, and may have begun since the vault was read
			if item, going := p.goesHome(ctx, c.known[i]); going {
				if err := p.follow(ctx, c, i, item, true); err != nil {
					return err
				}
				continue
			}
		}
		if err := p.publish(ctx, c, i, k, told); err != nil {
			return err
		}
	}
	return nil
}

// itemOf finds a machine's item. A classic reprotect replaces it by a new one of the same name.
func itemOf(vault observed.Vault, m events.Machine) (observed.Item, bool) {
	if item, ok := vault.Item(m.Item); ok {
		return item, true
	}
	back := slices.DeleteFunc(slices.Clone(vault.ItemsNamed(m.Name)), func(i observed.Item) bool {
		return !i.ReversedOnce() || string(i.Architecture) != m.Architecture
	})
	if len(back) != 1 {
		return observed.Item{}, false
	}
	return back[0], true
}

// learn takes in what the item says, and what it said first of the Azure VM and will not say for ever.
func (k known) learn(i observed.Item, found bool) known {
	if !found {
		return k
	}
	k.Item = i.ID
	if k.Azure == nil && i.InAzure() {
		k.Azure = &azureVM{ID: i.AzureVM, Name: i.AzureVMName, Group: i.AzureGroup, Disks: i.AzureDisks}
	}
	return k
}

// identify finds the VM of a subject by the rule that checks and placement have too, or says why it cannot be told.
func (t subject) identify(inventory observed.Inventory, ref observed.VMRef) (observed.VM, unwatched, bool) {
	s := inventory.Find(ref)
	if s.VM != nil {
		return *s.VM, unwatched{}, true
	}
	u := unwatched{code: codeAmbiguous, what: t.title() + " is not watched. " + s.Why(t.title(), inventory.User), candidates: observed.Paths(s.Candidates)}
	switch {
	case len(s.Candidates) > 0 && t.writer != "":
		u.do = "Write the inventory path of its VM into the config of the site, or give the VM that is not it another name."
	case len(s.Candidates) > 0:
		u.do = "Give the VM that is not it another name, or delete it."
	default:
		u.code, u.do = codeNotFound, "Look whether its VM was deleted or unregistered, and whether the account may see it."
	}
	return observed.VM{}, u, false
}
