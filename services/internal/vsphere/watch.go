package vsphere

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

type ref = types.ManagedObjectReference

// Watch keeps virtual machines in view with one WaitForUpdatesEx, however many there are. Safe for concurrent use.
//
// Properties are the truth; tasks are an early warning. What the watch reports is the state, not the change, so
// after a lost connection it reports every machine anew, and whoever compares misses nothing.
type Watch struct {
	client *Client
	news   chan struct{} // of wanted; holds one

	mu     sync.Mutex
	wanted map[ref]time.Time // until when each was seen
	again  map[ref]time.Time // added since the last round, and seen until then: to be told of, even when nothing changes

	// telling keeps the reports of one machine in order. It is taken before mu.
	telling sync.Mutex
	seen    map[ref]*object        // machines and tasks of this session
	scopes  map[ref]observed.Scope // of the moves among those tasks
	tell    func(observed.Watched)
}

// Watch makes a watch. It wants a client, and so a session, of its own: a call that waits for minutes is not to
// stand in the way of others.
func (c *Client) Watch() *Watch {
	return &Watch{client: c, news: make(chan struct{}, 1), wanted: map[ref]time.Time{}, again: map[ref]time.Time{}}
}

// Add takes a machine, by its managed object id, into view. Run reports it soon, as it is then, with what happened to it
// since the time when it was seen last.
func (w *Watch) Add(id string, since time.Time) {
	w.change(func() {
		r := ref{Type: "VirtualMachine", Value: id}
		w.again[r] = since
		if seen, ok := w.wanted[r]; !ok || since.Before(seen) {
			w.wanted[r] = since
		}
	})
}

// Remove lets a machine out of view.
func (w *Watch) Remove(id string) {
	w.change(func() { delete(w.wanted, ref{Type: "VirtualMachine", Value: id}) })
}

func (w *Watch) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

const (
	// maxWait is how long vCenter holds one call when nothing changes. It bounds what a call that could not be
	// ended leaves behind there.
	maxWait = 20 * time.Second
	// lateness is how much later than that an answer may come. After it the connection is dead, as when a firewall has
	// lost its state: vCenter answers in time by contract.
	lateness = 4 * time.Second
	// firstLimit bounds the first answer, which holds everything about all machines.
	firstLimit = time.Minute
	// callLimit bounds the calls that set up a watch.
	callLimit = 10 * time.Second
	// leaveLimit bounds the calls with which a watch takes its leave.
	leaveLimit = 2 * time.Second

	firstPause = time.Second
	mostPause  = 5 * time.Second
)

// Run reports every machine in view, first as it is and then at each change, until ctx ends. The reports come one
// after the other; tell must not block. While vCenter cannot be watched, blind is told why at every attempt, and
// nil when it is seen again.
func (w *Watch) Run(ctx context.Context, tell func(observed.Watched), blind func(error)) {
	w.tell = tell
	var dead *session
	for pause := firstPause; w.awaitWanted(ctx); pause = min(2*pause, mostPause) {
		s, err := w.client.sessions.live(ctx, dead)
		saw, begun := false, w.client.now()
		if err == nil {
			err = w.round(ctx, s, func() {
				pause, saw = firstPause, true
				blind(nil)
			})
			if fault.Is(err, &types.NotAuthenticated{}) {
				dead = s
				if saw && ctx.Err() == nil && w.client.now().Sub(begun) > firstPause {
					continue // it was renewed at once, so that nothing is blind
				}
			}
			if errors.Is(err, context.DeadlineExceeded) {
				w.client.transport.CloseIdleConnections() // those that nobody uses may be as dead
			}
		}
		if ctx.Err() != nil {
			return
		}
		err = w.client.fault("watch its machines", err)
		blind(err)
		wait := pause
		if f, ok := observed.FaultOf(err); ok {
			// Others log in with the same account, which too many failures would lock.
			wait = max(wait, 3*f.After)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// awaitWanted waits until a machine is to be watched: before that nobody logs in. It is false when ctx ended first.
func (w *Watch) awaitWanted(ctx context.Context) bool {
	for ctx.Err() == nil {
		w.mu.Lock()
		some := len(w.wanted) > 0
		w.mu.Unlock()
		if some {
			return true
		}
		select {
		case <-ctx.Done():
		case <-w.news:
		}
	}
	return false
}

// round watches within one session until it breaks.
func (w *Watch) round(ctx context.Context, s *session, sighted func()) error {
	v, err := openView(ctx, s)
	if err != nil {
		return err
	}
	// The call that waits does not end with ctx: the vCenter would wait on. It is asked to end it.
	lasting := context.WithoutCancel(ctx)
	defer v.close(lasting)
	waits, over := context.WithCancel(lasting)
	defer over()
	defer context.AfterFunc(ctx, func() {
		v.endWait(waits)
		over()
	})()

	w.telling.Lock()
	w.seen, w.scopes = map[ref]*object{}, map[ref]observed.Scope{}
	w.telling.Unlock()
	listed := map[ref]bool{}
	if err := w.list(ctx, s, v, listed); err != nil {
		return err
	}
	// The list changes while the call waits.
	listing, stop := context.WithCancelCause(waits)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer stop(nil)
	keeping.Go(func() {
		for {
			select {
			case <-listing.Done():
				return
			case <-w.news:
				if err := w.list(listing, s, v, listed); err != nil {
					stop(err) // ends the wait as well
					return
				}
			}
		}
	})
	for version := ""; ; {
		set, err := v.wait(listing, version)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return cmp.Or(context.Cause(listing), err)
		}
		if set != nil {
			version = set.Version
			if err := w.apply(listing, s, *set); err != nil {
				return err
			}
		}
		w.sight()
		sighted()
	}
}

// sight notes that all in view were seen just now.
func (w *Watch) sight() {
	now := w.client.now()
	w.telling.Lock()
	defer w.telling.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.seen {
		if _, wanted := w.wanted[r]; wanted {
			w.wanted[r] = now
		}
	}
}

// list makes the view hold what is wanted. listed is what it holds.
func (w *Watch) list(ctx context.Context, s *session, v *view, listed map[ref]bool) error {
	w.mu.Lock()
	wanted, again := maps.Clone(w.wanted), w.again
	w.again = map[ref]time.Time{}
	w.mu.Unlock()
	var add, remove []ref
	for r := range wanted {
		if !listed[r] {
			add = append(add, r)
		}
	}
	for r := range listed {
		if _, ok := wanted[r]; !ok {
			remove = append(remove, r)
		}
	}
	gone, err := v.modify(ctx, add, remove)
	if err != nil {
		w.mu.Lock()
		maps.Copy(w.again, again)
		w.mu.Unlock()
		return err
	}
	for _, r := range add {
		listed[r] = true
	}
	w.telling.Lock()
	defer w.telling.Unlock()
	for _, r := range remove {
		delete(listed, r)
		delete(w.seen, r)
	}
	maps.DeleteFunc(again, func(r ref, _ time.Time) bool { return w.seen[r] == nil })
	past, err := w.past(ctx, s, again)
	if err != nil {
		return err
	}
	w.report(again, past)
	for _, r := range gone {
		delete(listed, r)
		w.tell(observed.Watched{VM: observed.VM{Ref: r.Value}, Gone: true})
	}
	return nil
}

// apply takes in what vCenter reports, and tells of every machine that it concerns: of those that come into view, with what
// happened since they were seen last.
func (w *Watch) apply(ctx context.Context, s *session, set types.UpdateSet) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	concerned, entered := map[ref]time.Time{}, map[ref]time.Time{}
	for _, filter := range set.FilterSet {
		for _, update := range filter.ObjectSet {
			update.Obj = plain(update.Obj)
			for _, missing := range update.MissingSet {
				if fault.Is(missing.Fault.Fault, &types.NotAuthenticated{}) { // how a property collector says it
					return soap.WrapVimFault(missing.Fault.Fault)
				}
			}
			isNew := w.seen[update.Obj] == nil
			machine := w.take(update)
			concerned[machine] = time.Time{}
			if since, wanted := w.wants(machine); wanted && isNew && machine == update.Obj {
				entered[machine] = since
			}
		}
	}
	w.scope(ctx, s)
	past, err := w.past(ctx, s, entered)
	if err != nil {
		return err
	}
	w.report(concerned, past)
	return nil
}

// plain is a reference without the vCenter's own id, which it may have and lack.
func plain(r ref) ref { return ref{Type: r.Type, Value: r.Value} }

// past reads what happened to machines since they were seen last. What cannot be read it notes with each; only a session
// that is dead is an error, since a new one may read it.
func (w *Watch) past(ctx context.Context, s *session, since map[ref]time.Time) (func(*observed.Watched), error) {
	if len(since) == 0 {
		return func(*observed.Watched) {}, nil
	}
	first := w.client.now()
	for _, at := range since {
		if at.Before(first) {
			first = at
		}
	}
	all, err := happenings(ctx, s, first, w.client.now)
	if fault.Is(err, &types.NotAuthenticated{}) {
		return nil, err
	}
	return func(vm *observed.Watched) {
		r := ref{Type: "VirtualMachine", Value: vm.Ref}
		at, asked := since[r]
		if !asked {
			return
		}
		if err != nil {
			vm.PastUnread = words(err)
			return
		}
		vm.Past = slices.DeleteFunc(slices.Clone(all[r]), func(h observed.Happening) bool { return h.At.Before(at.Add(-historyMargin)) })
	}, nil
}

// scope finds out what the moves that run move, where their kind does not say it.
func (w *Watch) scope(ctx context.Context, s *session) {
	for r, o := range w.seen {
		info, ok := prop[types.TaskInfo](*o, "info")
		if _, known := w.scopes[r]; known || !ok || info.Entity == nil {
			continue
		}
		if moves := movesAmong([]types.TaskInfo{info}); len(moves) == 1 && !moves[0].Over() && moves[0].Scope == "" {
			w.scopes[r] = scopeOf(ctx, s, plain(*info.Entity), info.QueueTime)
		}
	}
}

// take takes in one update, and says which machine it concerns.
func (w *Watch) take(update types.ObjectUpdate) ref {
	o := w.seen[update.Obj]
	if o == nil || update.Kind == types.ObjectUpdateKindEnter {
		o = &object{ref: update.Obj, props: map[string]any{}, unread: map[string]string{}}
		w.seen[update.Obj] = o
	}
	machine := update.Obj
	if update.Kind == types.ObjectUpdateKindLeave {
		delete(w.seen, update.Obj) // a task that leaves was over before
		if _, wanted := w.wants(machine); wanted {
			lost := w.watched(o)
			lost.Gone = true
			w.tell(lost)
		}
		return machine
	}
	for _, missing := range update.MissingSet {
		o.unread[missing.Path] = reason(missing.Fault)
		delete(o.props, missing.Path) // what it was is no answer any more
	}
	for _, change := range update.ChangeSet {
		delete(o.unread, change.Name)
		if change.Val == nil {
			delete(o.props, change.Name)
			continue
		}
		o.props[change.Name] = change.Val
	}
	if entity := w.task(update.Obj).Entity; entity != nil {
		machine = plain(*entity)
	}
	return machine
}

// wants says until when a machine that is to be watched was seen.
func (w *Watch) wants(r ref) (since time.Time, wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, wanted = w.wanted[r]
	return since, wanted
}

// report tells of machines that are in view, each with its past.
func (w *Watch) report(machines map[ref]time.Time, past func(*observed.Watched)) {
	for r := range machines {
		o := w.seen[r]
		if _, wanted := w.wants(r); o == nil || !wanted || r.Type != "VirtualMachine" {
			continue
		}
		vm := w.watched(o)
		past(&vm)
		w.tell(vm)
	}
}

// watched says how a machine stands, of what has been reported so far.
func (w *Watch) watched(o *object) observed.Watched {
	vm := observed.VM{Ref: o.ref.Value, Name: text(*o, "name"), Power: text(*o, "runtime.powerState"), Connection: text(*o, "runtime.connectionState"), Unread: maps.Clone(o.unread)}
	vm.Consolidate, _ = prop[bool](*o, "runtime.consolidationNeeded")
	devices, _ := prop[types.ArrayOfVirtualDevice](*o, "config.hardware.device")
	for _, device := range devices.VirtualDevice {
		if disk, ok := device.(*types.VirtualDisk); ok {
			vm.Disks = append(vm.Disks, decodeDisk(disk))
		}
	}
	if info, ok := prop[types.VirtualMachineSnapshotInfo](*o, snapshotProp); ok {
		vm.Snapshots = snapshots(nil, "", info.RootSnapshotList)
	}
	tasks, _ := prop[types.ArrayOfManagedObjectReference](*o, "recentTask")
	for _, r := range tasks.ManagedObjectReference {
		info := w.task(plain(r))
		if info.State != types.TaskInfoStateRunning {
			continue
		}
		for _, m := range movesAmong([]types.TaskInfo{info}) {
			m.Scope = cmp.Or(m.Scope, w.scopes[plain(r)])
			vm.Moves = append(vm.Moves, m)
		}
	}
	slices.SortStableFunc(vm.Moves, func(a, b observed.Move) int { return b.Begun.Compare(a.Begun) })
	return observed.Watched{VM: vm}
}

// task is what has been reported of a task so far.
func (w *Watch) task(r ref) types.TaskInfo {
	var info types.TaskInfo
	if o := w.seen[r]; o != nil {
		info, _ = prop[types.TaskInfo](*o, "info")
	}
	return info
}
