// Package adapters is the list of adapters.
package adapters

import (
	"sync"

	"github.com/njia-health/njia/adapters/file"
	"github.com/njia-health/njia/adapters/http"
	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/adapters/schedule"
	"github.com/njia-health/njia/engine/adapter"
)

// All gives every adapter that this program has, one folder each. It is the same registry each time: what is loaded after a
// change shares with what runs the listeners that adapters keep open between the two.
func All() *adapter.Registry { return all() }

var all = sync.OnceValue(list)

func list() *adapter.Registry {
	return adapter.NewRegistry(file.Adapter(), http.Adapter(), odoo.Adapter(), openmrs.Adapter(), schedule.Adapter())
}
