package expr

import (
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/diag"
)

// jqNames are the functions (name/arity), variables ($name) and labels (*name) in scope, the nearest first.
type jqNames struct {
	next *jqNames
	name string
}

func (n *jqNames) with(names ...string) *jqNames {
	for _, name := range names {
		n = &jqNames{n, name}
	}
	return n
}

func (n *jqNames) has(name string) bool {
	for ; n != nil; n = n.next {
		if n.name == name {
			return true
		}
	}
	return false
}

// like lists the names that begin with a sign; functions where sign is 0.
func (n *jqNames) like(sign byte) []string {
	var out []string
	for ; n != nil; n = n.next {
		if c := n.name[0]; c == sign || sign == 0 && c != '$' && c != '*' {
			out = append(out, n.name)
		}
	}
	return out
}

// jqCheck goes through a program in the order in which it is written. gojq's tree has no places: the n-th use of a name in
// the tree is its n-th use in the text.
type jqCheck struct {
	places jqPlaces
	last   int // where the last name stood
	l      *jqLoader
	t      Text
	tokens map[jqKind]map[string][]jqToken
	used   map[jqKind]map[string]int
	all    []jqToken
	done   int  // offset up to which an error has been told
	limits int  // how many of limit, first, until and the like are around
	wild   bool // an import failed: names with :: are not judged
}

// check finds names that are not there, and what has no bound or is not repeatable.
func (l *jqLoader) check(q *gojq.Query, t Text, imported jqImported, program bool) jqPlaces {
	c := &jqCheck{l: l, places: jqPlaces{}, t: t, all: jqTokens(t.Src), tokens: map[jqKind]map[string][]jqToken{}, used: map[jqKind]map[string]int{}}
	for _, tok := range c.all {
		m := c.tokens[tok.kind]
		if m == nil {
			m = map[string][]jqToken{}
			c.tokens[tok.kind] = m
		}
		m[tok.text] = append(m[tok.text], tok)
	}
	var names *jqNames
	for _, v := range l.w.names() {
		if v != "body" {
			names = names.with("$" + v)
		}
	}
	names = names.with(imported.vars...).with(imported.funcs...)
	c.wild = slices.ContainsFunc(imported.funcs, func(f string) bool { return strings.HasSuffix(f, "::*") })
	if !program {
		for _, fd := range q.FuncDefs {
			names = c.def(fd, names)
		}
		return c.places
	}
	c.query(q, names)
	return c.places
}

// next is the place of the next use of a name.
func (c *jqCheck) next(kind jqKind, name string) (at, length int) {
	if c.used[kind] == nil {
		c.used[kind] = map[string]int{}
	}
	n := c.used[kind][name]
	c.used[kind][name]++
	list := c.tokens[kind][name]
	if len(list) == 0 {
		return 0, 1
	}
	tok := list[min(n, len(list)-1)]
	c.last = tok.at
	return tok.at, tok.end - tok.at
}

func (c *jqCheck) add(at int, e diag.Error) {
	if at >= c.done {
		c.l.errs.Add(e)
	}
}

// def checks a definition, and gives the names with it.
func (c *jqCheck) def(f *gojq.FuncDef, names *jqNames) *jqNames {
	names = names.with(signature(f.Name, len(f.Args)))
	inner := names
	for _, a := range f.Args {
		if strings.HasPrefix(a, "$") {
			c.next(jqVar, a)
			inner = inner.with(a, signature(a[1:], 0))
		} else {
			inner = inner.with(signature(a, 0))
		}
	}
	limits := c.limits
	c.limits = 0
	c.query(f.Body, inner)
	c.limits = limits
	return names
}

func (c *jqCheck) query(q *gojq.Query, names *jqNames) {
	if q == nil {
		return
	}
	for _, f := range q.FuncDefs {
		names = c.def(f, names)
	}
	c.term(q.Term, names)
	c.query(q.Left, names)
	if sign, ok := calculates[q.Op]; ok {
		at, _ := c.next(jqSign, sign)
		c.places[q] = at
	}
	right := names
	for _, p := range q.Patterns {
		right = c.destructure(p, right)
	}
	c.query(q.Right, right)
	if q.Op == gojq.OpMul || q.Op == gojq.OpUpdateMul {
		c.repeat(q.Left, q.Right)
		c.repeat(q.Right, q.Left)
	}
}

func (c *jqCheck) queries(names *jqNames, qs ...*gojq.Query) {
	for _, q := range qs {
		c.query(q, names)
	}
}

func (c *jqCheck) term(t *gojq.Term, names *jqNames) {
	if t == nil {
		return
	}
	var top string
	var topAt int
	switch t.Type {
	case gojq.TermTypeFunc:
		top = t.Func.Name
		topAt = c.function(t, names)
		if top[0] != '$' {
			c.places[t] = topAt
		}
	case gojq.TermTypeIndex:
		if t.Index.Name != "" {
			c.next(jqField, t.Index.Name)
		}
		c.places[t] = c.last
		c.index(t.Index, names)
	case gojq.TermTypeObject:
		c.object(t.Object, names)
	case gojq.TermTypeArray:
		c.query(t.Array.Query, names)
	case gojq.TermTypeUnary:
		at, _ := c.next(jqSign, t.Unary.Op.String())
		c.places[t] = at
		c.term(t.Unary.Term, names)
	case gojq.TermTypeFormat:
		c.format(t.Format)
		c.str(t.Str, names)
	case gojq.TermTypeString:
		c.str(t.Str, names)
	case gojq.TermTypeIf:
		c.queries(names, t.If.Cond, t.If.Then)
		for _, e := range t.If.Elif {
			c.queries(names, e.Cond, e.Then)
		}
		c.query(t.If.Else, names)
	case gojq.TermTypeTry:
		c.queries(names, t.Try.Body, t.Try.Catch)
	case gojq.TermTypeReduce:
		c.query(t.Reduce.Query, names)
		inner := c.patterns(t.Reduce.Patterns, names)
		c.queries(inner, t.Reduce.Start, t.Reduce.Update)
	case gojq.TermTypeForeach:
		c.query(t.Foreach.Query, names)
		inner := c.patterns(t.Foreach.Patterns, names)
		c.queries(inner, t.Foreach.Start, t.Foreach.Update, t.Foreach.Extract)
	case gojq.TermTypeLabel:
		c.next(jqVar, t.Label.Ident)
		c.limits++
		c.query(t.Label.Body, names.with("*"+t.Label.Ident))
		c.limits--
	case gojq.TermTypeBreak:
		if at, n := c.next(jqVar, t.Break); !names.has("*" + t.Break) {
			c.add(at, c.t.errorf(at, n, "there is no label %s around this", t.Break))
		}
	case gojq.TermTypeQuery:
		c.query(t.Query, names)
	}
	for i, s := range t.SuffixList {
		if i == 0 && s.Index != nil && top != "" {
			c.member(top, topAt, s.Index)
		}
		if s.Index != nil && s.Index.Name != "" {
			c.next(jqField, s.Index.Name)
		}
		c.places[s] = c.last
		c.index(s.Index, names)
	}
}

func (c *jqCheck) patterns(ps []*gojq.Pattern, names *jqNames) *jqNames {
	for _, p := range ps {
		names = c.destructure(p, names)
	}
	return names
}

func (c *jqCheck) destructure(p *gojq.Pattern, names *jqNames) *jqNames {
	if p == nil {
		return names
	}
	if p.Name != "" {
		c.next(jqVar, p.Name)
		return names.with(p.Name)
	}
	for _, a := range p.Array {
		names = c.destructure(a, names)
	}
	for _, o := range p.Object {
		if strings.HasPrefix(o.Key, "$") {
			c.next(jqVar, o.Key)
			names = names.with(o.Key)
		}
		c.str(o.KeyString, names)
		c.query(o.KeyQuery, names)
		names = c.destructure(o.Val, names)
	}
	return names
}

func (c *jqCheck) str(s *gojq.String, names *jqNames) {
	if s != nil {
		c.queries(names, s.Queries...)
	}
}

func (c *jqCheck) object(o *gojq.Object, names *jqNames) {
	for _, kv := range o.KeyVals {
		if strings.HasPrefix(kv.Key, "$") {
			c.variable(kv.Key, names)
		}
		c.str(kv.KeyString, names)
		c.queries(names, kv.KeyQuery, kv.Val)
	}
}

func (c *jqCheck) index(i *gojq.Index, names *jqNames) {
	if i == nil {
		return
	}
	c.str(i.Str, names)
	if n, ok := literalNumber(i.Start); ok && n > maxIndex && !i.IsSlice {
		at, length := c.next(jqNumber, i.Start.Term.Number)
		c.add(at, c.t.errorf(at, length, "a list has no index above %d", maxIndex).
			WithHint("a list that is written to is filled up to its highest index; for a number as a name use a map: .[\"%s\"]", i.Start.Term.Number))
		return
	}
	c.queries(names, i.Start, i.End)
}

// member checks a field of $meta, $settings or $error.
func (c *jqCheck) member(top string, at int, i *gojq.Index) {
	name := i.Name
	if name == "" && i.Str != nil && len(i.Str.Queries) == 0 {
		name = i.Str.Str
	}
	if name == "" && i.Start != nil && i.Start.Term != nil && i.Start.Term.Type == gojq.TermTypeString && i.Start.Term.Str != nil && i.Start.Term.Str.Queries == nil {
		name = i.Start.Term.Str.Str
	}
	bare, ok := strings.CutPrefix(top, "$")
	if !ok || name == "" || !slices.Contains(c.l.w.names(), bare) {
		return
	}
	if n := strings.Index(c.t.Src[min(at+len(top), len(c.t.Src)):], name); n >= 0 {
		at += len(top) + n
	}
	if e, bad := c.l.c.unknownUnder(c.t, at, bare, name); bad {
		e.Text = strings.Replace(e.Text, "there is no "+bare, "there is no $"+bare, 1)
		e.Hint = strings.Replace(e.Hint, "is written "+bare, "is written $"+bare, 1)
		c.add(at, e)
		c.done = max(c.done, at+len(hyphened(c.t.Src[at:])))
	}
}

func (c *jqCheck) variable(name string, names *jqNames) int {
	at, n := c.next(jqVar, name)
	switch {
	case names.has(name) || name == "$__loc__":
	case name == "$ENV":
		c.add(at, c.t.errorf(at, n, "a route cannot read the environment").WithHint("put it into a system document, or use a setting of the pack"))
	case slices.Contains(jqVariables, name) || name == "$env" || name == "$secret" || name == "$body" || name == "$status":
		e := unknownName(c.t, at, name, c.l.w, nil)
		if name == "$body" {
			e.Text, e.Hint = "there is no $body: the body is what jq begins with", "write . or, further in, begin with . as $body |"
		}
		c.add(at, e)
	default:
		e := c.t.errorf(at, n, "there is no variable %s here", name)
		e.Hint = diag.DidYouMean(name, names.like('$'))
		c.add(at, e)
	}
	return at
}

// function checks a call or a variable, and gives its place.
func (c *jqCheck) function(t *gojq.Term, names *jqNames) int {
	f := t.Func
	if strings.HasPrefix(f.Name, "$") {
		at := c.variable(f.Name, names)
		if f.Name == "$__loc__" {
			c.location(t, at)
		}
		return at
	}
	at, n := c.next(jqCall, f.Name)
	sig := signature(f.Name, len(f.Args))
	bounds := slices.Contains([]string{"limit/2", "first/1", "until/2", "isempty/1", "any/1", "any/2", "all/1", "all/2", "nth/2", "IN/1", "IN/2"}, sig)
	own := names.has(sig)
	if !own {
		c.builtin(t, sig, at, n, names)
	}
	if bounds {
		c.limits++
	}
	c.queries(names, f.Args...)
	if bounds {
		c.limits--
	}
	switch _, literal := literalString(append(f.Args, nil)[0]); {
	case own:
	case sig == "setpath/2":
		f.Args[0] = thenJQ(f.Args[0], "_njia_path")
	case slices.Contains(jqPatterns, sig) && !literal:
		f.Args[0] = thenJQ(f.Args[0], "_njia_pattern")
	}
	return at
}

// location puts in what $__loc__ means.
func (c *jqCheck) location(t *gojq.Term, at int) {
	pos := c.t.At(at)
	suffix := t.SuffixList
	q, err := gojq.Parse("{file: " + quoteJQ(pos.File) + ", line: " + count(pos.Line, "")[:len(count(pos.Line, ""))-1] + "}")
	if err != nil {
		return
	}
	*t = *q.Term
	t.SuffixList = suffix
}
