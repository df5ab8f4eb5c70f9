package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
	"github.com/njia-health/njia/engine/rule"
)

// errorVar is where a part of a message that tells of a failure carries it.
const errorVar = "$error"

// process works on one message until it ends or has to wait. It is called by the scheduler in a goroutine of its own.
func (e *Engine) process(it *item) {
	ctx := e.work
	f := e.work1(ctx, it)
	if f.ended {
		e.metrics.ended(it.route, f.status, it.received)
		e.observe(Event{Kind: "ended", Route: it.route, Seq: it.seq, Status: f.status})
	} else if f.hold {
		e.observe(Event{Kind: "ended", Route: it.route, Seq: it.seq, Status: journal.Held})
	}
	switch {
	case it.waiter == nil:
	case f.ended || f.hold:
		answer(it, adapter.Reply{ID: it.id, Outcome: string(f.status)})
	case it.direct: // it goes on from the journal
		answer(it, adapter.Reply{ID: it.id, Outcome: "accepted"})
	}
	if f.hold && !f.due.IsZero() && (it.lane == nil || f.pass) {
		e.recheckAt(it.seq, f.due) // the scheduler forgets what nothing waits behind
	}
	e.sched.done(it, f)
	if f.hold && it.rules != e.current.Load().Version {
		e.releaseCured(e.work, it.seq, it.rules)
	}
}

// hasMap says whether the present rules have a map of that name.
func (e *Engine) hasMap(name string) bool {
	s := e.current.Load()
	return s != nil && slices.ContainsFunc(s.Rules.Maps, func(m *rule.Map) bool { return m.Name == name })
}

// answer gives a waiting source its reply, once.
func answer(it *item, r adapter.Reply) {
	if it.waiter != nil {
		it.waiter <- r // buffered
		it.waiter = nil
	}
}

func (e *Engine) work1(ctx context.Context, it *item) (f fate) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("the engine failed on a message", "route", it.route, "message", it.seq, "panic", p)
			f = e.fail(ctx, it, nil, route.Outcome{Status: route.Failed, Err: fault.FromPanic("the engine", p)}, "")
		}
	}()
	set, plan, err := e.plan(ctx, it)
	if err != nil {
		return e.fail(ctx, it, nil, route.Outcome{Status: route.Failed, Err: fault.Of(err)}, "")
	}
	if plan.Expire > 0 && time.Since(it.received) > plan.Expire {
		return e.fail(ctx, it, plan, route.Outcome{Status: route.Failed, Err: fault.New(fault.Expired, "older than %s (expire)", plan.Expire)}, "")
	}
	if it.resolved {
		return e.deliver(ctx, it, set, plan)
	}
	h := &host{e: e, it: it, set: set, plan: plan}
	in, err := e.input(ctx, it, plan)
	if err != nil {
		return e.fail(ctx, it, plan, route.Outcome{Status: route.Failed, Err: fault.Of(err)}, "")
	}
	out := plan.Run(ctx, h, in)
	if ctx.Err() != nil && out.Status == route.Failed {
		return fate{status: it.status} // the engine stops: as if it had not begun
	}
	if out.Status != route.Failed || out.System != h.parked {
		h.parked = "" // a rescue took over
	}
	if it.waiter != nil && plan.Replies() && h.parked == "" && (out.Status != route.Failed || plan.Policy(out.Err).Do != route.DoRetry) {
		e.reply(ctx, it, plan, in, out)
	}
	return e.resolve(ctx, it, set, plan, in, out, h.parked)
}

// plan gives the compiled route that the message began with.
func (e *Engine) plan(ctx context.Context, it *item) (*Set, *route.Plan, error) {
	set := e.current.Load()
	if set.Version != it.rules {
		old, err := e.version(ctx, it.rules)
		if err != nil {
			return nil, nil, fault.As(fault.Bug, err)
		}
		set = old
	}
	p := set.Plans[it.route]
	if p == nil {
		return nil, nil, fault.New(fault.Bug, "rule set %s has no route %s", set.Version, it.route)
	}
	return set, p, nil
}

// version gives an older rule set, from memory or from the journal.
func (e *Engine) version(ctx context.Context, v string) (*Set, error) {
	e.mu.Lock()
	s := e.versions[v]
	e.mu.Unlock()
	if s != nil {
		return s, nil
	}
	rs, err := e.j.Rules(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("the rules %s that this message began with are not in the journal; retry runs it under the present ones", v)
	}
	s, _, errs := LoadFiles(rs.Files, e.o.Load)
	if s == nil {
		return nil, fmt.Errorf("the rules %s that this message began with do not load any more (%s); retry runs it under the present ones", v, firstOf(errs))
	}
	s.Version = v
	e.mu.Lock()
	defer e.mu.Unlock()
	e.versions[v] = s
	return s, nil
}

// input gathers what a run starts with.
func (e *Engine) input(ctx context.Context, it *item, plan *route.Plan) (route.Input, error) {
	it.gate = nil
	in := route.Input{Source: it.source, Engine: e.name(), Attempt: it.attempts + 1, Resume: it.resume, Body: it.parsed, Parsed: it.isParsed,
		Message: message.Message{ID: it.id, Time: it.received, Event: it.event, Type: it.typ, Headers: it.headers, Body: it.body}}
	if it.body == nil && !it.isParsed || it.gated {
		body, gate, err := e.j.Body(ctx, it.seq)
		if err != nil {
			return in, fault.As(fault.Transient, fmt.Errorf("reading the message from the journal: %w", err))
		}
		in.Message.Body = body
		if len(gate) > 0 {
			var g route.Gate
			if err := decodeGate(gate, &g); err != nil {
				return in, fault.As(fault.Bug, err)
			}
			in.Gate, it.gate = &g, gate
		}
	}
	if len(it.vars) > 0 {
		v, err := message.Decode(it.vars)
		if err != nil {
			return in, fault.As(fault.Bug, err)
		}
		vars, _ := v.(map[string]any)
		if ev, ok := vars[errorVar].(map[string]any); ok {
			in.Error = ev
			vars = without(vars, errorVar)
		}
		in.Vars = vars
	}
	return in, nil
}

func without(m map[string]any, name string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// decodeGate reads a gate with the digits of its numbers.
func decodeGate(b []byte, g *route.Gate) error {
	if err := json.Unmarshal(b, g); err != nil {
		return err
	}
	v, err := message.Decode(b)
	if err != nil {
		return err
	}
	m, _ := v.(map[string]any)
	g.Body = m["body"]
	g.Vars, _ = m["vars"].(map[string]any)
	return nil
}

func (e *Engine) name() string {
	if s := e.current.Load(); s != nil && s.Rules.Engine != nil {
		return s.Rules.Engine.Name
	}
	return ""
}

// reply answers a source that waits, from the end of the steps.
func (e *Engine) reply(ctx context.Context, it *item, plan *route.Plan, in route.Input, out route.Outcome) {
	r := adapter.Reply{ID: it.id, Outcome: replyOutcome(plan, out)}
	if out.Err != nil {
		r.Err = out.Err
		answer(it, r)
		return
	}
	if out.Status == route.Done {
		built, err := plan.ReplyTo(ctx, in, out)
		switch {
		case err != nil:
			r.Err = fault.Of(err)
			e.log.Warn("the reply could not be built", "route", it.route, "message", it.seq, "err", err)
		case built != nil:
			r.Custom, r.Status, r.Type, r.Headers, r.Body = true, built.Status, built.Type, built.Headers, built.Body
		}
	}
	answer(it, r)
}

func replyOutcome(plan *route.Plan, o route.Outcome) string {
	switch o.Status {
	case route.Filtered:
		return "filtered"
	case route.Duplicate:
		return "duplicate"
	case route.Failed:
		if o.Err.Class == fault.Invalid {
			return "invalid"
		}
		switch orElse(o.Do, plan.Policy(o.Err).Do) {
		case route.DoDeadLetter:
			return "dead"
		case route.DoFilter:
			return "filtered"
		}
		return "held"
	}
	return "accepted"
}

// resolve writes down what a run came to, and goes on with its deliveries.
func (e *Engine) resolve(ctx context.Context, it *item, set *Set, plan *route.Plan, in route.Input, out route.Outcome, parked string) fate {
	r := journal.Resolution{Seq: it.seq, Rules: it.rules, Attempts: it.attempts, Since: it.since, Trace: trace(out.Trace)}
	switch out.Status {
	case route.Failed:
		return e.fail(ctx, it, plan, out, parked)
	case route.Filtered:
		r.Status = journal.Filtered
		r.DropBody = plan.Route.Store.Filtered != "body"
		return e.end(ctx, it, r)
	case route.Duplicate:
		r.Status, r.DropBody = journal.Duplicate, true
		return e.end(ctx, it, r)
	case route.Waiting:
		gate, err := json.Marshal(out.Gate)
		if err != nil {
			return e.fail(ctx, it, plan, route.Outcome{Status: route.Failed, Err: fault.New(fault.Bug, "the gate's state cannot be kept: %v", err)}, "")
		}
		r.Status, r.Gate, r.Due = journal.Processing, gate, out.Gate.Due
		it.gated = true
		return e.keep(ctx, it, r, fate{status: journal.Processing, due: out.Gate.Due})
	}
	for _, s := range out.Seen {
		r.Seen = append(r.Seen, journal.SeenID{Scope: s.Scope, ID: s.ID, For: s.For}, journal.SeenID{Scope: s.Scope + ownValue, ID: owned(s.ID, it.seq), For: s.For})
	}
	children, err := e.children(it, plan, out.Children)
	if err != nil {
		return e.fail(ctx, it, plan, route.Outcome{Status: route.Failed, Err: fault.New(fault.Bug, "%v", err)}, "")
	}
	r.Children = children
	if it.deliveries, err = e.deliveries(ctx, it, out.Deliveries); err != nil {
		return e.fail(ctx, it, plan, route.Outcome{Status: route.Failed, Err: fault.Of(err)}, "")
	}
	r.DropBody = plan.Route.Store.Body == "until-delivered"
	if status, _ := sum(plan, it.deliveries); status == journal.Delivered {
		r.Status = journal.Delivered
		r.Deliveries = it.deliveries
		return e.end(ctx, it, r)
	}
	r.DropBody = false
	if len(it.deliveries) == 1 && !plan.Writes && len(r.Children) == 0 && len(r.Seen) == 0 && !e.journalDown.Load() && e.repeatable(set, plan, &it.deliveries[0]) {
		return e.sendFirst(ctx, it, set, plan, r)
	}
	r.Status, r.Deliveries = journal.Processing, it.deliveries
	if f := e.keep(ctx, it, r, fate{status: journal.Processing}); f.ended || !it.resolved {
		return f
	}
	return e.deliver(ctx, it, set, plan)
}

// deliveries turns those of an outcome into rows. What an earlier run of the message has delivered is not sent again.
func (e *Engine) deliveries(ctx context.Context, it *item, ds []route.Delivery) ([]journal.Delivery, error) {
	var old []journal.Delivery
	if it.rerun {
		var err error
		if old, err = e.j.Deliveries(ctx, it.seq); err != nil {
			return nil, fault.As(fault.Transient, err)
		}
	}
	out := make([]journal.Delivery, 0, len(ds))
	for _, d := range ds {
		jd := journal.Delivery{Seq: it.seq, N: len(out), ID: it.id.Child(d.Label), Operation: d.Operation, Label: d.Label, Type: d.Type, Body: d.Body, Status: journal.Received}
		if d.Node == nil && d.With != nil {
			with, err := message.Encode(d.With)
			if err != nil {
				return nil, fault.New(fault.Bug, "%s: with %v", d.Label, err)
			}
			jd.With = with
		}
		for _, o := range old {
			if o.Status == journal.Delivered && o.Label == jd.Label && o.Operation == jd.Operation {
				jd = o
				jd.N = len(out)
			}
		}
		if it.made[jd.Label] {
			jd.Status, jd.Attempts = journal.Delivered, 1
		}
		out = append(out, jd)
	}
	return out, nil
}

// children makes entries of the parts of a message. Parts that an earlier run of it has made go on by themselves.
func (e *Engine) children(it *item, plan *route.Plan, parts []route.Child) ([]journal.Entry, error) {
	var out []journal.Entry
	var made map[message.ID]bool
	if it.rerun && len(parts) > 0 {
		recs, err := e.j.Search(e.work, journal.Query{Parent: it.seq, Limit: 1 << 20})
		if err != nil {
			return nil, err
		}
		made = make(map[message.ID]bool, len(recs))
		for _, r := range recs {
			made[r.ID] = true
		}
	}
	for _, c := range parts {
		body, err := message.Encode(c.Body)
		if err != nil {
			return nil, fmt.Errorf("part %d %w", c.N, err)
		}
		en := journal.Entry{
			Message: message.Message{ID: it.id.Child(fmt.Sprintf("%s/%d/%s", c.Resume, c.N, digest(string(body)))), Time: time.Now(), Event: it.event, Headers: it.headers, Body: body, Type: "application/json"},
			Route:   it.route, Source: it.source, Rules: it.rules, Key: it.key, Status: journal.Received, Parent: it.seq, Resume: c.Resume,
		}
		if made[en.Message.ID] {
			continue
		}
		if len(c.Vars) > 0 {
			if en.Vars, err = message.Encode(c.Vars); err != nil {
				return nil, fmt.Errorf("vars of part %d: %w", c.N, err)
			}
		}
		if c.Err != nil {
			en.Failure = c.Err
			switch plan.Policy(c.Err).Do {
			case route.DoDeadLetter:
				en.Status = journal.Dead
			case route.DoFilter:
				en.Status = journal.Filtered
			case route.DoRetry:
				en.Status, en.Failure = journal.Received, nil
			default:
				en.Status = journal.Held
			}
		}
		out = append(out, en)
	}
	return out, nil
}

// takeParts puts the accepted parts of a message into memory.
func (e *Engine) takeParts(it *item, plan *route.Plan, es []journal.Entry, rs []journal.Receipt) {
	for i, r := range rs {
		en := es[i]
		e.metrics.received.WithLabelValues(it.route).Inc()
		child := itemOf(en, r)
		if en.Failure != nil {
			e.log.Error("message failed", "route", it.route, "message", r.Seq, "class", en.Failure.Class, "status", r.Status, "err", en.Failure)
			e.raise(e.work, child, plan, en.Failure)
		}
		if !r.Status.Open() {
			e.metrics.ended(it.route, r.Status, en.Message.Time)
			e.observe(Event{Kind: "ended", Route: it.route, Seq: r.Seq, Status: r.Status})
			continue
		}
		child.place = append(slices.Clone(it.place), r.Seq)
		if r.Status == journal.Held {
			child.state = blocked
			if !plan.Strict || plan.PassHeld {
				continue
			}
		}
		e.sched.add(child, plan.Strict, time.Time{})
	}
}

// end writes an ending.
func (e *Engine) end(ctx context.Context, it *item, r journal.Resolution) fate {
	return e.keep(ctx, it, r, fate{status: r.Status, ended: !r.Status.Open()})
}

// keep writes a resolution. A journal that takes nothing leaves the message where it was, to be tried again.
func (e *Engine) keep(ctx context.Context, it *item, r journal.Resolution, f fate) fate {
	receipts, err := e.j.Resolve(context.WithoutCancel(ctx), r) // what has been done is noted down, also at the end
	if err = e.wrote(err); err != nil {
		return e.unwritten(it, err)
	}
	it.resolved = open(r.Deliveries)
	it.rerun = true
	if it.resolved {
		it.body, it.parsed, it.isParsed = nil, nil, false // what is left to send has its own
	}
	if len(receipts) > 0 {
		_, plan, err := e.plan(ctx, it)
		if err == nil {
			e.takeParts(it, plan, r.Children, receipts)
		}
	}
	return f
}

// unwritten is the fate of a message whose state could not be written.
func (e *Engine) unwritten(it *item, err error) fate {
	if errors.Is(err, journal.ErrState) || errors.Is(err, journal.ErrNotFound) {
		return fate{status: journal.Discarded, ended: true} // a person ended it meanwhile
	}
	return fate{status: it.status, due: time.Now().Add(5 * time.Second)}
}

func trace(ts []route.Traced) []journal.Step {
	out := make([]journal.Step, len(ts))
	for i, t := range ts {
		out[i] = journal.Step{Label: t.Label, Outcome: t.Outcome, Note: t.Note, Took: t.Took}
	}
	return out
}

// fail writes a failure of the run: again later, held, dead or dropped, by its class.
func (e *Engine) fail(ctx context.Context, it *item, plan *route.Plan, out route.Outcome, parked string) fate {
	f := out.Err
	r := journal.Resolution{Seq: it.seq, Rules: it.rules, Failure: f, System: out.System, Attempts: it.attempts, Since: it.since, Trace: trace(out.Trace)}
	if parked != "" {
		r.Status, r.System, r.Gate = journal.Retrying, parked, it.gate
		it.rerun = true
		return e.keep(ctx, it, r, fate{status: journal.Retrying})
	}
	do := route.DoHold
	retry := route.Retry{From: 2 * time.Second, To: 15 * time.Minute, For: 72 * time.Hour}
	var alert string
	if plan != nil {
		pol := plan.Policy(f)
		do, retry, alert = pol.Do, retryOf(e.current.Load(), plan, out.System), pol.Alert
	} else if f.Class == fault.Transient {
		do = route.DoRetry
	}
	if out.Do != "" {
		do = out.Do
	}
	now := time.Now()
	next := fate{}
	switch do {
	case route.DoRetry, route.DoPause:
		r.Attempts = it.attempts + 1
		if r.Since.IsZero() {
			r.Since = now
		}
		due := now.Add(max(backoff(retry.From, retry.To, r.Attempts), f.RetryAfter))
		if now.Sub(r.Since) >= retry.For {
			r.Status = journal.Dead
			r.Failure = gaveUp(f, retry.For)
			next = fate{status: journal.Dead, ended: true}
			break
		}
		r.Status, r.Due, r.Gate = journal.Retrying, due, it.gate // a gate has its own time
		next = fate{status: journal.Retrying, due: due}
		e.mu.Lock()
		c := e.systems[out.System]
		e.mu.Unlock()
		if c.joins(it) {
			next.due = time.Time{}
		}
	case route.DoDeadLetter:
		r.Status = journal.Dead
		next = fate{status: journal.Dead, ended: true}
	case route.DoFilter:
		r.Status = journal.Filtered
		next = fate{status: journal.Filtered, ended: true}
	default:
		r.Status = journal.Held
		next = fate{status: journal.Held, hold: true, pass: plan != nil && plan.PassHeld}
		if f.Class == fault.Unmapped && f.Map != "" && !e.hasMap(f.Map) {
			next.due = now.Add(e.o.Recheck) // what is missing is in another system: it looks again
			r.Due = next.due
		}
	}
	if alert != "" && r.Status != journal.Retrying && !it.alerts() {
		r.Children = append(r.Children, e.alert(ctx, it, plan, alert, f))
	}
	it.attempts, it.since = r.Attempts, r.Since
	lvl := e.log.Warn
	if !r.Status.Open() || r.Status == journal.Held {
		lvl = e.log.Error
	}
	lvl("message failed", "route", it.route, "message", it.seq, "step", out.At, "class", f.Class, "status", r.Status, "err", f)
	e.observe(Event{Kind: "failed", Route: it.route, Seq: it.seq, Status: r.Status, Text: f.Error()})
	it.rerun = true
	return e.keep(ctx, it, r, next)
}

func gaveUp(f *fault.Error, after time.Duration) *fault.Error {
	g := *f
	g.Text, g.Place = fmt.Sprintf("gave up after %s: %s", after, f.Error()), ""
	return &g
}

// alerts says whether the item itself tells somebody of a failure: nobody is told of its own.
func (it *item) alerts() bool { return bytes.Contains(it.vars, []byte(`"`+errorVar+`"`)) }

// alert is the part of a failed message that tells somebody. Its body is the message's, as JSON.
func (e *Engine) alert(ctx context.Context, it *item, plan *route.Plan, label string, f *fault.Error) journal.Entry {
	body := it.body
	if body == nil {
		body, _, _ = e.j.Body(ctx, it.seq) // one that is not kept is null
	}
	if it.resume == "" {
		body = plan.AsJSON(body)
	}
	vars, err := message.Encode(map[string]any{errorVar: map[string]any{"class": string(f.Class), "message": f.Error(), "seq": int(it.seq)}})
	if err != nil {
		vars = nil
	}
	return journal.Entry{
		Message: message.Message{ID: it.id.Child(label), Time: time.Now(), Event: it.event, Headers: it.headers, Body: body, Type: "application/json"},
		Route:   it.route, Source: it.source, Rules: it.rules, Status: journal.Received, Parent: it.seq, Resume: label, Vars: vars,
	}
}

// raise tells somebody of a failure that is in the journal already, if the route has an alert for its class.
func (e *Engine) raise(ctx context.Context, it *item, plan *route.Plan, f *fault.Error) {
	label := plan.Policy(f).Alert
	if label == "" || it.alerts() {
		return
	}
	es := []journal.Entry{e.alert(ctx, it, plan, label, f)}
	rs, err := e.j.Append(ctx, es)
	if e.wrote(err) == nil {
		e.takeParts(it, plan, es, rs)
	}
}
