package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are kept per process and read by Prometheus.
type Metrics struct {
	registry *prometheus.Registry
	messages *prometheus.CounterVec
	took     *prometheus.HistogramVec
	hanging  *prometheus.GaugeVec
	left     *prometheus.GaugeVec
	occupied *prometheus.GaugeVec
	taken    *prometheus.GaugeVec
	limit    *prometheus.GaugeVec
	differ   *prometheus.GaugeVec
}

// NewMetrics starts from zero, with the Go runtime's and the process's own metrics.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reprotect_messages_total",
			Help: "Messages that a service is done with, by what became of them: done, waiting, retried, dead-lettered.",
		}, []string{"service", "kind", "how"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "reprotect_message_seconds",
			Help:    "Time a service spent on a message.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9), // 1 ms to 65 s
		}, []string{"service", "kind"}),
	}
	m.hanging = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "reprotect_messages_hanging",
		Help: "Messages whose handler took longer than its route allows, and that have not come to an end since.",
	}, []string{"service", "kind"})
	m.left = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "reprotect_handlers_left_behind",
		Help: "Handlers that were ended at their time limit, did not heed that, and still run.",
	}, []string{"service", "kind"})
	m.occupied = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "reprotect_steps_occupied",
		Help: "Steps under which something was found to stand that is no outcome of them, since the service began and until they are decided.",
	}, []string{"service"})
	m.taken = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "reprotect_bus_bytes",
		Help: "What a part of the bus has taken of its room.",
	}, []string{"part"})
	m.limit = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "reprotect_bus_limit_bytes",
		Help: "What a part of the bus may take; it is left out where that is not known.",
	}, []string{"part"})
	m.differ = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "reprotect_journal_differences",
		Help: "Messages in which the event log and the journal differ: missing, changed, lost, holes.",
	}, []string{"kind"})
	m.registry.MustRegister(m.messages, m.took, m.hanging, m.left, m.occupied, m.taken, m.limit, m.differ, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe counts a message that a service is done with; it fits workflow.Options.Observe.
func (m *Metrics) Observe(service, kind, how string, took time.Duration) {
	m.messages.WithLabelValues(service, kind, how).Inc()
	m.took.WithLabelValues(service, kind).Observe(took.Seconds())
}

// Hanging takes note of a change in what hangs; it fits workflow.Options.Hanging.
func (m *Metrics) Hanging(service, kind string, messages, handlers int) {
	m.hanging.WithLabelValues(service, kind).Add(float64(messages))
	m.left.WithLabelValues(service, kind).Add(float64(handlers))
}

// Occupied takes note of how many steps are occupied; it fits workflow.Options.Occupied.
func (m *Metrics) Occupied(service string, steps int) {
	m.occupied.WithLabelValues(service).Set(float64(steps))
}

// Room takes note of what a part of the bus has taken of what it may, in bytes; limit 0: it is not known.
func (m *Metrics) Room(part string, taken, limit uint64) {
	m.taken.WithLabelValues(part).Set(float64(taken))
	if limit > 0 {
		m.limit.WithLabelValues(part).Set(float64(limit))
	}
}

// Differ takes note of how many messages of event log and journal differ; it fits app.Options.Differ.
func (m *Metrics) Differ(kind string, messages int) {
	m.differ.WithLabelValues(kind).Set(float64(messages))
}

// Count publishes a number that only grows and that somebody else keeps, such as requests to Azure: read is
// called at every scrape, from any goroutine. It panics on a name and labels that are taken, or a name that
// Prometheus forbids.
func (m *Metrics) Count(name, help string, labels map[string]string, read func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(read()) }))
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
