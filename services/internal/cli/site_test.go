package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/build"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/cli/jetbus"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
	"reprotect.example/services/workflow"
)

var now = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)

// prepared is the reason of the cases that the services leave as they are.
const prepared = "CHG0012345"

// validator stands for all services: it takes a request and carries each machine to the end that its name says.
func validator() workflow.Service {
	accept := func(_ context.Context, e workflow.Event[events.Request], _ workflow.None) (workflow.Result[workflow.None], error) {
		if strings.HasPrefix(e.ID, "r-1") {
			return workflow.Result[workflow.None]{}, nil
		}
		var r workflow.Result[workflow.None]
		for _, m := range e.Data.Machines {
			if strings.HasPrefix(m.Name, "ghost") {
				return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Fact(events.TypeRefused, "", events.Refused{Problems: []events.Problem{{
					Code: "machine.unknown", Place: m.Name, Message: "The vault holds no machine of that name.", Remedy: "Look the name up in the vault.",
				}}}).For("tokyo", events.Token(e.ID), e.ID)}}, nil
			}
			c := events.Case{Machines: []events.Machine{{Name: m.Name, Item: "/i/" + m.Name, Architecture: "modernized", OS: "linux"}}, DryRun: e.Data.DryRun, RequestedBy: e.Data.RequestedBy}
			r.Publish = append(r.Publish, workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: c}).For("tokyo", events.Token(e.ID+"-"+m.Name), e.ID))
		}
		return r, nil
	}
	refuse := func(e events.Header, _ []byte, err error) workflow.Draft {
		return workflow.Fact(events.TypeRefused, "", events.Refused{Problems: []events.Problem{{Code: "x", Message: err.Error()}}}).For("tokyo", events.Token(e.ID), e.ID)
	}
	return workflow.Service{Name: "validator", Routes: []workflow.Route{
		workflow.OnCommand(events.TypeRequest, accept, refuse),
		workflow.OnCommand(events.TypeCancel, func(_ context.Context, e workflow.Event[events.Cancel], _ workflow.None) (workflow.Result[workflow.None], error) {
			if e.Data.Case == "r-1-web01" {
				return workflow.Result[workflow.None]{}, workflow.Reject("case.ended", "Case r-1-web01 ended as completed.", "Nothing is left to be cancelled.")
			}
			data := events.Cancelled{Case: events.Case{Machines: []events.Machine{{Name: "app01", Item: "/i", Architecture: "modernized"}}}, Reason: e.Data.Reason}
			drafts := []workflow.Draft{workflow.Fact(events.TypeCancelling, "", events.Cancelling{Reason: e.Data.Reason}).For("tokyo", e.Data.Case, "r-1")}
			switch e.Data.Case {
			case "r-1": // a request that becomes a case in this very moment
				data.Case.Reason = prepared
				drafts = append(drafts,
					workflow.Fact(events.TypeProgressed, "", events.Progressed{Machines: []events.MachineProgress{{Machine: "app01", State: "not-started"}}}).For("tokyo", "r-1", "r-1"),
					workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: data.Case}).For("tokyo", "r-1-app01", "r-1"),
					workflow.Fact(events.TypeCancelled, events.StepValidation, data).For("tokyo", "r-1-app01", "r-1"))
			case "r-1-db01": // it had been started
				drafts = append(drafts, workflow.Fact(events.TypeCancelled, events.StepReplication, data).For("tokyo", e.Data.Case, "r-1"))
			default:
				drafts = append(drafts, workflow.Fact(events.TypeCancelled, events.StepValidation, data).For("tokyo", e.Data.Case, "r-1"))
			}
			return workflow.Result[workflow.None]{Publish: drafts}, nil
		}, refuse),
		workflow.OnCommand(events.TypeRetry, func(_ context.Context, e workflow.Event[events.Retry], _ workflow.None) (workflow.Result[workflow.None], error) {
			c := events.Case{Machines: []events.Machine{{Name: "mail01", Item: "/items/mail01", Architecture: "classic", OS: "windows"}}, RetryOf: e.Data.Case, Reason: e.Data.Reason}
			return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: c}).For("tokyo", e.Data.Case+"--2", "r-1")}}, nil
		}, refuse),
		workflow.OnCommand(events.TypeAcknowledge, func(_ context.Context, e workflow.Event[events.Acknowledge], _ workflow.None) (workflow.Result[workflow.None], error) {
			id, number, _ := cases.AlarmPlace(e.Data.Alarm)
			if id != "r-1-db01" || e.Data.Reason == "again" {
				return workflow.Result[workflow.None]{}, workflow.Reject("alarm.acknowledged", "Alarm "+e.Data.Alarm+" was acknowledged by ops.", "Nothing is left to be acknowledged.")
			}
			fact := events.Acknowledged{Violation: e.Data.Alarm, Reason: e.Data.Reason, RequestedBy: e.Data.RequestedBy}
			return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Fact(events.TypeAcknowledged, "", fact).For("tokyo", id, "r-1").Numbered(number + cases.AcknowledgedAfter)}}, nil
		}, refuse),
		workflow.On(events.TypeAccepted, events.StepValidation, func(_ context.Context, e workflow.Event[events.Accepted], _ workflow.None) (workflow.Result[workflow.None], error) {
			if e.Data.Case.Reason == prepared {
				return workflow.Result[workflow.None]{}, nil
			}
			if strings.HasPrefix(e.Data.Case.Machines[0].Name, "bad") {
				return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Fact(events.TypeRejected, events.StepValidation, events.Rejected{Case: e.Data.Case, Problems: []events.Problem{{
					Code: "machine.failed-over", Place: e.Data.Case.Machines[0].Name, Message: "It was never failed over.", Remedy: "Fail it over first.",
				}}})}}, nil
			}
			return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
		}),
		workflow.On(events.TypeValidated, events.StepReplication, func(_ context.Context, e workflow.Event[events.Validated], _ workflow.None) (workflow.Result[workflow.None], error) {
			if e.Data.Case.Reason == prepared {
				return workflow.Result[workflow.None]{}, nil
			}
			done := events.Completed{Case: e.Data.Case}
			for _, m := range e.Data.Case.Machines {
				done.Machines = append(done.Machines, events.ProtectedState{Machine: m.Name, Item: m.Item, Since: now})
			}
			return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Fact(events.TypeCompleted, "", done)}}, nil
		}),
	}}
}

// site is a bus with prepared events, and whether services answer.
type site struct {
	server *embedded.Server
	conn   *jetstream.Conn
}

func startSite(t testing.TB, dir string) *site {
	server, err := embedded.Start(embedded.Options{Dir: dir, Fast: true, MaxStore: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	conn, err := jetstream.Connect(jetstream.Options{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.SetUp(context.Background(), topology()); err != nil {
		t.Fatal(err)
	}
	return &site{server, conn}
}

// serve runs the services until the test ends.
func (s *site) serve(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- workflow.Run(ctx, s.conn, validator(), workflow.Options{Now: func() time.Time { return now }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func topology() []jetstream.Stream { return jetstream.Topology(1, validator().Consumer()) }

func streams([]string) ([]jetstream.Stream, error) { return topology(), nil }

// put writes a fact into the log.
func put[T any](t testing.TB, s *site, kind events.Type[T], step, id string, minute, position int, data T) {
	if step == "" {
		step = kind.Step
	}
	h := events.Header{
		ID: id + "/" + step, Source: "/reprotect/tokyo/test", Type: kind.CloudType(), DataSchema: kind.Schema(), Subject: id, Site: "tokyo",
		Case: id, Step: step, Request: "r-1", Position: position, Time: now.Add(time.Duration(minute-60) * time.Minute),
	}
	if kind.Role == events.Report {
		h.ID += fmt.Sprintf("/%d", position)
	}
	raw, err := events.Encode(events.Event[T]{Header: h, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if problems := events.Validate(kind.Kind, mustJSON(t, data)); problems != nil {
		t.Fatalf("%s: %v", h.ID, problems)
	}
	m := bus.Message{Subject: events.FactSubject("tokyo", id, step, kind.Name), ID: h.ID, Data: raw}
	if kind.Decides() {
		m.Once = events.OutcomeFilter("tokyo", id, step)
	}
	if err := s.conn.Publish(context.Background(), m); err != nil {
		t.Fatal(err)
	}
}

func mustJSON(t testing.TB, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// furnish writes four cases into the log: protected, replicating (with a violation), waiting, rejected; and a dead letter.
func (s *site) furnish(t testing.TB) {
	ctx := context.Background()
	if err := s.conn.Publish(ctx, bus.Message{Subject: "reprotect.command.request", ID: "r-1", Data: []byte(
		`{"specversion":"1.0","id":"r-1","source":"/ops","type":"io.reprotect.request.v1","time":"2026-11-22T03:00:00Z","data":{"machines":[{"name":"web01"}],"requestedBy":"ops@example.com","reason":"CHG0012345"}}`)}); err != nil {
		t.Fatal(err)
	}
	c := func(name, arch, os string) events.Case {
		return events.Case{Machines: []events.Machine{{Name: name, Item: "/items/" + name, Architecture: arch, OS: os}}, Reason: prepared, RequestedBy: "ops@example.com"}
	}
	web, db, app, mail := c("web01", "modernized", "linux"), c("db01", "classic", "windows"), c("app01", "modernized", "linux"), c("mail01", "classic", "windows")
	findings := []events.Finding{
		{Check: "machine.failed-over", Machine: "db01", Status: "pass", Level: "block", Evidence: "db01 runs in Azure."},
		{Check: "machine.powered-off", Machine: "db01", Status: "warn", Level: "warn", Evidence: "The on-premises VM db01 is on.", Remedy: "Shut it down in vCenter.", Reference: "S39"},
	}
	put(t, s, events.TypeAccepted, "", "r-1-web01", 1, 1, events.Accepted{Case: web})
	put(t, s, events.TypeValidated, "", "r-1-web01", 2, 2, events.Validated{Case: web, Findings: []events.Finding{}})
	lag := 42
	put(t, s, events.TypeCompleted, "", "r-1-web01", 40, 3, events.Completed{Case: web, Machines: []events.ProtectedState{{Machine: "web01", Item: "/items/web01-2", Since: now, Location: "original", LagSeconds: &lag}}})

	put(t, s, events.TypeAccepted, "", "r-1-db01", 3, 1, events.Accepted{Case: db})
	put(t, s, events.TypeValidated, "", "r-1-db01", 4, 2, events.Validated{Case: db, Findings: findings})
	db.Machines[0].Datastore, db.Machines[0].Location = "VMFS-01", "original"
	put(t, s, events.TypeStarted, "", "r-1-db01", 20, 5, events.Started{Case: db, Jobs: []events.Job{{Machine: "db01", Job: "job-7"}}})
	half := 50
	put(t, s, events.TypeProgressed, "", "r-1-db01", 30, 6, events.Progressed{Percent: 55, Machines: []events.MachineProgress{{Machine: "db01", State: "replicating", Percent: 55, Replication: &half}}})
	put(t, s, events.TypeViolated, "", "r-1-db01", 31, 6, events.Violated{Code: "machine.powered-off", Machine: "db01", What: "db01 was switched on.", Endangers: "the reprotect.", Do: "Switch it off."})

	put(t, s, events.TypeAccepted, "", "r-1-app01", 5, 1, events.Accepted{Case: app})
	put(t, s, events.TypeWaiting, "", "r-1-app01", 6, 2, events.Waiting{For: "agent", Message: "The agent of app01 has not registered yet.", Since: now.Add(-54 * time.Minute), Until: now.Add(time.Minute), NextLook: now})

	put(t, s, events.TypeAccepted, "", "r-1-mail01", 7, 1, events.Accepted{Case: mail})
	put(t, s, events.TypeRejected, events.StepValidation, "r-1-mail01", 8, 2, events.Rejected{Case: mail,
		Findings: []events.Finding{{Check: "master-target.snapshots", Machine: "mail01", Status: "fail", Level: "block", Blocks: true, Evidence: "MT-WIN-01 has 1 snapshot.", Remedy: "Delete it."}},
		Problems: []events.Problem{{Code: "master-target.snapshots", Place: "mail01", Message: "MT-WIN-01 has 1 snapshot.", Remedy: "Delete it."}}})

	dead := func(id, subject string, original []byte) {
		h := events.Header{ID: id, Source: "/reprotect/validator", Type: events.TypeDead.CloudType(), Time: now}
		raw, err := events.Encode(events.Event[events.Dead]{Header: h, Data: events.Dead{
			Service: "validator", Reason: "attempts-exhausted", Error: "vCenter cannot be reached", Attempts: 10, Subject: subject, Original: original}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.conn.Publish(ctx, bus.Message{Subject: "reprotect.dead.validator", ID: id, Data: raw}); err != nil {
			t.Fatal(err)
		}
	}
	app.Reason = "given up"
	waiting := events.Event[events.Accepted]{Header: events.Header{ID: "r-1-app01/request", Source: "/x", Type: events.TypeAccepted.CloudType(), Site: "tokyo", Case: "r-1-app01", Step: "request", Position: 1}, Data: events.Accepted{Case: app}}
	raw, err := events.Encode(waiting)
	if err != nil {
		t.Fatal(err)
	}
	dead("validator/11/10", "reprotect.event.tokyo.r-1-app01.request.accepted", raw)
	dead("validator/13/10", "reprotect.event.tokyo.r-1-mail01.request.accepted", []byte(`{}`))
	dead("validator/1/10", "reprotect.command.request", []byte(`not json`))
}

// examined is a case of one machine, whose name says how it stands: well, unless it begins with bad or home.
func examined(name string, ask preflight.Ask) preflight.Case {
	m := preflight.Machine{Machine: events.Machine{Name: name, Architecture: "classic", OS: "linux"}, Stage: preflight.FailedOver}
	c := preflight.Case{
		Findings:   []events.Finding{{Check: "machine.failed-over", Machine: name, Status: "pass", Level: "block", Evidence: name + " runs in Azure."}},
		Placements: []events.Placement{{Machine: name, Datastore: "VMFS-01", Location: "original", Why: "The machine lies on it already."}},
	}
	home := strings.HasPrefix(name, "home")
	switch {
	case home && (ask.Ahead || ask.All):
		m.Stage = preflight.NotYet
		c.Findings[0].Status = "skipped"
	case home || strings.HasPrefix(name, "bad"):
		c.Findings[0] = events.Finding{Check: "machine.failed-over", Machine: name, Status: "fail", Level: "block", Blocks: true, Evidence: "It runs on-premises.", Remedy: "Fail it over first.", Reference: "S1 https://learn.microsoft.com/azure/site-recovery/"}
	}
	c.Machines = []preflight.Machine{m}
	return c
}

// patience is how long a service may take to answer: long, since a machine may be slow, but where none runs.
func patience() time.Duration {
	if os.Getenv("QUIET") != "" {
		return time.Second
	}
	return 30 * time.Second
}

// testDeps is the world of the scripts: the config is JSON with the bus's URL, or with the error to make.
func testDeps() cli.Deps {
	type file struct {
		URL, Fault string
		Sites      []string
	}
	load := func(path string) (c file, err error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return c, cli.Usage(fmt.Errorf("config: %w", err))
		}
		return c, cli.Usage(json.Unmarshal(raw, &c))
	}
	faults := map[string]error{
		"down":      &observed.Fault{Class: observed.Temporary, Code: "vcenter.unreachable", What: "vCenter vc01 does not answer", Remedy: "Check the network."},
		"login":     &observed.Fault{Class: observed.Operator, Code: "azure.login", What: "Azure refuses the token", Remedy: "Log in again."},
		"forbidden": fmt.Errorf("bus: read REPROTECT: %w", bus.ErrNotPermitted),
		"plain":     errors.New("bus: connect: nats: no servers available for connection"),
	}
	return cli.Deps{
		Build: build.Info{Version: "1.2.3", Go: runtime.Version(), Platform: "linux/amd64"},
		Settings: func(path string) (cli.Settings, error) {
			c, err := load(path)
			return cli.Settings{Sites: c.Sites}, err
		},
		Open: func(_ context.Context, path string) (cli.Bus, error) {
			c, err := load(path)
			if err != nil {
				return nil, err
			}
			if c.Fault != "" {
				return nil, faults[c.Fault]
			}
			conn, err := jetstream.Connect(jetstream.Options{URL: c.URL})
			if err != nil {
				return nil, err
			}
			return jetbus.New(conn, streams), nil
		},
		Topology: func(string, []string) (cli.Topology, error) { return jetbus.Topology(topology()), nil },
		Preflight: func(_ context.Context, path string, ask preflight.Ask) (preflight.Report, error) {
			if c, err := load(path); err != nil || c.Fault != "" {
				return preflight.Report{}, errors.Join(err, faults[c.Fault])
			}
			r := preflight.Report{Site: "tokyo", Taken: now, Plan: ask.Request.Plan, All: ask.All}
			if ask.All {
				ask.Request.Machines = []events.RequestMachine{{Name: "web01"}, {Name: "home01"}}
				r.LeftOut = []preflight.LeftOut{{Machine: "mig01", Why: preflight.Migrated}}
			}
			for _, m := range ask.Request.Machines {
				r.Cases = append(r.Cases, examined(m.Name, ask))
			}
			return r, nil
		},
		Ready: func(_ context.Context, path, _ string) ([]preflight.Readiness, error) {
			c, err := load(path)
			if err != nil || c.Fault == "login" {
				return nil, errors.Join(err, faults[c.Fault])
			}
			yes, no, lag := true, false, 42
			return []preflight.Readiness{
				{Machine: "db01", Item: "/items/db01", Site: "tokyo", Ready: &no, Why: []string{"db01 has no recovery point."}, AsOf: now},
				{Machine: "dim01", Item: "/items/dim01", Site: "tokyo", Why: []string{"Whether VM dim01 is off could not be read."}, AsOf: now},
				{Machine: "web01", Item: "/ITEMS/WEB01-2", Site: "tokyo", Ready: &yes, Why: []string{}, LagSeconds: &lag, RecoveryPoint: &now, AsOf: now},
			}, nil
		},
		Datastores: func(_ context.Context, _, _, machine string) (events.Placement, error) {
			p := events.Placement{Machine: machine, Considered: []events.DatastoreVerdict{
				{Name: "VMFS-01", Type: "vmfs", Accepted: true, FreeBytes: 90 << 30},
				{Name: "NFS-01", Type: "nfs", FreeBytes: 20 << 40, Code: "datastore.unsupported", Reason: "NFS cannot be used", Remedy: "Choose VMFS."},
			}}
			switch machine {
			case "web01":
				p.Datastore, p.Location, p.Why = "VMFS-01", "original", "the disks lie there"
			case "huge01":
				p.Why = "none of the 2 datastores can take huge01"
			}
			return p, nil
		},
		Checks: func(lang string) []cli.Check {
			rows := []cli.Check{
				{Code: "machine.failed-over", Level: "block", For: []string{"classic", "modernized"}, Refs: []string{"S1"}, NeverWaived: true, Title: "The machine runs in Azure.", Why: "Only then can it come back.", Remedy: "Fail it over.", Reference: "https://learn.microsoft.com/azure/site-recovery/"},
				{Code: "master-target.snapshots", Level: "block", For: []string{"classic"}, Refs: []string{"S5", "S30"}, Title: "The master target has no snapshots.", Why: "They break it.", Remedy: "Delete them."},
			}
			if lang == "ja" {
				rows[1].Title, rows[1].Why, rows[1].Remedy = "マスター ターゲットにスナップショットがないこと", "失敗の原因になります。", "削除してください。"
			}
			return rows
		},
		Errors: func(lang string) []cli.KnownError {
			rows := []cli.KnownError{
				{Code: "8061", Class: "permanent", For: "azure", Refs: []string{"S20", "S21"}, Title: "The datastore cannot be reached", Cause: "The host does not reach it.", Remedy: "Mount it.", Reference: "https://learn.microsoft.com/azure/site-recovery/"},
				{Code: "28175", Class: "temporary", Warning: true, For: "azure", Title: "Renamed", Cause: "Its name was taken.", Remedy: "Nothing to do."},
				{Code: "azure.agent-not-installed", Class: "temporary", For: "azure", Texts: []string{"agent is not installed"}, Title: "No agent", Cause: "It registers anew.", Remedy: "Wait."},
			}
			if lang == "ja" {
				rows[0].Title, rows[0].Cause, rows[0].Remedy = "データストアにアクセスできない", "ホストがアクセスできません。", "マウントしてください。"
				rows[2].Title, rows[2].Cause, rows[2].Remedy = "エージェントがない", "再登録中です。", "お待ちください。"
			}
			return rows
		},
		StartLab: func(context.Context, cli.LabOptions) (any, func(), error) {
			return map[string]string{"config": "x"}, func() {}, nil
		},
		LabActions: func(context.Context, string) ([]cli.LabAction, error) {
			return []cli.LabAction{{Name: "hold-agent", Args: "MACHINE", Help: "keep the agent away"}}, nil
		},
		LabDo: func(_ context.Context, dir, action string, args []string) error {
			if action != "hold-agent" {
				return cli.Usage(fmt.Errorf("the lab in %s knows no action %q", dir, action))
			}
			return nil
		},
		StartDemo: func(_ context.Context, o cli.DemoOptions) (cli.Demo, error) {
			conn, err := jetstream.Connect(jetstream.Options{URL: os.Getenv("BUS_URL")})
			if err != nil {
				return cli.Demo{}, err
			}
			return cli.Demo{Bus: jetbus.New(conn, streams), Machines: []string{"web01", "db01"}[:o.Machines], Stop: conn.Close}, nil
		},
		Now:      func() time.Time { return now },
		NewID:    func(time.Time) string { return os.Getenv("REQUEST_ID") },
		User:     func() string { return "ops@host" },
		Patience: patience(),
	}
}
