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
//	        → tables (table.go) of models (models.go) with their fields (field.go)
package odoo

import (
	"net/http"
	"sync"
	"time"

	"github.com/njia-health/njia/conformance/systems/script"
)

// Options tune a Server. The zero value is an Odoo as installed, database odoo,
// user admin with password admin.
type Options struct {
	// Now is the server's clock, by default time.Now.
	Now func() time.Time
	// Database is the one database there is, by default odoo.
	Database string
	// Version is what version calls answer, by default 18.0. JSON-2 is served
	// for any.
	Version string
	// Users are added to admin. One named admin changes its password and key.
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
	// Rights are what the user may do per model, letters of "crud" (unlink is
	// d). nil is everything.
	Rights map[string]string
}

// Field is a custom field.
type Field struct {
	Model, Name string
	// Type is char, text, html, integer, float, boolean, date, datetime,
	// selection or many2one; char by default.
	Type      string
	Label     string
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

	mu sync.Mutex // guards all below
}

// New is a server with Odoo's own records only.
func New(opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Server{opts: opts}
}

// ServeHTTP answers one request, unless the script says otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Serve(w, r, s.serve)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Records are all records of a model in order of id, archived ones too, as
// read gives them.
func (s *Server) Records(model string) []map[string]any { return nil }

// ExpireSessions ends every web session: the next call answers code 100.
func (s *Server) ExpireSessions() {}

// SeedClinic adds the products, units and countries that fit openmrs.Seed.
func (s *Server) SeedClinic() {}
