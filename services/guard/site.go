package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// siteGuard is where the reports of one site come in. It knows the cases that are under guard there.
type siteGuard struct {
	site    Site
	broker  bus.Broker
	now     func() time.Time
	trouble func(error)
	news    chan struct{} // of dirty; holds one

	mu    sync.Mutex
	cases map[string]*guarded            // by case
	users map[string]map[string]*guarded // by managed object id, then by case
	vms   map[string]observed.Watched    // by managed object id, of those with users
	dirty map[string]*guarded            // to be judged
	blind error                          // why vCenter is not seen
	sight time.Time                      // when vCenter was seen last
	// unwatched says why single subjects of cases are not watched.
	unwatched map[string]string

	azure azureLook
}

func newSiteGuard(s Site, b bus.Broker, now func() time.Time, trouble func(error)) *siteGuard {
	return &siteGuard{
		site: s, broker: b, now: now, trouble: trouble, news: make(chan struct{}, 1),
		cases: map[string]*guarded{}, users: map[string]map[string]*guarded{}, vms: map[string]observed.Watched{}, dirty: map[string]*guarded{}, unwatched: map[string]string{},
	}
}

// guarded is a case under guard.
type guarded struct {
	event    events.Header // started
	subjects []subject

	mu    sync.Mutex // taken before that of the siteGuard
	known []known    // of subjects, in their order
	refs  []string   // what is in view for it
	heard time.Time  // when the bus spoke of the case last
}

// enter takes a case under guard, or goes on with it. Of two memories, that of this process is fresher, but
// another process may have told more meanwhile.
func (p *siteGuard) enter(e workflow.Event[events.Started], remembered []known) (c *guarded, found bool) {
	p.mu.Lock()
	c, found = p.cases[e.Case]
	if !found {
		c = &guarded{event: e.Header, subjects: subjects(e.Data)}
		c.known = make([]known, len(c.subjects))
		for i := range c.known { // what happened before the start is no news
			c.known[i].Sight, c.known[i].Taken = e.Time.UnixMilli(), e.Time.UnixMilli()
		}
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
	for i, k := range c.known {
		if len(k.Open[unseen]) > 0 {
			p.recallUnwatched(c, i)
		}
	}
	p.watch(c)
	return c, found
}

// recallUnwatched takes in that a subject was not watched when its case was remembered.
func (p *siteGuard) recallUnwatched(c *guarded, at int) {
	p.mu.Lock()
	_, known := p.unwatched[fmt.Sprintf("%s/%d", c.event.Case, at)]
	p.mu.Unlock()
	if !known {
		p.noteUnwatched(c, at, c.subjects[at].title()+" is not watched: see 'reprotect show "+c.event.Case+"'")
	}
}

// watch takes the machines of a case into view that are found. The caller holds the case.
func (p *siteGuard) watch(c *guarded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range slices.Clone(c.refs) {
		if !slices.ContainsFunc(c.known, func(k known) bool { return k.Ref == ref }) {
			p.drop(c, ref) // it is another VM by now
		}
	}
	for _, k := range c.known {
		if k.Ref == "" || p.users[k.Ref][c.event.Case] == c {
			continue
		}
		if p.users[k.Ref] == nil {
			p.users[k.Ref] = map[string]*guarded{}
			p.site.Watch.Add(k.Ref, time.UnixMilli(k.Sight))
		}
		p.users[k.Ref][c.event.Case] = c
		c.refs = append(c.refs, k.Ref)
		if _, seen := p.vms[k.Ref]; seen {
			p.touch(c)
		}
	}
}

// leave ends the guard of a case. The caller holds the case.
func (p *siteGuard) leave(c *guarded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cases[c.event.Case] == c {
		delete(p.cases, c.event.Case)
	}
	delete(p.dirty, c.event.Case)
	for _, ref := range slices.Clone(c.refs) {
		p.drop(c, ref)
	}
}

// drop takes a machine out of view, unless another case has it. The caller holds the siteGuard.
func (p *siteGuard) drop(c *guarded, ref string) {
	delete(p.users[ref], c.event.Case)
	c.refs = slices.DeleteFunc(c.refs, func(r string) bool { return r == ref })
	if len(p.users[ref]) == 0 {
		delete(p.users, ref)
		delete(p.vms, ref)
		p.site.Watch.Remove(ref)
	}
}

// touch marks a case to be judged. The caller holds the siteGuard.
func (p *siteGuard) touch(c *guarded) {
	p.dirty[c.event.Case] = c
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// tell takes in how a machine stands.
func (p *siteGuard) tell(vm observed.Watched) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[vm.Ref] == nil {
		return
	}
	if vm.PastUnread != "" { // told until something is seen again
		p.blind = fmt.Errorf("what happened to %s while it was not watched cannot be read: %s", vm.Name, vm.PastUnread)
		defer func() { go p.trouble(p.blindness()) }()
	}
	vm.Taken = p.now()
	vm.Past = append(p.vms[vm.Ref].Past, vm.Past...) // what was judged already is known by its time
	vm.Past = vm.Past[max(0, len(vm.Past)-mostPast):]
	p.vms[vm.Ref] = vm
	for _, c := range p.users[vm.Ref] {
		p.touch(c)
	}
}

// mostPast bounds what is kept of what happened to a machine while nobody watched.
const mostPast = 100

// see takes in whether vCenter can be seen.
func (p *siteGuard) see(err error) {
	p.mu.Lock()
	again := err == nil && p.blind != nil
	p.blind = err
	if err == nil {
		p.sight = p.now()
	}
	p.mu.Unlock()
	if err != nil || again {
		p.trouble(p.blindness())
	}
}

// blindness says what cannot be seen at the moment: all of vCenter, or single machines.
func (p *siteGuard) blindness() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blind != nil || len(p.unwatched) == 0 {
		return p.blind
	}
	const shown = 5
	all := slices.Compact(slices.Sorted(maps.Values(p.unwatched)))
	text := strings.Join(all[:min(shown, len(all))], "; ")
	if more := len(all) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return errors.New(text)
}

// noteUnwatched takes in whether a subject of a case can be watched: "" when it can.
func (p *siteGuard) noteUnwatched(c *guarded, at int, why string) {
	key := fmt.Sprintf("%s/%d", c.event.Case, at)
	p.mu.Lock()
	was := p.unwatched[key]
	if p.unwatched[key] = why; why == "" {
		delete(p.unwatched, key)
	}
	p.mu.Unlock()
	if was != why {
		p.trouble(p.blindness())
	}
}

// sighted notes until when the machines of a case were in view. The caller holds the case.
func (p *siteGuard) sighted(c *guarded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, k := range c.known {
		if _, seen := p.vms[k.Ref]; seen && p.sight.UnixMilli() > k.Sight {
			c.known[i].Sight = p.sight.UnixMilli()
		}
	}
}

const (
	publishers = 32              // cases whose violations are published at once
	retryAfter = time.Second     // when the bus did not take a violation
	sweepEvery = 5 * time.Minute // for cases that another process has taken over
	judgeEvery = 5 * time.Second // what has to last before it is told
)

// run judges the cases of whose machines something was told, until ctx ends.
func (p *siteGuard) run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	again := time.NewTicker(judgeEvery)
	defer again.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			p.sweep()
		case <-again.C:
			p.pend()
		case <-retry.C:
		case <-p.news:
		}
		if err := p.judgeDirty(ctx); err != nil && ctx.Err() == nil {
			p.trouble(err)
			retry.Reset(retryAfter)
		}
	}
}

func (p *siteGuard) judgeDirty(ctx context.Context) error {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = map[string]*guarded{}
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
func (p *siteGuard) judge(ctx context.Context, c *guarded) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.subjects {
		p.mu.Lock()
		vm, seen := p.vms[c.known[i].Ref]
		p.mu.Unlock()
		if !seen {
			continue
		}
		k, told := t.judge(c.known[i], vm, p.now())
		if dangerous(told) && t.writer == "" {
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
func (p *siteGuard) goesHome(ctx context.Context, k known) (observed.Item, bool) {
	if k.Item == "" {
		return observed.Item{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, homeLimit)
	defer cancel()
	item, err := p.site.Vault.Item(ctx, k.Item)
	return item, err == nil && stageOf(item, true) >= back
}

// publish tells the news of a subject, and then remembers what is known of it. The caller holds the case.
func (p *siteGuard) publish(ctx context.Context, c *guarded, at int, k known, told []news) error {
	for _, n := range told {
		number := func(part int) int { return number(len(c.subjects), at, n.way, n.count, part) }
		id := fmt.Sprintf("%s/%s/%d", c.event.Case, events.StepGuard, c.event.Position+number(partTold)) // of what this ends
		var err error
		switch {
		case n.violated != nil:
			err = p.report(ctx, c, number(partTold), workflow.Fact(events.TypeViolated, "", *n.violated))
		case n.unwatched != nil:
			err = p.report(ctx, c, number(partTold), workflow.Fact(events.TypeUnwatched, "", *n.unwatched))
			p.noteUnwatched(c, at, n.unwatched.What)
		case n.cleared != nil:
			n.cleared.Violation = id
			err = p.report(ctx, c, number(partEnded), workflow.Fact(events.TypeCleared, "", *n.cleared))
		case n.watched != nil:
			n.watched.Unwatched = id
			err = p.report(ctx, c, number(partEnded), workflow.Fact(events.TypeWatched, "", *n.watched))
			p.noteUnwatched(c, at, "")
		}
		if err != nil {
			return err
		}
	}
	c.known[at] = k
	return nil
}

func (p *siteGuard) report(ctx context.Context, c *guarded, number int, d workflow.Draft) error {
	return workflow.Report(ctx, p.broker, name, c.event, number, d, p.now())
}

// pend lets the cases be judged of which something has to last before it is told, or over.
func (p *siteGuard) pend() {
	for _, c := range p.all() {
		c.mu.Lock()
		pending := slices.ContainsFunc(c.known, known.pending)
		c.mu.Unlock()
		if pending {
			p.mu.Lock()
			if p.cases[c.event.Case] == c {
				p.touch(c)
			}
			p.mu.Unlock()
		}
	}
}

func (p *siteGuard) all() []*guarded {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.cases))
}

// sweep drops the cases of which the bus has not spoken for long: another process holds them now.
func (p *siteGuard) sweep() {
	for _, c := range p.all() {
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
func (p *siteGuard) azureVMs(ctx context.Context) observed.AzureVMs {
	p.azure.mu.Lock()
	defer p.azure.mu.Unlock()
	if !p.azure.last.Taken.IsZero() && p.now().Sub(p.azure.last.Taken) < p.site.Look {
		return p.azure.last
	}
	var items []observed.Item
	for _, c := range p.all() {
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
