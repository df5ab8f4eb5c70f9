// Package openmrs speaks to OpenMRS as an outside user: FHIR R4 (fhir2 module) and REST v1.
//
//	source changes:  search by _lastUpdated ──┐                      ┌─> create, update
//	                 overlap, marks           ├─ what is new? ──> Inbox
//	                 sweep of open items ─────┘                      └─> update, delete (410)
//	operations:      read, search, create, update, … ──> request ──> value, or an OperationOutcome as a fault
package openmrs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/njia-health/njia/adapters/http/auth"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
)

// Adapter is this package's one declaration. adapters/adapters.go lists it.
func Adapter() *adapter.Definition {
	return adapter.Define("openmrs", "OpenMRS: changes of FHIR resources, and FHIR and REST calls",
		Settings{FHIRPath: "/ws/fhir2/R4", RESTPath: "/ws/rest/v1", Timeout: 30 * time.Second, PageSize: 100, MaxAnswer: 32 << 20}, open,
		adapter.Source("changes", "resources that are new, changed, stopped or voided", "fhir+json", changesDefaults, (*client).changes),
		adapter.Operation("read", "reads a resource; one that is gone is rejected with status 404 or 410", adapter.Reads, Read{}, (*client).read),
		adapter.Operation("search", "finds resources, following pages; the answer is the list of those found", adapter.Reads, Search{Answer: "list"}, (*client).search),
		adapter.Operation("create", "makes the resource in the body", adapter.Writes, Create{}, (*client).create),
		adapter.Operation("update", "puts the resource in the body in place of the one that is there", adapter.Idempotent, Update{}, (*client).update),
		adapter.Operation("conditional-create", "makes the resource unless the search finds one; the answer is that one", adapter.Idempotent, Conditional{}, (*client).conditionalCreate),
		adapter.Operation("conditional-update", "updates the one resource that the search finds, or makes it", adapter.Idempotent, Conditional{}, (*client).conditionalUpdate),
		adapter.Operation("patch", "changes parts of a resource by a JSON Patch", adapter.Writes, Patch{}, (*client).patch),
		adapter.Operation("delete", "voids a resource; one that is gone already is well", adapter.Idempotent, Delete{}, (*client).delete),
		adapter.Operation("rest-get", "reads from REST v1", adapter.Reads, RESTGet{}, (*client).restGet),
		adapter.Operation("rest", "sends the body to REST v1", adapter.Writes, REST{Method: "POST"}, (*client).rest),
		adapter.Health((*client).health),
	)
}

// Settings are those of a system document.
type Settings struct {
	URL       string        `yaml:"url,required" doc:"where OpenMRS is, such as http://openmrs:8080/openmrs"`
	Auth      auth.Auth     `yaml:"auth" doc:"credentials: basic, or with a login module bearer, oauth2 or header"`
	FHIRPath  string        `yaml:"fhir-path" doc:"path of FHIR R4 under url"`
	RESTPath  string        `yaml:"rest-path" doc:"path of REST v1 under url"`
	Timeout   time.Duration `yaml:"timeout" doc:"how long one request may take"`
	PageSize  int           `yaml:"page-size" doc:"resources to ask for at once; OpenMRS gives at most 100"`
	MaxAnswer bind.Size     `yaml:"max-answer" doc:"largest answer that is read"`
}

func open(_ context.Context, env adapter.Env, s Settings) (*client, error) {
	u, err := url.Parse(strings.TrimRight(s.URL, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return nil, fmt.Errorf("url: write a web address without name and password, as in http://openmrs:8080/openmrs")
	}
	if s.PageSize < 1 {
		return nil, fmt.Errorf("page-size: at least 1")
	}
	if err := s.Auth.Check(); err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.IdleConnTimeout = 10 * time.Second // Tomcat closes after 20 s
	fresh := t.Clone()
	fresh.DisableKeepAlives = true
	return &client{env: env, s: s, base: u, http: s.client(t), fresh: s.client(fresh)}, nil
}

// client sends over t with the credentials, which go nowhere but to the address in the rules.
func (s Settings) client(t http.RoundTripper) *http.Client {
	return s.Auth.Client(&http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }})
}
