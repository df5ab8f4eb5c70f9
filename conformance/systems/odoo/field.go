package odoo

import (
	"html"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// field is one field of a model.
//
// A stored value is nil for empty, or by type: string for char, text, html,
// selection and date; int64 for integer and many2one; float64; bool;
// time.Time for datetime; []int64 for many2many. A one2many is not stored: it
// is what points back by inverse.
type field struct {
	name, typ, label string
	required         bool
	relation         string
	inverse          string // of a one2many: the many2one there
	selection        [][2]string
	readonly         bool
	cascade          bool   // of a many2one: unlinking the other unlinks this
	unique           string // text of the constraint
	def              func(tx *tx) any
	compute          func(tx *tx, r row) any // not stored
}

func (f *field) stored() bool { return f.compute == nil && f.typ != "one2many" }

const datetime = "2006-01-02 15:04:05"

// convert is what a field makes of a value from outside.
func (f *field) convert(m *model, v any) (any, error) {
	switch f.typ {
	case "boolean":
		return truthy(v), nil
	case "integer":
		return toInt(v)
	case "float", "monetary":
		return toFloat(v)
	case "char", "text":
		return toText(v), nil
	case "html":
		return sanitized(toText(v)), nil
	case "date":
		return toDate(v)
	case "datetime":
		return toDatetime(v)
	case "selection":
		if v == nil || v == false {
			return nil, nil
		}
		for _, s := range f.selection {
			if s[0] == v {
				return v, nil
			}
		}
		return nil, valueError("Wrong value for %s.%s: %s", m.name, f.name, repr(v))
	case "many2one":
		return f.toMany2one(m, v)
	}
	return v, nil
}

func (f *field) toMany2one(m *model, v any) (any, error) {
	if v == nil || v == false {
		return nil, nil
	}
	if id, ok := asInt(v); ok {
		if id == 0 {
			return nil, nil
		}
		return id, nil
	}
	if list, ok := v.([]any); ok && len(list) == 2 { // as read gives it
		return f.toMany2one(m, list[0])
	}
	return nil, valueError("Wrong value for %s.%s: %s", m.name, f.name, repr(v))
}

func toText(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		if !v {
			return nil
		}
		return "True"
	case string:
		return v
	}
	return repr(v)
}

// sanitized is an html field's value: plain text gets a paragraph around it,
// so what is read differs from what was written.
func sanitized(v any) any {
	s, ok := v.(string)
	if !ok || strings.HasPrefix(strings.TrimSpace(s), "<") {
		return v
	}
	if s == "" {
		return nil
	}
	return "<p>" + strings.NewReplacer("&#34;", `"`, "&#39;", "'").Replace(html.EscapeString(s)) + "</p>"
}

func toInt(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return int64(0), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int64:
		return v, nil
	case float64:
		return int64(v), nil
	case string:
		if v == "" {
			return int64(0), nil
		}
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return nil, valueError("invalid literal for int() with base 10: %s", repr(v))
		}
		return n, nil
	}
	return nil, typeError("int() argument must be a string, a bytes-like object or a real number, not '%s'", pyType(v))
}

func toFloat(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return 0.0, nil
	case bool:
		if v {
			return 1.0, nil
		}
		return 0.0, nil
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	case string:
		if v == "" {
			return 0.0, nil
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil {
			return nil, valueError("could not convert string to float: %s", repr(v))
		}
		return f, nil
	}
	return nil, typeError("float() argument must be a string or a real number, not '%s'", pyType(v))
}

func pyType(v any) string {
	switch v.(type) {
	case []any:
		return "list"
	case *ordered.Map:
		return "dict"
	case string:
		return "str"
	case int64:
		return "int"
	case float64:
		return "float"
	case bool:
		return "bool"
	}
	return "NoneType"
}

func toDate(v any) (any, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return nil, nil
	}
	t, err := strptime(s[:min(len(s), 10)], "%Y-%m-%d")
	if err != nil {
		return nil, err
	}
	return t.Format("2006-01-02"), nil
}

// toDatetime cuts the format to the length of the value, as
// fields.Datetime.to_datetime does: "2024-05-01" is midnight, a T or a zone is
// an error.
func toDatetime(v any) (any, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return nil, nil
	}
	const format = "%Y-%m-%d %H:%M:%S"
	return strptime(s, format[:max(0, min(len(format), len(s)-2))])
}

// strptime is Python's, for the directives Odoo uses, with its two errors.
func strptime(s, format string) (time.Time, error) {
	got := map[byte]int{'Y': 1900, 'm': 1, 'd': 1}
	rest := s
	mismatch := valueError("time data %s does not match format %s", repr(s), repr(format))
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			if rest == "" || rest[0] != format[i] {
				return time.Time{}, mismatch
			}
			rest = rest[1:]
			continue
		}
		i++
		if i == len(format) {
			return time.Time{}, valueError("stray %% in format %s", repr(format))
		}
		width := 2
		if format[i] == 'Y' {
			width = 4
		}
		n := 0
		for n < width && n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 0 || format[i] == 'Y' && n < 4 {
			return time.Time{}, mismatch
		}
		got[format[i]], _ = strconv.Atoi(rest[:n])
		rest = rest[n:]
	}
	if got['m'] < 1 || got['m'] > 12 || got['d'] < 1 || got['d'] > 31 || got['H'] > 23 || got['M'] > 59 || got['S'] > 61 {
		return time.Time{}, mismatch
	}
	if rest != "" {
		return time.Time{}, valueError("unconverted data remains: %s", rest)
	}
	t := time.Date(got['Y'], time.Month(got['m']), got['d'], got['H'], got['M'], got['S'], 0, time.UTC)
	if t.Day() != got['d'] {
		return time.Time{}, valueError("day is out of range for month")
	}
	return t, nil
}
