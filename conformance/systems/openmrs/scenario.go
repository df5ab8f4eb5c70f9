package openmrs

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// What happens in a clinic. All of these panic when there is no such record:
// that is a fault in the test. None moves the _lastUpdated of an order.

// Stop ends an order (dateStopped): a ServiceRequest becomes completed, which
// does not mean that somebody did it, a MedicationRequest cancelled.
func (s *Server) Stop(typ, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(s.must(typ, id))
}

func (s *Server) stop(r *record) {
	r.stopped = s.now()
	switch r.typ {
	case "ServiceRequest":
		r.body.Set("status", "completed")
	case "MedicationRequest":
		r.body.Set("status", "cancelled")
	default:
		panic(fmt.Sprintf("openmrs: a %s is no order", r.typ))
	}
}

// Expire lets the time of an order run out (autoExpireDate): a ServiceRequest
// becomes completed, a MedicationRequest stopped. OpenMRS makes no event of it,
// and it is no stop: dateStopped stays empty.
func (s *Server) Expire(typ, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.must(typ, id)
	s.stop(r)
	r.stopped, r.expired = time.Time{}, r.stopped
	if typ == "MedicationRequest" {
		r.body.Set("status", "stopped")
	}
}

// Fulfil gives an order the fulfiller status COMPLETED. FHIR2 shows that of a
// MedicationRequest only.
func (s *Server) Fulfil(typ, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.must(typ, id)
	r.fulfilled = true
	if typ == "MedicationRequest" {
		r.body.Set("status", "completed")
	}
}

// Discontinue makes an order of action DISCONTINUE for the order id and stops
// that one. For a lab test the new one is a ServiceRequest of status revoked
// that replaces the old; for a drug FHIR2 hides the new one, REST shows it.
func (s *Server) Discontinue(id string) (dc string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mustOrder(id)
	r := s.follow(old, "DISCONTINUE", s.now())
	if r.typ == "ServiceRequest" {
		r.body.Set("status", "revoked")
	} else {
		r.body.Set("status", "cancelled")
		r.hidden = true
	}
	r.stopped = r.created
	s.stop(old)
	return r.id
}

// Revise makes an order of action REVISE that replaces the order id, and stops
// that one. change, which may be nil, alters the new order before it is kept.
func (s *Server) Revise(id string, change func(resource map[string]any)) (revised string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mustOrder(id)
	r := s.follow(old, "REVISE", s.now())
	if change != nil {
		r.body = altered(r.body, change)
	}
	s.stop(old)
	return r.id
}

// follow makes an order after old, with FHIR2's element for it: replaces of a
// ServiceRequest, priorPrescription of a MedicationRequest.
func (s *Server) follow(old *record, action string, at time.Time) *record {
	body := old.body.Clone()
	id := s.newUUID()
	body.Set("id", id)
	body.Set("status", "active")
	ref := reference(old.typ, old.id)
	if old.typ == "ServiceRequest" {
		body.SetAfter("id", "replaces", []any{ref})
		body.Set("occurrencePeriod", ordered.Of("start", at.Format(seconds)))
	} else {
		body.Set("authoredOn", at.Format(seconds))
		body.Set("priorPrescription", ref)
	}
	r := s.keep(old.typ, id, body, at)
	r.action, r.previous = action, old.id
	return r
}

// Void hides a record: it is gone from searches and reads as 410.
func (s *Server) Void(typ, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.must(typ, id)
	r.voided, r.changed = true, s.now()
}

// Unvoid brings a voided record back.
func (s *Server) Unvoid(typ, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.must(typ, id)
	r.voided, r.changed = false, s.now()
}

// Purge takes a record out as if it had never been: it reads as 404.
func (s *Server) Purge(typ, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.must(typ, id)
	delete(s.records, key{typ, id})
	s.order = slices.DeleteFunc(s.order, func(r *record) bool { return r == gone })
}

// Change alters a record now. The _lastUpdated moves for the types whose
// changes show.
func (s *Server) Change(typ, id string, change func(resource map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.must(typ, id)
	r.body, r.changed = altered(r.body, change), s.now()
}

func (s *Server) must(typ, id string) *record {
	r := s.records[key{typ, id}]
	if r == nil {
		panic(fmt.Sprintf("openmrs: no %s %s", typ, id))
	}
	return r
}

func (s *Server) mustOrder(id string) *record {
	for _, typ := range []string{"ServiceRequest", "MedicationRequest"} {
		if r := s.records[key{typ, id}]; r != nil {
			return r
		}
	}
	panic(fmt.Sprintf("openmrs: no order %s", id))
}

func reference(typ, id string) *ordered.Map {
	return ordered.Of("reference", typ+"/"+id, "type", typ)
}

// altered is body after change; keys that stay keep their place.
func altered(body *ordered.Map, change func(map[string]any)) *ordered.Map {
	plain := ordered.Plain(body).(map[string]any)
	change(plain)
	changed, err := parseResource(plain)
	if err != nil {
		panic(err)
	}
	out := &ordered.Map{}
	for _, k := range body.Keys() {
		if v, ok := changed.Lookup(k); ok {
			out.Set(k, v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(plain)) {
		out.Set(k, changed.Value(k))
	}
	return out
}
