package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/near"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
)

// onBus are the commands that need the bus.
var onBus = []string{
	"status", "list", "list --ready", "show web01", "watch", "watch web01", "log", "request web01", "cancel web01", "retry web01",
	"bus status", "bus setup", "bus dead list", "bus dead show 1", "bus dead requeue 1",
}

// A8, A9: what keeps a command from its bus means the same for each of them.
func TestA9WithoutTheBus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want int
	}{
		{Usage(errors.New("config: bus.nats.url is wrong")), 2},
		{errors.New("bus: connect to nats://127.0.0.1:9: refused"), 3},
		{fmt.Errorf("bus: connect: %w", bus.ErrNotPermitted), 4},
	} {
		for _, command := range onBus {
			var out, errs bytes.Buffer
			deps := Deps{
				Open:     func(context.Context, string) (Bus, error) { return nil, tt.err },
				Topology: func(string, []string) (Topology, error) { return Topology{}, nil },
				Ready:    func(context.Context, string, string) ([]preflight.Readiness, error) { return nil, tt.err },
			}
			if got := Main(t.Context(), strings.Fields(command), deps, nil, &out, &errs); got != tt.want || strings.Count(errs.String(), "\n") != 2 || out.Len() > 0 {
				t.Errorf("%s, %v: status %d, want %d\n%s%s", command, tt.err, got, tt.want, out.String(), errs.String())
			}
		}
	}
}

// A9a: preflight says by its status, as datastores does, that vCenter was not reached or did not let it in; the report is
// printed all the same. A name that nobody knows is wrong use.
func TestA9aPreflightSaysWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	down := &observed.Fault{Code: "vcenter.unreachable", What: "vCenter does not answer", Remedy: "check the network"}
	login := &observed.Fault{Code: "vcenter.login", What: "vCenter refuses the password", Remedy: "see passwordFile"}
	blocked := preflight.Case{Findings: []events.Finding{{Check: "machine.failed-over", Status: "fail", Level: "block", Blocks: true}}}
	for _, tt := range []struct {
		name   string
		report preflight.Report
		err    error
		want   int
	}{
		{"well", preflight.Report{}, nil, 0},
		{"blocked", preflight.Report{Cases: []preflight.Case{blocked}}, nil, 1},
		{"an unknown name", preflight.Report{Problems: []events.Problem{{Code: "machine.unknown"}}}, nil, 2},
		{"vCenter is away", preflight.Report{Unread: down, Cases: []preflight.Case{blocked}}, nil, 3},
		{"a wrong password", preflight.Report{Unread: fmt.Errorf("site tokyo: %w", login)}, nil, 4},
		{"the vault is away", preflight.Report{}, errors.New("azure: no answer"), 3},
	} {
		var out, errs bytes.Buffer
		deps := Deps{Preflight: func(context.Context, string, preflight.Ask) (preflight.Report, error) { return tt.report, tt.err }}
		if got := Main(t.Context(), []string{"preflight", "web01"}, deps, nil, &out, &errs); got != tt.want {
			t.Errorf("%s: status %d, want %d\n%s", tt.name, got, tt.want, errs.String())
		}
		if (tt.err == nil) != (out.Len() > 0) || tt.want > 2 && !strings.HasPrefix(errs.String(), "reprotect: ") {
			t.Errorf("%s: %q, %q", tt.name, out.String(), errs.String())
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"web01": true, "db01": true, "request": true, "list": true, "Ünïcode": true}
	for word, want := range map[string]string{
		"wbe01": "web01", "web1": "web01", "WEB01": "web01", "reqest": "request", "lst": "list", "ünicode": "Ünïcode", "something": "", "": "", "x": "",
	} {
		if got := near.Word(word, maps.Keys(known)); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"web01", "web01", true}, {"web*", "web01", true}, {"*01", "web01", true}, {"w*0?", "web01", true}, {"*", "", true}, {"?", "", false},
		{"web", "web01", false}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"**", "x", true}, {"横*", "横浜", true},
	} {
		if got := like(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q like %q: %t", tt.name, tt.pattern, got)
		}
	}
}

// B12: above a number somebody is asked, and where nobody can be asked it must be said.
func TestB12ConfirmAsksAPerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer string // "-": nobody is there
		yes    bool
		n      int
		want   int
	}{
		{"-", false, 25, 0}, {"-", false, 26, exitUsage}, {"-", true, 300, 0}, {"y\n", false, 300, 0}, {"YES\n", false, 300, 0}, {"n\n", false, 300, exitNo}, {"\n", false, 26, exitNo}, {"", false, 26, exitNo}, {"nonsense", false, 25, 0},
	} {
		var errs bytes.Buffer
		a := &app{stderr: &errs}
		if tt.answer != "-" {
			a.answers = strings.NewReader(tt.answer)
		}
		if err := a.confirm(tt.yes, tt.n, 25, "Reprotect 300 machines"); statusOf(err) != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
