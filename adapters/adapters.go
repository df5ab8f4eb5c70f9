// Package adapters is the list of adapters.
package adapters

import (
	"github.com/njia-health/njia/adapters/file"
	"github.com/njia-health/njia/adapters/http"
	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/adapters/schedule"
	"github.com/njia-health/njia/engine/adapter"
)

// All gives every adapter that this program has, one folder each.
func All() *adapter.Registry {
	return adapter.NewRegistry(file.Adapter(), http.Adapter(), odoo.Adapter(), openmrs.Adapter(), schedule.Adapter())
}
