package engine

import (
	"context"
	"errors"
	"time"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
)

// sum says how a message stands whose deliveries stand so, and when the next of them is due.
func sum(plan *route.Plan, ds []journal.Delivery) (status journal.Status, due time.Time) {
	var dead, held bool
	status = journal.Delivered
	for _, d := range ds {
		if plan.Tap(d.Label) && !d.Status.Open() {
			continue
		}
		switch d.Status {
		case journal.Received, journal.Retrying, journal.Processing:
			status = journal.Retrying
			if !d.Due.IsZero() && (due.IsZero() || d.Due.Before(due)) {
				due = d.Due // one without waits for its system
			}
		case journal.Held:
			held = true
		case journal.Dead:
			dead = true
		}
	}
	switch {
	case status == journal.Retrying:
		return status, due
	case held:
		return journal.Held, time.Time{}
	case dead:
		return journal.Dead, time.Time{}
	}
	return status, time.Time{}
}

// sendFirst sends the one delivery of a message before its resolution is written, so that a message that goes well costs two
// writes and not three. After a crash in between it is run and sent again, with the same id.
func (e *Engine) sendFirst(ctx context.Context, it *item, set *Set, plan *route.Plan, r journal.Resolution) fate {
	d := &it.deliveries[0]
	it.opens = time.Time{}
	a, refused, parked := e.send(ctx, it, set, plan, d)
	if ctx.Err() != nil && d.Status != journal.Delivered {
		it.deliveries = nil
		return fate{status: it.status}
	}
	if !parked {
		r.Tried = []journal.Attempt{a}
	}
	if len(refused) > 0 {
		children, err := e.children(it, plan, refused)
		if err != nil {
			return e.fail(ctx, it, plan, route.Outcome{Status: route.Failed, Err: fault.New(fault.Bug, "%v", err)}, "")
		}
		r.Children = children
	}
	r.Deliveries = it.deliveries
	status, due := sum(plan, it.deliveries)
	due = earlier(due, it.opens)
	r.Status = status
	f := fate{status: status, ended: !status.Open(), due: due, hold: status == journal.Held, pass: plan.PassHeld}
	if status.Open() {
		r.System, _ = cut(d.Operation)
		if status == journal.Retrying {
			r.Status = journal.Processing
			if !parked {
				r.Status = journal.Retrying
			}
		}
		r.Due, r.Since = due, d.Since
	}
	if a.Class != "" {
		r.Failure = &fault.Error{Class: a.Class, Text: a.Error}
		if alert := plan.Policy(r.Failure).Alert; alert != "" && (status == journal.Dead || status == journal.Held) && !it.alerts() {
			r.Children = append(r.Children, e.alert(ctx, it, plan, alert, r.Failure))
		}
	}
	r.DropBody = status == journal.Delivered && plan.Route.Store.Body == "until-delivered"
	return e.keep(ctx, it, r, f)
}

func cut(operation string) (system, op string) {
	for i := range operation {
		if operation[i] == '.' {
			return operation[:i], operation[i+1:]
		}
	}
	return operation, ""
}

// deliver tries every delivery of a message that is due, each on its own.
func (e *Engine) deliver(ctx context.Context, it *item, set *Set, plan *route.Plan) fate {
	if !e.journalTakes(ctx) {
		return fate{status: it.status, due: time.Now().Add(5 * time.Second)}
	}
	if it.owed != nil {
		if err := e.settle(ctx, it, plan); err != nil {
			return e.unwritten(it, err)
		}
	}
	if it.deliveries == nil {
		ds, err := e.j.Deliveries(ctx, it.seq)
		if err != nil {
			return fate{status: it.status, due: time.Now().Add(5 * time.Second)}
		}
		it.deliveries = ds
	}
	now := time.Now()
	it.opens = time.Time{}
	for i := range it.deliveries {
		d := &it.deliveries[i]
		if d.Status != journal.Received && d.Status != journal.Retrying || d.Due.After(now) {
			continue
		}
		a, refused, parked := e.send(ctx, it, set, plan, d)
		if parked {
			continue
		}
		if ctx.Err() != nil && d.Status != journal.Delivered {
			return fate{status: it.status}
		}
		status, _ := sum(plan, it.deliveries)
		a.Message = status
		a.DropBody = status == journal.Delivered && plan.Route.Store.Body == "until-delivered"
		it.owed = &owed{a, refused}
		if err := e.settle(ctx, it, plan); err != nil {
			return e.unwritten(it, err)
		}
	}
	status, due := sum(plan, it.deliveries)
	switch status {
	case journal.Retrying:
		return fate{status: status, due: earlier(due, it.opens)}
	case journal.Held:
		return fate{status: status, hold: true, pass: plan.PassHeld}
	}
	return fate{status: status, ended: true}
}

// journalTakes asks a journal that took nothing whether it does now: nothing is sent whose sending could not be noted down.
func (e *Engine) journalTakes(ctx context.Context) bool {
	return !e.journalDown.Load() || e.wrote(e.j.SaveCursor(ctx, "njia", time.Now().UTC().Format(time.RFC3339), nil)) == nil
}

// repeatable says whether a delivery may be made twice.
func (e *Engine) repeatable(set *Set, plan *route.Plan, d *journal.Delivery) bool {
	sys, name := cut(d.Operation)
	s := set.Systems[sys]
	if s == nil {
		return false
	}
	op := s.Adapter.Operation(name)
	return op != nil && op.Repeatable(e.node(plan, d, s.Settings.Base))
}

// node is the settings of a delivery. Nil: they cannot be read.
func (e *Engine) node(plan *route.Plan, d *journal.Delivery, base string) *bind.Node {
	if len(d.With) > 0 {
		with, err := message.Decode(d.With)
		if err != nil {
			return nil
		}
		return bind.FromValue(with, plan.Base())
	}
	if n := plan.Static(d.Label); n != nil {
		return n
	}
	return &bind.Node{Kind: bind.Map, Base: base}
}

// owed is an attempt that was made and is not in the journal yet, with the items that the target refused while it took others.
type owed struct {
	journal.Attempt
	refused []route.Child
}

// settle writes down the attempt that is owed, the refused items first: after a crash in between they are made once all the same.
func (e *Engine) settle(ctx context.Context, it *item, plan *route.Plan) error {
	ctx = context.WithoutCancel(ctx)
	o := it.owed
	if len(o.refused) > 0 {
		es, err := e.children(it, plan, o.refused)
		if err != nil {
			return err
		}
		rs, err := e.j.Append(ctx, es)
		if err := e.wrote(err); err != nil {
			return err
		}
		o.refused = nil
		e.takeParts(it, plan, es, rs)
	}
	if err := e.wrote(e.j.Attempt(ctx, o.Attempt)); err != nil {
		return err
	}
	it.owed = nil
	if o.Status == journal.Dead || o.Status == journal.Held {
		e.raise(ctx, it, plan, &fault.Error{Class: o.Class, Text: o.Error})
	}
	return nil
}

// send makes one attempt and puts the delivery into its new state, in memory.
func (e *Engine) send(ctx context.Context, it *item, set *Set, plan *route.Plan, d *journal.Delivery) (a journal.Attempt, refused []route.Child, parked bool) {
	now := time.Now()
	a = journal.Attempt{Seq: it.seq, N: d.N, Number: d.Attempts + 1, Time: now}
	a.System, _ = cut(d.Operation)
	var answer message.Message
	conn, op, err := e.operation(ctx, set, d.Operation)
	if err == nil {
		if open, next := e.opening(plan, set, conn, now); !open {
			d.Due, it.opens = time.Time{}, earlier(it.opens, next)
			return a, nil, true
		}
		node := e.node(plan, d, conn.sys.Settings.Base)
		if node == nil {
			err = fault.New(fault.Bug, "the settings of %s cannot be read any more", d.Label)
		} else {
			var before func() error
			if !op.Repeatable(node) {
				before = func() error { return e.begin(ctx, it, d, a) }
			}
			m := message.Message{ID: d.ID, Time: it.received, Event: it.event, Type: d.Type, Body: d.Body}
			answer, err = e.do(ctx, conn, op, it, d.Operation, node, m, plan.Timeout(d.Label), before)
			var unwritten *unwrittenError
			if errors.As(err, &unwritten) {
				d.Due = now.Add(5 * time.Second)
				return a, nil, true
			}
			if errors.Is(err, errParked) {
				d.Due = time.Time{} // it is woken when the system is worth a try
				return a, nil, true
			}
		}
	}
	in := route.Input{Source: it.source, Message: message.Message{ID: it.id, Time: it.received, Event: it.event, Headers: it.headers}}
	refused, err = plan.Judge(ctx, d.Label, route.Delivery{Body: d.Body}, in, answer, err)
	a.Took = time.Since(now)
	d.Attempts++
	if err == nil {
		d.Status, d.Class, d.Error, d.Due = journal.Delivered, "", "", time.Time{}
		a.Status, a.Code, a.Answer = journal.Delivered, answer.Status, answer.Body
		if a.Answer == nil && answer.Value != nil {
			a.Answer, _ = message.Encode(answer.Value)
		}
		d.Answer = a.Answer
		e.metrics.delivered(it.route, d.Operation, it.received)
		e.observe(Event{Kind: "sent", Route: it.route, Seq: it.seq, Operation: d.Operation, Status: journal.Delivered})
		return a, refused, false
	}
	f := fault.Of(err)
	pol := plan.Policy(f)
	if d.Since.IsZero() {
		d.Since = now
	}
	d.Class, d.Error = f.Class, f.Error()
	switch {
	case plan.Tap(d.Label) && pol.Do != route.DoRetry:
		d.Status = journal.Dead
	case pol.Do == route.DoRetry || pol.Do == route.DoPause:
		retry := retryOf(set, plan, a.System)
		d.Status, d.Due = journal.Retrying, now.Add(max(backoff(retry.From, retry.To, d.Attempts), f.RetryAfter))
		if now.Sub(d.Since) >= retry.For {
			d.Status, d.Due, d.Error = journal.Dead, time.Time{}, gaveUp(f, retry.For).Error()
		}
	case pol.Do == route.DoDeadLetter, pol.Do == route.DoFilter:
		d.Status, d.Due = journal.Dead, time.Time{}
	default:
		d.Status, d.Due = journal.Held, time.Time{}
	}
	due := d.Due
	if d.Status == journal.Retrying && conn.joins(it) {
		d.Due = time.Time{}
	}
	a.Status, a.Class, a.Error, a.Code, a.Answer, a.Due, a.Since = d.Status, d.Class, d.Error, f.Status, f.Answer, due, d.Since
	lvl := e.log.Warn
	if d.Status == journal.Dead || d.Status == journal.Held {
		lvl = e.log.Error
	}
	lvl("delivery failed", "route", it.route, "message", it.seq, "system", a.System, "attempt", d.Attempts, "class", f.Class, "status", d.Status, "err", f)
	e.observe(Event{Kind: "failed", Route: it.route, Seq: it.seq, Operation: d.Operation, Status: d.Status, Text: f.Error()})
	return a, nil, false
}

// retryOf is how failures of a system are tried again: as the route says, else as the system's document, else as the engine's.
func retryOf(set *Set, plan *route.Plan, system string) route.Retry {
	if set == nil || plan.Route.Retry != nil {
		return plan.Retry
	}
	if s := set.Systems[system]; s != nil && s.Doc != nil {
		return plan.Retry.With(s.Doc.Retry)
	}
	return plan.Retry
}

// begin notes down that a delivery that must not be made twice is being made: should the engine end before it hears the answer,
// the next one knows that it does not know.
func (e *Engine) begin(ctx context.Context, it *item, d *journal.Delivery, a journal.Attempt) error {
	a.Status, a.Message = journal.Processing, journal.Processing
	if err := e.wrote(e.j.Attempt(ctx, a)); err != nil {
		return err
	}
	d.Status = journal.Processing
	return nil
}

// opening says whether both the route's and the system's window are open. The system's is the present one, as its connection is.
func (e *Engine) opening(plan *route.Plan, set *Set, c *connection, now time.Time) (bool, time.Time) {
	if open, next := set.windows[plan.Name].Open(now); !open {
		return false, next
	}
	sys := e.current.Load().Systems[c.sys.Name]
	if sys == nil {
		sys = c.sys
	}
	return sys.Window.Open(now)
}

// earlier gives the earlier of two times; a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
