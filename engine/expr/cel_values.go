package expr

import (
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// celAdapter shows CEL the trees of messages without copying them.
type celAdapter struct{}

func (a celAdapter) NativeToValue(v any) ref.Val {
	switch x := v.(type) {
	case nil:
		return types.NullValue
	case bool:
		return types.Bool(x)
	case string:
		return types.String(x)
	case int:
		return types.Int(x)
	case json.Number:
		return celNumber(string(x))
	case *big.Int:
		return celNumber(x.String())
	case map[string]any:
		if x == nil {
			return types.NullValue
		}
		return types.NewStringInterfaceMap(a, x)
	case []any:
		return types.NewDynamicList(a, x)
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// celNumber is an int where the literal is one of 64 bits, a bigNumber where a double has not enough digits for it, else a double.
func celNumber(s string) ref.Val {
	if i, err := json.Number(s).Int64(); err == nil {
		return types.Int(i)
	}
	f, err := json.Number(s).Float64()
	if err != nil && math.IsInf(f, 0) || len(s) > 400 {
		return types.Double(f)
	}
	digits := strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(strings.SplitN(strings.ToLower(s), "e", 2)[0]), "0")
	if len(digits) <= 15 {
		return types.Double(f)
	}
	rat, ok := new(big.Rat).SetString(s)
	if !ok || len(digits) <= 17 && !rat.IsInt() {
		return types.Double(f)
	}
	if exact := new(big.Rat); exact.SetFloat64(f) != nil && exact.Cmp(rat) == 0 {
		return types.Double(f)
	}
	return bigNumber{Double: types.Double(f), rat: rat, text: s}
}

// bigNumber is a number with more digits than a double has. It compares exactly, and calculates as the nearest double.
type bigNumber struct {
	types.Double
	rat  *big.Rat
	text string
}

// Equal compares digits.
func (n bigNumber) Equal(other ref.Val) ref.Val {
	o := ratOf(other)
	return types.Bool(o != nil && n.rat.Cmp(o) == 0)
}

// Compare compares digits.
func (n bigNumber) Compare(other ref.Val) ref.Val {
	if o := ratOf(other); o != nil {
		return types.Int(n.rat.Cmp(o))
	}
	return n.Double.Compare(other)
}

// Value is the number with its digits.
func (n bigNumber) Value() any { return json.Number(n.text) }

// ConvertToNative gives the digits where they are asked for.
func (n bigNumber) ConvertToNative(t reflect.Type) (any, error) {
	if t == reflect.TypeFor[json.Number]() {
		return json.Number(n.text), nil
	}
	return n.Double.ConvertToNative(t)
}

// ConvertToType keeps the digits in text.
func (n bigNumber) ConvertToType(t ref.Type) ref.Val {
	if t == types.StringType {
		return types.String(n.text)
	}
	return n.Double.ConvertToType(t)
}

// ratOf is a CEL number exactly; nil of anything else.
func ratOf(v ref.Val) *big.Rat {
	switch x := v.(type) {
	case bigNumber:
		return x.rat
	case types.Int:
		return new(big.Rat).SetInt64(int64(x))
	case types.Uint:
		return new(big.Rat).SetUint64(uint64(x))
	case types.Double:
		if r := new(big.Rat); !math.IsNaN(float64(x)) && r.SetFloat64(float64(x)) != nil {
			return r
		}
	}
	return nil
}

// fromCEL is a CEL value as a tree.
func fromCEL(v ref.Val) any {
	switch x := v.(type) {
	case types.Null:
		return nil
	case types.Bool:
		return bool(x)
	case types.String:
		return string(x)
	case types.Int:
		return int(x)
	case types.Uint:
		return json.Number(new(big.Int).SetUint64(uint64(x)).String())
	case bigNumber:
		return json.Number(x.text)
	case types.Double:
		return tidyFloat(float64(x))
	case *types.Optional:
		if !x.HasValue() {
			return nil
		}
		return fromCEL(x.GetValue())
	case traits.Mapper:
		if m, ok := x.Value().(map[string]any); ok {
			return m
		}
		out := map[string]any{}
		for it := x.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			if s, ok := asText(fromCEL(k)); ok {
				out[s] = fromCEL(x.Get(k))
			}
		}
		return out
	case traits.Lister:
		if l, ok := x.Value().([]any); ok {
			return l
		}
		out := []any{}
		for it := x.Iterator(); it.HasNext() == types.True; {
			out = append(out, fromCEL(it.Next()))
		}
		return out
	}
	if s, ok := v.ConvertToType(types.StringType).(types.String); ok { // a duration, a timestamp
		return string(s)
	}
	return nil
}
