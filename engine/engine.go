package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/rule"
)

// Options is what an engine can be told. The zero value works.
type Options struct {
	Log *slog.Logger
	// Load is how rule sets are loaded: older versions, from the journal, for messages that began under them.
	Load LoadOptions
	// Observe is told what happens to messages, for people who watch. It must be quick, and holds no patient data.
	Observe func(Event)
	// Grace is how long messages under way may go on when the engine stops; default 10 s.
	Grace time.Duration
	// PerRoute is how many messages of one route may be under way at once; default 64.
	PerRoute int
	// Recheck is how long a message that waits for a record in another system is held before it looks again; default 1 h.
	Recheck time.Duration
	// UnauthorizedRetry is how long a system that refused our credentials is left alone; default 5 min.
	UnauthorizedRetry time.Duration
}

// Event is something that happened to a message or a system.
type Event struct {
	Time      time.Time
	Kind      string // accepted, sent, failed, ended, reload, system
	Route     string
	Seq       journal.Seq
	Status    journal.Status
	Operation string
	Text      string
}

// Engine runs one rule set after another on one journal.
type Engine struct {
	j   journal.Store
	o   Options
	log *slog.Logger

	current atomic.Pointer[Set]
	metrics *metrics
	sched   scheduler
	started time.Time

	reloading sync.Mutex // one reload at a time

	mu       sync.Mutex // guards what follows
	versions map[string]*Set
	systems  map[string]*connection
	sources  map[string]*runningSource
	last     ReloadResult
	stopping bool

	work     context.Context // of messages under way
	stopWork context.CancelFunc
	wg       sync.WaitGroup // goroutines of messages, sources and probes
	loaded   chan struct{}  // closed when the open work of an earlier life is in memory

	journalDown atomic.Bool
}

// New makes an engine on j. It starts nothing.
func New(j journal.Store, o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Grace = orDefault(o.Grace, 10*time.Second)
	o.Recheck = orDefault(o.Recheck, time.Hour)
	o.UnauthorizedRetry = orDefault(o.UnauthorizedRetry, 5*time.Minute)
	if o.PerRoute == 0 {
		o.PerRoute = 64
	}
	e := &Engine{j: j, o: o, log: o.Log, versions: map[string]*Set{}, systems: map[string]*connection{}, sources: map[string]*runningSource{}, loaded: make(chan struct{})}
	e.metrics = newMetrics(e)
	e.sched.init(o.PerRoute, e.process)
	return e
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Run opens the set's systems, takes up the work that an earlier life left, starts the sources, and goes on until ctx ends.
// Then it stops the sources, lets what is under way come to a durable state, and returns with everything stopped. Call it once.
func (e *Engine) Run(ctx context.Context, s *Set) error {
	e.started = time.Now()
	e.work, e.stopWork = context.WithCancel(context.WithoutCancel(ctx))
	defer e.stopWork()
	if err := e.swap(ctx, s); err != nil {
		e.stop()
		return err
	}
	if err := e.resume(ctx); err != nil {
		e.stop()
		return err
	}
	close(e.loaded)
	e.startSources(e.current.Load())
	e.log.InfoContext(ctx, "started", "rules", s.Version, "routes", len(s.Plans))
	housekeeping := time.NewTicker(time.Minute)
	defer housekeeping.Stop()
	e.housekeep(ctx)
	for {
		select {
		case <-ctx.Done():
			e.stop()
			return nil
		case <-housekeeping.C:
			e.housekeep(ctx)
		}
	}
}

// Ready says whether sources are running and the journal takes messages.
func (e *Engine) Ready() error {
	select {
	case <-e.loaded:
	default:
		return errors.New("the engine is still starting")
	}
	if e.journalDown.Load() {
		return errors.New("the journal takes no messages: look at the log for why (a full disk, most often)")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return errors.New("the engine is stopping")
	}
	return nil
}

// Set is the one that runs.
func (e *Engine) Set() *Set { return e.current.Load() }

// Journal is the one it runs on.
func (e *Engine) Journal() journal.Store { return e.j }

// stop ends sources first, then work, then connections.
func (e *Engine) stop() {
	e.mu.Lock()
	e.stopping = true
	sources := e.sources
	e.sources = map[string]*runningSource{}
	e.mu.Unlock()
	for _, s := range sources {
		s.cancel()
	}
	for _, s := range sources {
		<-s.done
	}
	e.sched.stop()
	finished := make(chan struct{})
	go func() {
		e.wg.Wait()
		e.sched.active.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(e.o.Grace):
		e.log.Warn("messages under way did not end in time; they go on at the next start")
	}
	e.stopWork()
	<-finished
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.systems {
		c.close()
	}
	e.systems = map[string]*connection{}
	e.log.Info("stopped")
}

// housekeep prunes the journal by the engine document's retention.
func (e *Engine) housekeep(ctx context.Context) {
	s := e.current.Load()
	if s == nil {
		return
	}
	e.tidy()
	var r rule.Retention // without one, what is kept is kept for ever; ids whose time is over still go
	if s.Rules.Engine != nil {
		r = s.Rules.Engine.Retention
	}
	k := journal.Keep{Bodies: r.Bodies, MaxSize: int64(r.MaxSize), For: map[journal.Status]time.Duration{
		journal.Delivered: r.Delivered, journal.Filtered: r.Filtered, journal.Duplicate: r.Duplicate, journal.Dead: r.Dead, journal.Discarded: r.Discarded}}
	n, err := e.j.Prune(ctx, k, time.Now())
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "retention failed", "err", err)
	}
	if n > 0 {
		e.log.InfoContext(ctx, "retention", "messages", n)
	}
}

// wrote looks at the result of a journal write, and says once when the journal stops and when it takes messages again.
func (e *Engine) wrote(err error) error {
	if err == nil || errors.Is(err, journal.ErrState) || errors.Is(err, journal.ErrNotFound) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if err == nil && e.journalDown.CompareAndSwap(true, false) {
			e.log.Info("the journal takes messages again")
		}
		return err
	}
	if e.journalDown.CompareAndSwap(false, true) {
		e.log.Error("the journal takes no messages: sources are told no until it does; free disk space or look at the disk", "err", err)
	}
	return fmt.Errorf("not taken: %w", err)
}

func (e *Engine) observe(ev Event) {
	if e.o.Observe != nil {
		if ev.Time.IsZero() {
			ev.Time = time.Now()
		}
		e.o.Observe(ev)
	}
}
