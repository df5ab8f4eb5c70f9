package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/rule"
)

// ReloadResult is how the last change of rules went.
type ReloadResult struct {
	Time    time.Time     `json:"time"`
	Version string        `json:"version"` // that was tried
	OK      bool          `json:"ok"`
	Took    time.Duration `json:"took"`
	Errors  diag.List     `json:"-"`
	Error   string        `json:"error,omitempty"`
	Changed []string      `json:"changed,omitempty"`
}

// Refuse notes that a rule set did not load: what runs goes on.
func (e *Engine) Refuse(version string, errs diag.List, took time.Duration) {
	r := ReloadResult{Time: time.Now(), Version: version, Errors: errs, Error: firstOf(errs), Took: took}
	e.mu.Lock()
	e.last = r
	e.mu.Unlock()
	e.metrics.reloaded(false, took)
	for _, d := range errs {
		if !d.Warning {
			e.log.Error("rules not loaded, the old ones go on", "err", d.Error(), "hint", d.Hint)
		}
	}
	e.observe(Event{Kind: "reload", Text: firstOf(errs)})
}

func firstOf(errs diag.List) string {
	n, first := 0, ""
	for _, d := range errs {
		if !d.Warning {
			if n == 0 {
				first = d.Error()
			}
			n++
		}
	}
	if n > 1 {
		return fmt.Sprintf("%s (and %d more)", first, n-1)
	}
	return first
}

// Reload swaps to s: everything that can fail comes before the first change to what runs. A message under way ends under
// the rules that it began with; a source whose document did not change is not touched.
func (e *Engine) Reload(ctx context.Context, s *Set) error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	start := time.Now()
	old := e.current.Load()
	if old.Version == s.Version && maps.EqualFunc(old.Systems, s.Systems, func(a, b *System) bool { return a.Digest == b.Digest }) {
		e.unchanged(s.Version)
		return nil // not even a secret has another value
	}
	err := e.swap(ctx, s)
	r := ReloadResult{Time: time.Now(), Version: s.Version, OK: err == nil, Took: time.Since(start)}
	if err != nil {
		r.Error = err.Error()
		e.log.Error("rules not loaded, the old ones go on", "err", err)
	} else {
		r.Changed = changes(old, s)
		e.startSources(s)
		e.log.Info("rules loaded", "rules", s.Version, "changed", r.Changed)
		e.releaseHeld(ctx, old, s)
		e.tidy()
	}
	e.mu.Lock()
	e.last = r
	e.mu.Unlock()
	e.metrics.reloaded(err == nil, r.Took)
	e.observe(Event{Kind: "reload", Text: orElse(r.Error, "rules "+s.Version)})
	return err
}

// unchanged notes that what is on disk is what runs, also where it was refused before.
func (e *Engine) unchanged(version string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	refused := !e.last.Time.IsZero() && !e.last.OK
	if e.last.OK {
		return // what it changed is worth more
	}
	e.last = ReloadResult{Time: time.Now(), Version: version, OK: true}
	if refused {
		e.metrics.reloaded(true, 0)
	}
}

// swap opens what s needs, keeps its text in the journal, and makes it the current one.
func (e *Engine) swap(ctx context.Context, s *Set) error {
	opened := map[string]*connection{}
	var replaced []*connection // closed before their successors were opened
	fail := func(err error) error {
		for _, c := range opened {
			c.close()
		}
		for _, old := range replaced {
			if c := opened[old.sys.Name]; c != nil {
				c.waitShut(5 * time.Second)
			}
			if again := e.reopen(ctx, old); again != nil {
				err = fmt.Errorf("%w; and the old %s cannot be opened again: %w", err, old.sys.Name, again)
			}
		}
		return err
	}
	e.mu.Lock()
	have := maps.Clone(e.systems)
	e.mu.Unlock()
	for name, sys := range s.Systems {
		old := have[name]
		if old != nil && old.sys.Digest == sys.Digest {
			continue
		}
		c, err := e.open(ctx, sys)
		if errors.Is(err, adapter.ErrHeld) && old != nil {
			replaced = append(replaced, old)
			c, err = e.replace(ctx, old, sys)
		}
		if err != nil {
			return fail(fmt.Errorf("system %s: %w", name, err))
		}
		c.keepPause(old)
		opened[name] = c
	}
	if err := e.wrote(e.j.SaveRules(ctx, journal.RuleSet{Version: s.Version, Time: time.Now(), Files: s.Rules.Files})); err != nil {
		return fail(err)
	}
	e.mu.Lock()
	var gone []*connection
	for name, c := range opened {
		if old := e.systems[name]; old != nil {
			gone = append(gone, old)
		}
		e.systems[name] = c
	}
	e.versions[s.Version] = s
	was := e.current.Swap(s)
	e.mu.Unlock()
	for _, c := range gone {
		c.close()
	}
	if was != nil {
		e.sched.wakeForWindows() // one may open earlier now
	}
	return nil
}

// replace closes old before it opens its successor.
func (e *Engine) replace(ctx context.Context, old *connection, s *System) (*connection, error) {
	e.stopSourcesOf(old.sys.Name)
	old.close()
	old.waitShut(5 * time.Second)
	return e.open(ctx, s)
}

// reopen puts a new connection in the place of one that was closed for a successor that did not come.
func (e *Engine) reopen(ctx context.Context, old *connection) error {
	c, err := e.open(ctx, old.sys)
	if err != nil {
		return err
	}
	c.keepPause(old)
	e.mu.Lock()
	e.systems[old.sys.Name] = c
	e.mu.Unlock()
	e.startSources(e.current.Load())
	return nil
}

// keepPause pauses a new connection where its document says so, or where a person has paused the one before it.
func (c *connection) keepPause(old *connection) {
	if c.sys.Off {
		c.pause("enabled: false in its document")
		return
	}
	if old == nil || old.sys.Off {
		return
	}
	old.mu.Lock()
	state, why := old.state, old.why
	old.mu.Unlock()
	if state == SystemPaused {
		c.pause(why)
	}
}

// stopSourcesOf stops the sources of one system; startSources starts them again.
func (e *Engine) stopSourcesOf(system string) {
	e.mu.Lock()
	var stop []*runningSource
	for name, r := range e.sources {
		if r.src.System == system {
			stop = append(stop, r)
			delete(e.sources, name)
		}
	}
	e.mu.Unlock()
	for _, r := range stop {
		r.cancel()
		<-r.done
	}
}

// changes names what differs between two rule sets, for people.
func changes(a, b *Set) []string {
	var out []string
	diff := func(kind string, x, y map[string]string) {
		for n, d := range y {
			if old, ok := x[n]; !ok {
				out = append(out, kind+" "+n+" is new")
			} else if old != d {
				out = append(out, kind+" "+n)
			}
		}
		for n := range x {
			if _, ok := y[n]; !ok {
				out = append(out, kind+" "+n+" is gone")
			}
		}
	}
	diff("system", digests(a.Rules.Systems, func(s *rule.System) rule.Doc { return s.Doc }), digests(b.Rules.Systems, func(s *rule.System) rule.Doc { return s.Doc }))
	diff("route", digests(a.Rules.Routes, func(s *rule.Route) rule.Doc { return s.Doc }), digests(b.Rules.Routes, func(s *rule.Route) rule.Doc { return s.Doc }))
	diff("map", digests(a.Rules.Maps, func(s *rule.Map) rule.Doc { return s.Doc }), digests(b.Rules.Maps, func(s *rule.Map) rule.Doc { return s.Doc }))
	return out
}

func digests[T any](list []T, doc func(T) rule.Doc) map[string]string {
	m := make(map[string]string, len(list))
	for _, x := range list {
		d := doc(x)
		m[d.Name] = d.Digest
	}
	return m
}
