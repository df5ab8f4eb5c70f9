package openmrs

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// Clinic names what Seed makes: ids, of a ServiceRequest where nothing else is
// said.
type Clinic struct {
	// Patients are the n patients, then those of the cases below.
	Patients []string
	// TestTwice are two orders of one test in one visit.
	TestTwice [2]string
	// TextDrug is a MedicationRequest of a drug that is not in the formulary:
	// medicationCodeableConcept has only text.
	TextDrug string
	// NoVisit is an order in an Encounter without partOf.
	NoVisit string
	// UnknownProduct is an order of a test for which odoo.SeedClinic has no
	// product.
	UnknownProduct string
	// Revised is a MedicationRequest, Revision the one that replaced it.
	Revised, Revision string
	// Discontinued is an order, Discontinuation the one that ended it.
	Discontinued, Discontinuation string
	// Voided is an order entered by mistake.
	Voided string
	// PartialDate is a Patient whose birthDate is a year, and whose address
	// was cleared: it is there and has nothing in it.
	PartialDate string
}

//go:embed data/*.json
var recorded embed.FS

// seedTime is when the generated patients begin to come: after the recorded ones.
var seedTime = time.Date(2024, 4, 15, 11, 0, 0, 0, time.UTC)

// Seed fills the server with the recorded records and, of the same shape, with
// n patients who each had a visit and with one patient for each case of
// Clinic. It gives the same on every call of a fresh server. All persons are
// invented.
func (s *Server) Seed(n int) Clinic {
	data, err := fs.Sub(recorded, "data")
	if err == nil {
		err = s.Load(data)
	}
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range drugs[1:] {
		s.keep("Medication", d.uuid, d.medication(), seedTime)
	}
	s.seedPlaces()
	c := Clinic{}
	for i := range n {
		at := seedTime.Add(time.Duration(i) * 7 * time.Minute)
		p := s.person(i, at)
		c.Patients = append(c.Patients, p.id)
		e := s.encounter(p, at, true)
		if i%2 == 0 { // the others were not weighed
			s.weight(e, 40+i%50, at)
		}
		s.ordersOf(i, e, at)
	}
	s.cases(&c, seedTime.Add(time.Duration(n)*7*time.Minute))
	return c
}

// Visit lets the patient number i of Seed, or a new one, come now: an encounter
// with one to three orders, whose ids it gives as Type/id.
func (s *Server) Visit(i int) (orders []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.now()
	p := s.records[key{"Patient", uuidOf(fmt.Sprintf("patient/%d", i))}]
	if p == nil {
		p = s.person(i, at)
	}
	return s.ordersOf(i, s.encounter(p, at, true), at)
}

// cases makes one patient for each trap that a rule must deal with.
func (s *Server) cases(c *Clinic, at time.Time) {
	number := caseNumber
	patient := func() *record {
		p := s.person(number, at)
		number++
		at = at.Add(7 * time.Minute)
		c.Patients = append(c.Patients, p.id)
		return p
	}
	visit := func(p *record) *record { return s.encounter(p, p.created, true) }

	e := visit(patient())
	c.TestTwice = [2]string{s.lab(e, malaria, e.created).id, s.lab(e, malaria, e.created.Add(2*time.Minute)).id}

	e = visit(patient())
	c.TextDrug = s.textDrug(e, "Herbal cough syrup", e.created).id

	p := patient()
	c.NoVisit = s.lab(s.encounter(p, p.created, false), bloodCount, p.created).id

	e = visit(patient())
	c.UnknownProduct = s.lab(e, hivDNA, e.created).id

	e = visit(patient())
	old := s.prescribe(e, amoxicillin, 20, e.created)
	next := s.follow(old, "REVISE", e.created.Add(3*time.Minute))
	next.body.Value("dispenseRequest").(*ordered.Map).Value("quantity").(*ordered.Map).Set("value", json.Number("30.0"))
	s.stop(old)
	old.stopped = next.created
	c.Revised, c.Revision = old.id, next.id

	e = visit(patient())
	old = s.lab(e, hepatitisC, e.created)
	next = s.follow(old, "DISCONTINUE", e.created.Add(4*time.Minute))
	next.body.Set("status", "revoked")
	s.stop(old)
	old.stopped, next.stopped = next.created, next.created
	c.Discontinued, c.Discontinuation = old.id, next.id

	e = visit(patient())
	wrong := s.lab(e, bloodCount, e.created)
	wrong.voided, wrong.changed = true, e.created.Add(time.Minute)
	c.Voided = wrong.id

	p = patient()
	p.body.Set("birthDate", p.body.Value("birthDate").(string)[:4])
	p.body.Set("address", []any{ordered.Of("id", uuidOf("address/"+p.id), "use", "home")})
	p.changed = p.created.Add(time.Minute)
	s.lab(visit(p), hepatitisC, p.created)
	c.PartialDate = p.id
}

// caseNumber is the number of the first patient that Seed(n) does not count.
const caseNumber = 1_000_000
