// Package odoo is a double of an Odoo 18 server with its sales application,
// over records in memory.
//
//	POST /jsonrpc                       service common and object
//	POST /xmlrpc/2/{common,object}      fault codes 1 to 4
//	POST /xmlrpc/{common,object}        version 1: faults with text codes
//	POST /web/session/authenticate      a session cookie
//	POST /web/dataset/call_kw[/…]       with that cookie; code 100 when it expired
//	POST /json/2/{model}/{method}       Odoo 19: bearer key, real status codes
//
// Answers are those of the recorded exchanges in testdata/real; replay_test.go
// sends every recorded request and says what is not equal, and why.
//
//	request → protocol (jsonrpc.go, xmlrpc.go, session.go, json2.go)
//	        → call (methods.go): rights, then a method of the model, in one transaction
//	        → tables (table.go, orm.go) of models (models.go, sale.go)
package odoo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
	"github.com/njia-health/njia/conformance/systems/script"
)

// Options tune a Server. The zero value is an Odoo as installed: database odoo,
// user admin with password admin and API key admin-api-key.
type Options struct {
	// Now is the server's clock, by default time.Now.
	Now func() time.Time
	// Database is the one database there is, by default odoo.
	Database string
	// Version is what version calls answer, by default 18.0. JSON-2 is served
	// for any.
	Version string
	// Users are added to admin. One named admin changes its password, key and
	// rights.
	Users []User
	// Fields are custom fields, x_… by Odoo's convention.
	Fields []Field
	// TaxPercent is the sales tax of every product: amount_total is more than
	// the lines by that much.
	TaxPercent float64
}

// User is somebody who may log in.
type User struct {
	Login, Password string
	// Key is an API key: it stands for the password in RPC, and is the bearer
	// key of JSON-2.
	Key string
	// Rights are what the user may do per model, letters of "crud" (d is
	// unlink). nil is everything.
	Rights map[string]string
}

// Field is a custom field.
type Field struct {
	Model, Name string
	// Type is char, text, html, integer, float, boolean, date, datetime,
	// selection or many2one; char by default.
	Type      string
	Label     string // Name by default
	Required  bool
	Relation  string      // of a many2one: the other model
	Selection [][2]string // value and label
	// Unique makes a second record of the same value a fault with this text.
	Unique string
}

// Server is the double. It is an http.Handler and safe for concurrent use. The
// methods of script.Script make it fail.
type Server struct {
	script.Script
	opts Options

	mu           sync.Mutex // guards all below
	models       map[string]*model
	modelNames   []string // in order
	tables       map[string]*table
	users        map[int64]*user
	sessions     map[string]int64 // cookie to user
	sessionCount int
	quotations   int // the sequence of sale.order.name
	refusals     []refusal
}

// New is a server with Odoo's own records only. It panics on custom fields and
// users that cannot be.
func New(opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Database == "" {
		opts.Database = "odoo"
	}
	if opts.Version == "" {
		opts.Version = "18.0"
	}
	s := &Server{opts: opts, models: map[string]*model{}, tables: map[string]*table{}, users: map[int64]*user{}, sessions: map[string]int64{}}
	for _, m := range standardModels() {
		s.models[m.name] = m
		s.modelNames = append(s.modelNames, m.name)
	}
	if err := s.addCustom(opts.Fields); err != nil {
		panic(err)
	}
	for _, m := range s.models {
		s.tables[m.name] = newTable(m)
	}
	s.seedBase()
	if err := s.seedUsers(); err != nil {
		panic(err)
	}
	return s
}

// ServeHTTP answers one request, unless the script says otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Serve(w, r, s.serve)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Server", "Werkzeug/2.2.2 Python/3.11.2")
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/json/2/"):
		s.json2(w, r, strings.TrimPrefix(path, "/json/2/"))
	case path == "/web/health":
		writeValue(w, ordered.Of("status", "pass"))
	case path == "/web/version": // Odoo 19
		v := s.version()
		writeValue(w, ordered.Of("version_info", v.Value("server_version_info"), "version", s.opts.Version))
	case r.Method != http.MethodPost:
		s.notFound(w)
	case path == "/jsonrpc":
		s.jsonrpc(w, r)
	case strings.HasPrefix(path, "/xmlrpc/2/"):
		s.xmlrpc(w, r, strings.TrimPrefix(path, "/xmlrpc/2/"), false)
	case strings.HasPrefix(path, "/xmlrpc/"):
		s.xmlrpc(w, r, strings.TrimPrefix(path, "/xmlrpc/"), true)
	case path == "/web/session/authenticate":
		s.authenticate(w, r)
	case path == "/web/webclient/version_info":
		if id, _, ok := jsonBody(w, r); ok {
			writeJSON(w, id, s.version(), nil)
		}
	case path == "/web/session/destroy":
		s.destroySession(w, r)
	case path == "/web/dataset/call_kw" || strings.HasPrefix(path, "/web/dataset/call_kw/"):
		s.callKW(w, r)
	default:
		s.notFound(w)
	}
}

// Records are all records of a model in order of id, archived ones too, as
// read gives them: false for empty, [id, name] for a many2one.
func (s *Server) Records(model string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mustModel(model)
	rows, err := s.begin(nil, nil).read(m, s.tables[model].ids, nil, false)
	if err != nil {
		panic(err)
	}
	out := make([]map[string]any, len(rows))
	for i, r := range rows {
		out[i] = ordered.Plain(r).(map[string]any)
	}
	return out
}

func (s *Server) mustModel(name string) *model {
	m := s.models[name]
	if m == nil {
		panic(fmt.Sprintf("odoo: no model %s", name))
	}
	return m
}

// Create makes a record as Odoo itself, and gives its id. It panics when Odoo
// would refuse: that is a fault in the test.
func (s *Server) Create(model string, vals map[string]any) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.begin(nil, nil).create(s.mustModel(model), values(vals))
	if err != nil {
		panic(err)
	}
	return id
}

// Write changes a record as Odoo itself, as somebody at its screen would.
func (s *Server) Write(model string, id int64, vals map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(nil, nil).write(s.mustModel(model), []int64{id}, values(vals)); err != nil {
		panic(err)
	}
}

// Unlink deletes a record as Odoo itself.
func (s *Server) Unlink(model string, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(nil, nil).unlink(s.mustModel(model), []int64{id}); err != nil {
		panic(err)
	}
}

// Call does a method on records as Odoo itself, action_confirm for one.
func (s *Server) Call(model, method string, ids ...int64) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, err := s.call(nil, model, method, []any{idList(ids)}, &ordered.Map{})
	if err != nil {
		panic(err)
	}
	return out
}

// values turns Go values into what a request would have brought.
func values(vals map[string]any) *ordered.Map {
	text, err := json.Marshal(vals)
	if err != nil {
		panic(err)
	}
	v, err := ordered.Parse(text)
	if err != nil {
		panic(err)
	}
	return fromJSON(v).(*ordered.Map)
}
