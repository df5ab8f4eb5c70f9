package openmrs

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

func anyValue(r *record, p param, ok func(any) bool) bool {
	for _, path := range p.paths {
		if slices.ContainsFunc(values(r.body, path), ok) {
			return true
		}
	}
	return false
}

// values are what is at path, lists opened.
func values(v any, path string) []any {
	if list, ok := v.([]any); ok {
		out := []any{}
		for _, e := range list {
			out = append(out, values(e, path)...)
		}
		return out
	}
	if path == "" {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	m, _ := v.(*ordered.Map)
	if m == nil {
		return nil
	}
	name, rest, _ := strings.Cut(path, ".")
	return values(m.Value(name), rest)
}

// equal compares one value of a resource with one of a query.
func (k kind) equal(v any, want string) bool {
	switch k {
	case ref:
		_, id, ok := strings.Cut(want, "/")
		if !ok {
			id = want
		}
		return refID(v) == id
	case text:
		s, _ := v.(string)
		return strings.HasPrefix(strings.ToLower(s), strings.ToLower(want))
	}
	system, code, ok := strings.Cut(want, "|")
	if !ok {
		system, code = "*", want
	}
	return tokenEqual(v, system, code)
}

// tokenEqual says whether v is the code; system is "*" for any.
func tokenEqual(v any, system, code string) bool {
	switch v := v.(type) {
	case string:
		return v == code
	case bool:
		return strconv.FormatBool(v) == code
	case json.Number:
		return v.String() == code
	case *ordered.Map:
		if coding, ok := v.Value("coding").([]any); ok {
			return slices.ContainsFunc(coding, func(c any) bool { return tokenEqual(c, system, code) })
		}
		name := "code"
		if v.Has("value") { // Identifier
			name = "value"
		}
		own, _ := v.Value("system").(string)
		value, _ := v.Value(name).(string)
		return (code == "" || value == code) && (system == "*" || own == system)
	}
	return false
}

// refID is the id in a Reference, which is Type/id or a bare id.
func refID(v any) string {
	m, _ := v.(*ordered.Map)
	if m == nil {
		return ""
	}
	s, _ := m.Value("reference").(string)
	return s[strings.LastIndexByte(s, '/')+1:]
}

// span is a date with its precision: from is in it, to is not.
type span struct{ from, to time.Time }

func parseDate(v any) (span, bool) {
	s, ok := v.(string)
	if !ok {
		return span{}, false
	}
	for _, p := range []struct {
		layout string
		next   func(time.Time) time.Time
	}{
		{time.RFC3339Nano, func(t time.Time) time.Time { return t.Add(time.Second - time.Duration(t.Nanosecond())) }},
		{"2006-01-02T15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
		{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	} {
		if t, err := time.Parse(p.layout, s); err == nil {
			return span{t, p.next(t)}, true
		}
	}
	return span{}, false
}

// dateTest reads [prefix]date. A plus sign that was not escaped arrives as a
// blank, and is refused as HAPI does.
func dateTest(value string) (func(time.Time) bool, error) {
	prefix, rest := "eq", value
	if len(value) > 2 && value[0] >= 'a' && value[0] <= 'z' {
		prefix, rest = value[:2], value[2:]
	}
	at, ok := parseDate(rest)
	if !ok {
		return nil, badRequest("Invalid date/time format: %q", rest)
	}
	switch prefix {
	case "eq":
		return func(t time.Time) bool { return !t.Before(at.from) && t.Before(at.to) }, nil
	case "ne":
		return func(t time.Time) bool { return t.Before(at.from) || !t.Before(at.to) }, nil
	case "ge":
		return func(t time.Time) bool { return !t.Before(at.from) }, nil
	case "gt", "sa":
		return func(t time.Time) bool { return !t.Before(at.to) }, nil
	case "le":
		return func(t time.Time) bool { return t.Before(at.to) }, nil
	case "lt", "eb":
		return func(t time.Time) bool { return t.Before(at.from) }, nil
	}
	return nil, badRequest("Unable to parse date parameter %q: unknown prefix %q", value, prefix)
}
