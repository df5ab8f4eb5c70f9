package rule

import (
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

var routeKeys = []string{"route", "about", "from", "with", "accept", "schema", "id", "remember", "key", "keys", "when", "steps", "to", "reply", "retry", "on",
	"order", "ack", "expire", "priority", "window", "store", "max-body", "enabled", "override"}

func (r *reader) route(d Doc) *Route {
	n := d.Node
	rt := &Route{Doc: d, With: n.Get("with"), Schema: said(n.Get("schema")), ID: n.Get("id"), Key: n.Get("key"), Keys: said(n.Get("keys")), When: n.Get("when")}
	r.known(n, "a route", routeKeys...)
	if rt.When != nil && !r.program(rt.When, "a guard") {
		rt.When = nil
	}
	rt.ID, rt.Key = r.template(rt.ID, "id"), r.template(rt.Key, "key")
	r.varies(rt.ID, "id", "all but the first would end as duplicate")
	r.bare(rt.Key, "key")
	if rt.With != nil && rt.With.Kind != bind.Map {
		if rt.With.Kind != bind.Null {
			r.at(rt.With, "with is a map of the source's settings, this is %s", describe(rt.With))
		}
		rt.With = nil
	}
	if f := n.Get("from"); f != nil && f.Kind != bind.Null {
		rt.From, rt.FromPos = r.text(f, "from"), f.Pos
	} else {
		r.errs.Add(diag.Errorf(d.Pos, "route %s has no from", d.Name).WithHint("add from: SYSTEM.SOURCE, such as openmrs.changes"))
	}
	rt.Accept = r.text(n.Get("accept"), "accept")
	if rt.Keys != nil && rt.Keys.Kind != bind.Map {
		r.at(rt.Keys, "keys is a map of names to ${…}, this is %s", rt.Keys.Kind)
		rt.Keys = nil
	}
	if rt.Keys != nil {
		for i, k := range rt.Keys.Keys {
			r.bare(rt.Keys.Items[i], k.Name)
		}
	}
	into(r, n.Get("remember"), "remember", &rt.Remember)
	into(r, n.Get("expire"), "expire", &rt.Expire)
	r.positive(n.Get("remember"), "remember", rt.Remember)
	r.positive(n.Get("expire"), "expire", rt.Expire)
	if p := n.Get("priority"); p != nil {
		r.at(p, "this version has no priority yet: no route waits for another").Hint = "take it away"
	}
	into(r, n.Get("max-body"), "max-body", &rt.MaxBody)
	into(r, n.Get("enabled"), "enabled", &rt.Enabled)
	into(r, n.Get("store"), "store", &rt.Store)
	rt.Order = r.word(n.Get("order"), "order", "strict", "pass-held", "none")
	rt.Ack = r.word(n.Get("ack"), "ack", "accepted", "delivered")
	rt.Retry, rt.Window = r.retry(n.Get("retry")), r.window(n.Get("window"))
	rt.Steps = r.steps(n.Get("steps"), "steps")
	rt.To = r.targets(n.Get("to"), "to")
	rt.On = r.on(n.Get("on"))
	rt.Reply = r.reply(n.Get("reply"))
	if n.Get("to") == nil && n.Get("steps") == nil && n.Get("reply") == nil {
		r.errs.Add(diag.Errorf(d.Pos, "route %s does nothing with its messages", d.Name).WithHint("add to: SYSTEM.OPERATION, or steps"))
	}
	return rt
}

func (r *reader) on(n *bind.Node) map[string]On {
	if n == nil {
		return nil
	}
	if n.Kind != bind.Map {
		r.at(n, "on is a map of failure classes, this is %s", n.Kind).Hint = "write on: { rejected: hold }"
		return nil
	}
	out := map[string]On{}
	for i, k := range n.Keys {
		v := n.Items[i]
		if !isClass(k.Name) {
			e := diag.Errorf(k.Pos, "%q is no failure class", k.Name)
			e.Hint, e.Len = diag.DidYouMean(k.Name, classNames()), len(k.Name)
			r.errs.Add(e)
			continue
		}
		on := On{Pos: v.Pos}
		switch {
		case v.Kind == bind.String:
			on.Do = r.word(v, "on", "retry", "hold", "dead-letter", "filter")
		case v.Kind == bind.Map:
			on.Do = r.word(v.Get("do"), "do", "retry", "hold", "dead-letter", "filter")
			if t := v.Get("to"); t != nil {
				var rest *bind.Node
				if t.Kind == bind.String {
					c := *v
					c.Keys, c.Items = nil, nil
					for j, kk := range v.Keys {
						if kk.Name != "do" {
							c.Keys, c.Items = append(c.Keys, kk), append(c.Items, v.Items[j])
						}
					}
					rest = &c
				} else {
					rest = t
				}
				if ts := r.targets(rest, "on."+k.Name); len(ts) > 0 {
					on.To = &ts[0]
				}
			}
			if on.Do == "" && on.To == nil {
				r.at(v, "say what becomes of it").Hint = "write hold, dead-letter, retry, filter, or { to: SYSTEM.OPERATION }"
			}
		default:
			r.at(v, "say what becomes of it, this is %s", v.Kind)
		}
		if on.Do != "" || on.To != nil {
			out[k.Name] = on
		}
	}
	return out
}

func (r *reader) reply(n *bind.Node) *Reply {
	if n == nil {
		return nil
	}
	if n.Kind == bind.String {
		return &Reply{Pos: n.Pos, Body: n}
	}
	if n.Kind != bind.Map {
		r.at(n, "reply is a jq program, or a map of body, status, headers and type, this is %s", n.Kind)
		return nil
	}
	r.known(n, "a reply", "body", "status", "headers", "type")
	return &Reply{Pos: n.Pos, Body: r.jq(n.Get("body"), "body"), Status: said(n.Get("status")), Headers: said(n.Get("headers")), Type: r.text(n.Get("type"), "type")}
}
