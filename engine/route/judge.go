package route

import (
	"context"
	"fmt"

	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Judge says how a delivery went: what answers: says of the answer or, where no line fits, what the adapter said. Items
// that the target refused while it took others come as children that go on at the same target.
func (p *Plan) Judge(ctx context.Context, label string, sent Delivery, in Input, answer message.Message, err error) ([]Child, error) {
	t := p.targets[label]
	if t == nil {
		return nil, err
	}
	scope := p.scope(in)
	if err = t.judge(ctx, &scope, answer, err); err != nil || t.items == nil {
		return nil, err
	}
	return t.refused(ctx, &scope, sent, answer)
}

// judge tries the answers in order.
func (t *target) judge(ctx context.Context, s *expr.Scope, answer message.Message, err error) error {
	if len(t.answers) == 0 {
		return err
	}
	a := *s
	a.Body, a.Headers, a.Status = answerBody(answer, err)
	for _, line := range t.answers {
		ok, e := line.when.Eval(ctx, &a)
		if e != nil {
			return e
		}
		if !ok {
			continue
		}
		if line.class == "" {
			return nil
		}
		f := fault.Error{Class: line.class, Answer: answer.Body}
		if err != nil {
			f = *fault.Of(err)
			f.Class = line.class
		}
		f.Status, _ = a.Status.(int)
		if f.Text == "" {
			f.Text = fmt.Sprintf("%s answered %v, which answers: calls %s", t.op.Name, a.Status, line.class)
		}
		if line.text != nil {
			if v, e := line.text.Eval(ctx, &a); e == nil && v != nil {
				f.Text, f.Err = fmt.Sprint(v), nil
			}
		}
		return &f
	}
	return err
}

func answerBody(answer message.Message, err error) (body any, headers map[string]any, status any) {
	headers = map[string]any{}
	if err != nil {
		f := fault.Of(err)
		if f.Status != 0 {
			status = f.Status
		}
		if len(f.Answer) > 0 {
			body, _ = decodeAny(f.Answer)
		}
		return body, headers, status
	}
	for k, v := range answer.Headers {
		headers[k] = v
	}
	if answer.Status != 0 {
		status = answer.Status
	}
	if answer.Value != nil {
		return answer.Value, headers, status
	}
	body, _ = decodeAny(answer.Body)
	return body, headers, status
}

// refused makes children of the items that items: names: [{index, class, message, body}]. body is what to send again;
// without it the index-th item of the list that was sent, as a list of one.
func (t *target) refused(ctx context.Context, s *expr.Scope, sent Delivery, answer message.Message) ([]Child, error) {
	a := *s
	a.Body, a.Headers, a.Status = answerBody(answer, nil)
	out, err := t.items.Run(ctx, &a)
	if err != nil {
		return nil, err
	}
	var items []any
	for _, o := range out {
		if list, ok := o.([]any); ok {
			items = append(items, list...)
		} else if o != nil {
			items = append(items, o)
		}
	}
	value := sent.Value
	if value == nil {
		value, _ = decodeAny(sent.Body)
	}
	list, _ := value.([]any)
	var children []Child
	for n, it := range items {
		m, _ := it.(map[string]any)
		class, _ := m["class"].(string)
		if class == "ok" {
			continue
		}
		index, isIndex := m["index"].(int)
		body, has := m["body"]
		if !has {
			if !isIndex || index < 0 || index >= len(list) {
				return nil, bugf(t.place, "items: gave no body, and its index names no item of what was sent")
			}
			body = []any{list[index]}
		}
		text, _ := m["message"].(string)
		if text == "" {
			text = "refused"
		}
		f := fault.New(fault.Class(class), "item %v: %s", m["index"], text)
		if class == "" {
			f.Class = fault.Rejected
		}
		children = append(children, Child{N: n, Resume: t.label, Body: body, Err: f})
	}
	return children, nil
}
