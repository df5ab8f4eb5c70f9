package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/go-faster/jx"
	"github.com/itchyny/gojq"
)

// maxDepth is how deeply a JSON body may nest. FHIR stays under 30.
const maxDepth = 512

// Decode parses one JSON document. Integers that fit become int, every other number stays a json.Number with
// its digits. An empty body is null.
func Decode(b []byte) (any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	d := jx.DecodeBytes(b)
	v, err := decode(d, 0)
	if err != nil {
		return nil, syntaxError(b, err)
	}
	if err := d.Skip(); !errors.Is(err, io.EOF) {
		return nil, &SyntaxError{Line: 1, Column: 1, Reason: "something follows after the JSON document has ended"}
	}
	return v, nil
}

func decode(d *jx.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch d.Next() {
	case jx.String:
		return d.Str()
	case jx.Number:
		n, err := d.Num()
		if err != nil {
			return nil, err
		}
		return number(string(n)), nil
	case jx.Bool:
		return d.Bool()
	case jx.Null:
		return nil, d.Null()
	case jx.Array:
		out := []any{}
		err := d.Arr(func(d *jx.Decoder) error {
			v, err := decode(d, depth+1)
			out = append(out, v)
			return err
		})
		return out, err
	case jx.Object:
		out := make(map[string]any, 8)
		err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
			v, err := decode(d, depth+1)
			out[string(key)] = v
			return err
		})
		return out, err
	default:
		return nil, errors.New("no JSON value here")
	}
}

// number keeps the digits: int where the literal is the canonical form of one, else json.Number.
func number(s string) any {
	if i, err := strconv.Atoi(s); err == nil && strconv.Itoa(i) == s {
		return i
	}
	return json.Number(s)
}

// Number returns the number that a literal such as "42", "0.10" or "1e3" means in a message: an int where it fits,
// else a json.Number with its digits.
func Number(literal string) any { return number(literal) }

// Encode writes v as JSON with sorted keys. Numbers keep their digits. It takes what Decode and jq give, and
// fails on a NaN or on a Go type that JSON has no word for.
func Encode(v any) (b []byte, err error) {
	defer func() { // gojq panics on a foreign type
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be written as JSON: %v", p)
		}
	}()
	return gojq.Marshal(v)
}

// Normal turns a tree of common Go types (int64, float32, []string, map[string]string, *big.Int…) into the
// types that Decode gives. Adapters use it on what client libraries return.
func Normal(v any) any {
	switch x := v.(type) {
	case nil, bool, string, int, json.Number:
		return x
	case *big.Int:
		return number(x.String())
	case int8:
		return int(x)
	case int16:
		return int(x)
	case int32:
		return int(x)
	case int64:
		return number(strconv.FormatInt(x, 10))
	case uint:
		return number(strconv.FormatUint(uint64(x), 10))
	case uint8:
		return int(x)
	case uint16:
		return int(x)
	case uint32:
		return int(x)
	case uint64:
		return number(strconv.FormatUint(x, 10))
	case float32:
		return number(strconv.FormatFloat(float64(x), 'g', -1, 32))
	case float64:
		if x == float64(int(x)) && x < 1<<53 && x > -1<<53 {
			return int(x)
		}
		return x
	case []byte:
		return string(x)
	case []any:
		for i := range x {
			x[i] = Normal(x[i])
		}
		return x
	case []string:
		out := make([]any, len(x))
		for i := range x {
			out[i] = x[i]
		}
		return out
	case map[string]any:
		for k := range x {
			x[k] = Normal(x[k])
		}
		return x
	case map[string]string:
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = x[k]
		}
		return out
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	out, err := Decode(b)
	if err != nil {
		return string(b)
	}
	return out
}
