// Package openmrs is a double of an OpenMRS server: FHIR2's R4 endpoint and a
// little of REST v1, over records in memory.
//
//	GET/POST/PUT/PATCH/DELETE /openmrs/ws/fhir2/R4/{Type}[/{id}]
//	GET /openmrs/ws/rest/v1/{session | order/{uuid} | encounter/{uuid}}
//
// It has FHIR2's traps on purpose: see record.updated for what _lastUpdated
// does not show, page.go for pages, and scenario.go for what happens in a
// clinic. Shapes are those of the recorded exchanges in data/ (PROVENANCE.md);
// what has no recording follows openmrs-module-fhir2 4.2 and HAPI's plain
// server, as each place says.
package openmrs

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/njia-health/njia/conformance/systems/script"
)

// Options tune a Server. The zero value is a server as installed.
type Options struct {
	// Now is the server's clock, by default time.Now. It decides dateCreated
	// and dateChanged, and so _lastUpdated.
	Now func() time.Time
	// User and Password are admin and Admin123 by default.
	User, Password string
	// Open takes requests without credentials.
	Open bool
	// Shuffle other than 0 gives rows of equal _lastUpdated, and rows of a
	// search without _sort, another order in every search. The order depends
	// on the number of the search and on Shuffle alone.
	Shuffle uint64
	// PageTTL is how long the pages of a search can be asked for, by default
	// 15 minutes by Now.
	PageTTL time.Duration
	// LivePages runs the search again for every page, as FHIR2 since 1.4 does:
	// a row that comes or goes between two pages moves all rows behind it. By
	// default a page set is fixed at the first search, as in older versions.
	LivePages bool
	// Upsert are the types that PUT may create, FHIR2's setting
	// fhir2.upsert.supported.resources: by default Task, Practitioner,
	// Medication and Location.
	Upsert []string
}

// Server is the double. It is an http.Handler and safe for concurrent use. The
// methods of script.Script make it fail.
type Server struct {
	script.Script
	opts Options

	mu       sync.Mutex // guards all below
	records  map[key]*record
	order    []*record // as they came
	pages    map[string]*pageSet
	pageFIFO []string
	searches uint64
	uuids    uint64
	session  map[string]bool
}

type key struct{ typ, id string }

// New is an empty server.
func New(opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.User == "" {
		opts.User, opts.Password = "admin", "Admin123"
	}
	if opts.PageTTL == 0 {
		opts.PageTTL = 15 * time.Minute
	}
	if opts.Upsert == nil {
		opts.Upsert = []string{"Task", "Practitioner", "Medication", "Location"}
	}
	return &Server{opts: opts, records: map[key]*record{}, pages: map[string]*pageSet{}, session: map[string]bool{}}
}

const (
	fhirPath = "/openmrs/ws/fhir2/R4"
	restPath = "/openmrs/ws/rest/v1"
)

// ServeHTTP answers one request, unless the script says otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Serve(w, r, s.serve)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	fhir, isFHIR := under(path, fhirPath)
	rest, isREST := under(path, restPath)
	if !isFHIR && !isREST {
		http.NotFound(w, r)
		return
	}
	if isFHIR && fhir == "metadata" {
		s.metadata(w)
		return
	}
	if !s.authenticated(r) {
		if isREST && rest == "session" {
			writeREST(w, http.StatusOK, restSession(nil))
			return
		}
		unauthorized(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if isREST {
		s.rest(w, r, rest)
		return
	}
	s.fhir(w, r, fhir)
}

// under is what is behind the folder dir in path.
func under(path, dir string) (rest string, ok bool) {
	if path == dir {
		return "", true
	}
	return strings.CutPrefix(path, dir+"/")
}

func (s *Server) authenticated(r *http.Request) bool {
	if s.opts.Open {
		return true
	}
	if c, err := r.Cookie("JSESSIONID"); err == nil {
		s.mu.Lock()
		known := s.session[c.Value]
		s.mu.Unlock()
		if known {
			return true
		}
	}
	user, password, ok := r.BasicAuth()
	return ok &&
		subtle.ConstantTimeCompare([]byte(user), []byte(s.opts.User)) == 1 &&
		subtle.ConstantTimeCompare([]byte(password), []byte(s.opts.Password)) == 1
}

// unauthorized is the container's error page, for FHIR too: the filter answers
// before HAPI, so there is no OperationOutcome. REST adds the realm.
func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="OpenMRS at /openmrs/ws/rest/v1"`)
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `<!doctype html><html lang="en"><head><title>HTTP Status 401 – Unauthorized</title></head>`+
		`<body><h1>HTTP Status 401 – Unauthorized</h1><p><b>Message</b> Not authenticated</p></body></html>`)
}

// now is the clock in UTC. MySQL keeps OpenMRS's dates to the second.
func (s *Server) now() time.Time { return s.opts.Now().UTC().Truncate(time.Second) }

// newUUID is the next of a fixed row of uuids, so that a test can be repeated.
// The caller holds mu.
func (s *Server) newUUID() string {
	s.uuids++
	return uuidOf(fmt.Sprintf("server/%d", s.uuids))
}

// ExpirePages forgets all page sets: the next page of any search is 410.
func (s *Server) ExpirePages() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pages)
	s.pageFIFO = nil
}

// mix is a fast hash of a and the bytes of id (FNV-1a over both).
func mix(a uint64, id string) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], a)
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h ^ h>>29
}
