package expr

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/njia-health/njia/engine/message"
)

func (r *run) unary(n *ast.UnaryNode, l *locals) (any, error) {
	if n.Operator == "!" || n.Operator == "not" {
		b, err := r.truth(n.Node, l)
		return !b, err
	}
	v, err := r.eval(n.Node, l)
	if err != nil {
		return nil, err
	}
	if _, ok := exact(v); !ok {
		return nil, wrong(n, "%s takes a number, this is %s", n.Operator, typeName(v))
	}
	if n.Operator == "-" {
		return arithmetic("-", 0, v)
	}
	return v, nil
}

func (r *run) binary(n *ast.BinaryNode, l *locals) (any, error) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		a, err := r.truth(n.Left, l)
		if err != nil || a == (n.Operator == "or" || n.Operator == "||") {
			return a, err
		}
		b, err := r.truth(n.Right, l)
		return b, err
	case "??":
		if v, err := r.eval(n.Left, l); err != nil || v != nil {
			return v, err
		}
		return r.eval(n.Right, l)
	}
	a, err := r.eval(n.Left, l)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(n.Right, l)
	if err != nil {
		return nil, err
	}
	switch op := n.Operator; op {
	case "==":
		return equal(a, b), nil
	case "!=":
		return !equal(a, b), nil
	case "<", "<=", ">", ">=":
		c, ok := order(a, b)
		if !ok {
			return nil, wrong(n, "%v", cannotOrder(op, a, b))
		}
		return op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 || op == ">=" && c >= 0, nil
	case "in":
		return contains(b, a), nil
	case "contains", "startsWith", "endsWith", "matches":
		return r.textTest(n, a, b)
	case "..":
		return r.between(n, a, b)
	case "+":
		return r.add(n, a, b)
	case "-", "*", "/", "%", "**", "^":
		_, okA := exact(a)
		_, okB := exact(b)
		if isNumber(a) && isNumber(b) && (!okA || !okB) {
			return nil, wrong(n, "%v", errDigits)
		}
		if !okA || !okB {
			return nil, wrong(n, "%s takes numbers, this is %s and %s", op, typeName(a), typeName(b))
		}
		v, err := arithmetic(op, a, b)
		if err != nil {
			return nil, wrong(n, "%v", err)
		}
		return v, nil
	}
	return nil, wrong(n, "there is no operator %s", n.Operator)
}

func (r *run) add(n *ast.BinaryNode, a, b any) (any, error) {
	sa, okA := a.(string)
	sb, okB := b.(string)
	_, numA := exact(a)
	_, numB := exact(b)
	switch {
	case okA && okB:
		return sa + sb, r.spend(n, len(sa)+len(sb))
	case numA && numB:
		return arithmetic("+", a, b)
	case isNumber(a) && isNumber(b):
		return nil, wrong(n, "%v", errDigits)
	case a == nil || b == nil:
		return nil, wrong(n, "+ cannot add null; write ?? \"\" after what may be absent")
	case okA && numB || okB && numA:
		return nil, wrong(n, "+ cannot add a text and a number; write string(…) around the number")
	}
	return nil, wrong(n, "+ cannot add %s and %s", typeName(a), typeName(b))
}

func (r *run) textTest(n *ast.BinaryNode, a, b any) (any, error) {
	if a == nil {
		return false, nil
	}
	if list, ok := a.([]any); ok && n.Operator == "contains" {
		return contains(list, b), nil
	}
	s, okA := a.(string)
	t, okB := b.(string)
	if !okA || !okB {
		return nil, wrong(n, "%s takes texts, this is %s and %s", n.Operator, typeName(a), typeName(b))
	}
	switch n.Operator {
	case "contains":
		return strings.Contains(s, t), nil
	case "startsWith":
		return strings.HasPrefix(s, t), nil
	case "endsWith":
		return strings.HasSuffix(s, t), nil
	}
	if len(t) > 1000 {
		return nil, wrong(n, "a regular expression has at most 1000 characters")
	}
	re, err := regexp.Compile(t)
	if err != nil {
		return nil, wrong(n, "this regular expression cannot be read")
	}
	return re.MatchString(s), nil
}

// between is a list of whole numbers.
func (r *run) between(n *ast.BinaryNode, a, b any) (any, error) {
	from, okA := toInt(a)
	to, okB := toInt(b)
	if !okA || !okB {
		return nil, wrong(n, ".. takes whole numbers, this is %s and %s", typeName(a), typeName(b))
	}
	if to-from > 100_000 {
		return nil, wrong(n, ".. counts over 100000 numbers at most")
	}
	out := []any{}
	for i := from; i <= to; i++ {
		out = append(out, i)
	}
	return out, r.spend(n, 16*len(out))
}

// contains says whether a list has an item, or a map a key. Nothing is in null.
func contains(in, v any) bool {
	switch x := in.(type) {
	case []any:
		for _, item := range x {
			if equal(item, v) {
				return true
			}
		}
	case map[string]any:
		if k, ok := asText(v); ok {
			_, has := x[k]
			return has
		}
	}
	return false
}

// equal compares numbers by value, and all else by kind and value.
func equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if other, has := y[k]; !has || !equal(x[k], other) {
				return false
			}
		}
		return true
	}
	c, ok := order(a, b)
	return ok && c == 0
}

// order compares two numbers or two texts.
func order(a, b any) (int, bool) {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			return compareInts(x, y), true
		}
	}
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return strings.Compare(x, y), ok
	}
	x, okX := exact(a)
	y, okY := exact(b)
	if !okX || !okY {
		return 0, false
	}
	return x.Cmp(y), true
}

func compareInts(x, y int) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// exact is a number without loss; a float is the shortest decimal that means it. Not ok: anything else, and what has so many
// digits that to write them out would take the machine's memory.
func exact(v any) (*big.Rat, bool) {
	switch x := v.(type) {
	case int:
		return new(big.Rat).SetInt64(int64(x)), true
	case *big.Int:
		return new(big.Rat).SetInt(x), true
	case json.Number:
		return exactLiteral(string(x))
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, false
		}
		return exactLiteral(strconv.FormatFloat(x, 'g', -1, 64))
	}
	return nil, false
}

func exactLiteral(s string) (*big.Rat, bool) {
	if len(s) > 1000 {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > 400 || e < -400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

// number is an exact value as messages have numbers.
func number(r *big.Rat) any {
	if r.IsInt() {
		return message.Number(r.Num().String())
	}
	if places, finite := r.FloatPrec(); finite && places <= 30 {
		return json.Number(r.FloatString(places))
	}
	f, _ := r.Float64()
	return tidyFloat(f)
}

var (
	errZero   = errors.New("division by zero")
	errWhole  = errors.New("% takes whole numbers")
	errDigits = errors.New("a number has too many digits to calculate with")
	errLarge  = errors.New("the result is too large")
)

// arithmetic calculates exactly, but for powers and endless fractions.
func arithmetic(op string, a, b any) (any, error) {
	x, okX := exact(a)
	y, okY := exact(b)
	if !okX || !okY {
		return nil, errLarge
	}
	z := new(big.Rat)
	switch op {
	case "+":
		return number(z.Add(x, y)), nil
	case "-":
		return number(z.Sub(x, y)), nil
	case "*":
		return number(z.Mul(x, y)), nil
	case "/":
		if y.Sign() == 0 {
			return nil, errZero
		}
		return number(z.Quo(x, y)), nil
	case "%":
		if !x.IsInt() || !y.IsInt() {
			return nil, errWhole
		}
		if y.Sign() == 0 {
			return nil, errZero
		}
		return message.Number(new(big.Int).Rem(x.Num(), y.Num()).String()), nil
	}
	f, _ := x.Float64()
	g, _ := y.Float64()
	p := math.Pow(f, g)
	if math.IsNaN(p) || math.IsInf(p, 0) {
		return nil, errLarge
	}
	return tidyFloat(p), nil
}

// toInt is a whole number.
func toInt(v any) (int, bool) {
	if i, ok := v.(int); ok {
		return i, true
	}
	r, ok := exact(v)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return int(r.Num().Int64()), true
}
