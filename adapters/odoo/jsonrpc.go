package odoo

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// jsonrpc is Odoo's POST /jsonrpc: every answer is HTTP 200 with a result or an error.
type jsonrpc struct{ *client }

func (j jsonrpc) login(ctx context.Context) (int, error) {
	user, secret := j.s.Auth.login()
	v, err := j.send(ctx, "log in", false, "common", "authenticate", []any{j.s.Database, user, secret, map[string]any{}})
	if err != nil {
		return 0, err
	}
	return loggedIn(j.s, v)
}

// loggedIn reads what authenticate answered: the user's id, or false.
func loggedIn(s Settings, v any) (int, error) {
	if uid, ok := v.(int); ok && uid > 0 {
		return uid, nil
	}
	user, _ := s.Auth.login()
	return 0, fault.New(fault.Unauthorized, "Odoo does not let the user %q into the database %q: check username and password or key", user, s.Database)
}

func (j jsonrpc) call(ctx context.Context, uid int, c call) (any, error) {
	_, secret := j.s.Auth.login()
	return j.send(ctx, c.what(), c.writes, "object", "execute_kw",
		[]any{j.s.Database, uid, secret, c.model, c.method, c.positional(), orEmpty(c.kwargs)})
}

// positional is the ids and args as the RPC protocols want them.
func (c call) positional() []any {
	out := make([]any, 0, 1+len(c.args))
	if c.ids != nil {
		out = append(out, c.ids)
	}
	return append(out, c.args...)
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func (j jsonrpc) send(ctx context.Context, what string, writes bool, service, method string, args []any) (any, error) {
	body, err := message.Encode(map[string]any{"jsonrpc": "2.0", "method": "call", "id": 1,
		"params": map[string]any{"service": service, "method": method, "args": args}})
	if err != nil {
		return nil, fault.New(fault.Bug, "%s: the values cannot be written as JSON", what)
	}
	r, err := j.wire.post(ctx, what, writes, j.s.URL+"/jsonrpc", "application/json", nil, body)
	if err != nil {
		return nil, err
	}
	return readJSONRPC(what, writes, r)
}

// readJSONRPC gives the result in an answer, or its error with a class.
func readJSONRPC(what string, writes bool, r reply) (any, error) {
	var env struct {
		Version string          `json:"jsonrpc"`
		Result  json.RawMessage `json:"result"`
		Error   *struct {
			Code    int             `json:"code"`
			Message string          `json:"message"`
			Data    json.RawMessage `json:"data"`
		} `json:"error"`
	}
	body := bytes.TrimSpace(r.body)
	if r.status != 200 || len(body) == 0 || body[0] != '{' {
		return nil, r.odd(what, writes)
	}
	if err := json.Unmarshal(body, &env); err != nil {
		return nil, lost(what, writes, err)
	}
	if env.Error != nil {
		var data struct{ Name, Message, Debug string }
		_ = json.Unmarshal(env.Error.Data, &data) // some routes send text instead
		if data.Message == "" {
			data.Message = env.Error.Message
		}
		return nil, refusal(what, r, env.Error.Code, data.Name, data.Message)
	}
	if env.Version == "" {
		return nil, r.odd(what, writes)
	}
	v, err := message.Decode(env.Result)
	if err != nil {
		return nil, lost(what, writes, err)
	}
	return v, nil
}
