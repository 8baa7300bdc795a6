package telemetry

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"reprotect.example/services/internal/build"
)

var reference = flag.Bool("reference", false, "write the reference of the metrics")

// rules is deploy/prometheus/rules.yaml, as far as it is looked at here.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

// counted registers what package app counts, read from its source: it knows the clients, and this package does not.
func counted(t *testing.T, m *Metrics) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "app", "app.go"))
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`o\.Count\("(\w+)", "(.*?)", map\[string\]string\{(.*?)\}`).FindAllStringSubmatch(string(source), -1)
	if len(calls) == 0 {
		t.Fatal("package app counts nothing any more")
	}
	for _, call := range calls {
		labels := map[string]string{}
		for _, label := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(call[3], -1) {
			labels[label[1]] = ""
		}
		m.Count(call[1], call[2], labels, func() int64 { return 0 })
	}
}

// The reference of the metrics is made of what the process registers, and of the alert rules. Those name no metric that there
// is not.
func TestReference(t *testing.T) {
	m := NewMetrics()
	m.Standings(func(context.Context) (map[string]Standing, bool, error) { return nil, false, nil })
	m.Health(NewHealth())
	m.Build(build.Info{})
	counted(t, m)

	var out strings.Builder
	out.WriteString("# Metrics and alerts\n\nEach process has them at `/metrics` of `http.listen`, beside those of Go and of the process. Where cases stand tells the process that\nkeeps the journal, alone.\n\n| metric | labels | what it is |\n|---|---|---|\n")
	descs := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descs)
		close(descs)
	}()
	pattern := regexp.MustCompile(`^Desc\{fqName: "(reprotect_\w+)", help: "(.*?)"(?:, unit: "[^"]*")?, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	var lines []string
	known := map[string]bool{}
	for d := range descs {
		found := pattern.FindStringSubmatch(d.String())
		if found == nil {
			continue
		}
		known[found[1]] = true
		labels := regexp.MustCompile(`="[^"]*"`).ReplaceAllString(strings.Trim(found[3]+","+found[4], ","), "")
		lines = append(lines, fmt.Sprintf("| `%s` | %s | %s |\n", found[1], strings.ReplaceAll(labels, ",", ", "), found[2]))
	}
	slices.Sort(lines)
	out.WriteString(strings.Join(lines, ""))

	text, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "prometheus", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file rules
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	out.WriteString("\n## Alerts\n\n`deploy/prometheus/rules.yaml`. `critical` is for whoever is awakened, `warning` for the morning.\n\n| alert | severity | after | it means | do |\n|---|---|---|---|---|\n")
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", r.Alert, r.Labels["severity"], r.For, r.Annotations["summary"], r.Annotations["do"])
			for _, name := range regexp.MustCompile(`reprotect_\w+`).FindAllString(r.Expr, -1) {
				if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !known[name] && !known[base] {
					t.Errorf("alert %s: there is no metric %s", r.Alert, name)
				}
			}
		}
	}
	page := filepath.Join("..", "..", "..", "deploy", "docs", "reference-metrics.md")
	if *reference {
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), string(is)); diff != "" {
		t.Errorf("run this test with -reference: reference-metrics.md (-wanted +is):\n%s", diff)
	}
}
