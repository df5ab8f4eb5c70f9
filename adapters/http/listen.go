package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/njia-health/njia/engine/adapter"
)

// ports are the listeners of a program, by address. A system whose settings changed is opened while the old one still runs:
// both then share the listener, which is never closed between them.
type ports struct {
	mu     sync.Mutex // guards open
	byAddr map[string]*port
}

func newPorts() *ports { return &ports{byAddr: map[string]*port{}} }

// port is a listener and the systems that it serves, the newest first: the old one's paths work until it is closed.
type port struct {
	system  string
	ln      net.Listener
	srv     *nethttp.Server
	served  chan struct{}
	origins *nethttp.CrossOriginProtection
	owners  atomic.Pointer[[]*server]
}

// server is one system's share of a port: its paths.
type server struct {
	ports  *ports
	port   *port
	env    adapter.Env
	s      Settings
	tls    *tls.Config
	opened time.Time
	mu     sync.Mutex   // held while the table is changed
	flight atomic.Int64 // bytes of bodies under way
	table  atomic.Pointer[table]
}

// Time-outs of a connection. A slow network gets its time as long as something arrives.
const (
	headerTime = 15 * time.Second
	idleTime   = 2 * time.Minute
	writeTime  = 60 * time.Second
	stopTime   = 10 * time.Second
	maxHeaders = 64 << 10
)

// open binds the address. An address in use is an error here, and not later.
func (p *ports) open(ctx context.Context, env adapter.Env, s Settings) (*server, error) {
	config, err := serverTLS(s.TLS)
	if err != nil {
		return nil, err
	}
	sv := &server{ports: p, env: env, s: s, tls: config, opened: time.Now()}
	sv.table.Store(&table{mux: nethttp.NewServeMux()})
	p.mu.Lock()
	defer p.mu.Unlock()
	if there := p.byAddr[s.Listen]; there != nil {
		if there.system != env.System {
			return nil, fmt.Errorf("listen: system %s listens at %s already; give each system its own address, or put the routes on one system", there.system, s.Listen)
		}
		sv.port = there
		owners := append([]*server{sv}, *there.owners.Load()...)
		there.owners.Store(&owners)
		return sv, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return nil, listenError(s.Listen, err)
	}
	pt := &port{system: env.System, ln: ln, origins: nethttp.NewCrossOriginProtection(), served: make(chan struct{})}
	sv.port = pt
	pt.owners.Store(&[]*server{sv})
	pt.srv = &nethttp.Server{
		Handler: pt, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(env.Log.Handler(), slog.LevelDebug),
	}
	p.byAddr[s.Listen] = pt
	go func() { // close waits for served
		defer close(pt.served)
		if err := pt.srv.Serve(&secured{ln, pt}); !errors.Is(err, nethttp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			env.Log.Error("the listener has stopped", "err", err)
		}
	}()
	return sv, nil
}

func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), "Only one usage of each socket"):
		return fmt.Errorf("listen: another program listens at %s already; stop it, or choose another port", addr)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("listen: this user may not listen at %s; ports below 1024 need a right of their own, so choose one above", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen: this computer does not have the address %s", addr)
	}
	return fmt.Errorf("listen: %s cannot be listened at", addr)
}

// secured puts TLS on connections as the newest owner says.
type secured struct {
	net.Listener
	port *port
}

func (l *secured) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if config := (*l.port.owners.Load())[0].tls; config != nil {
		return tls.Server(c, config), nil
	}
	return c, nil
}

// close gives the port back; the last to do so stops it, letting requests under way end.
func (sv *server) close() error {
	p := sv.ports
	p.mu.Lock()
	owners := slices.DeleteFunc(slices.Clone(*sv.port.owners.Load()), func(o *server) bool { return o == sv })
	if len(owners) > 0 {
		sv.port.owners.Store(&owners)
		p.mu.Unlock()
		return nil
	}
	delete(p.byAddr, sv.s.Listen)
	err := sv.port.ln.Close() // under the lock, so that the address is free for who opens it next
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if sv.port.srv.Shutdown(ctx) != nil {
		_ = sv.port.srv.Close() // the time for a graceful end is over
	}
	<-sv.port.served
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("the listener at %s did not close", sv.s.Listen)
	}
	return nil
}

// table is what a server has at its paths. It is not changed: a change makes another.
type table struct {
	mux   *nethttp.ServeMux
	paths map[string]*path
}

// ServeHTTP hands a request to the newest owner that takes it.
func (pt *port) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	// A page of another site must not make a browser on this computer or in this network send something.
	if pt.origins.Check(r) != nil {
		problem(w, nethttp.StatusForbidden, "pages of other sites may not send here")
		return
	}
	var swapping *table
	fresh := false
	for _, sv := range *pt.owners.Load() {
		t := sv.table.Load()
		fresh = fresh || time.Since(sv.opened) < startTime || len(t.paths) == 0 && time.Since(sv.opened) < swapTime
		_, pattern := t.mux.Handler(r)
		switch p := t.paths[pattern]; {
		case pattern == "":
		case p == nil || len(p.takers) > 0: // p is nil of a redirect to the path as it should be written
			t.mux.ServeHTTP(w, r)
			return
		case swapping == nil:
			swapping = t
		}
	}
	switch {
	case swapping != nil:
		swapping.mux.ServeHTTP(w, r)
	case fresh:
		later(w, "starting", 1)
	default:
		problem(w, nethttp.StatusNotFound, "there is nothing at this path")
	}
}
