// Package adapters is the list of adapters.
package adapters

import (
	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/engine/adapter"
)

// All gives every adapter that this program has, one folder each.
func All() *adapter.Registry {
	return adapter.NewRegistry(odoo.Adapter(), openmrs.Adapter())
}
