package rule_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/rule"
)

func TestSettingsOfTests(t *testing.T) {
	pack := `pack: p
settings:
  a: { type: text, default: one }
  n: { type: number, default: 1 }
---
route: r
from: x.y
to: x.z
---
test: the pack's own
route: r
turns:
  - { given: { body: {} }, expect: {} }
  - { given: { body: {}, settings: { n: 3 } }, expect: {} }
`
	site := `engine: e
packs: { p: { a: two } }
---
test: the site's
route: r
turns:
  - { given: { body: {} }, expect: {} }
  - { given: { body: {}, settings: { n: 3 } }, expect: {} }
`
	set, errs := rule.Load(fstest.MapFS{"site.yaml": {Data: []byte(site)}, "p/pack.yaml": {Data: []byte(pack)}}, rule.Options{})
	if errs.Failed() {
		t.Fatal(errs)
	}
	got := map[string][]map[string]any{}
	for _, x := range set.Tests {
		for _, turn := range x.Turns {
			got[x.Name] = append(got[x.Name], turn.Given.Settings)
		}
	}
	want := map[string][]map[string]any{
		"the pack's own": {{"a": "one", "n": 1}, {"a": "one", "n": 3}}, // whatever the site chose
		"the site's":     {nil, {"a": "two", "n": 3}},                  // nil: as they run
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings of the turns (-want +got)\n%s", diff)
	}

	_, errs = rule.Load(fstest.MapFS{"pack.yaml": {Data: []byte(pack + "---\ntest: wrong\nroute: r\ngiven: { body: {}, settings: { m: 3 } }\nexpect: {}\n")}}, rule.Options{})
	if len(errs) != 1 || errs[0].Pos.Line != 18 {
		t.Errorf("a setting that the pack does not have: %v", errs)
	}
}
