package odoo

import (
	"slices"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// command is what a create or write says of a relation to many.
type command struct {
	f    *field
	list []any
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
