package openmrs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// restPage is what is used of a REST search.
type restPage struct {
	Results *[]json.RawMessage `json:"results"`
	Links   []struct {
		Rel string `json:"rel"`
		URI string `json:"uri"`
	} `json:"links"`
}

// restAll follows the next links of a REST search. OpenMRS gives at most webservices.rest.maxResultsAbsolute at once.
func (c *client) restAll(ctx context.Context, what, at string) (message.Message, error) {
	found := []json.RawMessage{}
	seen := map[string]bool{}
	for at != "" && !seen[at] {
		seen[at] = true
		r, err := c.do(ctx, request{what: what, method: http.MethodGet, url: at, accept: "application/json"})
		if err != nil {
			return message.Message{}, err
		}
		if err := isResource(what, r); err != nil {
			return message.Message{}, err
		}
		var p restPage
		if json.Unmarshal(r.body, &p) != nil || p.Results == nil {
			return message.Message{}, fault.New(fault.Rejected, "%s: the answer is no search, so there are no pages to follow", what)
		}
		if found = append(found, *p.Results...); len(found) > mostFound {
			return message.Message{}, fault.New(fault.Rejected, "%s: more than %d are found: narrow the query", what, mostFound)
		}
		at = ""
		for _, l := range p.Links {
			if l.Rel == "next" {
				if at, err = c.nextUnder(c.s.RESTPath, l.URI); err != nil {
					return message.Message{}, err
				}
			}
		}
	}
	body, err := json.Marshal(map[string]any{"results": found})
	if err != nil {
		return message.Message{}, fault.As(fault.Transient, fmt.Errorf("%s: the answer is no JSON: %w", what, err))
	}
	return answer(reply{status: http.StatusOK, kind: "application/json", body: body})
}
