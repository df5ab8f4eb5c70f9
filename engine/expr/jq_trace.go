package expr

import (
	"context"
	"strconv"

	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/diag"
)

// jqPlaces are the byte offsets of the parts of a program that can fail: *gojq.Term, *gojq.Suffix, and *gojq.Query of an
// operator.
type jqPlaces map[any]int

// calculates are the operators that can fail, and their signs.
var calculates = map[gojq.Operator]string{gojq.OpAdd: "+", gojq.OpSub: "-", gojq.OpMul: "*", gojq.OpDiv: "/", gojq.OpMod: "%"}

// jqTrace finds out where a program failed. gojq keeps no places, so a program that failed runs once more with a try around
// each part that can: the innermost that sees the error is the place.
type jqTrace struct {
	spots []diag.Pos
	value any // what was raised last
	spot  int // where; -1: nowhere yet
}

// tracedError is an error on its way out, seen by a try of ours. A catch of the program's gets the value that it would get.
type tracedError struct{ value any }

func (e *tracedError) Error() string { return "traced" }
func (e *tracedError) Value() any    { return e.value }

// trace runs the program again to find the place of its error.
func (p *jqProgram) trace(ctx context.Context, s *Scope) (pos diag.Pos, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			ok = false
		}
	}()
	t := &jqTrace{spot: -1}
	code, errs := p.c.compileJQ(p.text, p.dir, p.where, t)
	if code == nil || errs.Failed() {
		return diag.Pos{}, false
	}
	it := code.code.Load().RunWithContext(newSteps(ctx, p.c.opts.Limits.JQSteps, p.c.deadline()), s.Body, s.jqValues()...)
	for {
		v, more := it.Next()
		if !more {
			return diag.Pos{}, false
		}
		if _, bad := v.(error); bad {
			break
		}
	}
	if t.spot < 0 {
		return diag.Pos{}, false
	}
	return t.spots[t.spot], true
}

// atSpot is what the catch of a try of ours calls.
func (l *jqLoader) atSpot(v any, args []any) any {
	n, _ := args[0].(int)
	if t := l.tracing; t != nil && (t.spot < 0 || !equal(t.value, v)) {
		t.spot, t.value = n, v
	}
	return &tracedError{v}
}

// trace puts the tries in. Without a trace it does nothing.
func (l *jqLoader) trace(q *gojq.Query, t Text, places jqPlaces) {
	if l.tracing == nil {
		return
	}
	guarded := func(body *gojq.Query, at int) *gojq.Term {
		n := strconv.Itoa(len(l.tracing.spots))
		l.tracing.spots = append(l.tracing.spots, t.At(at))
		number := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeNumber, Number: n}}
		seen := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "_njia_at", Args: []*gojq.Query{number}}}}
		try := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeTry, Try: &gojq.Try{Body: body, Catch: seen}}}
		return &gojq.Term{Type: gojq.TermTypeQuery, Query: try}
	}
	walkJQ(q, func(q *gojq.Query) {
		if at, ok := places[q]; ok {
			inner := *q
			*q = gojq.Query{Term: guarded(&inner, at)}
		}
	}, func(term *gojq.Term) {
		at, ok := places[term]
		suffixes := term.SuffixList
		base := *term
		base.SuffixList = nil
		out := &base
		if ok {
			out = guarded(&gojq.Query{Term: &base}, at)
		}
		for _, s := range suffixes {
			next := *out
			next.SuffixList = append(next.SuffixList[:len(next.SuffixList):len(next.SuffixList)], s)
			out = &next
			if at, ok := places[s]; ok && !s.Optional {
				out = guarded(&gojq.Query{Term: &next}, at)
			}
		}
		*term = *out
	})
}
