package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/lab"
)

// built is the folder with the two programs, made once for all tests.
var built string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if built, err = os.MkdirTemp("", "reprotect-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	return m.Run()
}

var build = sync.OnceValue(func() error {
	const programs = "reprotect.example/services/cmd/"
	out, err := exec.Command("go", "build", "-o", built, programs+"reprotect", programs+"reprotectd").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
})

// process is a program that runs.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdout *text
	stderr *text
	ended  chan struct{}
	err    error // valid after ended
}

// launch starts a program. What it logs is part of what the world judges.
func (w *world) launch(program string, args ...string) *process {
	w.t.Helper()
	if err := build(); err != nil {
		w.t.Fatal(err)
	}
	p := &process{
		name: strings.Join(append([]string{program}, args...), " "), cmd: exec.Command(filepath.Join(built, program), args...),
		stdout: &text{}, stderr: &text{}, ended: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, io.MultiWriter(p.stderr, w.logged)
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
	})
	return p
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatalf("%s had ended by itself: %s", p.name, p.stderr)
	}
	<-p.ended
}

// terminate asks the process to end, and returns its exit status.
func (p *process) terminate(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s had ended by itself: %s", p.name, p.stderr)
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("%s does not end on SIGTERM: %s", p.name, p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// line awaits the first line for which the function returns a value.
func line[T any](t *testing.T, p *process, of *text, find func(line string) (T, bool)) T {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(limit)
	for {
		for l := range strings.Lines(of.String()) {
			if found, ok := find(l); ok && strings.HasSuffix(l, "\n") {
				return found
			}
		}
		select {
		case <-ticker.C:
		case <-p.ended:
			t.Fatalf("%s ended: %v %s", p.name, p.err, p.stderr)
		case <-deadline:
			t.Fatalf("%s does not say what is awaited: %s %s", p.name, p.stdout, p.stderr)
		}
	}
}

// startProcesses runs a lab as a process, and watches its bus.
func startProcesses(t *testing.T, machines int, speed float64) (w *world, surroundings *process) {
	t.Helper()
	w = newWorld(t)
	surroundings, text := w.launchLab(machines, speed)
	checkReadyLine(t, text)
	w.connect()
	w.secrets = w.readSecrets()
	return w, surroundings
}

func (w *world) launchLab(machines int, speed float64, flags ...string) (p *process, readyLine string) {
	w.t.Helper()
	flags = append([]string{"lab", "--dir", w.dir, "--machines", fmt.Sprint(machines), "--speed", fmt.Sprint(speed)}, flags...)
	p = w.launch("reprotect", flags...)
	readyLine = line(w.t, p, p.stdout, func(line string) (string, bool) { return line, true })
	var ready lab.Ready
	if err := json.Unmarshal([]byte(readyLine), &ready); err != nil {
		w.t.Fatalf("%v: %s", err, readyLine)
	}
	w.load(ready)
	return p, readyLine
}

// checkReadyLine holds the line against contract section 1: other programs read it.
func checkReadyLine(t *testing.T, text string) {
	t.Helper()
	var ready map[string]any
	if err := json.Unmarshal([]byte(text), &ready); err != nil {
		t.Fatalf("the ready line is not JSON: %v: %s", err, text)
	}
	for key, members := range map[string][]string{
		"azure":   {"endpoint", "tokenFile", "caFile", "subscription", "resourceGroup", "vault"},
		"vcenter": {"url", "username", "password", "caFile"},
		"nats":    {"url"},
	} {
		object, _ := ready[key].(map[string]any)
		for _, member := range members {
			if value, _ := object[member].(string); value == "" {
				t.Errorf("the ready line has no %s.%s", key, member)
			} else if _, err := os.Stat(value); strings.HasSuffix(member, "File") && err != nil {
				t.Errorf("%s.%s: %v", key, member, err)
			}
		}
	}
	for _, key := range []string{"config", "control"} {
		if value, _ := ready[key].(string); value == "" {
			t.Errorf("the ready line has no %s", key)
		}
	}
	if names, _ := ready["machines"].([]any); len(names) == 0 {
		t.Errorf("the ready line has no machines")
	}
}

// daemon runs one service in a process of its own, and waits until it has begun.
func (w *world) daemon(target string) (p *process, address string) {
	w.t.Helper()
	p = w.launch("reprotectd", "--config", w.ready.Config, "--target", target)
	return p, line(w.t, p, p.stderr, func(line string) (string, bool) {
		var l struct{ Msg, HTTP string }
		return l.HTTP, json.Unmarshal([]byte(line), &l) == nil && l.Msg == "reprotectd started"
	})
}

// getsReady polls /ready until it answers 200.
func (w *world) getsReady(p *process, address string) {
	w.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(limit)
	for {
		response, err := http.Get("http://" + address + "/ready")
		if err != nil {
			w.t.Fatalf("%s: /ready: %v %s", p.name, err, p.stderr)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		if response.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			w.t.Fatalf("%s does not get ready: %s", p.name, body)
		}
	}
}

// askFor publishes as 'nats pub' does: bare, without an id, without waiting for an answer.
func (w *world) askFor(machines []string) {
	w.t.Helper()
	var names []string
	for _, m := range machines {
		names = append(names, fmt.Sprintf(`{"name":%q}`, m))
	}
	err := w.bus.Publish("reprotect.command.request", []byte(`{"machines":[`+strings.Join(names, ",")+`]}`))
	if err == nil {
		err = w.bus.FlushTimeout(limit)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) allComplete(machines []string) {
	w.t.Helper()
	for _, m := range machines {
		await(w, events.TypeCompleted, "", func(c events.Completed) bool { return c.Machines[0].Machine == m })
	}
	for _, m := range machines {
		w.submissions(m, 1)
	}
}

func TestFiveProcesses(t *testing.T) {
	t.Parallel()
	w, surroundings := startProcesses(t, 4, 600)
	var daemons []*process
	for _, target := range app.Targets() {
		p, address := w.daemon(target)
		w.getsReady(p, address)
		daemons = append(daemons, p)
	}
	w.askFor(w.ready.Machines)
	w.allComplete(w.ready.Machines)
	for _, p := range daemons {
		if status := p.terminate(t); status != 0 {
			t.Errorf("%s ended on SIGTERM with %d: %s", p.name, status, p.stderr)
		}
		if out := p.stdout.String(); out != "" {
			t.Errorf("%s writes to stdout, which is for results: %s", p.name, out)
		}
	}
	if lines := strings.Count(surroundings.stdout.String(), "\n"); lines != 1 {
		t.Errorf("the lab prints %d lines, want the ready line alone", lines)
	}
}

// The services are killed in turn while cases are on their way.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	const kills = 15
	w, _ := startProcesses(t, 6, 300)
	targets := app.Targets()
	running := map[string]*process{}
	for _, target := range targets {
		running[target], _ = w.daemon(target)
	}
	w.askFor(w.ready.Machines)
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for i := range kills {
		<-ticker.C
		target := targets[i%len(targets)]
		running[target].kill(t)
		running[target], _ = w.daemon(target)
	}
	w.allComplete(w.ready.Machines)
}

// Without a bus in the config JetStream runs inside the daemon. What was asked for survives its death.
func TestBusInsideTheDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.launchLab(2, 600, "--bus", "none")
	daemon, address := w.daemon("all")
	w.getsReady(daemon, address)
	cases := strings.Fields(w.command(0, "request", "web01", "db01"))
	if len(cases) != 2 {
		t.Fatalf("the request became the cases %q", cases)
	}
	daemon.kill(t)
	daemon, address = w.daemon("all")
	w.getsReady(daemon, address)
	w.secrets = map[string]string{"token of the bus": w.busToken()}
	w.command(0, append([]string{"watch"}, cases...)...)
	for _, m := range []string{"web01", "db01"} {
		w.submissions(m, 1)
	}
	w.command(2, "request", "nobody", "--wait") // a name that nobody knows
	if status := daemon.terminate(t); status != 0 {
		t.Errorf("%s ended on SIGTERM with %d: %s", daemon.name, status, daemon.stderr)
	}
	w.command(3, "request", "web01")
	w.secretFree("the log", w.logged.String())
}

// busToken is the secret of the bus inside a daemon, from the file that is left for the account's other programs.
func (w *world) busToken() string {
	w.t.Helper()
	var address struct{ URL string }
	content, err := os.ReadFile(filepath.Join(w.config.DataDir, "bus.json"))
	if err == nil {
		err = json.Unmarshal(content, &address)
	}
	u, _ := url.Parse(address.URL)
	if err != nil || u == nil || u.User.Username() == "" {
		w.t.Fatalf("bus.json holds no token: %v", err)
	}
	return u.User.Username()
}

// command runs a command of reprotect to its end, demands its exit status, and returns what it prints.
func (w *world) command(status int, args ...string) string {
	w.t.Helper()
	p := w.launch("reprotect", append([]string{"--config", w.ready.Config}, args...)...)
	select {
	case <-p.ended:
	case <-time.After(limit):
		w.t.Fatalf("%s does not end: %s %s", p.name, p.stdout, p.stderr)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		w.t.Errorf("%s ended with %d, want %d: %s %s", p.name, got, status, p.stdout, p.stderr)
	}
	return p.stdout.String()
}
