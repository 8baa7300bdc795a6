package main

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

// trouble lets things go wrong, one about every second, drawn from a seed.
type trouble struct {
	*site
	random *rand.Rand
	counts map[string]int
	ends   []func() // of what lasts, and when it may end at the latest: now
}

// fault is one that may happen. It says what ends it, or nil.
type fault struct {
	name string
	do   func() (end func())
}

const (
	mostPause  = 1500 * time.Millisecond // between faults
	mostLasts  = 8 * time.Second         // of one that lasts
	mostAtOnce = 3                       // that last
)

// run makes trouble until ctx ends.
func (t *trouble) run(ctx context.Context) {
	faults := t.faults()
	for t.sleep(ctx, mostPause) {
		f := faults[t.random.IntN(len(faults))]
		t.counts[f.name]++
		end := f.do()
		if end == nil {
			continue
		}
		t.ends = append(t.ends, end)
		if len(t.ends) >= mostAtOnce || t.random.IntN(2) == 0 {
			if !t.sleep(ctx, mostLasts) {
				return
			}
			for _, end := range t.ends {
				end()
			}
			t.ends = nil
		}
	}
}

// heal ends everything that lasts.
func (t *trouble) heal() {
	for _, end := range t.ends {
		end()
	}
	t.ends = nil
	for _, p := range t.processes {
		p.thaw()
	}
}

func (t *trouble) sleep(ctx context.Context, most time.Duration) bool {
	timer := time.NewTimer(time.Duration(t.random.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (t *trouble) one(of []*process) *process { return of[t.random.IntN(len(of))] }

// faults are those of every bus, and those of this one.
func (t *trouble) faults() []fault {
	all := []fault{
		{"a service is killed", func() func() { t.one(t.services).kill(); return nil }},
		{"a service is killed", func() func() { t.one(t.services).kill(); return nil }},
		{"a service is frozen", func() func() { return freeze(t.one(t.services)) }},
		{"all services are killed", func() func() {
			for _, p := range t.services {
				p.kill()
			}
			return nil
		}},
	}
	if t.peer == nil {
		return append(all,
			fault{"a server is killed", func() func() { t.one(t.servers).kill(); return nil }},
			fault{"a server is frozen", func() func() { return freeze(t.one(t.servers)) }},
			fault{"two servers are killed", func() func() { t.servers[0].kill(); t.servers[1].kill(); return nil }},
			fault{"connections are cut", func() func() { t.ways[t.random.IntN(len(t.ways))].cut(); return nil }},
			fault{"a server is cut off from its clients", func() func() { return t.ways[t.random.IntN(len(t.ways))].refuse() }},
		)
	}
	topic := func() string {
		return []string{"reprotect", "reprotect-commands", "reprotect-notifications"}[t.random.IntN(3)]
	}
	return append(all,
		fault{"connections are cut", func() func() { t.peer.DropConnections(); return nil }},
		fault{"the bus is not reached", func() func() {
			t.peer.RefuseConnections(true)
			t.peer.DropConnections()
			return func() { t.peer.RefuseConnections(false) }
		}},
		fault{"the bus is busy", func() func() { t.peer.BusyFor(time.Duration(t.random.Int64N(int64(5 * time.Second)))); return nil }},
		fault{"a topic is full", func() func() {
			of := topic()
			t.peer.Fill(of, true)
			return func() { t.peer.Fill(of, false) }
		}},
		fault{"locks run out", func() func() { t.peer.ExpireLocks(); return nil }},
		fault{"a settlement is lost", func() func() { t.peer.DropAfterSettlement(1); return nil }},
		fault{"a send is lost", func() func() { t.peer.DropBeforeDisposition(1); return nil }},
	)
}

func freeze(p *process) (thaw func()) {
	p.signal(syscall.SIGSTOP)
	return p.thaw
}
