package http

import (
	"context"
	"fmt"
	"maps"
	nethttp "net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// Receive is the settings of the source.
type Receive struct {
	Path    string    `yaml:"path,required" doc:"path of the requests, such as /lab/orders, /lab/{id} or /files/{rest...}; values in braces come as the headers path-id, path-rest"`
	Methods []string  `yaml:"methods" doc:"methods that are taken"`
	Clients []string  `yaml:"clients" doc:"which of the system's clients may send here; all of them unless said otherwise"`
	Headers []string  `yaml:"headers" doc:"headers of requests that rules see, beside the usual ones; never credentials"`
	MaxBody bind.Size `yaml:"max-body" doc:"largest body, also after it is unpacked; the route's limit unless it is smaller"`
}

// BindNode reads the settings and finds what cannot be.
func (w *Receive) BindNode(n *bind.Node) diag.List {
	type fields Receive
	errs := bind.Decode(n, (*fields)(w))
	if v := n.Get("path"); v != nil && !v.Hole && w.Path != "" {
		if err := checkPath(w.Path); err != nil {
			e := diag.Errorf(v.Pos, "%s", err).WithHint("such as /lab/orders or /lab/{id}")
			e.Len = len([]rune(v.Text))
			errs.Add(e)
		}
	}
	for i, m := range w.Methods {
		w.Methods[i] = strings.ToUpper(m)
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, w.Methods[i]) {
			errs.Add(diag.Errorf(placeOf(n, "methods"), "%q is no method", m).WithHint("POST, PUT, PATCH, DELETE, GET or HEAD"))
		}
	}
	if len(w.Methods) == 0 {
		errs.Add(diag.Errorf(placeOf(n, "methods"), "methods is empty, so nothing would be taken").WithHint("such as [POST, PUT]"))
	}
	for _, h := range w.Headers {
		if secretHeader(h) {
			errs.Add(diag.Errorf(placeOf(n, "headers"), "%s holds credentials, which rules do not see", h).WithHint("the header http-client names who sent it"))
		}
	}
	return errs
}

func placeOf(n *bind.Node, key string) diag.Pos {
	if v := n.Get(key); v != nil {
		return v.Pos
	}
	return n.Pos
}

func checkPath(p string) (err error) {
	defer func() { // ServeMux panics on a wrong pattern
		if recover() != nil {
			err = fmt.Errorf("%q is no path", p)
		}
	}()
	if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, " ?#") {
		return fmt.Errorf("%q is no path; it begins with / and has no query", p)
	}
	nethttp.NewServeMux().Handle(p, nethttp.NotFoundHandler())
	return nil
}

// path is what is at one path of a listener.
type path struct {
	pattern string
	names   []string // of the values in braces
	takers  map[string]*taker
	left    time.Time // when the last taker left
}

// taker is one running source.
type taker struct {
	w       Receive
	in      adapter.Inbox
	ctx     context.Context // ends when requests under way must
	clients map[string]Client
	allowed map[string]bool

	mu    sync.Mutex    // guards what follows
	under int           // requests under way
	idle  chan struct{} // set once the source stops; closed when none is under way
}

// enter begins a request; false when the source has stopped.
func (t *taker) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle != nil {
		return false
	}
	t.under++
	return true
}

func (t *taker) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.under--; t.under == 0 && t.idle != nil {
		close(t.idle)
	}
}

// drain takes no more requests and waits for those under way.
func (t *taker) drain() {
	t.mu.Lock()
	t.idle = make(chan struct{})
	if t.under == 0 {
		close(t.idle)
	}
	t.mu.Unlock()
	<-t.idle
}

// swapTime is how long a path that lost its route, or a system that has none yet, says 503 rather than 404: a reload swaps
// routes one by one, and a client must not take that for an answer.
const swapTime = 30 * time.Second

// startTime is how long a path that is not there says so after the listener was opened: routes start one by one.
const startTime = 3 * time.Second

// drainTime is how long requests under way have to end by themselves when their source stops.
const drainTime = time.Second

// receive runs the source: its path is served until ctx ends.
func (c *system) receive(ctx context.Context, w Receive, in adapter.Inbox) error {
	if c.server == nil {
		return fault.New(fault.Bug, "system %s does not listen; add listen: 127.0.0.1:8080 to its document", c.env.System)
	}
	clients := c.s.Clients
	if len(w.Clients) > 0 {
		clients = map[string]Client{}
		for _, name := range w.Clients {
			one, ok := c.s.Clients[name]
			if !ok {
				return fault.New(fault.Bug, "clients: system %s has no client %q", c.env.System, name)
			}
			clients[name] = one
		}
	}
	inner, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	t := &taker{w: w, in: in, ctx: inner, clients: clients, allowed: allowedHeaders(w, clients)}
	if err := c.server.add(t); err != nil {
		return err
	}
	<-ctx.Done()
	c.server.remove(t)
	timer := time.AfterFunc(drainTime, cut)
	defer timer.Stop()
	t.drain()
	return nil
}

// add puts the taker's path and methods on the listener.
func (sv *server) add(t *taker) error {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	p := sv.table.Load().paths[t.w.Path]
	if p == nil {
		p = &path{pattern: t.w.Path, names: braces(t.w.Path), takers: map[string]*taker{}}
	}
	for _, m := range t.w.Methods {
		if p.takers[m] != nil {
			return fault.New(fault.Bug, "another route takes %s %s at system %s already; choose another path or method", m, t.w.Path, sv.env.System)
		}
	}
	next := &path{pattern: p.pattern, names: p.names, takers: map[string]*taker{}}
	for m, other := range p.takers {
		next.takers[m] = other
	}
	for _, m := range t.w.Methods {
		next.takers[m] = t
	}
	return sv.swap(next)
}

func (sv *server) remove(t *taker) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	p := sv.table.Load().paths[t.w.Path]
	next := &path{pattern: p.pattern, names: p.names, takers: map[string]*taker{}, left: time.Now()}
	for m, other := range p.takers {
		if other != t {
			next.takers[m] = other
		}
	}
	_ = sv.swap(next) // it fits: it was there
}

// swap makes the table anew with the path in it. The caller holds mu.
func (sv *server) swap(p *path) (err error) {
	defer func() { // two patterns that overlap, and neither is the more special
		if recover() != nil {
			err = fault.New(fault.Bug, "the path %s overlaps with another route's at system %s, and it cannot be told which is meant; choose another", p.pattern, sv.env.System)
		}
	}()
	next := &table{mux: nethttp.NewServeMux(), paths: maps.Clone(sv.table.Load().paths)}
	if next.paths == nil {
		next.paths = map[string]*path{}
	}
	next.paths[p.pattern] = p
	for pattern, other := range next.paths {
		next.mux.Handle(pattern, sv.at(other))
	}
	sv.table.Store(next)
	return nil
}

// at serves a path.
func (sv *server) at(p *path) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		t := p.takers[r.Method]
		if t != nil {
			sv.take(w, r, p, t)
			return
		}
		if len(p.takers) == 0 {
			if time.Since(p.left) < swapTime {
				later(w, "the route of this path is being changed", 1)
				return
			}
			problem(w, nethttp.StatusNotFound, "there is nothing at this path")
			return
		}
		w.Header().Set("Allow", strings.Join(p.methods(), ", "))
		problem(w, nethttp.StatusMethodNotAllowed, "this path takes "+strings.Join(p.methods(), ", "))
	})
}

func (p *path) methods() []string {
	var out []string
	for m := range p.takers {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// braces gives the names in a pattern.
func braces(pattern string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`\{([^{}$.]+)(\.\.\.)?\}`).FindAllStringSubmatch(pattern, -1) {
		out = append(out, m[1])
	}
	return out
}
