package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/agentwatcher"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/executor"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/azurevm"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/notifier"
	"reprotect.example/services/observed"
	"reprotect.example/services/validator"
	"reprotect.example/services/workflow"
)

// vault answers at once, from memory.
type vault struct{ look observed.Vault }

func (v vault) Vault(context.Context, time.Duration, ...string) (observed.Vault, error) {
	return v.look, nil
}
func (v vault) RefreshProvider(context.Context, string) error { return nil }
func (v vault) Cancel(context.Context, string) error          { return nil }
func (v vault) Job(context.Context, string) (observed.Job, error) {
	return observed.Job{State: "Succeeded"}, nil
}
func (v vault) Reprotect(_ context.Context, r observed.Reprotect) (string, error) {
	return "job-" + observed.LastSegment(r.Item.ID), nil
}

// inventory answers at once, from memory.
type inventory observed.Inventory

func (i inventory) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	return observed.Inventory(i), nil
}

// world is what the services see, read once from the lab through the real clients.
type world struct {
	before, after observed.Vault // machines failed over with their agents back; the same machines protected
	inventory     observed.Inventory
	logStorage    string
	scenario      scenario.Scenario
}

// smallSite has a machine of each kind, whose agents are back.
func smallSite() scenario.Scenario {
	s := scenario.Default(8)
	for i := range s.Machines {
		s.Machines[i].Agent = -1
	}
	return s
}

func readWorld(ctx context.Context, s scenario.Scenario) (w world, err error) {
	dir, err := os.MkdirTemp("", "reprotect-bench-lab-")
	if err != nil {
		return w, err
	}
	defer os.RemoveAll(dir)
	w.scenario = s
	l, err := lab.Start(ctx, lab.Options{Scenario: s, Dir: dir, Bus: lab.BusNone})
	if err != nil {
		return w, err
	}
	defer l.Close()
	ready := l.Ready()
	c, err := config.Load(ready.Config)
	if err != nil {
		return w, err
	}
	credential, err := asr.Credential(ready.Azure.TokenFile, "")
	if err != nil {
		return w, err
	}
	azure, err := asr.New(asr.Options{
		Subscription: ready.Azure.Subscription, ResourceGroup: ready.Azure.ResourceGroup, Vault: ready.Azure.Vault,
		Credential: credential, Endpoint: ready.Azure.Endpoint, CAFile: ready.Azure.CAFile,
	})
	if err != nil {
		return w, err
	}
	if w.before, err = readVault(ctx, azure); err != nil {
		return w, err
	}
	vcenter, err := vsphere.New(vsphere.Options{
		URL: ready.VCenter.URL, Username: ready.VCenter.Username, Password: ready.VCenter.Password, CAFile: ready.VCenter.CAFile,
	})
	if err != nil {
		return w, err
	}
	defer vcenter.Close(ctx)
	var q observed.Query
	for _, m := range s.Machines {
		q.VMs = append(q.VMs, observed.VMRef{Name: m.Name})
	}
	for _, m := range s.MasterTargets {
		q.VMs = append(q.VMs, observed.VMRef{Name: m.Name})
	}
	for _, a := range s.Appliances {
		q.VMs = append(q.VMs, observed.VMRef{Name: a.Name})
	}
	if w.inventory, err = vcenter.Inventory(ctx, q); err != nil {
		return w, err
	}
	w.logStorage = c.Sites["tokyo"].Defaults.LogStorageAccount
	w.after = w.before
	w.after.Items = append([]observed.Item(nil), w.before.Items...)
	for i := range w.after.Items {
		item := &w.after.Items[i]
		item.State, item.Location, item.Provider = "Protected", "Primary", "InMageRcmFailback"
	}
	return w, nil
}

// readVault reads each item in full, as the services have it read, and the Azure VMs.
func readVault(ctx context.Context, azure *asr.Client) (observed.Vault, error) {
	lean, err := azure.Vault(ctx, 0)
	if err != nil {
		return lean, err
	}
	ids := make([]string, len(lean.Items))
	for i, item := range lean.Items {
		ids[i] = item.ID
	}
	full, err := azure.Vault(ctx, 0, ids...)
	if err != nil {
		return full, err
	}
	vms, err := azurevm.New(azure)
	if err != nil {
		return full, err
	}
	full.AzureVMs = vms.Look(ctx, full.Items, time.Now)
	return full, nil
}

func (w world) defaults() validator.Defaults {
	return validator.Defaults{
		MasterTarget:      map[string]string{"windows": "MT-WIN-01", "linux": "MT-LINUX-01"},
		LogStorageAccount: w.logStorage,
	}
}

// services are the five, on vaults that answer at once: what is submitted is protected at the next look.
func (w world) services() []workflow.Service {
	failedOver, protected := vault{look: w.before}, vault{look: w.after}
	inv := inventory(w.inventory)
	site := checks.Site{NetworkPath: "vpn"}
	now := func() time.Time { return w.before.Taken.Add(time.Second) } // the facts stay fresh
	execute := func(v vault) workflow.Service {
		return executor.New(map[string]executor.Site{"bench": {
			Vault: v, Inventory: inv, Checks: site, Look: waitLook, AgentWait: time.Hour, JobWait: time.Hour,
		}}, now)
	}
	executing := execute(failedOver)
	executing.Routes[1] = execute(protected).Routes[1] // who follows sees the machines protected
	return []workflow.Service{
		validator.New(map[string]validator.Site{"bench": {Vault: failedOver, Inventory: inv, Checks: site, Defaults: w.defaults(), Look: waitLook}}, nil, nil, now),
		datastore.New(map[string]datastore.Site{"bench": {Vault: failedOver, Inventory: inv, Look: waitLook}}, now),
		agentwatcher.New(map[string]agentwatcher.Site{"bench": {Vault: failedOver, AgentWait: time.Hour, Look: waitLook}}, time.Now),
		executing,
		notifier.PerMachine(),
	}
}

// serve runs services until stop.
func serve(ctx context.Context, conn *jetstream.Conn, services []workflow.Service) (stop func(), err error) {
	var consumers []bus.Consumer
	for _, s := range services {
		consumers = append(consumers, s.Consumer())
	}
	if err := conn.SetUp(ctx, jetstream.Topology(1, consumers...)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, s := range services {
		running.Go(func() { _ = workflow.Run(ctx, conn, s, workflow.Options{}) }) // an end before its time shows as cases that stay out
	}
	return func() {
		cancel()
		running.Wait()
	}, nil
}

func request(machine string, n int) bus.Message {
	return bus.Message{
		Subject: "reprotect.command.request", ID: fmt.Sprint("b", n),
		Data: fmt.Appendf(nil, `{"machines":[{"name":%q}]}`, machine),
	}
}

func productPipeline(ctx context.Context, conn *jetstream.Conn, cases int) (sample, error) {
	w, err := readWorld(ctx, smallSite())
	if err != nil {
		return sample{}, err
	}
	stop, err := serve(ctx, conn, w.services())
	if err != nil {
		return sample{}, err
	}
	defer stop()
	return measure(ctx, conn, cases, func(ctx context.Context, n int) error {
		return conn.Publish(ctx, request(w.before.Items[n%len(w.before.Items)].Name, n))
	})
}
