package rules_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/rehearsal"
	"github.com/njia-health/njia/rules"
)

// Each defect of the routes that the pack replaces has a test that shows it absent.
func TestOpenMRSOdooLacksTheDefects(t *testing.T) {
	set := load(t, "openmrs-odoo")
	for _, defect := range []string{"Defect A", "O1", "O2", "O3", "O4", "O5", "O6", "O7", "O8", "O9"} {
		found := false
		for _, test := range set.Rules.Tests {
			found = found || strings.HasPrefix(test.Name, defect+":")
		}
		if !found {
			t.Errorf("no test begins with %q", defect+":")
		}
	}
}

// The language has no steps that two routes share yet, so the route of procedures has those of orders once more.
func TestOpenMRSOdooProceduresGoTheWayOfOrders(t *testing.T) {
	const from = "  # ------------------------------------------------------------------------------- the lines that Odoo has for it already\n"
	shared := func(file string) string {
		src, err := fs.ReadFile(rules.FS, "openmrs-odoo/"+file)
		if err != nil {
			t.Fatal(err)
		}
		_, steps, found := strings.Cut(string(src), from)
		if !found {
			t.Fatalf("%s has no steps after %q", file, from)
		}
		return steps
	}
	if shared("orders.yaml") != shared("procedures.yaml") {
		t.Error("the steps of orders.yaml and procedures.yaml differ after the lines that Odoo has; copy them from orders.yaml")
	}
}

// A site as the README describes it: its settings, its ways to log in, its own product list, and a test of its own.
func TestOpenMRSOdooSite(t *testing.T) {
	site := fstest.MapFS{
		"clinic.yaml": {Data: []byte(`engine: my-clinic
journal: ./data
packs:
  openmrs-odoo: { customer-dob-field: "", customer-id-field: "", products: map, since: "2026-01-31" }
---
system: odoo
override: true
url: http://odoo:8069
database: clinic
auth: { password: null, api-key: { username: njia, key: "${secret.odoo_key}" } }
---
map: products
override: true
csv: my-products.csv
---
route: procedure-orders
override: true
enabled: true
---
test: the site's product list is used
route: orders
given:
  event: create
  body: &order
    resourceType: ServiceRequest
    id: 5be506b6-4250-4672-9808-20428786963e
    status: active
    code: { coding: [{ code: 1325AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA }] }
  calls:
    - { call: openmrs.read, returns: *order }
    - { call: odoo.search_read, with: { model: ir.model.data }, returns: [] }
    - { call: odoo.external-id, with: { name: shop.hepatitis_c }, fails: { class: unmapped, message: it is asked for } }
expect: { outcome: held, error: it is asked for }
`)},
		"my-products.csv": {Data: []byte("openmrs,odoo\n1325AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,shop.hepatitis_c\n")},
	}
	set, _, errs := engine.Load(site, engine.LoadOptions{Shipped: rules.FS, Adapters: adapters.All(), NoSecrets: true})
	for _, e := range errs {
		t.Error(e.Error())
	}
	if set == nil {
		t.FailNow()
	}
	if set.Sources["procedure-orders"] == nil {
		t.Error("procedure-orders is off still")
	}
	// Only the site's own: those of the pack are about the pack's maps and routes, without what the site puts in their place.
	for _, res := range rehearsal.Run(t.Context(), set, rehearsal.Options{Match: "the site's product list"}).Results {
		for _, f := range res.Failures {
			t.Errorf("%s: %s: %s: want %s, got %s\n  %s", res.Name, f.Pos, f.What, f.Want, f.Got, f.Note)
		}
	}
}
