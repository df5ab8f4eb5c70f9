package rule

import (
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// merge finds documents of one kind and name: two are an error, unless the site overrides one of a pack.
func (b *builder) merge() {
	base := map[string]*document{}
	var kept, over []*document
	for _, d := range b.docs {
		key := d.kind + "/" + d.name
		if d.kind == "test" { // sentences, one set of them for each pack
			key += "/" + d.pack
		}
		if d.override {
			over = append(over, d)
			continue
		}
		if first := base[key]; first != nil {
			e := diag.Errorf(d.node.Items[0].Pos, "there are two %ss called %q, the first is at %s", d.kind, d.name, first.node.Items[0].Pos)
			e.Len = len(d.name)
			if first.pack != d.pack {
				e.Hint = "to change the one of pack " + first.pack + orThis(d.pack) + ", add override: true"
			} else {
				e.Hint = "names are unique for each kind"
			}
			b.errs.Add(e)
			continue
		}
		base[key] = d
		kept = append(kept, d)
	}
	for _, d := range over {
		of := base[d.kind+"/"+d.name]
		if of == nil {
			var names []string
			for _, k := range kept {
				if k.kind == d.kind {
					names = append(names, k.name)
				}
			}
			e := diag.Errorf(d.node.Items[0].Pos, "this overrides %s %q, which no pack in use has", d.kind, d.name)
			e.Hint, e.Len = diag.DidYouMean(d.name, names), len(d.name)
			b.errs.Add(e)
			continue
		}
		if d.kind == "pack" || d.kind == "engine" || d.kind == "test" {
			b.errs.Add(diag.Errorf(d.node.Items[0].Pos, "a %s cannot be overridden", d.kind).WithHint("settings of a pack go under packs in the engine document"))
			continue
		}
		setBase(of.node, b.base(of.file))
		setBase(d.node, b.base(d.file))
		o := Override{Kind: d.kind, Name: d.name, Pos: d.node.Items[0].Pos, Pack: of.pack}
		of.node = mergeNode(of.node, withoutKey(d.node, "override"), "", &o.Changes)
		b.set.Overrides = append(b.set.Overrides, o)
		if len(o.Changes) == 0 {
			w := diag.Errorf(o.Pos, "this override changes nothing any more")
			w.Warning = true
			b.errs.Add(w)
		}
	}
	b.docs = kept
}

func orThis(pack string) string {
	if pack != "" {
		return " or " + pack
	}
	return ""
}

func withoutKey(n *bind.Node, key string) *bind.Node {
	out := *n
	out.Keys, out.Items = nil, nil
	for i, k := range n.Keys {
		if k.Name != key {
			out.Keys, out.Items = append(out.Keys, k), append(out.Items, n.Items[i])
		}
	}
	return &out
}

// mergeNode puts over over base: maps merge, lists and scalars replace, null removes. Everything keeps the place where it was
// written. changes gets the paths that are said otherwise.
func mergeNode(base, over *bind.Node, path string, changes *[]string) *bind.Node {
	out := *base
	out.Keys = append([]bind.Key(nil), base.Keys...)
	out.Items = append([]*bind.Node(nil), base.Items...)
	for i, k := range over.Keys {
		v := over.Items[i]
		p := k.Name
		if path != "" {
			p = path + "." + k.Name
		}
		at := -1
		for j := range out.Keys {
			if out.Keys[j].Name == k.Name {
				at = j
			}
		}
		switch {
		case v.Kind == bind.Null:
			if at >= 0 {
				out.Keys = append(out.Keys[:at:at], out.Keys[at+1:]...)
				out.Items = append(out.Items[:at:at], out.Items[at+1:]...)
				*changes = append(*changes, p)
			}
		case at < 0:
			out.Keys, out.Items = append(out.Keys, k), append(out.Items, v)
			*changes = append(*changes, p)
		case out.Items[at].Kind == bind.Map && v.Kind == bind.Map:
			out.Items[at] = mergeNode(out.Items[at], v, p, changes)
		case same(out.Items[at], v):
		default:
			out.Keys[at], out.Items[at] = k, v
			*changes = append(*changes, p)
		}
	}
	return &out
}

func same(a, b *bind.Node) bool { return docDigest(a, nil) == docDigest(b, nil) }
