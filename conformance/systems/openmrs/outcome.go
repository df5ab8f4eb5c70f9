package openmrs

import (
	"fmt"
	"net/http"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

const fhirJSON = "application/fhir+json;charset=UTF-8"

// outcome answers an error as HAPI does: recorded in operationoutcome-gone.json.
func outcome(w http.ResponseWriter, status int, diagnostics string) {
	writeFHIR(w, status, ordered.Of(
		"resourceType", "OperationOutcome",
		"text", ordered.Of("status", "generated", "div", "<div></div>"),
		"issue", []any{ordered.Of("severity", "error", "code", "processing", "diagnostics", diagnostics)}))
}

// precondition answers a condition that does not hold, as a recorded FHIR
// server (medplum 4.5.2, exchanges 11 to 13) does. FHIR2 has no conditional
// requests of its own.
func precondition(w http.ResponseWriter, id, code, text string) {
	writeFHIR(w, http.StatusPreconditionFailed, ordered.Of(
		"resourceType", "OperationOutcome",
		"id", id,
		"issue", []any{ordered.Of("severity", "error", "code", code, "details", ordered.Of("text", text))}))
}

func writeFHIR(w http.ResponseWriter, status int, body *ordered.Map) {
	w.Header().Set("Content-Type", fhirJSON)
	w.Header().Set("X-Powered-By", "HAPI FHIR 5.4.0 REST Server (OpenMRS FHIR Server; FHIR 4.0.1/R4)")
	w.WriteHeader(status)
	w.Write(ordered.Compact(body))
}

// writeRecord answers with a record and the headers of its version.
func (s *Server) writeRecord(w http.ResponseWriter, status int, r *record) {
	w.Header().Set("ETag", `W/"`+r.version()+`"`)
	w.Header().Set("Last-Modified", r.updated().Format(http.TimeFormat))
	writeFHIR(w, status, r.resource(s.now()))
}

// badRequestError is what HAPI says to a request it cannot read, answered as 400.
type badRequestError string

func (e badRequestError) Error() string { return string(e) }

func badRequest(format string, a ...any) error { return badRequestError(fmt.Sprintf(format, a...)) }

func notKnown(w http.ResponseWriter, typ, id string) {
	outcome(w, http.StatusNotFound, "Resource of type "+typ+" with ID "+id+" is not known")
}

func gone(w http.ResponseWriter, typ, id string) {
	outcome(w, http.StatusGone, "Resource of type "+typ+" with ID "+id+" is gone/deleted")
}
