package odoo

import (
	"context"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// call is one method of one model, free of how it is sent. RPC protocols pass the ids and args by place, JSON-2 by name.
type call struct {
	model, method string
	ids           []any          // nil for a method of the model itself
	args          []any          // after the ids
	names         []string       // of args, for JSON-2; shorter: the rest has no name
	kwargs        map[string]any // by name in all protocols
	writes        bool           // a lost answer is fault.Unknown
}

func (c call) what() string { return c.model + " " + c.method }

// speaker is one protocol. login gives the user's id; json2 has none.
type speaker interface {
	login(ctx context.Context) (int, error)
	call(ctx context.Context, uid int, c call) (any, error)
}

type client struct {
	env   adapter.Env
	s     Settings
	wire  wire
	turn  chan struct{} // one login at a time
	uid   atomic.Int64  // 0: not logged in
	speak atomic.Pointer[speaker]

	upserts turns
}

func newClient(env adapter.Env, s Settings) *client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.IdleConnTimeout = 10 * time.Second
	fresh := t.Clone()
	fresh.DisableKeepAlives = true
	// A redirect would turn the call into a GET and may lead to another host.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &client{env: env, s: s, turn: make(chan struct{}, 1)}
	c.wire = wire{max: int64(s.MaxAnswer), timeout: s.Timeout,
		http: &http.Client{Transport: t, CheckRedirect: stay}, fresh: &http.Client{Transport: fresh, CheckRedirect: stay}}
	var sp speaker
	switch s.Protocol {
	case "xmlrpc":
		sp = xmlrpc{c}
	case "json2":
		sp = json2{c}
	case "auto":
		return c
	default:
		sp = jsonrpc{c}
	}
	c.speak.Store(&sp)
	return c
}

// Close drops idle connections.
func (c *client) Close() error {
	c.wire.http.CloseIdleConnections()
	return nil
}

// do sends a call. Odoo that no longer knows the session, or refuses the login that it took before, is asked to log in
// once more: a restored database gives the same user another id.
func (c *client) do(ctx context.Context, k call) (any, error) {
	if more := c.context(); len(more) > 0 {
		k.kwargs = maps.Clone(k.kwargs)
		if k.kwargs == nil {
			k.kwargs = map[string]any{}
		}
		if own, ok := k.kwargs["context"].(map[string]any); ok {
			maps.Copy(more, own)
		}
		k.kwargs["context"] = more
	}
	sp, uid, err := c.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	v, err := sp.call(ctx, uid, k)
	if _, keyed := sp.(json2); keyed || fault.ClassOf(err) != fault.Unauthorized {
		return v, err
	}
	if sp, uid, err = c.session(ctx, uid); err != nil {
		return nil, err
	}
	return sp.call(ctx, uid, k)
}

// session gives the protocol and the user's id, logging in where there is none or the one in hand is stale.
func (c *client) session(ctx context.Context, stale int) (speaker, int, error) {
	if sp, uid := c.speak.Load(), int(c.uid.Load()); sp != nil && uid != 0 && uid != stale {
		return *sp, uid, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, 0, fault.As(fault.Transient, ctx.Err())
	}
	if sp, uid := c.speak.Load(), int(c.uid.Load()); sp != nil && uid != 0 && uid != stale {
		return *sp, uid, nil // another call has just logged in
	}
	if c.speak.Load() == nil {
		sp, err := c.choose(ctx)
		if err != nil {
			return nil, 0, err
		}
		c.speak.Store(&sp)
	}
	sp := *c.speak.Load()
	c.uid.Store(0)
	uid, err := sp.login(ctx)
	if err != nil {
		return nil, 0, err
	}
	c.uid.Store(int64(uid))
	return sp, uid, nil
}

// choose asks Odoo for its version: JSON-2 where it is there and a key is given, else JSON-RPC.
func (c *client) choose(ctx context.Context) (speaker, error) {
	if c.s.Auth.APIKey == nil {
		return jsonrpc{c}, nil
	}
	v, err := jsonrpc{c}.send(ctx, "version", false, "common", "version", []any{})
	if e := fault.Of(err); e != nil {
		if e.Status == http.StatusNotFound || e.Status == http.StatusGone { // Odoo 22 and later
			return json2{c}, nil
		}
		return nil, err
	}
	if m, ok := v.(map[string]any); ok {
		if info, ok := m["server_version_info"].([]any); ok && len(info) > 0 {
			if major, ok := info[0].(int); ok && major >= 19 {
				return json2{c}, nil
			}
		}
	}
	return jsonrpc{c}, nil
}

// context is the Odoo context that the system document asks for.
func (c *client) context() map[string]any {
	out := maps.Clone(c.s.Context)
	if c.s.Company != 0 {
		if out == nil {
			out = map[string]any{}
		}
		out["allowed_company_ids"] = []any{c.s.Company}
	}
	return out
}

// health logs in anew, and with JSON-2, where that is nothing, asks for no partner at all.
func (c *client) health(ctx context.Context) error {
	c.uid.Store(0)
	sp, uid, err := c.session(ctx, 0)
	if err != nil {
		return err
	}
	if _, keyed := sp.(json2); keyed {
		_, err = sp.call(ctx, uid, call{model: "res.partner", method: "search", args: []any{[]any{[]any{"id", "=", 0}}}, names: []string{"domain"}})
	}
	return err
}

// answer makes the message that carries v back.
func answer(v any) (message.Message, error) {
	b, err := message.Encode(v)
	if err != nil {
		return message.Message{}, fault.As(fault.Bug, err)
	}
	return message.Message{Type: "application/json", Status: http.StatusOK, Body: b, Value: v}, nil
}
