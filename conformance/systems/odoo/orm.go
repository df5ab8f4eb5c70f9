package odoo

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// create makes one record.
func (t *tx) create(m *model, vals *ordered.Map) (int64, error) {
	vals = vals.Clone()
	if m.before != nil { // a model's own create, before the common one
		if err := m.before(t, vals); err != nil {
			return 0, err
		}
	}
	if err := t.allowed(m, "create"); err != nil {
		return 0, err
	}
	r, commands, err := t.converted(m, vals)
	if err != nil {
		return 0, err
	}
	for _, f := range m.fields {
		if _, given := r[f.name]; !given && f.stored() {
			r[f.name] = f.empty(t)
		}
	}
	if m.complete != nil {
		if err := m.complete(t, r); err != nil {
			return 0, err
		}
	}
	id := t.nextID(m.name)
	r["id"], r["create_date"], r["write_date"] = id, t.now, t.now
	r["create_uid"], r["write_uid"] = t.uid, t.uid
	if err := t.check(m, r); err != nil {
		return 0, err
	}
	t.put(m.name, id, r)
	return id, t.x2many(m, id, commands)
}

// empty is the value of a field that a create does not mention.
func (f *field) empty(t *tx) any {
	if f.def != nil {
		return f.def(t)
	}
	switch f.typ {
	case "boolean":
		return false
	case "integer":
		return int64(0)
	case "float", "monetary":
		return 0.0
	}
	return nil
}

type command struct {
	f    *field
	list []any
}

// converted turns values from outside into stored ones. What a computed or
// read-only field is given is dropped.
func (t *tx) converted(m *model, vals *ordered.Map) (row, []command, error) {
	for _, name := range vals.Keys() {
		if m.field(name) == nil {
			return nil, nil, valueError("Invalid field %s on model %s", repr(name), repr(m.name))
		}
	}
	r := row{}
	commands := []command{}
	for _, name := range vals.Keys() {
		f, v := m.field(name), vals.Value(name)
		if f.typ == "one2many" || f.typ == "many2many" {
			list, _ := v.([]any)
			commands = append(commands, command{f, list})
			continue
		}
		if !f.stored() || name == "id" || strings.HasPrefix(name, "create_") || strings.HasPrefix(name, "write_") {
			continue
		}
		value, err := f.convert(m, v)
		if err != nil {
			return nil, nil, err
		}
		r[name] = value
	}
	return r, commands, nil
}

// check is what PostgreSQL checks of a row: not null, foreign keys, unique.
func (t *tx) check(m *model, r row) error {
	for _, f := range m.fields {
		v := r[f.name]
		if f.required && f.stored() && (v == nil || v == "" && f.typ == "selection") {
			label, name := m.label, m.name
			if m.owner != nil && m.owner[f.name] {
				label, name = m.ownerLabel, m.ownerName
			}
			return notNull(label, name, f.label, f.name)
		}
	}
	if m.constrain != nil {
		if err := m.constrain(t, r); err != nil {
			return err
		}
	}
	for _, f := range m.fields {
		v := r[f.name]
		if f.typ == "many2one" && f.stored() && v != nil && t.row(f.relation, v.(int64)) == nil {
			return foreignKey(m, f.name)
		}
		if f.unique != "" && v != nil {
			for _, other := range t.table(m.name).index[f.name][v] {
				if other != r["id"] {
					return validationError("%s", f.unique)
				}
			}
		}
	}
	return nil
}

// write changes records.
func (t *tx) write(m *model, ids []int64, vals *ordered.Map) error {
	if err := t.allowed(m, "write"); err != nil {
		return err
	}
	change, commands, err := t.converted(m, vals)
	if err != nil {
		return err
	}
	if gone := t.gone(m, ids); len(gone) > 0 {
		return missing(m.name, t.uid, gone...)
	}
	for _, id := range ids {
		r := t.row(m.name, id).clone()
		maps.Copy(r, change)
		r["write_date"], r["write_uid"] = t.now, t.uid
		if err := t.check(m, r); err != nil {
			return err
		}
		t.put(m.name, id, r)
		if err := t.x2many(m, id, commands); err != nil {
			return err
		}
	}
	return nil
}

// gone are those of ids that are no records.
func (t *tx) gone(m *model, ids []int64) []int64 {
	out := []int64{}
	for _, id := range ids {
		if t.row(m.name, id) == nil {
			out = append(out, id)
		}
	}
	return out
}

// x2many does the commands on the relations of record id:
//
//	(0,0,vals) create · (1,id,vals) write · (2,id) unlink · (3,id) detach
//	(4,id) attach · (5) detach all · (6,0,ids) these and no others
func (t *tx) x2many(m *model, id int64, commands []command) error {
	for _, c := range commands {
		for _, one := range c.list {
			if n, ok := asInt(one); ok { // an id alone attaches
				one = []any{int64(4), n}
			}
			args, ok := one.([]any)
			if !ok || len(args) == 0 {
				return valueError("Wrong value for %s.%s: %s", m.name, c.f.name, repr(any(c.list)))
			}
			if err := t.relate(m, c.f, id, args); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) relate(m *model, f *field, id int64, args []any) error {
	other := t.s.models[f.relation]
	code, _ := asInt(args[0])
	var target int64
	if len(args) > 1 {
		target, _ = asInt(args[1])
	}
	vals := &ordered.Map{}
	if len(args) > 2 {
		if v, ok := args[2].(*ordered.Map); ok {
			vals = v.Clone()
		}
	}
	switch code {
	case 0:
		if f.typ == "one2many" {
			vals.Set(f.inverse, id)
		}
		made, err := t.create(other, vals)
		if err == nil && f.typ == "many2many" {
			t.link(m, f, id, made, true)
		}
		return err
	case 1:
		return t.write(other, []int64{target}, vals)
	case 2:
		return t.unlink(other, []int64{target})
	case 3:
		return t.detach(m, f, id, target)
	case 4:
		return t.attach(m, f, id, target)
	case 5, 6:
		return t.replace(m, f, id, args)
	}
	return nil
}

// replace leaves the relation with the ids of a command (6,0,ids), or none.
func (t *tx) replace(m *model, f *field, id int64, args []any) error {
	keep := []int64{}
	if len(args) > 2 {
		keep = idsOf(args[2])
	}
	for _, old := range slices.Clone(t.related(f, t.row(m.name, id))) {
		if !slices.Contains(keep, old) {
			if err := t.detach(m, f, id, old); err != nil {
				return err
			}
		}
	}
	for _, k := range keep {
		if err := t.attach(m, f, id, k); err != nil {
			return err
		}
	}
	return nil
}

// link puts other into a many2many, or takes it out.
func (t *tx) link(m *model, f *field, id, other int64, in bool) {
	r := t.row(m.name, id).clone()
	ids, _ := r[f.name].([]int64)
	ids = slices.DeleteFunc(slices.Clone(ids), func(i int64) bool { return i == other })
	if in {
		ids = append(ids, other)
	}
	r[f.name] = ids
	t.put(m.name, id, r)
}

func (t *tx) attach(m *model, f *field, id, other int64) error {
	if f.typ == "many2many" {
		t.link(m, f, id, other, true)
		return nil
	}
	return t.write(t.s.models[f.relation], []int64{other}, ordered.Of(f.inverse, id))
}

// detach takes a record out of a relation. A line of an order cannot live
// without it and is unlinked.
func (t *tx) detach(m *model, f *field, id, other int64) error {
	if f.typ == "many2many" {
		t.link(m, f, id, other, false)
		return nil
	}
	there := t.s.models[f.relation]
	if back := there.field(f.inverse); back.required || back.cascade {
		return t.unlink(there, []int64{other})
	}
	return t.write(there, []int64{other}, ordered.Of(f.inverse, false))
}

// unlink deletes records, with what hangs on them. Those that are not there
// are no error.
func (t *tx) unlink(m *model, ids []int64) error {
	if err := t.allowed(m, "unlink"); err != nil {
		return err
	}
	if m.unlinking != nil {
		if err := m.unlinking(t, ids); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if t.row(m.name, id) == nil {
			continue
		}
		if err := t.release(m, id); err != nil {
			return err
		}
		t.put(m.name, id, nil)
		for _, ref := range t.pointing("ir.model.data", "res_id", id) {
			if t.row("ir.model.data", ref)["model"] == m.name {
				t.put("ir.model.data", ref, nil)
			}
		}
	}
	return nil
}

// release deals with the records that point to one that goes.
func (t *tx) release(m *model, id int64) error {
	for _, name := range t.s.modelNames {
		other := t.s.models[name]
		for _, f := range other.fields {
			if f.typ != "many2one" || f.relation != m.name || !f.stored() || strings.HasSuffix(f.name, "_uid") {
				continue
			}
			for _, ref := range t.pointing(name, f.name, id) {
				switch {
				case f.cascade:
					t.put(name, ref, nil)
				case f.required:
					return foreignKey(other, f.name)
				default:
					r := t.row(name, ref).clone()
					r[f.name] = nil
					t.put(name, ref, r)
				}
			}
		}
	}
	return nil
}

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
