package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/notifier"
	"reprotect.example/services/workflow"
)

// Services that serve one site only have subscriptions of their own: 'bus setup' makes them, 'bus status' and 'bus
// dead' find them, on both buses.
func TestTheBusOfOneSite(t *testing.T) {
	tokyo := []string{"tokyo"}
	for _, kind := range []string{lab.BusNATS, lab.BusServiceBus} {
		t.Run(kind, func(t *testing.T) {
			// Whoever starts the stand-in for Service Bus sets it up.
			l, err := lab.Start(t.Context(), lab.Options{Scenario: scenario.Default(1), Dir: filepath.Join(t.TempDir(), "lab"), Bus: kind, ServiceBus: app.AzureTopology(tokyo)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.Close)
			command := func(status int, args ...string) string {
				t.Helper()
				var out, errs bytes.Buffer
				if got := cli.Main(t.Context(), append(args, "--config", l.Ready().Config), world(), nil, &out, &errs); got != status {
					t.Fatalf("%v: status %d: %s", args, got, errs.String())
				}
				return out.String()
			}
			if text := command(0, "bus", "setup", "--site", "tokyo", "--dry-run"); !strings.Contains(text, "executor-tokyo reads") || strings.Contains(text, "executor reads") {
				t.Errorf("setup would make\n%s", text)
			}
			command(2, "bus", "setup", "--site", "kyoto")
			if kind == lab.BusNATS {
				command(0, "bus", "setup", "--site", "tokyo", "--site", "tokyo")
			}

			c, err := config.Load(l.Ready().Config)
			if err != nil {
				t.Fatal(err)
			}
			b, err := app.OpenBus(t.Context(), c, "test", false, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			if kind == lab.BusServiceBus { // what is kept is counted by the journal
				c.DataDir = t.TempDir()
				a, err := app.New(app.Options{Config: c, Targets: []string{"journal"}, Sites: tokyo, Log: zap.NewNop(), Health: telemetry.NewHealth()})
				if err != nil {
					t.Fatal(err)
				}
				serveJournal(t, a, c)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := notifier.PerMachine()
			s.Sites = tokyo
			dead := make(chan struct{})
			ended := make(chan error, 1)
			go func() {
				ended <- workflow.Run(ctx, b.Broker, s, workflow.Options{Observe: func(_, _, how string, _ time.Duration) {
					if how == "dead-lettered" {
						close(dead)
					}
				}})
			}()
			if err := b.Publish(ctx, bus.Message{Subject: events.FactSubject("tokyo", "c", "request", "accepted"), ID: "x", Data: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-dead:
			case <-ctx.Done():
				t.Fatal("the message was not given up")
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}

			var letters []events.Dead
			if err := json.Unmarshal([]byte(command(0, "bus", "dead", "list", "-o", "json")), &letters); err != nil {
				t.Fatal(err)
			}
			if len(letters) != 1 || letters[0].Service != "notifier-tokyo" {
				t.Errorf("dead letters: %+v", letters)
			}
			var status cli.Status
			if err := json.Unmarshal([]byte(command(0, "bus", "status", "-o", "json")), &status); err != nil {
				t.Fatal(err)
			}
			var services, want []string
			for _, s := range status.Services {
				services = append(services, s.Service)
			}
			for _, target := range app.Targets() {
				want = append(want, target+"-tokyo")
			}
			slices.Sort(services)
			slices.Sort(want)
			if !slices.Equal(services, want) || status.Dead != 1 {
				t.Errorf("status tells of %v and %d dead letters", services, status.Dead)
			}
		})
	}
}

// serveJournal runs the process that keeps the journal.
func serveJournal(t *testing.T, a *app.App, c config.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	api, err := a.Journal(ctx.Done())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", c.Journal.Listen)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = telemetry.Serve(ctx, listener, api) })
	running.Go(func() { a.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}
