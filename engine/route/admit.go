package route

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Admit parses the message and judges it by the route's schema, id, key, keys and when. It does no I/O. A panic in it is a
// bug of this message.
func (p *Plan) Admit(ctx context.Context, in Input) (a Admission) {
	defer func() {
		if r := recover(); r != nil {
			a.Err = fault.FromPanic("the route "+p.Name, r)
		}
	}()
	m := in.Message
	if m.Fault != nil {
		a.Err = fault.Of(m.Fault)
		return a
	}
	if p.MaxBody > 0 && int64(len(m.Body)) > p.MaxBody {
		a.Err = fault.New(fault.Invalid, "the body has %d bytes, over the limit of %d (max-body)", len(m.Body), p.MaxBody)
		return a
	}
	if m.Value != nil && (p.format.name == "json" || p.format.name == "fhir+json" || p.format.name == "ndjson") {
		a.Body = m.Value
	} else {
		v, err := p.format.parse(m.Body)
		if err != nil {
			a.Err = fault.Of(err)
			return a
		}
		a.Body = v
	}
	if p.schema != nil {
		if f := p.schema.validate(a.Body); f != nil {
			a.Err = f
			return a
		}
	}
	scope := p.scope(in)
	scope.Body = a.Body
	var err error
	if a.ID, err = text(ctx, p.id, &scope, "id"); err != nil {
		a.Err = fault.Of(err)
		return a
	}
	if a.Key, err = text(ctx, p.key, &scope, "key"); err != nil {
		a.Err = fault.Of(err)
		return a
	}
	for name, t := range p.keys {
		v, err := t.Eval(ctx, &scope)
		if err != nil || v == nil {
			continue // a business key is for search: it stops nothing
		}
		if a.Keys == nil {
			a.Keys = map[string]string{}
		}
		a.Keys[name] = fmt.Sprint(v)
	}
	a.Passes = true
	if p.when != nil {
		if a.Passes, err = p.when.Eval(ctx, &scope); err != nil {
			a.Passes, a.Err = false, fault.Of(err)
		}
	}
	return a
}

// AsJSON gives a body as JSON, whatever the route's format is: for who is told of a failure. One that does not parse is a text.
func (p *Plan) AsJSON(body []byte) []byte {
	v, err := p.format.parse(body)
	if err != nil {
		v = strings.ToValidUTF8(string(body), "\uFFFD")
	} else if strings.HasSuffix(p.format.name, "json") {
		return body
	}
	out, err := message.Encode(v)
	if err != nil {
		return []byte("null")
	}
	return out
}

// text evaluates an id or a key: null is none.
func text(ctx context.Context, t expr.Template, s *expr.Scope, what string) (string, error) {
	if t == nil {
		return "", nil
	}
	v, err := t.Eval(ctx, s)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int, bool, json.Number, float64:
		return fmt.Sprint(v), nil
	}
	return "", fault.New(fault.Bug, "%s is not a text or number; name one field of it", what)
}
