package rules_test

import (
	"io/fs"
	"strings"
	"testing"

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
