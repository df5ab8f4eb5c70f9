package bind

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// FromValue makes a Node without places of a plain tree, relative paths being relative to base.
func FromValue(v any, base string) *Node {
	n := &Node{Base: base}
	switch x := v.(type) {
	case nil:
	case *Node:
		return x
	case bool:
		n.Kind, n.Text = Bool, strconv.FormatBool(x)
	case string:
		n.Kind, n.Text = String, x
	case json.Number:
		n.Kind, n.Text = Number, x.String()
	case int:
		n.Kind, n.Text = Number, strconv.Itoa(x)
	case float64:
		n.Kind, n.Text = Number, strconv.FormatFloat(x, 'g', -1, 64)
	case []byte:
		n.Kind, n.Text = String, string(x)
	case []any:
		n.Kind, n.Items = List, make([]*Node, len(x))
		for i := range x {
			n.Items[i] = FromValue(x[i], base)
		}
	case map[string]any:
		n.Kind, n.Keys, n.Items = Map, make([]Key, 0, len(x)), make([]*Node, 0, len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) {
			n.Keys = append(n.Keys, Key{Name: k})
			n.Items = append(n.Items, FromValue(x[k], base))
		}
	default:
		return fromOther(v, base)
	}
	return n
}

// fromOther takes what client libraries and tests use: int64, []string, map[string]string …
func fromOther(v any, base string) *Node {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Array:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = r.Index(i).Interface()
		}
		return FromValue(list, base)
	case reflect.Map:
		m := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			m[fmt.Sprint(it.Key().Interface())] = it.Value().Interface()
		}
		return FromValue(m, base)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32:
		if _, named := v.(fmt.Stringer); !named {
			return &Node{Kind: Number, Text: fmt.Sprint(v), Base: base}
		}
	case reflect.String:
		return &Node{Kind: String, Text: r.String(), Base: base}
	case reflect.Bool:
		return FromValue(r.Bool(), base)
	case reflect.Pointer:
		if r.IsNil() {
			return &Node{Base: base}
		}
		if big, ok := v.(interface{ IsInt64() bool }); ok { // *big.Int
			return &Node{Kind: Number, Text: fmt.Sprint(big), Base: base}
		}
	}
	return &Node{Kind: String, Text: fmt.Sprint(v), Base: base}
}

// literal is the number that s means: an int where s is its canonical form, else a json.Number with its digits.
func literal(s string) any {
	if i, err := strconv.Atoi(s); err == nil && strconv.Itoa(i) == s {
		return i
	}
	return json.Number(s)
}
