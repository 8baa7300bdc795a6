package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"reprotect.example/events"
	"reprotect.example/services/internal/cli"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"reprotect": func() {
		os.Exit(cli.Main(context.Background(), os.Args[1:], testDeps(), os.Stdin, os.Stdout, os.Stderr))
	}})
}

// Each script finds a bus with prepared events, and services that answer unless its name begins with "quiet".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			s := startSite(tb, filepath.Join(env.WorkDir, ".nats"))
			s.furnish(tb)
			if strings.HasPrefix(filepath.Base(tb.Name()), "quiet") {
				env.Setenv("QUIET", "yes")
			} else {
				s.serve(tb)
			}
			env.Setenv("TZ", "UTC")
			env.Setenv("BUS_URL", s.server.URL())
			env.Setenv("REQUEST_ID", "r-2")
			return os.WriteFile(filepath.Join(env.WorkDir, "reprotect.yaml"), fmt.Appendf(nil, `{"url":%q}`, s.server.URL()), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// status N PROGRAM ARG...: the program ends with that status.
			"status": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				err = ts.Exec(args[1], args[2:]...)
				got := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if got != want {
					ts.Fatalf("status %d, want %d", got, want)
				}
			},
		},
	})
}

// cancelOn cancels once the text has been written.
type cancelOn struct {
	bytes.Buffer
	text   string
	cancel func()
}

func (w *cancelOn) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.cancel()
	}
	return n, err
}

func TestInterruptEndsCleanly(t *testing.T) {
	s := startSite(t, t.TempDir())
	s.furnish(t)
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{"url":%q}`, s.server.URL()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, until string
		status      int
	}{
		{"watch", "r-1-app01", 130}, {"log --follow", "r-1-app01", 130}, {"watch -o json r-1-app01", "r-1-app01", 130},
		{"lab", "config", 0}, // being stopped is its good end
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &cancelOn{text: test.until, cancel: cancel}
		var errs bytes.Buffer
		if status := cli.Main(ctx, append(strings.Fields(test.args), "--config", config), testDeps(), nil, out, &errs); status != test.status || errs.Len() > 0 {
			t.Errorf("%s: status %d, stderr %q", test.args, status, errs.String())
		}
	}
}

// A request that waits is cancelled by its own id; it may become cases in the moment in which that is asked for.
func TestCancelOfARequestThatBecomesCases(t *testing.T) {
	s := startSite(t, t.TempDir())
	s.serve(t)
	waits := events.Waiting{For: "azure", Message: "Azure does not answer.", Since: now, NextLook: now}
	put(t, s, events.TypeWaiting, "", "r-1", 1, 1, waits)
	run := func(args string, status int) (string, string) {
		t.Helper()
		config := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(config, fmt.Appendf(nil, `{"url":%q}`, s.server.URL()), 0o600); err != nil {
			t.Fatal(err)
		}
		deps := testDeps()
		deps.NewID = func(time.Time) string { return "r-2" }
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if got := cli.Main(ctx, append(strings.Fields(args), "--config", config), deps, nil, &out, &errs); got != status {
			t.Errorf("%s: status %d\n%s%s", args, got, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
	if out, _ := run("show r-1", 0); !strings.Contains(out, "waiting, 0 %") {
		t.Errorf("it shows as:\n%s", out)
	}
	if out, _ := run("cancel r-1 --wait", 0); !strings.Contains(out, "r-1-app01") || !strings.Contains(out, "cancelled") {
		t.Errorf("it ends as:\n%s", out)
	}
	if out, errs := run("show r-1", 0); !strings.Contains(out, "r-1-app01") || !strings.Contains(errs, "r-1 is a request, which has become 1 case") {
		t.Errorf("it shows as:\n%s%s", out, errs)
	}
	if _, errs := run("cancel r-1", 1); !strings.Contains(errs, "every case of request r-1 has ended") {
		t.Errorf("cancelled again:\n%s", errs)
	}
}

// Every command says what it does and shows an example.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, command := range strings.Split("|request|cancel|retry|preflight|datastores|checks|errors|list|show|status|watch|log|bus|bus setup|bus status|bus dead|bus dead list|bus dead show|bus dead requeue|lab|lab do|lab check|demo|version", "|") {
		var out bytes.Buffer
		if status := cli.Main(t.Context(), append(strings.Fields(command), "--help"), testDeps(), nil, &out, io.Discard); status != 0 {
			t.Errorf("%s: status %d", command, status)
		}
		long, _, _ := strings.Cut(out.String(), "\n\n")
		if !strings.Contains(out.String(), "Examples:\n  reprotect") || len(long) < 20 {
			t.Errorf("%s: help without text or example:\n%s", command, out.String())
		}
	}
}
