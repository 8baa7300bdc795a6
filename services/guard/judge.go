package guard

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/services/observed"
)

// judge compares a subject as vCenter shows it with what was known of it: what is known from now on, and what is to
// be told. What cannot be seen counts as unchanged, and is told. It takes in first what happened while nobody watched.
func (t subject) judge(k known, vm observed.Watched, now time.Time) (known, []news) {
	if vm.Gone {
		k.Ref = "" // it may come back under another id: made anew, or registered again
		return k, nil
	}
	var all []news
	add := func(after known, n []news) { k, all = after, append(all, n...) }
	if why, bad := t.unreadable(vm); bad {
		add(t.blind(k, why, now))
	} else {
		add(t.sees(k, now))
	}
	if t.writer == "" {
		add(t.judgePower(k, vm, now))
	} else {
		add(t.judgeRelocation(k, vm, now))
		if t.writer == observed.RoleMasterTarget { // S30 knows it of master targets only
			add(t.judgeSnapshots(k, vm, now))
		}
	}
	k.Seen = true
	if !vm.Taken.IsZero() {
		k.Taken = vm.Taken.UnixMilli()
	}
	return k, all
}

// unreadable says what of a subject vCenter shows, but not what the guard must see of it.
func (t subject) unreadable(vm observed.Watched) (unwatched, bool) {
	if vm.Connection != "" && vm.Connection != connected {
		return t.disconnected(vm.Connection), true
	}
	needs := []string{"runtime.powerState"}
	if t.writer != "" {
		needs = []string{"config.hardware.device"}
	}
	if t.writer == observed.RoleMasterTarget {
		needs = append(needs, "snapshot")
	}
	for _, property := range needs {
		if why := vm.Unread[property]; why != "" {
			return t.hidden(property, why), true
		}
	}
	return unwatched{}, false
}

const (
	connected = "connected"
	on        = "poweredOn"
)

// judgePower knows three cases of a machine that is on: it was switched on meanwhile; it was on before the reprotect,
// whose job switches it off, which is waited for; or it is on still when it replicates back already.
func (t subject) judgePower(k known, vm observed.Watched, now time.Time) (known, []news) {
	if k.Home || k.Back {
		k.On, k.Before = false, false // switched on by right; once the failback is cancelled, it is so no more
		n := k.over(poweredOn, func(from time.Time) news { return news{cleared: t.failsBack(from, now)} })
		return k, n
	}
	var all []news
	for _, h := range vm.Past {
		if h.At.UnixMilli() > k.Taken && (h.Kind == observed.SwitchedOn || h.Kind == observed.SwitchedOff) {
			var n []news
			k, n = t.turn(k, h.Kind == observed.SwitchedOn, h.At, h.User)
			all = append(all, n...)
		}
	}
	if vm.Power == "" || vm.Unread["runtime.powerState"] != "" || vm.Connection != "" && vm.Connection != connected {
		return k, all // a power state of a host that is not connected is an old one
	}
	if isOn := vm.Power == on; !k.Seen && isOn && !k.On {
		k.On, k.Before = true, true
	} else {
		var n []news
		k, n = t.turn(k, isOn, now, "")
		all = append(all, n...)
	}
	if k.Before && k.Past {
		k.Before = false
		all = append(all, k.tell(poweredOn, now, news{violated: t.isStillOn()})...)
	}
	return k, all
}

// turn takes in that a machine is on or off since then.
func (t subject) turn(k known, isOn bool, since time.Time, by string) (known, []news) {
	switch {
	case isOn == k.On:
		return k, nil
	case isOn:
		k.On = true
		n := k.tell(poweredOn, since, news{violated: t.switchedOn(by)})
		return k, n
	}
	k.On, k.Before = false, false
	n := k.over(poweredOn, func(from time.Time) news { return news{cleared: t.isOff(from, since)} })
	return k, n
}

func (t subject) judgeSnapshots(k known, vm observed.Watched, now time.Time) (known, []news) {
	if vm.Unread["snapshot"] != "" {
		return k, nil
	}
	all := t.pastSnapshots(&k, vm, now)
	var marks, fresh []string
	since := now
	for _, s := range vm.Snapshots {
		mark := strconv.Itoa(int(s.ID))
		marks = append(marks, mark)
		if !slices.Contains(k.Snapshots, mark) && (k.Recalled[snapshotted] == 0 || s.Created.UnixMilli() > k.Recalled[snapshotted]) {
			fresh = append(fresh, s.Path)
			if !s.Created.IsZero() && s.Created.Before(since) {
				since = s.Created
			}
		}
	}
	k.Snapshots, k.Recalled[snapshotted] = marks, 0
	if fresh != nil {
		all = append(all, k.tell(snapshotted, since, news{violated: t.hasSnapshot(fresh)})...)
	}
	if len(marks) == 0 {
		all = append(all, k.over(snapshotted, t.cleared(codeSnapshot, t.title()+" has no snapshot any more", now))...)
	}
	return t.judgeLoose(k, vm, now, all)
}

// sameSnapshot is how far the time of a task may lie from that of the snapshot that it made.
const sameSnapshot = time.Minute

// pastSnapshots tells of snapshots that were made and removed while nobody watched.
func (t subject) pastSnapshots(k *known, vm observed.Watched, now time.Time) (all []news) {
	for i, h := range vm.Past {
		lives := slices.ContainsFunc(vm.Snapshots, func(s observed.Snapshot) bool { return s.Created.Sub(h.At).Abs() < sameSnapshot })
		if h.Kind != observed.SnapshotMade || h.At.UnixMilli() <= k.Taken || lives || len(k.Open[snapshotted]) > 0 {
			continue // known, told by what is there now, or told as long as another is there
		}
		until := now
		if end := slices.IndexFunc(vm.Past[i:], func(h observed.Happening) bool { return h.Kind == observed.SnapshotsRemoved }); end >= 0 {
			until = vm.Past[i+end].At
		}
		all = append(all, k.tell(snapshotted, h.At, news{violated: t.hadSnapshot(h.At, until)})...)
		all = append(all, k.over(snapshotted, t.cleared(codeSnapshot, t.title()+" has that snapshot no more", until))...)
	}
	return all
}

// settle is for how long disks may be delta disks without a snapshot: while one is removed, they are.
const settle = 30 * time.Second

// judgeLoose tells of disks that are delta disks, or want to be consolidated, though there is no snapshot.
func (t subject) judgeLoose(k known, vm observed.Watched, now time.Time, all []news) (known, []news) {
	var disks []string
	for _, d := range vm.Disks {
		if d.Delta {
			disks = append(disks, d.Label)
		}
	}
	if len(vm.Snapshots) > 0 || !vm.Consolidate && disks == nil {
		k.Loose = 0
		return k, append(all, k.over(loose, t.cleared(codeSnapshot, "The disks of "+t.title()+" are consolidated", now))...)
	}
	if k.Loose == 0 {
		k.Loose = now.UnixMilli()
	}
	if since := time.UnixMilli(k.Loose); now.Sub(since) >= settle && len(k.Open[loose]) == 0 {
		all = append(all, k.tell(loose, since, news{violated: t.wantsConsolidation(disks)})...)
	}
	return k, all
}

const (
	// afterMove is how long after the end of a relocation that was told the disks may still turn up elsewhere as part
	// of it: tasks and properties are reported apart.
	afterMove = time.Minute
	// longMove is how long a relocation of which nobody knows whether it moves disks may take before it is told: a machine
	// changes its host within less.
	longMove = time.Minute
)

func (t subject) judgeRelocation(k known, vm observed.Watched, now time.Time) (known, []news) {
	if k.Moving != "" && k.Moved != 0 && now.Sub(time.Unix(k.Moved, 0)) > afterMove {
		k.Moving, k.Moved = "", 0
	}
	var all []news
	if r, runs := dragging(vm.Moves, now); runs {
		mark := strconv.FormatInt(r.Begun.UnixMilli(), 36)
		if mark != k.Moving && r.Begun.UnixMilli() > k.Recalled[relocated] {
			all = append(all, k.tell(relocated, r.Begun, news{violated: t.isRelocated(r)})...)
		}
		k.Moving, k.Moved = mark, 0
	} else if k.Moving != "" && k.Moved == 0 {
		k.Moved = now.Unix()
	}
	if len(vm.Disks) > 0 && vm.Unread["config.hardware.device"] == "" {
		if moved := k.place(vm.Disks); moved != nil && k.Moving == "" && k.Recalled[relocated] == 0 {
			all = append(all, k.tell(relocated, now, news{violated: t.wasRelocated(moved)})...)
		}
		if k.Moving == "" && len(k.Away) == 0 {
			all = append(all, k.over(relocated, t.cleared(codeMotion, "The disks of "+t.title()+" are where they belong, and nothing moves them", now))...)
		}
	}
	k.Recalled[relocated] = 0
	return k, all
}

// dragging picks the running move that takes disks along, or may do so.
func dragging(moves []observed.Move, now time.Time) (observed.Move, bool) {
	i := slices.IndexFunc(moves, func(m observed.Move) bool {
		return m.Scope == observed.MovesDisks || m.Scope == "" && now.Sub(m.Begun) >= longMove
	})
	if i < 0 {
		return observed.Move{}, false
	}
	return moves[i], true
}

// place takes in where the disks are, and says which have left the place where they belong: where they were seen first. Each
// is followed by itself: disks that replication attaches and detaches are no relocation.
func (k *known) place(disks []observed.VMDisk) (moved []string) {
	now, away := map[string][]string{}, map[string]string{}
	for mark, home := range k.Away { // what was detached meanwhile is not back
		away[mark] = home
	}
	for _, d := range disks {
		mark := markOf(d)
		now[d.DatastoreRef] = append(now[d.DatastoreRef], mark)
		before := datastoreOfMark(k.Disks, mark)
		if before == "" || before == d.DatastoreRef {
			continue
		}
		if away[mark] == "" {
			away[mark] = before
		}
		if away[mark] == d.DatastoreRef {
			delete(away, mark)
			continue
		}
		moved = append(moved, fmt.Sprintf("%s to %s", d.Label, datastoreOf(d)))
	}
	k.Disks, k.Away = now, away
	if len(away) == 0 {
		k.Away = nil
	}
	return moved
}

// markOf tells a disk from the others of its VM, in few letters: by its UUID, else by its file without the datastore. Labels
// are given anew when disks come and go.
func markOf(d observed.VMDisk) string {
	if id := observed.NormalUUID(d.UUID); id != "" {
		return id[max(0, len(id)-8):]
	}
	_, file, found := strings.Cut(d.File, "] ")
	if !found {
		return d.Label
	}
	return path.Base(file)
}

func datastoreOfMark(disks map[string][]string, mark string) string {
	for datastore, marks := range disks {
		if slices.Contains(marks, mark) {
			return datastore
		}
	}
	return ""
}

// datastoreOf is the name in front of a disk's file: "[name] folder/file.vmdk".
func datastoreOf(d observed.VMDisk) string {
	name, _, found := strings.Cut(strings.TrimPrefix(d.File, "["), "]")
	if !found {
		return d.DatastoreRef
	}
	return name
}

// pending says whether something of a subject is to be judged again though nothing is reported: what has to last before it is
// told, or before it is over.
func (k known) pending() bool { return k.Loose != 0 || k.Moving != "" }

// Where a machine stands on its way home, by the vault.
type stage int

const (
	idle  stage = iota // nothing brings it home
	onWay              // a job runs, or it replicates back
	back               // its failback has begun, and may still be cancelled: it is switched on by right
	home               // its failback is committed
)

func stageOf(i observed.Item, found bool) stage {
	if !found {
		return idle
	}
	switch i.Stage() {
	case observed.StageFailingBack, observed.StageHomeUncommitted:
		return back
	case observed.StageHome:
		return home
	}
	if i.ReversedOnce() || i.Busy() {
		return onWay
	}
	return idle
}

// settled is for how long beyond JobWait a machine that nothing brings home stays under guard: a job that failed may be
// submitted again until then, and an item of the classic path is replaced by another.
const settled = time.Hour

// follow takes in where a machine stands, and whether it replicates back.
func (k known) follow(s stage, reversed bool, now time.Time, most time.Duration) known {
	k.Past = k.Past || reversed
	k.Back = s == back || s == home
	switch {
	case s == home:
		k.Home = true
	case s == onWay || s == back:
		k.Still = 0
	case k.Still == 0:
		k.Still = now.Unix()
	case now.Sub(time.Unix(k.Still, 0)) >= most:
		k.Home = true
	}
	return k
}
