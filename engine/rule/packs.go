package rule

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// packs finds the packs in use, reads those that come with the program, and gives each document the pack it belongs to.
func (b *builder) packs() {
	local := map[string]bool{}
	for _, d := range b.docs {
		if d.kind == "pack" && !d.override {
			local[d.name] = true
			b.dirs[path.Dir(d.file)] = d.name
		}
	}
	site := b.packsOfSite()
	if site == nil {
		for name := range local {
			b.used[name] = nil
		}
	} else {
		known := slices.Concat(slices.Collect(maps.Keys(local)), b.shelf.shippedNames())
		for i, k := range site.Keys {
			if !local[k.Name] && !b.readShipped(k.Name) {
				e := diag.Errorf(k.Pos, "there is no pack %q", k.Name)
				e.Hint, e.Len = diag.DidYouMean(k.Name, known), len([]rune(k.Name))
				if len(known) == 0 {
					e.Hint = "a pack is a folder with a document pack: NAME in it"
				}
				b.errs.Add(e)
				continue
			}
			b.used[k.Name] = site.Items[i]
		}
	}
	unused := func(file string) bool {
		p := b.packOf(file)
		_, used := b.used[p]
		return p != "" && !used
	}
	b.shelf.drop(unused)
	b.errs = slices.DeleteFunc(b.errs, func(e diag.Error) bool { return unused(e.Pos.File) })
	b.set.Unread = slices.DeleteFunc(b.set.Unread, unused)
	b.docs = slices.DeleteFunc(b.docs, func(d *document) bool {
		d.pack = b.packOf(d.file)
		return unused(d.file)
	})
}

// packsOfSite gives packs: of the engine document; nil where the set has no engine document.
func (b *builder) packsOfSite() *bind.Node {
	for _, d := range b.docs {
		if d.kind == "engine" && b.packOf(d.file) == "" {
			if p := d.node.Get("packs"); p != nil && p.Kind == bind.Map {
				return p
			}
			return &bind.Node{Kind: bind.Map}
		}
	}
	return nil
}

// packOf is the pack of the nearest folder that has one, from the file upwards.
func (b *builder) packOf(file string) string {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if p, ok := b.dirs[dir]; ok {
			return p
		}
		if dir == "." || dir == path.Dir(dir) {
			return ""
		}
	}
}

// readShipped reads a pack that came with the program. Those of the journal's copy have been read already.
func (b *builder) readShipped(name string) bool {
	files, found, errs := b.shelf.pack(name)
	if !found {
		return false
	}
	b.errs.Add(errs...)
	b.dirs[shippedPrefix+name] = name
	b.read(files)
	return slices.ContainsFunc(b.docs, func(d *document) bool { return d.kind == "pack" && d.name == name })
}

func (b *builder) packValues(name string) any {
	for _, p := range b.set.Packs {
		if p.Name == name {
			return p.Values
		}
	}
	return nil
}

// settingTypes are the types of a setting, and how errors speak of them.
var settingTypes = map[string]string{
	"text": "text", "number": "a number", "boolean": "true or false", "duration": "a duration such as 15s", "list": "a list", "map": "a map",
}

// setting decodes one setting of a pack, and checks its default.
func (r *reader) setting(k bind.Key, n *bind.Node) *Setting {
	st := Setting{Pos: k.Pos}
	if n.Kind == bind.Null {
		n = &bind.Node{Kind: bind.Map, Pos: k.Pos}
	}
	into(r, n, k.Name, &st)
	st.Pos = k.Pos
	def := n.Get("default")
	if st.Type == "" {
		st.Type = typeOf(def)
		if st.Type == "" {
			r.errs.Add(diag.Errorf(k.Pos, "setting %s has no type", k.Name).WithHint("add type: text, number, boolean, duration, list or map"))
			return &st
		}
	}
	if settingTypes[st.Type] == "" {
		return &st // said already
	}
	if list := n.Get("enum"); list != nil {
		for i, item := range list.Items {
			if v, ok := fits(st.Type, item); ok {
				st.Enum[i] = v
			} else {
				r.at(item, "%s is %s, and this is %s", k.Name, settingTypes[st.Type], describe(item))
			}
		}
	}
	if def != nil && def.Kind != bind.Null {
		st.Default, _ = r.choice(&st, k.Name, def)
	}
	return &st
}

// typeOf is the type that a default shows; "" where there is none.
func typeOf(def *bind.Node) string {
	if def == nil {
		return ""
	}
	return map[bind.Kind]string{bind.Bool: "boolean", bind.Number: "number", bind.String: "text", bind.List: "list", bind.Map: "map"}[def.Kind]
}

// fits gives the value that n has as a type.
func fits(typ string, n *bind.Node) (any, bool) {
	switch typ {
	case "text":
		return n.Text, n.Kind == bind.String || n.Kind == bind.Number
	case "number":
		return n.Value(), n.Kind == bind.Number
	case "boolean":
		return n.Value(), n.Kind == bind.Bool
	case "duration":
		_, err := bind.ParseDuration(n.Text)
		return n.Text, (n.Kind == bind.String || n.Kind == bind.Number) && err == nil
	case "list":
		return n.Value(), n.Kind == bind.List
	case "map":
		return n.Value(), n.Kind == bind.Map
	}
	return n.Value(), true
}

// choice is the value that n gives a setting, where it fits.
func (r *reader) choice(s *Setting, name string, n *bind.Node) (any, bool) {
	v, ok := fits(s.Type, n)
	if !ok {
		r.at(n, "%s is %s, this is %s", name, settingTypes[s.Type], describe(n)).Hint = s.About
		return nil, false
	}
	if len(s.Enum) == 0 {
		return v, true
	}
	words := make([]string, len(s.Enum))
	for i, e := range s.Enum {
		if reflect.DeepEqual(e, v) {
			return v, true
		}
		words[i] = fmt.Sprint(e)
	}
	r.at(n, "%s is one of %s, this is %s", name, strings.Join(words, ", "), describe(n)).Hint = diag.DidYouMean(n.Text, words)
	return nil, false
}

// values are the defaults with what the site chose put over them.
func (b *builder) values(r *reader, p *Pack) {
	for n, s := range p.Settings {
		p.Values[n] = s.Default
	}
	names := slices.Sorted(maps.Keys(p.Settings))
	site := b.used[p.Name]
	if site != nil && site.Kind != bind.Map && site.Kind != bind.Null {
		e := r.at(site, "the settings of pack %s are a map, this is %s", p.Name, describe(site))
		if e.Hint = "it has no settings: write {}"; len(names) > 0 {
			e.Hint = "its settings are " + strings.Join(names, ", ")
		}
		return
	}
	given := map[string]bool{}
	if site != nil {
		given = r.choose(p, site, p.Values)
	}
	engine := b.packsOfSite()
	if engine == nil {
		return // a pack alone: nobody has chosen yet
	}
	for _, name := range names {
		if def := p.Node.Get("settings").Get(name).Get("default"); def == nil && !given[name] {
			i := slices.IndexFunc(engine.Keys, func(k bind.Key) bool { return k.Name == p.Name })
			e := keyed(engine.Keys[i], "pack %s needs the setting %s", p.Name, name)
			if e.Hint = fmt.Sprintf("add %s: %s", name, settingTypes[p.Settings[name].Type]); p.Settings[name].About != "" {
				e.Hint += ": " + p.Settings[name].About
			}
			r.errs.Add(e)
		}
	}
}
