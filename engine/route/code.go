package route

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/rule"
)

// The steps of a route become a flat list of instructions, with jumps for branches. So the place where a split message or
// a waiting one goes on is one number, kept as the label of the instruction.

// instr is one instruction.
type instr struct {
	label string
	kind  string
	do    func(ctx context.Context, r *run) (next, error)
	then  int // where jumpThen goes
	// handler is the innermost rescue around it; -1 none.
	handler int
	step    *rule.Step
}

// handler is a rescue: the first branch whose guard is true takes the run over.
type handler struct {
	branches []rescueBranch
	outer    int
}

type rescueBranch struct {
	guard expr.Guard // nil: always
	at    int
}

// next says how the run goes on after an instruction.
type next uint8

const (
	goOn next = iota
	jumpThen
	endFiltered
	endDuplicate
	endDone
	endWaiting
)

// run is one message under way.
type run struct {
	plan  *Plan
	host  Host
	in    Input
	scope expr.Scope
	pc    int

	// raw is the body's bytes as long as no step has changed it, so that it leaves as it came.
	raw     []byte
	rawType string

	out  Outcome
	note string
	do   string
	sys  string
}

func (r *run) setBody(v any) {
	r.scope.Body, r.raw, r.rawType = v, nil, ""
}

func (r *run) setVar(name string, v any) {
	vars := maps.Clone(r.scope.Vars)
	if vars == nil {
		vars = map[string]any{}
	}
	vars[name] = v
	r.scope.Vars = vars
}

// Run takes m through the steps. It does not fail: a failure is an Outcome.
func (p *Plan) Run(ctx context.Context, host Host, in Input) Outcome {
	r := &run{plan: p, host: host, in: in}
	r.scope = p.scope(in)
	if err := r.start(); err != nil {
		r.out.Status, r.out.Err = Failed, err
		return r.out
	}
	r.loop(ctx)
	r.out.Body, r.out.Vars = r.scope.Body, r.scope.Vars
	return r.out
}

// start puts the run where it begins: the first step, a child's label, or the gate it waits at.
func (r *run) start() *fault.Error {
	p, in := r.plan, r.in
	switch {
	case in.Gate != nil:
		at, ok := p.labels[in.Gate.Label]
		if !ok {
			return fault.New(fault.Bug, "the route has no step %s any more, where this message waits; discard it and send it again", in.Gate.Label)
		}
		r.pc = at
		r.setBody(in.Gate.Body)
		r.scope.Vars = in.Gate.Vars
		r.out.Seen = append(r.out.Seen, in.Gate.Seen...)
		for _, d := range in.Gate.Deliveries {
			r.out.Deliveries = append(r.out.Deliveries, Delivery{Label: d.Label, Operation: d.Operation, Type: d.Type, With: d.With, Body: d.Body})
		}
		return nil
	case in.Resume != "":
		at, ok := p.labels[in.Resume]
		if !ok {
			return fault.New(fault.Bug, "the route has no step %s any more, where this part of message goes on; retry the message it came from", in.Resume)
		}
		r.pc = at
	}
	if in.Parsed {
		r.scope.Body = in.Body
	} else {
		v, err := p.format.parse(in.Message.Body)
		if in.Resume != "" { // a part is always JSON
			v, err = in.Message.JSON()
		}
		if err != nil {
			return fault.Of(err)
		}
		r.scope.Body = v
	}
	r.raw, r.rawType = in.Message.Body, in.Message.Type
	return nil
}

func (r *run) loop(ctx context.Context) {
	for r.pc < len(r.plan.code) {
		if err := ctx.Err(); err != nil {
			r.out.Status, r.out.Err = Failed, fault.New(fault.Transient, "stopped while the route was running")
			return
		}
		in := &r.plan.code[r.pc]
		n, err := r.exec(ctx, in)
		if err != nil {
			if r.rescue(ctx, in, fault.Of(err)) {
				continue
			}
			f := fault.Of(err)
			r.out.Status, r.out.Err, r.out.At, r.out.Do, r.out.System = Failed, f, in.label, r.do, r.sys
			return
		}
		switch n {
		case goOn:
			r.pc++
		case jumpThen:
			r.pc = in.then
		case endFiltered:
			r.out.Status, r.out.At = Filtered, in.label
			r.out.Deliveries = nil
			return
		case endDuplicate:
			r.out.Status, r.out.At = Duplicate, in.label
			r.out.Deliveries = nil
			return
		case endWaiting:
			r.out.Status, r.out.At = Waiting, in.label
			return
		case endDone:
			r.out.Status = Done
			return
		}
	}
	r.out.Status = Done
}

// exec does one instruction, traces it, and turns a panic into a bug.
func (r *run) exec(ctx context.Context, in *instr) (n next, err error) {
	if in.kind == "" { // a jump: nothing that a person wrote
		return in.do(ctx, r)
	}
	before, start := r.scope.Body, time.Time{}
	if r.in.Observer != nil {
		start = time.Now()
	}
	r.note, r.do, r.sys = "", "", ""
	defer func() {
		if p := recover(); p != nil {
			err = fault.FromPanic(in.label, p)
		}
		outcome := outcomeOf(n, err)
		t := Traced{Label: in.label, Outcome: outcome, Note: r.note}
		if !start.IsZero() {
			t.Took = time.Since(start)
		}
		if err != nil {
			t.Note = fault.Of(err).Error()
		}
		r.out.Trace = append(r.out.Trace, t)
		if r.in.Observer != nil {
			ev := StepEvent{Label: in.label, Kind: in.kind, Outcome: outcome, Note: t.Note, Before: before, After: r.scope.Body, Vars: r.scope.Vars}
			if err != nil {
				ev.Err = fault.Of(err)
			}
			r.in.Observer(ev)
		}
	}()
	return in.do(ctx, r)
}

func outcomeOf(n next, err error) string {
	switch {
	case err != nil:
		return "failed"
	case n == endFiltered:
		return "filtered"
	case n == endDuplicate:
		return "duplicate"
	case n == endWaiting:
		return "waiting"
	}
	return "passed"
}

// rescue finds the branch that takes f over, from the innermost rescue outwards.
func (r *run) rescue(ctx context.Context, in *instr, f *fault.Error) bool {
	for h := in.handler; h >= 0; h = r.plan.handlers[h].outer {
		r.scope.Error = errorScope(f)
		for _, b := range r.plan.handlers[h].branches {
			if b.guard != nil {
				ok, err := b.guard.Eval(ctx, &r.scope)
				if err != nil {
					r.out.Trace = append(r.out.Trace, Traced{Label: in.label + ".rescue", Outcome: "failed", Note: fault.Of(err).Error()})
					continue
				}
				if !ok {
					continue
				}
			}
			r.pc = b.at
			return true
		}
	}
	return false
}

// errorScope is what rules see of a failure.
func errorScope(f *fault.Error) map[string]any {
	m := map[string]any{"class": string(f.Class), "message": f.Error(), "status": nil, "body": nil}
	if f.Status != 0 {
		m["status"] = f.Status
	}
	if len(f.Answer) > 0 {
		if v, err := decodeAny(f.Answer); err == nil {
			m["body"] = v
		}
	}
	if f.Code != "" {
		m["code"], m["map"] = f.Code, f.Map
	}
	return m
}

func (p *Plan) scope(in Input) expr.Scope {
	headers := make(map[string]any, len(in.Message.Headers))
	for k, v := range in.Message.Headers {
		headers[k] = v
	}
	m := in.Message
	var event any
	if m.Event != "" {
		event = m.Event
	}
	vars := in.Vars
	if vars == nil {
		vars = map[string]any{}
	}
	settings := in.Settings
	if settings == nil {
		settings = p.env.Settings
	}
	return expr.Scope{
		Headers: headers, Vars: vars, Settings: settings, Error: in.Error,
		Meta: map[string]any{
			"id": string(m.ID), "route": p.Name, "source": in.Source, "time": m.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
			"attempt": max(in.Attempt, 1), "event": event, "engine": in.Engine, "rules": p.Rules,
		},
	}
}

func bugf(place fmt.Stringer, format string, args ...any) *fault.Error {
	f := fault.New(fault.Bug, format, args...)
	f.Place = place.String()
	return f
}
