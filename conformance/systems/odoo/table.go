package odoo

import (
	"maps"
	"slices"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// row is one record. A row in a table is never changed, only replaced.
type row map[string]any

func (r row) id() int64 { return r["id"].(int64) }

func (r row) clone() row { return maps.Clone(r) }

// table holds the records of a model.
type table struct {
	rows map[int64]row
	ids  []int64 // ascending
	last int64   // the sequence: a failed create uses a number up, as in PostgreSQL
	// index has the ids by value, but nil, of the fields that are looked up often.
	index map[string]map[any][]int64
}

// indexed are the fields that have an index, by model.
var indexed = map[string][]string{
	"res.partner":     {"ref", "name"},
	"sale.order":      {"client_order_ref", "partner_id"},
	"sale.order.line": {"order_id", "product_id"},
	"ir.model.data":   {"name", "res_id"},
}

func newTable(m *model) *table {
	t := &table{rows: map[int64]row{}, index: map[string]map[any][]int64{}}
	for _, f := range indexed[m.name] {
		t.index[f] = map[any][]int64{}
	}
	for _, f := range m.fields {
		if f.unique != "" || len(f.name) > 2 && f.name[:2] == "x_" && f.stored() && f.typ != "many2many" {
			t.index[f.name] = map[any][]int64{}
		}
	}
	return t
}

// put replaces the row id, or takes it out when r is nil, and gives the old one.
func (t *table) put(id int64, r row) (old row) {
	old = t.rows[id]
	for f, by := range t.index {
		was, is := old[f], r[f]
		if was == is {
			continue
		}
		if was != nil {
			ids := by[was]
			at, _ := slices.BinarySearch(ids, id)
			by[was] = slices.Delete(ids, at, at+1)
		}
		if is != nil {
			ids := by[is]
			at, _ := slices.BinarySearch(ids, id)
			by[is] = slices.Insert(ids, at, id)
		}
	}
	at, found := slices.BinarySearch(t.ids, id)
	switch {
	case r == nil && found:
		t.ids = slices.Delete(t.ids, at, at+1)
		delete(t.rows, id)
	case r != nil:
		if !found {
			t.ids = slices.Insert(t.ids, at, id)
		}
		t.rows[id] = r
	}
	return old
}

// tx is one transaction: one call from outside. The caller holds Server.mu.
type tx struct {
	s    *Server
	uid  int64
	user *user // nil for Odoo itself, who may do everything
	now  time.Time
	ctx  *ordered.Map // never nil
	undo []func()
}

func (s *Server) begin(u *user, ctx *ordered.Map) *tx {
	if ctx == nil {
		ctx = &ordered.Map{}
	}
	t := &tx{s: s, uid: 1, user: u, now: s.opts.Now().UTC().Truncate(time.Microsecond), ctx: ctx}
	if u != nil {
		t.uid = u.id
	}
	return t
}

// rollback undoes what the transaction did. Sequences stay where they are.
func (t *tx) rollback() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
	t.undo = nil
}

func (t *tx) table(name string) *table { return t.s.tables[name] }

func (t *tx) row(model string, id int64) row { return t.s.tables[model].rows[id] }

func (t *tx) put(model string, id int64, r row) {
	table := t.s.tables[model]
	old := table.put(id, r)
	t.undo = append(t.undo, func() { table.put(id, old) })
}

// nextID uses up a number of the table's sequence.
func (t *tx) nextID(model string) int64 {
	table := t.s.tables[model]
	table.last++
	return table.last
}
