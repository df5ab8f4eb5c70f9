package expr

import (
	"maps"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/diag"
)

// names are the top-level names that an expression sees, in the order of LANGUAGE.md.
func (w Where) names() []string {
	switch w {
	case InRescue:
		return []string{"body", "headers", "meta", "vars", "settings", "error"}
	case InAnswer:
		return []string{"body", "headers", "status", "settings"}
	case InStatic:
		return nil
	}
	return []string{"body", "headers", "meta", "vars", "settings"}
}

// value gives what a top-level name stands for.
func (s *Scope) value(name string) any {
	var m map[string]any
	switch name {
	case "body":
		return s.Body
	case "status":
		return s.Status
	case "now":
		return s.Meta["time"]
	case "headers":
		m = s.Headers
	case "meta":
		m = s.Meta
	case "vars":
		m = s.Vars
	case "settings":
		m = s.Settings
	case "error":
		m = s.Error
	}
	if m == nil {
		return map[string]any{}
	}
	return m
}

var (
	metaNames  = []string{"id", "route", "source", "time", "attempt", "event", "engine", "rules"}
	errorNames = []string{"class", "message", "status", "body", "code", "map", "seq"}
)

// under gives the names that a top-level name is known to have; false: any.
func (c *Compiler) under(name string) ([]string, bool) {
	switch name {
	case "meta":
		return metaNames, true
	case "error":
		return errorNames, true
	case "settings":
		return c.opts.Settings, c.opts.Settings != nil
	}
	return nil, false
}

// unknownName says that there is no such top-level name here, and why where that is known.
func unknownName(t Text, offset int, name string, w Where, more []string) diag.Error {
	e := t.errorf(offset, len(name), "there is no name %q here", name)
	bare := strings.TrimPrefix(name, "$")
	switch {
	case bare == "env" || bare == "secret" || bare == "ENV":
		e.Text = "a route cannot read " + map[bool]string{true: "secrets", false: "the environment"}[bare == "secret"]
		e.Hint = "put it into a system document, or use a setting of the pack"
		return e
	case bare == "error" && w != InRescue:
		e.Text, e.Hint = "error is known in rescue only", ""
		return e
	case bare == "status" && w != InAnswer:
		e.Text, e.Hint = "status is known in answers only", ""
		if w == InRescue {
			e.Hint = "did you mean error.status?"
		}
		return e
	case (bare == "meta" || bare == "vars") && w == InAnswer:
		e.Text, e.Hint = bare+" is not known in answers: they judge what the system said", "one of: body, headers, status, settings"
		return e
	case bare == "null" || bare == "None" || bare == "undefined":
		e.Text, e.Hint = name+" is called nil in ${…}", "as in ${body.site == nil ? 'none' : body.site}, or ${body.site ?? 'none'}"
		return e
	case bare == "msg" || bare == "message" || bare == "this" || bare == "payload":
		e.Hint = `the message is called body`
		return e
	}
	e.Hint = diag.DidYouMean(name, append(slices.Clone(w.names()), more...))
	return e
}

// unknownUnder says that a top-level name has no such field.
func (c *Compiler) unknownUnder(t Text, offset int, top, name string) (diag.Error, bool) {
	known, closed := c.under(top)
	if !closed || slices.Contains(known, name) {
		return diag.Error{}, false
	}
	e := t.errorf(offset, len(name), "there is no %s.%s", top, name)
	if top == "settings" {
		e.Text = "the pack has no setting " + name
		if len(known) == 0 {
			e.Hint = "settings are declared in the pack document"
			return e, true
		}
	}
	if full := hyphened(t.Src[min(offset, len(t.Src)):]); full != name && slices.Contains(known, full) {
		e.Hint = "a name with a hyphen is written " + top + `["` + full + `"]`
		e.Len = len(full)
		return e, true
	}
	e.Hint = diag.DidYouMean(name, known)
	return e, true
}

// unknownMap says that a literal map name is not known.
func (c *Compiler) unknownMap(t Text, offset, length int, name string) (diag.Error, bool) {
	if c.opts.Maps == nil || slices.Contains(c.opts.Maps, name) {
		return diag.Error{}, false
	}
	e := t.errorf(offset, length, "there is no map %q", name)
	if e.Hint = diag.DidYouMean(name, c.opts.Maps); e.Hint == "" {
		e.Hint = "declare it in a map document"
	}
	return e, true
}

// hintFor is a hint for a name that people know from elsewhere, or nearly.
func hintFor(name string, hints map[string]string) (string, bool) {
	if h, ok := hints[name]; ok {
		return h, true
	}
	if len(name) < 4 {
		return "", false
	}
	h, ok := hints[diag.Nearest(name, slices.Sorted(maps.Keys(hints)))]
	return h, ok
}
