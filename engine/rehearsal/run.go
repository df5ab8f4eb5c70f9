package rehearsal

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
	"github.com/njia-health/njia/engine/rule"
)

// Options narrow a run.
type Options struct {
	Match    string // only tests whose name holds this text, or fits it as a pattern with *
	Parallel int    // 0: all processors
}

// epoch is when a test happens unless it says so.
var epoch = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// Run runs the tests of a rule set, in parallel, and gives the results in file order.
func Run(ctx context.Context, set *engine.Set, o Options) Report {
	start := time.Now()
	var tests []*rule.Test
	for _, t := range set.Rules.Tests {
		if ok, _ := path.Match(o.Match, t.Name); o.Match == "" || ok || strings.Contains(t.Name, o.Match) {
			tests = append(tests, t)
		}
	}
	n := o.Parallel
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	out := make([]Result, len(tests))
	slots := make(chan struct{}, n)
	var wg sync.WaitGroup
	for i, t := range tests {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = one(ctx, set, t)
		})
	}
	wg.Wait()
	return Report{Results: out, Took: time.Since(start)}
}

// one runs one test.
func one(ctx context.Context, set *engine.Set, t *rule.Test) (res Result) {
	start := time.Now()
	res = Result{Name: t.Name, Pos: t.Pos, Route: t.Route}
	defer func() {
		if p := recover(); p != nil {
			res.Failures = append(res.Failures, Failure{Pos: t.Pos, What: "the test", Note: fmt.Sprintf("the program failed: %v", p)})
		}
		res.OK, res.Took = len(res.Failures) == 0, time.Since(start)
	}()
	plan := set.Plans[t.Route]
	if plan == nil {
		res.Failures = append(res.Failures, Failure{Pos: t.Pos, What: "route", Note: fmt.Sprintf("there is no route %q", t.Route)})
		return res
	}
	s := &stage{set: set, plan: plan, seen: map[string]bool{}, ids: map[string]bool{}}
	for i := range t.Turns {
		turn := &t.Turns[i]
		where := ""
		if len(t.Turns) > 1 {
			where = fmt.Sprintf("turns[%d].", i)
		}
		got := s.turn(ctx, turn, i)
		for _, f := range judge(turn, got) {
			f.What = where + f.What
			res.Failures = append(res.Failures, f)
		}
	}
	return res
}

// stage is what lasts from turn to turn: what waits, what was seen.
type stage struct {
	set  *engine.Set
	plan *route.Plan
	now  time.Time
	seen map[string]bool // of dedupe steps
	ids  map[string]bool // of id:
	open []*actor
}

// actor is a message that has not ended.
type actor struct {
	in       route.Input
	key      string
	id       string
	status   journal.Status
	due      time.Time
	attempts int
	since    time.Time
	gate     *route.Gate
	pending  []route.Delivery
	record   map[string]message.Message
}

// performance is what a turn came to.
type performance struct {
	outcome journal.Status
	class   fault.Class
	err     *fault.Error
	made    []made
	missing []string
	unused  []diag.Pos
	body    any
	vars    map[string]any
	reply   *route.Reply
	key, id string
	trace   []route.Traced
}

// turn gives a message (or only lets time pass), and works on everything that is due.
func (s *stage) turn(ctx context.Context, t *rule.Turn, n int) performance {
	switch {
	case !t.Given.Time.IsZero():
		s.now = t.Given.Time
	case s.now.IsZero():
		s.now = epoch
	}
	h := &host{now: s.now, given: t.Given.Calls, used: make([]int, len(t.Given.Calls)), seen: s.seen, writes: s.writes, errMissing: true}
	var p performance
	if !t.Given.HasBody {
		for _, a := range append([]*actor(nil), s.open...) {
			if !a.due.After(s.now) && a.status != journal.Held && !s.behindOf(a) {
				s.act(ctx, h, a, &p)
			}
		}
		p.made, p.missing = h.made, h.missing
		return p
	}
	a := &actor{status: journal.Received, record: map[string]message.Message{}}
	m := message.Message{ID: message.ID(t.Given.ID), Time: s.now, Event: t.Given.Event, Headers: t.Given.Headers, Body: t.Given.Raw}
	if m.ID == "" {
		m.ID = message.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", n+1))
	}
	if t.Given.Raw == nil {
		b, err := message.Encode(t.Given.Body)
		if err != nil {
			p.outcome, p.err = journal.Dead, fault.New(fault.Invalid, "the given body %v", err)
			return p
		}
		m.Body = b
	}
	a.in = route.Input{Message: m, Source: s.plan.Route.From, Engine: s.engine(), Vars: t.Given.Vars, Settings: t.Given.Settings}
	adm := s.plan.Admit(ctx, a.in)
	a.in.Body, a.in.Parsed, a.key, a.id = adm.Body, adm.Err == nil, adm.Key, adm.ID
	p.key, p.id, p.body = adm.Key, adm.ID, adm.Body
	switch {
	case adm.Err != nil:
		s.failed(a, adm.Err, "", &p)
	case adm.ID != "" && s.ids[adm.ID]:
		a.status, p.outcome = journal.Duplicate, journal.Duplicate
	case !adm.Passes:
		a.status, p.outcome = journal.Filtered, journal.Filtered
	case s.plan.Strict && adm.Key != "" && s.behind(adm.Key):
		p.outcome = journal.Received // it waits behind an earlier one of its key
		s.open = append(s.open, a)
	default:
		s.act(ctx, h, a, &p)
	}
	if a.id != "" && a.status != journal.Dead {
		s.ids[a.id] = true
	}
	p.made, p.missing = h.made, h.missing
	for i, g := range t.Given.Calls {
		if h.used[i] == 0 {
			p.unused = append(p.unused, g.Pos)
		}
	}
	return p
}

func (s *stage) engine() string {
	if e := s.set.Rules.Engine; e != nil {
		return e.Name
	}
	return "test"
}

func (s *stage) writes(operation string) bool {
	sys := s.set.Systems[systemOf(operation)]
	if sys == nil {
		return false
	}
	_, name, _ := strings.Cut(operation, ".")
	op := sys.Adapter.Operation(name)
	return op != nil && op.Kind != adapter.Reads
}

func (s *stage) behind(key string) bool {
	for _, o := range s.open {
		if o.key == key && (o.status != journal.Held || !s.plan.PassHeld) {
			return true
		}
	}
	return false
}

// behindOf says whether an earlier message of its key keeps an open one waiting.
func (s *stage) behindOf(a *actor) bool {
	for _, o := range s.open {
		if o == a || !s.plan.Strict || a.key == "" {
			return false
		}
		if o.key == a.key && (o.status != journal.Held || !s.plan.PassHeld) {
			return true
		}
	}
	return false
}

// waitsBehind says whether a part of a must wait for an earlier one.
func (s *stage) waitsBehind(a *actor, key string) bool {
	for _, o := range s.open {
		if o != a && o.in.Message.ID == a.in.Message.ID && o.key == key && (o.status != journal.Held || !s.plan.PassHeld) {
			return true
		}
	}
	return false
}

// act runs a message, or what is left of its deliveries.
func (s *stage) act(ctx context.Context, h *host, a *actor, p *performance) {
	h.record = a.record
	if x := s.plan.Expire; x > 0 && s.now.Sub(a.in.Message.Time) > x {
		s.failed(a, fault.New(fault.Expired, "older than %s (expire)", x), "", p)
		return
	}
	if a.pending == nil {
		in := a.in
		in.Attempt, in.Gate = a.attempts+1, a.gate
		out := s.plan.Run(ctx, h, in)
		p.body, p.vars, p.trace = out.Body, out.Vars, out.Trace
		switch out.Status {
		case route.Filtered:
			s.ended(a, journal.Filtered, p)
			return
		case route.Duplicate:
			s.ended(a, journal.Duplicate, p)
			return
		case route.Failed:
			s.failed(a, out.Err, out.Do, p)
			return
		case route.Waiting:
			a.gate, a.due = out.Gate, out.Gate.Due
			s.waits(a, journal.Processing, p)
			return
		}
		p.reply, _ = s.plan.ReplyTo(ctx, in, out)
		for _, id := range out.Seen {
			s.seen[id.Scope+"\x00"+id.ID] = true
		}
		a.pending = out.Deliveries
		worst := journal.Delivered
		for _, c := range out.Children {
			sub := &actor{status: journal.Received, key: a.key, record: map[string]message.Message{}, in: in}
			sub.in.Resume, sub.in.Body, sub.in.Parsed, sub.in.Vars, sub.in.Gate = c.Resume, c.Body, true, c.Vars, nil
			sub.in.Message.Time = s.now
			sub.in.Message.Body, _ = message.Encode(c.Body)
			var part performance
			if s.plan.Strict && sub.key != "" && s.waitsBehind(a, sub.key) {
				part.outcome = journal.Processing // an earlier part stands in its way
				s.open = append(s.open, sub)
			} else {
				s.act(ctx, h, sub, &part)
			}
			worst = worse(worst, part.outcome)
			if part.err != nil {
				p.err, p.class = part.err, part.class
			}
		}
		p.outcome = worst
	}
	s.send(ctx, h, a, p)
}

// worse gives the status that a person should hear of first.
func worse(a, b journal.Status) journal.Status {
	order := []journal.Status{journal.Dead, journal.Held, journal.Retrying, journal.Processing, journal.Delivered}
	for _, s := range order {
		if a == s || b == s {
			return s
		}
	}
	return a
}

// send makes the deliveries: each goes well unless the test says otherwise.
func (s *stage) send(ctx context.Context, h *host, a *actor, p *performance) {
	var left []route.Delivery
	var failure *fault.Error
	for _, d := range a.pending {
		body := d.Value
		if body == nil {
			body, _ = message.Decode(d.Body)
		}
		with := d.With
		if with == nil && d.Node != nil {
			with = d.Node.Value()
		}
		h.made = append(h.made, made{operation: d.Operation, label: d.Label, with: with, body: body, delivery: true})
		answer, _, err := h.answer(d.Operation, with, body)
		refused, err := s.plan.Judge(ctx, d.Label, d, a.in, answer, err)
		if err != nil && (!s.plan.Tap(d.Label) || s.plan.Policy(fault.Of(err)).Do == route.DoRetry) {
			f := fault.Of(err)
			do := s.plan.Policy(f).Do
			if do == route.DoRetry || do == route.DoPause {
				left = append(left, d)
			}
			if failure == nil || weight(do) > weight(s.plan.Policy(failure).Do) {
				failure = f
			}
		}
		for _, c := range refused {
			p.err, p.class = c.Err, c.Err.Class
			if s.plan.Policy(c.Err).Do == route.DoHold {
				p.outcome = worse(journal.Held, p.outcome)
			}
		}
	}
	a.pending = left
	if failure != nil {
		do := s.plan.Policy(failure).Do
		if do == route.DoFilter {
			do = route.DoDeadLetter // it was wanted, and did not arrive
		}
		s.failed(a, failure, do, p)
		return
	}
	if p.outcome == "" {
		p.outcome = journal.Delivered
	}
	s.ended(a, p.outcome, p)
}

// weight says which of several failed deliveries decides how their message stands: what is tried again, then what is held.
func weight(do string) int {
	switch do {
	case route.DoRetry, route.DoPause:
		return 2
	case route.DoDeadLetter, route.DoFilter:
		return 0
	}
	return 1
}

func (s *stage) ended(a *actor, st journal.Status, p *performance) {
	a.status, p.outcome = st, st
	for i, o := range s.open {
		if o == a {
			s.open = append(s.open[:i:i], s.open[i+1:]...)
			break
		}
	}
}

func (s *stage) waits(a *actor, st journal.Status, p *performance) {
	a.status, p.outcome = st, st
	for _, o := range s.open {
		if o == a {
			return
		}
	}
	s.open = append(s.open, a)
}

// failed puts a failure through the route's policy.
func (s *stage) failed(a *actor, f *fault.Error, do string, p *performance) {
	p.err, p.class = f, f.Class
	if do == "" {
		do = s.plan.Policy(f).Do
	}
	switch do {
	case route.DoRetry, route.DoPause:
		if a.since.IsZero() {
			a.since = s.now
		}
		if s.now.Sub(a.since) >= s.plan.Retry.For {
			s.ended(a, journal.Dead, p)
			return
		}
		a.attempts++
		wait := s.plan.Retry.From
		for i := 1; i < a.attempts && wait < s.plan.Retry.To; i++ {
			wait *= 2
		}
		a.due = s.now.Add(max(min(wait, s.plan.Retry.To), f.RetryAfter))
		s.waits(a, journal.Retrying, p)
	case route.DoDeadLetter:
		s.ended(a, journal.Dead, p)
	case route.DoFilter:
		s.ended(a, journal.Filtered, p)
	default:
		s.waits(a, journal.Held, p)
	}
}

// judge compares a turn with what was expected of it.
func judge(t *rule.Turn, got performance) []Failure {
	e := &t.Expect
	var out []Failure
	fail := func(pos diag.Pos, what, want, is string) {
		f := Failure{Pos: pos, What: what, Want: want, Got: is}
		if got.err != nil {
			f.Note = "the message failed as " + string(got.err.Class) + ": " + got.err.Error()
		}
		out = append(out, f)
	}
	pos := e.Pos
	if pos.Line == 0 {
		pos = t.Pos
	}
	if e.Outcome != "" && e.Outcome != string(got.outcome) {
		fail(pos, "outcome", e.Outcome, string(got.outcome))
	}
	if e.Class != "" && e.Class != string(got.class) {
		fail(pos, "class", e.Class, orNone(string(got.class)))
	}
	if e.Error != "" && (got.err == nil || !strings.Contains(got.err.Error(), e.Error)) {
		text := "no failure"
		if got.err != nil {
			text = got.err.Error()
		}
		fail(pos, "error", e.Error, text)
	}
	if e.Key != "" && e.Key != got.key {
		fail(pos, "key", e.Key, orNone(got.key))
	}
	if e.ID != "" && e.ID != got.id {
		fail(pos, "id", e.ID, orNone(got.id))
	}
	cmp := func(n *bind.Node, v any, what string) {
		if n == nil {
			return
		}
		for _, m := range subset(n, v, what, e.Exactly) {
			fail(m.pos, m.path, m.want, m.got)
		}
	}
	cmp(e.Body, got.body, "body")
	cmp(e.Vars, any(got.vars), "vars")
	if e.Reply != nil {
		cmp(e.Reply, replyTree(got.reply), "reply")
	}
	if e.Sent != nil {
		out = append(out, compareMade(e.Sent, filterMade(got.made, true), "sent", e.Exactly, got.err)...)
	}
	if e.Calls != nil {
		out = append(out, compareMade(e.Calls, filterMade(got.made, false), "calls", e.Exactly, got.err)...)
	}
	if len(out) == 0 {
		for _, m := range got.missing {
			if e.Outcome == "" || e.Outcome == string(journal.Delivered) || e.Outcome == string(journal.Filtered) {
				fail(t.Pos, "calls", "an answer under given: calls:", m)
			}
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func replyTree(r *route.Reply) any {
	if r == nil {
		return nil
	}
	body, err := message.Decode(r.Body)
	if err != nil {
		body = string(r.Body)
	}
	headers := map[string]any{}
	for k, v := range r.Headers {
		headers[k] = v
	}
	return map[string]any{"status": r.Status, "body": body, "headers": headers, "type": r.Type}
}

func filterMade(all []made, delivery bool) []made {
	var out []made
	for _, m := range all {
		if m.delivery == delivery {
			out = append(out, m)
		}
	}
	return out
}

// compareMade compares a list of {to|call, with, body, exactly} with what was made, in order.
func compareMade(want *bind.Node, got []made, what string, exactly bool, failed *fault.Error) []Failure {
	note := ""
	if failed != nil {
		note = "the message failed as " + string(failed.Class) + ": " + failed.Error()
	}
	list := want.Items
	if want.Kind != bind.List {
		list = []*bind.Node{want}
		if want.Kind == bind.Null {
			list = nil
		}
	}
	var out []Failure
	if what == "sent" && len(list) != len(got) || len(list) > len(got) || len(list) == 0 && len(got) > 0 {
		var names []string
		for _, m := range got {
			names = append(names, m.operation+" "+show(m.body))
		}
		out = append(out, Failure{Pos: want.Pos, What: what, Want: fmt.Sprintf("%d", len(list)), Got: fmt.Sprintf("%d: %s", len(got), strings.Join(names, "; ")), Note: note})
	}
	at := 0
	for i, w := range list {
		name := w.Get("to")
		if name == nil {
			name = w.Get("call")
		}
		if name == nil {
			out = append(out, Failure{Pos: w.Pos, What: fmt.Sprintf("%s[%d]", what, i), Note: "say which operation: to: or call:"})
			continue
		}
		if what == "calls" { // others may lie between
			for at < len(got) && got[at].operation != name.Text {
				at++
			}
		}
		if at >= len(got) {
			out = append(out, Failure{Pos: w.Pos, What: fmt.Sprintf("%s[%d]", what, i), Want: name.Text, Got: "nothing more", Note: note})
			continue
		}
		m := got[at]
		at++
		path := fmt.Sprintf("%s[%d]", what, i)
		if m.operation != name.Text {
			out = append(out, Failure{Pos: name.Pos, What: path, Want: name.Text, Got: m.operation, Note: note})
			continue
		}
		exact := exactly
		if x := w.Get("exactly"); x != nil {
			exact = x.Text == "true"
		}
		for key, v := range map[string]any{"with": m.with, "body": m.body} {
			if n := w.Get(key); n != nil {
				for _, mm := range subset(n, v, path+"."+key, exact) {
					out = append(out, Failure{Pos: mm.pos, What: mm.path, Want: mm.want, Got: mm.got, Note: note})
				}
			}
		}
	}
	return out
}
