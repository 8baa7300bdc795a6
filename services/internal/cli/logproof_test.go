package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/audit"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/journal"
)

// The log of the stream, its export and its journal are one log: a checkpoint that the journal signs proves each of them,
// on a machine that has no config; and one byte that is changed anywhere is found.
func TestLogIsProved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startSite(t, filepath.Join(dir, ".nats"))
	s.furnish(t)
	config := filepath.Join(dir, "reprotect.yaml")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("reprotect.yaml", fmt.Sprintf(`{"url":%q}`, s.server.URL()))

	conn, err := jetstream.Connect(jetstream.Options{URL: s.server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	kept := filepath.Join(dir, "journal.db")
	store, err := journal.Open(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CatchUp(t.Context(), conn.Since); err != nil {
		t.Fatal(err)
	}
	tree, err := store.Tree(t.Context())
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}

	deps := testDeps()
	deps.VerifyJournal = journal.VerifyFile
	var signer *audit.Signer
	deps.Checkpoint = func(context.Context, string) ([]byte, error) { return signer.Sign(&tree, now) }
	run := func(want int, args ...string) string {
		t.Helper()
		var out, problems bytes.Buffer
		if got := cli.Main(t.Context(), args, deps, strings.NewReader(""), &out, &problems); got != want {
			t.Fatalf("%q: status %d, want %d\n%s%s", args, got, want, &out, &problems)
		}
		return out.String() + problems.String()
	}
	key := filepath.Join(dir, "tokyo.key")
	public := write("tokyo.pub", run(0, "log", "key", key, "--name", "reprotect.tokyo"))
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v, %v", info.Mode(), err)
	}
	if text := run(2, "log", "key", key); !strings.Contains(text, "does not exist yet") {
		t.Error(text)
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = audit.NewSigner(string(private)); err != nil {
		t.Fatal(err)
	}
	checkpoint := write("checkpoint.txt", run(0, "log", "checkpoint"))
	lines := run(0, "--config", config, "log", "-o", "jsonl")
	export := write("log.jsonl", lines)
	signed := fmt.Sprintf("%d messages are those that were signed at 2026-11-22 04:00:00 UTC.\nRoot of %d messages: %s\n", tree.Size(), tree.Size(), tree.Root())
	proof := []string{"--key", public, "--checkpoint", checkpoint}
	for name, args := range map[string][]string{
		"the stream":  {"--config", config, "log", "verify"},
		"the export":  {"log", "verify", export},
		"the journal": {"log", "verify", kept},
	} {
		if text := run(0, append(args, proof...)...); text != signed {
			t.Errorf("%s: %s\nwant %s", name, text, signed)
		}
		if text := run(0, args...); !strings.Contains(text, "No checkpoint was compared") {
			t.Errorf("%s alone: %s", name, text)
		}
	}
	var verdict audit.Verdict
	if err := json.Unmarshal([]byte(run(0, append([]string{"-o", "json", "log", "verify", export}, proof...)...)), &verdict); err != nil || !verdict.Good() || verdict.Covered != tree.Size() {
		t.Errorf("%+v, %v", verdict, err)
	}

	all := strings.SplitAfter(strings.TrimSuffix(lines, "\n"), "\n")
	all[len(all)-1] += "\n"
	for name, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"a byte":  {append([]string{strings.Replace(all[0], "web01", "web02", 1)}, all[1:]...), "message 1:"},
		"removed": {append(append([]string{}, all[:3]...), all[4:]...), "message 4: these messages are missing"},
		"cut":     {all[:len(all)-2], "the log was cut"},
		"half":    {append(append([]string{}, all[:len(all)-1]...), all[len(all)-1][:20]), fmt.Sprintf("line %d:", len(all))},
		"foreign": {append(append([]string{}, all...), "{}\n"), fmt.Sprintf("line %d:", len(all)+1)},
	} {
		forged := write(strings.ReplaceAll(name, " ", "-")+".jsonl", strings.Join(tt.lines, ""))
		if text := run(1, append([]string{"log", "verify", forged}, proof...)...); !strings.Contains(text, tt.want) || !strings.Contains(text, "is not as it was written") {
			t.Errorf("%s: %s", name, text)
		}
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no key":        {[]string{"log", "verify", export, "--checkpoint", checkpoint}, "--checkpoint needs --key"},
		"no checkpoint": {[]string{"log", "verify", export, "--key", public}, "--key alone proves nothing"},
		"no file":       {[]string{"log", "verify", filepath.Join(dir, "none")}, "cannot be read"},
		"no such note":  {[]string{"log", "verify", export, "--key", public, "--checkpoint", export}, "this is no checkpoint"},
	} {
		if text := run(2, tt.args...); !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s", name, text)
		}
	}

	part := run(0, "--config", config, "log", "--case", "r-1-web01", "-o", "jsonl")
	if text := run(0, "--config", config, "log", "-o", "cef"); strings.Count(text, "\nCEF:0|Reprotect|reprotect|1.2.3|")+1 != len(all) {
		t.Errorf("%d lines in the log, in CEF:\n%s", len(all), text)
	}
	if first := strings.SplitN(part, "\n", 2)[0]; !strings.Contains(lines, first) || strings.Contains(part, "r-1-db01/") {
		t.Errorf("a part of the log has other lines than the log: %s", first)
	}
}
