package openmrs

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Read is what read takes.
type Read struct {
	Path string `yaml:"path,required" doc:"type and id, such as Patient/92ab…; a reference of a resource is one"`
}

func (c *client) read(ctx context.Context, w Read, _ message.Message) (message.Message, error) {
	path, err := resourcePath("read", w.Path)
	if err != nil {
		return message.Message{}, err
	}
	r, err := c.do(ctx, request{what: "read " + path, method: http.MethodGet, url: c.fhir(path, nil), accept: fhirJSON})
	if err != nil {
		return message.Message{}, err
	}
	if err := isResource("read "+path, r); err != nil {
		return message.Message{}, err
	}
	return answer(r)
}

// resourcePath reads Type/id or Type/id/_history/version. A full address is taken by its end, since a reference may be one.
func resourcePath(what, s string) (string, error) {
	if i := strings.LastIndex(s, "/ws/fhir2/R4/"); i >= 0 {
		s = s[i+len("/ws/fhir2/R4/"):]
	}
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if len(parts) == 4 && parts[2] == "_history" || len(parts) == 2 {
		ok := isType(parts[0])
		for _, p := range parts[1:] {
			ok = ok && isID(p)
		}
		if ok {
			return strings.Join(parts, "/"), nil
		}
	}
	if s == "" {
		return "", fault.New(fault.Invalid, "%s: path is empty: the reference is not there", what)
	}
	return "", fault.New(fault.Invalid, "%s: path is a type and an id, as in Patient/92ab; a bare id needs its type in front", what)
}

// isID says that s is an id that can stand in an address. OpenMRS's may be longer than FHIR's 64 letters.
func isID(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "?#%&\\ \t\n") && len(s) <= 128
}

func isResource(what string, r reply) error {
	if r.json() {
		return nil
	}
	return &fault.Error{Class: fault.Transient, Status: r.status, Answer: r.body,
		Text: what + ": the answer is no resource: does url lead to a proxy or login page?"}
}

// RESTGet is what rest-get takes.
type RESTGet struct {
	Path  string         `yaml:"path,required" doc:"path under ws/rest/v1, such as order/92ab…"`
	Query map[string]any `yaml:"query" doc:"query parameters, such as { v: full }"`
	All   bool           `yaml:"all" doc:"whether to read a search to its end, page by page; the answer is {results: […]}"`
}

func (c *client) restGet(ctx context.Context, w RESTGet, _ message.Message) (message.Message, error) {
	at, what, err := c.restAddress("GET", w.Path, w.Query)
	if err != nil {
		return message.Message{}, err
	}
	if w.All {
		return c.restAll(ctx, what, at)
	}
	r, err := c.do(ctx, request{what: what, method: http.MethodGet, url: at, accept: "application/json"})
	if err != nil {
		return message.Message{}, err
	}
	if err := isResource(what, r); err != nil {
		return message.Message{}, err
	}
	return answer(r)
}

func (c *client) restAddress(method, path string, query map[string]any) (at, what string, err error) {
	path, raw, _ := strings.Cut(strings.Trim(path, "/"), "?")
	values, err := url.ParseQuery(raw)
	what = "REST " + method + " " + path
	if err != nil || path == "" || strings.Contains("/"+path+"/", "/../") {
		return "", what, fault.New(fault.Invalid, "%s: path cannot be used", what)
	}
	for name, v := range query {
		w, err := words(v)
		if err != nil {
			return "", what, fault.New(fault.Invalid, "%s: %s %s", what, name, err)
		}
		values[name] = append(values[name], w...)
	}
	return c.address(c.s.RESTPath, path, values), what, nil
}
