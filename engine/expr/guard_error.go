package expr

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/njia-health/njia/engine/fault"
)

// guardErrorText is an evaluation error in our words. CEL's own could quote the message.
func guardErrorText(err error) string {
	switch m := err.Error(); {
	case strings.Contains(m, "division by zero"), strings.Contains(m, "modulus by zero"):
		return "division by zero"
	case strings.Contains(m, "overflow"):
		return "a number is too large to calculate with"
	case strings.Contains(m, "no such overload"):
		return "an operator or function got a kind of value that it does not take"
	case strings.Contains(m, "unsupported index"):
		return "a field is read of a list; say of which one, as in list[0].field, or ask list.exists(x, x.field == …)"
	case strings.Contains(m, "timestamp"), strings.Contains(m, "duration"):
		return "this is no valid time or duration; use date(…)"
	case strings.Contains(m, "type conversion"), strings.Contains(m, "strconv"), strings.Contains(m, "unable to parse"):
		return "a value cannot be converted"
	case strings.Contains(m, "error parsing regexp"):
		return "a regular expression cannot be read"
	}
	if _, after, ok := strings.Cut(err.Error(), "lists.range"); ok && after != "" {
		return "lists.range counts to 10000 at most"
	}
	return "the guard cannot be evaluated on this message"
}

// guardTree finds what a failed node of a planned guard is.
type guardTree struct {
	info  *ast.SourceInfo // of the planned one
	nodes map[int64]ast.Expr
	src   *ast.AST // as it was written
}

func newGuardTree(written, planned *ast.AST) *guardTree {
	t := &guardTree{info: planned.SourceInfo(), nodes: map[int64]ast.Expr{}, src: written}
	ast.PostOrderVisit(planned.Expr(), ast.NewExprVisitor(func(e ast.Expr) { t.nodes[e.ID()] = e }))
	return t
}

// explain evaluates once more, keeping every value, and says which part failed, where it stands and what kinds of values it
// got. Values are not shown: they are a patient's.
func (g *guard) explain(s *Scope, f *fault.Error) {
	defer func() { _ = recover() }() // the first text stays
	program, tree := g.tracked()
	if program == nil {
		return
	}
	out, det, err := program.Eval(guardVars{s})
	if err == nil || det == nil {
		return
	}
	failed, ok := out.(*types.Err)
	if !ok {
		return
	}
	node := tree.nodes[failed.NodeID()]
	if node == nil {
		return
	}
	if at, ok := tree.info.GetOffsetRange(failed.NodeID()); ok {
		f.Place = g.text.At(byteOffset(g.text.Src, int(at.Start))).String()
	}
	if node.Kind() != ast.CallKind || !strings.Contains(err.Error(), "no such overload") {
		return
	}
	f.Text = callText(node.AsCall(), tree, det.State())
}

type evalState interface {
	Value(int64) (ref.Val, bool)
}

// callText says what a function or operator got.
func callText(call ast.CallExpr, tree *guardTree, state evalState) string {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	name := call.FunctionName()
	if op, ok := operators.FindReverse(name); ok && op != "" {
		name = op
	}
	if name == operators.Conditional {
		name = "?"
	}
	var kinds []string
	absent := ""
	for _, a := range args {
		v, ok := state.Value(a.ID())
		if !ok && a.Kind() == ast.LiteralKind {
			v, ok = a.AsLiteral(), true
		}
		if !ok || types.IsError(v) {
			continue
		}
		kinds = append(kinds, typeName(fromCEL(v)))
		if v == types.NullValue && absent == "" {
			absent = tree.written(a)
		}
	}
	if absent != "" {
		return name + " cannot take null: " + absent + " is absent; test it with != null first"
	}
	if len(kinds) == 0 {
		return name + " got a kind of value that it does not take"
	}
	return name + " cannot be applied to " + strings.Join(kinds, " and ")
}

// written is a path as the implementer wrote it.
func (t *guardTree) written(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case fnOrNull:
			return t.written(call.Args()[0])
		case operators.OptSelect:
			return t.written(call.Args()[0]) + "." + string(call.Args()[1].AsLiteral().(types.String))
		case operators.OptIndex:
			if s, err := cel.ExprToString(call.Args()[1], t.info); err == nil {
				return t.written(call.Args()[0]) + "[" + s + "]"
			}
		case fnList:
			return t.written(call.Args()[0])
		}
		return call.FunctionName() + "(…)"
	}
	return "a value"
}
