package adaptertest

import (
	"strings"
	"testing"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

func definitionCaseNames() []string {
	return []string{"every setting is documented", "defaults are valid", "an unknown key has its place"}
}

// part is something with settings.
type part struct {
	name, doc string
	defaults  any
	check     func(*bind.Node) diag.List
	example   string // settings that pass
}

func (k *kit) parts(t *testing.T) []part {
	out := []part{{"system", k.d.Doc, k.d.Settings, k.d.Check, k.h.System}}
	for _, s := range k.d.Sources {
		p := part{"source " + s.Name, s.Doc, s.With, s.Check, ""}
		if make := k.h.Sources[s.Name]; make != nil {
			p.example = make(t).With
		}
		out = append(out, p)
	}
	for _, o := range k.d.Operations {
		p := part{"operation " + o.Name, o.Doc, o.With, o.Check, ""}
		if make := k.h.Operations[o.Name]; make != nil {
			if w := make(t); w.With != nil {
				p.example = w.With(0)
			}
		}
		out = append(out, p)
	}
	return out
}

// definition checks what an adapter says about itself.
func (k *kit) definition(t *testing.T) {
	for _, p := range k.parts(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Run("every setting is documented", func(t *testing.T) {
				k.excluded(t, p.name, "every setting is documented")
				if strings.TrimSpace(p.doc) == "" {
					t.Errorf("%s has no doc", p.name)
				}
				documented(t, p.name, bind.Fields(p.defaults))
			})
			t.Run("defaults are valid", func(t *testing.T) {
				k.excluded(t, p.name, "defaults are valid")
				if errs := p.check(Node(t, p.example, t.TempDir())); errs.Failed() {
					t.Errorf("the harness's settings of %s are not taken:\n%s\n%v", p.name, p.example, errs)
				}
				for _, e := range p.check(Node(t, "", t.TempDir())) {
					if !strings.Contains(e.Text, "required") && !strings.Contains(e.Text, "missing") && !strings.Contains(e.Text, "needs") && !strings.Contains(e.Text, "give") {
						t.Errorf("with its defaults alone %s says more than what is missing: %v", p.name, e)
					}
				}
			})
			t.Run("an unknown key has its place", func(t *testing.T) {
				k.excluded(t, p.name, "an unknown key has its place")
				k.unknownKey(t, p)
			})
		})
	}
}

// unknownKey misspells a setting on a line of its own.
func (k *kit) unknownKey(t *testing.T, p part) {
	fields := bind.Fields(p.defaults)
	if len(fields) == 0 {
		t.Skip("excluded: it has no settings")
	}
	name := ""
	for _, f := range fields {
		if len(f.Name) > len(name) {
			name = f.Name
		}
	}
	wrong := name + "x"
	n := Node(t, p.example, t.TempDir())
	const line = 97
	n.Keys = append(n.Keys, bind.Key{Name: wrong, Pos: diag.Pos{File: "settings.yaml", Line: line, Col: 3}})
	n.Items = append(n.Items, &bind.Node{Kind: bind.String, Text: "x", Pos: diag.Pos{File: "settings.yaml", Line: line, Col: 9}})
	for _, e := range p.check(n) {
		if e.Pos.Line == line && e.Pos.Col == 3 && strings.Contains(e.Text, wrong) && strings.Contains(e.Hint, name) {
			return
		}
	}
	t.Errorf("the misspelt key %q is not reported at its place with a hint that names %q: %v", wrong, name, p.check(n))
}

func documented(t *testing.T, path string, fields []bind.Field) {
	for _, f := range fields {
		at := path + ": " + f.Name
		if strings.TrimSpace(f.Doc) == "" {
			t.Errorf("%s has no doc", at)
		}
		if f.Name != strings.ToLower(f.Name) {
			t.Errorf("%s: names of settings are kebab-case", at)
		}
		documented(t, at, f.Fields)
	}
}
