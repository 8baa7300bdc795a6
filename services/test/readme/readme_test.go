// Package readme runs what the README says, command by command, as a new user would.
package readme

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/deploy/docs"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/services/internal/config"
)

const root = "../../.."

// blocks returns the README's fenced blocks of a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	return blocksOf(t, "README.md", language)
}

// blocksOf returns a document's fenced blocks of a language, those within a list too.
func blocksOf(t *testing.T, document, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 {
		t.Fatalf("%s has no block of %s", document, language)
	}
	return found
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"nats.creds", "vcenter-password"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole, azure := blocks(t, "yaml")[0], blocks(t, "yaml")[1]
	onAzure := regexp.MustCompile(`(?m)^bus:\n.+\n`).ReplaceAllString(whole, azure)
	for _, text := range []string{whole, onAzure} {
		file := filepath.Join(dir, "reprotect.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "/etc/reprotect", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckSecrets(); err != nil {
			t.Error(err)
		}
		if onServiceBus := c.Bus.ServiceBus != nil; onServiceBus != (text == onAzure) {
			t.Errorf("the bus is %+v", c.Bus)
		}
	}
}

// The table of the buses says what an adapter declares that it cannot do, and nothing else.
func TestBuses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.+?) \| yes \| no: (.+?) \|$`).FindAllStringSubmatch(string(text), -1) {
		told[row[1]] = row[2]
	}
	if diff := cmp.Diff(servicebus.Cannot(), told); diff != "" {
		t.Errorf("-adapter +README:\n%s", diff)
	}
	for name := range told {
		if !slices.Contains(bustest.Names(), name) {
			t.Errorf("the contract suite has no test %q", name)
		}
	}
}

// user is somebody at a shell.
type user struct {
	t    *testing.T
	dir  string
	env  []string
	nats string // address of the lab's bus
}

func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds both programs and runs them for a minute")
	}
	bin := filepath.Join(t.TempDir(), "bin")
	build := exec.Command("go", "build", "-o", bin+"/", "./services/cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for document, before := range map[string][]string{
		"README.md":                      nil,
		"deploy/docs/getting-started.md": nil,
		// whoever reads it has a site that runs
		"deploy/docs/runbook.md": {"reprotect lab --dir lab --speed 60", "export REPROTECT_CONFIG=lab/reprotect.yaml", "reprotectd --config lab/reprotect.yaml"},
	} {
		t.Run(document, func(t *testing.T) {
			u := &user{t: t, dir: t.TempDir()}
			u.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			lines := before
			for _, block := range blocksOf(t, document, "sh") {
				lines = append(lines, strings.Split(block, "\n")...)
			}
			for _, line := range lines {
				if line = strings.TrimSpace(line); line != "" && !t.Failed() {
					u.types(line)
				}
			}
		})
	}
}

// What pages say in passing is there: each command that stands in a sentence or a table is one, with these flags, and each
// test that the threat model names tries something.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	tests := map[string]bool{}
	for _, folder := range []string{"services", "events", "deploy"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(file string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, "_test.go") {
				return err
			}
			text, err := os.ReadFile(file)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reference, err := os.ReadFile(filepath.Join(root, "deploy", "docs", "reference-cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range docs.Pages() {
		for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(page.Text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no test %s", page.Name, m[1])
			}
		}
		if strings.HasPrefix(page.Name, "reference-") {
			continue
		}
		for _, m := range regexp.MustCompile("(?:`|\n *)(reprotect (?:[a-z]+ ?)+)((?:[^`\n])*)").FindAllStringSubmatch(page.Text, -1) {
			words := strings.Fields(m[1])
			section, commands := "", 0
			for n := range words { // of the command, and of those above it, whose flags it may have
				_, text, found := strings.Cut(string(reference), "\n## "+strings.Join(words[:n+1], " ")+"\n")
				if !found { // the rest are names
					break
				}
				text, _, _ = strings.Cut(text, "\n## ")
				section, commands = section+text, n
			}
			if commands == 0 {
				t.Errorf("%s: there is no command %q", page.Name, m[1])
				continue
			}
			for _, f := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[0], -1) {
				if !strings.Contains(section, f+" ") && !strings.Contains(section, f+"\n") && f != "--help" {
					t.Errorf("%s: %q has no flag %s", page.Name, m[1], f)
				}
			}
		}
	}
}

// answers are the exit status and a part of the output where they are not 0 and any.
var answers = map[string]struct {
	status int
	part   string
}{
	"reprotect preflight web01":                             {0, "web01"},
	"reprotect preflight db01":                              {1, "before-patching"},
	"reprotect datastores --for web01":                      {0, "NFS"},
	"reprotect request web01 --wait":                        {0, "rotected"},
	"reprotect lab do --dir lab":                            {0, "add-snapshot"},
	"reprotect log":                                         {0, "web01"},
	"reprotect log verify":                                  {0, "agree with what was written down with them"},
	"reprotect log key tokyo.key --name reprotect.tokyo":    {0, "reprotect.tokyo+"},
	"reprotect log -o jsonl":                                {0, "io.reprotect.completed.v1"},
	"reprotect watch --until-done":                          {0, "web02"},
	"reprotect bus setup --dry-run":                         {0, "REPROTECT"},
	"go run ./services/cmd/reprotect demo":                  {0, "4 of 4"},
	"go run ./services/cmd/reprotect demo --bus servicebus": {0, "4 of 4"},
	"reprotect bus dead list":                               {0, ""},
	"reprotect bus status":                                  {0, "executor"},
	"reprotect list --ready":                                {0, "web01"},
	"reprotect retry web01":                                 {1, ""},
	`reprotect cancel web01 --reason "given up" --yes`:      {1, ""},
	"reprotect request app01 mail01 --reason CHG0012345":    {0, "app01"},
}

func (u *user) types(line string) {
	u.t.Helper()
	switch {
	case line == "go test work": // that is what runs here
		return
	case strings.HasPrefix(line, "export "):
		u.env = append(u.env, strings.TrimPrefix(line, "export "))
		return
	case strings.HasPrefix(line, "reprotect lab --dir"):
		u.startLab(line)
		return
	case line == "reprotectd --config lab/reprotect.yaml":
		u.inBackground(line)
		return
	case strings.HasPrefix(line, "nats pub "):
		u.natsPub(line)
		return
	}
	want := answers[line]
	out, status := u.run(line)
	if status != want.status || !strings.Contains(out, want.part) {
		u.t.Errorf("%s: exit status %d, want %d and %q in:\n%s", line, status, want.status, want.part, out)
	}
}

// here makes a command run here: the lab stands for the user's own site, and its time passes faster.
func here(line string) string {
	line = strings.ReplaceAll(line, "--config reprotect.yaml", "--config lab/reprotect.yaml")
	if strings.HasPrefix(line, "go run ./services/cmd/reprotect demo") {
		return line + " --speed 600"
	}
	return strings.ReplaceAll(line, "--speed 60", "--speed 300")
}

func (u *user) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+here(line))
	cmd.Dir, cmd.Env = u.dir, u.env
	if strings.HasPrefix(line, "go ") {
		cmd.Dir = root
	}
	return cmd
}

func (u *user) run(line string) (out string, status int) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := u.command(ctx, line)
	raw, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		u.t.Fatalf("%s: %v", line, err)
	}
	return string(raw), cmd.ProcessState.ExitCode()
}

func (u *user) inBackground(line string) *bufio.Scanner {
	u.t.Helper()
	cmd := u.command(context.Background(), line)
	out, err := cmd.StdoutPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		u.t.Fatalf("%s: %v", line, err)
	}
	u.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended, which Wait tells
		_ = cmd.Wait()
		if u.t.Failed() {
			u.t.Logf("%s said:\n%s", line, errors.String())
		}
	})
	return bufio.NewScanner(out)
}

func (u *user) startLab(line string) {
	u.t.Helper()
	lines := u.inBackground(line)
	if !lines.Scan() {
		u.t.Fatalf("%s ended without its ready line", line)
	}
	var ready struct {
		NATS struct{ URL string }
	}
	if err := json.Unmarshal(lines.Bytes(), &ready); err != nil || ready.NATS.URL == "" {
		u.t.Fatalf("ready line %s: %v", lines.Text(), err)
	}
	u.nats = ready.NATS.URL
}

// natsPub does what the NATS command line does: it publishes without a word of who or what.
func (u *user) natsPub(line string) {
	u.t.Helper()
	parts := strings.SplitN(line, " ", 4)
	conn, err := jetstream.Connect(jetstream.Options{URL: u.nats})
	if err != nil {
		u.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Publish(u.t.Context(), bus.Message{Subject: parts[2], Data: []byte(strings.Trim(parts[3], "'"))}); err != nil {
		u.t.Fatal(err)
	}
}
