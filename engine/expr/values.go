package expr

import (
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"strconv"

	"github.com/njia-health/njia/engine/message"
)

// typeName is what a value is, in the words of the pages for implementers.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "text"
	case int, json.Number, float64, *big.Int:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "another kind of value"
}

// asText is a scalar as text, a number with its digits. Not ok: null, a list or a map.
func asText(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case int:
		return strconv.Itoa(x), true
	case json.Number:
		return x.String(), true
	case *big.Int:
		return x.String(), true
	case float64:
		switch n := tidyFloat(x).(type) {
		case int:
			return strconv.Itoa(n), true
		case float64:
			return strconv.FormatFloat(n, 'f', -1, 64), true
		}
	}
	return "", false
}

// tidyFloat is a float as messages have it: an int where it is whole, null for what is no number.
func tidyFloat(x float64) any {
	switch {
	case math.IsNaN(x):
		return nil
	case math.IsInf(x, 1):
		return math.MaxFloat64
	case math.IsInf(x, -1):
		return -math.MaxFloat64
	case x == math.Trunc(x) && math.Abs(x) < 1<<53:
		return int(x)
	}
	return x
}

// tidy turns what a language computed into the types that message.Decode gives. What needs no change is not copied: it may
// be part of the message. size grows by the bytes of the result, roughly; beyond limit it stops and says false.
func tidy(v any, size *int, limit int) (any, bool) {
	if *size += 8; *size > limit {
		return nil, false
	}
	switch x := v.(type) {
	case string:
		*size += len(x)
		return v, *size <= limit
	case json.Number:
		*size += len(x)
		return v, *size <= limit
	case float64:
		return tidyFloat(x), true
	case *big.Int:
		return message.Number(x.String()), true
	case int64:
		return message.Number(strconv.FormatInt(x, 10)), true
	case []any:
		return tidyList(x, size, limit)
	case map[string]any:
		return tidyMap(x, size, limit)
	case nil, bool, int:
		return v, true
	}
	return message.Normal(v), true
}

func tidyList(x []any, size *int, limit int) (any, bool) {
	out := x
	if x == nil {
		out = []any{}
	}
	for i, v := range x {
		t, ok := tidy(v, size, limit)
		if !ok {
			return nil, false
		}
		if changed(v, t) {
			if &out[0] == &x[0] {
				out = append([]any{}, x...)
			}
			out[i] = t
		}
	}
	return out, true
}

func tidyMap(x map[string]any, size *int, limit int) (any, bool) {
	out, copied := x, false
	if x == nil {
		out = map[string]any{}
	}
	for k, v := range x {
		*size += len(k)
		t, ok := tidy(v, size, limit)
		if !ok {
			return nil, false
		}
		if changed(v, t) {
			if !copied {
				copied, out = true, make(map[string]any, len(x))
				for k, v := range x {
					out[k] = v
				}
			}
			out[k] = t
		}
	}
	return out, true
}

// changed says whether tidy gave another value than it got.
func changed(before, after any) bool {
	switch b := before.(type) {
	case nil, bool, int, string, json.Number:
		return false
	case float64:
		a, same := after.(float64)
		return !same || a != b
	case []any:
		a := after.([]any)
		return len(a) > 0 && &a[0] != &b[0] || b == nil
	case map[string]any:
		return b == nil || !sameMap(b, after.(map[string]any))
	}
	return true
}

// sameMap says whether two maps are one.
func sameMap(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
