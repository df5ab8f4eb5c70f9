package expr_test

import (
	"strings"
	"testing"

	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/message"
)

const orderSchema = `{"type": "object", "additionalProperties": false,
	"properties": {"status": {"type": "string"}, "n": {"type": "number"}, "subject": {"$ref": "#/$defs/Reference"}, "open": {"properties": {"status": {}}},
		"name": {"type": "array", "items": {"$ref": "#/$defs/Name"}}, "choice": {"anyOf": [{}]}, "free": {"type": "object"}, "more": {"additionalProperties": true, "properties": {"a": {}}}},
	"$defs": {"Reference": {"additionalProperties": false, "properties": {"reference": {}, "display": {}, "of": {"$ref": "#/$defs/Reference"}}},
		"Name": {"additionalProperties": false, "properties": {"family": {}, "given": {"items": {"type": "string"}}}}}}`

func TestDeclaredBodies(t *testing.T) {
	schema, err := message.Decode([]byte(orderSchema))
	if err != nil {
		t.Fatal(err)
	}
	plain := compiler()
	c := plain.WithBody(expr.ShapeOf(schema))
	for src, want := range map[string]string{
		`body.status == "x"`: "", `body.staus == "x"`: `a.yaml:1:6: the schema has no body.staus (did you mean "status"?)`,
		`body.subject.reference == "x"`: "", `body.subject.referenz == "x"`: `a.yaml:1:14: the schema has no body.subject.referenz (did you mean "reference"?)`,
		`body.subject.of.of.of.referenz == "x"`:            `a.yaml:1:23: the schema has no body.subject.of.of.of.referenz (did you mean "reference"?)`,
		`body["staus"] == "x"`:                             `a.yaml:1:7: the schema has no body.staus (did you mean "status"?)`,
		`body.name[0].famili == "x"`:                       `a.yaml:1:14: the schema has no body.name[…].famili (did you mean "family"?)`,
		`body.name.exists(n, n.family == "x")`:             "",
		`body.name.exists(n, n.famili == "x")`:             `a.yaml:1:23: the schema has no n.famili (did you mean "family"?)`,
		`body.name.exists(n, n.given.exists(g, g == "x"))`: "",
		`cel.bind(s, body.subject, s.referenz == "x")`:     `a.yaml:1:29: the schema has no s.referenz (did you mean "reference"?)`,
		`has(body.staus)`:                                  `a.yaml:1:10: the schema has no body.staus (did you mean "status"?)`,
		`body.choice.any == 1`:                             "",
		`body.free.any == 1`:                               "",
		`body.more.any == 1`:                               "",
		`body.open.any == 1`:                               `a.yaml:1:11: warning: the schema has no body.open.any (one of: status)`,
		`body.open.statsu == 1`:                            `a.yaml:1:11: the schema has no body.open.statsu (did you mean "status"?)`,
		`vars.staus == 1`:                                  "",
		`body.status.x == 1`:                               "",
		`body.?staus.orValue("x") == "x"`:                  `a.yaml:1:7: the schema has no body.staus (did you mean "status"?)`,
	} {
		_, errs := c.Guard(text(src), expr.InRoute)
		got := ""
		for _, e := range errs {
			if got = e.Error() + " (" + e.Hint + ")"; e.Warning {
				got = strings.Replace(got, ": the", ": warning: the", 1)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
		if _, errs := plain.Guard(text(src), expr.InRoute); len(errs) > 0 {
			t.Errorf("%s without a schema: %v", src, errs)
		}
		if _, errs := c.Guard(text(src), expr.InAnswer); errs.Failed() && !strings.Contains(src, "vars") {
			t.Errorf("%s in an answer, whose body is another: %v", src, errs)
		}
	}
	for src, want := range map[string]string{
		`${body.status}`: "", `${body.staus}`: `a.yaml:1:8: the schema has no body.staus`, `x ${body.subject.referenz} y`: `a.yaml:1:18: the schema has no body.subject.referenz`,
		`${filter(body.name, .famili == "x")}`: `a.yaml:1:22: the schema has no #.famili`, `${filter(body.name, .family == "x")[0].famili}`: `a.yaml:1:40: the schema has no filter(body.name, .family == "x")[0].famili`,
		`${let s = body.subject; s.referenz}`: `a.yaml:1:27: the schema has no s.referenz`, `${body?.subject?.referenz}`: `a.yaml:1:18: the schema has no body?.subject.referenz`, `${first(body.name).famili}`: `a.yaml:1:20: the schema has no first(body.name).famili`,
		`${body["staus"]}`: `a.yaml:1:9: the schema has no body.staus`, `${vars.staus}`: "", `${body.choice.x}`: "",
	} {
		_, errs := c.Template(text(src), expr.InRoute)
		got := ""
		if len(errs) > 0 {
			got = errs[0].Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
	for _, odd := range []string{`null`, `true`, `[]`, `{"$ref": "#"}`, `{"$ref": "http://x"}`, `{"properties": 1}`, `{"properties": {"a": {"$ref": "#/properties/a"}}}`} {
		schema, _ := message.Decode([]byte(odd))
		if _, errs := plain.WithBody(expr.ShapeOf(schema)).Guard(text(`body.a.b == 1`), expr.InRoute); errs.Failed() && odd != `{"properties": 1}` {
			t.Errorf("%s: %v", odd, errs)
		}
	}
}
