package openmrs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// record is one row, with what FHIR does not show of it.
type record struct {
	typ, id string
	body    *ordered.Map // without meta.versionId and meta.lastUpdated
	created time.Time
	changed time.Time // zero until the first change
	voided  bool

	// Of orders only.
	action   string // NEW, REVISE, DISCONTINUE
	previous string // uuid
	stopped  time.Time
	expired  time.Time // autoExpireDate, once it is over
	// fulfilled says that the fulfiller status is COMPLETED.
	fulfilled bool
	hidden    bool // a drug order of action DISCONTINUE: FHIR2 does not show those
}

// immutable are the types whose _lastUpdated is dateCreated alone: a stop, a
// discontinuation, a changed fulfiller or a void does not move it.
// openmrs-module-fhir2, BaseFhirDao.
var immutable = map[string]bool{
	"ServiceRequest": true, "MedicationRequest": true, "Observation": true,
	"MedicationDispense": true, "DiagnosticReport": true,
}

// updated is _lastUpdated.
func (r *record) updated() time.Time {
	if immutable[r.typ] || r.changed.IsZero() {
		return r.created
	}
	return r.changed
}

// version is versionId: updated as milliseconds.
func (r *record) version() string { return strconv.FormatInt(r.updated().UnixMilli(), 10) }

const instant = "2006-01-02T15:04:05.000-07:00"

// seconds is how FHIR2 writes a dateTime.
const seconds = "2006-01-02T15:04:05-07:00"

func summaryTag() *ordered.Map {
	return ordered.Of(
		"system", "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
		"code", "SUBSETTED",
		"display", "Resource encoded in summary mode")
}

// status is the status of an order at a time: FHIR2 works it out of the dates,
// so the end of a lab order's time makes it completed without any event.
func (r *record) status(now time.Time) string {
	status, _ := r.body.Value("status").(string)
	if r.typ != "ServiceRequest" || status != "active" {
		return status
	}
	for _, v := range values(r.body, "occurrencePeriod.end") {
		if end, ok := parseDate(v); ok && !now.Before(end.from) {
			return "completed"
		}
	}
	return status
}

// resource is the record as FHIR2 answers it: FHIR2 asks HAPI for
// _summary=data on its own, which leaves out text and adds the tag SUBSETTED.
func (r *record) resource(now time.Time) *ordered.Map {
	body := r.body.Clone()
	body.Delete("text")
	if body.Has("status") && r.typ == "ServiceRequest" {
		body.Set("status", r.status(now))
	}
	meta := ordered.Of("versionId", r.version(), "lastUpdated", r.updated().Format(instant))
	tags := []any{}
	if old, ok := body.Value("meta").(*ordered.Map); ok {
		tags, _ = old.Value("tag").([]any)
	}
	meta.Set("tag", append(tags, summaryTag()))
	body.SetAfter("id", "meta", meta)
	return body
}

// Put keeps a resource as if it had been entered in OpenMRS, and gives its id.
// The resource is JSON text or anything that encoding/json can write. One
// without id gets one. A new one is as old as its meta.lastUpdated says, or
// made now; an old one is changed now. Put panics on what is no resource: that
// is a fault in the test.
func (s *Server) Put(resource any) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.put(resource)
	if err != nil {
		panic(err)
	}
	if !r.changed.IsZero() {
		r.changed = s.now()
	}
	return r.id
}

// put keeps a resource that is as old, or was changed last, as its meta says.
func (s *Server) put(resource any) (*record, error) {
	body, err := parseResource(resource)
	if err != nil {
		return nil, err
	}
	typ, _ := body.Value("resourceType").(string)
	if typ == "" {
		return nil, fmt.Errorf("openmrs: not a resource: no resourceType")
	}
	id, _ := body.Value("id").(string)
	if id == "" {
		id = s.newUUID()
		body.SetAfter("resourceType", "id", id)
	}
	at, fixed := takeMeta(body)
	if !fixed {
		at = s.now()
	}
	return s.keep(typ, id, body, at), nil
}

// keep adds the record or replaces its body. The caller holds mu.
func (s *Server) keep(typ, id string, body *ordered.Map, at time.Time) *record {
	k := key{typ, id}
	if r := s.records[k]; r != nil {
		r.body, r.changed, r.voided = body, at, false
		return r
	}
	r := &record{typ: typ, id: id, body: body, created: at, action: "NEW"}
	s.records[k] = r
	s.order = append(s.order, r)
	return r
}

func parseResource(resource any) (*ordered.Map, error) {
	var text []byte
	switch v := resource.(type) {
	case *ordered.Map:
		return v.Clone(), nil
	case []byte:
		text = v
	case string:
		text = []byte(v)
	default:
		var err error
		if text, err = json.Marshal(resource); err != nil {
			return nil, fmt.Errorf("openmrs: %w", err)
		}
	}
	v, err := ordered.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("openmrs: %w", err)
	}
	body, ok := v.(*ordered.Map)
	if !ok {
		return nil, fmt.Errorf("openmrs: not a resource: no JSON object")
	}
	return body, nil
}

// takeMeta takes out of meta what the server itself says, and gives its time.
func takeMeta(body *ordered.Map) (at time.Time, ok bool) {
	meta, _ := body.Value("meta").(*ordered.Map)
	if meta == nil {
		return time.Time{}, false
	}
	text, _ := meta.Value("lastUpdated").(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	meta.Delete("versionId")
	meta.Delete("lastUpdated")
	if tags, _ := meta.Value("tag").([]any); tags != nil {
		kept := []any{}
		for _, t := range tags {
			if tag, _ := t.(*ordered.Map); tag == nil || tag.Value("code") != "SUBSETTED" {
				kept = append(kept, t)
			}
		}
		meta.Set("tag", kept)
		if len(kept) == 0 {
			meta.Delete("tag")
		}
	}
	if meta.Len() == 0 {
		body.Delete("meta")
	}
	return at.UTC().Truncate(time.Second), err == nil
}

// Load puts every resource of every *.json file at the root of fsys, in the
// order of the names. A file is a resource or a Bundle of them.
func (s *Server) Load(fsys fs.FS) error {
	names, err := fs.Glob(fsys, "*.json")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if err := s.LoadBundle(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// LoadBundle puts every resource of a Bundle, or the one resource that text is.
func (s *Server) LoadBundle(text []byte) error {
	body, err := parseResource(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.Value("resourceType") != "Bundle" {
		_, err := s.put(body)
		return err
	}
	entries, _ := body.Value("entry").([]any)
	for i, e := range entries {
		entry, _ := e.(*ordered.Map)
		if entry == nil {
			return fmt.Errorf("openmrs: entry %d is no object", i)
		}
		if _, err := s.put(entry.Value("resource")); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}

// Resource is the JSON text of a record as FHIR would answer it now, voided or
// not; nil when there is none.
func (s *Server) Resource(typ, id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[key{typ, id}]
	if r == nil {
		return nil
	}
	return ordered.Compact(r.resource(s.now()))
}

// Count is the number of records of a type that FHIR shows.
func (s *Server) Count(typ string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.order {
		if r.typ == typ && r.visible() {
			n++
		}
	}
	return n
}

func (r *record) visible() bool { return !r.voided && !r.hidden }

// byUpdated orders records by _lastUpdated alone.
func byUpdated(a, b *record) int {
	return cmp.Compare(a.updated().Unix(), b.updated().Unix())
}
