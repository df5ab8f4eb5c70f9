package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/njia-health/njia/engine/rule"
)

// BenchmarkLoad loads 5,000 documents in 500 files.
func BenchmarkLoad(b *testing.B) {
	files := map[string]string{"e.yaml": "engine: e\n---\nsystem: s\nadapter: http\nurl: http://a\n"}
	for f := range 500 {
		var text strings.Builder
		for d := range 10 {
			fmt.Fprintf(&text, `---
route: route-%d-%d # note
about: Active lab orders become sale order lines in the ERP that the facility runs.
from: openmrs.changes
with: { resource: ServiceRequest, every: 15s }
id: ${body.id}/${body.meta.versionId}
key: ${body.subject.reference}
when: body.status == "active" && body.intent == "order"
steps:
  - call: openmrs.read
    with: { path: "${body.subject.reference}" }
    as: patient
  - jq: |
      { order: .id,
        code: .code,
        quantity: (.quantityQuantity.value // 1) }
to:
  - erp.order
`, f, d)
		}
		files[fmt.Sprintf("r/f%d.yaml", f)] = text.String()
	}
	fsys := fsOf(files)
	b.ReportAllocs()
	for b.Loop() {
		if s, errs := rule.Load(fsys, rule.Options{}); len(errs) > 0 || len(s.Routes) != 5000 {
			b.Fatal(len(errs), len(s.Routes))
		}
	}
}

// BenchmarkMap loads a code list of 100,000 rows.
func BenchmarkMap(b *testing.B) {
	var rows strings.Builder
	rows.WriteString("code,product,about\n")
	for i := range 100_000 {
		fmt.Fprintf(&rows, "%d-%d,PRODUCT-%d,\"Haemoglobin, blood\"\n", i, i%10, i)
	}
	fsys := fsOf(map[string]string{"m.yaml": "map: m\ncsv: m.csv\nfrom: code\nto: product\n", "m.csv": rows.String()})
	b.ReportAllocs()
	for b.Loop() {
		if s, errs := rule.Load(fsys, rule.Options{}); len(errs) > 0 || len(s.Maps[0].Entries) != 100_000 {
			b.Fatal(errs)
		}
	}
}
