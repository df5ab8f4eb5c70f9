package odoo

import (
	"slices"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// search finds records. Archived ones are left out unless the domain or the
// context speaks of active. limit 0 is no limit.
func (t *tx) search(m *model, domain any, by string, offset, limit int64) ([]int64, error) {
	if err := t.allowed(m, "read"); err != nil {
		return nil, err
	}
	ok, err := t.domain(m, domain)
	if err != nil {
		return nil, err
	}
	less, err := t.ordering(m, by)
	if err != nil {
		return nil, err
	}
	table := t.table(m.name)
	activeOnly := m.field("active") != nil && !mentions(domain, "active") && !t.sees("active_test")
	found := []row{}
	for _, id := range t.candidates(table, domain) {
		r := table.rows[id]
		if activeOnly && r["active"] != true {
			continue
		}
		match, err := ok(r)
		if err != nil {
			return nil, err
		}
		if match {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, less)
	found = found[min(max(offset, 0), int64(len(found))):]
	if limit > 0 {
		found = found[:min(limit, int64(len(found)))]
	}
	ids := make([]int64, len(found))
	for i, r := range found {
		ids[i] = r.id()
	}
	return ids, nil
}

// sees says whether a context key is there and false.
func (t *tx) sees(name string) bool {
	v, ok := t.ctx.Lookup(name)
	return ok && !truthy(v)
}

// candidates are the ids to look at: those of an index when every item of the
// domain must hold and one of them asks for a value of an indexed field.
func (t *tx) candidates(table *table, domain any) []int64 {
	items, _ := domain.([]any)
	for _, item := range items {
		if _, operator := item.(string); operator {
			return table.ids
		}
	}
	for _, item := range items {
		leaf, _ := item.([]any)
		if len(leaf) != 3 || leaf[1] != "=" || !truthy(leaf[2]) {
			continue
		}
		name, _ := leaf[0].(string)
		by, ok := table.index[name]
		if !ok {
			continue
		}
		switch leaf[2].(type) {
		case string:
			if strings.HasSuffix(name, "_id") {
				continue // by name
			}
		case int64:
		default:
			continue
		}
		return by[leaf[2]]
	}
	return table.ids
}

func mentions(domain any, field string) bool {
	items, _ := domain.([]any)
	for _, item := range items {
		if leaf, ok := item.([]any); ok && len(leaf) == 3 && leaf[0] == field {
			return true
		}
	}
	return false
}

// ordering reads "name desc, id"; by default the model's own order.
func (t *tx) ordering(m *model, by string) (func(a, b row) int, error) {
	if by == "" {
		by = m.order
	}
	type term struct {
		f    *field
		desc bool
	}
	terms := []term{}
	for part := range strings.SplitSeq(by, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 {
			return nil, userError("Invalid \"order\" specified (%s). A valid \"order\" specification is a comma-separated list of valid field names (optionally followed by asc/desc for the direction)", by)
		}
		f := m.field(words[0])
		if f == nil {
			return nil, valueError("Invalid field %s on model %s", repr(words[0]), repr(m.name))
		}
		terms = append(terms, term{f, len(words) == 2 && strings.EqualFold(words[1], "desc")})
	}
	return func(a, b row) int {
		for _, o := range terms {
			c := order(t.values(o.f, a, true)[0], t.values(o.f, b, true)[0])
			if o.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	}, nil
}

// read gives records as a caller sees them, those that are not there left out.
// raw gives ids for many2one instead of [id, name].
func (t *tx) read(m *model, ids []int64, names []string, raw bool) ([]any, error) {
	if err := t.allowed(m, "read"); err != nil {
		return nil, err
	}
	fields := []*field{}
	for _, name := range names {
		f := m.field(name)
		if f == nil {
			return nil, valueError("Invalid field %s on model %s", repr(name), repr(m.name))
		}
		fields = append(fields, f)
	}
	if len(names) == 0 {
		fields = m.fields
	}
	out := []any{}
	for _, id := range ids {
		r := t.row(m.name, id)
		if r == nil {
			continue
		}
		one := ordered.Of("id", id)
		for _, f := range fields {
			if f.name != "password" {
				one.Set(f.name, t.shown(f, r, raw))
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// shown is a value as a caller sees it: false for empty.
func (t *tx) shown(f *field, r row, raw bool) any {
	switch f.typ {
	case "one2many", "many2many":
		return idList(t.related(f, r))
	case "many2one":
		ids := t.related(f, r)
		if len(ids) == 0 {
			return false
		}
		if raw {
			return ids[0]
		}
		return []any{ids[0], t.displayName(f.relation, ids[0])}
	}
	v := r[f.name]
	if f.compute != nil {
		v = f.compute(t, r)
	}
	switch v := v.(type) {
	case nil:
		return false
	case time.Time:
		return v.Format(datetime)
	}
	return v
}

func (t *tx) displayName(model string, id int64) string {
	r := t.row(model, id)
	if r == nil {
		return ""
	}
	m := t.s.models[model]
	if m.display != nil {
		return m.display(t, r)
	}
	name, _ := r[m.recName].(string)
	return name
}
