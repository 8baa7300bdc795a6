package main

import (
	"context"
	"net"
	"time"
)

// taking is how a process comes by an address that another one on its machine may have, and how it gives that up: who keeps
// the journal is asked there, and who stands by must not sit on it. Nobody knows whether another process waits for it, so who
// stands by lets go of it for a moment, now and then.
type taking struct {
	look   time.Duration // how often somebody who waits tries
	keep   time.Duration // how long who stands by has it at a time
	giveUp time.Duration // how long he then leaves it to others
}

var takes = taking{look: 200 * time.Millisecond, keep: 5 * time.Second, giveUp: time.Second}

// share serves at an address for as long as this process keeps the journal, and otherwise when nobody else wants it. l is the
// address where it was free at first, else nil. serve ends with its context, and closes the listener.
func (t taking) share(ctx context.Context, address string, l net.Listener, keeps func() bool, serve func(context.Context, net.Listener)) {
	for {
		if l == nil {
			if l = t.await(ctx, address); l == nil {
				return
			}
		}
		serving, end := context.WithCancel(ctx)
		over := make(chan struct{})
		go func() {
			defer close(over)
			defer end()
			serve(serving, l)
		}()
		t.whileWanted(serving, keeps)
		end()
		<-over
		if l = nil; !pause(ctx, t.giveUp) {
			return
		}
	}
}

// whileWanted returns when this process has kept nothing for a while, or ctx ends.
func (t taking) whileWanted(ctx context.Context, keeps func() bool) {
	for idle := time.Duration(0); idle < t.keep && pause(ctx, t.look); idle += t.look {
		if keeps() {
			idle = 0
		}
	}
}

// await takes an address when whoever has it has let go of it; nil when ctx ends before.
func (t taking) await(ctx context.Context, address string) net.Listener {
	for pause(ctx, t.look) {
		if l, err := net.Listen("tcp", address); err == nil {
			return l
		}
	}
	return nil
}

// pause waits, and says whether ctx lasts.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
