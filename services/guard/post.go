package guard

import (
	"context"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// post is where the reports of one site come in. It knows the cases that are under guard there.
type post struct {
	site    Site
	broker  bus.Broker
	now     func() time.Time
	trouble func(error)
	news    chan struct{} // of dirty; holds one

	mu    sync.Mutex
	cases map[string]*charge            // by case
	users map[string]map[string]*charge // by managed object id, then by case
	vms   map[string]observed.Watched   // by managed object id, of those with users
	dirty map[string]*charge            // to be judged
	blind bool

	azure azureLook
}

func newPost(s Site, b bus.Broker, now func() time.Time, trouble func(error)) *post {
	return &post{
		site: s, broker: b, now: now, trouble: trouble, news: make(chan struct{}, 1),
		cases: map[string]*charge{}, users: map[string]map[string]*charge{}, vms: map[string]observed.Watched{}, dirty: map[string]*charge{},
	}
}

// charge is a case under guard.
type charge struct {
	event  events.Header // started
	things []thing

	mu    sync.Mutex // taken before that of the post
	known []known    // of things, in their order
	refs  []string   // what is in view for it
	heard time.Time  // when the bus spoke of the case last
}

// enter takes a case under guard, or goes on with it. Of two memories, that of this process is fresher, but
// another process may have told more meanwhile.
func (p *post) enter(e workflow.Event[events.Started], remembered []known) *charge {
	p.mu.Lock()
	c := p.cases[e.Case]
	if c == nil {
		c = &charge{event: e.Header, things: things(e.Data)}
		c.known = make([]known, len(c.things))
		copy(c.known, remembered)
		p.cases[e.Case] = c
		remembered = nil
	}
	p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = p.now()
	for i := range min(len(remembered), len(c.known)) {
		for way := range ways {
			c.known[i].Count[way] = max(c.known[i].Count[way], remembered[i].Count[way])
		}
	}
	p.watch(c)
	return c
}

// watch takes the machines of a case into view that are found. The caller holds the charge.
func (p *post) watch(c *charge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range c.known {
		if k.Ref == "" || p.users[k.Ref][c.event.Case] == c {
			continue
		}
		if p.users[k.Ref] == nil {
			p.users[k.Ref] = map[string]*charge{}
			p.site.Watch.Add(k.Ref)
		}
		p.users[k.Ref][c.event.Case] = c
		c.refs = append(c.refs, k.Ref)
		if _, seen := p.vms[k.Ref]; seen {
			p.soil(c)
		}
	}
}

// leave ends the guard of a case. The caller holds the charge.
func (p *post) leave(c *charge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cases[c.event.Case] == c {
		delete(p.cases, c.event.Case)
	}
	delete(p.dirty, c.event.Case)
	for _, ref := range c.refs {
		p.drop(c, ref)
	}
}

// drop takes a machine out of view, unless another case has it. The caller holds the post.
func (p *post) drop(c *charge, ref string) {
	delete(p.users[ref], c.event.Case)
	if len(p.users[ref]) == 0 {
		delete(p.users, ref)
		delete(p.vms, ref)
		p.site.Watch.Remove(ref)
	}
}

// soil marks a case to be judged. The caller holds the post.
func (p *post) soil(c *charge) {
	p.dirty[c.event.Case] = c
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// tell takes in how a machine stands.
func (p *post) tell(vm observed.Watched) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[vm.Ref] == nil {
		return
	}
	p.vms[vm.Ref] = vm
	for _, c := range p.users[vm.Ref] {
		p.soil(c)
	}
}

// sight takes in whether vCenter can be seen.
func (p *post) sight(err error) {
	p.mu.Lock()
	again := err == nil && p.blind
	p.blind = err != nil
	p.mu.Unlock()
	if err != nil || again {
		p.trouble(err)
	}
}

const (
	publishers = 32              // cases whose violations are published at once
	retryAfter = time.Second     // when the bus did not take a violation
	sweepEvery = 5 * time.Minute // for cases that another process has taken over
)

// run judges the cases of whose machines something was told, until ctx ends.
func (p *post) run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			p.sweep()
		case <-retry.C:
		case <-p.news:
		}
		if err := p.judgeDirty(ctx); err != nil && ctx.Err() == nil {
			p.trouble(err)
			retry.Reset(retryAfter)
		}
	}
}

func (p *post) judgeDirty(ctx context.Context) error {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = map[string]*charge{}
	p.mu.Unlock()
	var working sync.WaitGroup
	slots := make(chan struct{}, publishers)
	failed := make(chan error, len(dirty))
	for _, c := range dirty {
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			if err := p.judge(ctx, c); err != nil {
				p.mu.Lock()
				if p.cases[c.event.Case] == c {
					p.dirty[c.event.Case] = c
				}
				p.mu.Unlock()
				failed <- err
			}
		})
	}
	working.Wait()
	close(failed)
	return <-failed // one says it for all; nil when there is none
}

// judge holds a case against what its machines were told to be, and publishes what must not be. What was
// published is remembered; after an error all is judged again.
func (p *post) judge(ctx context.Context, c *charge) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.things {
		p.mu.Lock()
		vm, seen := p.vms[c.known[i].Ref]
		p.mu.Unlock()
		if !seen {
			continue
		}
		k, told := t.judge(c.known[i], vm, p.now())
		if len(told) > 0 && t.writer == "" {
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
		if vm.Gone {
			p.mu.Lock()
			p.drop(c, vm.Ref)
			p.mu.Unlock()
		}
	}
	return nil
}

// homeLimit bounds the question whether a machine was switched on by its failback: an alarm must not wait long.
const homeLimit = time.Second

// goesHome asks whether the failback of a machine has begun, since the last look.
func (p *post) goesHome(ctx context.Context, k known) (observed.Item, bool) {
	if k.Item == "" {
		return observed.Item{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, homeLimit)
	defer cancel()
	item, err := p.site.Vault.Item(ctx, k.Item)
	return item, err == nil && stageOf(item, true) >= back
}

// publish tells of the violations of a thing, and then remembers what is known of it. The caller holds the charge.
func (p *post) publish(ctx context.Context, c *charge, at int, k known, told []violation) error {
	for _, v := range told {
		n := number(len(c.things), at, v.way, k.Count[v.way])
		if err := p.report(ctx, c, n, workflow.Fact(events.TypeViolated, "", v.fact)); err != nil {
			return err
		}
	}
	c.known[at] = k
	return nil
}

func (p *post) report(ctx context.Context, c *charge, number int, d workflow.Draft) error {
	return workflow.Report(ctx, p.broker, name, c.event, number, d, p.now())
}

// sweep drops the cases of which the bus has not spoken for long: another process holds them now.
func (p *post) sweep() {
	p.mu.Lock()
	var all []*charge
	for _, c := range p.cases {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		if p.now().Sub(c.heard) > silence*p.site.Look {
			p.leave(c)
		}
		c.mu.Unlock()
	}
}

// azureLook is one look at Azure for all cases of a site.
type azureLook struct {
	mu   sync.Mutex
	last observed.AzureVMs
}

// azureVMs looks for the Azure VMs of all machines under guard, unless somebody did so just now.
func (p *post) azureVMs(ctx context.Context) observed.AzureVMs {
	p.azure.mu.Lock()
	defer p.azure.mu.Unlock()
	if !p.azure.last.Taken.IsZero() && p.now().Sub(p.azure.last.Taken) < p.site.Look {
		return p.azure.last
	}
	var items []observed.Item
	p.mu.Lock()
	var all []*charge
	for _, c := range p.cases {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		for _, k := range c.known {
			if k.Azure != nil && !k.Home {
				items = append(items, k.Azure.item())
			}
		}
		c.mu.Unlock()
	}
	p.azure.last = p.site.Azure.Look(ctx, items, p.now)
	return p.azure.last
}
