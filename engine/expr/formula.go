package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// Bounds of one formula: nodes of its tree, evaluated nodes, bytes that it builds.
const (
	maxFormulaNodes = 500
	maxFormulaSteps = 1_000_000
	maxFormulaBytes = 16 << 20
)

// formula is what stands in one ${…}. It is in the language expr; expr-lang's parser reads it, and it is evaluated here, where
// what is absent is null, numbers keep their digits, every error has a place and every loop an end.
type formula struct {
	c     *Compiler
	text  Text
	where Where
	root  ast.Node
}

// formula compiles the text of one ${…}.
func (c *Compiler) formula(t Text, w Where) (_ *formula, errs diag.List) {
	defer func() {
		if p := recover(); p != nil {
			errs = diag.List{t.errorf(0, len(t.Src), "this expression cannot be compiled")}
		}
	}()
	if strings.TrimSpace(t.Src) == "" {
		e := t.errorf(0, 1, "there is nothing between ${ and }").WithHint("write a name, as in ${body.id}")
		return nil, diag.List{e}
	}
	if at := commentAt(t.Src); at >= 0 {
		e := t.errorf(at, 2, "// begins a comment here").WithHint(`another value for null is written ??, as in ${body.id ?? "none"}`)
		return nil, diag.List{e}
	}
	config := conf.CreateNew()
	config.MaxNodes = maxFormulaNodes
	tree, err := parser.ParseWithConfig(t.Src, config)
	if err != nil {
		return nil, diag.List{formulaSyntax(t, err)}
	}
	check := formulaCheck{c: c, t: t, w: w}
	check.node(tree.Node, nil, 0)
	if check.errs.Failed() {
		return nil, check.errs
	}
	return &formula{c: c, text: t, where: w, root: tree.Node}, check.errs
}

// formulaSyntax says what cannot be read.
func formulaSyntax(t Text, err error) diag.Error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return t.errorf(0, len(t.Src), "this expression cannot be read")
	}
	at := byteOffset(t.Src, fe.From)
	switch m := fe.Message; {
	case strings.Contains(m, "maximum allowed nodes"):
		return t.errorf(0, 1, "this expression is too large").WithHint("compute it in a jq or set step, and use its result here")
	case strings.Contains(m, "EOF") || at >= len(strings.TrimRight(t.Src, " \n")):
		return t.errorf(len(strings.TrimRight(t.Src, " \n")), 1, "the expression ends too early")
	case strings.Contains(m, "literal not terminated"), strings.Contains(m, "unterminated"):
		return t.errorf(at, 1, "this text is not closed").WithHint("it ends with the quote that it begins with")
	case strings.Contains(m, "invalid") && strings.Contains(m, "escape"):
		return t.errorf(at, 1, "this text has a backslash that means nothing").WithHint(`a backslash is written \\`)
	}
	tok := token(t.Src[min(at, len(t.Src)):])
	if strings.TrimSpace(tok) == "" {
		return t.errorf(at, 1, "the expression cannot be read from here on")
	}
	e := t.errorf(at, len(tok), "%q cannot stand here", tok)
	switch {
	case tok == "=":
		e.Hint = "to compare write =="
	case tok == "$":
		e.Hint = "names have no $ within ${…}"
	case strings.HasPrefix(t.Src[at:], "."):
		e.Hint = "a path begins with a name, as in body.id"
	}
	return e
}

// commentAt finds a // outside of texts: people mean jq's alternative by it.
func commentAt(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		case '/':
			if strings.HasPrefix(s[i:], "//") {
				return i
			}
		}
	}
	return -1
}

// run is one evaluation.
type run struct {
	f     *formula
	ctx   context.Context
	s     *Scope
	steps int
	bytes int
}

// locals are the names of let, and the item that a predicate is asked about.
type locals struct {
	next  *locals
	name  string // "#" for the item, "#index", "#acc"
	value any
}

func (l *locals) find(name string) (any, bool) {
	for ; l != nil; l = l.next {
		if l.name == name {
			return l.value, true
		}
	}
	return nil, false
}

// evalError is what went wrong at a node.
type evalError struct {
	node ast.Node
	text string
}

func (e *evalError) Error() string { return e.text }

func wrong(n ast.Node, format string, args ...any) error {
	return &evalError{n, fmt.Sprintf(format, args...)}
}

var errStopped = errors.New("stopped")

// eval gives the value, in the types that messages have.
func (f *formula) eval(ctx context.Context, s *Scope) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, f.fault(f.root, "the expression cannot be evaluated on this message")
		}
	}()
	r := &run{f: f, ctx: ctx, s: s}
	v, err = r.eval(f.root, nil)
	if err != nil {
		var at *evalError
		switch {
		case errors.Is(err, errStopped):
			return nil, &fault.Error{Class: fault.Transient, Text: "the expression was stopped before it had a value", Place: f.text.Pos.String(), Err: ctx.Err()}
		case errors.As(err, &at):
			return nil, f.fault(at.node, at.text)
		}
		return nil, f.fault(f.root, err.Error())
	}
	size := 0
	v, ok := tidy(v, &size, maxFormulaBytes)
	if !ok {
		return nil, f.fault(f.root, fmt.Sprintf("the value is larger than %d MB", maxFormulaBytes>>20))
	}
	return v, nil
}

func (f *formula) fault(n ast.Node, text string) *fault.Error {
	return &fault.Error{Class: fault.Bug, Text: text, Place: f.text.At(byteOffset(f.text.Src, n.Location().From)).String()}
}

// spend counts bytes that are built.
func (r *run) spend(n ast.Node, bytes int) error {
	if r.bytes += bytes; r.bytes > maxFormulaBytes {
		return wrong(n, "the expression builds more than %d MB; do it in jq", maxFormulaBytes>>20)
	}
	return nil
}

func (r *run) eval(n ast.Node, l *locals) (any, error) {
	if r.steps++; r.steps > maxFormulaSteps {
		return nil, wrong(n, "the expression takes too long: more than %s steps; do it in jq", thousands(maxFormulaSteps))
	}
	if r.steps%1024 == 0 && r.ctx.Err() != nil {
		return nil, errStopped
	}
	switch n := n.(type) {
	case *ast.NilNode:
		return nil, nil
	case *ast.IdentifierNode:
		if v, ok := l.find(n.Value); ok {
			return v, nil
		}
		return r.s.value(n.Value), nil
	case *ast.IntegerNode:
		return n.Value, nil
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.ConstantNode:
		return n.Value, nil
	case *ast.UnaryNode:
		return r.unary(n, l)
	case *ast.BinaryNode:
		return r.binary(n, l)
	case *ast.ChainNode:
		return r.eval(n.Node, l)
	case *ast.MemberNode:
		of, err := r.eval(n.Node, l)
		if err != nil {
			return nil, err
		}
		key, err := r.eval(n.Property, l)
		if err != nil {
			return nil, err
		}
		return member(of, key), nil
	case *ast.SliceNode:
		return r.slice(n, l)
	case *ast.CallNode:
		return r.call(n, n.Callee.(*ast.IdentifierNode).Value, n.Arguments, l)
	case *ast.BuiltinNode:
		return r.call(n, n.Name, n.Arguments, l)
	case *ast.PredicateNode:
		return r.eval(n.Node, l)
	case *ast.PointerNode:
		v, _ := l.find("#" + n.Name)
		return v, nil
	case *ast.ConditionalNode:
		yes, err := r.truth(n.Cond, l)
		if err != nil {
			return nil, err
		}
		if yes {
			return r.eval(n.Exp1, l)
		}
		return r.eval(n.Exp2, l)
	case *ast.VariableDeclaratorNode:
		v, err := r.eval(n.Value, l)
		if err != nil {
			return nil, err
		}
		return r.eval(n.Expr, &locals{l, n.Name, v})
	case *ast.SequenceNode:
		var v any
		var err error
		for _, part := range n.Nodes {
			if v, err = r.eval(part, l); err != nil {
				return nil, err
			}
		}
		return v, nil
	case *ast.ArrayNode:
		out := make([]any, len(n.Nodes))
		for i, item := range n.Nodes {
			v, err := r.eval(item, l)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, r.spend(n, 16*len(out))
	case *ast.MapNode:
		return r.mapping(n, l)
	}
	return nil, wrong(n, "this cannot be evaluated")
}

// member is a field or an item; null where there is none.
func member(of, key any) any {
	switch x := of.(type) {
	case map[string]any:
		if k, ok := asText(key); ok {
			return x[k]
		}
	case []any:
		if i, ok := toInt(key); ok {
			if i < 0 {
				i += len(x)
			}
			if i >= 0 && i < len(x) {
				return x[i]
			}
		}
	}
	return nil
}

func (r *run) mapping(n *ast.MapNode, l *locals) (any, error) {
	out := make(map[string]any, len(n.Pairs))
	for _, p := range n.Pairs {
		pair := p.(*ast.PairNode)
		k, err := r.eval(pair.Key, l)
		if err != nil {
			return nil, err
		}
		key, ok := asText(k)
		if !ok {
			return nil, wrong(pair.Key, "a key of a map is text, this is %s", typeName(k))
		}
		if out[key], err = r.eval(pair.Value, l); err != nil {
			return nil, err
		}
	}
	return out, r.spend(n, 48*len(out))
}

func (r *run) slice(n *ast.SliceNode, l *locals) (any, error) {
	of, err := r.eval(n.Node, l)
	if err != nil || of == nil {
		return nil, err
	}
	size := 0
	runes, isText := []rune(nil), false
	list, isList := of.([]any)
	if s, ok := of.(string); ok {
		runes, isText = []rune(s), true
		size = len(runes)
	} else if isList {
		size = len(list)
	} else {
		return nil, wrong(n, "only a text or a list can be cut, this is %s", typeName(of))
	}
	bound := func(b ast.Node, or int) (int, error) {
		if b == nil {
			return or, nil
		}
		v, err := r.eval(b, l)
		if err != nil {
			return 0, err
		}
		i, ok := toInt(v)
		if !ok {
			return 0, wrong(b, "an index is a whole number, this is %s", typeName(v))
		}
		if i < 0 {
			i += size
		}
		return min(max(i, 0), size), nil
	}
	from, err := bound(n.From, 0)
	if err != nil {
		return nil, err
	}
	to, err := bound(n.To, size)
	if err != nil {
		return nil, err
	}
	to = max(from, to)
	if isText {
		return string(runes[from:to]), nil
	}
	return list[from:to:to], nil
}

// truth is the value of a condition.
func (r *run) truth(n ast.Node, l *locals) (bool, error) {
	v, err := r.eval(n, l)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, wrong(n, "a condition is true or false, this is %s", typeName(v))
	}
	return b, nil
}
