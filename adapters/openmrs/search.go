package openmrs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Search is what search takes.
type Search struct {
	Resource string         `yaml:"resource" doc:"the resource type, such as Patient"`
	Path     string         `yaml:"path" doc:"instead: type and query in one, as in Patient?identifier=X; use query for values of a message"`
	Query    map[string]any `yaml:"query" doc:"search parameters; a list asks for all of its values"`
	Include  []string       `yaml:"include" doc:"referenced resources to send along, such as ServiceRequest:encounter; see answer"`
	Sort     string         `yaml:"sort" doc:"parameter to sort by; with - the other way round"`
	Max      int            `yaml:"max" doc:"at most so many; 0: all, and more than 10000 are refused"`
	Answer   string         `yaml:"answer" enum:"list,bundle" doc:"list: the resources found, without included ones; bundle: a Bundle with all of them"`
}

const mostFound = 10000 // resources in an answer where max is not given

func (c *client) search(ctx context.Context, w Search, _ message.Message) (message.Message, error) {
	typ, query, err := w.where()
	if err != nil {
		return message.Message{}, err
	}
	query["_include"] = append(query["_include"], w.Include...)
	if w.Sort != "" {
		query.Set("_sort", w.Sort)
	}
	size := c.s.PageSize
	if w.Max > 0 {
		size = min(size, w.Max)
	}
	query.Set("_count", fmt.Sprint(size))
	found, others, err := c.findAll(ctx, typ, query, w.Max)
	if err != nil {
		return message.Message{}, err
	}
	if w.Answer == "bundle" {
		return bundled(found, others)
	}
	return listed(found)
}

// where is the type and the query that the settings ask for.
func (w Search) where() (string, url.Values, error) {
	typ, rawQuery, _ := strings.Cut(w.Path, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", nil, fault.New(fault.Invalid, "search: the query in path cannot be read")
	}
	if w.Resource != "" {
		typ = w.Resource
	}
	if !isType(typ) {
		return "", nil, fault.New(fault.Invalid, "search: resource is a type such as Patient")
	}
	for name, v := range w.Query {
		values, err := words(v)
		if err != nil {
			return "", nil, fault.New(fault.Invalid, "search %s: %s %s", typ, name, err)
		}
		query[name] = append(query[name], values...)
	}
	return typ, query, nil
}

// words reads a query parameter: text, a number, true or false, or a list of those. Null has no meaning in a search:
// leaving it out would find everything.
func words(v any) ([]string, error) {
	switch x := v.(type) {
	case nil:
		return nil, fmt.Errorf("has no value, and without it the search would find more")
	case string:
		if x == "" {
			return nil, fmt.Errorf("is empty, and without it the search would find more")
		}
		return []string{x}, nil
	case int, bool, json.Number:
		return []string{fmt.Sprint(x)}, nil
	case []any:
		var out []string
		for _, item := range x {
			w, err := words(item)
			if err != nil {
				return nil, err
			}
			out = append(out, w...)
		}
		return out, nil
	}
	return nil, fmt.Errorf("is no text, number, or list of those")
}

func isType(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') }) < 0
}

// findAll follows the pages of a search. A page set that expires on the way is begun again.
func (c *client) findAll(ctx context.Context, typ string, query url.Values, most int) (found, others []json.RawMessage, err error) {
	for range 3 {
		found, others, err = c.pages(ctx, typ, query, most)
		if e := fault.Of(err); e == nil || e.Status != http.StatusGone {
			return found, others, err
		}
	}
	return nil, nil, fault.New(fault.Transient, "search %s: the pages expire before they are read", typ)
}

func (c *client) pages(ctx context.Context, typ string, query url.Values, most int) (found, others []json.RawMessage, err error) {
	seen := map[string]bool{}
	at := c.fhir(typ, query)
	for pages := 0; at != "" && (most == 0 || len(found) < most); pages++ {
		b, err := c.page(ctx, "search "+typ, at)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range b.Entry {
			var head struct{ ResourceType, ID string }
			if json.Unmarshal(e.Resource, &head) != nil || seen[head.ResourceType+"/"+head.ID] {
				continue
			}
			seen[head.ResourceType+"/"+head.ID] = true
			if head.ResourceType == typ && e.Search.Mode != "include" {
				found = append(found, e.Resource)
			} else if head.ResourceType != "OperationOutcome" {
				others = append(others, e.Resource)
			}
		}
		if most == 0 && len(found) > mostFound {
			return nil, nil, fault.New(fault.Rejected, "search %s: more than %d are found: narrow the query or set max", typ, mostFound)
		}
		if at = b.next(); at != "" {
			if at, err = c.next(at); err != nil {
				return nil, nil, err
			}
		}
	}
	if most > 0 && len(found) > most {
		found = found[:most]
	}
	return found, others, nil
}

// page reads one page of a search.
func (c *client) page(ctx context.Context, what, at string) (bundle, error) {
	var b bundle
	r, err := c.do(ctx, request{what: what, method: http.MethodGet, url: at, accept: fhirJSON,
		headers: map[string]string{"Cache-Control": "no-cache"}}) // OpenMRS caches the counts of searches
	if err != nil {
		return b, err
	}
	if err := json.Unmarshal(r.body, &b); err != nil || b.ResourceType != "Bundle" {
		return b, &fault.Error{Class: fault.Transient, Status: r.status, Answer: r.body,
			Text: what + ": the answer is no Bundle: does url lead to a proxy or login page?"}
	}
	return b, nil
}

func listed(found []json.RawMessage) (message.Message, error) {
	body := []byte{'['}
	for i, raw := range found {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, raw...)
	}
	return answer(reply{status: http.StatusOK, kind: "application/json", body: append(body, ']')})
}

func bundled(found, others []json.RawMessage) (message.Message, error) {
	body := []byte(`{"resourceType":"Bundle","type":"searchset","total":` + fmt.Sprint(len(found)) + `,"entry":[`)
	for i, raw := range slices.Concat(found, others) {
		mode := "match"
		if i >= len(found) {
			mode = "include"
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"search":{"mode":"`+mode+`"},"resource":`...)
		body = append(body, raw...)
		body = append(body, '}')
	}
	return answer(reply{status: http.StatusOK, kind: fhirJSON, body: append(body, "]}"...)})
}
