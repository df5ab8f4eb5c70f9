package expr_test

import (
	"context"
	"os"
	"testing"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/message"
)

// patient is a FHIR Patient as OpenMRS sends it.
func patient(tb testing.TB) any {
	tb.Helper()
	b, err := os.ReadFile("testdata/patient.json")
	if err != nil {
		tb.Fatal(err)
	}
	v, err := message.Decode(b)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func benchScope(tb testing.TB) *expr.Scope {
	return &expr.Scope{Body: patient(tb), Headers: map[string]any{"change": "1"}, Meta: map[string]any{"time": "2026-01-05T08:00:00.000Z", "id": "m1"},
		Vars: map[string]any{}, Settings: map[string]any{"lang": "en_US"}}
}

func text(src string) expr.Text {
	return expr.Text{Src: src, Pos: diag.Pos{File: "a.yaml", Line: 1, Col: 1}, Indent: 1}
}

func BenchmarkGuard(b *testing.B) {
	c, s := expr.New(expr.Options{}), benchScope(b)
	for name, src := range map[string]string{
		"one field": `body.resourceType == "Patient"`,
		"exists":    `body.resourceType == "Patient" && body.active == true && body.identifier.exists(i, i.system == "urn:oid:2.16.840.1.113883.3.7201.1")`,
	} {
		g, errs := c.Guard(text(src), expr.InRoute)
		if errs.Failed() {
			b.Fatal(errs)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := g.Eval(context.Background(), s); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkJQ(b *testing.B) {
	src, err := os.ReadFile("testdata/patient_to_partner.jq")
	if err != nil {
		b.Fatal(err)
	}
	c, s := expr.New(expr.Options{}), benchScope(b)
	p, errs := c.JQ(text(string(src)), "", expr.InRoute)
	if errs.Failed() {
		b.Fatal(errs)
	}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := p.Run(context.Background(), s); len(out) != 1 || err != nil {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkTemplate(b *testing.B) {
	c, s := expr.New(expr.Options{}), benchScope(b)
	t, errs := c.Template(text(`${body.resourceType}/${body.id}/_history/${body.meta.versionId}`), expr.InRoute)
	if errs.Failed() {
		b.Fatal(errs)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Eval(context.Background(), s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	src, err := os.ReadFile("testdata/patient_to_partner.jq")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("jq", func(b *testing.B) {
		for b.Loop() {
			expr.New(expr.Options{}).JQ(text(string(src)), "", expr.InRoute)
		}
	})
	c := expr.New(expr.Options{})
	b.Run("guard", func(b *testing.B) {
		for b.Loop() {
			c.Guard(text(`body.resourceType == "Patient" && body.identifier.exists(i, i.system == "x")`), expr.InRoute)
		}
	})
	b.Run("template", func(b *testing.B) {
		for b.Loop() {
			c.Template(text(`${body.resourceType}/${body.id}`), expr.InRoute)
		}
	})
}
