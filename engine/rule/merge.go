package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// merge finds documents of one kind and name: two are an error, unless the site overrides one of a pack.
func (b *builder) merge() {
	first := map[string]*document{}
	var kept, over []*document
	engines := 0
	for _, d := range b.docs {
		key := d.kind + "/" + d.name
		if d.kind == "test" { // sentences; each pack has its own
			key += "/" + d.pack
		}
		if d.kind == "engine" && d.pack != "" {
			b.errs.Add(sized(d, "an engine document belongs to a site, and this folder is pack %s", d.pack).WithHint("put the pack into a folder of its own"))
			continue
		}
		if d.kind == "engine" {
			if engines++; engines > 1 {
				b.errs.Add(diag.Errorf(d.place(), "a rule set has one engine document, the first is at %s", first["engine"].place()))
				continue
			}
			first["engine"] = d
		}
		switch twin := first[key]; {
		case d.override:
			over = append(over, d)
			continue
		case twin != nil:
			b.errs.Add(twice(d, twin))
			continue
		}
		first[key] = d
		kept = append(kept, d)
	}
	seen := map[string]diag.Pos{}
	for _, d := range over {
		key := d.kind + "/" + d.name
		if at, twice := seen[key]; twice {
			b.errs.Add(sized(d, "%s %s is overridden twice, the first time at %s", d.kind, d.name, at).WithHint("write it all in one document"))
			continue
		}
		seen[key] = d.place()
		b.override(d, first[key], kept)
	}
	b.docs = kept
}

// sized is an error at a document's name.
func sized(d *document, format string, args ...any) diag.Error {
	e := diag.Errorf(d.place(), format, args...)
	e.Len = utf8.RuneCountInString(d.name)
	return e
}

func twice(d, twin *document) diag.Error {
	e := sized(d, "there are two %ss called %q, the first is at %s", d.kind, d.name, twin.place())
	switch {
	case d.pack == twin.pack:
		e.Hint = "a name stands once for each kind"
	case d.pack == "":
		e.Hint = "to change the one of pack " + twin.pack + ", add override: true"
	case twin.pack == "":
		e = sized(twin, "there are two %ss called %q, the other is at %s", d.kind, d.name, d.place())
		e.Hint = "to change the one of pack " + d.pack + ", add override: true"
	default:
		e.Hint = fmt.Sprintf("packs %s and %s cannot be used together", twin.pack, d.pack)
	}
	return e
}

// override merges a document of the site over that of a pack.
func (b *builder) override(d, of *document, all []*document) {
	switch {
	case d.kind == "pack" || d.kind == "engine" || d.kind == "test":
		b.errs.Add(sized(d, "a document %s: cannot override", d.kind).WithHint("the settings of a pack go under packs: in the engine document"))
		return
	case d.pack != "":
		b.errs.Add(sized(d, "an override belongs to the site, and this folder is pack %s", d.pack).WithHint("change the document itself, or give the pack a setting"))
		return
	case of == nil || of.pack == "":
		var names []string
		for _, k := range all {
			if k.kind == d.kind && k.pack != "" {
				names = append(names, k.name)
			}
		}
		e := sized(d, "this overrides %s %s, and no pack in use has that", d.kind, d.name)
		if e.Hint = diag.DidYouMean(d.name, names); of != nil {
			e.Hint = "it is the site's own, at " + of.place().String() + ": change it there"
		}
		b.errs.Add(e)
		return
	}
	o := overlay{o: Override{Kind: d.kind, Name: d.name, Pos: d.place(), Pack: of.pack}}
	of.also = append(of.also, path.Dir(d.file))
	of.node = o.merge(of.node, without(d.node, "override"), "")
	b.set.Overrides = append(b.set.Overrides, o.o)
	if len(o.o.Changes) == 0 {
		e := sized(d, "this override changes nothing: pack %s says all of it already", of.pack).WithHint("delete it")
		e.Warning = true
		b.errs.Add(e)
		return
	}
	b.errs.Add(o.idle...)
}

func without(n *bind.Node, key string) *bind.Node {
	out := *n
	out.Keys, out.Items = nil, nil
	for i, k := range n.Keys {
		if k.Name != key {
			out.Keys, out.Items = append(out.Keys, k), append(out.Items, n.Items[i])
		}
	}
	return &out
}

// overlay is an override being merged.
type overlay struct {
	o    Override
	idle diag.List // what it says in vain
}

// merge puts over over base: maps merge, lists and scalars replace, null removes, as in RFC 7386. Everything keeps the place
// where it was written.
func (m *overlay) merge(base, over *bind.Node, at string) *bind.Node {
	out := *base
	out.Keys, out.Items = slices.Clone(base.Keys), slices.Clone(base.Items)
	for i, k := range over.Keys {
		v, p := over.Items[i], strings.TrimPrefix(at+"."+k.Name, ".")
		j := slices.IndexFunc(out.Keys, func(o bind.Key) bool { return o.Name == k.Name })
		if j < 0 || out.Items[j].Kind != bind.Map {
			v = pruned(v)
		}
		switch {
		case j < 0 && v.Kind == bind.Null:
			w := diag.Errorf(k.Pos, "there is nothing to remove: %s %s of pack %s has no %s", m.o.Kind, m.o.Name, m.o.Pack, p)
			w.Hint, w.Warning, w.Len = diag.DidYouMean(k.Name, keys(base)), true, utf8.RuneCountInString(k.Name)
			m.idle.Add(w)
		case j < 0:
			out.Keys, out.Items = append(out.Keys, k), append(out.Items, v)
			m.change("%s: %s (new)", p, m.shown(p, v))
		case v.Kind == bind.Null:
			m.change("%s: removed (was %s)", p, m.shown(p, out.Items[j]))
			out.Keys, out.Items = slices.Delete(out.Keys, j, j+1), slices.Delete(out.Items, j, j+1)
		case out.Items[j].Kind == bind.Map && v.Kind == bind.Map:
			out.Items[j] = m.merge(out.Items[j], v, p)
		case same(out.Items[j], v):
			if at != "" || i > 0 { // not the name itself
				w := diag.Errorf(k.Pos, "pack %s says the same of %s already", m.o.Pack, p).WithHint("delete the line")
				w.Warning, w.Len = true, utf8.RuneCountInString(k.Name)
				m.idle.Add(w)
			}
		default:
			m.change("%s: %s (was %s)", p, m.shown(p, v), m.shown(p, out.Items[j]))
			out.Keys[j], out.Items[j] = k, v
		}
	}
	return &out
}

// pruned is a map without the keys that are to be removed: where there was no map, there is nothing to remove from.
func pruned(n *bind.Node) *bind.Node {
	if n.Kind != bind.Map {
		return n
	}
	out := *n
	out.Keys, out.Items = nil, nil
	for i, k := range n.Keys {
		if n.Items[i].Kind != bind.Null {
			out.Keys, out.Items = append(out.Keys, k), append(out.Items, pruned(n.Items[i]))
		}
	}
	return &out
}

func (m *overlay) change(format string, args ...any) {
	m.o.Changes = append(m.o.Changes, fmt.Sprintf(format, args...))
}

func keys(n *bind.Node) []string {
	out := make([]string, len(n.Keys))
	for i, k := range n.Keys {
		out[i] = k.Name
	}
	return out
}

// shown is a value in a line of Changes. What can be a system's secret is not shown.
func (m *overlay) shown(path string, n *bind.Node) string {
	for _, word := range []string{"password", "secret", "token", "key", "auth"} {
		if m.o.Kind == "system" && strings.Contains(path, word) {
			return "•••"
		}
	}
	switch n.Kind {
	case bind.List:
		return fmt.Sprintf("a list of %d", len(n.Items))
	case bind.Map:
		return "{ " + strings.Join(keys(n), ", ") + " }"
	case bind.Null:
		return "nothing"
	}
	line, more, _ := strings.Cut(strings.TrimSpace(n.Text), "\n")
	if r := []rune(line); len(r) > 60 {
		line, more = string(r[:60]), "…"
	}
	if more != "" {
		line += " …"
	}
	return line
}

// same says whether two values are equal, wherever they stand.
func same(a, b *bind.Node) bool {
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Items) != len(b.Items) || len(a.Keys) != len(b.Keys) {
		return false
	}
	for i := range a.Keys {
		v := b.Get(a.Keys[i].Name)
		if v == nil || !same(a.Items[i], v) {
			return false
		}
	}
	if a.Kind == bind.List {
		for i := range a.Items {
			if !same(a.Items[i], b.Items[i]) {
				return false
			}
		}
	}
	return true
}
