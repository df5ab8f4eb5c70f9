package route

import (
	"context"
	"fmt"
	"time"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rule"
)

// steps compiles a list of steps one after the other.
func (c *compiler) steps(list []rule.Step) {
	for i := range list {
		c.step(&list[i])
	}
}

// typedSteps compiles the steps of a route: those before the first that can change the body know its schema, the others use
// plain.
func (c *compiler) typedSteps(list []rule.Step, plain *expr.Compiler) {
	for i := range list {
		s := &list[i]
		keeps := s.When != nil || s.Set != nil || s.Dedupe != nil || s.Validate != nil || s.Tap != nil || s.Call != nil && s.Call.As != "body"
		if !keeps || len(s.Rescue) > 0 {
			c.env.Expr = plain
		}
		c.step(s)
	}
	c.env.Expr = plain
}

// step compiles one step, inside the handler of its rescue.
func (c *compiler) step(s *rule.Step) {
	outer := c.handler
	if len(s.Rescue) > 0 {
		c.plan.handlers = append(c.plan.handlers, handler{outer: outer})
		c.handler = len(c.plan.handlers) - 1
	}
	mine := c.handler
	c.one(s)
	c.handler = outer
	if len(s.Rescue) == 0 {
		return
	}
	// The step went well: jump over the branches of its rescue.
	over := c.emit(instr{do: func(context.Context, *run) (next, error) { return jumpThen, nil }})
	var ends []int
	oldWhere := c.where
	c.where = expr.InRescue
	for i := range s.Rescue {
		b := &s.Rescue[i]
		rb := rescueBranch{guard: c.guard(b.When), at: len(c.plan.code)}
		c.plan.handlers[mine].branches = append(c.plan.handlers[mine].branches, rb)
		c.emit(instr{label: b.Label, kind: "rescue", do: func(context.Context, *run) (next, error) { return goOn, nil }})
		c.steps(b.Steps)
		ends = append(ends, c.emit(instr{do: func(context.Context, *run) (next, error) { return jumpThen, nil }}))
	}
	c.where = oldWhere
	end := len(c.plan.code)
	c.plan.code[over].then = end
	for _, e := range ends {
		c.plan.code[e].then = end
	}
	c.emit(instr{do: func(_ context.Context, r *run) (next, error) { r.scope.Error = r.in.Error; return goOn, nil }})
}

func (c *compiler) one(s *rule.Step) {
	in := instr{label: s.Label, kind: s.Name, step: s}
	c.plan.labels[s.Label] = len(c.plan.code)
	switch {
	case s.When != nil:
		g := c.guard(s.When)
		in.do = func(ctx context.Context, r *run) (next, error) {
			ok, err := g.Eval(ctx, &r.scope)
			if err == nil && !ok {
				return endFiltered, nil
			}
			return goOn, err
		}
	case s.JQ != nil:
		in.do = c.jqStep(s.JQ)
	case s.Set != nil:
		in.do = c.setStep(s.Set)
	case s.Call != nil:
		c.call(s.Call, in)
		return
	case s.Translate != nil:
		in.do = c.translateStep(s.Translate)
	case s.Validate != nil:
		in.do = c.validateStep(s.Validate)
	case s.Choose != nil:
		c.choose(s, in)
		return
	case s.Split != nil:
		c.split(s, in)
		return
	case s.Dedupe != nil:
		in.do = c.dedupeStep(s.Dedupe, s.Label)
	case s.Tap != nil:
		c.deliver(*s.Tap, s)
		return
	case s.Wait != nil:
		in.do = c.waitStep(s)
	case s.To != nil:
		for _, t := range s.To {
			c.deliver(t, s)
		}
		return
	default:
		c.atPos(s.Pos, "this step does nothing").hint("a step is one of when, jq, set, call, translate, validate, choose, split, dedupe, tap, wait, to")
		return
	}
	c.emit(in)
}

func (c *compiler) jqStep(n *bind.Node) func(context.Context, *run) (next, error) {
	q := c.jq(n)
	return func(ctx context.Context, r *run) (next, error) {
		out, err := q.Run(ctx, &r.scope)
		if err != nil {
			return goOn, err
		}
		switch len(out) {
		case 0:
			return endFiltered, nil
		case 1:
			r.setBody(out[0])
			return goOn, nil
		}
		return goOn, bugf(n.Pos, "the program gave %d results, a jq step gives one; use split to send each on by itself, or put [ ] around the program", len(out))
	}
}

// setStep puts values into vars, in the order they are written: later ones see earlier ones.
func (c *compiler) setStep(n *bind.Node) func(context.Context, *run) (next, error) {
	if n.Kind != bind.Map {
		c.at(n, "set is a map of names to values, this is %s", n.Kind)
		return nil
	}
	type value struct {
		name string
		tree expr.Tree
	}
	var values []value
	for i, k := range n.Keys {
		values = append(values, value{k.Name, c.tree(n.Items[i])})
	}
	return func(ctx context.Context, r *run) (next, error) {
		for _, v := range values {
			x, err := v.tree.Eval(ctx, &r.scope)
			if err != nil {
				return goOn, err
			}
			r.setVar(v.name, x)
		}
		return goOn, nil
	}
}

func (c *compiler) validateStep(n *bind.Node) func(context.Context, *run) (next, error) {
	if f := n.Get("fhir"); f != nil {
		c.at(f, "this version checks JSON Schemas, not FHIR profiles yet").hint("use { schema: file.schema.json }")
		return nil
	}
	s := n.Get("schema")
	if s == nil {
		c.at(n, "validate needs a schema").hint("write validate: { schema: file.schema.json }")
		return nil
	}
	sc := c.schema(s)
	return func(_ context.Context, r *run) (next, error) {
		if f := sc.validate(r.scope.Body); f != nil {
			return goOn, f
		}
		return goOn, nil
	}
}

// choose compiles the branches: the first whose guard is true is taken, and none is fine.
func (c *compiler) choose(s *rule.Step, head instr) {
	head.do = func(context.Context, *run) (next, error) { return goOn, nil }
	c.emit(head)
	var ends []int
	for i := range s.Choose {
		b := &s.Choose[i]
		if b.When == nil && i != len(s.Choose)-1 {
			c.atPos(b.Pos, "otherwise is the last branch; what follows is never reached")
		}
		g := c.guard(b.When)
		test := c.emit(instr{label: b.Label, kind: "when", do: func(ctx context.Context, r *run) (next, error) {
			if g == nil {
				return goOn, nil
			}
			ok, err := g.Eval(ctx, &r.scope)
			if err != nil {
				return goOn, err
			}
			if !ok {
				r.note = "not this branch"
				return jumpThen, nil
			}
			return goOn, nil
		}})
		c.steps(b.Steps)
		ends = append(ends, c.emit(instr{do: func(context.Context, *run) (next, error) { return jumpThen, nil }}))
		c.plan.code[test].then = len(c.plan.code)
	}
	for _, e := range ends {
		c.plan.code[e].then = len(c.plan.code)
	}
}

// split ends this run with a child for every output; each child goes on at the step after.
func (c *compiler) split(s *rule.Step, in instr) {
	q := c.jq(s.Split)
	resume := s.Label + ".next"
	in.do = func(ctx context.Context, r *run) (next, error) {
		out, err := q.Run(ctx, &r.scope)
		if err != nil {
			return goOn, err
		}
		if len(out) == 0 {
			return endFiltered, nil
		}
		r.note = fmt.Sprintf("%d parts", len(out))
		for i, v := range out {
			r.out.Children = append(r.out.Children, Child{N: i, Resume: resume, Body: v, Vars: r.scope.Vars})
		}
		return endDone, nil
	}
	c.emit(in)
	c.plan.labels[resume] = len(c.plan.code)
}

func (c *compiler) dedupeStep(d *rule.Dedupe, label string) func(context.Context, *run) (next, error) {
	by := c.template(d.By)
	scope := c.route.Name + "/" + label
	return func(ctx context.Context, r *run) (next, error) {
		id, err := text(ctx, by, &r.scope, "by")
		if err != nil || id == "" {
			return goOn, err
		}
		seen, err := r.host.Seen(ctx, scope, id)
		if err != nil {
			return goOn, err
		}
		if seen {
			return endDuplicate, nil
		}
		d := d.For
		if d == 0 {
			d = 7 * 24 * time.Hour
		}
		r.out.Seen = append(r.out.Seen, SeenID{Scope: scope, ID: id, For: d})
		return goOn, nil
	}
}

// waitStep is a gate: it asks, looks, and lets the message through or keeps it till the next look.
func (c *compiler) waitStep(s *rule.Step) func(context.Context, *run) (next, error) {
	w := s.Wait
	if w.Until == nil {
		c.atPos(s.Pos, "wait needs until: what it waits for").hint("write wait: { until: vars.bill.state == \"paid\", call: …, as: bill, every: 2m, for: 24h }")
		return nil
	}
	until := c.guard(w.Until)
	var ask func(context.Context, *run) (next, error)
	if w.Call != nil {
		if w.Call.As == "" || w.Call.As == "body" {
			c.atPos(w.Call.OperationPos, "a wait keeps the answer in vars: it needs as").hint("add as: NAME, and look at vars.NAME in until")
		}
		ask = c.callStep(w.Call, s.Label)
	}
	every, limit := w.Every, w.For
	if every <= 0 {
		every = time.Minute
	}
	if limit <= 0 {
		limit = 72 * time.Hour
	}
	return func(ctx context.Context, r *run) (next, error) {
		if ask != nil {
			if n, err := ask(ctx, r); n != goOn || err != nil {
				return n, err
			}
		}
		ok, err := until.Eval(ctx, &r.scope)
		if err != nil || ok {
			return goOn, err
		}
		now := r.host.Now()
		g := &Gate{Label: s.Label, Since: now, Body: r.scope.Body, Vars: r.scope.Vars, Looks: 1}
		if old := r.in.Gate; old != nil && old.Label == s.Label {
			g.Since, g.Looks = old.Since, old.Looks+1
		}
		if now.Sub(g.Since) >= limit {
			return goOn, fault.New(fault.Expired, "waited %s at %s, and it did not come true", limit, s.Label)
		}
		g.Due = now.Add(every)
		if end := g.Since.Add(limit); g.Due.After(end) {
			g.Due = end
		}
		for _, d := range r.out.Deliveries {
			g.Deliveries = append(g.Deliveries, GateDelivery{Label: d.Label, Operation: d.Operation, Type: d.Type, With: d.With, Body: d.Body})
		}
		g.Seen = r.out.Seen
		r.out.Deliveries, r.out.Seen, r.out.Gate = nil, nil, g
		return endWaiting, nil
	}
}

// decodeAny reads a system's answer: JSON, or else its text.
func decodeAny(b []byte) (any, error) {
	v, err := message.Decode(b)
	if err != nil {
		return string(b), nil
	}
	return v, nil
}

func placeOf(n *bind.Node, otherwise diag.Pos) diag.Pos {
	if n == nil {
		return otherwise
	}
	return n.Pos
}
