package check

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

const rulesFile = "../prometheus/rules.yaml"

func readRules(t *testing.T) *rulefmt.RuleGroups {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	groups, problems := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), nil)
	for _, err := range problems {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return groups
}

// good is a night in which everything goes as it should: cases wait for agents and their turn, some messages are tried again,
// one process serves and another stands by.
var good = map[string]string{
	`reprotect_cases_known{instance="a"}`:                                                         `1x240`,
	`reprotect_cases{instance="a",site="tokyo",state="waiting"}`:                                  `20x120 0x119`,
	`reprotect_oldest_wait_seconds{instance="a",site="tokyo",for="agent"}`:                        `0+60x30 _x209`,
	`reprotect_oldest_wait_seconds{instance="a",site="tokyo",for="turn"}`:                         `0+60x239`,
	`reprotect_oldest_wait_seconds{instance="a",site="tokyo",for="disk-slot"}`:                    `0+60x239`,
	`reprotect_component_works{instance="a",component="bus"}`:                                     `1x240`,
	`reprotect_component_works{instance="b",component="bus"}`:                                     `0x2 1x238`,
	`reprotect_component_works{instance="a",component="journal"}`:                                 `1x240`,
	`reprotect_component_works{instance="b",component="journal"}`:                                 `0x240`,
	`reprotect_messages_total{instance="a",service="executor",kind="started",how="done"}`:         `0+5x240`,
	`reprotect_messages_total{instance="a",service="executor",kind="placed",how="retried"}`:       `0+1x240`,
	`reprotect_messages_total{instance="a",service="executor",kind="placed",how="dead-lettered"}`: `0x240`,
	`reprotect_messages_hanging{instance="a",service="executor",kind="placed"}`:                   `0x5 1x5 0x230`,
	`reprotect_steps_occupied{instance="a",service="executor"}`:                                   `0x240`,
	`reprotect_journal_differences{instance="a",kind="missing"}`:                                  `0x240`,
	`reprotect_bus_bytes{instance="a",part="store"}`:                                              `1000+1x240`,
	`reprotect_bus_limit_bytes{instance="a",part="store"}`:                                        `20000x240`,
	`reprotect_azure_throttled_total{instance="a",site="tokyo"}`:                                  `0x100 0+1x20 20x120`,
}

// bad are nights that are good but for one of these; the alerts that fire then, and no others.
var bad = map[string]struct {
	series map[string]string // "": the series is not there
	fires  []string
}{
	"a machine is switched on":       {map[string]string{`reprotect_alarms{instance="a",site="tokyo",code="guard.powered-on"}`: `0x100 1x140`}, []string{"ReprotectAlarm"}},
	"Azure refuses for a policy":     {map[string]string{`reprotect_oldest_wait_seconds{instance="a",site="tokyo",for="operator"}`: `0+60x239`}, []string{"ReprotectNeedsPerson"}},
	"an agent never comes":           {map[string]string{`reprotect_oldest_wait_seconds{instance="a",site="tokyo",for="agent"}`: `0+60x239`}, []string{"ReprotectWaitsLong"}},
	"Azure is away for three hours":  {map[string]string{`reprotect_oldest_wait_seconds{instance="a",site="tokyo",for="azure"}`: `0+60x200 _x39`}, []string{"ReprotectWaitsLong"}},
	"a message is given up":          {map[string]string{`reprotect_messages_total{instance="a",service="executor",kind="placed",how="dead-lettered"}`: `0x100 1x140`}, []string{"ReprotectDeadLetter"}},
	"a process loses the bus":        {map[string]string{`reprotect_component_works{instance="b",component="bus"}`: `1x100 0x140`}, []string{"ReprotectNotReady"}},
	"nobody keeps the journal ready": {map[string]string{`reprotect_component_works{instance="a",component="journal"}`: `1x100 0x140`}, []string{"ReprotectNotReady"}},
	"the journal's process is gone":  {map[string]string{`reprotect_cases_known{instance="a"}`: `1x100 _x139`}, []string{"ReprotectNobodyKeepsTheJournal"}},
	"the journal's disk fails":       {map[string]string{`reprotect_cases_known{instance="a"}`: `1x100 0x140`}, []string{"ReprotectJournalUnread"}},
	"somebody changed the log":       {map[string]string{`reprotect_journal_differences{instance="a",kind="missing"}`: `0x100 2x140`}, []string{"ReprotectJournalDiffers"}},
	"somebody occupies a step":       {map[string]string{`reprotect_steps_occupied{instance="a",service="executor"}`: `0x100 1x140`}, []string{"ReprotectStepOccupied"}},
	"vCenter does not answer":        {map[string]string{`reprotect_messages_hanging{instance="a",service="executor",kind="placed"}`: `0x100 1x140`}, []string{"ReprotectHandlerHangs"}},
	"the bus fills":                  {map[string]string{`reprotect_bus_bytes{instance="a",part="store"}`: `1000+100x240`}, []string{"ReprotectBusFull"}},
	"Azure throttles":                {map[string]string{`reprotect_azure_throttled_total{instance="a",site="tokyo"}`: `0+10x240`}, []string{"ReprotectThrottled"}},
	"a service tries for ever":       {map[string]string{`reprotect_messages_total{instance="a",service="executor",kind="placed",how="retried"}`: `0+6x240`}, []string{"ReprotectRetries"}},
}

// recording is what Prometheus would have scraped, a value a minute.
type recording []storage.Series

// record reads series and values as promtool's tests write them.
func record(t *testing.T, night map[string]string) recording {
	t.Helper()
	var r recording
	parse := parser.NewParser(parser.Options{})
	for _, series := range slices.Sorted(maps.Keys(night)) {
		metric, values, err := parse.ParseSeriesDesc(series + " " + night[series])
		if err != nil {
			t.Fatalf("%s: %v", series, err)
		}
		var samples []chunks.Sample
		for minute, v := range values {
			if !v.Omitted {
				samples = append(samples, sample{int64(minute) * time.Minute.Milliseconds(), v.Value})
			}
		}
		r = append(r, storage.NewListSeries(metric, samples))
	}
	return r
}

// sample is a value at a time in milliseconds.
type sample struct {
	at    int64
	value float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.at }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// Querier implements storage.Queryable.
func (r recording) Querier(_, _ int64) (storage.Querier, error) {
	return querier{storage.NoopQuerier(), r}, nil
}

type querier struct {
	storage.Querier

	recorded recording
}

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, wanted ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, series := range q.recorded {
		if !slices.ContainsFunc(wanted, func(m *labels.Matcher) bool { return !m.Matches(series.Labels().Get(m.Name)) }) {
			found = append(found, series)
		}
	}
	return &seriesSet{found: found, at: -1}
}

// seriesSet implements storage.SeriesSet.
type seriesSet struct {
	found []storage.Series
	at    int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.found) }
func (s *seriesSet) At() storage.Series                { return s.found[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// fired are the alerts that fire at some minute of a night of four hours, as Prometheus fires them: when their expression
// has held for as long as they say.
func fired(t *testing.T, groups *rulefmt.RuleGroups, night map[string]string) []string {
	t.Helper()
	recorded := record(t, night)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1 << 20, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	defer engine.Close()
	var names []string
	for _, g := range groups.Groups {
		for _, rule := range g.Rules {
			query, err := engine.NewRangeQuery(context.Background(), recorded, nil, rule.Expr, time.Unix(0, 0), time.Unix(0, 0).Add(239*time.Minute), time.Minute)
			if err != nil {
				t.Fatalf("%s: %v", rule.Alert, err)
			}
			result := query.Exec(context.Background())
			matrix, err := result.Matrix()
			if err != nil {
				t.Fatalf("%s: %v", rule.Alert, err)
			}
			if slices.ContainsFunc(matrix, func(s promql.Series) bool { return holds(s, time.Duration(rule.For)) }) {
				names = append(names, rule.Alert)
			}
			query.Close()
		}
	}
	return names
}

// holds says whether a series is there without a gap for so long.
func holds(s promql.Series, long time.Duration) bool {
	var since, last int64
	for i, point := range s.Floats {
		if i == 0 || point.T-last > time.Minute.Milliseconds() {
			since = point.T
		}
		if last = point.T; last-since >= long.Milliseconds() {
			return true
		}
	}
	return false
}

// Every alert fires on the night that it is for, alone, and on no good one; and every one has such a night.
func TestAlerts(t *testing.T) {
	groups := readRules(t)
	if names := fired(t, groups, good); len(names) > 0 {
		t.Errorf("on a good night: %v", names)
	}
	seen := map[string]bool{}
	for name, night := range bad {
		t.Run(name, func(t *testing.T) {
			series := maps.Clone(good)
			maps.Copy(series, night.series)
			if got := fired(t, groups, series); !slices.Equal(got, night.fires) {
				t.Errorf("%v, want %v", got, night.fires)
			}
		})
		for _, alert := range night.fires {
			seen[alert] = true
		}
	}
	for _, g := range groups.Groups {
		for _, rule := range g.Rules {
			if !seen[rule.Alert] {
				t.Errorf("no night is for %s", rule.Alert)
			}
			if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" || rule.Annotations["summary"] == "" || rule.Annotations["do"] == "" {
				t.Errorf("%s: labels %v, annotations %v", rule.Alert, rule.Labels, rule.Annotations)
			}
		}
	}
}

// The nights are of series as the product has them: by names and labels of the reference, which is made from its registry.
func TestNightsAreOfTheProduct(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "reference-metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	has := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([\\w, ]*) \\|").FindAllStringSubmatch(string(page), -1) {
		has[row[1]] = append(strings.Split(row[2], ", "), "instance")
	}
	nights := []map[string]string{good}
	for _, night := range bad {
		nights = append(nights, night.series)
	}
	parse := parser.NewParser(parser.Options{})
	for _, night := range nights {
		for series := range night {
			metric, err := parse.ParseMetric(series)
			if err != nil {
				t.Fatalf("%s: %v", series, err)
			}
			metric.Range(func(l labels.Label) {
				if l.Name != labels.MetricName && !slices.Contains(has[metric.Get(labels.MetricName)], l.Name) {
					t.Errorf("%s: the product has no such series", series)
				}
			})
		}
	}
}
