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

// started keeps a case under guard. What happens in vCenter the post hears by itself; here the case is found
// again after a restart, its machines are looked up, the vault and Azure are asked, and all that is known goes
// into the next wake-up.
func (g *Guard) started(ctx context.Context, e workflow.Event[events.Started], before []known) (workflow.Result[[]known], error) {
	p, ok := g.posts[e.Site]
	if !ok {
		return workflow.Result[[]known]{}, workflow.UnknownSite(e.Site)
	}
	c := p.enter(e, before)
	if err := p.look(ctx, c); err != nil {
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
	if !slices.ContainsFunc(c.known[:machines(c.things)], func(k known) bool { return !k.Home }) {
		p.leave(c)
		return workflow.Result[[]known]{}, nil
	}
	looks := min(e.Looks, growth)
	if !slices.ContainsFunc(c.known[:machines(c.things)], func(k known) bool { return !k.Home && k.Still == 0 }) {
		looks = e.Looks // nothing brings one home: it may take a day until somebody has mended the cause
	}
	pause := waiting.Pause(p.site.Look, looks)
	if e.Looks < firstLooks {
		pause = min(pause, time.Second)
	}
	return workflow.Result[[]known]{After: pause, State: c.known}, nil
}

// machines counts those at the head of a case's things.
func machines(things []thing) int {
	n := slices.IndexFunc(things, func(t thing) bool { return t.writer != "" })
	if n < 0 {
		return len(things)
	}
	return n
}

// look asks the vault where the machines stand, vCenter for those that are not found yet, and Azure.
func (p *post) look(ctx context.Context, c *charge) error {
	vault, err := p.site.Vault.Vault(ctx, p.site.Look)
	if err != nil {
		return err
	}
	c.mu.Lock()
	q := observed.Query{}
	refs := make([]observed.VMRef, len(c.things))
	for i, t := range c.things {
		if t.writer == "" {
			item, found := itemOf(vault, t.machine)
			if err := p.follow(ctx, c, i, item, found); err != nil {
				c.mu.Unlock()
				return err
			}
			refs[i] = observed.VMRef{Name: t.name, ID: item.VMID}
		} else {
			refs[i] = writerOf(vault, t)
		}
		if c.known[i].Ref == "" && !c.known[i].Home {
			q.VMs = append(q.VMs, refs[i])
		}
	}
	c.mu.Unlock()
	if len(q.VMs) > 0 {
		inventory, err := p.site.Inventory.Inventory(ctx, q)
		if err != nil {
			return err
		}
		c.mu.Lock()
		for i := range c.known {
			if found := inventory.VM(refs[i]); c.known[i].Ref == "" && len(found) == 1 {
				c.known[i].Ref = found[0].Ref
			}
		}
		p.watch(c)
		c.mu.Unlock()
	}
	return p.lookAtAzure(ctx, c)
}

// follow takes in where a machine stands, and tells when its failback is seen: it stands ready no more (S41). When that
// is cancelled or fails, it tells that too: the machine is under guard again, and ready. The caller holds the charge.
func (p *post) follow(ctx context.Context, c *charge, at int, item observed.Item, found bool) error {
	s := stageOf(item, found)
	k := c.known[at].follow(s, p.now(), p.site.JobWait+settled).learn(item, found)
	if found && k.Back != c.known[at].Back {
		k.Count[returned]++
		fact := events.Returned{Machine: c.things[at].name, Item: item.ID, State: item.State, Undone: !k.Back}
		if err := p.report(ctx, c, number(len(c.things), at, returned, k.Count[returned]), workflow.Fact(events.TypeReturned, "", fact)); err != nil {
			return err
		}
	}
	c.known[at] = k
	return nil
}

func (p *post) lookAtAzure(ctx context.Context, c *charge) error {
	look := p.azureVMs(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.things {
		k, told := t.judgeAzure(c.known[i], look)
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

// writerOf names the VM behind the choice of a master target or appliance, which may be an id or another name.
func writerOf(vault observed.Vault, t thing) observed.VMRef {
	for _, f := range vault.Fabrics {
		if mt, ok := f.MasterTarget(t.name); ok && t.writer == "master target" {
			return observed.VMRef{Name: mt.Name}
		}
		if a, ok := f.Appliance(t.name); ok && t.writer == "appliance" {
			return observed.VMRef{Name: a.Name, ID: a.BIOSID}
		}
	}
	return observed.VMRef{Name: t.name}
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
