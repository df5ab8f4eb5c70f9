package expr

import (
	"context"
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// maxGuard is the length of a guard in characters.
const maxGuard = 20_000

// guard is a compiled CEL expression.
type guard struct {
	text    Text
	where   Where
	program cel.Program
	always  *bool // of the texts true and false
	limit   uint64
	tracked func() (cel.Program, *guardTree)
}

func (g *guard) Source() string { return g.text.Src }

// Guard compiles a yes/no. It checks the text as it is written, then plans one in which what is absent is null.
func (c *Compiler) Guard(t Text, w Where) (_ Guard, errs diag.List) {
	if e, ok := t.exact(); !ok {
		return nil, diag.List{e}
	}
	if t.Src == "true" || t.Src == "false" {
		b := t.Src == "true"
		return &guard{text: t, where: w, always: &b}, nil
	}
	defer func() {
		if p := recover(); p != nil {
			errs = diag.List{t.errorf(0, len(t.Src), "this guard cannot be compiled").WithHint("write it in a simpler way")}
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	env, err := c.celFor(w)
	if err != nil {
		return nil, diag.List{t.errorf(0, 1, "guards cannot be compiled: %v", err)}
	}
	return env.compile(c, t)
}

func (e *celEnv) compile(c *Compiler, t Text) (Guard, diag.List) {
	if len(t.Src) > maxGuard {
		return nil, diag.List{t.errorf(0, 1, "a guard has at most %d characters, this has %d", maxGuard, len(t.Src)).WithHint("do the work in jq, and test its result")}
	}
	parsed, iss := e.env.Parse(t.Src)
	if iss.Err() != nil {
		return nil, syntaxErrors(t, iss)
	}
	names := nameCheck{c: c, shapes: map[string]*Shape{}, t: t, w: e.where, info: parsed.NativeRep().SourceInfo()}
	names.walk(parsed.NativeRep().Expr(), nil)
	checked, iss := e.env.Check(parsed)
	if iss.Err() != nil {
		names.errs.Add(typeErrors(t, iss, names)...)
	}
	if names.errs.Failed() {
		return nil, names.errs
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, append(names.errs, t.errorf(0, len(firstLine(t.Src)), "a guard is true or false, this is %s", celTypeName(out)).WithHint("%s", compareHint(t.Src, out)))
	}
	again, _ := e.env.Parse(t.Src) // ASTs are rewritten in place
	absent(again.NativeRep(), checked.NativeRep())
	planned, iss := e.env.Check(again)
	if iss.Err() != nil {
		return nil, append(names.errs, t.errorf(0, 1, "this guard cannot be compiled").WithHint("write it in a simpler way"))
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize), cel.InterruptCheckFrequency(100)}
	if loops(planned.NativeRep().Expr()) { // counting costs as much as a small guard; without a loop its length is its bound
		options = append(options, cel.CostLimit(e.c.opts.Limits.GuardCost))
	}
	program, err := e.env.Program(planned, options...)
	if err != nil {
		return nil, append(names.errs, planError(t, err))
	}
	g := &guard{text: t, where: e.where, program: program, limit: e.c.opts.Limits.GuardCost}
	g.tracked = func() (cel.Program, *guardTree) {
		p, err := e.env.Program(planned, cel.EvalOptions(cel.OptTrackState), cel.CostLimit(e.c.opts.Limits.GuardCost))
		if err != nil {
			return nil, nil
		}
		return p, newGuardTree(parsed.NativeRep(), planned.NativeRep())
	}
	return g, names.errs
}

// loops says whether a guard goes through a list.
func loops(e ast.Expr) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) { found = found || e.Kind() == ast.ComprehensionKind }))
	return found
}

// Eval answers. It may be called concurrently.
func (g *guard) Eval(ctx context.Context, s *Scope) (bool, error) {
	if g.always != nil {
		return *g.always, nil
	}
	out, _, err := g.program.ContextEval(ctx, guardVars{s})
	if err != nil {
		return false, g.failed(ctx, s, err)
	}
	if b, ok := out.(types.Bool); ok {
		return bool(b), nil
	}
	f := fault.New(fault.Bug, "a guard is true or false, this gave %s", typeName(fromCEL(out)))
	if out == types.NullValue {
		f.Text = "a guard is true or false, this gave null: what it reads is absent; write == true after it if absent means no"
	}
	f.Place = g.text.Pos.String()
	return false, f
}

// failed says why an evaluation ended in an error.
func (g *guard) failed(ctx context.Context, s *Scope, err error) error {
	f := &fault.Error{Class: fault.Bug, Place: g.text.Pos.String()}
	var cancelled interpreter.EvalCancelledError
	var call *callError
	switch {
	case ctx.Err() != nil:
		return &fault.Error{Class: fault.Transient, Text: "the guard was stopped before it had an answer", Place: f.Place, Err: ctx.Err()}
	case errors.As(err, &cancelled):
		f.Text = fmt.Sprintf("the guard takes too long: it costs more than %d steps; do the work in jq, and test its result", g.limit)
		return f
	case errors.As(err, &call):
		f.Text = call.text
	default:
		f.Text = guardErrorText(err)
	}
	g.explain(s, f)
	return f
}

// guardVars are the names that a guard sees.
type guardVars struct{ s *Scope }

func (v guardVars) ResolveName(name string) (any, bool) {
	switch name {
	case "body", "headers", "meta", "vars", "settings", "error", "status", "now":
		return v.s.value(name), true
	}
	return nil, false
}

func (v guardVars) Parent() interpreter.Activation { return nil }
