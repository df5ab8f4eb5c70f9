package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/njia-health/njia/engine/journal"
)

// Status is how an engine stands, for operators.
type Status struct {
	Name    string         `json:"name,omitempty"`
	Rules   string         `json:"rules"`
	Started time.Time      `json:"started"`
	Ready   bool           `json:"ready"`
	NotWhy  string         `json:"not_ready_because,omitempty"`
	Reload  *ReloadResult  `json:"reload,omitempty"`
	Routes  []RouteStatus  `json:"routes"`
	Systems []SystemStatus `json:"systems"`
	Bytes   int64          `json:"journal_bytes"`
}

// RouteStatus is how a route stands. Counts are of what the journal holds, by status.
type RouteStatus struct {
	Name    string                   `json:"name"`
	Source  string                   `json:"source"`
	Running bool                     `json:"running"`
	Failed  string                   `json:"failed,omitempty"` // why its source stopped last
	Open    int                      `json:"open"`
	Oldest  time.Time                `json:"oldest,omitzero"`
	Counts  map[journal.Status]int64 `json:"counts"`
}

// SystemStatus is how a system stands.
type SystemStatus struct {
	Name    string        `json:"name"`
	Adapter string        `json:"adapter"`
	State   string        `json:"state"`
	Why     string        `json:"why,omitempty"`
	Since   time.Time     `json:"since"`
	Waiting int           `json:"waiting"` // messages that wait for it
	InUse   int           `json:"in_use"`
	Latency time.Duration `json:"latency,omitempty"`
}

// Status gives how the engine stands.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	s := e.current.Load()
	if s == nil {
		return Status{NotWhy: "the engine is still starting"}, nil
	}
	out := Status{Name: e.name(), Rules: s.Version, Started: e.started, Ready: true}
	if err := e.Ready(); err != nil {
		out.Ready, out.NotWhy = false, err.Error()
	}
	counts, err := e.j.Counts(ctx)
	if err != nil {
		return out, err
	}
	open, oldest := e.sched.open()
	routes := map[string]*RouteStatus{}
	get := func(name string) *RouteStatus {
		if routes[name] == nil {
			routes[name] = &RouteStatus{Name: name, Counts: map[journal.Status]int64{}}
		}
		return routes[name]
	}
	e.mu.Lock()
	if !e.last.Time.IsZero() {
		last := e.last
		out.Reload = &last
	}
	for name := range s.Plans {
		r := get(name)
		r.Source = s.Plans[name].Route.From
		if src := e.sources[name]; src != nil {
			r.Running = src.failed == nil
			if src.failed != nil {
				r.Failed = src.failed.Error()
			}
		}
	}
	for name, c := range e.systems {
		out.Systems = append(out.Systems, c.status(name))
	}
	e.mu.Unlock()
	for _, c := range counts {
		get(c.Route).Counts[c.Status] = c.N
	}
	for name, n := range open {
		get(name).Open, get(name).Oldest = n, oldest[name]
	}
	for _, r := range routes {
		out.Routes = append(out.Routes, *r)
	}
	slices.SortFunc(out.Routes, func(a, b RouteStatus) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Systems, func(a, b SystemStatus) int { return cmp.Compare(a.Name, b.Name) })
	out.Bytes, err = e.j.Size()
	return out, err
}

func (c *connection) status(name string) SystemStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return SystemStatus{Name: name, Adapter: c.sys.Adapter.Name, State: c.state, Why: c.why, Since: c.since, Waiting: len(c.parked), InUse: c.inUse, Latency: c.latency}
}
