package odoo

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Upsert is what upsert takes.
type Upsert struct {
	Model       string         `yaml:"model,required" doc:"the model, such as res.partner"`
	Match       any            `yaml:"match" doc:"how to find the record, as in [[ref, \"=\", \"X\"]]; archived ones are found too"`
	ExternalID  string         `yaml:"external-id" doc:"module.name of ir.model.data: looked up first, and written for a record that is made or found by match"`
	Values      map[string]any `yaml:"values" doc:"field values; none: the message's body; null empties a field"`
	CreateOnly  []string       `yaml:"create-only" doc:"fields that are set when the record is made and left alone later"`
	OnlyChanged bool           `yaml:"only-changed" doc:"whether to read the record and write only the fields that differ"`
	Create      bool           `yaml:"create" doc:"whether to make a record where there is none; otherwise that is rejected"`
	Several     string         `yaml:"several" enum:"fail,first" doc:"what to do when match finds several"`
	Context     map[string]any `yaml:"context" doc:"Odoo context of the calls"`
}

// upsert finds the record, makes it where there is none, and writes what differs. Sent twice it is done once: the second
// finds what the first made. Lines to be made ([0, 0, {…}]) are sent with a new record only, since they would be made again.
func (c *client) upsert(ctx context.Context, w Upsert, m message.Message) (message.Message, error) {
	what := w.Model + " upsert"
	vals, err := c.valuesOf(what, w.Values, m)
	if err != nil {
		return message.Message{}, err
	}
	match, err := matcher(what, w)
	if err != nil {
		return message.Message{}, err
	}
	end, err := c.upserts.take(ctx, w.key())
	if err != nil {
		return message.Message{}, err
	}
	defer end()
	at, err := c.anchored(ctx, what, w)
	if err != nil {
		return message.Message{}, err
	}
	id, record := 0, map[string]any(nil)
	if at.id != 0 {
		if record, err = c.one(ctx, w, at.id, vals); err != nil {
			return message.Message{}, err
		}
		if record != nil {
			id = at.id
		}
	}
	if id == 0 && match != nil {
		if id, record, err = c.matched(ctx, what, w, match, vals); err != nil {
			return message.Message{}, err
		}
		if id != 0 {
			if err := c.tie(ctx, w, at, id); err != nil {
				return message.Message{}, err
			}
		}
	}
	if id == 0 {
		return c.made(ctx, what, w, at, match != nil, vals)
	}
	return c.changed(ctx, w, id, record, vals)
}

// matcher reads match. A condition on nothing would find every record that lacks the field.
func matcher(what string, w Upsert) ([]any, error) {
	if w.Match == nil {
		if w.ExternalID == "" {
			return nil, fault.New(fault.Invalid, "%s: give match or external-id, to find the record by", what)
		}
		return nil, nil
	}
	d, err := domain(what, w.Match)
	if err != nil {
		return nil, err
	}
	if len(d) == 0 {
		return nil, fault.New(fault.Invalid, "%s: match is empty and would find any record", what)
	}
	for _, leaf := range w.Match.([]any) {
		if l, ok := leaf.([]any); ok && (l[2] == nil || l[2] == "") {
			return nil, fault.New(fault.Invalid, "%s: match on %v has no value: it would find any record without one", what, l[0])
		}
	}
	return d, nil
}

// anchored looks the external id up.
func (c *client) anchored(ctx context.Context, what string, w Upsert) (anchor, error) {
	if w.ExternalID == "" {
		return anchor{}, nil
	}
	module, name, ok := strings.Cut(w.ExternalID, ".")
	if !ok || module == "" || name == "" {
		return anchor{}, fault.New(fault.Invalid, "%s: external-id is written module.name, as in openmrs.92ab…", what)
	}
	found, err := c.external(ctx, module, name, "")
	if err != nil || len(found) == 0 {
		return anchor{}, err
	}
	if found[0].model != w.Model {
		return anchor{}, fault.New(fault.Rejected, "%s: the external id stands for a record of %s", what, found[0].model)
	}
	return found[0], nil
}

// one reads the record, or gives nil where it is gone.
func (c *client) one(ctx context.Context, w Upsert, id int, vals map[string]any) (map[string]any, error) {
	v, err := c.do(ctx, call{model: w.Model, method: "search_read", args: []any{[]any{[]any{"id", "=", id}}}, names: []string{"domain"},
		kwargs: findAll(w.Context, compared(w, vals), 1)})
	if err != nil {
		return nil, err
	}
	if list, _ := v.([]any); len(list) == 1 {
		m, _ := list[0].(map[string]any)
		return m, nil
	}
	return nil, nil
}

// matched finds the record by match; 0 where there is none.
func (c *client) matched(ctx context.Context, what string, w Upsert, match []any, vals map[string]any) (int, map[string]any, error) {
	kw := findAll(w.Context, compared(w, vals), 2)
	kw["order"] = "id"
	v, err := c.do(ctx, call{model: w.Model, method: "search_read", args: []any{match}, names: []string{"domain"}, kwargs: kw})
	if err != nil {
		return 0, nil, err
	}
	list, _ := v.([]any)
	if len(list) > 1 && w.Several != "first" {
		return 0, nil, fault.New(fault.Rejected, "%s: match finds several records; merge them in Odoo, or match on a field that tells them apart", what)
	}
	if len(list) == 0 {
		return 0, nil, nil
	}
	m, _ := list[0].(map[string]any)
	id, _ := m["id"].(int)
	return id, m, nil
}

// findAll are the keywords of a search that sees archived records too.
func findAll(own map[string]any, fields []string, limit int) map[string]any {
	ctx := maps.Clone(own)
	if ctx == nil {
		ctx = map[string]any{}
	}
	if _, set := ctx["active_test"]; !set {
		ctx["active_test"] = false
	}
	return map[string]any{"context": ctx, "fields": words(fields), "limit": limit}
}

// compared are the fields to read of a record that is there.
func compared(w Upsert, vals map[string]any) []string {
	if !w.OnlyChanged {
		return []string{"id"}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(vals)), func(f string) bool { return slices.Contains(w.CreateOnly, f) })
}

// made makes the record. With an external id it is claimed first, so that of two at once only one makes it, and a lost
// answer is noticed: the claim is there and has no record.
func (c *client) made(ctx context.Context, what string, w Upsert, at anchor, matched bool, vals map[string]any) (message.Message, error) {
	if !w.Create {
		return message.Message{}, fault.New(fault.Rejected, "%s: there is no such record, and create is false", what)
	}
	if w.ExternalID != "" {
		if at.row != 0 && at.id == 0 && !matched {
			return message.Message{}, fault.New(fault.Unknown, "%s: an earlier try has claimed the external id and its answer was lost: look in Odoo whether the record is there; with match it is found by itself", what)
		}
		if at.row == 0 {
			row, err := c.claim(ctx, w, 0)
			if err != nil {
				return message.Message{}, err
			}
			at = anchor{row: row, model: w.Model}
		}
	}
	id, err := c.make(ctx, w.Model, vals, w.Context)
	if err != nil {
		if at.row != 0 && at.id == 0 && fault.ClassOf(err) != fault.Unknown { // nothing was made: give the claim back
			_, _ = c.do(context.WithoutCancel(ctx), call{model: "ir.model.data", method: "unlink", ids: []any{at.row}})
		}
		if fault.ClassOf(err) == fault.Unknown && matched { // the next try finds it by match
			err = again(err)
		}
		return message.Message{}, err
	}
	if err := c.tie(ctx, w, at, id); err != nil {
		return message.Message{}, err
	}
	return answer(map[string]any{"id": id, "created": true, "changed": words(slices.Sorted(maps.Keys(vals)))})
}

// again makes an unknown fault transient: the repeat looks first.
func again(err error) error {
	e := *fault.Of(err)
	e.Class, e.Text = fault.Transient, e.Text+"; the next try looks for the record first"
	return &e
}

// claim makes the row of ir.model.data. Odoo takes one of a name: where another engine was faster, the next try finds its record.
func (c *client) claim(ctx context.Context, w Upsert, id int) (int, error) {
	module, name, _ := strings.Cut(w.ExternalID, ".")
	row, err := c.make(ctx, "ir.model.data", map[string]any{"module": module, "name": name, "model": w.Model, "res_id": id, "noupdate": true}, nil)
	switch e := fault.Of(err); {
	case e == nil:
	case e.Class == fault.Unknown:
		err = again(err)
	case e.Class == fault.Rejected && strings.Contains(e.Text, "unique constraint"):
		err = &fault.Error{Class: fault.Transient, Status: e.Status, Answer: e.Answer,
			Text: w.Model + " upsert: another call has just claimed the external id; the next try finds it"}
	}
	return row, err
}

// tie writes the record's id at its external id.
func (c *client) tie(ctx context.Context, w Upsert, at anchor, id int) error {
	if w.ExternalID == "" || at.id == id {
		return nil
	}
	if at.row == 0 {
		_, err := c.claim(ctx, w, id)
		return err
	}
	_, err := c.do(ctx, call{model: "ir.model.data", method: "write", ids: []any{at.row}, args: []any{map[string]any{"res_id": id}}, names: []string{"vals"}})
	return err
}

// changed writes the fields that differ.
func (c *client) changed(ctx context.Context, w Upsert, id int, record, vals map[string]any) (message.Message, error) {
	diff := map[string]any{}
	for field, want := range vals {
		if slices.Contains(w.CreateOnly, field) || creates(want) || w.OnlyChanged && same(want, record[field]) {
			continue
		}
		diff[field] = want
	}
	if len(diff) > 0 {
		k := call{model: w.Model, method: "write", ids: []any{id}, args: []any{diff}, names: []string{"vals"}, kwargs: paged(w.Context, 0, 0, "")}
		if _, err := c.do(ctx, k); err != nil {
			return message.Message{}, err
		}
	}
	return answer(map[string]any{"id": id, "created": false, "changed": words(slices.Sorted(maps.Keys(diff)))})
}
