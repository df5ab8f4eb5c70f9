package expr

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// celEnv is the names and functions of CEL in one place.
type celEnv struct {
	c     *Compiler
	where Where
	env   *cel.Env
}

// Functions that take the place of operators when a guard is planned. Their names cannot be written in CEL.
const (
	fnOrNull = "@null" // the value of an optional, or null
	fnList   = "@list" // a list, or an empty one for null
	fnLess   = "@less" // an order of numbers of any length
)

// celFor gives the environment of a place. The caller holds c.mu.
func (c *Compiler) celFor(w Where) (*celEnv, error) {
	if e := c.cel[w]; e != nil {
		return e, nil
	}
	opts := []cel.EnvOption{
		cel.CustomTypeAdapter(celAdapter{}),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		cel.ParserExpressionSizeLimit(maxGuard),
		cel.ParserRecursionLimit(100),
		ext.Strings(), ext.Math(), ext.Lists(ext.ListsMaxRangeSize(10_000)), ext.Sets(), ext.Regex(), ext.Bindings(),
		ext.TwoVarComprehensions(),
		cel.Variable("now", cel.DynType),
	}
	for _, n := range w.names() {
		t := cel.DynType
		if n != "body" && n != "status" {
			t = cel.MapType(cel.StringType, cel.DynType)
		}
		opts = append(opts, cel.Variable(n, t))
	}
	for _, f := range Functions() {
		opts = append(opts, c.celFunction(f))
	}
	opts = append(opts, absentFunctions()...)
	env, err := cel.NewCustomEnv(append([]cel.EnvOption{cel.StdLib()}, opts...)...)
	if err != nil {
		return nil, err
	}
	e := &celEnv{c: c, where: w, env: env}
	c.cel[w] = e
	return e, nil
}

// celFunction declares one of the shared functions.
func (c *Compiler) celFunction(f Function) cel.EnvOption {
	call := func(args ...ref.Val) ref.Val {
		trees := make([]any, len(args))
		for i, a := range args {
			trees[i] = fromCEL(a)
		}
		out, err := f.call(c, trees)
		if err != nil {
			return types.WrapErr(err)
		}
		return celAdapter{}.NativeToValue(out)
	}
	var overloads []cel.FunctionOpt
	for n := len(f.Params) - f.optional; n <= len(f.Params); n++ {
		id := "njia_" + f.Name + string(rune('0'+n))
		params := slices.Repeat([]*cel.Type{cel.DynType}, n)
		overloads = append(overloads, cel.Overload(id, params, cel.DynType, cel.FunctionBinding(call)))
	}
	return cel.Function(f.Name, overloads...)
}
