package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// stepKinds are the keys that a step can be.
var stepKinds = []string{"when", "jq", "set", "call", "translate", "validate", "choose", "split", "dedupe", "tap", "wait", "to"}

// laterSteps are in the language and not in this program yet.
var laterSteps = []string{"collect", "merge", "deidentify"}

// callKeys may stand beside call, targetKeys beside to and tap.
var (
	callKeys   = []string{"with", "as", "expect", "answers", "items", "body", "timeout"}
	targetKeys = []string{"when", "with", "answers", "items", "body", "timeout"}
)

// steps decodes a list of steps. label is where they stand.
func (r *reader) steps(n *bind.Node, label string) []Step {
	if n == nil {
		return nil
	}
	items := n.Items
	if n.Kind == bind.Map {
		items = []*bind.Node{n}
	} else if n.Kind != bind.List {
		r.at(n, "steps is a list, this is %s", n.Kind).Hint = "begin each step with a dash, as in - jq: ."
		return nil
	}
	out := []Step{}
	for i, item := range items {
		if s, ok := r.step(item, fmt.Sprintf("%s[%d]", label, i)); ok {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) step(n *bind.Node, label string) (Step, bool) {
	s := Step{Pos: n.Pos, Label: label}
	kind, ok := r.kindOf(n)
	if !ok {
		return s, false
	}
	s.Name = kind
	v := n.Get(kind)
	allowed := []string{kind, "rescue"}
	switch kind {
	case "when":
		s.When, ok = v, r.program(v, "a guard")
	case "jq":
		s.JQ, ok = v, r.program(v, "jq")
	case "set":
		if s.Set, ok = v, v.Kind == bind.Map; !ok {
			r.at(v, "set is a map of names to values, this is %s", v.Kind).Hint = "write set: { NAME: ${…} }"
		}
	case "call":
		allowed = append(allowed, callKeys...)
		c := r.call(n, "call")
		s.Call, ok = &c, c.Operation != ""
	case "translate":
		s.Translate = r.translate(v)
		ok = s.Translate.Map != "" && s.Translate.From != nil
	case "validate":
		s.Validate = v
		if ok = v.Kind == bind.Map; !ok {
			r.at(v, "validate is a map, this is %s", describe(v)).Hint = "write validate: { schema: FILE.schema.json }"
		} else {
			r.known(v, "validate", "schema", "fhir")
		}
	case "choose":
		s.Choose = r.branches(v, label+".choose", true)
		ok = len(s.Choose) > 0
	case "split":
		allowed = append(allowed, "collect")
		if c := n.Get("collect"); c != nil && c.Text != "false" {
			r.at(c, "this version cannot gather the results of a split yet").Hint = "each output goes on as a message of its own"
		}
		s.Split, ok = v, r.program(v, "split")
	case "dedupe":
		s.Dedupe = r.dedupe(v)
		ok = s.Dedupe.By != nil
	case "tap":
		allowed = append(allowed, targetKeys...)
		ts := r.targets(r.besides(n, "tap", v), "tap")
		if ok = len(ts) > 0; ok {
			s.Tap = &ts[0]
		}
		if len(ts) > 1 {
			r.at(v, "a tap copies to one operation, this is %d", len(ts)).Hint = "write a step for each"
		}
	case "wait":
		s.Wait = r.wait(v)
		ok = s.Wait.Until != nil
	case "to":
		allowed = append(allowed, targetKeys...)
		s.To = r.targets(r.besides(n, "to", v), "to")
		ok = len(s.To) > 0
	}
	r.known(n, "the step "+kind, allowed...)
	if rs := n.Get("rescue"); rs != nil {
		s.Rescue = r.branches(rs, label+".rescue", false)
	}
	return s, ok
}

// kindOf finds the one key that says what a step does.
func (r *reader) kindOf(n *bind.Node) (string, bool) {
	if n.Kind != bind.Map || len(n.Keys) == 0 {
		r.at(n, "a step is a map with one of %s, this is %s", strings.Join(stepKinds, ", "), describe(n))
		return "", false
	}
	var found []bind.Key
	for _, k := range n.Keys {
		if slices.Contains(laterSteps, k.Name) {
			r.errs.Add(keyed(k, "this version has no step %s yet", k.Name))
			return "", false
		}
		if slices.Contains(stepKinds, k.Name) {
			found = append(found, k)
		}
	}
	// when beside to or tap is the target's own condition.
	if len(found) == 2 && (n.Get("to") != nil || n.Get("tap") != nil) && n.Get("when") != nil {
		found = slices.DeleteFunc(found, func(k bind.Key) bool { return k.Name == "when" })
	}
	switch len(found) {
	case 1:
		return found[0].Name, true
	case 0:
		k := n.Keys[0]
		e := keyed(k, "there is no step %s", k.Name)
		e.Hint = diag.DidYouMean(k.Name, stepKinds)
		if slices.Contains(callKeys, k.Name) || k.Name == "rescue" {
			e = keyed(k, "%s goes with a step, and here is none", k.Name).WithHint("a step has one of %s", strings.Join(stepKinds, ", "))
		}
		r.errs.Add(e)
		return "", false
	}
	e := keyed(found[1], "a step does one thing, and this one has %s already", found[0].Name).WithHint("begin another step with a dash")
	if found[0].Name == "when" || found[1].Name == "when" {
		e.Hint = "a step when: ends the message where it is false; to do one step only under a condition, use choose"
	}
	r.errs.Add(e)
	return "", false
}

// keyed is an error at a key.
func keyed(k bind.Key, format string, args ...any) diag.Error {
	e := diag.Errorf(k.Pos, format, args...)
	e.Len = utf8.RuneCountInString(k.Name)
	return e
}

// program reports what can be no expression. YAML takes a jq program such as { a: .b } or [ .a ] for a map or list.
func (r *reader) program(n *bind.Node, what string) bool {
	switch n.Kind {
	case bind.Null:
		e := r.at(n, "%s is empty", what)
		if what == "jq" {
			e.Hint = "for the JSON value null, write jq: 'null'"
		}
	case bind.Map, bind.List:
		r.at(n, "%s is text, and YAML takes what begins with { or [ or - for %s", what, n.Kind).Hint = "write it on the lines below a |, or in single quotes"
	default:
		return true
	}
	return false
}

func (r *reader) dedupe(n *bind.Node) *Dedupe {
	var d struct {
		By  *bind.Node    `yaml:"by,required" doc:"${…} whose repeats end"`
		For time.Duration `yaml:"for" doc:"how long it is remembered"`
	}
	into(r, n, "dedupe", &d)
	r.positive(n.Get("for"), "for", d.For)
	r.varies(d.By, "by", "all but the first would end as duplicate")
	return &Dedupe{By: d.By, For: d.For}
}

// positive reports a duration of nothing that was written.
func (r *reader) positive(n *bind.Node, what string, d time.Duration) {
	if n != nil && (n.Kind == bind.String || n.Kind == bind.Number) && d == 0 {
		if _, err := bind.ParseDuration(n.Text); err == nil {
			r.at(n, "%s is longer than nothing", what)
		}
	}
}

// besides makes the target of a step such as { to: odoo.write, with: … }, where the settings stand beside it.
func (r *reader) besides(n *bind.Node, key string, v *bind.Node) *bind.Node {
	if v.Kind != bind.String {
		return v
	}
	out := &bind.Node{Kind: bind.Map, Pos: n.Pos, Base: n.Base}
	for i, k := range n.Keys {
		if k.Name == key {
			out.Keys = append(out.Keys, bind.Key{Name: "to", Pos: k.Pos})
			out.Items = append(out.Items, v)
		} else if slices.Contains(targetKeys, k.Name) {
			out.Keys = append(out.Keys, k)
			out.Items = append(out.Items, n.Items[i])
		}
	}
	return out
}

// varName is what can be read as vars.NAME.
var varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// call decodes a call whose operation is under key.
func (r *reader) call(n *bind.Node, key string) Call {
	op := n.Get(key)
	c := Call{Operation: r.text(op, key), OperationPos: op.Pos, With: n.Get("with"), Body: r.jq(n.Get("body"), "body"), Items: r.jq(n.Get("items"), "items")}
	if op.Kind == bind.Null {
		r.errs.Add(diag.Errorf(op.Pos, "%s names no operation", key).WithHint("write %s: SYSTEM.OPERATION, such as odoo.upsert", key))
	}
	if as := n.Get("as"); as != nil {
		if c.As = r.text(as, "as"); c.As != "" && !varName.MatchString(c.As) {
			r.at(as, "as is a name of letters, digits and _, this is %q", c.As).Hint = "so that it can be read as vars.NAME"
		}
	}
	c.Expect = r.word(n.Get("expect"), "expect", "one", "many")
	c.Answers = r.answers(n.Get("answers"))
	into(r, n.Get("timeout"), "timeout", &c.Timeout)
	r.positive(n.Get("timeout"), "timeout", c.Timeout)
	switch {
	case c.With == nil:
	case c.With.Kind == bind.Null:
		c.With = nil
	case c.With.Kind == bind.String && strings.Contains(c.With.Text, "${"): // a whole map from an expression
	case c.With.Kind != bind.Map:
		r.at(c.With, "with is a map of settings, this is %s", describe(c.With))
		c.With = nil
	}
	return c
}

// jq takes a program as it is, or as { jq: … }, as in with.
func (r *reader) jq(n *bind.Node, what string) *bind.Node {
	if n == nil {
		return nil
	}
	if p := n.Get("jq"); p != nil && len(n.Keys) == 1 {
		n = p
	}
	if !r.program(n, what) {
		return nil
	}
	return n
}

// targets decodes to: one or many, each system.operation or a map.
func (r *reader) targets(n *bind.Node, what string) []Target {
	if n == nil {
		return nil
	}
	items := []*bind.Node{n}
	if n.Kind == bind.List {
		items = n.Items
	}
	var out []Target
	for _, item := range items {
		switch item.Kind {
		case bind.String:
			out = append(out, Target{Pos: item.Pos, Call: Call{Operation: item.Text, OperationPos: item.Pos}})
		case bind.Map:
			key := "to"
			if item.Get("to") == nil && item.Get("call") != nil {
				key = "call"
			}
			if item.Get(key) == nil {
				r.at(item, "this target names no operation").Hint = "write { to: SYSTEM.OPERATION, with: {…} }"
				continue
			}
			r.known(item, "a target", append([]string{key}, targetKeys...)...)
			t := Target{Pos: item.Pos, Call: r.call(item, key), When: item.Get("when")}
			if t.When != nil && !r.program(t.When, "a guard") {
				t.When = nil
			}
			if t.Operation != "" {
				out = append(out, t)
			}
		default:
			r.at(item, "%s is SYSTEM.OPERATION, or a map with it, this is %s", what, describe(item)).Hint = "write to: odoo.upsert, or to: { call: odoo.upsert, with: {…} }"
		}
	}
	return out
}

// branches decodes choose and rescue.
func (r *reader) branches(n *bind.Node, label string, choose bool) []Branch {
	if n.Kind != bind.List {
		if n.Kind != bind.Map {
			r.at(n, "branches are a list, this is %s", n.Kind).Hint = "write - when: …"
			return nil
		}
		n = &bind.Node{Kind: bind.List, Pos: n.Pos, Items: []*bind.Node{n}}
	}
	out := []Branch{}
	for i, item := range n.Items {
		b := Branch{Pos: item.Pos, Label: fmt.Sprintf("%s[%d]", label, i)}
		if item.Kind != bind.Map {
			r.at(item, "a branch is a map with when and steps, this is %s", item.Kind)
			continue
		}
		if b.When = item.Get("when"); b.When != nil && !r.program(b.When, "a guard") {
			b.When = nil
		}
		body := item
		if o := item.Get("otherwise"); o != nil {
			if b.When != nil {
				r.at(o, "a branch has when or otherwise, not both")
			}
			switch o.Kind {
			case bind.List:
				b.Steps = r.steps(o, b.Label+".steps")
				r.known(item, "a branch", "otherwise")
				out = append(out, b)
				continue
			case bind.Map:
				body = o
			}
			if o.Kind != bind.Map {
				r.known(item, "a branch", "otherwise", "steps", "to")
			} else {
				r.known(item, "a branch", "otherwise")
				r.known(o, "a branch", "steps", "to")
			}
		} else {
			r.known(item, "a branch", "when", "steps", "to")
			if choose && item.Get("when") == nil {
				r.at(item, "this branch has no condition").Hint = "write - when: …, or - otherwise: … for the last one"
			}
		}
		b.Steps = r.steps(body.Get("steps"), b.Label+".steps")
		if t := body.Get("to"); t != nil {
			if ts := r.targets(t, "to"); len(ts) > 0 {
				b.Steps = append(b.Steps, Step{Pos: t.Pos, Label: b.Label + ".to", Name: "to", To: ts})
			}
		}
		out = append(out, b)
	}
	if len(out) == 0 {
		r.at(n, "there is no branch")
	}
	return out
}

func (r *reader) translate(n *bind.Node) *Translate {
	var v struct {
		Map     *bind.Node `yaml:"map,required" doc:"the name of a map"`
		From    *bind.Node `yaml:"from,required" doc:"where the code is, such as .code"`
		To      *bind.Node `yaml:"to" doc:"where the value goes; where the code was unless said otherwise"`
		Missing *bind.Node `yaml:"missing" doc:"hold, keep, null, dead-letter or a value"`
		System  string     `yaml:"system" doc:"the code system to look for in a CodeableConcept"`
	}
	into(r, n, "translate", &v)
	t := &Translate{From: v.From, To: v.To, Missing: v.Missing, System: v.System}
	if v.Map != nil {
		t.Map, t.MapPos = r.text(v.Map, "map"), v.Map.Pos
	}
	return t
}

func (r *reader) wait(n *bind.Node) *Wait {
	w := &Wait{}
	if n.Kind != bind.Map {
		r.at(n, "wait is a map with until, this is %s", n.Kind)
		return w
	}
	r.known(n, "wait", append([]string{"until", "call", "every", "for"}, callKeys...)...)
	if w.Until = n.Get("until"); w.Until == nil {
		r.at(n, "wait says not what it waits for").Hint = "add until: vars.bill.state == \"paid\""
	} else if !r.program(w.Until, "until") {
		w.Until = nil
	}
	into(r, n.Get("every"), "every", &w.Every)
	into(r, n.Get("for"), "for", &w.For)
	r.positive(n.Get("every"), "every", w.Every)
	r.positive(n.Get("for"), "for", w.For)
	if n.Get("call") != nil {
		c := r.call(n, "call")
		w.Call = &c
	}
	return w
}
