package expr

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/diag"
)

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
