// Package script makes a double of another system misbehave on demand and
// remembers what it was asked.
//
//	request → noted → down? → delay → scripted fault? → the double → answer lost?
package script

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Script stands before a double. The zero value lets everything pass. It is
// safe for concurrent use.
type Script struct {
	mu       sync.Mutex // guards all below
	faults   []fault
	delay    time.Duration
	down     bool
	lose     int
	requests []Request // the last ones, at most keptRequests
	first    int       // the number of requests[0], counted from the start
}

// keptRequests bounds what Requests gives, so that a long run does not fill
// the memory.
const keptRequests = 20_000

type fault struct {
	left   int
	match  func(Request) bool
	status int
	body   string
	header http.Header
}

// Request is one request as the double saw it.
type Request struct {
	Time   time.Time // when it came, by the machine's clock
	Method string
	Path   string
	Query  string // raw
	Header http.Header
	Body   []byte
	Status int // of the answer; 0 while there is none and when the connection was cut
}

// Fail answers the next n requests with status and body and does nothing else.
// The header may be nil; Retry-After and Content-Type go there.
func (s *Script) Fail(n, status int, body string, header http.Header) {
	s.FailWhen(nil, n, status, body, header)
}

// FailWhen is Fail for the next n requests that match accepts. A nil match
// accepts every request. Scripted faults are tried in the order they were given.
func (s *Script) FailWhen(match func(Request) bool, n, status int, body string, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{n, match, status, body, header})
}

// LoseAnswers lets the double do what the next n requests ask and then cuts the
// connection, so that the caller cannot know.
func (s *Script) LoseAnswers(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

// Delay makes every later request wait d, or until its context ends.
func (s *Script) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// Down cuts the connection of every later request without an answer, until
// Down(false).
func (s *Script) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Requests are those that came so far, in order, at most the last 20,000. The
// caller owns the slice.
func (s *Script) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ForgetRequests empties the list that Requests gives.
func (s *Script) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first += len(s.requests)
	s.requests = nil
}

// Serve plays the script for one request and lets next answer it if the script
// does not. It cuts a connection by panicking with http.ErrAbortHandler, which
// net/http understands.
func (s *Script) Serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	req := Request{
		Time: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body,
	}
	n, delay, down := s.note(req)
	if down {
		panic(http.ErrAbortHandler)
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f, ok := s.fault(req); ok {
		for k, v := range f.header {
			w.Header()[http.CanonicalHeaderKey(k)] = v
		}
		w.WriteHeader(f.status)
		io.WriteString(w, f.body)
		s.answered(n, f.status)
		return
	}
	if s.losing() {
		next(&discard{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
	watch := &watcher{ResponseWriter: w, status: http.StatusOK}
	next(watch, r)
	s.answered(n, watch.status)
}

// note keeps the request and gives its number.
func (s *Script) note(req Request) (n int, delay time.Duration, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == keptRequests {
		s.first += keptRequests / 2
		s.requests = slices.Delete(s.requests, 0, keptRequests/2)
	}
	s.requests = append(s.requests, req)
	return s.first + len(s.requests) - 1, s.delay, s.down
}

func (s *Script) answered(n, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= s.first { // else it is forgotten
		s.requests[n-s.first].Status = status
	}
}

func (s *Script) losing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lose == 0 {
		return false
	}
	s.lose--
	return true
}

func (s *Script) fault(req Request) (fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		if f.left > 0 && (f.match == nil || f.match(req)) {
			f.left--
			out := *f
			if f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			return out, true
		}
	}
	return fault{}, false
}

type watcher struct {
	http.ResponseWriter
	status int
}

func (w *watcher) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// discard is where a lost answer goes.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
