package rehearsal_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/rehearsal"
)

const site = `
system: lab
adapter: http
url: http://127.0.0.1:1
---
route: r
from: lab-in.receive
with: { path: /r }
id: ${body.id}
key: ${body.patient}
when: body.status == "final"
retry: { backoff: 1m..10m, for: 1h }
steps:
  - dedupe: { by: "${body.hash}" }
  - call: lab.get
    with: { path: "/bill/${body.id}" }
    as: bill
  - wait: { until: vars.bill.paid == true, call: lab.get, with: { path: "/bill/${body.id}" }, as: bill, every: 5m, for: 20m }
  - translate: { map: codes, from: .code }
to: { to: lab.request, with: { path: /results }, body: '{ code }' }
reply: '{ took: .id }'
---
system: lab-in
adapter: http
listen: 127.0.0.1:0
---
map: codes
inline: { a: "1" }
---
`

// tests are rule tests, and for each whether it passes and, if not, what must be said.
var tests = []struct{ name, doc, says string }{
	{"delivered", `
given:
  body: { id: 1, patient: p, status: final, code: a, hash: h }
  calls: [ { call: lab.get, with: { path: /bill/1 }, returns: { paid: true } } ]
expect: { outcome: delivered, key: p, id: "1", sent: [ { to: lab.request, with: { path: /results }, body: { code: "1" }, exactly: true } ], calls: [ { call: lab.get } ], reply: { body: { took: 1 } } }`, ""},
	{"filtered", "\ngiven: { body: { id: 1, status: draft } }\nexpect: { outcome: filtered, sent: [] }", ""},
	{"invalid", "\ngiven: { raw: '{' }\nexpect: { outcome: dead, class: invalid, error: not JSON }", ""},
	{"unmapped", `
given:
  body: { id: 1, status: final, code: "?" }
  calls: [ { call: lab.get, returns: { paid: true } } ]
expect: { outcome: held, class: unmapped, error: no entry }`, ""},
	{"a wrong value is told with its place", `
given:
  body: { id: 1, status: final, code: a }
  calls: [ { call: lab.get, returns: { paid: true } } ]
expect: { outcome: delivered, sent: [ { to: lab.request, body: { code: "2" } } ] }`, `sent[0].body.code: want "2", got "1"`},
	{"a wrong outcome is told with the reason", `
given:
  body: { id: 1, status: final, code: a }
  calls: [ { call: lab.get, fails: { class: rejected, message: no such bill, status: 404 } } ]
expect: { outcome: delivered }`, "outcome: want delivered, got dead (the message failed as rejected: no such bill)"},
	{"a call without an answer is told", "\ngiven: { body: { id: 1, status: final, code: a } }\nexpect: { outcome: delivered }", "no answer is given for call lab.get"},
	{"too much was sent", `
given:
  body: { id: 1, status: final, code: a }
  calls: [ { call: lab.get, returns: { paid: true } } ]
expect: { sent: [] }`, "sent: want 0, got 1"},
	{"repeats, retries and gates over time", `
turns:
  - given: { body: { id: 1, patient: p, status: final, code: a, hash: x }, calls: [ { call: lab.get, fails: { class: transient } } ] }
    expect: { outcome: retrying, class: transient }
  - given: { body: { id: 1, patient: p, status: final, code: a, hash: x } }
    expect: { outcome: duplicate }
  - given: { body: { id: 2, patient: p, status: final, code: a, hash: y } }
    expect: { outcome: received }
  - given: { time: "2026-01-05T08:02:00Z", calls: [ { call: lab.get, returns: { paid: false } } ] }
    expect: { outcome: processing, sent: [] }
  - given: { time: "2026-01-05T08:08:00Z", calls: [ { call: lab.get, returns: { paid: true } } ] }
    expect: { outcome: delivered, sent: [ { to: lab.request, body: { code: "1" } }, { to: lab.request, body: { code: "1" } } ] } # the one behind it went too`, ""},
	{"a gate that stays shut expires", `
turns:
  - given: { body: { id: 1, status: final, code: a }, calls: [ { call: lab.get, returns: { paid: false } } ] }
    expect: { outcome: processing }
  - given: { time: "2026-01-05T09:00:00Z", calls: [ { call: lab.get, returns: { paid: false } } ] }
    expect: { outcome: dead, class: expired }`, ""},
	{"a failing delivery goes by its class", `
given:
  body: { id: 1, status: final, code: a }
  calls: [ { call: lab.get, returns: { paid: true } }, { call: lab.request, fails: { class: transient } } ]
expect: { outcome: retrying, class: transient }`, ""},
}

func TestRuleTestsPassAndFailAsTheyShould(t *testing.T) {
	text := site
	for _, c := range tests {
		text += "test: " + c.name + "\nroute: r" + c.doc + "\n---\n"
	}
	set, rs, errs := engine.Load(fstest.MapFS{"rules.yaml": {Data: []byte(text)}}, engine.LoadOptions{Adapters: adapters.All(), NoSecrets: true})
	if set == nil {
		for _, e := range errs {
			t.Log(e.Render(rs.Source))
		}
		t.Fatal("the rules do not load")
	}
	report := rehearsal.Run(context.Background(), set, rehearsal.Options{})
	if len(report.Results) != len(tests) {
		t.Fatalf("%d results of %d tests", len(report.Results), len(tests))
	}
	for i, r := range report.Results {
		c := tests[i]
		var said []string
		for _, f := range r.Failures {
			line := f.What + ": want " + f.Want + ", got " + f.Got
			if f.Note != "" {
				line += " (" + f.Note + ")"
			}
			if f.Pos.Line == 0 {
				t.Errorf("%s: no place for %s", c.name, line)
			}
			said = append(said, line)
		}
		switch {
		case c.says == "" && !r.OK:
			t.Errorf("%s: failed: %s", c.name, strings.Join(said, "; "))
		case c.says != "" && (r.OK || !strings.Contains(strings.Join(said, "\n"), c.says)):
			t.Errorf("%s: said %q, want %q", c.name, said, c.says)
		}
	}
	one := rehearsal.Run(context.Background(), set, rehearsal.Options{Match: "filt*"})
	if len(one.Results) != 1 || !one.OK() {
		t.Errorf("Match filt*: %+v", one)
	}
}

func TestTryShowsEachStepAndSendsNothing(t *testing.T) {
	set, _, errs := engine.Load(fstest.MapFS{"rules.yaml": {Data: []byte(site)}}, engine.LoadOptions{Adapters: adapters.All(), NoSecrets: true})
	if set == nil {
		t.Fatal(errs)
	}
	trial, err := rehearsal.Try(context.Background(), set, "r", []byte(`{"id":1,"status":"final","code":"a"}`), rehearsal.TryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(trial.Missing) != 1 || len(trial.Sent) != 0 || len(trial.Steps) < 2 || trial.Steps[0].Place == "" {
		t.Errorf("a trial without answers: %+v", trial)
	}
	if _, err := rehearsal.Try(context.Background(), set, "nope", nil, rehearsal.TryOptions{}); err == nil {
		t.Error("a route that is not there was tried")
	}
}
