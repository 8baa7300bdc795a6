package guard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// violation is one that is to be told, of a way of a thing.
type violation struct {
	way  int
	fact events.Violated
}

// judge compares a thing as vCenter shows it with what was known of it: what is known from now on, and what is to
// be told. What cannot be seen counts as unchanged.
func (t thing) judge(k known, vm observed.Watched, now time.Time) (known, []violation) {
	if vm.Gone {
		k.Ref = "" // it may come back under another id: made anew, or registered again
		return k, nil
	}
	var told []violation
	if t.writer == "" {
		k, told = t.judgePower(k, vm)
	} else {
		k, told = t.judgeRelocation(k, vm, now)
		if t.writer == "master target" { // S30 knows it of master targets only
			var more []violation
			k, more = t.judgeSnapshots(k, vm)
			told = append(told, more...)
		}
	}
	k.Seen = true
	for _, v := range told {
		k.Count[v.way]++
	}
	return k, told
}

func (t thing) judgePower(k known, vm observed.Watched) (known, []violation) {
	if k.Home || k.Back {
		k.On = false // switched on by right; once the failback is cancelled, it is so no more
		return k, nil
	}
	if vm.Power == "" {
		return k, nil
	}
	was := k.On
	if k.On = vm.Power == "poweredOn"; !k.On || was {
		return k, nil
	}
	return k, []violation{{poweredOn, t.switchedOn()}}
}

func (t thing) judgeSnapshots(k known, vm observed.Watched) (known, []violation) {
	if vm.Unread["snapshot"] != "" {
		return k, nil
	}
	var marks, fresh []string
	for _, s := range vm.Snapshots {
		mark := s.Path + "@" + strconv.FormatInt(s.Created.Unix(), 36)
		marks = append(marks, mark)
		if !slices.Contains(k.Snapshots, mark) {
			fresh = append(fresh, s.Path)
		}
	}
	k.Snapshots = marks
	if fresh == nil {
		return k, nil
	}
	return k, []violation{{snapshotted, t.hasSnapshot(fresh)}}
}

// afterMove is how long after the end of a relocation that was told the disks may still turn up elsewhere as part
// of it: tasks and properties are reported apart.
const afterMove = time.Minute

func (t thing) judgeRelocation(k known, vm observed.Watched, now time.Time) (known, []violation) {
	if k.Moving != "" && k.Moved != 0 && now.Sub(time.Unix(k.Moved, 0)) > afterMove {
		k.Moving, k.Moved = "", 0
	}
	var told []violation
	if len(vm.Moves) > 0 {
		r := vm.Moves[0]
		mark := strconv.FormatInt(r.Begun.UnixMilli(), 36)
		if mark != k.Moving {
			told = append(told, violation{relocated, t.isRelocated(r)})
		}
		k.Moving, k.Moved = mark, 0
	} else if k.Moving != "" && k.Moved == 0 {
		k.Moved = now.Unix()
	}
	if len(vm.Disks) == 0 {
		return k, told
	}
	disks := map[string][]string{}
	var moved []string
	for _, d := range vm.Disks {
		mark := markOf(d)
		disks[d.DatastoreRef] = append(disks[d.DatastoreRef], mark)
		if before := place(k.Disks, mark); before != "" && before != d.DatastoreRef {
			moved = append(moved, fmt.Sprintf("%s to %s", d.Label, datastoreOf(d)))
		}
	}
	k.Disks = disks
	if moved != nil && k.Moving == "" {
		told = append(told, violation{relocated, t.wasRelocated(moved)})
	}
	return k, told
}

// markOf tells a disk from the others of its VM, in few letters. Disks that replication attaches and detaches are
// no relocation, so each is followed by itself.
func markOf(d observed.VMDisk) string {
	id := observed.NormalUUID(d.UUID)
	if id == "" {
		return d.Label
	}
	return id[max(0, len(id)-8):]
}

func place(disks map[string][]string, mark string) string {
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

// judgeAzure holds a machine against a look at Azure.
func (t thing) judgeAzure(k known, look observed.AzureVMs) (known, []violation) {
	if k.Home || k.Back || k.Azure == nil {
		return k, nil
	}
	where, vm := find(look, k.Azure.item())
	was := k.Lost
	switch where {
	case unknown:
		return k, nil
	case inPlace:
		k.Lost = false
	case elsewhere, nowhere, notThere:
		k.Lost = true
	}
	if !k.Lost || was {
		return k, nil
	}
	k.Count[azureGone]++
	return k, []violation{{azureGone, t.leftAzure(where, vm, k.Azure.item())}}
}

// Where the Azure VM of a machine is.
type where int

const (
	unknown where = iota
	inPlace
	elsewhere // in another resource group
	nowhere   // not found in any
	notThere  // not in its resource group; the others could not be searched, or hold only what has its name
)

func find(look observed.AzureVMs, i observed.Item) (where, observed.AzureVM) {
	home := i.AzureHome()
	unlisted, looked := look.Groups[strings.ToLower(home)]
	vms, sure := look.Of(i)
	atHome := func(vm observed.AzureVM) bool { return observed.SameID(observed.ResourceGroupOf(vm.ID), home) }
	switch {
	case look.Taken.IsZero() || !looked:
		return unknown, observed.AzureVM{}
	case sure && atHome(vms[0]):
		return inPlace, vms[0]
	case sure:
		return elsewhere, vms[0]
	case unlisted != "" || slices.ContainsFunc(vms, atHome):
		return unknown, observed.AzureVM{}
	case len(vms) == 0 && look.Elsewhere == "":
		return nowhere, observed.AzureVM{}
	}
	return notThere, observed.AzureVM{}
}

func (a azureVM) item() observed.Item {
	return observed.Item{Location: "Recovery", AzureVM: a.ID, AzureVMName: a.Name, AzureGroup: a.Group, AzureDisks: a.Disks}
}

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

// follow takes in where a machine stands.
func (k known) follow(s stage, now time.Time, most time.Duration) known {
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
