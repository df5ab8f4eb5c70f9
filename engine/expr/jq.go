package expr

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// maxJQ is the length of a jq program in bytes.
const maxJQ = 256 << 10

// jqCached is what decides how a program compiles.
type jqCached struct {
	hash  [32]byte
	dir   string
	where Where
}

// jqCode is a compiled program, wherever its text stands.
type jqCode struct {
	code     atomic.Pointer[gojq.Code]
	query    *gojq.Query // as it was compiled
	loader   *jqLoader
	patterns atomic.Int64 // regular expressions that messages gave
}

// compile makes the code of a program that has been checked.
func (j *jqCode) compile() error {
	code, err := gojq.Compile(j.query, j.loader.options(&j.patterns)...)
	if err == nil {
		j.patterns.Store(0)
		j.code.Store(code)
	}
	return err
}

// fresh is the code, compiled again where it keeps too many regular expressions.
func (j *jqCode) fresh() *gojq.Code {
	if j.patterns.Load() > freshAfter {
		j.loader.mu.Lock()
		defer j.loader.mu.Unlock()
		if j.patterns.Load() > freshAfter {
			_ = j.compile() // it compiled before; the old code goes on
		}
	}
	return j.code.Load()
}

// jqProgram is a compiled program with its place.
type jqProgram struct {
	c     *Compiler
	text  Text
	dir   string
	where Where
	code  *jqCode
}

func (p *jqProgram) Source() string { return p.text.Src }

// jqVariables are given to every program; what a place does not know is refused before.
var jqVariables = []string{"$headers", "$meta", "$vars", "$settings", "$error", "$status"}

// JQ compiles a program. dir is the folder of its document: modules are looked for from there.
func (c *Compiler) JQ(t Text, dir string, w Where) (_ JQ, errs diag.List) {
	if e, ok := t.exact(); !ok {
		return nil, diag.List{e}
	}
	defer func() {
		if p := recover(); p != nil {
			errs = diag.List{t.errorf(0, 1, "this jq program cannot be compiled").WithHint("write it in a simpler way")}
		}
	}()
	key := jqCached{sha256.Sum256([]byte(t.Src)), dir, w}
	c.mu.Lock()
	code := c.jq[key]
	c.mu.Unlock()
	if code == nil {
		if code, errs = c.compileJQ(t, dir, w, nil); code == nil {
			return nil, errs
		}
		if len(errs) == 0 { // warnings are told for every place
			c.mu.Lock()
			c.jq[key] = code
			c.mu.Unlock()
		}
	}
	return &jqProgram{c: c, text: t, dir: dir, where: w, code: code}, errs
}

// compileJQ reads, checks and compiles. With a trace, the program tells where it failed.
func (c *Compiler) compileJQ(t Text, dir string, w Where, trace *jqTrace) (*jqCode, diag.List) {
	if len(t.Src) > maxJQ {
		return nil, diag.List{t.errorf(0, 1, "a jq program has at most %d KB", maxJQ>>10)}
	}
	q, e, ok := parseJQ(t)
	if !ok {
		return nil, diag.List{e}
	}
	if q.Term == nil && q.Op == 0 {
		return nil, diag.List{t.errorf(len(strings.TrimRight(t.Src, " \n")), 1, "the program ends too early").WithHint("after the last def comes what to run, such as a single .")}
	}
	l := &jqLoader{c: c, w: w, src: t.Src, modules: map[string]*jqModule{}, data: map[string]any{}, tracing: trace}
	imported := l.imports(q, t, dir, nil)
	places := l.check(q, t, imported, true)
	if l.errs.Failed() {
		return nil, l.errs
	}
	bound(q)
	l.trace(q, t, places)
	code := &jqCode{query: q, loader: l}
	if err := code.compile(); err != nil {
		l.errs.Add(compileError(t, err))
		return nil, l.errs
	}
	return code, l.errs
}

// parseJQ reads a program. The offset of a syntax error is after its token.
func parseJQ(t Text) (*gojq.Query, diag.Error, bool) {
	if strings.TrimSpace(t.Src) == "" {
		return nil, t.errorf(0, 1, "there is no jq program here").WithHint("a single . passes the body on"), false
	}
	q, err := gojq.Parse(t.Src)
	if err == nil {
		return q, diag.Error{}, true
	}
	var pe *gojq.ParseError
	if !errors.As(err, &pe) {
		return nil, t.errorf(0, 1, "this jq program cannot be read"), false
	}
	at := max(pe.Offset-len(pe.Token), 0)
	return nil, jqSyntaxError(t, at, pe), false
}

// Run gives all outputs. It may be called concurrently.
func (p *jqProgram) Run(ctx context.Context, s *Scope) (out []any, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, p.fault(fault.FromPanic("jq", "a function got a value that it does not know"))
		}
	}()
	steps := newSteps(ctx, p.c.opts.Limits.JQSteps, p.c.deadline())
	it := p.code.fresh().RunWithContext(steps, s.Body, s.jqValues()...)
	out, size := []any{}, 0
	for {
		v, ok := it.Next()
		if !ok {
			return out, nil
		}
		if e, bad := v.(error); bad {
			if steps.err != nil {
				return nil, p.stopped(ctx, steps)
			}
			var h *gojq.HaltError
			if errors.As(e, &h) && h.Value() == nil {
				return out, nil
			}
			return nil, p.failed(ctx, s, e)
		}
		v, ok = tidy(v, &size, p.c.opts.Limits.JQOutput)
		if !ok {
			return nil, p.fault(fault.New(fault.Bug, "the result of jq is larger than %d MB", p.c.opts.Limits.JQOutput>>20))
		}
		out = append(out, v)
	}
}

// jqValues are those of jqVariables.
func (s *Scope) jqValues() []any {
	return []any{s.value("headers"), s.value("meta"), s.value("vars"), s.value("settings"), s.value("error"), s.Status}
}

// failed is the fault of an error, with the place in the program where it arose.
func (p *jqProgram) failed(ctx context.Context, s *Scope, e error) error {
	f := p.fault(jqFault(e))
	if f.Class == fault.Bug {
		if pos, ok := p.trace(ctx, s); ok {
			f.Place = pos.String()
		}
	}
	return f
}

func (p *jqProgram) fault(f *fault.Error) *fault.Error {
	f.Place = p.text.Pos.String()
	return f
}

// stopped says why a program was not let run to its end.
func (p *jqProgram) stopped(ctx context.Context, s *steps) error {
	switch {
	case errors.Is(s.err, errTooManySteps):
		return p.fault(fault.New(fault.Bug, "jq takes too long: more than %s steps; a loop may have no end", thousands(p.c.opts.Limits.JQSteps)))
	case errors.Is(s.err, errTooLong):
		return p.fault(fault.New(fault.Bug, "jq takes too long: more than %d s; a loop may have no end", p.c.opts.Limits.Seconds))
	case errors.Is(s.err, errTooMuchMemory):
		return p.fault(fault.New(fault.Bug, "jq takes too much memory: a loop or a recursion may have no end"))
	}
	return &fault.Error{Class: fault.Transient, Text: "jq was stopped before it had a result", Place: p.text.Pos.String(), Err: ctx.Err()}
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
