package odoo

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/njia-health/njia/engine/fault"
)

// ids reads a setting that names records: a number, a record as search_read gives it, or a list of those.
func ids(what string, v any) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		if v == nil {
			return nil, fault.New(fault.Invalid, "%s: ids is empty: the record was not found, or the expression names a field that is not there", what)
		}
		list = []any{v}
	}
	out := make([]any, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			item = m["id"]
		}
		n, ok := number(item)
		if !ok || n <= 0 {
			return nil, fault.New(fault.Invalid, "%s: ids has something that is no record id: an id is a whole number above 0", what)
		}
		out = append(out, n)
	}
	return out, nil
}

// number reads a whole number, also one that ${…} has put into text.
func number(v any) (int, bool) {
	switch x := v.(type) {
	case int:
		return x, true
	case json.Number:
		n, err := strconv.Atoi(string(x))
		return n, err == nil
	case string:
		n, err := strconv.Atoi(x)
		return n, err == nil
	}
	return 0, false
}

// values reads the fields to set: the setting, or else the message's body. A null becomes false, which is Odoo's word for
// an empty field; ids become numbers.
func values(what string, set map[string]any, body any) (map[string]any, error) {
	if set == nil {
		m, ok := body.(map[string]any)
		if !ok {
			return nil, fault.New(fault.Invalid, "%s: the body is no object of field names and values", what)
		}
		set = m
	}
	if len(set) == 0 {
		return nil, fault.New(fault.Invalid, "%s: there are no values", what)
	}
	return emptied(set).(map[string]any), nil
}

// emptied is v with false for null, at every depth.
func emptied(v any) any {
	switch x := v.(type) {
	case nil:
		return false
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = emptied(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = emptied(x[k])
		}
		return out
	}
	return v
}

// domain reads a search domain: a list of [field, operator, value] and of the operators between them.
func domain(what string, v any) ([]any, error) {
	list, ok := v.([]any)
	if v != nil && !ok {
		return nil, fault.New(fault.Invalid, "%s: domain is a list of conditions, as in [[ref, \"=\", \"X\"]]", what)
	}
	out := make([]any, len(list))
	for i, leaf := range list {
		if err := checkLeaf(leaf); err != nil {
			return nil, fault.New(fault.Invalid, "%s: domain, condition %d: %s", what, i+1, err)
		}
		out[i] = emptied(leaf)
	}
	return out, nil
}

func checkLeaf(leaf any) error {
	switch x := leaf.(type) {
	case string:
		if x == "&" || x == "|" || x == "!" {
			return nil
		}
	case []any:
		if len(x) == 3 {
			if _, ok := x[1].(string); ok {
				return nil
			}
		}
	}
	return fmt.Errorf("a condition is [field, operator, value], or one of \"&\", \"|\" and \"!\"")
}

// creates says that x2many commands in v make new lines: [0, 0, {…}]. Sent twice they make them twice.
func creates(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return false
	}
	for _, item := range list {
		if cmd, ok := item.([]any); ok && len(cmd) == 3 {
			if n, ok := cmd[0].(int); ok && n == 0 {
				if _, ok := cmd[2].(map[string]any); ok {
					return true
				}
			}
		}
	}
	return false
}

func anyCreates(m map[string]any) bool {
	for _, v := range m {
		if creates(v) {
			return true
		}
	}
	return false
}
