package rehearsal_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/rehearsal"
)

// TestOutcomesAreThoseOfTheEngine holds rule tests to what the engine does with several failures, expiry and parts with a key.
func TestOutcomesAreThoseOfTheEngine(t *testing.T) {
	const rules = `
system: lab
adapter: http
url: http://127.0.0.1:1
---
system: lab-in
adapter: http
listen: 127.0.0.1:0
---
route: two
from: lab-in.receive
with: { path: /two }
expire: 1h
on: { invalid: filter }
to:
  - { to: lab.request, with: { path: /a } }
  - { to: lab.get, with: { path: /b } }
---
route: parts
from: lab-in.receive
with: { path: /parts }
key: ${body.patient}
steps:
  - split: .items[]
to: { to: lab.request, with: { path: /a } }
---
route: copy
from: lab-in.receive
with: { path: /copy }
steps:
  - tap: lab.get
    with: { path: /c }
to: { to: lab.request, with: { path: /a } }
---
test: one is dead, the other is tried again
route: two
turns:
  - given:
      body: { n: 1 }
      calls: [{ call: lab.request, fails: { class: rejected } }, { call: lab.get, fails: { class: transient } }]
    expect: { outcome: retrying }
  - given: { time: 2026-01-05T10:00:00Z }
    expect: { outcome: dead, class: expired }
---
test: a delivery that fails is never filtered
route: two
given: { body: { n: 1 }, calls: [{ call: lab.request, fails: { class: invalid } }] }
expect: { outcome: dead }
---
test: a held part stops the later ones of its key
route: parts
turns:
  - given:
      body: { patient: p, items: [1, 2] }
      calls: [{ call: lab.request, body: 1, fails: { class: conflict } }]
    expect: { outcome: held, sent: [{ to: lab.request, body: 1 }] }
  - given: { body: { patient: p, items: [3] } }
    expect: { outcome: received, sent: [] }
---
test: a copy is tried again
route: copy
given: { body: { n: 1 }, calls: [{ call: lab.get, fails: { class: transient } }] }
expect: { outcome: retrying }
---
test: a copy that is refused stops nothing
route: copy
given: { body: { n: 1 }, calls: [{ call: lab.get, fails: { class: rejected } }] }
expect: { outcome: delivered }
`
	set, rs, errs := engine.Load(fstest.MapFS{"rules.yaml": {Data: []byte(rules)}}, engine.LoadOptions{Adapters: adapters.All(), NoSecrets: true})
	if set == nil {
		for _, e := range errs {
			t.Log(e.Render(rs.Source))
		}
		t.Fatal("the rules do not load")
	}
	for _, r := range rehearsal.Run(context.Background(), set, rehearsal.Options{}).Results {
		for _, f := range r.Failures {
			t.Errorf("%s: %s: want %s, got %s %s", r.Name, f.What, f.Want, f.Got, f.Note)
		}
	}
}
