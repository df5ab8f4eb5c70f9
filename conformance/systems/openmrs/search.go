package openmrs

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// search answers GET Type?… and POST Type/_search.
func (s *Server) search(w http.ResponseWriter, r *http.Request, typ string) {
	query := r.URL.RawQuery
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			outcome(w, http.StatusBadRequest, "Invalid form: "+err.Error())
			return
		}
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
		return nil, badRequest("Invalid query: %s", query)
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
		return badRequest("Unknown _sort parameter value %q", by)
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
		return nil, badRequest("Invalid request: The FHIR endpoint on this server does not know how to handle GET operation[%s] with parameters [[%s]]", typ, name)
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
