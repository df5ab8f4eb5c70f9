package route

import (
	"context"
	"fmt"
	slashpath "path"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/rule"
)

// compiler builds one plan, and gathers everything that is wrong on the way.
type compiler struct {
	env   Env
	route *rule.Route
	plan  *Plan
	errs  diag.List
	dir   string
	where expr.Where

	handler int // of the instructions being made
}

// Compile makes a plan of a route. With errors that are more than warnings, the plan is nil.
func Compile(r *rule.Route, env Env) (*Plan, diag.List) {
	c := &compiler{env: env, route: r, dir: slashpath.Dir(r.File), handler: -1, plan: &Plan{
		Name: r.Name, Rules: env.Rules, Route: r, env: env,
		labels: map[string]int{}, targets: map[string]*target{}, keys: map[string]expr.Template{},
	}}
	plain := c.env.Expr
	c.head()
	c.typedSteps(r.Steps, plain)
	for _, t := range r.To {
		c.deliver(t, nil)
	}
	c.emit(instr{label: "end", kind: "", do: func(context.Context, *run) (next, error) { return endDone, nil }})
	c.replies()
	c.failures()
	c.shape()
	c.errs.Sort()
	if c.errs.Failed() {
		return nil, c.errs
	}
	return c.plan, c.errs
}

// head compiles what judges a message before its steps.
func (c *compiler) head() {
	r, p := c.route, c.plan
	name := r.Accept
	if name == "" {
		name = c.env.Accept
	}
	if name == "" {
		name = "json"
	}
	f, ok := findFormat(name)
	switch {
	case ok:
		p.format = f
	default:
		pos := r.Pos
		if n := r.Node.Get("accept"); n != nil {
			pos = n.Pos
		}
		e := diag.Errorf(pos, "accept knows no format %q", name)
		e.Hint = diag.DidYouMean(name, formatNames())
		for _, l := range laterFormats {
			if l == name {
				e = diag.Errorf(pos, "this version cannot parse %s yet", name).WithHint("accept: text keeps the message as it is, for jq to take apart")
			}
		}
		c.errs.Add(e)
	}
	if r.Schema != nil {
		if p.schema = c.schema(r.Schema); p.schema != nil {
			c.env.Expr = c.env.Expr.WithBody(expr.ShapeOf(p.schema.tree)) // until a step gives the body another shape
		}
	}
	p.id = c.template(r.ID)
	p.key = c.template(r.Key)
	if r.Keys != nil {
		for i, k := range r.Keys.Keys {
			if t := c.template(r.Keys.Items[i]); t != nil {
				p.keys[k.Name] = t
			}
		}
	}
	p.when = c.guard(r.When)

	p.Retry = Retry{From: 2 * time.Second, To: 15 * time.Minute, For: 72 * time.Hour}
	if c.env.Engine != nil {
		p.Retry = p.Retry.With(c.env.Engine.Retry)
	}
	p.Retry = p.Retry.With(r.Retry)
	p.Remember = r.Remember
	if p.Remember == 0 && c.env.Engine != nil {
		p.Remember = c.env.Engine.Remember
	}
	if p.Remember == 0 {
		p.Remember = 7 * 24 * time.Hour
	}
	p.MaxBody = int64(r.MaxBody)
	if p.MaxBody == 0 && c.env.Engine != nil {
		p.MaxBody = int64(c.env.Engine.MaxBody)
	}
	if p.MaxBody == 0 {
		p.MaxBody = 10 << 20
	}
	p.Expire = r.Expire
	p.Direct = r.Ack == "delivered"
	p.Strict = r.Key != nil && r.Order != "none"
	p.PassHeld = r.Order == "pass-held"
	if r.Order != "" && r.Key == nil && r.Order != "none" {
		c.at(r.Node.Get("order"), "order: %s needs a key to order by", r.Order).hint("add key: ${…}, such as the patient's reference")
	}
}

// With is r with what o says put over it; o may be nil.
func (r Retry) With(o *rule.Retry) Retry {
	if o == nil {
		return r
	}
	if o.Backoff.From > 0 {
		r.From, r.To = o.Backoff.From, max(o.Backoff.To, o.Backoff.From)
	}
	if o.For > 0 {
		r.For = o.For
	}
	return r
}

// shape works out what the engine may take for granted about every run.
func (c *compiler) shape() {
	p := c.plan
	n := 0
	for _, in := range p.code {
		switch in.kind {
		case "to", "tap":
			n++
		case "dedupe":
			p.remembers = true
		case "wait", "split":
			p.Writes = true
		}
	}
	p.Single = n <= 1
}

type problem struct{ e *diag.Error }

func (p problem) hint(format string, args ...any) { p.e.Hint = fmt.Sprintf(format, args...) }

// at reports a fault at n, or at the route where n is nil.
func (c *compiler) at(n *bind.Node, format string, args ...any) problem {
	pos := c.route.Pos
	if n != nil {
		pos = n.Pos
	}
	return c.atPos(pos, format, args...)
}

func (c *compiler) atPos(pos diag.Pos, format string, args ...any) problem {
	c.errs.Add(diag.Errorf(pos, format, args...))
	return problem{&c.errs[len(c.errs)-1]}
}

func (c *compiler) text(n *bind.Node) (expr.Text, bool) {
	t, errs := expr.NewText(n)
	c.errs.Add(errs...)
	return t, !errs.Failed()
}

func (c *compiler) guard(n *bind.Node) expr.Guard {
	if n == nil {
		return nil
	}
	t, ok := c.text(n)
	if !ok {
		return nil
	}
	g, errs := c.env.Expr.Guard(t, c.where)
	c.errs.Add(errs...)
	return g
}

func (c *compiler) template(n *bind.Node) expr.Template {
	if n == nil {
		return nil
	}
	t, ok := c.text(n)
	if !ok {
		return nil
	}
	g, errs := c.env.Expr.Template(t, c.where)
	c.errs.Add(errs...)
	return g
}

// jq compiles a program written in place, or the name of a .jq file.
func (c *compiler) jq(n *bind.Node) expr.JQ {
	if n == nil {
		return nil
	}
	if n.Kind == bind.String && n.Style != bind.Literal && strings.HasSuffix(n.Text, ".jq") && !strings.ContainsAny(n.Text, " |({\"") {
		src, file, err := c.env.File(&c.route.Doc, n.Text)
		if err != nil {
			c.at(n, "%v", err)
			return nil
		}
		p, errs := c.env.Expr.JQ(expr.Text{Src: string(src), Pos: diag.Pos{File: file, Line: 1, Col: 1}, Indent: 1}, slashpath.Dir(file), c.where)
		c.errs.Add(errs...)
		return p
	}
	t, ok := c.text(n)
	if !ok {
		return nil
	}
	p, errs := c.env.Expr.JQ(t, c.dir, c.where)
	c.errs.Add(errs...)
	return p
}

func (c *compiler) tree(n *bind.Node) expr.Tree {
	if n == nil {
		return nil
	}
	t, errs := c.env.Expr.Tree(n, c.dir, c.where)
	c.errs.Add(errs...)
	return t
}

func (c *compiler) schema(n *bind.Node) *schema {
	if n.Kind == bind.String {
		src, file, err := c.env.File(&c.route.Doc, n.Text)
		if err != nil {
			c.at(n, "%v", err)
			return nil
		}
		s, err := compileSchema(file, src)
		if err != nil {
			c.at(n, "%v", err)
			return nil
		}
		return s
	}
	if n.Kind != bind.Map {
		c.at(n, "a schema is a file or a JSON Schema written in place, this is %s", n.Kind)
		return nil
	}
	src, _, err := encode(n.Value())
	if err == nil {
		var s *schema
		if s, err = compileSchema("the schema at "+n.Pos.String(), src); err == nil {
			return s
		}
	}
	c.at(n, "%v", err)
	return nil
}

func (c *compiler) emit(in instr) int {
	in.handler = c.handler
	c.plan.code = append(c.plan.code, in)
	return len(c.plan.code) - 1
}

// failures compiles on:, with the blocks that tell somebody.
func (c *compiler) failures() {
	p := c.plan
	p.policy = map[fault.Class]Policy{
		fault.Transient: {Do: DoRetry}, fault.Rejected: {Do: DoDeadLetter}, fault.Unauthorized: {Do: DoPause}, fault.Unmapped: {Do: DoHold},
		fault.Invalid: {Do: DoDeadLetter}, fault.Conflict: {Do: DoHold}, fault.Bug: {Do: DoHold}, fault.Expired: {Do: DoDeadLetter}, fault.Unknown: {Do: DoHold},
	}
	if e := c.env.Engine; e != nil {
		for class, n := range e.On {
			c.on(fault.Class(class), n.Text, n.Pos)
		}
	}
	for class, on := range c.route.On {
		if on.Do != "" {
			c.on(fault.Class(class), on.Do, on.Pos)
		}
		if on.To != nil {
			label := "on." + class
			old := c.where
			c.where = expr.InRescue
			start := len(p.code)
			c.deliverAt(*on.To, nil, label)
			c.where = old
			c.emit(instr{label: label + ".end", do: func(context.Context, *run) (next, error) { return endDone, nil }})
			p.labels[label] = start
			pol := p.policy[fault.Class(class)]
			pol.Alert = label
			p.policy[fault.Class(class)] = pol
		}
	}
}

func (c *compiler) on(class fault.Class, do string, pos diag.Pos) {
	pol, ok := c.plan.policy[class]
	if !ok {
		names := make([]string, len(fault.Classes))
		for i, k := range fault.Classes {
			names[i] = string(k)
		}
		c.atPos(pos, "%q is no failure class", class).hint("%s", diag.DidYouMean(string(class), names))
		return
	}
	switch do {
	case DoRetry, DoHold, DoDeadLetter, DoFilter:
		pol.Do = do
		c.plan.policy[class] = pol
	default:
		c.atPos(pos, "a failure can be answered with retry, hold, dead-letter, filter or { to: … }, this is %q", do).
			hint("%s", diag.DidYouMean(do, []string{DoRetry, DoHold, DoDeadLetter, DoFilter}))
	}
}
