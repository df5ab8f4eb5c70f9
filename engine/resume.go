package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/route"
	"github.com/njia-health/njia/engine/rule"
)

// page is how many open messages are read from the journal at once.
const page = 2000

// resume takes up the open messages that an earlier life of the engine left.
func (e *Engine) resume(ctx context.Context) error {
	after, n := journal.Seq(0), 0
	err := e.sched.load(func() error {
		for {
			recs, err := e.j.Open(ctx, after, page)
			if err != nil {
				return fmt.Errorf("reading the open messages: %w", err)
			}
			for _, r := range recs {
				e.takeUp(ctx, r, false)
				after = r.Seq
			}
			n += len(recs)
			if len(recs) < page {
				return nil
			}
		}
	})
	if n > 0 {
		e.log.InfoContext(ctx, "open messages taken up", "messages", n)
	}
	return err
}

// place gives where a part of a message stands in its lane: behind the numbers of the messages that it is a part of.
func (e *Engine) place(ctx context.Context, seq, parent journal.Seq) []journal.Seq {
	out := []journal.Seq{seq}
	for parent != 0 {
		out = append(out, parent)
		recs, err := e.j.Search(ctx, journal.Query{ID: strconv.FormatInt(int64(parent), 10), Limit: 100})
		if err != nil {
			break
		}
		above := journal.Seq(0) // it may be forgotten already
		for _, r := range recs {
			if r.Seq == parent {
				above = r.Parent
			}
		}
		parent = above
	}
	slices.Reverse(out)
	return out
}

// takeUp puts an open message into memory.
func (e *Engine) takeUp(ctx context.Context, r journal.Record, confirmed bool) {
	it := &item{seq: r.Seq, id: r.ID, route: r.Route, source: r.Source, rules: r.Rules, key: r.Key, event: r.Event, typ: r.Type, headers: r.Headers,
		received: r.Received, status: r.Status, attempts: r.Attempts, since: r.Since, parent: r.Parent, resume: r.Resume, vars: r.Vars, rerun: true, gated: true, confirmed: confirmed}
	if r.Parent != 0 && r.Key != "" {
		it.place = e.place(ctx, r.Seq, r.Parent)
	}
	strict, pass := true, false
	if _, p, err := e.plan(ctx, it); err == nil {
		strict, pass = p.Strict, p.PassHeld
	}
	if r.Status == journal.Held {
		if !strict || pass || r.Key == "" {
			if !r.Due.IsZero() {
				e.recheckAt(r.Seq, r.Due)
			}
			return
		}
		it.state = blocked
	}
	if r.Status == journal.Processing || r.Status == journal.Retrying {
		ds, err := e.j.Deliveries(ctx, r.Seq)
		if err == nil {
			it.resolved = open(ds)
		}
		if lost(ds) {
			e.loseAnswers(ctx, it, ds)
			switch {
			case it.resolved:
			case it.status == journal.Held && strict && !pass && r.Key != "":
				it.state = blocked
			default: // nothing waits behind it, or it has ended
				return
			}
		}
	}
	due := r.Due
	if it.resolved {
		due = time.Time{} // each delivery has its own
	}
	e.sched.add(it, strict, due)
	if it.state == blocked && !r.Due.IsZero() {
		e.sched.mu.Lock()
		it.timer = time.AfterFunc(time.Until(r.Due), func() { e.sched.unblock(it) })
		e.sched.mu.Unlock()
	}
}

// recheckAt runs a held message again at its time.
func (e *Engine) recheckAt(seq journal.Seq, due time.Time) {
	time.AfterFunc(time.Until(due), func() {
		e.mu.Lock()
		stopping := e.stopping
		e.mu.Unlock()
		if st, err := e.j.Story(e.work, seq); err != nil || st.Status != journal.Held || st.Due.IsZero() || st.Due.After(time.Now()) {
			return // somebody has done something about it meanwhile
		}
		if !stopping {
			_ = e.release(e.work, seq, "", journal.Action{Time: time.Now(), Who: byItself, What: "recheck"})
		}
	})
}

// lost says whether a delivery that must not be made twice was under way when the engine ended.
func lost(ds []journal.Delivery) bool {
	for _, d := range ds {
		if d.Status == journal.Processing {
			return true
		}
	}
	return false
}

// loseAnswers holds those deliveries for a person: whether they were made, only the other system knows.
func (e *Engine) loseAnswers(ctx context.Context, it *item, ds []journal.Delivery) {
	_, plan, err := e.plan(ctx, it)
	if err != nil {
		return
	}
	for i := range ds {
		d := &ds[i]
		if d.Status != journal.Processing {
			continue
		}
		f := fault.New(fault.Unknown, "%s was asked, and the engine ended before it heard the answer: see there whether it was done. Retry the message to send it again, or discard it", d.Operation)
		d.Status, d.Class, d.Error = journal.Held, f.Class, f.Error()
		switch do := plan.Policy(f).Do; {
		case do == route.DoRetry:
			d.Status = journal.Retrying
		case do == route.DoDeadLetter, do == route.DoFilter, plan.Tap(d.Label):
			d.Status = journal.Dead
		}
		status, _ := sum(plan, ds)
		it.status = status
		sys, _ := cut(d.Operation)
		a := journal.Attempt{Seq: it.seq, N: d.N, Number: d.Attempts + 1, Time: time.Now(), Status: d.Status, Class: f.Class, Error: f.Error(), Message: status, System: sys}
		if err := e.wrote(e.j.Attempt(ctx, a)); err != nil {
			e.log.ErrorContext(ctx, "a lost answer could not be noted down", "route", it.route, "message", it.seq, "err", err)
			continue
		}
		if !d.Status.Open() || d.Status == journal.Held {
			e.raise(ctx, it, plan, f)
		}
		e.log.ErrorContext(ctx, "message failed", "route", it.route, "message", it.seq, "system", sys, "class", f.Class, "status", d.Status, "err", f)
	}
	it.resolved = open(ds)
}

// open says whether anything is left to deliver.
func open(ds []journal.Delivery) bool {
	for _, d := range ds {
		if d.Status == journal.Received || d.Status == journal.Retrying {
			return true
		}
	}
	return false
}

// releaseHeld lets go the held messages that a change of rules has cured: those whose map has gained the entry, and those
// whose route failed and has changed.
func (e *Engine) releaseHeld(ctx context.Context, old, s *Set) {
	was, is := digests(old.Rules.Routes, routeDoc), digests(s.Rules.Routes, routeDoc)
	maps := mapsOf(s)
	before := journal.Seq(0)
	var release []journal.Seq
	for {
		recs, err := e.j.Search(ctx, journal.Query{Statuses: []journal.Status{journal.Held}, Before: before, Limit: 500})
		if err != nil {
			e.log.WarnContext(ctx, "held messages could not be read", "err", err)
			return
		}
		for _, r := range recs {
			before = r.Seq
			if cured(r, was, is, maps) {
				release = append(release, r.Seq)
			}
		}
		if len(recs) < 500 {
			break
		}
	}
	for i := len(release) - 1; i >= 0; i-- { // the oldest first
		a := journal.Action{Time: time.Now(), Who: byItself, What: "release", Seq: release[i], Reason: "rules " + s.Version}
		if err := e.release(ctx, release[i], s.Version, a); err != nil {
			e.log.WarnContext(ctx, "a held message could not be released", "message", release[i], "err", err)
		}
	}
	if len(release) > 0 {
		e.log.InfoContext(ctx, "held messages released", "messages", len(release))
	}
}

// releaseCured lets go a message that was held under older rules, where the present ones have the cure: it came before the
// message was held.
func (e *Engine) releaseCured(ctx context.Context, seq journal.Seq, rules string) {
	s := e.current.Load()
	old, err := e.version(ctx, rules)
	if err != nil {
		return
	}
	st, err := e.j.Story(ctx, seq)
	if err != nil || st.Status != journal.Held || !cured(st.Record, digests(old.Rules.Routes, routeDoc), digests(s.Rules.Routes, routeDoc), mapsOf(s)) {
		return
	}
	if err := e.release(ctx, seq, s.Version, journal.Action{Time: time.Now(), Who: byItself, What: "release", Seq: seq, Reason: "rules " + s.Version}); err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "a held message could not be released", "message", seq, "err", err)
	}
}

func mapsOf(s *Set) map[string]*rule.Map {
	out := make(map[string]*rule.Map, len(s.Rules.Maps))
	for _, m := range s.Rules.Maps {
		out[m.Name] = m
	}
	return out
}

func routeDoc(r *rule.Route) rule.Doc { return r.Doc }

// cured says whether a held message is worth another run under the new rules.
func cured(r journal.Record, was, is map[string]string, maps map[string]*rule.Map) bool {
	if is[r.Route] == "" {
		return false
	}
	if was[r.Route] != is[r.Route] && r.Class != "unknown" && r.Class != "conflict" {
		return true
	}
	if m := maps[r.Map]; r.Class == "unmapped" && m != nil {
		if _, ok := m.Entries[r.Code]; ok {
			return true
		}
		return m.Default != nil
	}
	return false
}
