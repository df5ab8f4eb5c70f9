package rule

import (
	"maps"
	"slices"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// testSettings gives every turn of a test the settings that it runs with. The tests of a pack begin with the defaults of the
// pack, so that they hold wherever it is used; those of a site with what the site chose.
func (b *builder) testSettings(t *Test) {
	pack := b.packOfRoute(t.Route)
	for i := range t.Turns {
		g := &t.Turns[i].Given
		switch {
		case pack == nil && g.settings != nil:
			b.errs.Add(diag.Errorf(g.settings.Pos, "route %s is of no pack, so it has no settings", t.Route))
			continue
		case pack == nil || g.settings == nil && t.Pack != pack.Name:
			continue
		}
		g.Settings = maps.Clone(pack.Values)
		if t.Pack == pack.Name {
			for name, s := range pack.Settings {
				g.Settings[name] = s.Default
			}
		}
		if g.settings != nil {
			r := &reader{}
			r.choose(pack, g.settings, g.Settings)
			b.errs.Add(r.errs...)
		}
	}
}

func (b *builder) packOfRoute(name string) *Pack {
	for _, r := range b.set.Routes {
		if r.Name != name {
			continue
		}
		for _, p := range b.set.Packs {
			if p.Name == r.Pack {
				return p
			}
		}
	}
	return nil
}

// choose puts the settings that somebody wrote into values, those that fit, and gives the names that were written.
func (r *reader) choose(p *Pack, written *bind.Node, values map[string]any) (given map[string]bool) {
	given = map[string]bool{}
	names := slices.Sorted(maps.Keys(p.Settings))
	if written.Kind != bind.Map && written.Kind != bind.Null {
		r.at(written, "the settings of pack %s are a map, this is %s", p.Name, describe(written))
		return given
	}
	for i, k := range written.Keys {
		s, v := p.Settings[k.Name], written.Items[i]
		if s == nil {
			e := diag.Errorf(k.Pos, "pack %s has no setting %q", p.Name, k.Name)
			e.Hint, e.Len = diag.DidYouMean(k.Name, names), len([]rune(k.Name))
			r.errs.Add(e)
			continue
		}
		given[k.Name] = true
		if v.Kind == bind.Null {
			values[k.Name] = nil
		} else if x, ok := r.choice(s, k.Name, v); ok {
			values[k.Name] = x
		}
	}
	return given
}
