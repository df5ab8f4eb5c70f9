package openmrs

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// types are the resource providers of FHIR2 4.2.
var types = []string{
	"AllergyIntolerance", "Condition", "DiagnosticReport", "Encounter", "EpisodeOfCare", "Group", "Immunization",
	"Location", "Medication", "MedicationDispense", "MedicationRequest", "Observation", "Patient", "Person",
	"Practitioner", "RelatedPerson", "ServiceRequest", "Task", "ValueSet",
}

// readOnly are the types that FHIR2 cannot write: an order is made in OpenMRS.
var readOnly = map[string]bool{"ServiceRequest": true}

// fhir answers a request under the R4 endpoint. The caller holds mu.
func (s *Server) fhir(w http.ResponseWriter, r *http.Request, path string) {
	if path == "" {
		if r.Method == http.MethodGet && r.URL.Query().Has("_getpages") {
			s.page(w, r)
			return
		}
		outcome(w, http.StatusBadRequest, "This is the base URL of FHIR server. Unable to handle this request, as it does not contain a resource type or operation name.")
		return
	}
	typ, id, _ := strings.Cut(path, "/")
	if !slices.Contains(types, typ) {
		outcome(w, http.StatusNotFound, "Unknown resource type '"+typ+"' - Server knows how to handle: ["+strings.Join(types, ", ")+"]")
		return
	}
	if id == "_search" && r.Method == http.MethodPost {
		s.search(w, r, typ)
		return
	}
	if strings.Contains(id, "/") || strings.HasPrefix(id, "$") {
		s.unknownOperation(w, r, typ)
		return
	}
	if readOnly[typ] && r.Method != http.MethodGet {
		s.notAllowed(w, r, typ)
		return
	}
	switch {
	case r.Method == http.MethodGet && id == "":
		s.search(w, r, typ)
	case r.Method == http.MethodGet:
		s.read(w, typ, id)
	case r.Method == http.MethodPost && id == "":
		s.create(w, r, typ)
	case r.Method == http.MethodPut && id == "" && r.URL.RawQuery != "":
		s.conditionalUpdate(w, r, typ)
	case r.Method == http.MethodPut && id != "":
		s.update(w, r, typ, id)
	case r.Method == http.MethodPatch && id != "":
		s.patch(w, r, typ, id)
	case r.Method == http.MethodDelete && id != "":
		s.delete(w, typ, id)
	default:
		s.unknownOperation(w, r, typ)
	}
}

func (s *Server) unknownOperation(w http.ResponseWriter, r *http.Request, typ string) {
	outcome(w, http.StatusBadRequest, unknownOperation(r, typ))
}

func (s *Server) notAllowed(w http.ResponseWriter, r *http.Request, typ string) {
	outcome(w, http.StatusMethodNotAllowed, unknownOperation(r, typ))
}

// unknownOperation is HAPI's text for a method or parameter without a provider.
func unknownOperation(r *http.Request, typ string) string {
	names := []string{}
	for name := range r.URL.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return "Invalid request: The FHIR endpoint on this server does not know how to handle " + r.Method +
		" operation[" + typ + "] with parameters [[" + strings.Join(names, ", ") + "]]"
}

func (s *Server) read(w http.ResponseWriter, typ, id string) {
	r := s.records[key{typ, id}]
	switch {
	case r == nil || r.hidden:
		notKnown(w, typ, id)
	case r.voided:
		gone(w, typ, id)
	default:
		s.writeRecord(w, http.StatusOK, r)
	}
}

// bodyOf reads the resource in a request and answers what is wrong with it.
func bodyOf(w http.ResponseWriter, r *http.Request, typ string) (*ordered.Map, bool) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false
	}
	body, err := parseResource(text)
	if err != nil {
		outcome(w, http.StatusBadRequest, "Failed to parse request body as JSON resource. Error was: Failed to parse JSON encoded FHIR content: "+strings.TrimPrefix(err.Error(), "openmrs: "))
		return nil, false
	}
	if got, _ := body.Value("resourceType").(string); got != typ {
		outcome(w, http.StatusBadRequest, `Incorrect resource type found, expected "`+typ+`" but found "`+got+`"`)
		return nil, false
	}
	takeMeta(body)
	return body, true
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, typ string) {
	body, ok := bodyOf(w, r, typ)
	if !ok {
		return
	}
	if cond := r.Header.Get("If-None-Exist"); cond != "" {
		found, ok := s.condition(w, r, typ, cond)
		if !ok {
			return
		}
		if len(found) == 1 {
			s.writeRecord(w, http.StatusOK, found[0])
			return
		}
	}
	s.created(w, r, typ, s.newUUID(), body)
}

// created keeps a new record and answers 201. FHIR2 ignores an id in a POST.
func (s *Server) created(w http.ResponseWriter, r *http.Request, typ, id string, body *ordered.Map) {
	body.SetAfter("resourceType", "id", id)
	s.taskTimes(typ, id, body)
	rec := s.keep(typ, id, body, s.now())
	w.Header().Set("Location", base(r)+"/"+typ+"/"+id)
	s.writeRecord(w, http.StatusCreated, rec)
}

// taskTimes fills what FHIR2 itself writes into a Task: recorded in
// task-searchset-requested-accepted.json.
func (s *Server) taskTimes(typ, id string, body *ordered.Map) {
	if typ != "Task" {
		return
	}
	now := s.now().Format(seconds)
	if !body.Has("identifier") {
		body.SetAfter("id", "identifier", []any{ordered.Of("system", "http://fhir.openmrs.org/ext/task/identifier", "value", id)})
	}
	if !body.Has("authoredOn") {
		body.Set("authoredOn", now)
	}
	body.Set("lastModified", now)
}

// condition searches for the resources that a conditional request means. More
// than one is answered here.
func (s *Server) condition(w http.ResponseWriter, r *http.Request, typ, query string) ([]*record, bool) {
	found, err := s.matching(typ, query)
	if err != nil {
		outcome(w, http.StatusBadRequest, err.Error())
		return nil, false
	}
	if len(found) > 1 {
		precondition(w, "multiple-matches", "multiple-matches", "Multiple resources found matching condition")
		return nil, false
	}
	return found, true
}

func (s *Server) conditionalUpdate(w http.ResponseWriter, r *http.Request, typ string) {
	body, ok := bodyOf(w, r, typ)
	if !ok {
		return
	}
	found, ok := s.condition(w, r, typ, r.URL.RawQuery)
	if !ok {
		return
	}
	if len(found) == 0 {
		s.created(w, r, typ, s.newUUID(), body)
		return
	}
	s.updated(w, found[0], body)
}

func (s *Server) update(w http.ResponseWriter, r *http.Request, typ, id string) {
	body, ok := bodyOf(w, r, typ)
	if !ok {
		return
	}
	switch got, _ := body.Value("id").(string); got {
	case id:
	case "":
		outcome(w, http.StatusBadRequest, "Can not update resource, request body must contain an ID element for update (PUT) operation")
		return
	default:
		outcome(w, http.StatusBadRequest, "Can not update resource, resource body must contain an ID element which matches the request URL for update (PUT) operation - Resource body ID of \""+got+"\" does not match URL ID of \""+id+"\"")
		return
	}
	old := s.records[key{typ, id}]
	switch {
	case old == nil && slices.Contains(s.opts.Upsert, typ):
		s.created(w, r, typ, id, body)
	case old == nil || old.hidden:
		notKnown(w, typ, id)
	case old.voided:
		gone(w, typ, id)
	case !s.matches(w, r, old):
	default:
		s.updated(w, old, body)
	}
}

// matches answers 412 when If-Match names another version.
func (s *Server) matches(w http.ResponseWriter, r *http.Request, old *record) bool {
	want := r.Header.Get("If-Match")
	if want == "" || strings.Trim(strings.TrimPrefix(want, "W/"), `"`) == old.version() {
		return true
	}
	precondition(w, "precondition-failed", "processing", "Precondition Failed")
	return false
}

func (s *Server) updated(w http.ResponseWriter, old *record, body *ordered.Map) {
	body.SetAfter("resourceType", "id", old.id)
	s.taskTimes(old.typ, old.id, body)
	old.body, old.changed = body, s.now()
	s.writeRecord(w, http.StatusOK, old)
}

func (s *Server) delete(w http.ResponseWriter, typ, id string) {
	r := s.records[key{typ, id}]
	if r == nil || r.hidden {
		notKnown(w, typ, id)
		return
	}
	r.voided, r.changed = true, s.now()
	writeFHIR(w, http.StatusOK, ordered.Of(
		"resourceType", "OperationOutcome",
		"issue", []any{ordered.Of("severity", "information", "code", "informational", "details", ordered.Of(
			"coding", []any{ordered.Of(
				"system", "http://terminology.hl7.org/CodeSystem/operation-outcome",
				"code", "MSG_DELETED",
				"display", "This resource has been deleted")},
			"text", "This resource has been deleted"))}))
}

func (s *Server) metadata(w http.ResponseWriter) {
	resources := []any{}
	for _, t := range types {
		resources = append(resources, ordered.Of("type", t))
	}
	writeFHIR(w, http.StatusOK, ordered.Of(
		"resourceType", "CapabilityStatement", "status", "active", "kind", "instance", "fhirVersion", "4.0.1",
		"format", []any{"application/fhir+json", "json"},
		"rest", []any{ordered.Of("mode", "server", "resource", resources)}))
}

// base is the address of the endpoint as the caller wrote it.
func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + fhirPath
}
