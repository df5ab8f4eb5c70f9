package rehearsal

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
)

// mismatch is a place where a value is not what was expected.
type mismatch struct {
	pos       diag.Pos
	path      string
	want, got string
}

// subset compares got with what want says of it: a map may have more keys, unless exactly; a list has as many items. Numbers
// are equal by value.
func subset(want *bind.Node, got any, path string, exactly bool) []mismatch {
	bad := func(n *bind.Node, path string, got any) []mismatch {
		return []mismatch{{n.Pos, path, show(n.Value()), show(got)}}
	}
	switch want.Kind {
	case bind.Map:
		m, ok := got.(map[string]any)
		if !ok {
			return bad(want, path, got)
		}
		var out []mismatch
		for i, k := range want.Keys {
			v, has := m[k.Name]
			p := path + "." + k.Name
			if !has && want.Items[i].Kind != bind.Null {
				out = append(out, mismatch{k.Pos, p, show(want.Items[i].Value()), "nothing"})
				continue
			}
			out = append(out, subset(want.Items[i], v, p, exactly)...)
		}
		if exactly {
			for _, k := range sortedKeys(m) {
				if want.Get(k) == nil {
					out = append(out, mismatch{want.Pos, path + "." + k, "nothing", show(m[k])})
				}
			}
		}
		return out
	case bind.List:
		l, ok := got.([]any)
		if !ok {
			return bad(want, path, got)
		}
		if len(l) != len(want.Items) {
			return []mismatch{{want.Pos, path, fmt.Sprintf("%d items: %s", len(want.Items), show(want.Value())), fmt.Sprintf("%d items: %s", len(l), show(got))}}
		}
		var out []mismatch
		for i, item := range want.Items {
			out = append(out, subset(item, l[i], fmt.Sprintf("%s[%d]", path, i), exactly)...)
		}
		return out
	}
	if !equal(want.Value(), got) {
		return bad(want, path, got)
	}
	return nil
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// equal compares scalars; numbers by value.
func equal(a, b any) bool {
	x, xok := rat(a)
	y, yok := rat(b)
	if xok && yok {
		return x.Cmp(y) == 0
	}
	return a == b
}

func rat(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case int:
		return new(big.Rat).SetInt64(int64(v)), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	case json.Number:
		return new(big.Rat).SetString(string(v))
	}
	return nil, false
}

// show is a value as one line of JSON, cut where it is long.
func show(v any) string {
	b, err := message.Encode(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if r := []rune(string(b)); len(r) > 400 {
		return string(r[:400]) + "…"
	}
	return string(b)
}
