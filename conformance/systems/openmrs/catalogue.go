package openmrs

import (
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// concept is what can be ordered.
type concept struct {
	uuid, name string
	loinc      string // "" when it has no mapping
}

// ciel is the uuid of a concept of the CIEL dictionary: its number, filled up
// with A.
func ciel(number string) string { return number + strings.Repeat("A", 36-len(number)) }

// labTests are the tests that Seed orders. The last has no product in
// odoo.SeedClinic.
var labTests = []concept{
	{ciel("1325"), "Hepatitis C test - qualitative", "16128-1"},
	{ciel("1019"), "Complete blood count", "58410-2"},
	{ciel("887"), "Serum glucose", "14749-6"},
	{ciel("32"), "Malarial smear", "32700-7"},
	{ciel("790"), "Serum creatinine", "14682-9"},
	{ciel("856"), "HIV viral load", "20447-9"},
	{ciel("1030"), "HIV DNA polymerase chain reaction, qualitative", ""},
}

var (
	hepatitisC  = labTests[0]
	bloodCount  = labTests[1]
	malaria     = labTests[3]
	hivDNA      = labTests[6] // not in Odoo
	tablet      = concept{ciel("1513"), "Tablet", ""}
	capsule     = concept{ciel("1608"), "Capsule", ""}
	amoxicillin = drugs[1]
)

// drug is a Medication of the formulary.
type drug struct {
	uuid, name, strength string
	concept              concept
	unit                 concept
}

// drugs are the Medications that Seed orders; the first is the recorded one.
var drugs = []drug{
	{"09e58895-e7f0-4649-b7c0-e665c5c08e93", "Aspirin 81mg", "81mg", concept{ciel("71617"), "Aspirin", ""}, tablet},
	{"8bd9fd8c-766c-470b-b841-51567fa668fe", "Amoxicillin 500mg", "500mg", concept{ciel("71160"), "Amoxicillin", ""}, capsule},
	{"ea582e8b-306d-41db-8e27-50cd7ecc6c3d", "Paracetamol 500mg", "500mg", concept{ciel("70116"), "Acetaminophen", ""}, tablet},
	{"e9e9698c-5705-40cc-ac75-583f9e0497c7", "Metformin 500mg", "500mg", concept{ciel("79651"), "Metformin", ""}, tablet},
}

// codeable is a concept as FHIR2 writes it: the uuid first and without a
// system, then the mappings.
func (c concept) codeable() *ordered.Map {
	coding := []any{ordered.Of("code", c.uuid, "display", c.name)}
	if c.loinc != "" {
		coding = append(coding, ordered.Of("system", "http://loinc.org", "code", c.loinc))
	}
	return ordered.Of("coding", coding, "text", c.name)
}

func (d drug) medication() *ordered.Map {
	return ordered.Of(
		"resourceType", "Medication",
		"id", d.uuid,
		"extension", []any{ordered.Of("url", "http://fhir.openmrs.org/ext/medicine", "extension", []any{
			ordered.Of("url", "http://fhir.openmrs.org/ext/medicine#drugName", "valueString", d.name),
			ordered.Of("url", "http://fhir.openmrs.org/ext/medicine#strength", "valueString", d.strength)})},
		"code", d.concept.codeable(),
		"status", "active",
		"form", d.unit.codeable())
}
