package expr

import (
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/njia-health/njia/engine/diag"
)

// nameCheck finds names and functions that a guard cannot see, and literal maps, settings and meta fields that do not exist.
type nameCheck struct {
	c    *Compiler
	t    Text
	w    Where
	info *ast.SourceInfo
	errs diag.List
	// shapes are those of the variables of exists, all and the like.
	shapes map[string]*Shape
	done   int // errors before this offset of the text are part of one already told
}

// celTypes are the names of types, which are values in CEL.
var celTypes = []string{"bool", "bytes", "double", "dyn", "duration", "int", "list", "map", "null_type", "string", "timestamp", "type", "uint",
	"optional_type", "google", "optional"}

// celMacros are the functions that the parser expands.
var celMacros = []string{"has", "all", "exists", "exists_one", "existsOne", "map", "filter", "optMap", "optFlatMap", "cel", "transformList", "transformMap", "transformMapEntry"}

// at is where a node begins, as a byte offset.
func (n *nameCheck) at(id int64) int {
	r, ok := n.info.GetOffsetRange(id)
	if !ok {
		return 0
	}
	return byteOffset(n.t.Src, int(r.Start))
}

// byteOffset turns an offset in characters into one in bytes.
func byteOffset(s string, chars int) int {
	for i := range s {
		if chars == 0 {
			return i
		}
		chars--
	}
	return len(s)
}

func (n *nameCheck) add(offset int, e diag.Error) {
	if offset >= n.done {
		n.errs.Add(e)
	}
}

func (n *nameCheck) walk(e ast.Expr, scope []string) {
	switch e.Kind() {
	case ast.IdentKind:
		n.ident(e, scope)
	case ast.SelectKind:
		sel := e.AsSelect()
		n.walk(sel.Operand(), scope)
		n.member(sel.Operand(), sel.FieldName(), n.at(e.ID()), scope)
		n.declared(sel.Operand(), sel.FieldName(), n.at(e.ID()), scope)
	case ast.CallKind:
		n.call(e, scope)
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			n.walk(item, scope)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			n.walk(entry.AsMapEntry().Key(), scope)
			n.walk(entry.AsMapEntry().Value(), scope)
		}
	case ast.StructKind:
		n.add(n.at(e.ID()), n.t.errorf(n.at(e.ID()), 0, "guards have no types of their own").WithHint(`write a map as {"key": value}`))
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		n.walk(c.IterRange(), scope)
		inner := append(slices.Clone(scope), c.IterVar(), c.IterVar2(), c.AccuVar())
		before := n.shapes
		n.shapes = maps.Clone(before)
		item := c.IterVar()
		if c.HasIterVar2() {
			n.shapes[item] = nil
			item = c.IterVar2()
		}
		n.shapes[item] = n.shape(c.IterRange(), scope).item()
		if n.unbound(c) {
			n.shapes[c.AccuVar()] = n.shape(c.AccuInit(), scope)
		} else {
			n.shapes[c.AccuVar()] = nil
		}
		defer func() { n.shapes = before }()
		for _, part := range []ast.Expr{c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()} {
			n.walk(part, inner)
		}
	}
}

func (n *nameCheck) ident(e ast.Expr, scope []string) {
	name := e.AsIdent()
	if name == "now" || strings.HasPrefix(name, "@") || strings.HasPrefix(name, "__") || slices.Contains(scope, name) ||
		slices.Contains(n.w.names(), name) || slices.Contains(celTypes, name) {
		return
	}
	at := n.at(e.ID())
	if bare, ok := strings.CutPrefix(name, "."); ok {
		n.add(at, n.t.errorf(at, len(bare), "a path begins with a name").WithHint("write body.%s: the leading dot alone is jq's", bare))
		return
	}
	err := unknownName(n.t, at, name, n.w, append(slices.Clone(scope), "now"))
	if name == "fhir" {
		err.Hint = "guards call the functions by their name alone, as in code(body.code, \"http://loinc.org\")"
	}
	n.add(at, err)
}

// member checks a field of meta, settings or error.
func (n *nameCheck) member(of ast.Expr, name string, at int, scope []string) {
	if of.Kind() != ast.IdentKind || slices.Contains(scope, of.AsIdent()) {
		return
	}
	if i := strings.Index(n.t.Src[min(at, len(n.t.Src)):], name); i > 0 {
		at += i
	}
	if err, bad := n.c.unknownUnder(n.t, at, of.AsIdent(), name); bad {
		n.add(at, err)
		n.done = max(n.done, at+len(hyphened(n.t.Src[at:])))
	}
}

// unbound says that a comprehension is cel.bind(name, value, …): it goes through nothing.
func (n *nameCheck) unbound(c ast.ComprehensionExpr) bool {
	return c.IterRange().Kind() == ast.ListKind && c.IterRange().AsList().Size() == 0
}

// shape is what an expression is declared to be.
func (n *nameCheck) shape(e ast.Expr, scope []string) *Shape {
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); slices.Contains(scope, name) || n.shapes[name] != nil {
			return n.shapes[name]
		} else if name == "body" && n.w == InRoute {
			return n.c.body
		}
	case ast.SelectKind:
		return n.shape(e.AsSelect().Operand(), scope).field(e.AsSelect().FieldName())
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			of := n.shape(call.Args()[0], scope)
			if s, ok := literalText(call.Args(), 1); ok {
				return of.field(s)
			}
			return of.item()
		}
	}
	return nil
}

// declared checks a field against the shape of what it is read of.
func (n *nameCheck) declared(of ast.Expr, name string, at int, scope []string) {
	if n.c.body == nil {
		return
	}
	if i := strings.Index(n.t.Src[min(at, len(n.t.Src)):], name); i > 0 {
		at += i
	}
	if err, bad := n.shape(of, scope).undeclared(n.t, at, writtenPath(of), name); bad {
		n.add(at, err)
	}
}

// writtenPath is a path as it is written, roughly.
func writtenPath(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		return writtenPath(e.AsSelect().Operand()) + "." + e.AsSelect().FieldName()
	case ast.CallKind:
		if args := e.AsCall().Args(); len(args) > 0 {
			if s, ok := literalText(args, 1); ok {
				return writtenPath(args[0]) + "." + s
			}
			return writtenPath(args[0]) + "[…]"
		}
	}
	return "…"
}

func (n *nameCheck) call(e ast.Expr, scope []string) {
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	if call.IsMemberFunction() && !n.namespaced(call) {
		n.walk(call.Target(), scope)
	}
	if name == operators.Index || name == operators.OptIndex || name == operators.OptSelect {
		if len(args) == 2 && args[1].Kind() == ast.LiteralKind {
			if s, ok := args[1].AsLiteral().(types.String); ok {
				n.member(args[0], string(s), n.at(args[1].ID()), scope)
				n.declared(args[0], string(s), n.at(args[1].ID()), scope)
			}
		}
	}
	for _, a := range args {
		n.walk(a, scope)
	}
	n.function(e, call, args)
}

// function checks what is called.
func (n *nameCheck) function(e ast.Expr, call ast.CallExpr, args []ast.Expr) {
	name := call.FunctionName()
	at := n.at(e.ID())
	if i := strings.LastIndex(n.t.Src[:min(at+1, len(n.t.Src))], name); i >= 0 { // the place of a call is its (
		at = i
	}
	switch name {
	case "lookup":
		if s, ok := literalText(args, 0); ok {
			if err, bad := n.c.unknownMap(n.t, n.at(args[0].ID()), len(s)+2, s); bad {
				n.add(at, err)
			}
		}
	case "format":
		n.add(at, n.t.errorf(at, len(name), "guards do not build text with format").WithHint("build it in a jq or set step, and test its result"))
	case "replace", "join":
		lit, ok := literalText(args, len(args)-1)
		if name == "replace" && len(args) > 1 {
			lit, ok = literalText(args, 1)
		}
		if len(args) > 0 && (!ok || len(lit) > 100) {
			n.add(at, n.t.errorf(at, len(name), "%s takes a short text that is written in the guard, as its result could be of any size", name).WithHint("build the text in a jq or set step, and test its result"))
		}
	}
	known := n.c.cel[n.w].env.Functions()
	if _, ok := known[name]; ok || n.namespaced(call) {
		return
	}
	err := n.t.errorf(at, len(name), "there is no function %q", name)
	all := append(slices.Sorted(maps.Keys(known)), celMacros...)
	if err.Hint = diag.DidYouMean(name, all); err.Hint == "" || celFunctionHints[name] != "" {
		err.Hint, _ = hintFor(name, celFunctionHints)
	}
	n.add(at, err)
}

// celFunctionHints are what people know by another name.
var celFunctionHints = map[string]string{
	"length": "size(…) counts", "len": "size(…) counts", "count": "size(…) counts",
	"lower": "write .lowerAscii()", "toLowerCase": "write .lowerAscii()", "upper": "write .upperAscii()",
	"startswith": "write .startsWith(…)", "endswith": "write .endsWith(…)", "any": "write .exists(x, …)", "some": "write .exists(x, …)",
	"test": "write .matches(…)", "match": "write .matches(…)", "includes": "write x in list, or text.contains(…)",
	"select": "write .filter(x, …)", "fhir": "guards call code(…), identifier(…), ref_id(…) and display_name(…) by their name alone",
}

// namespaced says that the target of a call is no value but part of the function's name, as in math.greatest(…).
func (n *nameCheck) namespaced(call ast.CallExpr) bool {
	if !call.IsMemberFunction() || call.Target().Kind() != ast.IdentKind {
		return false
	}
	_, ok := n.c.cel[n.w].env.Functions()[call.Target().AsIdent()+"."+call.FunctionName()]
	return ok
}

func literalText(args []ast.Expr, i int) (string, bool) {
	if i < 0 || i >= len(args) || args[i].Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := args[i].AsLiteral().(types.String)
	return string(s), ok
}

// hyphened is the name with hyphens that a text begins with.
func hyphened(s string) string {
	end := 0
	for end < len(s) && (isWord(s[end]) || s[end] == '-' && end+1 < len(s) && isWord(s[end+1])) {
		end++
	}
	return s[:end]
}
