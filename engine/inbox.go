package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
)

// replyWait is how long a request waits for its route before it is told that the message was taken.
const replyWait = 25 * time.Second

// errNoRoute says that the route is gone: its source is about to be stopped.
var errNoRoute = errors.New("the route is not in the rules any more")

// inbox takes what one route's source has found.
type inbox struct {
	e     *Engine
	route string
	name  string // system.source
	nudge chan struct{}

	mu    sync.Mutex // guards what follows
	later position   // of messages that are in no journal; kept now and then
	kept  time.Time
}

// position is a cursor and marks that are not on disk yet.
type position struct {
	cursor string
	marks  map[string]string
}

// keepEvery is how often the position of messages that are in no journal is kept: after a crash, that much is offered and
// delivered again.
const keepEvery = 250 * time.Millisecond

// cursorName is where the source's cursor and marks are kept.
func (in *inbox) cursorName() string { return in.route + "/" + in.name }

func (in *inbox) plan() (*Set, *route.Plan, error) {
	s := in.e.current.Load()
	p := s.Plans[in.route]
	if p == nil {
		return nil, nil, errNoRoute
	}
	return s, p, nil
}

func (in *inbox) Cursor(ctx context.Context) (string, error) {
	if err := in.keep(ctx); err != nil {
		return "", err
	}
	return in.e.j.Cursor(ctx, in.cursorName())
}

func (in *inbox) Marks(ctx context.Context) (map[string]string, error) {
	if err := in.keep(ctx); err != nil {
		return nil, err
	}
	return in.e.j.Marks(ctx, in.cursorName())
}

func (in *inbox) Save(ctx context.Context, cursor string, marks map[string]string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.later.add(cursor, marks)
	return in.write(ctx)
}

func (p *position) add(cursor string, marks map[string]string) {
	if cursor != "" {
		p.cursor = cursor
	}
	if len(marks) > 0 && p.marks == nil {
		p.marks = make(map[string]string, len(marks))
	}
	maps.Copy(p.marks, marks)
}

// keep puts on disk what is not there yet.
func (in *inbox) keep(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.write(ctx)
}

func (in *inbox) write(ctx context.Context) error {
	if in.later.cursor == "" && in.later.marks == nil {
		return nil
	}
	if err := in.e.wrote(in.e.j.SaveCursor(ctx, in.cursorName(), in.later.cursor, in.later.marks)); err != nil {
		return err
	}
	in.later, in.kept = position{}, time.Now()
	return nil
}

func (in *inbox) Nudged() <-chan struct{} { return in.nudge }

func (in *inbox) MaxBody() int64 {
	if _, p, err := in.plan(); err == nil {
		return p.MaxBody
	}
	return 10 << 20
}

func (in *inbox) Replies() bool {
	_, p, err := in.plan()
	return err == nil && p.Replies()
}

// Accept takes one message.
func (in *inbox) Accept(ctx context.Context, m message.Message) (adapter.Reply, error) {
	set, plan, err := in.plan()
	if err != nil {
		return adapter.Reply{}, err
	}
	if plan.Direct && plan.Simple() {
		rs, err := in.direct(ctx, set, plan, []message.Message{m})
		if err != nil {
			return adapter.Reply{}, err
		}
		return rs[0], nil
	}
	if err := in.keep(ctx); err != nil {
		return adapter.Reply{}, err
	}
	en, adm := in.entry(ctx, plan, m)
	receipts, err := in.e.j.Append(ctx, []journal.Entry{en})
	if err := in.e.wrote(err); err != nil {
		return adapter.Reply{}, err
	}
	r := receipts[0]
	it := in.took(plan, en, adm, r)
	reply := adapter.Reply{ID: r.ID, Outcome: outcomeOf(r.Status, en.Failure)}
	if en.Failure != nil && r.Status != journal.Duplicate {
		reply.Err = en.Failure
	}
	if it == nil {
		return reply, nil
	}
	it.direct = plan.Direct && !plan.Replies()
	if !plan.Replies() && (!it.direct || plan.Strict && it.key != "" && in.e.sched.behind(in.route, it.key)) {
		in.e.sched.add(it, plan.Strict, time.Time{})
		return reply, nil
	}
	wait := make(chan adapter.Reply, 1)
	it.waiter = wait
	in.e.sched.add(it, plan.Strict, time.Time{})
	limit := time.NewTimer(replyWait)
	defer limit.Stop()
	select {
	case reply = <-wait:
		return reply, nil
	case <-limit.C:
		return reply, nil
	case <-ctx.Done():
		return reply, nil // it is on disk: the source may acknowledge
	}
}

// AcceptAll takes many, in order.
func (in *inbox) AcceptAll(ctx context.Context, ms []message.Message) (int, error) {
	set, plan, err := in.plan()
	if err != nil {
		return 0, err
	}
	if plan.Direct && plan.Simple() {
		rs, err := in.direct(ctx, set, plan, ms)
		return len(rs), err
	}
	if plan.Direct {
		for i, m := range ms {
			if _, err := in.Accept(ctx, m); err != nil {
				return i, err
			}
		}
		return len(ms), nil
	}
	if err := in.keep(ctx); err != nil {
		return 0, err
	}
	es := make([]journal.Entry, len(ms))
	adms := make([]route.Admission, len(ms))
	in.each(len(ms), func(i int) { es[i], adms[i] = in.entry(ctx, plan, ms[i]) })
	receipts, err := in.e.j.Append(ctx, es)
	if err := in.e.wrote(err); err != nil {
		return 0, err
	}
	for i, r := range receipts {
		if it := in.took(plan, es[i], adms[i], r); it != nil {
			in.e.sched.add(it, plan.Strict, time.Time{})
		}
	}
	return len(ms), nil
}

// entry judges a message and makes it ready for the journal.
func (in *inbox) entry(ctx context.Context, plan *route.Plan, m message.Message) (journal.Entry, route.Admission) {
	fromSource := m.ID
	m = in.stamp(m)
	adm := plan.Admit(ctx, route.Input{Message: m, Source: in.name, Engine: in.e.name()})
	en := journal.Entry{
		Message: m, Route: in.route, Source: in.name, Rules: plan.Rules, Key: adm.Key, Keys: adm.Keys, DedupeID: adm.ID, Remember: plan.Remember,
		Status: journal.Received, CursorName: in.cursorName(), Cursor: m.Cursor, Marks: m.Marks,
	}
	if en.DedupeID == "" && fromSource != "" {
		en.DedupeID = "source:" + string(fromSource) // offered again after a crash
	}
	switch {
	case adm.Err != nil:
		en.Failure = adm.Err
		switch plan.Policy(adm.Err).Do {
		case route.DoDeadLetter:
			en.Status = journal.Dead
		case route.DoFilter:
			en.Status = journal.Filtered
		default:
			en.Status = journal.Held
		}
	case !adm.Passes:
		en.Status = journal.Filtered
		en.NoBody = plan.Route.Store.Filtered != "body"
	}
	return en, adm
}

// stamp fills in what the source leaves to the engine.
func (in *inbox) stamp(m message.Message) message.Message {
	if m.ID == "" {
		m.ID = message.NewID()
	}
	m.Time = time.Now()
	for k := range m.Headers {
		if strings.ToLower(k) != k {
			low := make(map[string]string, len(m.Headers))
			for k, v := range m.Headers {
				low[strings.ToLower(k)] = v
			}
			m.Headers = low
			break
		}
	}
	return m
}

// took counts an accepted message, and gives its item where there is something to do.
func (in *inbox) took(plan *route.Plan, en journal.Entry, adm route.Admission, r journal.Receipt) *item {
	e := in.e
	e.metrics.received.WithLabelValues(in.route).Inc()
	e.observe(Event{Kind: "accepted", Route: in.route, Seq: r.Seq, Status: r.Status})
	if en.Failure != nil && r.Status != journal.Duplicate {
		e.log.Error("message failed", "route", in.route, "message", r.Seq, "step", "accept", "class", en.Failure.Class, "status", r.Status, "err", en.Failure)
		e.observe(Event{Kind: "failed", Route: in.route, Seq: r.Seq, Status: r.Status, Text: en.Failure.Error()})
		it := itemOf(en, r)
		it.body = en.Message.Body
		e.raise(e.work, it, plan, en.Failure)
	}
	if !r.Status.Open() {
		e.metrics.ended(in.route, r.Status, en.Message.Time)
		e.observe(Event{Kind: "ended", Route: in.route, Seq: r.Seq, Status: r.Status})
		return nil
	}
	it := itemOf(en, r)
	if r.Status == journal.Held {
		it.state = blocked
		e.observe(Event{Kind: "ended", Route: in.route, Seq: r.Seq, Status: r.Status})
		if plan.Strict && !plan.PassHeld {
			e.sched.add(it, true, time.Time{})
		}
		return nil
	}
	it.body, it.parsed, it.isParsed = en.Message.Body, adm.Body, true
	return it
}

func itemOf(en journal.Entry, r journal.Receipt) *item {
	m := en.Message
	return &item{seq: r.Seq, id: m.ID, route: en.Route, source: en.Source, rules: en.Rules, key: en.Key, event: m.Event, typ: m.Type, headers: m.Headers,
		received: m.Time, status: r.Status, parent: en.Parent, resume: en.Resume, vars: en.Vars}
}

func outcomeOf(s journal.Status, f *fault.Error) string {
	switch {
	case s == journal.Dead && f != nil && f.Class == fault.Invalid:
		return "invalid"
	case s == journal.Received:
		return "accepted"
	}
	return string(s)
}

// direct takes messages of a route with ack: delivered: each is run and delivered before the source may acknowledge it, and
// only what fails goes into the journal, to be tried again from there. It gives one reply for each message taken.
func (in *inbox) direct(ctx context.Context, set *Set, plan *route.Plan, ms []message.Message) ([]adapter.Reply, error) {
	replies := make([]adapter.Reply, len(ms))
	runs := make([]*directRun, len(ms))
	in.each(len(ms), func(i int) { runs[i] = in.runDirect(ctx, set, plan, ms[i]) })
	in.sendDirect(ctx, set, plan, runs)
	var failed []journal.Entry
	var at []int
	for i, r := range runs {
		replies[i] = r.reply
		if r.entry == nil {
			continue
		}
		failed, at = append(failed, *r.entry), append(at, i)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(failed) > 0 {
		receipts, err := in.e.j.Append(ctx, failed)
		if err := in.e.wrote(err); err != nil {
			return nil, err
		}
		for n, r := range receipts {
			if it := in.took(plan, failed[n], runs[at[n]].adm, r); it != nil {
				it.made = runs[at[n]].made
				in.e.sched.add(it, plan.Strict, time.Time{})
			}
			replies[at[n]] = adapter.Reply{ID: r.ID, Outcome: outcomeOf(r.Status, failed[n].Failure), Err: errOrNil(failed[n].Failure)}
		}
	}
	for _, r := range runs {
		if r.entry == nil {
			in.e.metrics.received.WithLabelValues(in.route).Inc()
			in.e.metrics.ended(in.route, r.status, r.m.Time)
			in.e.observe(Event{Kind: "ended", Route: in.route, Status: r.status})
		}
	}
	if err := in.moved(ctx, ms, in.once(set, plan, runs)); err != nil {
		return nil, err
	}
	return replies, nil
}

func errOrNil(f *fault.Error) error {
	if f == nil {
		return nil
	}
	return f
}

// moved notes the cursors and marks of messages that are in no journal, and keeps them at once or if it is time.
func (in *inbox) moved(ctx context.Context, ms []message.Message, atOnce bool) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, m := range ms {
		in.later.add(m.Cursor, m.Marks)
	}
	if !atOnce && time.Since(in.kept) < keepEvery {
		return nil
	}
	return in.write(ctx)
}

var errDirect = fmt.Errorf("not delivered at once")
