package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// world is an outside system in the test's hand: what sources hand in, and what operations were asked.
type world struct {
	mu     sync.Mutex
	inbox  map[string]adapter.Inbox // by route's with.name
	sent   []sent
	answer func(op string, m message.Message) (message.Message, error)
	opened int
	closed int
	active int
	most   int
	hold   chan struct{} // not nil: operations wait for it
	ready  chan string
	ports  map[string]bool // that are held
}

type sent struct {
	Op   string
	ID   message.ID
	Body string
	With map[string]any
	At   time.Time
}

func newWorld() *world {
	return &world{inbox: map[string]adapter.Inbox{}, ready: make(chan string, 1000), ports: map[string]bool{}}
}

type probeSettings struct {
	Label string `yaml:"label" doc:"changes nothing"`
	Fail  bool   `yaml:"fail" doc:"it cannot be opened"`
	Port  string `yaml:"port" doc:"one connection has it"`
}

type probeConn struct {
	w    *world
	port string
}

func (c *probeConn) Close() error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.closed++
	delete(c.w.ports, c.port)
	return nil
}

type feed struct {
	Name string `yaml:"name,required" doc:"what the test calls it"`
}

type put struct {
	To string `yaml:"to" doc:"anything"`
}

func (w *world) adapter() *adapter.Definition {
	op := func(name string) func(*probeConn, context.Context, put, message.Message) (message.Message, error) {
		return func(c *probeConn, ctx context.Context, p put, m message.Message) (message.Message, error) {
			w.mu.Lock()
			w.active++
			w.most = max(w.most, w.active)
			answer, hold := w.answer, w.hold
			w.mu.Unlock()
			defer func() { w.mu.Lock(); w.active--; w.mu.Unlock() }()
			if hold != nil {
				select {
				case <-hold:
				case <-ctx.Done():
					return message.Message{}, fault.As(fault.Transient, ctx.Err())
				}
			}
			out := message.Message{Value: map[string]any{"ok": true}, Status: 200}
			var err error
			if answer != nil {
				out, err = answer(name, m)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil {
				w.sent = append(w.sent, sent{Op: name, ID: m.ID, Body: string(m.Body), With: map[string]any{"to": p.To}, At: time.Now()})
			}
			return out, err
		}
	}
	return adapter.Define("probe", "a system in a test's hand", probeSettings{}, func(_ context.Context, _ adapter.Env, s probeSettings) (*probeConn, error) {
		if s.Fail {
			return nil, fmt.Errorf("it cannot be opened")
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ports[s.Port] {
			return nil, fmt.Errorf("port %s: %w", s.Port, adapter.ErrHeld)
		}
		if s.Port != "" {
			w.ports[s.Port] = true
		}
		w.opened++
		return &probeConn{w, s.Port}, nil
	},
		adapter.Source("feed", "what the test hands in", "json", feed{}, func(_ *probeConn, ctx context.Context, f feed, in adapter.Inbox) error {
			w.mu.Lock()
			w.inbox[f.Name] = in
			w.mu.Unlock()
			w.ready <- f.Name
			<-ctx.Done()
			w.mu.Lock()
			if w.inbox[f.Name] == in {
				delete(w.inbox, f.Name)
			}
			w.mu.Unlock()
			return nil
		}),
		adapter.Operation("put", "keeps it", adapter.Idempotent, put{}, op("put")),
		adapter.Operation("make", "makes something", adapter.Writes, put{}, op("make")),
		adapter.Operation("ask", "tells something", adapter.Reads, put{}, op("ask")),
	)
}

// replies sets what operations answer.
func (w *world) replies(f func(op string, m message.Message) (message.Message, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) got(op string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, s := range w.sent {
		if s.Op == op {
			out = append(out, s.Body)
		}
	}
	return out
}

// rig is an engine on a journal in a folder, running.
type rig struct {
	t      *testing.T
	w      *world
	dir    string
	e      *engine.Engine
	j      *journal.Disk
	cancel context.CancelFunc
	done   chan error
	opts   engine.Options
	wrap   func(journal.Store) journal.Store // may be nil
}

func (r *rig) load(rules string) (*engine.Set, diag.List) {
	r.t.Helper()
	dir := filepath.Join(r.dir, "rules")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o644); err != nil {
		r.t.Fatal(err)
	}
	set, rs, errs := engine.Load(os.DirFS(dir), r.opts.Load)
	if set == nil {
		var b strings.Builder
		for _, e := range errs {
			b.WriteString(e.Render(rs.Source))
		}
		return nil, append(errs, diag.Errorf(diag.Pos{}, "%s", b.String()))
	}
	return set, errs
}

func (r *rig) mustLoad(rules string) *engine.Set {
	r.t.Helper()
	set, errs := r.load(rules)
	if set == nil {
		r.t.Fatalf("rules do not load:\n%s", errs[len(errs)-1].Text)
	}
	return set
}

func defaultOptions(w *world) engine.Options {
	o := engine.Options{Log: slog.New(slog.DiscardHandler), Grace: 2 * time.Second, Load: engine.LoadOptions{Adapters: adapter.NewRegistry(w.adapter())}}
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return o
}

func start(t *testing.T, rules string, change ...func(*engine.Options)) *rig {
	t.Helper()
	r := &rig{t: t, w: newWorld(), dir: t.TempDir()}
	r.opts = defaultOptions(r.w)
	for _, c := range change {
		c(&r.opts)
	}
	r.start(rules)
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) start(rules string) {
	r.t.Helper()
	set := r.mustLoad(rules)
	j, err := journal.OpenDisk(filepath.Join(r.dir, "data"), journal.DiskOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.j = j
	var store journal.Store = j
	if r.wrap != nil {
		store = r.wrap(j)
	}
	r.e = engine.New(store, r.opts)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan error, 1)
	go func() { r.done <- r.e.Run(ctx, set) }()
	for range set.Sources {
		select {
		case <-r.w.ready:
		case err := <-r.done:
			r.t.Fatalf("the engine ended: %v", err)
		case <-time.After(10 * time.Second):
			r.t.Fatal("sources did not start")
		}
	}
}

func (r *rig) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	if err := r.j.Close(); err != nil {
		r.t.Errorf("Close: %v", err)
	}
	r.cancel = nil
}

func (r *rig) in(name string) adapter.Inbox {
	r.t.Helper()
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	in := r.w.inbox[name]
	if in == nil {
		r.t.Fatalf("no source %s", name)
	}
	return in
}

func (r *rig) accept(name, body string) adapter.Reply {
	r.t.Helper()
	reply, err := r.in(name).Accept(context.Background(), message.Message{Body: []byte(body)})
	if err != nil {
		r.t.Fatalf("Accept(%s): %v", body, err)
	}
	return reply
}

// until waits for the thing itself.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("did not happen: %s\n%s", what, r.state())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *rig) state() string {
	recs, err := r.j.Search(context.Background(), journal.Query{Limit: 100})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, rec := range recs {
		fmt.Fprintf(&b, "#%d %s key=%s %s attempts=%d %s %s due=%s\n", rec.Seq, rec.Route, rec.Key, rec.Status, rec.Attempts, rec.Class, rec.Error, rec.Due)
	}
	st, err := r.e.Status(context.Background())
	fmt.Fprintf(&b, "%+v %v", st.Systems, err)
	return b.String()
}

func (r *rig) statuses() map[journal.Status]int {
	recs, err := r.j.Search(context.Background(), journal.Query{Limit: 100000})
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[journal.Status]int{}
	for _, rec := range recs {
		out[rec.Status]++
	}
	return out
}

func (r *rig) ends(want map[journal.Status]int) {
	r.t.Helper()
	r.until(fmt.Sprintf("statuses %v", want), func() bool {
		got := r.statuses()
		for s, n := range want {
			if got[s] != n {
				return false
			}
		}
		total, all := 0, 0
		for _, n := range want {
			total += n
		}
		for _, n := range got {
			all += n
		}
		return total == all
	})
}
