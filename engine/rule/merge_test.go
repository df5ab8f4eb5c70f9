package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rule"
)

// patch is RFC 7386, JSON Merge Patch: what an override does to a document.
func patch(target, p any) any {
	over, ok := p.(map[string]any)
	if !ok {
		return p
	}
	base, ok := target.(map[string]any)
	out := map[string]any{}
	if ok {
		for k, v := range base {
			out[k] = v
		}
	}
	for k, v := range over {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = patch(out[k], v)
		}
	}
	return out
}

func drawTree(t *rapid.T, depth int, null bool) any {
	kinds := []string{"text", "number", "map", "list", "bool"}
	if null {
		kinds = append(kinds, "null")
	}
	if depth > 3 {
		kinds = kinds[:2]
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "text":
		return rapid.SampledFrom([]string{"", "a", "yes", "1", "é: x", "- b", "null", "~", "#", "multi\nline\n"}).Draw(t, "text")
	case "number":
		return rapid.IntRange(-5, 5).Draw(t, "number")
	case "bool":
		return rapid.Bool().Draw(t, "bool")
	case "list":
		return []any{"x", rapid.IntRange(0, 3).Draw(t, "item")}
	case "null":
		return nil
	}
	m := map[string]any{}
	for _, k := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "on", "é"}), rapid.ID[string]).Draw(t, "keys") {
		m[k] = drawTree(t, depth+1, null)
	}
	return m
}

// TestOverrideIsMergePatch: the settings of a system after an override are those of RFC 7386. JSON is YAML, so documents are
// written as JSON.
func TestOverrideIsMergePatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := func(head string, null bool) (string, map[string]any) {
			m := map[string]any{"x": drawTree(t, 0, null), "y": drawTree(t, 0, null)}
			text, err := message.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			return "{ system: s, " + head + ", " + strings.TrimPrefix(string(text), "{"), m
		}
		base, a := doc("adapter: http", false)
		over, b := doc("override: true", true)
		s, errs := rule.Load(fsOf(map[string]string{"e.yaml": "engine: e\npacks: { p: {} }\n---\n" + over, "p/p.yaml": "pack: p\n---\n" + base}), rule.Options{})
		if errs.Failed() {
			t.Fatalf("%v for %s and %s", errs, base, over)
		}
		want := patch(a, b)
		if diff := cmp.Diff(encoded(t, want), encoded(t, s.Systems[0].Settings.Value())); diff != "" {
			t.Fatalf("%s over %s (-want +got)\n%s", over, base, diff)
		}
		if said := len(s.Overrides) == 1 && len(s.Overrides[0].Changes) > 0; said == cmp.Equal(encoded(t, want), encoded(t, a)) {
			t.Fatalf("%s over %s: changes %v", over, base, s.Overrides)
		}
	})
}

func encoded(t *rapid.T, v any) string {
	b, err := message.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzLoad: no file makes Load panic, all faults have a file, and loading again from the kept files gives the same.
func FuzzLoad(f *testing.F) {
	for _, src := range []string{
		"route: a\nfrom: x.y\nsteps: [ { jq: . } ]\nto: { to: z.w }\non: { bug: hold }\nreply: { body: . }\n",
		"engine: e\npacks: { p: { a: 1 } }\non: { bug: hold }\n---\nsystem: s\noverride: true\n", "map: m\ncsv: m.csv\n---\nmap: n\nconcept-map: c.json\n",
		"test: t\nroute: r\nturns: [ { given: { body: c.json, calls: [ { call: x.y } ] }, expect: { sent: [] } } ]\n", "pack: p\nsettings: { a: { enum: [[1], {}] , default: [1], type: list } }\n",
		"route: a\nsteps: [ { choose: [ { otherwise: [] } ], rescue: [ {} ] }, { wait: {} }, { dedupe: { by: 1 } }, { translate: {} }, { tap: [] } ]\n",
	} {
		f.Add(src, "a,b\n1,2\n", `{"resourceType":"ConceptMap","group":[{"element":[{"code":"1","target":[{"code":"2"}]}]}]}`)
	}
	f.Fuzz(func(t *testing.T, src, csv, json string) {
		files := fsOf(map[string]string{"a.yaml": src, "m.csv": csv, "c.json": json, "p/pack.yaml": "pack: p\nsettings: { a: { type: number, default: 1 } }\n---\nsystem: s\nadapter: http\n"})
		s, errs := rule.Load(files, rule.Options{})
		for _, e := range errs {
			if e.Text == "" || e.Pos.File == "" {
				t.Errorf("an error without a place: %v", e)
			}
			e.Render(s.Source)
		}
		again, errs2 := rule.LoadFiles(s.Files, rule.Options{})
		if again.Version != s.Version || fmt.Sprint(digests(s)) != fmt.Sprint(digests(again)) || errs.Failed() != errs2.Failed() {
			t.Errorf("loaded again: version %s is %s, %v is %v", s.Version, again.Version, errs, errs2)
		}
	})
}
