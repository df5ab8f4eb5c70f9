package bind_test

import (
	"testing"

	"github.com/njia-health/njia/engine/bind"
)

// BenchmarkDecode reads the settings of one delivery, as it is done for every message whose with: has expressions.
func BenchmarkDecode(b *testing.B) {
	type upsert struct {
		Model  string         `yaml:"model,required" doc:"model"`
		Match  []string       `yaml:"match" doc:"fields that tell a record"`
		ID     string         `yaml:"id" doc:"external id"`
		Mode   string         `yaml:"mode" enum:"create,update,upsert" doc:"what to do"`
		Values map[string]any `yaml:"values" doc:"fields"`
		Link   string         `yaml:"link" doc:"link table"`
	}
	with := map[string]any{"model": "sale.order", "match": []any{"name"}, "id": "a", "mode": "upsert", "values": map[string]any{"partner_id": 5, "name": "x", "lines": []any{1, 2}}}
	b.ReportAllocs()
	for b.Loop() {
		var u upsert
		if errs := bind.Decode(bind.FromValue(with, "/srv"), &u); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
