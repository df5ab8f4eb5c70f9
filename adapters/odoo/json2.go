package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// json2 is POST /json/2/MODEL/METHOD of Odoo 19 and later: a bearer key, arguments by name, one transaction for each call,
// and real status codes. The answer is the bare value.
type json2 struct{ *client }

// login has nothing to do: every call carries the key, and the user's id is not needed.
func (j json2) login(context.Context) (int, error) { return 1, nil }

func (j json2) call(ctx context.Context, _ int, c call) (any, error) {
	args := maps.Clone(c.kwargs)
	if args == nil {
		args = map[string]any{}
	}
	if c.ids != nil {
		args["ids"] = c.ids
	}
	for i, v := range c.args {
		if i >= len(c.names) {
			return nil, fault.New(fault.Bug, "%s: JSON-2 takes arguments by name only: write them under kwargs", c.what())
		}
		args[c.names[i]] = v
	}
	body, err := message.Encode(args)
	if err != nil {
		return nil, fault.New(fault.Bug, "%s: the values cannot be written as JSON", c.what())
	}
	_, key := j.s.Auth.login()
	headers := map[string]string{"Authorization": "bearer " + key}
	if j.s.Database != "" {
		headers["X-Odoo-Database"] = j.s.Database
	}
	r, err := j.wire.post(ctx, c.what(), c.writes, j.s.URL+"/json/2/"+url.PathEscape(c.model)+"/"+url.PathEscape(c.method), "application/json", headers, body)
	if err != nil {
		return nil, err
	}
	return readJSON2(c.what(), c.writes, r)
}

// readJSON2 gives the value in an answer, or its error with a class.
func readJSON2(what string, writes bool, r reply) (any, error) {
	if r.kind != "application/json" {
		if r.status == http.StatusUnauthorized {
			return nil, refusal(what, r, 0, "AccessDenied", "")
		}
		return nil, r.odd(what, writes)
	}
	if r.status >= 200 && r.status < 300 {
		v, err := message.Decode(bytes.TrimSpace(r.body))
		if err != nil {
			return nil, lost(what, writes, err)
		}
		return v, nil
	}
	var e struct{ Name, Message string }
	if json.Unmarshal(r.body, &e) != nil || e.Name == "" {
		return nil, r.odd(what, writes)
	}
	switch r.status {
	case http.StatusUnauthorized: // werkzeug.exceptions.Unauthorized: Invalid apikey
		return nil, refusal(what, r, 0, "AccessDenied", e.Message)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return nil, r.odd(what, writes)
	}
	return nil, refusal(what, r, 0, e.Name, e.Message)
}
