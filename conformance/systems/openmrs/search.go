package openmrs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// kind is how a search parameter compares.
type kind int

const (
	token kind = iota // code, Coding, CodeableConcept or Identifier: [system|]code
	ref               // Reference: id or Type/id
	text              // starts with, any case
	date              // prefix and date
)

type param struct {
	kind  kind
	paths []string // where the value is; "a.b" goes through lists
}

// params are the search parameters by type; those of every type are under "".
var params = map[string]map[string]param{
	"": {"_id": {token, []string{"id"}}, "_lastUpdated": {kind: date}},
	"Patient": {
		"identifier": {token, []string{"identifier"}}, "active": {token, []string{"active"}},
		"gender": {token, []string{"gender"}}, "birthdate": {date, []string{"birthDate"}},
		"name":   {text, []string{"name.family", "name.given", "name.text"}},
		"family": {text, []string{"name.family"}}, "given": {text, []string{"name.given"}},
		"address-city": {text, []string{"address.city"}}, "address-country": {text, []string{"address.country"}},
		"address-state": {text, []string{"address.state"}},
	},
	"Encounter": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}},
		"date": {date, []string{"period.start"}}, "type": {token, []string{"type"}},
		"location": {ref, []string{"location.location"}}, "participant": {ref, []string{"participant.individual"}},
		"part-of": {ref, []string{"partOf"}}, "status": {token, []string{"status"}}, "_tag": {token, []string{"meta.tag"}},
	},
	"ServiceRequest": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}}, "code": {token, []string{"code"}},
		"encounter": {ref, []string{"encounter"}}, "participant": {ref, []string{"requester"}},
		"requester": {ref, []string{"requester"}}, "occurrence": {date, []string{"occurrencePeriod.start"}},
		"status": {token, []string{"status"}}, "replaces": {ref, []string{"replaces"}},
		"identifier": {token, []string{"identifier"}},
	},
	"MedicationRequest": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}},
		"code":      {token, []string{"medicationCodeableConcept"}},
		"encounter": {ref, []string{"encounter"}}, "participant": {ref, []string{"requester"}},
		"requester": {ref, []string{"requester"}}, "medication": {ref, []string{"medicationReference"}},
		"status": {token, []string{"status"}}, "identifier": {token, []string{"identifier"}},
	},
	"Medication": {"code": {token, []string{"code"}}, "dosage-form": {token, []string{"form"}}, "status": {token, []string{"status"}}},
	"Observation": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}}, "code": {token, []string{"code"}},
		"encounter": {ref, []string{"encounter"}}, "date": {date, []string{"effectiveDateTime"}},
		"category": {token, []string{"category"}}, "status": {token, []string{"status"}}, "based-on": {ref, []string{"basedOn"}},
	},
	"DiagnosticReport": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}}, "code": {token, []string{"code"}},
		"encounter": {ref, []string{"encounter"}}, "issued": {date, []string{"issued"}}, "result": {ref, []string{"result"}},
	},
	"Task": {
		"status": {token, []string{"status"}}, "based-on": {ref, []string{"basedOn"}}, "owner": {ref, []string{"owner"}},
		"identifier": {token, []string{"identifier"}}, "for": {ref, []string{"for"}},
	},
	"Practitioner": {
		"identifier": {token, []string{"identifier"}}, "name": {text, []string{"name.family", "name.given", "name.text"}},
	},
	"Location": {"name": {text, []string{"name"}}, "_tag": {token, []string{"meta.tag"}}, "status": {token, []string{"status"}}},
}

// control are the parameters that say how to answer, not what to find.
var control = map[string]bool{
	"_sort": true, "_count": true, "_include": true, "_revinclude": true, "_summary": true, "_format": true,
	"_pretty": true, "_total": true, "_elements": true,
}

func paramOf(typ, name string) (param, bool) {
	p, ok := params[typ][name]
	if !ok {
		p, ok = params[""][name]
	}
	return p, ok
}

// search answers GET Type?… and POST Type/_search.
func (s *Server) search(w http.ResponseWriter, r *http.Request, typ string) {
	query := r.URL.RawQuery
	if r.Method == http.MethodPost {
		r.ParseForm()
		query = r.Form.Encode()
	}
	set, err := s.newPageSet(r, typ, query)
	if err != nil {
		outcome(w, http.StatusBadRequest, err.Error())
		return
	}
	s.writePage(w, r, set, 0, set.count)
}

// matching are the visible records of typ that query finds, in the order it asks for.
func (s *Server) matching(typ, query string) ([]*record, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("Invalid query: %s", query)
	}
	tests := []func(*record) bool{}
	for _, name := range slices.Sorted(keysOf(values)) {
		for _, value := range values[name] {
			test, err := s.test(typ, name, value)
			if err != nil {
				return nil, err
			}
			tests = append(tests, test)
		}
	}
	found := []*record{}
next:
	for _, r := range s.order {
		if r.typ != typ || !r.visible() {
			continue
		}
		for _, test := range tests {
			if !test(r) {
				continue next
			}
		}
		found = append(found, r)
	}
	return found, s.sort(found, values.Get("_sort"))
}

func keysOf(values url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range values {
			if !yield(k) {
				return
			}
		}
	}
}

// sort orders rows as _sort says. Rows that are equal there have no order in
// SQL: they keep the order they came in, or with Shuffle get another one every
// time.
func (s *Server) sort(rows []*record, by string) error {
	s.searches++
	if s.opts.Shuffle != 0 {
		seed := s.opts.Shuffle*0x9e3779b97f4a7c15 + s.searches
		slices.SortStableFunc(rows, func(a, b *record) int { return cmp.Compare(mix(seed, a.id), mix(seed, b.id)) })
	}
	name, descending := strings.CutPrefix(by, "-")
	switch name {
	case "":
		return nil
	case "_lastUpdated":
		slices.SortStableFunc(rows, func(a, b *record) int {
			if descending {
				return byUpdated(b, a)
			}
			return byUpdated(a, b)
		})
		return nil
	}
	p, ok := paramOf(rowsType(rows), name)
	if !ok && len(rows) > 0 {
		return fmt.Errorf("Unknown _sort parameter value %q", by)
	}
	first := func(r *record) string {
		for _, path := range p.paths {
			for _, v := range values(r.body, path) {
				return fmt.Sprint(v)
			}
		}
		return ""
	}
	slices.SortStableFunc(rows, func(a, b *record) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(first(a), first(b))
	})
	return nil
}

func rowsType(rows []*record) string {
	if len(rows) == 0 {
		return ""
	}
	return rows[0].typ
}

// test is what one name=value of a query asks of a record.
func (s *Server) test(typ, name, value string) (func(*record) bool, error) {
	if control[name] {
		return func(*record) bool { return true }, nil
	}
	name, chain, chained := strings.Cut(name, ".")
	name, modifier, _ := strings.Cut(name, ":")
	p, ok := paramOf(typ, name)
	if !ok {
		return nil, fmt.Errorf("Invalid request: The FHIR endpoint on this server does not know how to handle GET operation[%s] with parameters [[%s]]", typ, name)
	}
	if chained {
		return s.chainTest(p, typ, name, modifier, chain, value)
	}
	if name == "_lastUpdated" {
		test, err := dateTest(value)
		return func(r *record) bool { return test(r.updated()) }, err
	}
	if p.kind == date {
		test, err := dateTest(value)
		return func(r *record) bool {
			return anyValue(r, p, func(v any) bool {
				at, ok := parseDate(v)
				return ok && test(at.from)
			})
		}, err
	}
	wanted := strings.Split(value, ",")
	if typ == "ServiceRequest" && name == "status" {
		now := s.now()
		return func(r *record) bool { return slices.Contains(wanted, r.status(now)) != (modifier == "not") }, nil
	}
	return func(r *record) bool {
		found := anyValue(r, p, func(v any) bool {
			return slices.ContainsFunc(wanted, func(want string) bool { return p.kind.equal(v, want) })
		})
		return found != (modifier == "not")
	}, nil
}

// chainTest follows a reference: patient.identifier=…
func (s *Server) chainTest(p param, typ, name, target, chain, value string) (func(*record) bool, error) {
	if target == "" {
		target = map[string]string{"patient": "Patient", "subject": "Patient", "for": "Patient", "encounter": "Encounter",
			"medication": "Medication", "location": "Location", "based-on": "ServiceRequest"}[name]
	}
	test, err := s.test(target, chain, value)
	if err != nil {
		return nil, err
	}
	return func(r *record) bool {
		return anyValue(r, p, func(v any) bool {
			_, id := target, refID(v)
			at := s.records[key{target, id}]
			return at != nil && at.visible() && test(at)
		})
	}, nil
}

func anyValue(r *record, p param, ok func(any) bool) bool {
	for _, path := range p.paths {
		if slices.ContainsFunc(values(r.body, path), ok) {
			return true
		}
	}
	return false
}

// values are what is at path, lists opened.
func values(v any, path string) []any {
	if list, ok := v.([]any); ok {
		out := []any{}
		for _, e := range list {
			out = append(out, values(e, path)...)
		}
		return out
	}
	if path == "" {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	m, _ := v.(*ordered.Map)
	if m == nil {
		return nil
	}
	name, rest, _ := strings.Cut(path, ".")
	return values(m.Value(name), rest)
}

// equal compares one value of a resource with one of a query.
func (k kind) equal(v any, want string) bool {
	switch k {
	case ref:
		_, id, ok := strings.Cut(want, "/")
		if !ok {
			id = want
		}
		return refID(v) == id
	case text:
		s, _ := v.(string)
		return strings.HasPrefix(strings.ToLower(s), strings.ToLower(want))
	}
	system, code, ok := strings.Cut(want, "|")
	if !ok {
		system, code = "*", want
	}
	return tokenEqual(v, system, code)
}

// tokenEqual says whether v is the code; system is "*" for any.
func tokenEqual(v any, system, code string) bool {
	switch v := v.(type) {
	case string:
		return v == code
	case bool:
		return strconv.FormatBool(v) == code
	case json.Number:
		return v.String() == code
	case *ordered.Map:
		if coding, ok := v.Value("coding").([]any); ok {
			return slices.ContainsFunc(coding, func(c any) bool { return tokenEqual(c, system, code) })
		}
		name := "code"
		if v.Has("value") { // Identifier
			name = "value"
		}
		own, _ := v.Value("system").(string)
		value, _ := v.Value(name).(string)
		return (code == "" || value == code) && (system == "*" || own == system)
	}
	return false
}

// refID is the id in a Reference, which is Type/id or a bare id.
func refID(v any) string {
	m, _ := v.(*ordered.Map)
	if m == nil {
		return ""
	}
	s, _ := m.Value("reference").(string)
	return s[strings.LastIndexByte(s, '/')+1:]
}

// span is a date with its precision: from is in it, to is not.
type span struct{ from, to time.Time }

func parseDate(v any) (span, bool) {
	s, ok := v.(string)
	if !ok {
		return span{}, false
	}
	for _, p := range []struct {
		layout string
		next   func(time.Time) time.Time
	}{
		{time.RFC3339Nano, func(t time.Time) time.Time { return t.Add(time.Second - time.Duration(t.Nanosecond())) }},
		{"2006-01-02T15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
		{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	} {
		if t, err := time.Parse(p.layout, s); err == nil {
			return span{t, p.next(t)}, true
		}
	}
	return span{}, false
}

// dateTest reads [prefix]date. A plus sign that was not escaped arrives as a
// blank, and is refused as HAPI does.
func dateTest(value string) (func(time.Time) bool, error) {
	prefix, rest := "eq", value
	if len(value) > 2 && value[0] >= 'a' && value[0] <= 'z' {
		prefix, rest = value[:2], value[2:]
	}
	at, ok := parseDate(rest)
	if !ok {
		return nil, fmt.Errorf("Invalid date/time format: %q", rest)
	}
	switch prefix {
	case "eq":
		return func(t time.Time) bool { return !t.Before(at.from) && t.Before(at.to) }, nil
	case "ne":
		return func(t time.Time) bool { return t.Before(at.from) || !t.Before(at.to) }, nil
	case "ge":
		return func(t time.Time) bool { return !t.Before(at.from) }, nil
	case "gt", "sa":
		return func(t time.Time) bool { return !t.Before(at.to) }, nil
	case "le":
		return func(t time.Time) bool { return t.Before(at.to) }, nil
	case "lt", "eb":
		return func(t time.Time) bool { return t.Before(at.from) }, nil
	}
	return nil, fmt.Errorf("Unable to parse date parameter %q: unknown prefix %q", value, prefix)
}
