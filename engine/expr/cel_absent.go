package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// absent rewrites a parsed guard so that what is absent is null at any depth, and an absent list is empty. checked is the
// same text, checked: it has the types.
//
//	e.f        @null(e.?f)              e[i]     @null(e[?i])
//	x in e     x in @list(e)            size(e)  size(@list(e))       e.exists(…)  @list(e).exists(…)
//	a < b      @less("<", a, b), which orders numbers of any length and names what it cannot order
func absent(parsed, checked *ast.AST) {
	r := rewriter{fac: ast.NewExprFactory(), info: parsed.SourceInfo(), types: checked}
	for id := range parsed.IDs() {
		r.next = max(r.next, id)
	}
	for id := range parsed.SourceInfo().OffsetRanges() {
		r.next = max(r.next, id)
	}
	parsed.Expr().SetKindCase(r.expr(parsed.Expr()))
}

type rewriter struct {
	fac   ast.ExprFactory
	info  *ast.SourceInfo
	types *ast.AST
	next  int64
}

// id is a new one at the place of an old one.
func (r *rewriter) id(like int64) int64 {
	r.next++
	if at, ok := r.info.GetOffsetRange(like); ok {
		r.info.SetOffsetRange(r.next, at)
	}
	return r.next
}

func (r *rewriter) expr(e ast.Expr) ast.Expr {
	switch e.Kind() {
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.IsTestOnly() {
			return r.fac.NewPresenceTest(e.ID(), r.expr(sel.Operand()), sel.FieldName())
		}
		if isOptional(sel.Operand()) {
			return r.fac.NewSelect(e.ID(), r.base(sel.Operand()), sel.FieldName())
		}
		return r.orNull(e)
	case ast.CallKind:
		return r.call(e)
	case ast.ListKind:
		l := e.AsList()
		items := make([]ast.Expr, l.Size())
		for i, item := range l.Elements() {
			items[i] = r.expr(item)
		}
		return r.fac.NewList(e.ID(), items, l.OptionalIndices())
	case ast.MapKind:
		var entries []ast.EntryExpr
		for _, entry := range e.AsMap().Entries() {
			m := entry.AsMapEntry()
			entries = append(entries, r.fac.NewMapEntry(entry.ID(), r.expr(m.Key()), r.expr(m.Value()), m.IsOptional()))
		}
		return r.fac.NewMap(e.ID(), entries)
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		over := r.list(c.IterRange())
		if c.HasIterVar2() {
			return r.fac.NewComprehensionTwoVar(e.ID(), over, c.IterVar(), c.IterVar2(), c.AccuVar(),
				r.expr(c.AccuInit()), r.expr(c.LoopCondition()), r.expr(c.LoopStep()), r.expr(c.Result()))
		}
		return r.fac.NewComprehension(e.ID(), over, c.IterVar(), c.AccuVar(),
			r.expr(c.AccuInit()), r.expr(c.LoopCondition()), r.expr(c.LoopStep()), r.expr(c.Result()))
	}
	return e
}

func (r *rewriter) call(e ast.Expr) ast.Expr {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Index:
		if isOptional(args[0]) {
			return r.fac.NewCall(e.ID(), operators.Index, r.base(args[0]), r.expr(args[1]))
		}
		return r.orNull(e)
	case operators.OptSelect, operators.OptIndex:
		return r.chain(e, e.ID())
	case operators.In:
		return r.fac.NewCall(e.ID(), operators.In, r.expr(args[0]), r.list(args[1]))
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if r.dynamic(args[0]) || r.dynamic(args[1]) {
			op := r.fac.NewLiteral(r.id(e.ID()), types.String(opText(call.FunctionName())))
			return r.fac.NewCall(e.ID(), fnLess, op, r.expr(args[0]), r.expr(args[1]))
		}
	case "size":
		if call.IsMemberFunction() {
			return r.fac.NewMemberCall(e.ID(), "size", r.list(call.Target()))
		}
		if len(args) == 1 {
			return r.fac.NewCall(e.ID(), "size", r.list(args[0]))
		}
	}
	out := make([]ast.Expr, len(args))
	for i, a := range args {
		out[i] = r.expr(a)
	}
	if call.IsMemberFunction() {
		return r.fac.NewMemberCall(e.ID(), call.FunctionName(), r.expr(call.Target()), out...)
	}
	return r.fac.NewCall(e.ID(), call.FunctionName(), out...)
}

// chain makes a path of fields and indexes optional; its value is an optional.
func (r *rewriter) chain(e ast.Expr, id int64) ast.Expr {
	if e.Kind() == ast.SelectKind {
		sel := e.AsSelect()
		field := r.fac.NewLiteral(r.id(e.ID()), types.String(sel.FieldName()))
		return r.fac.NewCall(id, operators.OptSelect, r.base(sel.Operand()), field)
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.OptSelect:
		return r.fac.NewCall(id, operators.OptSelect, r.base(call.Args()[0]), call.Args()[1])
	default:
		return r.fac.NewCall(id, operators.OptIndex, r.base(call.Args()[0]), r.expr(call.Args()[1]))
	}
}

// base is what a path goes on from.
func (r *rewriter) base(e ast.Expr) ast.Expr {
	switch {
	case e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly():
		if isOptional(e.AsSelect().Operand()) {
			return r.expr(e)
		}
		return r.chain(e, e.ID())
	case e.Kind() == ast.CallKind:
		switch f := e.AsCall().FunctionName(); f {
		case operators.Index, operators.OptSelect, operators.OptIndex:
			if f == operators.Index && isOptional(e.AsCall().Args()[0]) {
				return r.expr(e)
			}
			return r.chain(e, e.ID())
		}
	}
	return r.expr(e)
}

func (r *rewriter) orNull(e ast.Expr) ast.Expr {
	return r.fac.NewCall(e.ID(), fnOrNull, r.chain(e, r.id(e.ID())))
}

// list wraps what must be a list where that is not certain.
func (r *rewriter) list(e ast.Expr) ast.Expr {
	if !r.dynamic(e) {
		return r.expr(e)
	}
	return r.fac.NewCall(r.id(e.ID()), fnList, r.expr(e))
}

func (r *rewriter) dynamic(e ast.Expr) bool {
	t := r.types.GetType(e.ID())
	return t.Kind() == types.DynKind || t.Kind() == types.AnyKind || t.Kind() == types.NullTypeKind || t.Kind() == types.TypeParamKind
}

// isOptional says whether the implementer chose an optional in a path: then it stays one.
func isOptional(e ast.Expr) bool {
	switch e.Kind() {
	case ast.SelectKind:
		return !e.AsSelect().IsTestOnly() && isOptional(e.AsSelect().Operand())
	case ast.CallKind:
		switch e.AsCall().FunctionName() {
		case operators.OptSelect, operators.OptIndex:
			return true
		case operators.Index:
			return isOptional(e.AsCall().Args()[0])
		}
	}
	return false
}

func opText(function string) string {
	s, _ := operators.FindReverse(function)
	return s
}

// absentFunctions are what a rewritten guard calls.
func absentFunctions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function(fnOrNull, cel.Overload("njia_null", []*cel.Type{cel.OptionalType(cel.DynType)}, cel.DynType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			if o, ok := v.(*types.Optional); ok {
				if !o.HasValue() {
					return types.NullValue
				}
				return o.GetValue()
			}
			return v
		}))),
		cel.Function(fnList, cel.Overload("njia_list", []*cel.Type{cel.DynType}, cel.DynType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			if v == types.NullValue {
				return celAdapter{}.NativeToValue([]any{})
			}
			return v
		}))),
		cel.Function(fnLess, cel.Overload("njia_less", []*cel.Type{cel.StringType, cel.DynType, cel.DynType}, cel.BoolType, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
			return celLess(string(args[0].(types.String)), args[1], args[2])
		}))),
	}
}

// celLess orders numbers and texts, and what else CEL can order.
func celLess(op string, a, b ref.Val) ref.Val {
	var order ref.Val
	_, bigB := b.(bigNumber)
	if ra := ratOf(a); bigB && ra != nil {
		order = types.Int(ra.Cmp(b.(bigNumber).rat))
	} else if c, ok := a.(traits.Comparer); ok && a.Type() != types.BoolType {
		order = c.Compare(b)
	}
	n, ok := order.(types.Int)
	if !ok {
		return types.WrapErr(cannotOrder(op, fromCEL(a), fromCEL(b)))
	}
	switch op {
	case "<":
		return types.Bool(n < 0)
	case "<=":
		return types.Bool(n <= 0)
	case ">":
		return types.Bool(n > 0)
	}
	return types.Bool(n >= 0)
}

// cannotOrder says why two values have no order.
func cannotOrder(op string, a, b any) error {
	if a == nil || b == nil {
		side := "left"
		if a != nil {
			side = "right"
		}
		return callErrorf("%s cannot order null: what stands %s of it is absent; test it with != null first", op, side)
	}
	return callErrorf("%s cannot order %s and %s", op, typeName(a), typeName(b))
}
