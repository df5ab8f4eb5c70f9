package route

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/rule"
)

// What translate does with a code that the map does not have.
const (
	missingHold  = "hold"
	missingKeep  = "keep"
	missingNull  = "null"
	missingDead  = "dead-letter"
	missingValue = "value"
)

func (c *compiler) translateStep(t *rule.Translate) func(context.Context, *run) (next, error) {
	m := c.env.Map(t.Map)
	if m == nil && (c.env.Lost == nil || !c.env.Lost("map", t.Map)) {
		c.atPos(t.MapPos, "there is no map %q", t.Map).hint("%s", diag.DidYouMean(t.Map, c.env.MapNames))
	}
	from := c.path(t.From, c.route.Pos)
	to := from
	if t.To != nil {
		to = c.path(t.To, c.route.Pos)
	}
	shared, fromRest, toRest, err := common(from, to)
	if err != nil {
		c.at(t.To, "%v", err)
	}
	missing, value := c.missing(t.Missing)
	if m == nil || err != nil {
		return nil
	}
	return func(_ context.Context, r *run) (next, error) {
		body, err := shared.each(r.scope.Body, func(item any) (any, error) {
			code, isCode := codeOf(fromRest.get(item), t.System)
			if isCode {
				if v, ok := Lookup(m, code); ok {
					return toRest.put(item, v)
				}
			}
			switch missing {
			case missingKeep:
				return toRest.put(item, fromRest.get(item))
			case missingNull:
				return toRest.put(item, nil)
			case missingValue:
				return toRest.put(item, value)
			}
			f := &fault.Error{Class: fault.Unmapped, Map: m.Name, Code: code,
				Text: fmt.Sprintf("map %s has no entry for %q", m.Name, code)}
			if !isCode {
				f.Text = fmt.Sprintf("there is no code at %s to look up in map %s", t.From.Text, m.Name)
			}
			if missing == missingDead {
				r.do = DoDeadLetter
			}
			return nil, f
		})
		if err != nil {
			if fault.ClassOf(err) == fault.Transient { // the path led nowhere
				err = bugf(placeOf(t.To, c.route.Pos), "%v", err)
			}
			return goOn, err
		}
		r.setBody(body)
		return goOn, nil
	}
}

func (c *compiler) path(n *bind.Node, otherwise diag.Pos) path {
	if n == nil {
		c.atPos(otherwise, "translate needs from: where the code is").hint("write from: .code")
		return nil
	}
	p, off, err := parsePath(n.Text)
	if err != nil {
		pos := n.TextPos
		if pos.Line == 0 {
			pos = n.Pos
		}
		pos.Col += off
		c.atPos(pos, "%v", err)
	}
	return p
}

func (c *compiler) missing(n *bind.Node) (string, any) {
	if n == nil {
		return missingHold, nil
	}
	if n.Kind == bind.Null {
		return missingNull, nil
	}
	if n.Kind == bind.Map {
		if v := n.Get("value"); v != nil && len(n.Keys) == 1 {
			return missingValue, v.Value()
		}
	}
	if n.Kind == bind.String {
		switch n.Text {
		case missingHold, missingKeep, missingNull, missingDead:
			return n.Text, nil
		}
	}
	return missingValue, n.Value()
}

// codeOf is the text to look up: of a string, a number, a Coding or a CodeableConcept.
func codeOf(v any, system string) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case int, json.Number, bool:
		return fmt.Sprint(v), true
	case map[string]any:
		if list, ok := v["coding"].([]any); ok {
			for _, e := range list {
				coding, _ := e.(map[string]any)
				if s, _ := coding["system"].(string); s == system {
					return codeOf(coding["code"], "")
				}
			}
			return "", false
		}
		return codeOf(v["code"], "")
	}
	return "", false
}

// Lookup finds code in m, or m's default.
func Lookup(m *rule.Map, code string) (any, bool) {
	if v, ok := m.Entries[code]; ok {
		return v, true
	}
	if m.Default != nil {
		return m.Default.Value(), true
	}
	return nil, false
}
