package openmrs_test

import (
	"fmt"
	"testing"

	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/conformance/adaptertest"
	double "github.com/njia-health/njia/conformance/systems/openmrs"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

func TestRESTSearchIsReadToItsEnd(t *testing.T) {
	s, _, system := clinic(t, double.Options{})
	for n := range 7 {
		s.Put(map[string]any{"resourceType": "ServiceRequest", "id": fmt.Sprintf("o%d", n), "status": "active"})
	}
	s.Void("ServiceRequest", "o3")
	conn, err := openmrs.Adapter().Open(t.Context(), adapter.Env{}, adaptertest.Node(t, system, ""))
	if err != nil {
		t.Fatal(err)
	}
	get := func(with string) (message.Message, error) {
		return openmrs.Adapter().Operation("rest-get").Do(t.Context(), conn, adaptertest.Node(t, with, ""), message.Message{})
	}
	for with, want := range map[string]int{
		"{ path: order, all: true, query: { limit: 2, includeVoided: true } }":                                7,
		"{ path: order, all: true, query: { limit: 3 } }":                                                     6,
		"{ path: order, all: true, query: { limit: 100, orderTypes: 52a447d3-a64a-11e3-9aeb-50e549534c5e } }": 6,
		"{ path: order, all: true, query: { orderTypes: 131168f4-15f5-102d-96e4-000c29c2a5d7 } }":             0,
		"{ path: order, query: { limit: 2 } }":                                                                2,
		`{ path: order, all: true, query: { activatedOnOrAfterDate: "2999-01-01" } }`:                         0,
	} {
		m, err := get(with)
		if err != nil {
			t.Errorf("%s: %v", with, err)
			continue
		}
		if got := len(m.Value.(map[string]any)["results"].([]any)); got != want {
			t.Errorf("%s found %d, want %d", with, got, want)
		}
	}
	if _, err := get("{ path: order/o1, all: true }"); fault.ClassOf(err) != fault.Rejected {
		t.Errorf("the pages of what is no search: %v, want rejected", err)
	}
}
