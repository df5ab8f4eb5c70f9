package odoo

import (
	"maps"
	"strings"

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
