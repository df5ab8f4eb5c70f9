package odoo

import (
	"context"
	"errors"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Create is what create takes.
type Create struct {
	Model   string         `yaml:"model,required" doc:"the model, such as sale.order"`
	Values  map[string]any `yaml:"values" doc:"field values; none: the message's body"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call"`
}

func (c *client) create(ctx context.Context, w Create, m message.Message) (message.Message, error) {
	vals, err := c.valuesOf(w.Model+" create", w.Values, m)
	if err != nil {
		return message.Message{}, err
	}
	id, err := c.make(ctx, w.Model, vals, w.Context)
	if err != nil {
		return message.Message{}, err
	}
	return answer(map[string]any{"id": id})
}

// make creates one record and gives its id.
func (c *client) make(ctx context.Context, model string, vals, own map[string]any) (int, error) {
	k := call{model: model, method: "create", args: []any{vals}, names: []string{"vals_list"}, kwargs: paged(own, 0, 0, ""), writes: true}
	v, err := c.do(ctx, k)
	if err != nil {
		return 0, err
	}
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	id, ok := v.(int)
	if !ok || id <= 0 {
		return 0, fault.New(fault.Unknown, "%s: Odoo's answer has no id, so it is not known whether there is a record", k.what())
	}
	return id, nil
}

func (c *client) valuesOf(what string, set map[string]any, m message.Message) (map[string]any, error) {
	var body any
	if set == nil {
		var err error
		if body, err = m.JSON(); err != nil {
			return nil, fault.As(fault.Invalid, err)
		}
	}
	return values(what, set, body)
}

// Write is what write takes.
type Write struct {
	Model   string         `yaml:"model,required" doc:"the model, such as sale.order"`
	IDs     any            `yaml:"ids,required" doc:"an id, a record with an id, or a list of those"`
	Values  map[string]any `yaml:"values" doc:"field values; none: the message's body; null empties a field"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call"`
}

func (c *client) write(ctx context.Context, w Write, m message.Message) (message.Message, error) {
	k := call{model: w.Model, method: "write", names: []string{"vals"}, kwargs: paged(w.Context, 0, 0, "")}
	var err error
	if k.ids, err = ids(k.what(), w.IDs); err != nil {
		return message.Message{}, err
	}
	if len(k.ids) == 0 {
		return message.Message{}, fault.New(fault.Invalid, "%s: ids is empty", k.what())
	}
	vals, err := c.valuesOf(k.what(), w.Values, m)
	if err != nil {
		return message.Message{}, err
	}
	k.args, k.writes = []any{vals}, anyCreates(vals)
	if _, err = c.do(ctx, k); err != nil {
		return message.Message{}, err
	}
	return answer(map[string]any{"ids": k.ids})
}

// Unlink is what unlink takes.
type Unlink struct {
	Model   string         `yaml:"model,required" doc:"the model, such as sale.order.line"`
	IDs     any            `yaml:"ids,required" doc:"an id, a record with an id, or a list of those; an empty list deletes nothing"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call"`
}

func (c *client) unlink(ctx context.Context, w Unlink, _ message.Message) (message.Message, error) {
	k := call{model: w.Model, method: "unlink", kwargs: paged(w.Context, 0, 0, "")}
	all, err := ids(k.what(), w.IDs)
	if err != nil {
		return message.Message{}, err
	}
	// Two rounds: some may go while we look which are there.
	here := all
	for range 3 {
		if len(here) == 0 {
			break
		}
		k.ids = here
		if _, err = c.do(ctx, k); err == nil || !missing(err) {
			break
		}
		if here, err = c.existing(ctx, w.Model, here); err != nil {
			break
		}
	}
	if err != nil {
		return message.Message{}, err
	}
	return answer(map[string]any{"ids": all})
}

// existing gives those of the records that are there, archived ones too.
func (c *client) existing(ctx context.Context, model string, all []any) ([]any, error) {
	v, err := c.do(ctx, call{model: model, method: "search", args: []any{[]any{[]any{"id", "in", all}}}, names: []string{"domain"},
		kwargs: map[string]any{"context": map[string]any{"active_test": false}}})
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	return list, nil
}

// missing says that err is Odoo's MissingError.
func missing(err error) bool {
	var e *fault.Error
	if !errors.As(err, &e) || e.Class != fault.Rejected {
		return false
	}
	return strings.Contains(string(e.Answer), "MissingError") || strings.Contains(e.Text, "Record does not exist or has been deleted")
}

// Method is what method takes.
type Method struct {
	Model   string         `yaml:"model,required" doc:"the model, such as sale.order"`
	Method  string         `yaml:"method,required" doc:"the method, such as action_confirm"`
	IDs     any            `yaml:"ids" doc:"the records it is called on: an id, a record with an id, or a list of those"`
	Args    []any          `yaml:"args" doc:"arguments by place, after the ids; JSON-2 takes none"`
	Kwargs  map[string]any `yaml:"kwargs" doc:"arguments by name"`
	Writes  bool           `yaml:"writes" doc:"whether it changes something: then a lost answer is not asked for again"`
	Context map[string]any `yaml:"context" doc:"Odoo context of this call"`
}

func (c *client) method(ctx context.Context, w Method, _ message.Message) (message.Message, error) {
	k := call{model: w.Model, method: w.Method, args: w.Args, kwargs: paged(w.Context, 0, 0, ""), writes: w.Writes}
	for name, v := range w.Kwargs {
		k.kwargs[name] = v
	}
	if w.IDs != nil {
		var err error
		if k.ids, err = ids(k.what(), w.IDs); err != nil {
			return message.Message{}, err
		}
	}
	return c.ask(ctx, k)
}
