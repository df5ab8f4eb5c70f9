package odoo

import (
	"context"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// ExternalID is what external-id takes. Odoo keeps external ids in ir.model.data: sites load them by CSV, with a concept's
// uuid as the name of the product.
type ExternalID struct {
	Model  string `yaml:"model,required" doc:"the model that it stands for a record of, such as product.product"`
	Name   string `yaml:"name,required" doc:"the external id; module.name means that module"`
	Module string `yaml:"module" doc:"the module part; none: any module"`
}

func (c *client) externalID(ctx context.Context, w ExternalID, _ message.Message) (message.Message, error) {
	if w.Name == "" {
		return message.Message{}, fault.New(fault.Invalid, "%s external-id: name is empty", w.Model)
	}
	if w.Module == "" {
		if module, name, ok := strings.Cut(w.Name, "."); ok {
			w.Module, w.Name = module, name
		}
	}
	found, err := c.external(ctx, w.Module, w.Name, w.Model)
	if err != nil {
		return message.Message{}, err
	}
	switch len(found) {
	case 0:
		return message.Message{}, &fault.Error{Class: fault.Unmapped, Map: "odoo:" + w.Model, Code: w.Name,
			Text: "Odoo has no external id " + w.Name + " for " + w.Model + ": load it in Odoo (ir.model.data), then retry the message"}
	case 1:
		return answer(map[string]any{"id": found[0].id, "model": w.Model})
	}
	return message.Message{}, fault.New(fault.Rejected, "Odoo has the external id %s for %s in several modules: set module", w.Name, w.Model)
}

// anchor is a row of ir.model.data.
type anchor struct {
	row, id int // id is 0 where it is claimed and its record is not made yet
	model   string
}

// external finds rows of ir.model.data. An empty module or model means any.
func (c *client) external(ctx context.Context, module, name, model string) ([]anchor, error) {
	d := []any{[]any{"name", "=", name}}
	if module != "" {
		d = append([]any{[]any{"module", "=", module}}, d...)
	}
	if model != "" {
		d = append(d, []any{"model", "=", model})
	}
	v, err := c.do(ctx, call{model: "ir.model.data", method: "search_read", args: []any{d}, names: []string{"domain"},
		kwargs: map[string]any{"fields": []any{"model", "res_id"}, "limit": 2}})
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	out := make([]anchor, 0, len(list))
	for _, item := range list {
		m, _ := item.(map[string]any)
		row, _ := m["id"].(int)
		id, _ := m["res_id"].(int)
		model, _ := m["model"].(string)
		out = append(out, anchor{row, id, model})
	}
	return out, nil
}
