package expr

import (
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"

	"github.com/njia-health/njia/engine/message"
)

// builtin is a function of the language expr: how many arguments it takes, and what it does. Those whose over is set go through
// a list and ask about each item.
type builtin struct {
	min, max int
	call     func(r *run, n ast.Node, a []any) (any, error)
	over     func(r *run, n ast.Node, items []any, ask func(item any, i int) (any, error)) (any, error)
}

// call calls a function by its name.
func (r *run) call(n ast.Node, name string, args []ast.Node, l *locals) (any, error) {
	if name == "now" {
		return r.s.value("now"), nil
	}
	if name == "reduce" {
		return r.reduce(n, args, l)
	}
	b, isBuiltin := builtins()[name]
	if isBuiltin && b.over != nil {
		return r.through(n, name, b, args, l)
	}
	values := make([]any, len(args))
	for i, a := range args {
		v, err := r.eval(a, l)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	var out any
	var err error
	if f, ok := shared()[name]; ok {
		out, err = f.call(r.f.c, values)
	} else {
		out, err = b.call(r, n, values)
	}
	var call *callError
	if errors.As(err, &call) {
		err = wrong(n, "%s", call.text)
	}
	return out, err
}

// through goes through a list; null is an empty one.
func (r *run) through(n ast.Node, name string, b builtin, args []ast.Node, l *locals) (any, error) {
	v, err := r.eval(args[0], l)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if !ok && v != nil {
		return nil, wrong(args[0], "%s goes through a list, this is %s", name, typeName(v))
	}
	var ask func(any, int) (any, error)
	if len(args) > 1 {
		ask = func(item any, i int) (any, error) {
			return r.eval(args[1], &locals{&locals{l, "#", item}, "#index", i})
		}
	}
	return b.over(r, n, items, ask)
}

func (r *run) reduce(n ast.Node, args []ast.Node, l *locals) (any, error) {
	v, err := r.eval(args[0], l)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if !ok && v != nil {
		return nil, wrong(args[0], "reduce goes through a list, this is %s", typeName(v))
	}
	var acc any
	if len(args) > 2 {
		if acc, err = r.eval(args[2], l); err != nil {
			return nil, err
		}
	} else if len(items) > 0 {
		acc, items = items[0], items[1:]
	}
	for i, item := range items {
		inner := &locals{&locals{&locals{l, "#", item}, "#index", i}, "#acc", acc}
		if acc, err = r.eval(args[1], inner); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// yes asks a predicate that must answer true or false.
func yes(n ast.Node, ask func(any, int) (any, error), item any, i int) (bool, error) {
	v, err := ask(item, i)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, wrong(n, "what is asked of each item is true or false, this is %s", typeName(v))
	}
	return b, nil
}

// counted goes through a list and counts the items that a predicate likes; it stops where enough says so.
func counted(result func(hits, all int) any, enough func(hits, seen int) bool) builtin {
	return builtin{min: 2, max: 2, over: func(_ *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
		hits := 0
		for i, item := range items {
			ok, err := yes(n, ask, item, i)
			if err != nil {
				return nil, err
			}
			if ok {
				hits++
			}
			if enough != nil && enough(hits, i+1) {
				break
			}
		}
		return result(hits, len(items)), nil
	}}
}

// found gives an item, or its index, that a predicate likes.
func found(last, index bool) builtin {
	return builtin{min: 2, max: 2, over: func(_ *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
		for k := range items {
			i := k
			if last {
				i = len(items) - 1 - k
			}
			ok, err := yes(n, ask, items[i], i)
			if err != nil {
				return nil, err
			}
			if ok && index {
				return i, nil
			}
			if ok {
				return items[i], nil
			}
		}
		return nil, nil
	}}
}

// onText is a function of a text; null stays null.
func onText(name string, f func(s string) any) builtin {
	return builtin{min: 1, max: 1, call: func(r *run, n ast.Node, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		s, ok := a[0].(string)
		if !ok {
			return nil, wrong(n, "%s takes a text, this is %s", name, typeName(a[0]))
		}
		return f(s), r.spend(n, len(s))
	}}
}

// onTexts is a function of a text and other texts; a first one that is null stays null.
func onTexts(name string, count int, f func(a []string) any) builtin {
	return builtin{min: count, max: count, call: func(r *run, n ast.Node, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		texts, size := make([]string, len(a)), 0
		for i, v := range a {
			s, ok := v.(string)
			if !ok {
				return nil, wrong(n, "%s takes texts, this is %s", name, typeName(v))
			}
			texts[i] = s
			size += len(s)
		}
		return f(texts), r.spend(n, size)
	}}
}

// onList is a function of a list; null is an empty one.
func onList(name string, least, most int, f func(r *run, n ast.Node, items []any, a []any) (any, error)) builtin {
	return builtin{min: least, max: most, call: func(r *run, n ast.Node, a []any) (any, error) {
		items, ok := a[0].([]any)
		if !ok && a[0] != nil {
			return nil, wrong(n, "%s takes a list, this is %s", name, typeName(a[0]))
		}
		if err := r.spend(n, 16*len(items)); err != nil {
			return nil, err
		}
		return f(r, n, items, a[1:])
	}}
}

// onNumber is a function of a number; null stays null.
func onNumber(name string, f func(x *big.Rat) *big.Rat) builtin {
	return builtin{min: 1, max: 1, call: func(_ *run, n ast.Node, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		x, ok := exact(a[0])
		if !ok {
			return nil, wrong(n, "%s takes a number, this is %s", name, typeName(a[0]))
		}
		return number(f(x)), nil
	}}
}

// decoding is a function of a text that may not be in its form; null stays null.
func decoding(name, form string, f func(s string) (any, error)) builtin {
	return builtin{min: 1, max: 1, call: func(r *run, n ast.Node, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		s, ok := a[0].(string)
		if !ok {
			return nil, wrong(n, "%s takes a text, this is %s", name, typeName(a[0]))
		}
		v, err := f(s)
		if err != nil {
			return nil, wrong(n, "%s: this text is not %s", name, form)
		}
		return v, r.spend(n, len(s))
	}}
}

// extreme is the least or greatest of several values or of a list.
func extreme(name string, sign int) builtin {
	return builtin{min: 1, max: 50, call: func(_ *run, n ast.Node, a []any) (any, error) {
		if len(a) == 1 {
			if list, ok := a[0].([]any); ok {
				a = list
			}
		}
		var best any
		for _, v := range a {
			if v == nil {
				continue
			}
			if best == nil {
				best = v
				continue
			}
			c, ok := order(v, best)
			if !ok {
				return nil, wrong(n, "%s compares numbers or texts, this is %s and %s", name, typeName(best), typeName(v))
			}
			if c*sign > 0 {
				best = v
			}
		}
		return best, nil
	}}
}

// builtins are the functions of the language expr that rules have. Those of time and of bits are left out: see Functions.
var builtins = sync.OnceValue(builtinTable)

func builtinTable() map[string]builtin {
	half := big.NewRat(1, 2)
	return map[string]builtin{
		"all":  counted(func(h, all int) any { return h == all }, func(h, seen int) bool { return h < seen }),
		"any":  counted(func(h, _ int) any { return h > 0 }, func(h, _ int) bool { return h > 0 }),
		"none": counted(func(h, _ int) any { return h == 0 }, func(h, _ int) bool { return h > 0 }),
		"one":  counted(func(h, _ int) any { return h == 1 }, func(h, _ int) bool { return h > 1 }),
		"find": found(false, false), "findIndex": found(false, true), "findLast": found(true, false), "findLastIndex": found(true, true),
		"count": {min: 1, max: 2, over: func(_ *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
			hits := 0
			for i, item := range items {
				ok := item == true
				if ask != nil {
					var err error
					if ok, err = yes(n, ask, item, i); err != nil {
						return nil, err
					}
				}
				if ok {
					hits++
				}
			}
			return hits, nil
		}},
		"filter": {min: 2, max: 2, over: func(r *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
			out := []any{}
			for i, item := range items {
				ok, err := yes(n, ask, item, i)
				if err != nil {
					return nil, err
				}
				if ok {
					out = append(out, item)
				}
			}
			return out, r.spend(n, 16*len(out))
		}},
		"map": {min: 2, max: 2, over: func(r *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
			out := make([]any, len(items))
			for i, item := range items {
				v, err := ask(item, i)
				if err != nil {
					return nil, err
				}
				out[i] = v
			}
			return out, r.spend(n, 16*len(out))
		}},
		"sum": {min: 1, max: 2, over: func(_ *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
			var total any = 0
			for i, item := range items {
				if ask != nil {
					v, err := ask(item, i)
					if err != nil {
						return nil, err
					}
					item = v
				}
				if item == nil {
					continue
				}
				if _, ok := exact(item); !ok {
					return nil, wrong(n, "sum adds numbers, this is %s", typeName(item))
				}
				var err error
				if total, err = arithmetic("+", total, item); err != nil {
					return nil, wrong(n, "%v", err)
				}
			}
			return total, nil
		}},
		"groupBy": {min: 2, max: 2, over: func(r *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
			out := map[string]any{}
			for i, item := range items {
				v, err := ask(item, i)
				if err != nil {
					return nil, err
				}
				k, _ := asText(v)
				group, _ := out[k].([]any)
				out[k] = append(group, item)
			}
			return out, r.spend(n, 32*len(items))
		}},
		"sortBy": {min: 2, max: 2, over: func(r *run, n ast.Node, items []any, ask func(any, int) (any, error)) (any, error) {
			keys := make([]any, len(items))
			for i, item := range items {
				v, err := ask(item, i)
				if err != nil {
					return nil, err
				}
				keys[i] = v
			}
			return sorted(r, n, items, keys)
		}},
		"len": {min: 1, max: 1, call: func(_ *run, n ast.Node, a []any) (any, error) {
			switch x := a[0].(type) {
			case nil:
				return 0, nil
			case string:
				return len([]rune(x)), nil
			case []any:
				return len(x), nil
			case map[string]any:
				return len(x), nil
			}
			return nil, wrong(n, "len counts a text, a list or a map, this is %s", typeName(a[0]))
		}},
		"string": {min: 1, max: 1, call: func(r *run, n ast.Node, a []any) (any, error) {
			if s, ok := asText(a[0]); ok || a[0] == nil {
				if a[0] == nil {
					return nil, nil
				}
				return s, nil
			}
			b, err := message.Encode(a[0])
			if err != nil {
				return nil, wrong(n, "this cannot be written as text")
			}
			return string(b), r.spend(n, len(b))
		}},
		"int": {min: 1, max: 1, call: func(_ *run, n ast.Node, a []any) (any, error) {
			x, err := parsed(n, "int", a[0])
			if x == nil || err != nil {
				return nil, err
			}
			return number(new(big.Rat).SetInt(new(big.Int).Quo(x.Num(), x.Denom()))), nil
		}},
		"float": {min: 1, max: 1, call: func(_ *run, n ast.Node, a []any) (any, error) {
			x, err := parsed(n, "float", a[0])
			if x == nil || err != nil {
				return nil, err
			}
			return number(x), nil
		}},
		"abs":   onNumber("abs", func(x *big.Rat) *big.Rat { return new(big.Rat).Abs(x) }),
		"floor": onNumber("floor", floorRat),
		"ceil":  onNumber("ceil", func(x *big.Rat) *big.Rat { return new(big.Rat).Neg(floorRat(new(big.Rat).Neg(x))) }),
		"round": onNumber("round", func(x *big.Rat) *big.Rat {
			if x.Sign() < 0 {
				return new(big.Rat).Neg(floorRat(new(big.Rat).Add(new(big.Rat).Neg(x), half)))
			}
			return floorRat(new(big.Rat).Add(x, half))
		}),
		"max": extreme("max", 1), "min": extreme("min", -1),
		"upper": onText("upper", func(s string) any { return strings.ToUpper(s) }),
		"lower": onText("lower", func(s string) any { return strings.ToLower(s) }),
		"trim": {min: 1, max: 2, call: func(_ *run, n ast.Node, a []any) (any, error) {
			if a[0] == nil {
				return nil, nil
			}
			s, ok := a[0].(string)
			if !ok {
				return nil, wrong(n, "trim takes a text, this is %s", typeName(a[0]))
			}
			if len(a) == 1 {
				return strings.TrimSpace(s), nil
			}
			cut, ok := a[1].(string)
			if !ok {
				return nil, wrong(n, "trim takes texts, this is %s", typeName(a[1]))
			}
			return strings.Trim(s, cut), nil
		}},
		"trimPrefix": onTexts("trimPrefix", 2, func(a []string) any { return strings.TrimPrefix(a[0], a[1]) }),
		"trimSuffix": onTexts("trimSuffix", 2, func(a []string) any { return strings.TrimSuffix(a[0], a[1]) }),
		"hasPrefix":  onTexts("hasPrefix", 2, func(a []string) any { return strings.HasPrefix(a[0], a[1]) }),
		"hasSuffix":  onTexts("hasSuffix", 2, func(a []string) any { return strings.HasSuffix(a[0], a[1]) }),
		"indexOf":    onTexts("indexOf", 2, func(a []string) any { return strings.Index(a[0], a[1]) }),
		"lastIndexOf": onTexts("lastIndexOf", 2, func(a []string) any {
			return strings.LastIndex(a[0], a[1])
		}),
		"split": onTexts("split", 2, func(a []string) any {
			out := []any{}
			for _, s := range strings.Split(a[0], a[1]) {
				out = append(out, s)
			}
			return out
		}),
		"replace": {min: 3, max: 3, call: func(r *run, n ast.Node, a []any) (any, error) {
			if a[0] == nil {
				return nil, nil
			}
			s, ok1 := a[0].(string)
			old, ok2 := a[1].(string)
			by, ok3 := a[2].(string)
			if !ok1 || !ok2 || !ok3 {
				return nil, wrong(n, "replace takes three texts")
			}
			if err := r.spend(n, len(s)+strings.Count(s, old)*len(by)); err != nil {
				return nil, err
			}
			return strings.ReplaceAll(s, old, by), nil
		}},
		"repeat": {min: 2, max: 2, call: func(r *run, n ast.Node, a []any) (any, error) {
			s, ok := a[0].(string)
			times, whole := toInt(a[1])
			if !ok || !whole || times < 0 {
				return nil, wrong(n, "repeat takes a text and how often")
			}
			if times > maxFormulaBytes {
				return nil, r.spend(n, maxFormulaBytes+1)
			}
			if err := r.spend(n, len(s)*times); err != nil {
				return nil, err
			}
			return strings.Repeat(s, times), nil
		}},
		"join": onList("join", 1, 2, func(r *run, n ast.Node, items []any, a []any) (any, error) {
			sep := ""
			if len(a) > 0 {
				var ok bool
				if sep, ok = a[0].(string); !ok {
					return nil, wrong(n, "join puts a text between, this is %s", typeName(a[0]))
				}
			}
			parts, size := make([]string, len(items)), 0
			for i, item := range items {
				s, ok := asText(item)
				if !ok {
					return nil, wrong(n, "join takes texts, one of them is %s", typeName(item))
				}
				parts[i] = s
				size += len(s) + len(sep)
			}
			if err := r.spend(n, size); err != nil {
				return nil, err
			}
			return strings.Join(parts, sep), nil
		}),
		"first": onList("first", 1, 1, func(_ *run, _ ast.Node, items []any, _ []any) (any, error) { return member(items, 0), nil }),
		"last":  onList("last", 1, 1, func(_ *run, _ ast.Node, items []any, _ []any) (any, error) { return member(items, -1), nil }),
		"take": onList("take", 2, 2, func(_ *run, n ast.Node, items []any, a []any) (any, error) {
			k, ok := toInt(a[0])
			if !ok || k < 0 {
				return nil, wrong(n, "take takes how many")
			}
			k = min(k, len(items))
			return items[:k:k], nil
		}),
		"get": {min: 2, max: 2, call: func(_ *run, _ ast.Node, a []any) (any, error) { return member(a[0], a[1]), nil }},
		"reverse": onList("reverse", 1, 1, func(_ *run, _ ast.Node, items []any, _ []any) (any, error) {
			out := slices.Clone(items)
			slices.Reverse(out)
			return out, nil
		}),
		"uniq": onList("uniq", 1, 1, func(r *run, n ast.Node, items []any, _ []any) (any, error) {
			out := []any{}
			for _, item := range items {
				if r.steps += len(out); r.steps > maxFormulaSteps {
					return nil, wrong(n, "uniq takes too long on this list; do it in jq")
				}
				if !contains(out, item) {
					out = append(out, item)
				}
			}
			return out, nil
		}),
		"sort": onList("sort", 1, 1, func(r *run, n ast.Node, items []any, _ []any) (any, error) { return sorted(r, n, items, items) }),
		"flatten": onList("flatten", 1, 1, func(r *run, n ast.Node, items []any, _ []any) (any, error) {
			out := []any{}
			for _, item := range items {
				if inner, ok := item.([]any); ok {
					out = append(out, inner...)
				} else {
					out = append(out, item)
				}
			}
			return out, r.spend(n, 16*len(out))
		}),
		"concat": {min: 1, max: 20, call: func(r *run, n ast.Node, a []any) (any, error) {
			out := []any{}
			for _, v := range a {
				items, ok := v.([]any)
				if !ok && v != nil {
					return nil, wrong(n, "concat takes lists, this is %s", typeName(v))
				}
				out = append(out, items...)
			}
			return out, r.spend(n, 16*len(out))
		}},
		"keys": {min: 1, max: 1, call: func(r *run, n ast.Node, a []any) (any, error) { return entries(r, n, "keys", a[0]) }},
		"values": {min: 1, max: 1, call: func(r *run, n ast.Node, a []any) (any, error) {
			return entries(r, n, "values", a[0])
		}},
		"type": {min: 1, max: 1, call: func(_ *run, _ ast.Node, a []any) (any, error) {
			return map[string]any{"null": "nil", "true or false": "bool", "text": "string", "a number": "number", "a list": "array", "a map": "map"}[typeName(a[0])], nil
		}},
		"toJSON": {min: 1, max: 1, call: func(r *run, n ast.Node, a []any) (any, error) {
			b, err := message.Encode(a[0])
			if err != nil {
				return nil, wrong(n, "this cannot be written as JSON")
			}
			return string(b), r.spend(n, len(b))
		}},
		"fromJSON": decoding("fromJSON", "JSON", func(s string) (any, error) { return message.Decode([]byte(s)) }),
		"toBase64": onText("toBase64", func(s string) any { return base64.StdEncoding.EncodeToString([]byte(s)) }),
		"fromBase64": decoding("fromBase64", "base 64", func(s string) (any, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		}),
	}
}

func floorRat(x *big.Rat) *big.Rat {
	q, m := new(big.Int).DivMod(x.Num(), x.Denom(), new(big.Int))
	_ = m
	return new(big.Rat).SetInt(q)
}

// parsed is a number, or the number that a text means.
func parsed(n ast.Node, name string, v any) (*big.Rat, error) {
	if v == nil {
		return nil, nil
	}
	if s, ok := v.(string); ok {
		x, ok := exactLiteral(strings.TrimSpace(s))
		if !ok || strings.ContainsAny(s, "/_xX") {
			return nil, wrong(n, "%s: this text is no number", name)
		}
		return x, nil
	}
	x, ok := exact(v)
	if !ok {
		return nil, wrong(n, "%s takes a number or its text, this is %s", name, typeName(v))
	}
	return x, nil
}

// sorted puts items into the order of their keys.
func sorted(r *run, n ast.Node, items, keys []any) (any, error) {
	index := make([]int, len(items))
	for i := range index {
		index[i] = i
	}
	var bad error
	slices.SortStableFunc(index, func(a, b int) int {
		c, ok := order(keys[a], keys[b])
		if !ok && bad == nil {
			bad = wrong(n, "%s and %s have no order", typeName(keys[a]), typeName(keys[b]))
		}
		return c
	})
	out := make([]any, len(items))
	for i, k := range index {
		out[i] = items[k]
	}
	if bad == nil {
		bad = r.spend(n, 24*len(items))
	}
	return out, bad
}

// entries are the keys of a map in order, or its values in that order.
func entries(r *run, n ast.Node, what string, v any) (any, error) {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, wrong(n, "%s takes a map, this is %s", what, typeName(v))
	}
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	out := make([]any, len(names))
	for i, k := range names {
		if out[i] = any(k); what == "values" {
			out[i] = m[k]
		}
	}
	return out, r.spend(n, 32*len(out))
}
