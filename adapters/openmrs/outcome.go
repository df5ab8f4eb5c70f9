package openmrs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/njia-health/njia/engine/fault"
)

// outcome is what is used of an OperationOutcome.
type outcome struct {
	ResourceType string `json:"resourceType"`
	Issue        []struct {
		Severity    string `json:"severity"`
		Code        string `json:"code"`
		Diagnostics string `json:"diagnostics"`
		Details     struct {
			Text string `json:"text"`
		} `json:"details"`
		Expression []string `json:"expression"`
		Location   []string `json:"location"`
	} `json:"issue"`
}

// restError is how REST v1 says what is wrong.
type restError struct {
	Error *struct {
		Message string `json:"message"`
		Code    string `json:"code"`
	} `json:"error"`
}

// refusal gives an answer of status 300 and up its class.
func refusal(q request, r reply) error {
	e := &fault.Error{Status: r.status, Answer: r.body, RetryAfter: retryAfter(r.header)}
	issue, said, native := told(r)
	switch {
	case r.status < 400:
		e.Class = fault.Transient
		e.Text = fmt.Sprintf("%s: OpenMRS sends us to another address (status %d): set url to the address that answers itself; it also does this while it starts", q.what, r.status)
		return e
	case r.status == http.StatusUnauthorized:
		e.Class, said = fault.Unauthorized, "OpenMRS does not take the credentials in auth"
	case r.status == http.StatusForbidden && native:
		e.Class, said = fault.Rejected, "the OpenMRS user may not do this; it lacks a privilege"
	case r.status == http.StatusForbidden:
		e.Class, said = fault.Unauthorized, "refused before OpenMRS saw it"
	case r.status == http.StatusNotFound && !native:
		e.Class, said = fault.Transient, "nothing answers at this address: is url right, and is OpenMRS (and its fhir2 module) running?"
	case r.status == http.StatusPreconditionFailed && issue == "multiple-matches":
		e.Class, said = fault.Rejected, "the search finds several resources; make it find one"
	case q.writes && !native && (r.status == http.StatusBadGateway || r.status == http.StatusGatewayTimeout):
		e.Class, said = fault.Unknown, "the proxy got no answer from OpenMRS, so it is not known whether it did it"
	case r.status == http.StatusInternalServerError && permanent.MatchString(string(r.body)):
		e.Class = fault.Rejected
	default:
		e.Class = fault.FromHTTP(r.status)
	}
	if said == "" {
		said = http.StatusText(r.status)
	}
	e.Text = fmt.Sprintf("%s: %s (status %d)", q.what, said, r.status)
	return e
}

// permanent are exceptions that OpenMRS answers with status 500 although the content is to blame.
var permanent = regexp.MustCompile(`ValidationException|ConstraintViolation|DataIntegrityViolation|PropertyValueException|IllegalArgumentException|` +
	`NullPointerException|IdentifierNotUnique|DuplicateIdentifier|InvalidIdentifierFormat|ConversionException|ClassCastException|UnsupportedOperation`)

// told reads what the server says: the issue's code, and a text without values. native says that OpenMRS itself said it.
func told(r reply) (issue, text string, native bool) {
	if !r.json() {
		return "", "", false
	}
	var oo outcome
	if json.Unmarshal(r.body, &oo) == nil && oo.ResourceType == "OperationOutcome" {
		for _, i := range oo.Issue {
			if i.Severity == "information" || i.Severity == "warning" {
				continue
			}
			at := i.Expression
			if len(at) == 0 {
				at = i.Location
			}
			said := i.Diagnostics
			if said == "" {
				said = i.Details.Text
			}
			text := i.Code
			if len(at) > 0 {
				text += " at " + at[0]
			}
			if said = masked(said); said != "" {
				text += ": " + said
			}
			if more := len(oo.Issue) - 1; more > 0 {
				text += fmt.Sprintf(" (and %d more)", more)
			}
			return i.Code, text, true
		}
		return "", "", true
	}
	var re restError
	if json.Unmarshal(r.body, &re) == nil && re.Error != nil {
		return "", masked(strings.Trim(re.Error.Message, "[]")), true
	}
	return "", "", false
}

var quoted = regexp.MustCompile(`"[^"]*"|'[^']*'|“[^”]*”`)

// masked hides what stands in quotation marks, which may be a patient's, and keeps it short.
func masked(s string) string {
	s = quoted.ReplaceAllString(strings.Join(strings.Fields(s), " "), `"…"`)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	return s
}
