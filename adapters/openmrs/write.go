package openmrs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Create is what create takes.
type Create struct {
	Resource string `yaml:"resource" doc:"the resource type; none: as the body says"`
}

func (c *client) create(ctx context.Context, w Create, m message.Message) (message.Message, error) {
	typ, body, err := resource("create", w.Resource, m)
	if err != nil {
		return message.Message{}, err
	}
	return c.write(ctx, request{what: "create " + typ, method: http.MethodPost, url: c.fhir(typ, nil), kind: fhirJSON, body: body, writes: true})
}

// write sends a request that changes something. An answer without a body is made of its Location.
func (c *client) write(ctx context.Context, q request) (message.Message, error) {
	q.accept = fhirJSON
	r, err := c.do(ctx, q)
	if err != nil {
		return message.Message{}, err
	}
	out, err := answer(r)
	if err != nil {
		return message.Message{}, err
	}
	if out.Value == nil {
		if typ, id, ok := located(r.header.Get("Location")); ok {
			out.Value = map[string]any{"resourceType": typ, "id": id}
			out.Body, _ = message.Encode(out.Value)
			out.Type = fhirJSON
		}
	}
	return out, nil
}

// located reads the type and id in a Location: …/Patient/1/_history/2.
func located(s string) (typ, id string, ok bool) {
	s, _, _ = strings.Cut(s, "/_history/")
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if len(parts) < 2 {
		return "", "", false
	}
	typ, id = parts[len(parts)-2], parts[len(parts)-1]
	return typ, id, isType(typ) && isID(id)
}

// resource reads the resource in the body and its type, which must be typ unless that is "".
func resource(what, typ string, m message.Message) (string, []byte, error) {
	v, err := m.JSON()
	if err != nil {
		return "", nil, fault.As(fault.Invalid, err)
	}
	tree, ok := v.(map[string]any)
	if !ok {
		return "", nil, fault.New(fault.Invalid, "%s: the body is no resource", what)
	}
	is, _ := tree["resourceType"].(string)
	switch {
	case !isType(is):
		return "", nil, fault.New(fault.Invalid, "%s: the body has no resourceType", what)
	case typ != "" && typ != is:
		return "", nil, fault.New(fault.Invalid, "%s: the body is a %s, and not a %s", what, is, typ)
	}
	return is, bodyOf(m), nil
}

// bodyOf is the body's text; a message that was made by jq may have its tree alone.
func bodyOf(m message.Message) []byte {
	if len(m.Body) == 0 && m.Value != nil {
		b, _ := message.Encode(m.Value)
		return b
	}
	return m.Body
}

// Update is what update takes.
type Update struct {
	Path    string `yaml:"path" doc:"type and id; none: as the body says"`
	IfMatch string `yaml:"if-match" doc:"the version that must be there still; another one is a conflict"`
}

func (c *client) update(ctx context.Context, w Update, m message.Message) (message.Message, error) {
	typ, body, err := resource("update", "", m)
	if err != nil {
		return message.Message{}, err
	}
	v, _ := m.JSON()
	tree := v.(map[string]any)
	id, _ := tree["id"].(string)
	path := typ + "/" + id
	if w.Path != "" {
		path = w.Path
	}
	if path, err = resourcePath("update", path); err != nil {
		return message.Message{}, err
	}
	atType, atID, _ := strings.Cut(path, "/")
	if atType != typ {
		return message.Message{}, fault.New(fault.Invalid, "update %s: the body is a %s", path, typ)
	}
	if id != atID {
		if body, err = withID(tree, atID); err != nil {
			return message.Message{}, err
		}
	}
	return c.put(ctx, path, w.IfMatch, body)
}

func (c *client) put(ctx context.Context, path, version string, body []byte) (message.Message, error) {
	q := request{what: "update " + path, method: http.MethodPut, url: c.fhir(path, nil), kind: fhirJSON, body: body}
	if version != "" {
		if !strings.Contains(version, `"`) {
			version = `W/"` + version + `"`
		}
		q.headers = map[string]string{"If-Match": version}
	}
	return c.write(ctx, q)
}

// withID is the resource with that id; FHIR wants it in the body of a PUT.
func withID(tree map[string]any, id string) ([]byte, error) {
	tree = maps.Clone(tree)
	tree["id"] = id
	b, err := message.Encode(tree)
	return b, fault.As(fault.Bug, err)
}

// Conditional is what conditional-create and conditional-update take.
type Conditional struct {
	Resource string         `yaml:"resource" doc:"the resource type; none: as the body says"`
	Search   map[string]any `yaml:"search,required" doc:"search parameters that find the resource, such as { identifier: \"system|value\" }"`
}

// lookUp finds the resource that a condition means. OpenMRS takes no conditional requests: it would ignore If-None-Exist
// and make a second resource, so the search is a request of its own.
func (c *client) lookUp(ctx context.Context, what string, w Conditional, typ string) (json.RawMessage, url.Values, error) {
	_, query, err := Search{Resource: typ, Query: w.Search}.where()
	if err != nil {
		return nil, nil, err
	}
	if len(query) == 0 {
		return nil, nil, fault.New(fault.Invalid, "%s: search is empty and would find any %s", what, typ)
	}
	asked := maps.Clone(query)
	asked.Set("_count", "2")
	found, _, err := c.findAll(ctx, typ, asked, 2)
	switch {
	case err != nil:
		return nil, nil, err
	case len(found) > 1:
		return nil, nil, fault.New(fault.Rejected, "%s: the search finds several; make it find one, or merge them in OpenMRS", what)
	case len(found) == 1:
		return found[0], query, nil
	}
	return nil, query, nil
}

func (c *client) conditionalCreate(ctx context.Context, w Conditional, m message.Message) (message.Message, error) {
	typ, body, err := resource("conditional-create", w.Resource, m)
	if err != nil {
		return message.Message{}, err
	}
	what := "conditional-create " + typ
	found, query, err := c.lookUp(ctx, what, w, typ)
	if err != nil {
		return message.Message{}, err
	}
	if found != nil {
		return answer(reply{status: http.StatusOK, kind: fhirJSON, body: found})
	}
	return c.write(ctx, request{what: what, method: http.MethodPost, url: c.fhir(typ, nil), kind: fhirJSON, body: body,
		headers: map[string]string{"If-None-Exist": query.Encode()}}) // for servers that do take it
}

func (c *client) conditionalUpdate(ctx context.Context, w Conditional, m message.Message) (message.Message, error) {
	typ, body, err := resource("conditional-update", w.Resource, m)
	if err != nil {
		return message.Message{}, err
	}
	what := "conditional-update " + typ
	found, query, err := c.lookUp(ctx, what, w, typ)
	if err != nil {
		return message.Message{}, err
	}
	if found == nil {
		return c.write(ctx, request{what: what, method: http.MethodPost, url: c.fhir(typ, nil), kind: fhirJSON, body: body,
			headers: map[string]string{"If-None-Exist": query.Encode()}})
	}
	var head struct{ ID string }
	if json.Unmarshal(found, &head) != nil || !isID(head.ID) {
		return message.Message{}, fault.New(fault.Rejected, "%s: the resource that is there has no id", what)
	}
	v, _ := m.JSON()
	if body, err = withID(v.(map[string]any), head.ID); err != nil {
		return message.Message{}, err
	}
	return c.put(ctx, typ+"/"+head.ID, "", body)
}

// Patch is what patch takes.
type Patch struct {
	Path    string `yaml:"path,required" doc:"type and id"`
	Patch   []any  `yaml:"patch" doc:"JSON Patch operations; none: the body"`
	IfMatch string `yaml:"if-match" doc:"the version that must be there still; another one is a conflict"`
}

func (c *client) patch(ctx context.Context, w Patch, m message.Message) (message.Message, error) {
	path, err := resourcePath("patch", w.Path)
	if err != nil {
		return message.Message{}, err
	}
	body := bodyOf(m)
	if w.Patch != nil {
		if body, err = message.Encode(w.Patch); err != nil {
			return message.Message{}, fault.As(fault.Bug, err)
		}
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		return message.Message{}, fault.New(fault.Invalid, "patch %s: a JSON Patch is a list of operations", path)
	}
	q := request{what: "patch " + path, method: http.MethodPatch, url: c.fhir(path, nil), kind: "application/json-patch+json", body: body, writes: true}
	if w.IfMatch != "" {
		q.headers = map[string]string{"If-Match": `W/"` + w.IfMatch + `"`}
	}
	return c.write(ctx, q)
}

// Delete is what delete takes.
type Delete struct {
	Path string `yaml:"path,required" doc:"type and id"`
}

func (c *client) delete(ctx context.Context, w Delete, _ message.Message) (message.Message, error) {
	path, err := resourcePath("delete", w.Path)
	if err != nil {
		return message.Message{}, err
	}
	out, err := c.write(ctx, request{what: "delete " + path, method: http.MethodDelete, url: c.fhir(path, nil)})
	var e *fault.Error
	if errors.As(err, &e) && e.Class == fault.Rejected && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
		return message.Message{Status: e.Status}, nil
	}
	return out, err
}

// REST is what rest takes.
type REST struct {
	Method string         `yaml:"method" enum:"POST,PUT,DELETE" doc:"HTTP method; OpenMRS updates by POST too"`
	Path   string         `yaml:"path,required" doc:"path under ws/rest/v1, such as drug/92ab…"`
	Query  map[string]any `yaml:"query" doc:"query parameters"`
}

func (c *client) rest(ctx context.Context, w REST, m message.Message) (message.Message, error) {
	at, what, err := c.restAddress(w.Method, w.Path, w.Query)
	if err != nil {
		return message.Message{}, err
	}
	q := request{what: what, method: w.Method, url: at, accept: "application/json", writes: w.Method != http.MethodDelete}
	if w.Method != http.MethodDelete {
		q.kind, q.body = "application/json", bodyOf(m)
	}
	r, err := c.do(ctx, q)
	if err != nil {
		return message.Message{}, err
	}
	return answer(r)
}
