package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// stepKinds are the keys that a step can be.
var stepKinds = []string{"when", "jq", "set", "call", "translate", "validate", "choose", "split", "dedupe", "tap", "wait", "to"}

// laterSteps are in the language and not in this program yet.
var laterSteps = []string{"collect", "merge", "deidentify"}

// callKeys may stand beside call, and in a target.
var callKeys = []string{"with", "as", "expect", "answers", "items", "body", "timeout"}

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
	if n.Kind != bind.Map {
		r.at(n, "a step is a map with one of %s, this is %s", strings.Join(stepKinds, ", "), n.Kind)
		return s, false
	}
	var found []bind.Key
	for _, k := range n.Keys {
		if slices.Contains(stepKinds, k.Name) {
			found = append(found, k)
		}
		if slices.Contains(laterSteps, k.Name) {
			r.errs.Add(diag.Errorf(k.Pos, "this version has no %s yet", k.Name))
			return s, false
		}
	}
	if len(found) == 0 {
		k := bind.Key{Pos: n.Pos}
		if len(n.Keys) > 0 {
			k = n.Keys[0]
		}
		e := diag.Errorf(k.Pos, "there is no step %q", k.Name)
		e.Hint, e.Len = diag.DidYouMean(k.Name, stepKinds), len(k.Name)
		r.errs.Add(e)
		return s, false
	}
	if len(found) > 1 {
		r.errs.Add(diag.Errorf(found[1].Pos, "a step does one thing, and this one already has %s", found[0].Name).WithHint("begin a new step with a dash; a condition goes into choose"))
		return s, false
	}
	s.Name = found[0].Name
	v := n.Get(s.Name)
	allowed := []string{s.Name, "rescue"}
	switch s.Name {
	case "when":
		s.When = v
	case "jq":
		s.JQ = v
	case "set":
		s.Set = v
	case "call":
		allowed = append(allowed, callKeys...)
		c := r.call(n, "call")
		s.Call = &c
	case "translate":
		s.Translate = r.translate(v)
	case "validate":
		s.Validate = v
	case "choose":
		s.Choose = r.branches(v, label+".choose", true)
	case "split":
		allowed = append(allowed, "collect")
		if c := n.Get("collect"); c != nil && c.Text != "false" {
			r.at(c, "this version has no collect yet")
		}
		s.Split = v
	case "dedupe":
		var d struct {
			By  *bind.Node `yaml:"by,required" doc:"${…} whose repeats end"`
			For *bind.Node `yaml:"for" doc:"how long it is remembered"`
		}
		into(r, v, "dedupe", &d)
		s.Dedupe = &Dedupe{By: d.By}
		into(r, d.For, "for", &s.Dedupe.For)
	case "tap":
		allowed = append(allowed, callKeys...)
		if ts := r.targets(r.besides(n, "tap", v), "tap"); len(ts) > 0 {
			s.Tap = &ts[0]
		}
	case "wait":
		s.Wait = r.wait(v)
	case "to":
		allowed = append(allowed, callKeys...)
		s.To = r.targets(r.besides(n, "to", v), "to")
		if len(s.To) == 0 {
			return s, false
		}
	}
	r.known(n, "the step "+s.Name, allowed...)
	if rs := n.Get("rescue"); rs != nil {
		s.Rescue = r.branches(rs, label+".rescue", false)
	}
	return s, true
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
		} else if slices.Contains(callKeys, k.Name) {
			out.Keys = append(out.Keys, k)
			out.Items = append(out.Items, n.Items[i])
		}
	}
	return out
}

// call decodes a call whose operation is under key.
func (r *reader) call(n *bind.Node, key string) Call {
	op := n.Get(key)
	c := Call{Operation: r.text(op, key), OperationPos: op.Pos, With: n.Get("with"), Body: n.Get("body"), Items: n.Get("items")}
	c.As = r.text(n.Get("as"), "as")
	c.Expect = r.word(n.Get("expect"), "expect", "one", "many")
	c.Answers = r.answers(n.Get("answers"))
	into(r, n.Get("timeout"), "timeout", &c.Timeout)
	if b := c.Body; b != nil && b.Kind == bind.Map && b.Get("jq") != nil && len(b.Keys) == 1 {
		c.Body = b.Get("jq")
	}
	if b := c.Items; b != nil && b.Kind == bind.Map && b.Get("jq") != nil && len(b.Keys) == 1 {
		c.Items = b.Get("jq")
	}
	if c.With != nil && c.With.Kind != bind.Map && c.With.Kind != bind.Null {
		r.at(c.With, "with is a map of settings, this is %s", c.With.Kind)
		c.With = nil
	}
	if c.With != nil && c.With.Kind == bind.Null {
		c.With = nil
	}
	return c
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
			for _, k := range []string{"call", "operation"} {
				if item.Get("to") == nil && item.Get(k) != nil {
					key = k
				}
			}
			if item.Get(key) == nil {
				if len(item.Keys) == 1 && strings.Contains(item.Keys[0].Name, ".") { // { odoo.write: {settings} }
					out = append(out, Target{Pos: item.Pos, Call: Call{Operation: item.Keys[0].Name, OperationPos: item.Keys[0].Pos, With: item.Items[0]}})
					continue
				}
				r.at(item, "this target names no operation").Hint = "write { to: SYSTEM.OPERATION, with: {…} }"
				continue
			}
			r.known(item, "a target", append([]string{key, "when"}, callKeys...)...)
			t := Target{Pos: item.Pos, Call: r.call(item, key), When: item.Get("when")}
			out = append(out, t)
		default:
			r.at(item, "%s is SYSTEM.OPERATION or a map, this is %s", what, item.Kind)
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
		b.When = item.Get("when")
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
			if choose && b.When == nil {
				r.at(item, "a branch needs when, or is the last: otherwise")
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
	w.Until = n.Get("until")
	into(r, n.Get("every"), "every", &w.Every)
	into(r, n.Get("for"), "for", &w.For)
	if n.Get("call") != nil {
		c := r.call(n, "call")
		w.Call = &c
	}
	return w
}
