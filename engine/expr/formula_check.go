package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"

	"github.com/njia-health/njia/engine/diag"
)

// shared are the functions of all three languages, by name.
var shared = sync.OnceValue(func() map[string]Function {
	out := map[string]Function{}
	for _, f := range Functions() {
		out[f.Name] = f
	}
	return out
})

// formulaCheck finds names and functions that a ${…} cannot see.
type formulaCheck struct {
	c    *Compiler
	t    Text
	w    Where
	errs diag.List
	done int
	item *Shape            // of what a list holds that is being gone through
	lets map[string]*Shape // of the names of let
}

func (c *formulaCheck) at(n ast.Node) int { return byteOffset(c.t.Src, n.Location().From) }

func (c *formulaCheck) add(at int, e diag.Error) {
	if at >= c.done {
		c.errs.Add(e)
	}
}

// node checks a tree. lets are the names of let around it, depth the predicates.
func (c *formulaCheck) node(n ast.Node, lets []string, depth int) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if n.Value != "now" && !slices.Contains(lets, n.Value) && !slices.Contains(c.w.names(), n.Value) {
			c.add(c.at(n), unknownName(c.t, c.at(n), n.Value, c.w, append(slices.Clone(lets), "now")))
		}
	case *ast.UnaryNode:
		c.node(n.Node, lets, depth)
	case *ast.BinaryNode:
		c.node(n.Left, lets, depth)
		c.node(n.Right, lets, depth)
	case *ast.ChainNode:
		c.node(n.Node, lets, depth)
	case *ast.MemberNode:
		c.member(n, lets, depth)
	case *ast.SliceNode:
		c.node(n.Node, lets, depth)
		for _, b := range []ast.Node{n.From, n.To} {
			if b != nil {
				c.node(b, lets, depth)
			}
		}
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			c.method(n)
			return
		}
		c.function(n, id.Value, n.Arguments, lets, depth)
	case *ast.BuiltinNode:
		c.function(n, n.Name, n.Arguments, lets, depth)
	case *ast.PredicateNode:
		if depth >= 3 {
			c.add(c.at(n), c.t.errorf(c.at(n), 0, "loops stand in each other four deep").WithHint("compute it in a jq or set step, and use its result here"))
			return
		}
		c.node(n.Node, lets, depth+1)
	case *ast.PointerNode:
		if depth == 0 {
			c.add(c.at(n), c.t.errorf(c.at(n), 1, "# is known only where a list is gone through, as in filter(list, # > 1)"))
		}
	case *ast.ConditionalNode:
		for _, part := range []ast.Node{n.Cond, n.Exp1, n.Exp2} {
			c.node(part, lets, depth)
		}
	case *ast.VariableDeclaratorNode:
		c.node(n.Value, lets, depth)
		before := c.lets
		c.lets = maps.Clone(before)
		if c.lets == nil {
			c.lets = map[string]*Shape{}
		}
		c.lets[n.Name] = c.shape(n.Value, lets)
		defer func() { c.lets = before }()
		c.node(n.Expr, append(slices.Clone(lets), n.Name), depth)
	case *ast.SequenceNode:
		for _, part := range n.Nodes {
			c.node(part, lets, depth)
		}
	case *ast.ArrayNode:
		for _, item := range n.Nodes {
			c.node(item, lets, depth)
		}
	case *ast.MapNode:
		for _, p := range n.Pairs {
			if pair, ok := p.(*ast.PairNode); ok {
				c.node(pair.Key, lets, depth)
				c.node(pair.Value, lets, depth)
			}
		}
	case *ast.BytesNode:
		c.add(c.at(n), c.t.errorf(c.at(n), 0, "messages have no bytes").WithHint("write a text in plain quotes"))
	}
}

func (c *formulaCheck) member(n *ast.MemberNode, lets []string, depth int) {
	c.node(n.Node, lets, depth)
	id, top := n.Node.(*ast.IdentifierNode)
	name, literal := n.Property.(*ast.StringNode)
	if top && literal && !slices.Contains(lets, id.Value) {
		at := c.at(n.Property)
		if i := strings.Index(c.t.Src[min(at, len(c.t.Src)):], name.Value); i >= 0 {
			at += i
		}
		if e, bad := c.c.unknownUnder(c.t, at, id.Value, name.Value); bad {
			c.add(at, e)
			c.done = max(c.done, at+len(hyphened(c.t.Src[at:])))
		}
	}
	if !literal {
		c.node(n.Property, lets, depth)
		return
	}
	if c.c.body == nil {
		return
	}
	at := c.at(n.Property)
	if i := strings.Index(c.t.Src[min(at, len(c.t.Src)):], name.Value); i >= 0 {
		at += i
	}
	if e, bad := c.shape(n.Node, lets).undeclared(c.t, at, strings.TrimSpace(n.Node.String()), name.Value); bad {
		c.add(at, e)
	}
}

// shape is what an expression is declared to be.
func (c *formulaCheck) shape(n ast.Node, lets []string) *Shape {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if slices.Contains(lets, n.Value) {
			return c.lets[n.Value]
		}
		if n.Value == "body" && c.w == InRoute {
			return c.c.body
		}
	case *ast.ChainNode:
		return c.shape(n.Node, lets)
	case *ast.MemberNode:
		of := c.shape(n.Node, lets)
		if name, ok := n.Property.(*ast.StringNode); ok {
			return of.field(name.Value)
		}
		return of.item()
	case *ast.PointerNode:
		if n.Name == "" {
			return c.item
		}
	case *ast.BuiltinNode:
		switch n.Name {
		case "filter", "sortBy", "reverse", "sort", "uniq", "take":
			return c.shape(n.Arguments[0], lets)
		case "first", "last", "find", "findLast":
			return c.shape(n.Arguments[0], lets).item()
		}
	}
	return nil
}

// method refuses x.f(…): functions are called by their name alone.
func (c *formulaCheck) method(n *ast.CallNode) {
	at, name := c.at(n), ""
	if m, ok := n.Callee.(*ast.MemberNode); ok {
		if p, ok := m.Property.(*ast.StringNode); ok {
			name = p.Value
		}
		at = c.at(m.Property)
	}
	if i := strings.Index(c.t.Src[min(at, len(c.t.Src)):], name); i > 0 {
		at += i
	}
	e := c.t.errorf(at, len(name), "values have no functions of their own")
	if name != "" {
		e.Hint = "write " + name + "(…) with the value as its first argument"
		switch name {
		case "startsWith", "endsWith", "contains", "matches":
			e.Hint = "write it as an operator: … " + name + " …"
		}
	}
	c.add(at, e)
}

func (c *formulaCheck) function(n ast.Node, name string, args []ast.Node, lets []string, depth int) {
	at := c.at(n)
	if i := strings.LastIndex(c.t.Src[:min(at+len(name), len(c.t.Src))], name); i >= 0 {
		at = i
	}
	for i, a := range args {
		if _, predicate := a.(*ast.PredicateNode); predicate && i > 0 {
			before := c.item
			c.item = c.shape(args[0], lets).item()
			c.node(a, lets, depth)
			c.item = before
			continue
		}
		c.node(a, lets, depth)
	}
	if name == "now" && len(args) == 0 {
		return
	}
	var least, most int
	f, isShared := shared()[name]
	b, isBuiltin := builtins()[name]
	switch {
	case isShared:
		least, most = len(f.Params)-f.optional, len(f.Params)
	case isBuiltin:
		least, most = b.min, b.max
	case name == "reduce":
		least, most = 2, 3
	default:
		e := c.t.errorf(at, len(name), "there is no function %q", name)
		known := append(slices.Sorted(maps.Keys(builtins())), slices.Sorted(maps.Keys(shared()))...)
		if e.Hint = diag.DidYouMean(name, known); e.Hint == "" || formulaHints[name] != "" {
			e.Hint, _ = hintFor(name, formulaHints)
		}
		c.add(at, e)
		return
	}
	if len(args) < least || len(args) > most {
		e := c.t.errorf(at, len(name), "%s takes %s, this gives it %s", name, howMany(least, most), count(len(args), "value"))
		if isShared {
			e.Hint = "it is written " + f.Signature()
		}
		c.add(at, e)
		return
	}
	if name == "lookup" {
		if s, ok := args[0].(*ast.StringNode); ok {
			if e, bad := c.c.unknownMap(c.t, c.at(s), len(s.Value)+2, s.Value); bad {
				c.add(at, e)
			}
		}
	}
}

func howMany(least, most int) string {
	if least == most {
		return count(least, "value")
	}
	return fmt.Sprintf("%d to %s", least, count(most, "value"))
}

// formulaHints are what people know by another name, or from expr's own pages.
var formulaHints = map[string]string{
	"size": "len(…) counts", "length": "len(…) counts", "exists": "any(list, …) asks whether one is",
	"duration": "date_add(s, \"3d\") moves a date", "timezone": "date_format(s, layout, zone) writes a time in a zone",
	"ascii_downcase": "lower(…)", "lowerAscii": "lower(…)", "upperAscii": "upper(…)", "has": "compare with null, as in body.a != null",
	"tostring": "string(…)", "uuid": "uuid5(name) makes one that is the same in every run", "default": "another value for null is written ??",
}
