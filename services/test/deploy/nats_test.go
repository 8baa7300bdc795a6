// Package deploytest holds the files of deploy/ to what they promise.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var deploy = filepath.Join("..", "..", "..", "deploy")

func roles() []string { return append(app.Targets(), "admin", "ops", "audit", "chatbot") }

func passwordVariable(role string) string { return "REPROTECT_PASSWORD_" + strings.ToUpper(role) }

// process reads a server configuration of deploy/nats as nats-server does.
func process(t *testing.T, file string) *server.Options {
	t.Helper()
	for _, role := range roles() {
		t.Setenv(passwordVariable(role), "secret-of-"+role)
	}
	t.Setenv("REPROTECT_NATS_NAME", "nats-1")
	t.Setenv("REPROTECT_CLUSTER_PASSWORD", "secret-of-cluster")
	o, err := server.ProcessConfigFile(filepath.Join(deploy, "nats", file))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// startNATS starts a server with the configuration for one machine; only the port and the folder are the test's.
func startNATS(t *testing.T) string {
	t.Helper()
	o := process(t, "nats.conf")
	o.Port, o.StoreDir, o.NoSigs, o.NoLog = server.RANDOM_PORT, t.TempDir(), true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s.ClientURL()
}

func TestServerConfigurations(t *testing.T) {
	for _, file := range []string{"nats.conf", "cluster.conf"} {
		o := process(t, file)
		if !o.JetStream || !o.SyncAlways || o.MaxPayload < 2*events.MaxSize {
			t.Errorf("%s: JetStream %v, sync always %v, payload %d", file, o.JetStream, o.SyncAlways, o.MaxPayload)
		}
		var users []string
		for _, u := range o.Users {
			users = append(users, u.Username)
			if u.Permissions == nil || u.Permissions.Publish == nil || u.Permissions.Subscribe == nil {
				t.Errorf("%s: user %s may do anything", file, u.Username)
			}
		}
		slices.Sort(users)
		if want := slices.Sorted(slices.Values(roles())); !slices.Equal(users, want) {
			t.Errorf("%s: users %v, want %v", file, users, want)
		}
	}
	if o := process(t, "cluster.conf"); o.ServerName != "nats-1" || o.Cluster.Name == "" || len(o.Routes) != 3 || o.Cluster.Password == "" {
		t.Errorf("cluster.conf: server %q, cluster %q, %d routes", o.ServerName, o.Cluster.Name, len(o.Routes))
	}
}

// as is the config with which a role works.
func as(c config.Config, url, role string) config.Config {
	c.Bus = config.Bus{NATS: &config.NATS{
		URL: url, User: role, PasswordEnv: "env:" + passwordVariable(role), InboxPrefix: "_INBOX_" + role, Replicas: 1,
	}}
	return c
}

func open(t *testing.T, c config.Config, log *zap.Logger) *app.Bus {
	t.Helper()
	b, err := app.OpenBus(t.Context(), c, t.Name(), true, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Two machines come home while every service, ops, audit and the chat bot work with the rights of their own user.
func TestPipelineWithLeastPermissions(t *testing.T) {
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
	url := startNATS(t)
	core, logged := observer.New(zapcore.ErrorLevel)
	log := zap.New(core)

	admin := open(t, as(c, url, "admin"), log)
	if err := admin.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	runServices(t, c, url, log)
	ops := open(t, as(c, url, "ops"), log)
	request := bus.Message{Subject: events.CommandSubject(events.TypeRequest.Kind), ID: "r1", Data: []byte(`{"machines":[{"name":"web01"},{"name":"db01"}]}`)}
	if err := ops.Publish(t.Context(), request); err != nil {
		t.Fatal(err)
	}

	facts, notes := "reprotect.event.>", "reprotect.notification.>"
	await(t, open(t, as(c, url, "audit"), log), facts, "completed", 2)
	await(t, ops, facts, "completed", 2)
	await(t, open(t, as(c, url, "chatbot"), log), notes, "completed", 2)
	for name, n := range surroundings.Azure().Submissions() {
		if n != 1 {
			t.Errorf("%s was submitted %d times", name, n)
		}
	}
	if _, err := admin.NATS.Status(t.Context()); err != nil {
		t.Error(err)
	}
	for _, entry := range logged.All() {
		t.Errorf("logged: %s %v", entry.Message, entry.ContextMap())
	}
}

func runServices(t *testing.T, c config.Config, url string, log *zap.Logger) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, target := range app.Targets() {
		a, err := app.New(app.Options{
			Config: as(c, url, target), Targets: []string{target}, Log: log.With(zap.String("role", target)),
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

// await follows the event log until n cases are told of that end so, as facts or as notifications.
func await(t *testing.T, b *app.Bus, filter, kind string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	enough := errors.New("enough")
	var seen []string
	err := b.NATS.Read(ctx, jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{filter}, Follow: true}, func(r bus.Received) error {
		e, err := events.Parse(r.Data)
		if err != nil {
			return err
		}
		told := strings.TrimSuffix(strings.TrimPrefix(e.Type, "io.reprotect."), ".v1")
		if e.Type == events.TypeNotification.CloudType() {
			note, err := events.As(events.TypeNotification, e)
			if err != nil {
				return err
			}
			told = note.Data.Kind
		}
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
		t.Fatalf("%d more %s wanted under %s, then %v; seen: %s", n, kind, filter, err, strings.Join(seen, ", "))
	}
}
