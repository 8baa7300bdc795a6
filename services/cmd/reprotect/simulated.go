package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

// simulated adds the lab and the demonstration.
func simulated(d *cli.Deps) {
	d.StartLab = startLab
	d.StartDemo = startDemo
	d.LabDo = func(ctx context.Context, dir, action string, args []string) error {
		err := lab.Do(ctx, dir, action, args...)
		if _, refused := errors.AsType[lab.Refusal](err); refused {
			return cli.Usage(err)
		}
		return err
	}
	d.LabCheck = func(ctx context.Context, dir string) ([]cli.Standing, error) {
		all, err := lab.Machines(ctx, dir)
		standings := make([]cli.Standing, len(all))
		for i, s := range all {
			standings[i] = cli.Standing(s)
		}
		return standings, err
	}
	d.LabActions = func(ctx context.Context, dir string) ([]cli.LabAction, error) {
		actions, err := lab.Actions(ctx, dir)
		list := make([]cli.LabAction, len(actions))
		for i, a := range actions {
			list[i] = cli.LabAction(a)
		}
		return list, err
	}
}

const defaultMachines = 8

// startLab starts the surroundings, with the bus set up, so that what is published before the first service runs
// is kept.
func startLab(ctx context.Context, o cli.LabOptions) (any, func(), error) {
	s, err := labScenario(o)
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	l, err := lab.Start(ctx, lab.Options{Scenario: s, Dir: o.Dir, Listen: o.Listen, Bus: o.Bus, ServiceBus: app.AzureTopology()})
	if err != nil {
		return nil, nil, cli.Usage(err) // an address that is taken or not on loopback, a folder that is in use
	}
	if l.Ready().NATS != nil {
		if err := setUp(ctx, l); err != nil {
			l.Close()
			return nil, nil, err
		}
	}
	return l.Ready(), l.Close, nil
}

func labScenario(o cli.LabOptions) (scenario.Scenario, error) {
	machines := o.Machines
	if machines == 0 {
		machines = defaultMachines
	}
	s := scenario.Default(machines)
	if o.Scenario != "" {
		var err error
		if s, err = scenario.Load(o.Scenario, machines); err != nil {
			return s, err
		}
	}
	if o.Speed > 0 {
		s.Speed = o.Speed
	}
	return s, nil
}

func setUp(ctx context.Context, l *lab.Lab) error {
	c, err := config.Load(l.Ready().Config)
	if err != nil {
		return err
	}
	b, err := app.OpenBus(ctx, c, "lab", false, zap.NewNop())
	if err != nil {
		return err
	}
	defer b.Close()
	return b.SetUp(ctx)
}

// startDemo starts surroundings and services in this process.
func startDemo(ctx context.Context, o cli.DemoOptions) (cli.Demo, error) {
	dir, err := os.MkdirTemp("", "reprotect-demo-")
	if err != nil {
		return cli.Demo{}, err
	}
	var ends []func()
	stop := func() {
		for _, end := range slices.Backward(ends) {
			end()
		}
	}
	ends = append(ends, func() { _ = os.RemoveAll(dir) }) // a folder in the system's own place for such
	fail := func(err error) (cli.Demo, error) {
		stop()
		return cli.Demo{}, fmt.Errorf("demo: %w", err)
	}
	s := scenario.Default(o.Machines)
	s.Seed, s.Speed = o.Seed, o.Speed
	l, err := lab.Start(ctx, lab.Options{Scenario: s, Dir: dir, Bus: o.Bus, ServiceBus: app.AzureTopology()})
	if err != nil {
		return fail(err)
	}
	ends = append(ends, l.Close)
	c, err := config.Load(l.Ready().Config)
	if err == nil && l.Ready().NATS != nil {
		err = setUp(ctx, l)
	}
	if err != nil {
		return fail(err)
	}
	services, err := app.New(app.Options{
		Config: c, Targets: app.Targets(), Log: zap.NewNop(), Health: telemetry.NewHealth(),
		Observe: telemetry.NewMetrics().Observe,
	})
	if err != nil {
		return fail(err)
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	ends = append(ends, func() {
		end()
		running.Wait()
	})
	if c.Journal.Listen != "" {
		journal, err := services.Journal(serving.Done())
		if err != nil {
			return fail(err)
		}
		listener, err := net.Listen("tcp", c.Journal.Listen)
		if err != nil {
			return fail(err)
		}
		running.Go(func() { _ = telemetry.Serve(serving, listener, journal) }) // who reads sees that it is gone
	}
	running.Go(func() { services.Run(serving) })
	b, err := openBus(ctx, c)
	if err != nil {
		return fail(err)
	}
	ends = append(ends, b.Close)
	if app.OnServiceBus(c) {
		if err := serves(ctx, b); err != nil {
			return fail(err)
		}
	}
	return cli.Demo{Bus: b, Machines: l.Ready().Machines, Stop: stop}, nil
}

// serves waits for a journal of this process that does not serve yet, half a minute at most.
func serves(ctx context.Context, b cli.Bus) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := b.Cases(ctx)
		if !errors.Is(err, journalclient.ErrUnreachable) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
