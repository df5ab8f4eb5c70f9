package openmrs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

var (
	givens = []string{"Achieng", "Baraka", "Chausiku", "Daudi", "Esi", "Fatuma", "Gathoni", "Hamisi", "Imani", "Juma", "Kamau",
		"Leila", "Makena", "Nuru", "Otieno", "Pendo", "Rehema", "Simba", "Tumaini", "Wanjiru", "Zawadi"}
	families = []string{"Abasi", "Chepkemoi", "Dlamini", "Eze", "Farah", "Gitau", "Hassan", "Kiptoo", "Lutta", "Mwangi",
		"Njoroge", "Okello", "Phiri", "Ruto", "Sande", "Tembo", "Wekesa"}
	places = [][3]string{{"Kericho", "Rift Valley", "20200"}, {"Nakuru", "Rift Valley", "20100"}, {"Kisumu", "Nyanza", "40100"},
		{"Embu", "Eastern", "60100"}, {"Malindi", "Coast", "80200"}}
)

const (
	mobileClinic = "8d9045ad-50f0-45b8-93c8-3ed4bce19dbf" // as recorded
	superUser    = "16decb1a-f439-405c-83df-ef09089eafa8" // as recorded
)

func (s *Server) seedPlaces() {
	s.keep("Location", mobileClinic, ordered.Of(
		"resourceType", "Location", "id", mobileClinic, "status", "active", "name", "Mobile Clinic"), seedTime)
	s.keep("Practitioner", superUser, ordered.Of(
		"resourceType", "Practitioner", "id", superUser,
		"identifier", []any{ordered.Of("system", "http://fhir.openmrs.org/ext/provider/identifier", "value", "admin")},
		"active", true, "name", []any{ordered.Of("id", uuidOf("name/admin"), "family", "User", "given", []any{"Super"})}), seedTime)
}

// person makes the patient number i.
func (s *Server) person(i int, at time.Time) *record {
	id := uuidOf(fmt.Sprintf("patient/%d", i))
	place := places[i%len(places)]
	gender := []string{"female", "male"}[i%2]
	birth := time.Date(1945+i*13%75, time.Month(1+i*5%12), 1+i*7%28, 0, 0, 0, 0, time.UTC)
	body := ordered.Of(
		"resourceType", "Patient",
		"id", id,
		"identifier", []any{ordered.Of(
			"id", uuidOf("identifier/"+id),
			"extension", []any{ordered.Of(
				"url", "http://fhir.openmrs.org/ext/patient/identifier#location",
				"valueReference", named("Location", mobileClinic, "Mobile Clinic"))},
			"use", "official",
			"type", ordered.Of("coding", []any{ordered.Of("code", "05a29f94-c0ed-11e2-94be-8c13b969e334")}, "text", "OpenMRS ID"),
			"value", openmrsID(i))},
		"active", true,
		"name", []any{ordered.Of("id", uuidOf("name/"+id), "family", families[i*5%len(families)], "given", []any{givens[i*2%len(givens)]})},
		"gender", gender,
		"birthDate", birth.Format("2006-01-02"),
		"deceasedBoolean", false,
		"address", []any{ordered.Of(
			"id", uuidOf("address/"+id),
			"extension", []any{ordered.Of("url", "http://fhir.openmrs.org/ext/address", "extension", []any{
				ordered.Of("url", "http://fhir.openmrs.org/ext/address#address1", "valueString", fmt.Sprintf("Plot %d", i%900+1))})},
			"use", "home", "city", place[0], "state", place[1], "postalCode", place[2], "country", "Kenya")})
	return s.keep("Patient", id, body, at)
}

// openmrsID is a number of OpenMRS's form with its check character (Luhn mod
// 30), counted on from the recorded 100000Y.
func openmrsID(i int) string {
	const digits = "0123456789ACDEFGHJKLMNPRTUVWXY"
	body := "1" + fmt.Sprintf("%0*s", 5, strconv.FormatInt(int64(i+100), 10))
	factor, sum := 2, 0
	for j := len(body) - 1; j >= 0; j-- {
		add := factor * int(body[j]-'0')
		factor = 3 - factor
		sum += add/30 + add%30
	}
	return body + string(digits[(30-sum%30)%30])
}

func named(typ, id, display string) *ordered.Map {
	ref := reference(typ, id)
	ref.Set("display", display)
	return ref
}

// subject is a Reference to a patient; its display has name and identifier.
func subject(p *record) *ordered.Map {
	name := p.body.Value("name").([]any)[0].(*ordered.Map)
	identifier := p.body.Value("identifier").([]any)[0].(*ordered.Map)
	return named("Patient", p.id, fmt.Sprintf("%s %s (OpenMRS ID: %s)",
		name.Value("given").([]any)[0], name.Value("family"), identifier.Value("value")))
}

// encounter makes a consultation, with a visit around it or none. FHIR2 shows
// a visit as an Encounter too, with another tag.
func (s *Server) encounter(p *record, at time.Time, visit bool) *record {
	row := func(name, tag, display, system, typ string) *record {
		id := uuidOf(fmt.Sprintf("%s/%s/%d", name, p.id, at.Unix()))
		return s.keep("Encounter", id, ordered.Of(
			"resourceType", "Encounter",
			"id", id,
			"meta", ordered.Of("tag", []any{ordered.Of("system", "http://fhir.openmrs.org/ext/encounter-tag", "code", tag, "display", display)}),
			"status", "unknown",
			"class", ordered.Of("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code", "AMB"),
			"type", []any{ordered.Of("coding", []any{ordered.Of("system", "http://fhir.openmrs.org/code-system/"+system, "code", typ, "display", name)})},
			"subject", subject(p),
			"period", ordered.Of("start", at.Format(seconds)),
			"location", []any{ordered.Of("location", named("Location", mobileClinic, "Mobile Clinic"))}), at)
	}
	if !visit {
		return row("Consultation", "encounter", "Encounter", "encounter-type", "dd528487-82a5-4082-9c72-ed246bd49591")
	}
	v := row("Facility Visit", "visit", "Visit", "visit-type", "7b0f5697-27e3-40c4-8bae-f4049abfb4ed")
	e := row("Consultation", "encounter", "Encounter", "encounter-type", "dd528487-82a5-4082-9c72-ed246bd49591")
	e.body.Set("partOf", reference("Encounter", v.id))
	return e
}

// ordersOf orders for the patient number i, all in one second as one form does.
func (s *Server) ordersOf(i int, e *record, at time.Time) (ids []string) {
	known := len(labTests) - 1 // not the one that Odoo does not have
	ids = append(ids, "ServiceRequest/"+s.lab(e, labTests[i%known], at).id)
	if i%2 == 1 {
		ids = append(ids, "MedicationRequest/"+s.prescribe(e, drugs[i%len(drugs)], 10+i%3*10, at).id)
	}
	if i%3 == 2 {
		ids = append(ids, "ServiceRequest/"+s.lab(e, labTests[(i+2)%known], at).id)
	}
	return ids
}

// weight is an observation of CIEL 5089.
func (s *Server) weight(e *record, kg int, at time.Time) {
	id := uuidOf("weight/" + e.id)
	s.keep("Observation", id, ordered.Of(
		"resourceType", "Observation",
		"id", id,
		"status", "final",
		"code", concept{ciel("5089"), "Weight (kg)", "29463-7"}.codeable(),
		"subject", e.body.Value("subject").(*ordered.Map).Clone(),
		"encounter", reference("Encounter", e.id),
		"effectiveDateTime", at.Format(seconds),
		"issued", at.Format(instant),
		"valueQuantity", ordered.Of("value", json.Number(fmt.Sprintf("%d.0", kg)), "unit", "kg")), at)
}

func requester() *ordered.Map {
	return ordered.Of("reference", "Practitioner/"+superUser, "type", "Practitioner",
		"identifier", ordered.Of("value", "admin"), "display", "Super User (Identifier: admin)")
}

// orderID is the uuid of the next order in an encounter.
func (s *Server) orderID(e *record) string {
	for n := 0; ; n++ {
		id := uuidOf(fmt.Sprintf("order/%s/%d", e.id, n))
		if s.records[key{"ServiceRequest", id}] == nil && s.records[key{"MedicationRequest", id}] == nil {
			return id
		}
	}
}

func (s *Server) lab(e *record, test concept, at time.Time) *record {
	id := s.orderID(e)
	return s.keep("ServiceRequest", id, ordered.Of(
		"resourceType", "ServiceRequest",
		"id", id,
		"status", "active",
		"intent", "order",
		"code", test.codeable(),
		"subject", e.body.Value("subject").(*ordered.Map).Clone(),
		"encounter", reference("Encounter", e.id),
		"occurrencePeriod", ordered.Of("start", at.Format(seconds)),
		"requester", requester()), at)
}

func (s *Server) prescribe(e *record, d drug, quantity int, at time.Time) *record {
	return s.medicationRequest(e, d.unit, quantity, at, "medicationReference", named("Medication", d.uuid, d.name))
}

// textDrug prescribes what is not in the formulary (drugNonCoded).
func (s *Server) textDrug(e *record, name string, at time.Time) *record {
	return s.medicationRequest(e, tablet, 1, at, "medicationCodeableConcept", ordered.Of("text", name))
}

func (s *Server) medicationRequest(e *record, unit concept, quantity int, at time.Time, element string, medication *ordered.Map) *record {
	id := s.orderID(e)
	return s.keep("MedicationRequest", id, ordered.Of(
		"resourceType", "MedicationRequest",
		"id", id,
		"status", "active",
		"intent", "order",
		"priority", "routine",
		element, medication,
		"subject", e.body.Value("subject").(*ordered.Map).Clone(),
		"encounter", reference("Encounter", e.id),
		"authoredOn", at.Format(seconds),
		"requester", requester(),
		"dosageInstruction", []any{ordered.Of(
			"timing", ordered.Of(
				"repeat", ordered.Of("duration", 5, "durationUnit", "d"),
				"code", ordered.Of("coding", []any{ordered.Of("code", ciel("160858"), "display", "Twice daily")}, "text", "Twice daily")),
			"asNeededBoolean", false,
			"route", ordered.Of("coding", []any{ordered.Of("code", ciel("160240"), "display", "Oral")}, "text", "Oral"),
			"doseAndRate", []any{ordered.Of("doseQuantity", ordered.Of("value", json.Number("2.0"), "unit", unit.name, "code", unit.uuid))})},
		"dispenseRequest", ordered.Of(
			"validityPeriod", ordered.Of("start", at.Format(seconds)),
			"numberOfRepeatsAllowed", 0,
			"quantity", ordered.Of("value", json.Number(fmt.Sprintf("%d.0", quantity)), "unit", unit.name, "code", unit.uuid))), at)
}
