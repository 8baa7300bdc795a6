package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/agentwatcher"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/executor"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/notifier"
	"reprotect.example/services/observed"
	"reprotect.example/services/validator"
	"reprotect.example/services/workflow"
)

// Real timings of Site Recovery, from recordings.
var siteTimes = scenario.Times{Agent: 15 * time.Minute, Job: 12 * time.Minute, InitialReplication: 20 * time.Minute}

const (
	siteStarts = 120 // a minute: what Azure bears with ease
	sitePage   = 50  // entries on a page of a list, as the service has it
)

var siteMachines = flag.Int("site", 200, "machines that a whole site brings home")

// TestWholeSite brings machines of one vault home in virtual time, which exists in tests only, through the real
// services and the real Site Recovery client: what is asked of Azure, how much later than necessary the machines are
// protected, memory, time. scripts/bench runs it with ten thousand.
func TestWholeSite(t *testing.T) {
	machines := *siteMachines
	if testing.Short() {
		machines = min(machines, 50)
	}
	w, err := readWorld(t.Context(), manyMachines(machines))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	base := heap()
	begun := time.Now()
	var result siteResult
	synctest.Test(t, func(t *testing.T) { result = simulateSite(t, w, base) })
	figure := func(name, unit string, product float64, more map[string]any) {
		line := map[string]any{"figure": name, "unit": unit, "machines": machines, "product": round(product)}
		for k, v := range more {
			line[k] = v
		}
		emit(line)
	}
	minutes := result.took.Minutes()
	figure("site_reads", "reads/min", float64(result.reads)/minutes, map[string]any{
		"minimum": round(float64(result.minimum) / minutes), "ratio": round(float64(result.reads) / float64(result.minimum)), "aim": "ratio of 1.25 or less"})
	figure("site_writes", "writes/min", float64(result.writes)/minutes, map[string]any{"minimum": round(float64(machines) / minutes)})
	figure("site_delay_p50", "looks", percentile(result.delays, 0.5).Seconds()/waitLook.Seconds(), nil)
	figure("site_delay_p99", "looks", percentile(result.delays, 0.99).Seconds()/waitLook.Seconds(), map[string]any{"aim": "under 2"})
	figure("site_memory", "MB", float64(result.live)/1e6, map[string]any{
		"with_garbage_and_bus": round(float64(result.heap) / 1e6), "bus": round(float64(result.bus) / 1e6), "aim": "300 or less"})
	figure("site_took", "min", minutes, map[string]any{"wall_seconds": round(time.Since(begun).Seconds())})
}

// manyMachines are modernized machines of one disk, with as many appliances as they need.
func manyMachines(n int) scenario.Scenario {
	s := scenario.Default(n)
	s.Times = siteTimes
	first := s.Appliances[0]
	for i := 1; i*60 < n; i++ {
		first.Name = fmt.Sprintf("ASR-APPL-%02d", i+1)
		s.Appliances = append(s.Appliances, first)
	}
	for i := range s.Machines {
		s.Machines[i].Architecture, s.Machines[i].DiskGB = "modernized", []int64{40}
	}
	return s
}

type siteResult struct {
	took          time.Duration // virtual
	reads, writes int64
	minimum       int64 // reads of one list of items and one of jobs a look
	delays        []time.Duration
	live          int64 // bytes in use at the peak, without what the bus in memory keeps of the events
	heap          int64 // bytes at the peak, with garbage, and with that
	bus           int64 // bytes that the bus keeps at the end
}

// askedFor answers with the machines that are asked for, as vCenter does.
type askedFor observed.Inventory

func (a askedFor) Inventory(_ context.Context, q observed.Query) (observed.Inventory, error) {
	wanted := map[string]bool{}
	for _, ref := range q.VMs {
		wanted[strings.ToLower(ref.Name)] = true
	}
	some := observed.Inventory(a)
	some.VMs = slices.DeleteFunc(slices.Clone(some.VMs), func(vm observed.VM) bool { return !wanted[strings.ToLower(vm.Name)] })
	return some, nil
}

func simulateSite(t *testing.T, w world, base int64) (result siteResult) {
	b := memory.New(memory.Faults{})
	vault := asrsim.New(w.scenario, asrsim.Options{Token: benchToken, PageSize: sitePage})
	azure, err := asr.New(asr.Options{
		Subscription: w.scenario.Subscription, ResourceGroup: w.scenario.ResourceGroup, Vault: w.scenario.Vault,
		Credential: token{}, Endpoint: "https://management.example", Transport: vault.Direct(), Look: waitLook,
	})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	now, inv, site := time.Now, askedFor(w.inventory), checks.Site{NetworkPath: "vpn"}
	services := []workflow.Service{
		validator.New(map[string]validator.Site{"bench": {Vault: azure, Inventory: inv, Checks: site, Defaults: validator.Defaults{LogStorageAccount: vault.LogStorage()}, Look: waitLook}}, nil, nil, now),
		datastore.New(map[string]datastore.Site{"bench": {Vault: azure, Inventory: inv, Look: waitLook}}, now),
		agentwatcher.New(map[string]agentwatcher.Site{"bench": {Vault: azure, AgentWait: 20 * time.Minute, Look: waitLook}}, now),
		executor.New(map[string]executor.Site{"bench": {
			Vault: azure, Inventory: inv, Checks: site, Look: waitLook, AgentWait: 20 * time.Minute, JobWait: 24 * time.Hour,
			Limits: admission.Limits{StartsPerMinute: siteStarts},
		}}, now),
		notifier.PerMachine(),
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, s := range services {
		running.Go(func() { _ = workflow.Run(ctx, b.Connect(), s, workflow.Options{Concurrency: 16}) }) // an end before its time shows as cases that stay out
	}
	var request events.Request
	for _, m := range w.scenario.Machines {
		request.Machines = append(request.Machines, events.RequestMachine{Name: m.Name})
	}
	// A request holds at most a thousand machines.
	for n, part := range slices.Collect(slices.Chunk(request.Machines, 1000)) {
		body, err := json.Marshal(events.Request{Machines: part})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Connect().Publish(ctx, bus.Message{Subject: events.CommandSubject(events.TypeRequest.Kind), ID: fmt.Sprint("b", n), Data: body}); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	ended := map[string]time.Time{}
	var inUse, logged []int64 // bytes, a minute each: of everything after a collection, and of the events alone
	for from, bytes := 0, int64(0); len(ended) < len(w.scenario.Machines); {
		<-tick.C
		result.heap = max(result.heap, heap()-base)
		n, size := takeEnds(b.Log()[from:], ended)
		from, bytes = from+n, bytes+size
		runtime.GC()
		inUse, logged = append(inUse, heap()-base), append(logged, bytes)
		if time.Since(begun) > 12*time.Hour {
			t.Fatalf("%d of %d machines have come through", len(ended), len(w.scenario.Machines))
		}
	}
	stop()
	running.Wait()
	result.took = time.Since(begun)
	with := inUse[len(inUse)-1]
	b = nil
	<-time.After(time.Hour) // its timers hold it
	runtime.GC()
	result.bus = with - (heap() - base)
	for i, all := range inUse {
		result.live = max(result.live, all-int64(float64(result.bus)*float64(logged[i])/float64(logged[len(logged)-1])))
	}
	result.reads, result.writes = azure.Counters().Reads, azure.Counters().Writes
	result.delays = delays(w.scenario, vault, begun, ended)
	pages := func(entries int) int64 { return int64(max((entries+sitePage-1)/sitePage, 1)) }
	jobs := vault.Reprotects() // in the order of their starts
	listed := 0
	for at := begun; at.Before(begun.Add(result.took)); at = at.Add(waitLook) {
		for listed < len(jobs) && jobs[listed].Start.Before(at) {
			listed++
		}
		result.minimum += pages(len(w.scenario.Machines)) + pages(listed)
	}
	return result
}

// heap is what is allocated now.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// takeEnds takes note of the cases that have ended, and counts the messages and their bytes.
func takeEnds(log []bus.Received, ended map[string]time.Time) (n int, size int64) {
	for _, r := range log {
		size += int64(len(r.Data))
		if _, id, _, name, ok := events.SplitFact(r.Subject); ok && name == events.TypeCompleted.Name {
			_, machine, _ := strings.Cut(id, "--")
			ended[machine] = r.Published
		}
	}
	return len(log), size
}

// delays are how much later than necessary the machines were known to be protected: the nth to start cannot do so
// before its agent is there and n-1 others have started at the site's pace; then its job and its replication take
// their time.
func delays(s scenario.Scenario, vault *asrsim.Server, begun time.Time, ended map[string]time.Time) (all []time.Duration) {
	for n, job := range vault.Reprotects() {
		necessary := s.Times.Agent + time.Duration(n)*time.Minute/siteStarts + s.Times.Job + s.Times.InitialReplication
		all = append(all, ended[events.Token(job.Machine)].Sub(begun)-necessary)
	}
	return all
}
