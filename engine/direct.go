package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
)

// directRun is one message on its way without a journal.
type directRun struct {
	m      message.Message
	adm    route.Admission
	out    route.Outcome
	in     route.Input
	sent   int             // of out.Deliveries
	made   map[string]bool // the labels of those that were delivered
	entry  *journal.Entry  // not nil: it goes into the journal
	status journal.Status  // how it ended, otherwise
	reply  adapter.Reply
}

// each does f for 0 … n-1 on all processors.
func (in *inbox) each(n int, f func(int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// runDirect takes a message through the steps.
func (in *inbox) runDirect(ctx context.Context, set *Set, plan *route.Plan, m message.Message) *directRun {
	en, adm := in.entry(ctx, plan, m)
	en.CursorName, en.Cursor, en.Marks = "", "", nil // they move when the whole batch has ended
	r := &directRun{m: en.Message, adm: adm, status: journal.Delivered}
	r.reply = adapter.Reply{ID: en.Message.ID, Outcome: "delivered"}
	switch {
	case en.Status == journal.Filtered && en.Failure == nil:
		r.status, r.reply.Outcome = journal.Filtered, "filtered"
		return r
	case en.Status != journal.Received:
		r.entry = &en
		return r
	case plan.Strict && adm.Key != "" && in.e.sched.behind(in.route, adm.Key):
		r.entry = &en // an earlier one of its key is in the journal
		return r
	}
	r.in = route.Input{Message: en.Message, Source: in.name, Engine: in.e.name(), Body: adm.Body, Parsed: true}
	r.out = plan.Run(ctx, &host{e: in.e, set: set, plan: plan}, r.in)
	switch r.out.Status {
	case route.Filtered:
		r.status, r.reply.Outcome = journal.Filtered, "filtered"
		r.out.Deliveries = nil
	case route.Done:
		if plan.Replies() {
			if rep, err := plan.ReplyTo(ctx, r.in, r.out); err == nil && rep != nil {
				r.reply.Custom, r.reply.Status, r.reply.Type, r.reply.Headers, r.reply.Body = true, rep.Status, rep.Type, rep.Headers, rep.Body
			}
		}
	default:
		r.entry = &en // the journal's run says why, and what becomes of it
		r.out.Deliveries = nil
	}
	return r
}

// repeatable says whether a delivery may be made twice.
func (in *inbox) repeatable(set *Set, plan *route.Plan, d route.Delivery) bool {
	sys, name := cut(d.Operation)
	s := set.Systems[sys]
	if s == nil {
		return false
	}
	op := s.Adapter.Operation(name)
	return op != nil && op.Repeatable(nodeOf(plan, d))
}

func nodeOf(plan *route.Plan, d route.Delivery) *bind.Node {
	if d.Node != nil {
		return d.Node
	}
	return bind.FromValue(d.With, plan.Base())
}

// sendDirect makes the deliveries of a batch in rounds: in each, a key has one message, the next in order. Once one of a key goes
// into the journal, so do the later ones.
func (in *inbox) sendDirect(ctx context.Context, set *Set, plan *route.Plan, runs []*directRun) {
	for len(runs) > 0 {
		var round, later []*directRun
		begun := map[string]*directRun{}
		for _, r := range runs {
			key := r.adm.Key
			if !plan.Strict || key == "" {
				round = append(round, r)
				continue
			}
			if begun[key] != nil {
				later = append(later, r)
				continue
			}
			begun[key] = r
			round = append(round, r)
		}
		in.sendRound(ctx, set, plan, round)
		for _, r := range later {
			if first := begun[r.adm.Key]; first.entry != nil && r.entry == nil {
				in.journals(ctx, plan, r, nil)
			}
		}
		runs = later
	}
}

// journals lets a message go on from the journal. One whose answer was lost is not sent again by itself, should its route not
// say so.
func (in *inbox) journals(ctx context.Context, plan *route.Plan, r *directRun, err error) {
	en, _ := in.entry(ctx, plan, r.m)
	en.CursorName, en.Cursor, en.Marks = "", "", nil
	en.DedupeID = ""
	if f := fault.Of(err); f != nil && f.Class == fault.Unknown {
		switch plan.Policy(f).Do {
		case route.DoRetry:
		case route.DoDeadLetter:
			en.Status, en.Failure = journal.Dead, f
		default:
			en.Status, en.Failure = journal.Held, f
		}
	}
	r.entry = &en
}

// once says whether a batch made deliveries for which twice is not once: then its position is kept at once, so that a crash
// repeats no more than the batch under way.
func (in *inbox) once(set *Set, plan *route.Plan, runs []*directRun) bool {
	seen := map[string]bool{}
	for _, r := range runs {
		for _, d := range r.out.Deliveries {
			if !seen[d.Label] && !in.repeatable(set, plan, d) {
				return true
			}
			seen[d.Label] = true
		}
	}
	return false
}

// sendRound makes the deliveries of some messages, many at once where the operation can. What is not delivered goes into the journal.
func (in *inbox) sendRound(ctx context.Context, set *Set, plan *route.Plan, runs []*directRun) {
	for _, r := range runs {
		for len(r.out.Deliveries) > r.sent && r.entry == nil {
			d := r.out.Deliveries[r.sent]
			group := []*directRun{r}
			for _, o := range runs {
				if o != r && o.entry == nil && o.sent < len(o.out.Deliveries) && o.out.Deliveries[o.sent].Label == d.Label {
					group = append(group, o)
				}
			}
			for i, err := range in.sendMany(ctx, set, plan, d.Label, d.Operation, group) {
				g := group[i]
				g.sent++
				switch {
				case err == nil:
					if g.made == nil {
						g.made = map[string]bool{}
					}
					g.made[d.Label] = true
				case !plan.Tap(d.Label) || plan.Policy(fault.Of(err)).Do == route.DoRetry:
					in.journals(ctx, plan, g, err)
				}
			}
		}
	}
}

// sendMany sends one delivery of each run and gives how each went.
func (in *inbox) sendMany(ctx context.Context, set *Set, plan *route.Plan, label, operation string, group []*directRun) []error {
	e := in.e
	errs := make([]error, len(group))
	fail := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	conn, op, err := e.operation(ctx, set, operation)
	if err != nil {
		return fail(err)
	}
	nodes := make([]*bind.Node, len(group))
	ms := make([]message.Message, len(group))
	for i, g := range group {
		d := g.out.Deliveries[g.sent]
		nodes[i] = nodeOf(plan, d)
		ms[i] = message.Message{ID: g.m.ID.Child(label), Time: g.m.Time, Event: g.m.Event, Type: d.Type, Body: d.Body}
	}
	if len(group) > 1 && !plan.Judges(label) {
		ok, err := conn.enter(ctx, nil)
		if err != nil || !ok {
			return fail(errors.Join(errDirect, err))
		}
		if many, can := e.doMany(ctx, conn, op, operation, nodes, ms, plan.Timeout(label)); can {
			for i := range many {
				if many[i] == nil {
					e.metrics.delivered(in.route, operation, ms[i].Time)
				}
			}
			return many
		}
	}
	in.each(len(group), func(i int) {
		answer, err := e.do(ctx, conn, op, nil, operation, nodes[i], ms[i], plan.Timeout(label), nil)
		var refused []route.Child
		refused, err = plan.Judge(ctx, label, route.Delivery{Body: ms[i].Body}, group[i].in, answer, err)
		if err == nil && len(refused) > 0 {
			err = errDirect // the journal keeps what was refused
		}
		if err == nil {
			e.metrics.delivered(in.route, operation, ms[i].Time)
		}
		errs[i] = err
	})
	return errs
}

// doMany asks a system that has been entered for many at once, within its time, and leaves it. A panic in the adapter is a bug.
func (e *Engine) doMany(ctx context.Context, c *connection, op *adapter.OperationDef, name string, nodes []*bind.Node, ms []message.Message, timeout time.Duration) (errs []error, can bool) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout(timeout))
	defer cancel()
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("an adapter failed", "system", c.sys.Name, "operation", name, "panic", p)
			errs, can = make([]error, len(ms)), true
			for i := range errs {
				errs[i] = fault.FromPanic(name, p)
			}
		}
		if !can {
			<-c.slots
			c.left(nil)
			return
		}
		var first error
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
			first = errs[i]
		}
		c.leave(nil, time.Since(start), first)
	}()
	return op.DoMany(ctx, c.conn, nodes, ms)
}
