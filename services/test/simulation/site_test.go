package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/lab/scenario"
)

// TestSite brings a whole site home: groups, a line for starts and disk slots, late agents, failing jobs, throttling,
// outages, crashes, two executors, cancels and retries at random moments, and machines that fail back meanwhile.
func TestSite(t *testing.T) {
	inventory := readInventory(t, wholeSite())
	var mu sync.Mutex
	ends := map[string]int{}
	eachSeed(t, 1, func(t *testing.T, seed uint64) {
		w := &siteWorld{world: newWorld(wholeSite(), inventory, seed, inMemory{memory.New(memory.Faults{Seed: seed, LostAck: 0.03, Duplicate: 0.05, Reorder: 0.2, Crash: 0.004})})}
		w.look = time.Minute
		w.limits = admission.Limits{StartsPerMinute: 3, Concurrent: 5}
		w.processes = []string{"validator", "datastore", "agentwatcher", "executor", "executor", "notifier"}
		w.run(t)
		w.judge(t)
		mu.Lock()
		defer mu.Unlock()
		for _, kind := range w.ends {
			ends[kind]++
		}
		if t.Failed() {
			w.dump(t)
		}
	})
	t.Logf("cases ended as %v", ends)
	if *seed == 0 && *seeds >= 10 {
		for _, kind := range []string{"completed", "failed", "cancelled"} {
			if ends[kind] == 0 {
				t.Errorf("no case ended as %s: the simulation shows too little", kind)
			}
		}
	}
}

// wholeSite has a group on each architecture, and more disks for the Linux master target than it takes at once.
func wholeSite() scenario.Scenario {
	s := scenario.Default(14)
	for i, disks := range map[int]int{1: 20, 5: 15, 9: 10, 13: 25} { // classic, Linux
		s.Machines[i].DiskGB = slices.Repeat([]int64{10}, disks)
	}
	for _, i := range []int{1, 5, 9} {
		s.Machines[i].Group = "grp-classic"
	}
	for _, i := range []int{2, 6} {
		s.Machines[i].Group = "grp-modernized"
	}
	return s
}

// siteWorld is a world in which the site changes while the services work.
type siteWorld struct {
	*world
	fates map[string]fate
	asked map[string]bool // cases whose end was asked for
	home  map[string]time.Time
	ends  map[string]string // by case
	begun time.Time
}

// fate is what is in store for a machine.
type fate struct {
	never   bool   // its agent does not register
	code    string // of its first job, or of the refusal of its first submission
	refused bool   // the latter: nothing is left of it when the process dies that was refused
}

// permanent are the codes after which a machine's way ends; the others are temporary or the operator's.
var permanent = map[string]bool{"ArmResourceDoesNotExist": true}

func (w *siteWorld) run(t *testing.T) {
	codes := []string{"499", "499", "95226", "78093", "4711", "8061", "78052", "8038", "506", "ArmResourceDoesNotExist", "ArmResourceDoesNotExist"}
	w.fates, w.asked, w.home = map[string]fate{}, map[string]bool{}, map[string]time.Time{}
	for i := range w.scenario.Machines {
		m := &w.scenario.Machines[i]
		m.Agent = w.lateAgent()
		var f fate
		switch n := w.random.IntN(100); {
		case n < 5:
			f.never = true
		case n < 40:
			f.code, f.refused = codes[w.random.IntN(len(codes))], w.random.IntN(2) == 0
		}
		w.fates[m.Name] = f
	}
	w.open()
	for name, f := range w.fates {
		var err error
		switch {
		case f.never:
			err = w.vault.HoldAgent(name)
		case f.refused:
			err = w.vault.RefuseNext(name, f.code)
		case f.code != "":
			err = w.vault.FailNext(name, f.code)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.client = w.newClient(t) // one for all: most of a run's time goes into reading the vault
	w.begun = time.Now()
	stop := w.serve(t)
	const some = 10 // the groups are among these
	w.request(t, "r1", w.scenario.Machines[:some]...)
	happening := make(chan struct{})
	go func() {
		defer close(happening)
		w.happen(t)
	}()
	w.request(t, "r2", w.scenario.Machines[some:]...)
	<-happening
	w.until(t, 30*time.Hour, func() bool { w.failBack(t); return w.allEnded() })
	stop()
}

// happen lets three hours pass in which the site is disturbed, a minute at a time.
func (w *siteWorld) happen(t *testing.T) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	down := 0
	for minute := range 180 {
		<-tick.C
		switch n := w.random.IntN(100); {
		case down > 0:
			if down--; down == 0 {
				w.vault.Down(false)
			}
		case n < 4:
			w.vault.Throttle(1+w.random.IntN(10), time.Duration(1+w.random.IntN(90))*time.Second)
		case n < 6:
			down = 1 + w.random.IntN(10)
			w.vault.Down(true)
		case n < 9:
			w.cancel(t, minute)
		case n < 15:
			w.retry(t, minute)
		}
		w.failBack(t)
	}
	w.vault.Down(false)
}

// cancel asks for the end of a case that stands in the log, whatever its state.
func (w *siteWorld) cancel(t *testing.T, n int) {
	if id := w.pick(w.cases()); id != "" {
		w.asked[id] = true
		w.command(t, events.TypeCancel.Kind, fmt.Sprint("cancel-", n), events.Cancel{Case: id, Reason: "simulated"})
	}
}

func (w *siteWorld) retry(t *testing.T, n int) {
	if id := w.pick(w.cases()); id != "" {
		w.command(t, events.TypeRetry.Kind, fmt.Sprint("retry-", n), events.Retry{Case: id, Reason: "simulated"})
	}
}

func (w *siteWorld) pick(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[w.random.IntN(len(ids))]
}

// failBack takes machines home that were protected for an hour: their disk slots come free.
func (w *siteWorld) failBack(t *testing.T) {
	for _, j := range w.vault.Reprotects() {
		state, err := w.vault.Machine(j.Machine)
		if err != nil {
			t.Fatal(err)
		}
		if j.Good && state.Phase == "protected" && time.Since(j.End) > 80*time.Minute {
			if err := w.vault.FailBack(j.Machine); err != nil {
				t.Fatal(err)
			}
			w.home[j.Machine] = time.Now()
		}
	}
}

// cases lists the ids of all cases so far, in order.
func (w *siteWorld) cases() []string {
	var ids []string
	for _, r := range w.bus.Log() {
		if _, id, _, name, ok := events.SplitFact(r.Subject); ok && name == events.TypeAccepted.Name {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *siteWorld) allEnded() bool {
	w.ends = map[string]string{}
	cases := w.cases()
	for _, r := range w.bus.Log() {
		if _, id, _, name, ok := events.SplitFact(r.Subject); ok && isEnd(name) {
			w.ends[id] = name
		}
	}
	return len(cases) >= 8 && !slices.ContainsFunc(cases, func(id string) bool { return w.ends[id] == "" })
}

func isEnd(name string) bool {
	kind, known := events.KindOf(name)
	return known && kind.Role == events.End
}

// judge holds a run to what must never be otherwise.
func (w *siteWorld) judge(t *testing.T) {
	w.everyCaseEndsOnce(t)
	w.endsAreThoseInStore(t)
	w.oneJobAtATime(t)
	w.slotsAreKept(t)
	w.limitsAreKept(t)
	w.groupsStartWhole(t)
	w.waitsAreTold(t)
	w.readsDependOnTime(t)
	if i := slices.IndexFunc(w.bus.Log(), func(r bus.Received) bool { return bus.Match("reprotect.dead.>", r.Subject) }); i >= 0 {
		t.Errorf("dead letter: %s", w.bus.Log()[i].Data)
	}
}

func (w *siteWorld) everyCaseEndsOnce(t *testing.T) {
	outcomes, ends := map[string][]string{}, map[string]int{}
	machines := map[string]bool{}
	for _, e := range w.facts(t) {
		kind, _ := events.KindOf(e.Type)
		if kind == events.TypeAccepted.Kind {
			accepted, err := events.As(events.TypeAccepted, e)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range accepted.Data.Case.Machines {
				machines[m.Name] = true
			}
		}
		if kind.Decides() {
			outcomes[e.Case+"/"+e.Step] = append(outcomes[e.Case+"/"+e.Step], kind.Name)
		}
		if kind.Role == events.End && kind != events.TypeRefused.Kind {
			ends[e.Case]++
		}
	}
	for step, names := range outcomes {
		if len(names) != 1 {
			t.Errorf("%s has the outcomes %v", step, names)
		}
	}
	for _, id := range w.cases() {
		if ends[id] != 1 {
			t.Errorf("case %s ended %d times", id, ends[id])
		}
	}
	if len(machines) != len(w.scenario.Machines) {
		t.Errorf("%d machines were accepted, %d asked for", len(machines), len(w.scenario.Machines))
	}
}

// endsAreThoseInStore: what happens to a machine follows from its fate, whatever died in between.
func (w *siteWorld) endsAreThoseInStore(t *testing.T) {
	members := map[string][]string{}
	for _, e := range w.facts(t) {
		if e.Type == events.TypeAccepted.CloudType() {
			accepted, err := events.As(events.TypeAccepted, e)
			if err != nil {
				t.Fatal(err)
			}
			members[e.Case] = accepted.Data.Case.Names()
		}
	}
	for id, end := range w.ends {
		first := strings.Count(id, "--") == 1 // a retry has its number behind another one
		want, or := "completed", ""
		for _, m := range members[id] {
			switch f := w.fates[m]; {
			case f.never, first && permanent[f.code] && !f.refused:
				want, or = "failed", ""
			case first && permanent[f.code] && want != "failed":
				or = "failed"
			}
		}
		switch {
		case end == want, end == or, end == "refused", end == "cancelled" && w.asked[id]:
		case !first: // a retry meets what the case before it left
		default:
			t.Errorf("case %s of %v ended as %s, want %s, after%s: %s", id, members[id], end, want, w.history(members[id]), w.last(id))
		}
	}
}

// history tells what was in store for machines, and of their jobs.
func (w *siteWorld) history(machines []string) string {
	var b strings.Builder
	for _, m := range machines {
		fmt.Fprintf(&b, " %s (%+v):", m, w.fates[m])
		for _, j := range w.vault.Reprotects() {
			if j.Machine == m {
				fmt.Fprintf(&b, " %s to %s (good: %v)", j.Start.Format(time.StampMicro), j.End.Format(time.StampMicro), j.Good)
			}
		}
	}
	return b.String()
}

// last is the data of the newest fact of a case.
func (w *siteWorld) last(id string) (data string) {
	for _, r := range w.bus.Log() {
		if _, of, _, _, ok := events.SplitFact(r.Subject); ok && of == id {
			data = string(r.Data)
		}
	}
	return data
}

func (w *siteWorld) oneJobAtATime(t *testing.T) {
	last := map[string]int{}
	jobs := w.vault.Reprotects()
	for i, j := range jobs {
		if at, before := last[j.Machine]; before {
			if p := jobs[at]; j.Start.Before(p.End) || p.Good {
				t.Errorf("%s was submitted at %s, after the job of %s to %s (good: %v)", j.Machine, clock(j.Start), clock(p.Start), clock(p.End), p.Good)
			}
		}
		last[j.Machine] = i
	}
	w.nothingWithoutItsAgent(t)
}

// nothingWithoutItsAgent: a modernized machine says whether its agent has registered, so it is never submitted before. A
// classic one may not say so; then Azure is asked after a quarter of an hour, and refuses.
func (w *siteWorld) nothingWithoutItsAgent(t *testing.T) {
	classic := map[string]bool{}
	for _, m := range w.scenario.Machines {
		classic[m.Name] = m.Architecture == "classic"
	}
	for m, f := range w.fates {
		if n := w.vault.Submissions()[m]; f.never && !classic[m] && n > 0 {
			t.Errorf("%s was submitted %d times without its agent", m, n)
		}
	}
	for _, j := range w.vault.Reprotects() {
		if w.fates[j.Machine].never && (j.Good || j.Start.Sub(w.begun) < 15*time.Minute) {
			t.Errorf("%s has no agent, and its job of %s is good: %v", j.Machine, clock(j.Start), j.Good)
		}
	}
}

func (w *siteWorld) slotsAreKept(t *testing.T) {
	jobs := w.vault.Reprotects()
	for _, j := range jobs {
		used := map[string]int{}
		for _, other := range jobs {
			if other.Writer != j.Writer || other.Start.After(j.Start) || !other.Good && !other.End.After(j.Start) {
				continue
			}
			if left, home := w.home[other.Machine]; other.Good && home && !left.After(j.Start) {
				continue
			}
			used[other.Machine] = other.Disks
		}
		sum := 0
		for _, n := range used {
			sum += n
		}
		if sum > 60 {
			t.Errorf("%d disks on %s when %s started at %s: %v, after%s", sum, j.Writer, j.Machine, clock(j.Start), used, w.history(slices.Sorted(maps.Keys(used))))
		}
	}
}

func (w *siteWorld) limitsAreKept(t *testing.T) {
	jobs := w.vault.Reprotects()
	for _, j := range jobs {
		running, started := 0, 0
		for _, other := range jobs {
			if !other.Start.After(j.Start) && other.End.After(j.Start) {
				running++
			}
			if age := j.Start.Sub(other.Start); age >= 0 && age < time.Minute {
				started++
			}
		}
		if running > w.limits.Concurrent || started > w.limits.StartsPerMinute {
			t.Errorf("when %s started at %s, %d jobs ran and %d had started within a minute", j.Machine, clock(j.Start), running, started)
		}
	}
}

// groupsStartWhole: of a case of many, all or none have a job while it lives, unless its end was asked for or Azure refused
// some. What it leaves is its retry's.
func (w *siteWorld) groupsStartWhole(t *testing.T) {
	ended := map[string]time.Time{}
	for _, e := range w.facts(t) {
		if k, _ := events.KindOf(e.Type); k.Role == events.End {
			ended[e.Case] = e.Time
		}
	}
	for _, e := range w.facts(t) {
		if e.Type != events.TypeRegistered.CloudType() {
			continue
		}
		registered, err := events.As(events.TypeRegistered, e)
		if err != nil {
			t.Fatal(err)
		}
		begun := map[string]bool{}
		for _, job := range w.vault.Reprotects() {
			if job.End.After(e.Time) && job.Start.Before(ended[e.Case]) {
				begun[job.Machine] = true
			}
		}
		names := registered.Data.Case.Names()
		without := slices.DeleteFunc(slices.Clone(names), func(m string) bool { return begun[m] })
		if len(without) == 0 || len(without) == len(names) || w.asked[e.Case] {
			continue
		}
		for _, m := range without {
			if !permanent[w.fates[m].code] {
				t.Errorf("of %v, %s was not submitted, after%s: %s", names, m, w.history(names), w.last(e.Case))
			}
		}
	}
}

// waitsAreTold: while a case has not ended, it is never silent for longer than it said it would be. A delivery that
// another process took over may still tell of a wait when the case has ended.
func (w *siteWorld) waitsAreTold(t *testing.T) {
	const slack = 20 * time.Minute // looks grow to ten times their pace, outages last ten minutes, processes die
	type standing struct {
		at    time.Time
		until time.Time // a wait that was told: its own bound
		waits bool
	}
	last := map[string]standing{}
	hold := func(id string, now time.Time) {
		s, begun := last[id]
		switch {
		case !begun:
		case s.waits && !s.until.IsZero() && now.Sub(s.until) > slack:
			t.Errorf("case %s said it waits until %s, and was silent until %s", id, clock(s.until), clock(now))
		case !s.waits && now.Sub(s.at) > time.Hour+slack:
			t.Errorf("case %s was silent from %s to %s, without saying that it waits", id, clock(s.at), clock(now))
		}
	}
	ended := map[string]bool{}
	for _, e := range w.facts(t) {
		if ended[e.Case] || e.Case == events.Token(e.Request) { // a request that waits goes on in its cases
			continue
		}
		kind, _ := events.KindOf(e.Type)
		if kind == events.TypeCancelling.Kind || kind == events.TypeRetrying.Kind {
			continue // an operator's: a wait that was told goes on
		}
		hold(e.Case, e.Time)
		s := standing{at: e.Time}
		if kind == events.TypeWaiting.Kind {
			waiting, err := events.As(events.TypeWaiting, e)
			if err != nil {
				t.Fatal(err)
			}
			s.waits, s.until = true, waiting.Data.Until
		}
		last[e.Case] = s
		if kind.Role == events.End {
			ended[e.Case] = true
			delete(last, e.Case)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(last)) {
		hold(id, time.Now())
	}
}

// readsDependOnTime: a list of items and one of jobs a look, the rest every ten looks, a job in full at its end.
func (w *siteWorld) readsDependOnTime(t *testing.T) {
	looks := int(time.Since(w.begun)/w.look) + 1
	cases, jobs := len(w.cases()), len(w.vault.Reprotects())
	fresh := 7 * (4*cases + 2*jobs + int(w.lives.Load())) // before a submission, after doubt, and of a new process
	if most := 4*looks + fresh; w.vault.Reads() > most {
		t.Errorf("%d reads in %d looks, with %d cases, %d jobs and %d lives", w.vault.Reads(), looks, cases, jobs, w.lives.Load())
	}
}

func clock(at time.Time) string { return at.Format(time.TimeOnly) }
