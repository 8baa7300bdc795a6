// Package deploytest holds the files of deploy/ to what they promise.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

func TestMain(m *testing.M) {
	if !runAsGovc() {
		goleak.VerifyTestMain(m)
	}
}

var deploy = filepath.Join("..", "..", "..", "deploy")

func open(t *testing.T, c config.Config, log *zap.Logger) *app.Bus {
	t.Helper()
	b, err := app.OpenBus(t.Context(), c, t.Name(), true, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Two machines come home while every service, ops, audit and the chat bot work with the rights of their own account, on
// servers of each shape that run from the very files. nats-N4: the three of cluster.conf are one cluster.
func TestPipelineWithLeastPermissions(t *testing.T) {
	for name, start := range shapes {
		t.Run(name, func(t *testing.T) { bringHome(t, start(t)) })
	}
}

func bringHome(t *testing.T, servers installation) {
	s := scenario.Default(2)
	s.Speed = 600
	surroundings, err := lab.Start(t.Context(), lab.Options{Scenario: s, Dir: t.TempDir(), Bus: lab.BusNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(surroundings.Close)
	c, err := config.Load(surroundings.Ready().Config)
	if err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zapcore.ErrorLevel)
	log := zap.New(core)

	admin := open(t, servers.as(c, admin), log)
	if err := admin.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	runServices(t, func(target string) config.Config { return servers.as(c, target) }, log)
	ops := open(t, servers.as(c, ops), log)
	request := bus.Message{Subject: events.CommandSubject(events.TypeRequest.Kind), ID: "r1", Data: []byte(`{"machines":[{"name":"web01"},{"name":"db01"}]}`)}
	if err := ops.Publish(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	await(t, open(t, servers.as(c, audit), log), "completed", 2)
	await(t, ops, "completed", 2)
	awaitEnd(t, servers, 2)
	for name, n := range surroundings.Azure().Submissions() {
		if n != 1 {
			t.Errorf("%s was submitted %d times", name, n)
		}
	}
	if _, err := admin.NATS.Status(t.Context()); err != nil {
		t.Error(err)
	}
	validForOthers(t, ops)
	for _, entry := range logged.All() {
		t.Errorf("logged: %s %v", entry.Message, entry.ContextMap())
	}
}

func runServices(t *testing.T, as func(target string) config.Config, log *zap.Logger) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, target := range app.Targets() {
		a, err := app.New(app.Options{
			Config: as(target), Targets: []string{target}, Log: log.With(zap.String("role", target)),
			Health: telemetry.NewHealth(),
		})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { a.Run(ctx) })
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// await follows the event log until n cases have ended so.
func await(t *testing.T, b *app.Bus, kind string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	enough := errors.New("enough")
	var seen []string
	err := b.NATS.Read(ctx, jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{"reprotect.event.>"}, Follow: true}, func(r bus.Received) error {
		e, err := events.Parse(r.Data)
		if err != nil {
			return err
		}
		told := strings.TrimSuffix(strings.TrimPrefix(e.Type, "io.reprotect."), ".v1")
		seen = append(seen, fmt.Sprint(e.Case, " ", told))
		if told == kind {
			n--
		}
		if n == 0 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("%d more %s wanted, then %v; seen: %s", n, kind, err, strings.Join(seen, ", "))
	}
}

// awaitEnd takes notifications from the chat bot's durable, as a bot that knows nothing of the product does, until one tells
// of the end of a request with n machines protected.
func awaitEnd(t *testing.T, servers installation, n int) {
	t.Helper()
	js, err := natsjs.New(servers.dial(t, chatbot))
	if err != nil {
		t.Fatal(err)
	}
	durable, err := js.Consumer(t.Context(), jetstream.StreamLog, jetstream.DurableChatbot)
	if err != nil {
		t.Fatal(err)
	}
	for {
		msg, err := durable.Next(natsjs.FetchMaxWait(time.Minute))
		if err != nil {
			t.Fatalf("the end of the request is not told: %v", err)
		}
		note, err := events.Decode(events.TypeNotification, msg.Data())
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.Ack(); err != nil {
			t.Fatal(err)
		}
		if counts := note.Data.Counts; note.Data.State == events.NoteClosed && counts != nil && counts.Done == n {
			return
		}
	}
}
