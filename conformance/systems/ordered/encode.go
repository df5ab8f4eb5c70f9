package ordered

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Compact is v as JSON without blanks, as Java's writers give it.
func Compact(v any) []byte { return appendValue(nil, v, ",", ":") }

// Python is v as Python's json.dumps(v, ensure_ascii=False) gives it: a blank
// behind each comma and colon.
func Python(v any) []byte { return appendValue(nil, v, ", ", ": ") }

func appendValue(dst []byte, v any, comma, colon string) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return appendString(dst, v)
	case json.Number:
		return append(dst, v...)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return append(dst, Float(v)...)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = appendValue(dst, e, comma, colon)
		}
		return append(dst, ']')
	case *Map:
		dst = append(dst, '{')
		for i, k := range v.keys {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = appendString(dst, k)
			dst = append(dst, colon...)
			dst = appendValue(dst, v.vals[k], comma, colon)
		}
		return append(dst, '}')
	}
	panic(fmt.Sprintf("ordered: no JSON for a %T", v))
}

// Float is f as Python's repr has it: 2.0, 12.5, 1e+16.
func Float(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return map[bool]string{true: "NaN", false: "Infinity"}[math.IsNaN(f)]
	}
	abs := math.Abs(f)
	if abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

const hexDigits = "0123456789abcdef"

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			if c < 0x20 {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}
