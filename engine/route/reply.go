package route

import (
	"context"
	"fmt"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
)

// reply is a compiled reply:.
type reply struct {
	body    expr.JQ
	status  expr.Template
	code    int
	headers expr.Tree
	typ     string
}

func (c *compiler) replies() {
	r := c.route.Reply
	if r == nil {
		return
	}
	out := &reply{body: c.jq(r.Body), typ: r.Type}
	if r.Status != nil && r.Status.Kind == bind.Number {
		out.code, _ = r.Status.Value().(int)
	} else {
		out.status = c.template(r.Status)
	}
	if out.code != 0 && (out.code < 100 || out.code > 599) {
		c.at(r.Status, "a status is from 100 to 599, this is %d", out.code)
	}
	out.headers = c.tree(r.Headers)
	c.plan.reply = out
}

// Replies says whether the route answers with more than that the message was taken.
func (p *Plan) Replies() bool { return p.reply != nil }

// ReplyTo builds the answer after a run.
func (p *Plan) ReplyTo(ctx context.Context, in Input, o Outcome) (*Reply, error) {
	if p.reply == nil {
		return nil, nil
	}
	s := p.scope(in)
	s.Body, s.Vars = o.Body, o.Vars
	if o.Err != nil {
		s.Error = errorScope(o.Err)
	}
	out := &Reply{Status: p.reply.code, Type: p.reply.typ}
	if p.reply.status != nil {
		v, err := p.reply.status.Eval(ctx, &s)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Sscan(fmt.Sprint(v), &out.Status); err != nil || out.Status < 100 || out.Status > 599 {
			return nil, fault.New(fault.Bug, "reply: status is no number from 100 to 599")
		}
	}
	if p.reply.headers != nil {
		v, err := p.reply.headers.Eval(ctx, &s)
		if err != nil {
			return nil, err
		}
		m, _ := v.(map[string]any)
		out.Headers = make(map[string]string, len(m))
		for k, e := range m {
			out.Headers[k] = fmt.Sprint(e)
		}
	}
	if p.reply.body != nil {
		res, err := p.reply.body.Run(ctx, &s)
		if err != nil {
			return nil, err
		}
		if len(res) != 1 {
			return nil, fault.New(fault.Bug, "reply: body gave %d results, expected one", len(res))
		}
		b, mt, err := encode(res[0])
		if err != nil {
			return nil, fault.As(fault.Bug, err)
		}
		out.Body = b
		if out.Type == "" {
			out.Type = mt
		}
	}
	return out, nil
}
