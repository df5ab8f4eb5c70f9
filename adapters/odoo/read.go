package odoo

import (
	"context"

	"github.com/njia-health/njia/engine/message"
)

// SearchRead is what search_read takes.
type SearchRead struct {
	Model   string         `yaml:"model,required" doc:"the model, such as res.partner"`
	Domain  any            `yaml:"domain" doc:"what to find, as in [[ref, \"=\", \"X\"]]; none: all"`
	Fields  []string       `yaml:"fields" doc:"fields to read; none: all, which is slow"`
	Limit   int            `yaml:"limit" doc:"at most so many; 0: all"`
	Offset  int            `yaml:"offset" doc:"how many to leave out from the front"`
	Order   string         `yaml:"order" doc:"as in write_date desc, id"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call, such as { active_test: false } to find archived records too"`
}

func (c *client) searchRead(ctx context.Context, w SearchRead, _ message.Message) (message.Message, error) {
	k := call{model: w.Model, method: "search_read", names: []string{"domain"}, kwargs: paged(w.Context, w.Limit, w.Offset, w.Order)}
	d, err := domain(k.what(), w.Domain)
	if err != nil {
		return message.Message{}, err
	}
	k.args = []any{d}
	if len(w.Fields) > 0 {
		k.kwargs["fields"] = words(w.Fields)
	}
	return c.ask(ctx, k)
}

// Search is what search takes.
type Search struct {
	Model   string         `yaml:"model,required" doc:"the model, such as res.partner"`
	Domain  any            `yaml:"domain" doc:"what to find, as in [[ref, \"=\", \"X\"]]; none: all"`
	Limit   int            `yaml:"limit" doc:"at most so many; 0: all"`
	Offset  int            `yaml:"offset" doc:"how many to leave out from the front"`
	Order   string         `yaml:"order" doc:"as in write_date desc, id"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call"`
}

func (c *client) search(ctx context.Context, w Search, _ message.Message) (message.Message, error) {
	k := call{model: w.Model, method: "search", names: []string{"domain"}, kwargs: paged(w.Context, w.Limit, w.Offset, w.Order)}
	d, err := domain(k.what(), w.Domain)
	if err != nil {
		return message.Message{}, err
	}
	k.args = []any{d}
	return c.ask(ctx, k)
}

// Read is what read takes.
type Read struct {
	Model   string         `yaml:"model,required" doc:"the model, such as sale.order"`
	IDs     any            `yaml:"ids,required" doc:"an id, a record with an id, or a list of those"`
	Fields  []string       `yaml:"fields" doc:"fields to read; none: all, which is slow"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call"`
}

func (c *client) read(ctx context.Context, w Read, _ message.Message) (message.Message, error) {
	k := call{model: w.Model, method: "read", kwargs: paged(w.Context, 0, 0, "")}
	var err error
	if k.ids, err = ids(k.what(), w.IDs); err != nil {
		return message.Message{}, err
	}
	if len(k.ids) == 0 {
		return answer([]any{})
	}
	if len(w.Fields) > 0 {
		k.kwargs["fields"] = words(w.Fields)
	}
	return c.ask(ctx, k)
}

// ask sends a call and makes its result the answer.
func (c *client) ask(ctx context.Context, k call) (message.Message, error) {
	v, err := c.do(ctx, k)
	if err != nil {
		return message.Message{}, err
	}
	return answer(v)
}

func paged(own map[string]any, limit, offset int, order string) map[string]any {
	kw := map[string]any{}
	if len(own) > 0 {
		kw["context"] = own
	}
	if limit > 0 {
		kw["limit"] = limit
	}
	if offset > 0 {
		kw["offset"] = offset
	}
	if order != "" {
		kw["order"] = order
	}
	return kw
}

func words(ss []string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}
