package odoo

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// test says whether a row is found.
type test func(row) (bool, error)

var operators = []string{
	"=", "!=", "<=", "<", ">", ">=", "=?", "=like", "=ilike", "like", "not like", "ilike", "not ilike",
	"in", "not in", "child_of", "parent_of", "<>", "==", "any", "not any",
}

// domain reads a search domain in prefix notation: ["|", leaf, leaf, leaf].
// Leaves without an operator between them are joined by and.
func (t *tx) domain(m *model, v any) (test, error) {
	if v == nil || v == false {
		v = []any{}
	}
	items, ok := v.([]any)
	if !ok {
		return nil, valueError("Domains to normalize must have a 'domain' form: a list or tuple of domain components")
	}
	rest := items
	tests := []test{}
	for len(rest) > 0 {
		one, left, err := t.term(m, rest)
		if err != nil {
			return nil, err
		}
		tests, rest = append(tests, one), left
	}
	return all(tests), nil
}

func all(tests []test) test {
	return func(r row) (bool, error) {
		for _, one := range tests {
			if ok, err := one(r); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

// term reads one operator with its operands, or one leaf.
func (t *tx) term(m *model, items []any) (test, []any, error) {
	if len(items) == 0 {
		return nil, nil, valueError("Domain is syntactically not correct")
	}
	op, ok := items[0].(string)
	if !ok {
		leaf, err := t.leaf(m, items[0])
		return leaf, items[1:], err
	}
	a, rest, err := func() (test, []any, error) {
		switch op {
		case "!", "&", "|":
			return t.term(m, items[1:])
		}
		return nil, nil, valueError("Invalid leaf %s", op)
	}()
	if err != nil {
		return nil, nil, err
	}
	if op == "!" {
		return func(r row) (bool, error) { ok, err := a(r); return !ok, err }, rest, nil
	}
	b, rest, err := t.term(m, rest)
	if err != nil {
		return nil, nil, err
	}
	if op == "&" {
		return all([]test{a, b}), rest, nil
	}
	return func(r row) (bool, error) {
		if ok, err := a(r); ok || err != nil {
			return ok, err
		}
		return b(r)
	}, rest, nil
}

func (t *tx) leaf(m *model, v any) (test, error) {
	parts, ok := v.([]any)
	if !ok || len(parts) != 3 {
		return nil, valueError("Invalid leaf %s", repr(v))
	}
	if n, ok := asInt(parts[0]); ok { // (1, '=', 1) is true, (0, '=', 1) false
		return func(row) (bool, error) { return n == 1, nil }, nil
	}
	path, ok := parts[0].(string)
	op, isText := parts[1].(string)
	if !ok || !isText || !slices.Contains(operators, strings.ToLower(op)) {
		return nil, valueError("Invalid leaf %s", reprTuple(parts))
	}
	return t.condition(m, strings.Split(path, "."), strings.ToLower(op), parts[2], parts)
}

// condition is a leaf at the end of path, which may lead through other models.
func (t *tx) condition(m *model, path []string, op string, want any, leaf []any) (test, error) {
	f := m.field(path[0])
	if f == nil {
		return nil, valueError("Invalid field %s.%s in leaf %s", m.name, path[0], reprTuple(leaf))
	}
	if len(path) > 1 {
		if f.relation == "" {
			return nil, valueError("Invalid field %s.%s in leaf %s", m.name, path[0], reprTuple(leaf))
		}
		sub, err := t.condition(t.s.models[f.relation], path[1:], op, want, leaf)
		if err != nil {
			return nil, err
		}
		return func(r row) (bool, error) {
			for _, id := range t.related(f, r) {
				if other := t.row(f.relation, id); other != nil {
					if ok, err := sub(other); ok || err != nil {
						return ok, err
					}
				}
			}
			return false, nil
		}, nil
	}
	if op == "=?" {
		if !truthy(want) {
			return func(row) (bool, error) { return true, nil }, nil
		}
		op = "="
	}
	op = map[string]string{"<>": "!=", "==": "=", "child_of": "in", "parent_of": "in"}[op] + op
	for _, alias := range []string{"<>", "==", "child_of", "parent_of"} {
		op = strings.TrimSuffix(op, alias)
	}
	want, err := f.wanted(m, op, want)
	if err != nil {
		return nil, err
	}
	return t.compare(m, f, op, want), nil
}

// wanted is the value of a leaf in the form in which values are stored.
func (f *field) wanted(m *model, op string, want any) (any, error) {
	if list, ok := want.([]any); ok {
		if op == "=" || op == "!=" || op == "in" || op == "not in" {
			out := make([]any, len(list))
			for i, e := range list {
				v, err := f.wanted(m, "=", e)
				if err != nil {
					return nil, err
				}
				out[i] = v
			}
			return out, nil
		}
	}
	if strings.Contains(op, "like") {
		return want, nil
	}
	switch f.typ {
	case "datetime":
		if s, ok := want.(string); ok && len(s) == 10 && (op == "<=" || op == ">") {
			want = s + " 23:59:59" // osv/expression.py completes a date
		}
		v, err := toDatetime(want)
		return v, err
	case "date":
		return toDate(want)
	case "float", "monetary":
		if want == false || want == nil {
			return 0.0, nil
		}
		return toFloat(want)
	case "boolean":
		return truthy(want), nil
	case "integer":
		if want == false || want == nil {
			return int64(0), nil
		}
	}
	if want == false {
		return nil, nil
	}
	return want, nil
}

// compare is one condition on a field of the row itself.
func (t *tx) compare(m *model, f *field, op string, want any) test {
	switch op {
	case "=", "!=", "in", "not in":
		negative := op == "!=" || op == "not in"
		list, isList := want.([]any)
		if !isList {
			list = []any{want}
		}
		byName := f.relation != "" && slices.ContainsFunc(list, func(v any) bool { _, ok := v.(string); return ok })
		return func(r row) (bool, error) {
			found := false
			for _, v := range t.values(f, r, byName) {
				found = found || slices.ContainsFunc(list, func(w any) bool { return same(v, w) })
			}
			return found != negative, nil
		}
	case "<", ">", "<=", ">=":
		return func(r row) (bool, error) {
			for _, v := range t.values(f, r, false) {
				if v == nil || want == nil {
					continue
				}
				c := order(v, want)
				if c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2 {
					return true, nil
				}
			}
			return false, nil
		}
	}
	negative := strings.HasPrefix(op, "not ")
	match := liker(strings.TrimPrefix(op, "not "), want)
	return func(r row) (bool, error) {
		found := false
		for _, v := range t.values(f, r, true) {
			s, ok := v.(string)
			if !ok && v != nil {
				s, ok = repr(v), true
			}
			found = found || ok && match(s)
		}
		return found != negative, nil
	}
}

// liker is SQL's like: the plain ones look anywhere in the text, the = ones
// want the whole of it.
func liker(op string, want any) func(string) bool {
	pattern, ok := want.(string)
	if !ok {
		if !truthy(want) {
			return func(string) bool { return true }
		}
		pattern = repr(want)
	}
	expr := "(?s)"
	if strings.Contains(op, "ilike") {
		expr = "(?is)"
	}
	pattern = strings.ToValidUTF8(pattern, "\uFFFD")
	quoted := strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(pattern))
	if strings.HasPrefix(op, "=") {
		quoted = "^" + quoted + "$"
	}
	re := regexp.MustCompile(expr + quoted)
	return re.MatchString
}

// values are what a row has in f: one value, or one for each related record;
// by name when names are compared. Nothing related is one nil.
func (t *tx) values(f *field, r row, byName bool) []any {
	if f.relation == "" {
		if f.compute != nil {
			return []any{f.compute(t, r)}
		}
		return []any{r[f.name]}
	}
	ids := t.related(f, r)
	if len(ids) == 0 {
		return []any{nil}
	}
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
		if byName {
			out[i] = t.displayName(f.relation, id)
		}
	}
	return out
}

// related are the ids that a relation leads to.
func (t *tx) related(f *field, r row) []int64 {
	switch f.typ {
	case "many2one":
		v := r[f.name]
		if f.compute != nil {
			v = f.compute(t, r)
		}
		if id, ok := v.(int64); ok {
			return []int64{id}
		}
	case "many2many":
		ids, _ := r[f.name].([]int64)
		return ids
	case "one2many":
		return t.pointing(f.relation, f.inverse, r.id())
	}
	return nil
}

// pointing are the records of model whose field holds id.
func (t *tx) pointing(model, field string, id int64) []int64 {
	table := t.table(model)
	if by, ok := table.index[field]; ok {
		return slices.Clone(by[id])
	}
	ids := []int64{}
	for _, other := range table.ids {
		if table.rows[other][field] == id {
			ids = append(ids, other)
		}
	}
	return ids
}

func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	return a == b
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// order compares two values of one type; nil is greatest, as NULL in
// PostgreSQL.
func order(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return cmp.Compare(x, y)
		}
	}
	switch x := a.(type) {
	case string:
		y, _ := b.(string)
		return cmp.Compare(x, y)
	case time.Time:
		y, _ := b.(time.Time)
		return x.Compare(y)
	case bool:
		y, _ := b.(bool)
		return cmp.Compare(map[bool]int{true: 1}[x], map[bool]int{true: 1}[y])
	}
	return 0
}
