package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"reprotect.example/services/internal/build"
)

// Standing is where the cases of a site stand.
type Standing struct {
	Cases  map[string]int  // that have not ended, by state
	Waits  map[string]Wait // by what they wait for
	Alarms map[string]int  // that a person has yet to do something about, by code
}

// Wait is of cases that wait for the same.
type Wait struct {
	Cases int
	Since time.Time // the first of them
}

// standingAge is how old what is published of the cases may be: a scrape must not read all of them each time.
const standingAge = 15 * time.Second

// standings publishes where the cases stand.
type standings struct {
	read func(context.Context) (map[string]Standing, bool, error)
	now  func() time.Time

	mu    sync.Mutex
	at    time.Time
	kept  map[string]Standing
	serve bool
	err   error

	known, cases, waiting, oldest, alarms *prometheus.Desc
}

// Standings publishes where the cases of each site stand, as read tells it; serves is false in a process that stands by, which
// publishes nothing. What could not be read is left out, and reprotect_cases_known is 0.
func (m *Metrics) Standings(read func(context.Context) (bySite map[string]Standing, serves bool, err error)) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.registry.MustRegister(&standings{
		read: read, now: time.Now,
		known:   desc("reprotect_cases_known", "Whether the journal could be read for the numbers of cases: 1 or 0. Only the process that keeps it says so."),
		cases:   desc("reprotect_cases", "Cases that have not ended, by the state in which they are.", "site", "state"),
		waiting: desc("reprotect_waiting_cases", "Cases that wait, by what they wait for.", "site", "for"),
		oldest:  desc("reprotect_oldest_wait_seconds", "How long the case that has waited longest does so, by what it waits for.", "site", "for"),
		alarms:  desc("reprotect_alarms", "Alarms that a person has yet to do something about, by code.", "site", "code"),
	})
}

// Describe implements prometheus.Collector.
func (s *standings) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.known, s.cases, s.waiting, s.oldest, s.alarms} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *standings) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.at) >= standingAge {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		s.kept, s.serve, s.err = s.read(ctx)
		cancel()
		s.at = now
	}
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	switch {
	case s.err != nil:
		tell(s.known, 0)
		return
	case !s.serve:
		return
	}
	tell(s.known, 1)
	for site, standing := range s.kept {
		for state, n := range standing.Cases {
			tell(s.cases, float64(n), site, state)
		}
		for what, w := range standing.Waits {
			tell(s.waiting, float64(w.Cases), site, what)
			tell(s.oldest, now.Sub(w.Since).Seconds(), site, what)
		}
		for code, n := range standing.Alarms {
			tell(s.alarms, float64(n), site, code)
		}
	}
}

// parts publishes of each component whether it works.
type parts struct {
	health *Health
	works  *prometheus.Desc
}

// Health publishes what /ready says of each component.
func (m *Metrics) Health(h *Health) {
	m.registry.MustRegister(&parts{h, prometheus.NewDesc("reprotect_component_works", "Whether a component works, as /ready says, which also says why not: 1 or 0.", []string{"component"}, nil)})
}

// Describe implements prometheus.Collector.
func (p *parts) Describe(out chan<- *prometheus.Desc) { out <- p.works }

// Collect implements prometheus.Collector.
func (p *parts) Collect(out chan<- prometheus.Metric) {
	p.health.Tell(func(component string, works bool, _ string) {
		value := 0.0
		if works {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(p.works, prometheus.GaugeValue, value, component)
	})
}

// Build publishes how the program was made.
func (m *Metrics) Build(b build.Info) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "reprotect_build_info", Help: "1; the labels say how the program was made.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "go": b.Go},
	}, func() float64 { return 1 }))
}
