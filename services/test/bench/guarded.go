package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/lab"
)

const (
	alarms  = 40
	updates = 5000
)

// guardFigures lets reprotectd guard so many machines, switches some of them on with govmomi, and takes the time until
// the alarm is in the event log: first in peace, then during a flood of changes that concern nobody.
func guardFigures(ctx context.Context, folder string, ready lab.Ready, p *countingProxy, watched int) error {
	conn, err := jetstream.Connect(jetstream.Options{URL: ready.NATS.URL, Name: "bench"})
	if err != nil {
		return err
	}
	defer conn.Close()
	g, err := newGuarded(ctx, conn, ready, watched)
	if err != nil {
		return err
	}
	defer g.close(ctx)
	c := exec.CommandContext(ctx, filepath.Join(folder, "reprotectd"), "--config", p.config, "--target", "guard", "--log-level", "error") //nolint:gosec // of the folder that was named
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = c.Wait()
	}()
	calls, bytes := p.calls.Load(), p.bytes.Load()
	for _, m := range g.machines {
		if err := g.start(ctx, m); err != nil {
			return err
		}
	}
	begun := time.Now()
	for _, m := range g.machines[len(g.machines)-3:] { // these come last
		if _, err := g.alarm(ctx, m); err != nil {
			return err
		}
	}
	figure := func(name, unit string, product float64, aim string) {
		emit(map[string]any{"figure": name, "unit": unit, "watched": watched, "inventory": len(ready.Machines), "product": round(product), "aim": aim})
	}
	figure("guard_begins", "s", time.Since(begun).Seconds(), "")
	figure("guard_begins_calls", "calls", float64(p.calls.Load()-calls), "")
	figure("guard_begins_bytes", "MB", float64(p.bytes.Load()-bytes)/1e6, "")
	if err := g.alarms(ctx, "guard_alarm", figure, g.machines[:alarms]); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	flood := g.flood(ctx, g.machines[2*alarms:])
	if err := g.alarms(ctx, "guard_alarm_in_a_flood", figure, g.machines[alarms:2*alarms]); err != nil {
		return err
	}
	if err := <-flood; err != nil {
		return err
	}
	rss, err := residentMB(c.Process.Pid)
	if err != nil {
		return err
	}
	figure("guard_memory", "MB", rss, "")
	return nil
}

// guarded is the outer world of a guard: the log that it reads and writes, and the vCenter that it watches.
type guarded struct {
	conn     *jetstream.Conn
	vcenter  *govmomi.Client
	machines []events.Machine
	vms      map[string]*object.VirtualMachine // by name

	mu   sync.Mutex
	told map[string]chan time.Time // by machine
	stop context.CancelFunc
	read sync.WaitGroup
}

func newGuarded(ctx context.Context, conn *jetstream.Conn, ready lab.Ready, watched int) (*guarded, error) {
	credential, err := asr.Credential(ready.Azure.TokenFile, "")
	if err != nil {
		return nil, err
	}
	azure, err := asr.New(asr.Options{
		Subscription: ready.Azure.Subscription, ResourceGroup: ready.Azure.ResourceGroup, Vault: ready.Azure.Vault,
		Credential: credential, Endpoint: ready.Azure.Endpoint, CAFile: ready.Azure.CAFile,
	})
	if err != nil {
		return nil, err
	}
	vault, err := azure.Vault(ctx, 0)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(ready.VCenter.URL)
	if err != nil {
		return nil, err
	}
	u.User = url.UserPassword(ready.VCenter.Username, ready.VCenter.Password)
	g := &guarded{conn: conn, told: map[string]chan time.Time{}, vms: map[string]*object.VirtualMachine{}}
	if g.vcenter, err = govmomi.NewClient(ctx, u, true); err != nil { // the lab's own certificate, on loopback
		return nil, err
	}
	finder := find.NewFinder(g.vcenter.Client)
	center, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return nil, err
	}
	all, err := finder.SetDatacenter(center).VirtualMachineList(ctx, "*")
	if err != nil {
		return nil, err
	}
	for _, vm := range all {
		g.vms[vm.Name()] = vm
	}
	for _, i := range vault.Items {
		if len(g.machines) < watched {
			g.machines = append(g.machines, events.Machine{Name: i.Name, Item: i.ID, Architecture: string(i.Architecture), OS: i.OS})
			g.told[i.Name] = make(chan time.Time, 2)
		}
	}
	if len(g.machines) < watched {
		return nil, fmt.Errorf("%d machines, %d are to be watched", len(g.machines), watched)
	}
	ctx, g.stop = context.WithCancel(ctx)
	g.read.Go(func() {
		r := jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{"reprotect.event.*.*.guard.violated"}, Follow: true}
		_ = conn.Read(ctx, r, g.hear) // until close; else the alarms stay out
	})
	return g, nil
}

func (g *guarded) close(ctx context.Context) {
	g.stop()
	g.read.Wait()
	_ = g.vcenter.Logout(ctx) // the lab ends anyway
}

func (g *guarded) hear(m bus.Received) error {
	e, err := events.Read(m.Data)
	if err != nil {
		return err
	}
	if v, ok := e.Data.(events.Violated); ok && v.Code == "guard.powered-on" {
		g.mu.Lock()
		defer g.mu.Unlock()
		if told := g.told[v.Machine]; told != nil {
			told <- time.Now()
		}
	}
	return nil
}

// start tells the guard that the reprotect of a machine has started.
func (g *guarded) start(ctx context.Context, m events.Machine) error {
	caseID := "bench--" + m.Name
	h := events.Header{
		ID: caseID + "/" + events.StepSubmission, Source: "/reprotect/tokyo/bench", Type: events.TypeStarted.CloudType(), Site: "tokyo", Case: caseID,
		Subject: caseID, Step: events.StepSubmission, Request: "bench", Position: 5, Time: time.Now().UTC(),
	}
	raw, err := events.Encode(events.Event[events.Started]{Header: h, Data: events.Started{
		Case: events.Case{Machines: []events.Machine{m}}, Jobs: []events.Job{{Machine: m.Name, Job: "/jobs/" + m.Name}},
	}})
	if err != nil {
		return err
	}
	return g.conn.Publish(ctx, bus.Message{Subject: events.FactSubject("tokyo", caseID, events.StepSubmission, events.TypeStarted.Name), ID: h.ID, Data: raw})
}

// alarm switches a machine on, and takes the time until the log has the alarm.
func (g *guarded) alarm(ctx context.Context, m events.Machine) (time.Duration, error) {
	vm := g.vms[m.Name]
	if vm == nil {
		return 0, fmt.Errorf("the lab's vCenter has no %s", m.Name)
	}
	begun := time.Now()
	task, err := vm.PowerOn(ctx)
	if err != nil {
		return 0, err
	}
	if err := task.Wait(ctx); err != nil {
		return 0, err
	}
	select {
	case at := <-g.told[m.Name]:
		return at.Sub(begun), nil
	case <-time.After(10 * time.Minute):
		return 0, fmt.Errorf("no alarm of %s", m.Name)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (g *guarded) alarms(ctx context.Context, name string, figure func(name, unit string, product float64, aim string), machines []events.Machine) error {
	var took []time.Duration
	for _, m := range machines {
		d, err := g.alarm(ctx, m)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	figure(name+"_p50", "ms", ms(took, 0.5), "")
	figure(name+"_p99", "ms", ms(took, 0.99), "1000")
	return nil
}

// flood changes these machines, one after the other, again and again.
func (g *guarded) flood(ctx context.Context, machines []events.Machine) <-chan error {
	ended := make(chan error, 1)
	go func() {
		var err error
		for n := 0; n < updates && err == nil; n++ {
			var task *object.Task
			if task, err = g.vms[machines[n%len(machines)].Name].Reconfigure(ctx, types.VirtualMachineConfigSpec{Annotation: fmt.Sprint("change ", n), NumCPUs: int32(1 + n%4)}); err == nil {
				err = task.Wait(ctx)
			}
		}
		if err != nil {
			err = errors.Join(errors.New("the flood"), err)
		}
		ended <- err
	}()
	return ended
}
