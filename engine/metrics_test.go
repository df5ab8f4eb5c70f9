package engine_test

import (
	"strings"
	"testing"

	"github.com/njia-health/njia/engine/journal"
)

// TestMetricsTellHowItStands reads what a monitoring system reads.
func TestMetricsTellHowItStands(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
when: body.n > 0
to: b.put
`)
	r.accept("r", `{"n":1}`)
	r.accept("r", `{"n":0}`)
	r.accept("r", `{`)
	r.ends(map[journal.Status]int{journal.Delivered: 1, journal.Filtered: 1, journal.Dead: 1})
	families, err := r.e.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() == "status" || l.GetName() == "state" {
					name += " " + l.GetValue()
				}
			}
			switch {
			case m.GetCounter() != nil:
				got[name] += m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				got[name] += m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				got[name] += float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	for name, want := range map[string]float64{
		"njia_messages_received_total": 3, "njia_messages_ended_total delivered": 1, "njia_messages_ended_total filtered": 1, "njia_messages_ended_total dead": 1,
		"njia_messages delivered": 1, "njia_messages dead": 1, "njia_delivery_seconds": 1, "njia_operation_seconds": 1, "njia_queue_length": 0, "njia_queue_oldest_seconds": 0,
		"njia_system_state up": 2, "njia_system_state down": 0, "njia_system_waiting": 0, "njia_source_up": 1, "njia_rules_info": 1, "njia_reload_success": 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (there: %v), want %v", name, v, ok, want)
		}
	}
	if got["njia_journal_bytes"] <= 0 {
		t.Error("the journal has no size")
	}
	for name := range got {
		if !strings.HasPrefix(name, "njia_") {
			t.Errorf("%s is not ours", name)
		}
	}
}
