package odoo_test

import (
	"fmt"
	"testing"
)

// The double must not be what a load test of the engine measures.
func BenchmarkCreateAndFind(b *testing.B) {
	s := clinic()
	for n := 0; b.Loop(); n++ {
		ref := fmt.Sprint("visit-", n)
		rpc(b, s, "sale.order", "create", list{dict{"partner_id": 3, "client_order_ref": ref,
			"order_line": list{list{0, 0, dict{"product_id": 1, "x_njia_order": ref}}}}}, nil)
		rpc(b, s, "sale.order", "search_read", list{list{list{"client_order_ref", "=", ref}, list{"state", "=", "draft"}}}, dict{"fields": list{"id"}})
	}
	b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "calls/s")
}
