package engine

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
)

// metrics are what a monitoring system reads. Labels are names of routes, systems and operations: bounded by the rules.
type metrics struct {
	reg      *prometheus.Registry
	received *prometheus.CounterVec
	ends     *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	asks     *prometheus.HistogramVec
	failures *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	reload   prometheus.Gauge
	reloadOK prometheus.Gauge
	reloadAt prometheus.Gauge
}

func newMetrics(e *Engine) *metrics {
	reg := prometheus.NewRegistry()
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400}}, labels)
		reg.MustRegister(h)
		return h
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	m := &metrics{
		reg:      reg,
		received: counter("njia_messages_received_total", "Messages accepted, by route.", "route"),
		ends:     counter("njia_messages_ended_total", "Messages that ended, by route and status.", "route", "status"),
		latency:  histogram("njia_delivery_seconds", "Time from acceptance to delivery.", "route", "operation"),
		asks:     histogram("njia_operation_seconds", "Time that a system took to answer.", "operation"),
		failures: counter("njia_operation_failures_total", "Operations that failed, by class.", "operation", "class"),
		reloads:  counter("njia_reloads_total", "Rule sets that were to be loaded, by result.", "result"),
		reload:   gauge("njia_reload_duration_seconds", "Time that the last load took."),
		reloadOK: gauge("njia_reload_success", "1 if the last rule set loaded, 0 if it was refused and the old one goes on."),
		reloadAt: gauge("njia_reload_timestamp_seconds", "Time of the last load."),
	}
	m.reloadOK.Set(1)
	reg.MustRegister(&gauges{e: e})
	return m
}

func (m *metrics) ended(route string, s journal.Status, _ time.Time) {
	m.ends.WithLabelValues(route, string(s)).Inc()
}

func (m *metrics) delivered(route, operation string, received time.Time) {
	m.latency.WithLabelValues(route, operation).Observe(time.Since(received).Seconds())
}

func (m *metrics) asked(operation string, took time.Duration, err error) {
	m.asks.WithLabelValues(operation).Observe(took.Seconds())
	if err != nil {
		m.failures.WithLabelValues(operation, string(fault.ClassOf(err))).Inc()
	}
}

func (m *metrics) reloaded(ok bool, took time.Duration) {
	result, one := "refused", 0.0
	if ok {
		result, one = "loaded", 1
	}
	m.reloads.WithLabelValues(result).Inc()
	m.reloadOK.Set(one)
	m.reload.Set(took.Seconds())
	m.reloadAt.SetToCurrentTime()
}

// Metrics is the registry of an engine's metrics.
func (e *Engine) Metrics() *prometheus.Registry { return e.metrics.reg }

// gauges reads what is known only at the moment of asking.
type gauges struct{ e *Engine }

var (
	descOpen    = prometheus.NewDesc("njia_queue_length", "Open messages, by route.", []string{"route"}, nil)
	descOldest  = prometheus.NewDesc("njia_queue_oldest_seconds", "Age of the oldest open message, by route.", []string{"route"}, nil)
	descHeld    = prometheus.NewDesc("njia_messages", "Messages in the journal, by route and status.", []string{"route", "status"}, nil)
	descWaiting = prometheus.NewDesc("njia_system_waiting", "Messages that wait for a system that takes none.", []string{"system"}, nil)
	descWait    = prometheus.NewDesc("njia_system_waiting_oldest_seconds", "Age of the oldest message that waits for a system.", []string{"system"}, nil)
	descState   = prometheus.NewDesc("njia_system_state", "1 for the state that a system is in.", []string{"system", "state"}, nil)
	descSource  = prometheus.NewDesc("njia_source_up", "1 if the route's source runs, 0 if it stopped by itself and is started again.", []string{"route"}, nil)
	descRules   = prometheus.NewDesc("njia_rules_info", "1, with the version of the rule set that runs.", []string{"version"}, nil)
	descBytes   = prometheus.NewDesc("njia_journal_bytes", "Size of the journal on disk.", nil, nil)
)

// Describe names them.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descOpen, descOldest, descHeld, descWaiting, descWait, descState, descSource, descRules, descBytes} {
		ch <- d
	}
}

// Collect reads them.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	e := g.e
	s := e.current.Load()
	if s == nil {
		return
	}
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := time.Now()
	open, oldest := e.sched.open()
	for name := range s.Plans {
		put(descOpen, float64(open[name]), name)
		age := 0.0
		if o := oldest[name]; !o.IsZero() {
			age = now.Sub(o).Seconds()
		}
		put(descOldest, age, name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if counts, err := e.j.Counts(ctx); err == nil {
		for _, c := range counts {
			put(descHeld, float64(c.N), c.Route, string(c.Status))
		}
	}
	if n, err := e.j.Size(); err == nil {
		put(descBytes, float64(n))
	}
	put(descRules, 1, s.Version)
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, r := range e.sources {
		up := 1.0
		if r.failed != nil {
			up = 0
		}
		put(descSource, up, name)
	}
	for name, c := range e.systems {
		c.mu.Lock()
		put(descWaiting, float64(len(c.parked)), name)
		age := 0.0
		for _, it := range c.parked {
			age = max(age, now.Sub(it.received).Seconds())
		}
		put(descWait, age, name)
		for _, st := range []string{SystemUp, SystemDown, SystemUnauthorized, SystemPaused} {
			v := 0.0
			if c.state == st {
				v = 1
			}
			put(descState, v, name, st)
		}
		c.mu.Unlock()
	}
}
