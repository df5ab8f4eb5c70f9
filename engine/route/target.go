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

// target is a compiled call, delivery or tap.
type target struct {
	label   string
	op      Operation
	with    expr.Tree
	static  *bind.Node
	value   any // of a static with
	body    expr.JQ
	when    expr.Guard
	answers []answer
	items   expr.JQ
	expect  string
	as      string
	timeout time.Duration
	tap     bool
	place   diag.Pos
}

// answer is one line of answers.
type answer struct {
	when  expr.Guard
	class fault.Class // "" is ok
	text  expr.Template
}

// target compiles what a call and a delivery share. It gives nil after an error that makes the rest useless.
func (c *compiler) target(call *rule.Call, label string) *target {
	t := &target{label: label, expect: call.Expect, as: call.As, timeout: call.Timeout, place: call.OperationPos}
	op, found, hint := c.env.Operation(call.Operation)
	if !found {
		c.atPos(call.OperationPos, "there is no operation %q", call.Operation).hint("%s", hint)
	}
	t.op = op
	t.with = c.tree(call.With)
	if found && t.with != nil {
		c.errs.Add(op.Check(t.with.Holes())...)
		if t.with.Static() {
			t.static, t.value = t.with.Holes(), call.With.Value()
		}
	} else if found && call.With == nil {
		t.static = &bind.Node{Kind: bind.Map, Pos: call.OperationPos, Base: c.route.Node.Base}
		for _, e := range op.Check(t.static) {
			c.errs.Add(e)
		}
	}
	t.body = c.jq(call.Body)
	t.answers = append(c.answers(call.Answers, c.dir), c.answers(op.Answers, op.Dir)...)
	if call.Items != nil {
		old := c.where
		c.where = expr.InAnswer
		t.items = c.jq(call.Items)
		c.where = old
	}
	switch call.Expect {
	case "", "one", "many":
	default:
		c.atPos(call.OperationPos, "expect is one or many, this is %q", call.Expect)
	}
	c.plan.targets[label] = t
	if op.Writes {
		c.plan.Writes = c.plan.Writes || t.as != ""
	}
	return t
}

func (c *compiler) answers(list []rule.Answer, dir string) []answer {
	old, oldDir := c.where, c.dir
	c.where, c.dir = expr.InAnswer, dir
	defer func() { c.where, c.dir = old, oldDir }()
	var out []answer
	for _, a := range list {
		class := fault.Class(a.Class)
		if a.Class == "ok" {
			class = ""
		}
		out = append(out, answer{c.guard(a.When), class, c.template(a.Text)})
	}
	return out
}

// settings gives the with of one message.
func (t *target) settings(ctx context.Context, s *expr.Scope) (any, *bind.Node, error) {
	if t.static != nil {
		return t.value, t.static, nil
	}
	v, err := t.with.Eval(ctx, s)
	return v, nil, err
}

// content gives what is sent.
func (t *target) content(ctx context.Context, r *run) (body []byte, mediaType string, value any, err error) {
	if t.body == nil {
		if r.raw != nil {
			return r.raw, r.rawType, r.scope.Body, nil
		}
		b, mt, err := encode(r.scope.Body)
		if err != nil {
			return nil, "", nil, bugf(t.place, "the body %v", err)
		}
		return b, mt, r.scope.Body, nil
	}
	out, err := t.body.Run(ctx, &r.scope)
	if err != nil {
		return nil, "", nil, err
	}
	if len(out) != 1 {
		return nil, "", nil, bugf(t.place, "body gave %d results, expected one", len(out))
	}
	b, mt, err := encode(out[0])
	if err != nil {
		return nil, "", nil, bugf(t.place, "the body %v", err)
	}
	return b, mt, out[0], nil
}

// call compiles a call step.
func (c *compiler) call(call *rule.Call, in instr) {
	in.do = c.callStep(call, in.label)
	if t := c.plan.targets[in.label]; t != nil && t.op.Writes {
		c.plan.Writes = true
	}
	c.emit(in)
}

func (c *compiler) callStep(call *rule.Call, label string) func(context.Context, *run) (next, error) {
	t := c.target(call, label)
	return func(ctx context.Context, r *run) (next, error) {
		answer, err := t.ask(ctx, r)
		if err != nil {
			return goOn, err
		}
		v, err := answer.JSON()
		if err != nil {
			v = string(answer.Body)
		}
		if t.expect != "" {
			if v, err = expected(t.expect, v, t, r); err != nil {
				return goOn, err
			}
		}
		switch t.as {
		case "":
		case "body":
			r.setBody(v)
		default:
			r.setVar(t.as, v)
		}
		return goOn, nil
	}
}

// ask evaluates the settings, calls, and judges the answer.
func (t *target) ask(ctx context.Context, r *run) (message.Message, error) {
	with, node, err := t.settings(ctx, &r.scope)
	if err != nil {
		return message.Message{}, err
	}
	body, mt, value, err := t.content(ctx, r)
	if err != nil {
		return message.Message{}, err
	}
	r.sys = systemOf(t.op.Name)
	m := message.Message{ID: r.in.Message.ID.Child(t.label), Time: r.in.Message.Time, Event: r.in.Message.Event, Type: mt, Body: body, Value: value}
	answer, err := r.host.Call(ctx, Call{Label: t.label, Operation: t.op.Name, With: with, Node: node, Message: m, Timeout: t.timeout})
	return answer, t.judge(ctx, &r.scope, answer, err)
}

func systemOf(operation string) string {
	for i := range operation {
		if operation[i] == '.' {
			return operation[:i]
		}
	}
	return operation
}

// expected looks at what a search found.
func expected(want string, v any, t *target, r *run) (any, error) {
	list, ok := v.([]any)
	if !ok {
		if v == nil {
			list = nil
		} else {
			list = []any{v}
		}
	}
	switch {
	case len(list) == 0:
		return nil, &fault.Error{Class: fault.Unmapped, Text: fmt.Sprintf("%s (%s) found nothing, expected %s", t.op.Name, t.label, want), Map: t.op.Name}
	case want == "one" && len(list) > 1:
		return nil, fault.New(fault.Rejected, "%s (%s) found %d, expected one", t.op.Name, t.label, len(list))
	case want == "one":
		return list[0], nil
	}
	return list, nil
}

// deliver compiles a target of to or tap: an instruction that notes the delivery down.
func (c *compiler) deliver(tg rule.Target, s *rule.Step) {
	var label string
	if s != nil {
		label = s.Label
		for i := 1; c.plan.targets[label] != nil; i++ {
			label = fmt.Sprintf("%s[%d]", s.Label, i)
		}
	} else {
		for i := 0; ; i++ {
			if label = fmt.Sprintf("to[%d]", i); c.plan.targets[label] == nil {
				break
			}
		}
	}
	t := c.deliverAt(tg, s, label)
	if s != nil && s.Tap != nil {
		t.tap = true
	}
}

func (c *compiler) deliverAt(tg rule.Target, s *rule.Step, label string) *target {
	t := c.target(&tg.Call, label)
	t.when = c.guard(tg.When)
	kind := "to"
	if s != nil && s.Tap != nil {
		kind = "tap"
	}
	c.plan.labels[label] = len(c.plan.code)
	c.emit(instr{label: label, kind: kind, step: s, do: func(ctx context.Context, r *run) (next, error) {
		d, ok, err := t.delivery(ctx, r)
		if err != nil || !ok {
			if err != nil && t.tap { // its failure never stops the route
				r.note = fault.Of(err).Error()
				return goOn, nil
			}
			return goOn, err
		}
		r.note = t.op.Name
		r.out.Deliveries = append(r.out.Deliveries, d)
		return goOn, nil
	}})
	return t
}

func (t *target) delivery(ctx context.Context, r *run) (Delivery, bool, error) {
	if t.when != nil {
		ok, err := t.when.Eval(ctx, &r.scope)
		if err != nil || !ok {
			r.note = "not this target"
			return Delivery{}, false, err
		}
	}
	with, node, err := t.settings(ctx, &r.scope)
	if err != nil {
		return Delivery{}, false, err
	}
	body, mt, value, err := t.content(ctx, r)
	if err != nil {
		return Delivery{}, false, err
	}
	return Delivery{Label: t.label, Operation: t.op.Name, With: with, Node: node, Type: mt, Body: body, Value: value}, true, nil
}

// Tap says whether the delivery of that label is a copy whose failure stops nothing.
func (p *Plan) Tap(label string) bool {
	t := p.targets[label]
	return t != nil && t.tap
}

// Timeout is the one that the target of that label sets; 0 is the system's.
func (p *Plan) Timeout(label string) time.Duration {
	if t := p.targets[label]; t != nil {
		return t.timeout
	}
	return 0
}

// Static gives the settings of a target that are the same for every message, with their places; nil where they are not.
func (p *Plan) Static(label string) *bind.Node {
	if t := p.targets[label]; t != nil {
		return t.static
	}
	return nil
}

// Base is the folder that relative paths in the route's settings are relative to.
func (p *Plan) Base() string { return p.Route.Node.Base }

// Judges says whether answers: or items: of that target or its system look at how a delivery went.
func (p *Plan) Judges(label string) bool {
	t := p.targets[label]
	return t != nil && (len(t.answers) > 0 || t.items != nil)
}

// Simple says that a run needs no journal of its own: it makes no writing calls, splits nothing, waits nowhere and remembers no ids.
func (p *Plan) Simple() bool { return !p.Writes && !p.remembers }
