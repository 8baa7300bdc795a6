package vsphere

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/vmware/govmomi/fault"
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
	wanted map[ref]bool
	again  map[ref]bool // added since the last round: to be told of, even when nothing changes

	// telling keeps the reports of one machine in order. It is taken before mu.
	telling sync.Mutex
	seen    map[ref]*object // machines and tasks of this session
	tell    func(observed.Watched)
}

// Watch makes a watch. It wants a client, and so a session, of its own: a call that waits for minutes is not to
// stand in the way of others.
func (c *Client) Watch() *Watch {
	return &Watch{client: c, news: make(chan struct{}, 1), wanted: map[ref]bool{}, again: map[ref]bool{}}
}

// Add takes a machine, by its managed object id, into view. Run reports it soon, as it is then.
func (w *Watch) Add(id string) {
	w.change(func() {
		r := ref{Type: "VirtualMachine", Value: id}
		w.wanted[r], w.again[r] = true, true
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
	// leaveLimit bounds the calls with which a watch takes its leave.
	leaveLimit = 2 * time.Second

	firstPause = time.Second
	mostPause  = 15 * time.Second
)

// Run reports every machine in view, first as it is and then at each change, until ctx ends. The reports come one
// after the other; tell must not block. While vCenter cannot be watched, blind is told why at every attempt, and
// nil when it is seen again.
func (w *Watch) Run(ctx context.Context, tell func(observed.Watched), blind func(error)) {
	w.tell = tell
	var dead *session
	for pause := firstPause; w.awaitWanted(ctx); pause = min(2*pause, mostPause) {
		s, err := w.client.sessions.live(ctx, dead)
		if err == nil {
			err = w.round(ctx, s, func() {
				pause = firstPause
				blind(nil)
			})
			if fault.Is(err, &types.NotAuthenticated{}) {
				dead = s
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
	w.seen = map[ref]*object{}
	w.telling.Unlock()
	listed := map[ref]bool{}
	if err := w.list(ctx, v, listed); err != nil {
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
				if err := w.list(listing, v, listed); err != nil {
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
		sighted()
		if set == nil {
			continue
		}
		version = set.Version
		w.apply(*set)
	}
}

// list makes the view hold what is wanted. listed is what it holds.
func (w *Watch) list(ctx context.Context, v *view, listed map[ref]bool) error {
	w.mu.Lock()
	wanted, again := maps.Clone(w.wanted), w.again
	w.again = map[ref]bool{}
	w.mu.Unlock()
	var add, remove []ref
	for r := range wanted {
		if !listed[r] {
			add = append(add, r)
		}
	}
	for r := range listed {
		if !wanted[r] {
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
	for r := range again {
		if o := w.seen[r]; o != nil && wanted[r] {
			w.report(o)
		}
	}
	for _, r := range gone {
		delete(listed, r)
		w.tell(observed.Watched{VM: observed.VM{Ref: r.Value}, Gone: true})
	}
	return nil
}

// apply takes in what vCenter reports, and tells of every machine that it concerns.
func (w *Watch) apply(set types.UpdateSet) {
	w.telling.Lock()
	defer w.telling.Unlock()
	concerned := map[ref]bool{}
	for _, filter := range set.FilterSet {
		for _, update := range filter.ObjectSet {
			concerned[w.take(update)] = true
		}
	}
	for r := range concerned {
		if o := w.seen[r]; o != nil {
			w.report(o)
		}
	}
}

// take takes in one update, and says which machine it concerns.
func (w *Watch) take(update types.ObjectUpdate) ref {
	o := w.seen[update.Obj]
	if o == nil || update.Kind == types.ObjectUpdateKindEnter {
		o = &object{ref: update.Obj, props: map[string]any{}}
		w.seen[update.Obj] = o
	}
	machine := update.Obj
	if update.Kind == types.ObjectUpdateKindLeave {
		delete(w.seen, update.Obj) // a task that leaves was over before
		if w.wants(machine) {
			lost := w.watched(o)
			lost.Gone = true
			w.tell(lost)
		}
		return machine
	}
	o.unread = map[string]string{}
	for _, missing := range update.MissingSet {
		o.unread[missing.Path] = reason(missing.Fault)
	}
	for _, change := range update.ChangeSet {
		if change.Val == nil {
			delete(o.props, change.Name)
			continue
		}
		o.props[change.Name] = change.Val
	}
	if entity := w.task(update.Obj).Entity; entity != nil {
		machine = *entity
	}
	return machine
}

func (w *Watch) wants(r ref) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wanted[r]
}

func (w *Watch) report(o *object) {
	if o.ref.Type == "VirtualMachine" && w.wants(o.ref) {
		w.tell(w.watched(o))
	}
}

// watched says how a machine stands, of what has been reported so far.
func (w *Watch) watched(o *object) observed.Watched {
	vm := observed.VM{Ref: o.ref.Value, Name: text(*o, "name"), Power: text(*o, "runtime.powerState"), Unread: maps.Clone(o.unread)}
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
	var running []types.TaskInfo
	for _, r := range tasks.ManagedObjectReference {
		if info := w.task(r); info.State == types.TaskInfoStateRunning {
			running = append(running, info)
		}
	}
	vm.Moves = movesAmong(running)
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
