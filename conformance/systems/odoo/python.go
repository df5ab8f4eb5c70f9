package odoo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// repr is v as Python's repr writes it.
func repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return ordered.Float(v)
	case string:
		return reprString(v)
	case []any:
		return "[" + reprItems(v) + "]"
	case *ordered.Map:
		items := make([]string, 0, v.Len())
		for _, k := range v.Keys() {
			items = append(items, repr(k)+": "+repr(v.Value(k)))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func reprItems(vs []any) string {
	items := make([]string, len(vs))
	for i, v := range vs {
		items[i] = repr(v)
	}
	return strings.Join(items, ", ")
}

// reprTuple is vs as a tuple: one item has a comma behind it.
func reprTuple(vs []any) string {
	if len(vs) == 1 {
		return "(" + repr(vs[0]) + ",)"
	}
	return "(" + reprItems(vs) + ")"
}

func reprString(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == '\\' || r == rune(quote):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// fromJSON turns numbers into int64 and float64, as Python's json reads them.
func fromJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i, e := range v {
			v[i] = fromJSON(e)
		}
	case *ordered.Map:
		for _, k := range v.Keys() {
			v.Set(k, fromJSON(v.Value(k)))
		}
	}
	return v
}

// truthy is Python's bool(v).
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case *ordered.Map:
		return v.Len() > 0
	}
	return true
}

// asInt is v as an id or count: a bool is none.
func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == float64(int64(v))
	}
	return 0, false
}

// idsOf reads one id or a list of ids.
func idsOf(v any) []int64 {
	if id, ok := asInt(v); ok {
		return []int64{id}
	}
	list, _ := v.([]any)
	ids := make([]int64, 0, len(list))
	for _, e := range list {
		if id, ok := asInt(e); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func idList(ids []int64) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}
