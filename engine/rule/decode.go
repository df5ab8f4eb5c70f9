package rule

import (
	"regexp"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// settingName is what can be read as settings.NAME, or settings["NAME"].
var settingName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// reader decodes documents, and gathers what is wrong.
type reader struct {
	errs diag.List
	// open gives a file that is named in the file in, a document's or that of its override.
	open func(d *Doc, in, rel string) (src []byte, file string, err error)
}

func (r *reader) at(n *bind.Node, format string, args ...any) *diag.Error {
	e := diag.Errorf(n.Pos, format, args...)
	if n.Kind == bind.String && n.Style == bind.Plain {
		e.Len = len([]rune(n.Text))
	}
	r.errs.Add(e)
	return &r.errs[len(r.errs)-1]
}

// known reports the keys of a map that are not among names.
func (r *reader) known(n *bind.Node, what string, names ...string) {
	for _, k := range n.Keys {
		if !slices.Contains(names, k.Name) {
			e := diag.Errorf(k.Pos, "%s has no key %q", what, k.Name)
			e.Hint, e.Len = diag.DidYouMean(k.Name, names), len([]rune(k.Name))
			r.errs.Add(e)
		}
	}
}

// into decodes one value.
func into[T any](r *reader, n *bind.Node, name string, v *T) {
	if n == nil {
		return
	}
	r.errs.Add(bind.DecodeValue(n, name, v)...)
}

func (r *reader) text(n *bind.Node, what string) string {
	if n == nil {
		return ""
	}
	if n.Kind == bind.List || n.Kind == bind.Map {
		r.at(n, "%s is text, this is %s", what, n.Kind)
		return ""
	}
	return n.Text
}

func (r *reader) doc(n *bind.Node, file, pack string) Doc {
	d := Doc{Node: n, File: file, Pack: pack}
	if len(n.Items) > 0 {
		d.Pos = n.Items[0].Pos
		d.Name = r.text(n.Items[0], n.Keys[0].Name)
	}
	d.About = r.text(n.Get("about"), "about")
	return d
}

func (r *reader) engine(d Doc) *Engine {
	n := d.Node
	e := &Engine{Doc: d}
	r.known(n, "an engine", "engine", "about", "journal", "listen", "tls", "auth", "bind", "packs", "retry", "on", "retention", "remember", "max-body", "secrets", "override")
	if j := n.Get("journal"); j != nil {
		var p bind.Path
		into(r, j, "journal", &p)
		e.Journal = string(p)
		if strings.Contains(j.Text, "://") {
			r.at(j, "this version keeps its journal in a folder").Hint = "write journal: ./data"
		}
	}
	e.Listen = r.text(n.Get("listen"), "listen")
	e.TLS, e.Auth = n.Get("tls"), n.Get("auth")
	into(r, n.Get("bind"), "bind", &e.Bind)
	if p := n.Get("packs"); p != nil {
		e.Packs = map[string]*bind.Node{}
		if p.Kind != bind.Map && p.Kind != bind.Null {
			r.at(p, "packs is a map of pack names to their settings, this is %s", p.Kind).Hint = "write packs: { openmrs-odoo: {} }"
		}
		for i, k := range p.Keys {
			e.Packs[k.Name] = p.Items[i]
			if p.Items[i].Kind == bind.Null {
				e.Packs[k.Name] = &bind.Node{Kind: bind.Map, Pos: k.Pos}
			}
		}
	}
	e.Retry = r.retry(n.Get("retry"))
	if bound := n.Get("bind"); bound != nil {
		w := r.at(bound, "bind is of no use yet: this version has no ports")
		w.Warning, w.Hint, w.Len = true, "name the system itself: to: odoo.upsert", 0
	}
	for class, on := range r.on(n.Get("on")) {
		if e.On == nil {
			e.On = map[string]*bind.Node{}
		}
		if e.On[class] = n.Get("on").Get(class); on.To != nil || e.On[class].Kind != bind.String {
			r.at(e.On[class], "for all routes, a failure is answered with one of retry, hold, dead-letter, filter").Hint = "where to tell of it, a route says itself"
			delete(e.On, class)
		}
	}
	into(r, n.Get("retention"), "retention", &e.Retention)
	into(r, n.Get("remember"), "remember", &e.Remember)
	into(r, n.Get("max-body"), "max-body", &e.MaxBody)
	into(r, n.Get("secrets"), "secrets", &e.Secrets)
	return e
}

// template reports what can be no text with ${…}.
func (r *reader) template(n *bind.Node, what string) *bind.Node {
	if n = said(n); n != nil && (n.Kind == bind.Map || n.Kind == bind.List) {
		r.at(n, "%s is text, this is %s", what, n.Kind).Hint = "write " + what + ": ${body.id}, with quotes where there are braces around"
		return nil
	}
	return n
}

// bare reports a path that stands outside ${…}, where it would be the same text for every message.
func (r *reader) bare(n *bind.Node, what string) bool {
	if n == nil || n.Kind != bind.String || !barePath.MatchString(n.Text) {
		return false
	}
	path := n.Text
	if path[0] == '.' {
		path = "body" + path
	}
	r.at(n, "%s is %q for every message: an expression in text stands in ${…}", what, n.Text).Hint = "write ${" + path + "}, with quotes where there are braces around"
	return true
}

// barePath is a path as people write it who forget the ${…} around it, in expr or jq.
var barePath = regexp.MustCompile(`^(body|headers|meta|vars|settings)?[.\[][\w.\[\]"'?-]+$`)

// varies reports text that is the same for every message, where that makes all of them one. why says what that does.
func (r *reader) varies(n *bind.Node, what, why string) {
	if n == nil || n.Kind == bind.Map || n.Kind == bind.List || n.Kind == bind.Null || r.bare(n, what) || strings.Contains(strings.ReplaceAll(n.Text, "$${", ""), "${") {
		return
	}
	r.at(n, "%s is the same for every message, so %s", what, why).Hint = "write ${…}, such as ${body.id}"
}

// said is n, or nil where nothing stands behind the key.
func said(n *bind.Node) *bind.Node {
	if n == nil || n.Kind == bind.Null {
		return nil
	}
	return n
}

func (r *reader) retry(n *bind.Node) *Retry {
	if n == nil {
		return nil
	}
	var v Retry
	into(r, n, "retry", &v)
	r.positive(n.Get("for"), "retry.for", v.For)
	r.positive(n.Get("backoff"), "retry.backoff", v.Backoff.From)
	return &v
}

func (r *reader) pack(d Doc) *Pack {
	n := d.Node
	p := &Pack{Doc: d, Settings: map[string]*Setting{}, Values: map[string]any{}}
	r.known(n, "a pack", "pack", "about", "version", "settings")
	p.Version = r.text(n.Get("version"), "version")
	if s := n.Get("settings"); s != nil {
		if s.Kind != bind.Map {
			r.at(s, "settings is a map of names, this is %s", s.Kind)
			return p
		}
		for i, k := range s.Keys {
			if !settingName.MatchString(k.Name) {
				r.errs.Add(diag.Errorf(k.Pos, "a setting is named with small letters, digits, - and _, this is %q", k.Name))
			}
			p.Settings[k.Name] = r.setting(k, s.Items[i])
		}
	}
	return p
}

// systemKeys are those of every system; the rest are its adapter's.
var systemKeys = []string{"system", "adapter", "about", "limits", "breaker", "retry", "answers", "enabled", "window", "override"}

func (r *reader) system(d Doc) *System {
	n := d.Node
	s := &System{Doc: d, Adapter: r.text(n.Get("adapter"), "adapter")}
	rest := &bind.Node{Kind: bind.Map, Pos: n.Pos, Base: n.Base}
	for i, k := range n.Keys {
		if !slices.Contains(systemKeys, k.Name) {
			rest.Keys = append(rest.Keys, k)
			rest.Items = append(rest.Items, n.Items[i])
		}
	}
	s.Settings = rest
	into(r, n.Get("limits"), "limits", &s.Limits)
	if s.Limits.Concurrency < 0 {
		r.at(n.Get("limits").Get("concurrency"), "limits.concurrency is one or more, this is %d", s.Limits.Concurrency).Hint = "without it, 16 requests at once; to send nothing, njia systems pause NAME"
	}
	into(r, n.Get("breaker"), "breaker", &s.Breaker)
	if s.Breaker.After < 0 {
		r.at(n.Get("breaker").Get("after"), "breaker.after is one or more, this is %d", s.Breaker.After).Hint = "without it, 5 failures in a row"
	}
	s.Retry = r.retry(n.Get("retry"))
	s.Answers = r.answers(n.Get("answers"))
	into(r, n.Get("enabled"), "enabled", &s.Enabled)
	s.Window = r.window(n.Get("window"))
	return s
}

func (r *reader) window(n *bind.Node) *Window {
	if n == nil {
		return nil
	}
	var w Window
	into(r, n, "window", &w)
	r.positive(n.Get("for"), "window.for", w.For)
	return &w
}

func (r *reader) answers(n *bind.Node) []Answer {
	if n == nil {
		return nil
	}
	var out []Answer
	into(r, n, "answers", &out)
	items := n.Items
	if n.Kind != bind.List {
		items = []*bind.Node{n}
	}
	var good []Answer
	for i, a := range out {
		switch c := items[i].Get("class"); {
		case a.Class != "" && a.Class != "ok" && !isClass(a.Class):
			r.at(c, "%q is no failure class", a.Class).Hint = diag.DidYouMean(a.Class, append(classNames(), "ok"))
		case a.When != nil && r.program(a.When, "a guard"):
			good = append(good, a)
		}
	}
	return good
}

func classNames() []string {
	out := make([]string, len(fault.Classes))
	for i, c := range fault.Classes {
		out[i] = string(c)
	}
	return out
}

func isClass(s string) bool { return slices.Contains(fault.Classes, fault.Class(s)) }

func (r *reader) word(n *bind.Node, what string, known ...string) string {
	t := r.text(n, what)
	if t != "" && !slices.Contains(known, t) {
		last := len(known) - 1
		e := r.at(n, "%s is %s or %s, this is %q", what, strings.Join(known[:last], ", "), known[last], t)
		if near := diag.Nearest(t, known); near != "" {
			e.Hint = "did you mean " + near + "?"
		}
		return ""
	}
	return t
}
