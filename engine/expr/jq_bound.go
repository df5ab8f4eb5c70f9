package expr

import (
	"strconv"

	"github.com/itchyny/gojq"
)

// bound puts checks into a program before what one instruction could blow up: an index that is computed
// and a product that may repeat a text. gojq looks at its budget only between instructions.
func bound(q *gojq.Query) {
	walkJQ(q, func(q *gojq.Query) {
		if q.Op == gojq.OpMul && !smallNumber(q.Left) && !smallNumber(q.Right) {
			pair := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "_njia_mul", Args: []*gojq.Query{q.Left, q.Right}}}}
			product := &gojq.Query{Left: itemJQ("0"), Op: gojq.OpMul, Right: itemJQ("1")}
			*q = gojq.Query{FuncDefs: q.FuncDefs, Left: pair, Op: gojq.OpPipe, Right: product}
		}
	}, func(t *gojq.Term) {
		boundIndex(t.Index)
		for _, s := range t.SuffixList {
			boundIndex(s.Index)
		}
	})
}

func boundIndex(i *gojq.Index) {
	if i == nil || i.IsSlice || i.Start == nil || i.End != nil {
		return
	}
	if t := i.Start.Term; t != nil && len(t.SuffixList) == 0 && (t.Type == gojq.TermTypeNumber || t.Type == gojq.TermTypeString || t.Type == gojq.TermTypeUnary) {
		return
	}
	i.Start = thenJQ(i.Start, "_njia_index")
}

func thenJQ(q *gojq.Query, function string) *gojq.Query {
	return &gojq.Query{Left: q, Op: gojq.OpPipe, Right: &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: function}}}}
}

func itemJQ(n string) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIndex, Index: &gojq.Index{Start: &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeNumber, Number: n}}}}}
}

// smallNumber says that q is a number that is written out and repeats nothing to a dangerous size.
func smallNumber(q *gojq.Query) bool {
	n, ok := literalNumber(q)
	return ok && n <= 1000
}

func literalNumber(q *gojq.Query) (float64, bool) {
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeNumber || len(q.Term.SuffixList) > 0 {
		return 0, false
	}
	n, err := strconv.ParseFloat(q.Term.Number, 64)
	return n, err == nil
}

// walkJQ calls query and term on every part of q, the inner ones first.
func walkJQ(q *gojq.Query, query func(*gojq.Query), term func(*gojq.Term)) {
	if q == nil {
		return
	}
	for _, f := range q.FuncDefs {
		walkJQ(f.Body, query, term)
	}
	for _, p := range q.Patterns {
		walkPattern(p, query, term)
	}
	walkJQ(q.Left, query, term)
	walkJQ(q.Right, query, term)
	walkTerm(q.Term, query, term)
	query(q)
}

func walkTerm(t *gojq.Term, query func(*gojq.Query), term func(*gojq.Term)) {
	if t == nil {
		return
	}
	all := func(qs ...*gojq.Query) {
		for _, q := range qs {
			walkJQ(q, query, term)
		}
	}
	str := func(s *gojq.String) {
		if s != nil {
			all(s.Queries...)
		}
	}
	index := func(i *gojq.Index) {
		if i != nil {
			str(i.Str)
			all(i.Start, i.End)
		}
	}
	patterns := func(ps []*gojq.Pattern) {
		for _, p := range ps {
			walkPattern(p, query, term)
		}
	}
	index(t.Index)
	if t.Func != nil {
		all(t.Func.Args...)
	}
	if t.Object != nil {
		for _, kv := range t.Object.KeyVals {
			str(kv.KeyString)
			all(kv.KeyQuery, kv.Val)
		}
	}
	if t.Array != nil {
		all(t.Array.Query)
	}
	if t.Unary != nil {
		walkTerm(t.Unary.Term, query, term)
	}
	str(t.Str)
	if i := t.If; i != nil {
		all(i.Cond, i.Then)
		for _, e := range i.Elif {
			all(e.Cond, e.Then)
		}
		all(i.Else)
	}
	if t.Try != nil {
		all(t.Try.Body, t.Try.Catch)
	}
	if r := t.Reduce; r != nil {
		all(r.Query)
		patterns(r.Patterns)
		all(r.Start, r.Update)
	}
	if f := t.Foreach; f != nil {
		all(f.Query)
		patterns(f.Patterns)
		all(f.Start, f.Update, f.Extract)
	}
	if t.Label != nil {
		all(t.Label.Body)
	}
	all(t.Query)
	for _, s := range t.SuffixList {
		index(s.Index)
	}
	term(t)
}

func walkPattern(p *gojq.Pattern, query func(*gojq.Query), term func(*gojq.Term)) {
	for _, a := range p.Array {
		walkPattern(a, query, term)
	}
	for _, o := range p.Object {
		if o.KeyString != nil {
			for _, q := range o.KeyString.Queries {
				walkJQ(q, query, term)
			}
		}
		walkJQ(o.KeyQuery, query, term)
		if o.Val != nil {
			walkPattern(o.Val, query, term)
		}
	}
}
