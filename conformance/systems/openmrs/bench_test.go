package openmrs_test

import (
	"fmt"
	"testing"

	"github.com/njia-health/njia/conformance/systems/openmrs"
)

// The double must not be what a load test of the engine measures.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := openmrs.New(openmrs.Options{Open: true})
			s.Seed(n)
			for b.Loop() {
				get(b, s, "ServiceRequest?_lastUpdated=ge2024-04-15T11:00:00Z&_sort=_lastUpdated&_count=100&_include=ServiceRequest:patient")
			}
		})
	}
}
