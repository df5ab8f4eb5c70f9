package expr

import (
	"regexp"
	"slices"
	"strings"
	"sync"

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

// jqPatterns are the functions whose first argument is a regular expression.
var jqPatterns = []string{"test/1", "test/2", "match/1", "match/2", "capture/1", "capture/2", "scan/1", "scan/2", "split/2", "splits/1", "splits/2", "sub/2", "sub/3", "gsub/2", "gsub/3"}

// pattern refuses a regular expression that is written out and cannot be read.
func (c *jqCheck) pattern(q *gojq.Query, f string) {
	s, ok := literalString(q)
	if !ok {
		return
	}
	if _, err := regexp.Compile(s); err != nil {
		at, n := c.peek(jqString, quoteJQ(s))
		c.add(at, c.t.errorf(at, n, "%s: this regular expression cannot be read", f).WithHint("jq here knows RE2 expressions, without look-ahead and back references"))
	}
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

// builtin checks a function that the program does not define itself.
func (c *jqCheck) builtin(t *gojq.Term, sig string, at, n int, names *jqNames) {
	name := t.Func.Name
	if ban, ok := jqBanned[name]; ok {
		e := c.t.errorf(at, n, "%s", ban.text)
		e.Hint, e.Warning = ban.hint, ban.warning
		c.add(at, e)
		return
	}
	if !builtinJQ()[sig] {
		if alias, _, ok := strings.Cut(name, "::"); ok && (c.wild && names.has(alias+"::*") || c.wild) {
			return
		}
		c.undefined(t.Func, at, n, names)
		return
	}
	switch {
	case sig == "lookup/2" || sig == "lookup/1":
		if s, ok := literalString(t.Func.Args[0]); ok {
			at, n := c.peek(jqString, `"`+s+`"`)
			if e, bad := c.l.c.unknownMap(c.t, at, n, s); bad {
				c.add(at, e)
			}
		}
	case (sig == "repeat/1" || sig == "range/1" && isCall(t.Func.Args[0], "infinite") || sig == "range/2" && isCall(t.Func.Args[1], "infinite")) && c.limits == 0:
		e := c.t.errorf(at, n, "%s has no end here", name).WithHint("put it into limit(100; …), first(…) or until(…; …)")
		e.Warning = true
		c.add(at, e)
	case sig == "setpath/2":
		c.setpath(t.Func.Args[0])
	case slices.Contains(jqPatterns, sig):
		c.pattern(t.Func.Args[0], name)
	}
}

// peek is the place of the next use of a name, which stays the next.
func (c *jqCheck) peek(kind jqKind, name string) (at, length int) {
	at, length = c.next(kind, name)
	c.used[kind][name]--
	return at, length
}

// setpath refuses a path that is written out and has a huge index.
func (c *jqCheck) setpath(q *gojq.Query) {
	walkJQ(q, func(q *gojq.Query) {
		if n, ok := literalNumber(q); ok && n > maxIndex {
			at, length := c.peek(jqNumber, q.Term.Number)
			c.add(at, c.t.errorf(at, length, "a list has no index above %d", maxIndex))
		}
	}, func(*gojq.Term) {})
}

// repeat refuses a text that is repeated a huge number of times.
func (c *jqCheck) repeat(s, by *gojq.Query) {
	text, isText := literalString(s)
	n, isNumber := literalNumber(by)
	if isText && isNumber && n*float64(max(len(text), 1)) > maxRepeat {
		at, length := c.place(jqNumber, by.Term.Number)
		c.add(at, c.t.errorf(at, length, "a text cannot be repeated to more than %d MB", maxRepeat>>20))
	}
}

// place is the first use of a name.
func (c *jqCheck) place(kind jqKind, name string) (int, int) {
	if list := c.tokens[kind][name]; len(list) > 0 {
		return list[0].at, list[0].end - list[0].at
	}
	return 0, 1
}

var jqFormats = []string{"@text", "@json", "@html", "@uri", "@urid", "@csv", "@tsv", "@sh", "@base64", "@base64d"}

func (c *jqCheck) format(name string) {
	at, n := c.next(jqFormat, name)
	if !slices.Contains(jqFormats, name) {
		e := c.t.errorf(at, n, "there is no format %s", name)
		e.Hint = diag.DidYouMean(name, jqFormats)
		c.add(at, e)
	}
}

// undefined says that a function is not there, or not with so many arguments.
func (c *jqCheck) undefined(f *gojq.Func, at, n int, names *jqNames) {
	known := names.like(0)
	for sig := range builtinJQ() {
		known = append(known, sig)
	}
	var arities, others []string
	for _, sig := range known {
		name, arity, _ := strings.Cut(sig, "/")
		if name == f.Name && !slices.Contains(arities, arity) {
			arities = append(arities, arity)
		}
		if !strings.HasPrefix(name, "_") && !strings.HasSuffix(name, "*") {
			others = append(others, name)
		}
	}
	if len(arities) > 0 {
		slices.Sort(arities)
		e := c.t.errorf(at, n, "%s does not take %s", f.Name, count(len(f.Args), "argument"))
		e.Hint = "it takes " + strings.Join(arities, " or ")
		if fn, ok := functionNamed(f.Name); ok {
			e.Hint = "write it as " + strings.ReplaceAll(fn.Signature(), ",", ";") + ", or as " + fn.JQ() + " after a |"
		} else if arities[0] == "0" && len(arities) == 1 {
			e.Hint = "it takes none: what it works on comes before, as in … | " + f.Name
		}
		c.add(at, e)
		return
	}
	e := c.t.errorf(at, n, "there is no function %q", f.Name)
	if h, ok := jqHints[f.Name]; ok {
		e.Hint = h
	} else if alias, name, ok := strings.Cut(f.Name, "::"); ok && !slices.ContainsFunc(known, func(s string) bool { return strings.HasPrefix(s, alias+"::") }) {
		e.Hint = "import its module first: import \"" + alias + "\" as " + alias + ";"
		_ = name
	} else if near := diag.Nearest(f.Name, others); near != "" {
		e.Hint = "did you mean \"" + near + "\"?"
	} else if slices.Contains(c.l.w.names(), f.Name) {
		e.Hint = "in jq it is called $" + f.Name
	}
	if f.Name == "body" {
		e.Hint = "the body is what jq begins with: write ."
	} else if slices.Contains(c.l.w.names(), f.Name) {
		e.Hint = "in jq it is called $" + f.Name
	}
	c.add(at, e)
}

// jqHints are what people know by another name.
var jqHints = map[string]string{
	"size": "length counts", "len": "length counts", "exists": "any(.[]; …) asks whether one is", "filter": "map(select(…)) keeps some",
	"lower": "ascii_downcase", "upper": "ascii_upcase", "contains_any": "any(.[]; . == …)", "substring": "slice it: .[0:3]", "uuid": "uuid5(name) makes one that is the same in every run",
	"random": "rules give the same in every run: uuid5(name) or sha256(s)", "forEach": "map(…)", "null_or": "// gives another value for null",
}

// jqBanned is what programs may not, or should not, call.
var jqBanned = map[string]struct {
	text, hint string
	warning    bool
}{
	"env":               {text: "a route cannot read the environment", hint: "put it into a system document, or use a setting of the pack"},
	"input":             {text: "there is one input, the body: input has nothing to read", hint: "the body is ."},
	"inputs":            {text: "there is one input, the body: inputs has nothing to read", hint: "the body is ."},
	"modulemeta":        {text: "modules cannot be asked about themselves here"},
	"get_search_list":   {text: "modules are looked for in the folder of the document, and above it"},
	"input_filename":    {text: "the body comes from no file", hint: "a source may give its name in $headers"},
	"localtime":         {text: "localtime depends on the zone of the machine", hint: "use gmtime, or date_format(.; \"%H:%M\"; \"Africa/Nairobi\")", warning: true},
	"strflocaltime":     {text: "strflocaltime depends on the zone of the machine", hint: "use date_format(.; \"%H:%M\"; \"Africa/Nairobi\")", warning: true},
	"mktime":            {text: "mktime makes 1 March of 30 February", hint: "date(s) refuses days that do not exist", warning: true},
	"input_line_number": {text: "the body has no lines", warning: true},
}

func isCall(q *gojq.Query, name string) bool {
	return q != nil && q.Term != nil && q.Term.Func != nil && q.Term.Func.Name == name
}

func literalString(q *gojq.Query) (string, bool) {
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeString || len(q.Term.SuffixList) > 0 || q.Term.Str == nil || q.Term.Str.Queries != nil {
		return "", false
	}
	return q.Term.Str.Str, true
}

func quoteJQ(s string) string {
	b, _ := gojq.Marshal(s)
	return string(b)
}

// builtinJQ are the functions that every program has, as name/arity.
var builtinJQ = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	if q, err := gojq.Parse("builtins"); err == nil {
		if v, ok := q.Run(nil).Next(); ok {
			for _, sig := range each(v) {
				if s, ok := sig.(string); ok {
					out[s] = true
				}
			}
		}
	}
	for _, s := range []string{"empty/0", "error/0", "error/1", "not/0", "path/1", "now/0", "halt/0", "halt_error/0", "halt_error/1", "infinite/0", "nan/0", "env/0", "input/0", "inputs/0"} {
		out[s] = true
	}
	if q, err := gojq.Parse(preamble); err == nil {
		for _, f := range q.FuncDefs {
			out[signature(f.Name, len(f.Args))] = true
		}
	}
	for _, f := range Functions() {
		for n := len(f.Params) - f.optional - 1; n <= len(f.Params); n++ {
			out[signature(f.Name, n)] = true
			out[signature("_njia_"+f.Name, n)] = true
		}
	}
	return out
})
