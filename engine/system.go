package engine

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
)

// Connection states, as operators see them.
const (
	SystemUp           = "up"
	SystemDown         = "down"         // the breaker is open: transient failures in a row
	SystemUnauthorized = "unauthorized" // it refused our credentials
	SystemPaused       = "paused"       // by a person
)

// connection is a system that is open, with its limits and its breaker.
type connection struct {
	e    *Engine
	sys  *System
	conn any

	slots   chan struct{} // concurrency
	limiter *rate.Limiter // nil: no limit

	mu       sync.Mutex // guards what follows
	state    string
	why      string
	since    time.Time // of the present state
	failures int       // transient, in a row
	probes   int
	probing  bool // one message is trying
	allow    bool // the next message that comes may try
	timer    *time.Timer
	before   time.Time // the system asked us to wait until then
	parked   []*item
	waits    map[*item]bool // those in parked
	inUse    int
	closing  bool
	shutting bool          // begun, by close or by the last user: one that still held the connection may come and go after it
	shutDone chan struct{} // closed when what the adapter opened is closed
	latency  time.Duration
	lastOK   time.Time
}

func (e *Engine) open(ctx context.Context, s *System) (*connection, error) {
	conn, err := s.Adapter.Open(ctx, adapter.Env{System: s.Name, Log: e.log.With("system", s.Name)}, s.Settings)
	if err != nil {
		return nil, err
	}
	n := s.Limits.Concurrency
	if n <= 0 {
		n = 16
	}
	c := &connection{e: e, sys: s, conn: conn, slots: make(chan struct{}, n), state: SystemUp, since: time.Now(), shutDone: make(chan struct{})}
	if r := s.Limits.Rate; r.N > 0 && r.Per > 0 {
		perSecond := r.N / r.Per.Seconds()
		c.limiter = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/4)))
	}
	return c, nil
}

// enter asks to use the system. ok false: it is down; the item is parked, and woken when it is worth another try.
func (c *connection) enter(ctx context.Context, it *item) (ok bool, err error) {
	if !c.pass(it) {
		return false, nil
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		c.left(it)
		return false, ctx.Err()
	}
	if c.limiter != nil {
		if err := c.limiter.Wait(ctx); err != nil {
			<-c.slots
			c.left(it)
			return false, err
		}
	}
	// The system may have gone down, or asked to be left alone, while this one waited for its turn.
	c.mu.Lock()
	down := c.state != SystemUp || time.Now().Before(c.before)
	if down && (it == nil || it.probe != c) {
		c.free()
		c.park(it)
		c.mu.Unlock()
		<-c.slots
		return false, nil
	}
	c.mu.Unlock()
	return true, nil
}

// pass says whether the item may use the system now; if not, it is parked.
func (c *connection) pass(it *item) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		c.park(it)
		return false
	case c.state == SystemUp && !time.Now().Before(c.before):
	case it != nil && it.probe == c:
	case c.state != SystemUp && c.state != SystemPaused && c.allow && it != nil:
		c.allow, c.probing, it.probe = false, true, c
	default:
		c.park(it)
		return false
	}
	c.inUse++
	return true
}

// joins lets an item whose turn has just failed wait with the others, where the system is down: it is woken when the system is
// back, and not at a time of its own.
func (c *connection) joins(it *item) bool {
	if c == nil || it == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != SystemDown && c.state != SystemUnauthorized || c.closing {
		return false
	}
	c.park(it)
	return true
}

// park lets the item wait. At a connection that is closing it waits but a moment, for the one that takes its place: nobody would
// wake it there. The lock is held.
func (c *connection) park(it *item) {
	if it == nil {
		return
	}
	if c.closing {
		time.AfterFunc(50*time.Millisecond, func() { c.e.sched.wake(it) })
		return
	}
	if c.waits[it] {
		return
	}
	if c.waits == nil {
		c.waits = map[*item]bool{}
	}
	c.waits[it] = true
	c.parked = append(c.parked, it)
}

// left tells that the system was not asked after all. Another one tries in its place.
func (c *connection) left(it *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free()
	if it != nil && it.probe == c {
		it.probe, c.probing, c.allow = nil, false, true
		c.probeAfter(c.backoff())
	}
}

// leave tells how it went.
func (c *connection) leave(it *item, took time.Duration, err error) {
	<-c.slots
	f := fault.Of(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free()
	probe := it != nil && it.probe == c
	if probe {
		it.probe, c.probing = nil, false
	}
	switch {
	case f == nil || f.Class != fault.Transient && f.Class != fault.Unauthorized && f.Class != fault.Unknown:
		c.failures, c.latency, c.lastOK = 0, took, time.Now()
		if c.state == SystemDown || c.state == SystemUnauthorized {
			c.set(SystemUp, "")
			c.release()
		}
	case f.Class == fault.Unauthorized:
		if c.state != SystemPaused {
			c.set(SystemUnauthorized, f.Error())
			c.probeAfter(c.e.o.UnauthorizedRetry)
		}
	default:
		c.failures++
		if f.RetryAfter > 0 {
			c.wait(f.RetryAfter)
		}
		after := c.sys.Breaker.After
		if after <= 0 {
			after = 5
		}
		if c.state == SystemUp && c.failures >= after {
			c.probes = 0
			c.set(SystemDown, f.Error())
			c.probeAfter(c.backoff())
		} else if probe && c.state == SystemDown {
			c.why = f.Error()
			c.probes++
			c.probeAfter(c.backoff())
		} else if probe {
			c.probeAfter(c.e.o.UnauthorizedRetry)
		}
	}
}

// wait honours a Retry-After: nothing goes until then.
func (c *connection) wait(d time.Duration) {
	until := time.Now().Add(d)
	if until.After(c.before) {
		c.before = until
		time.AfterFunc(d, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.state == SystemUp {
				c.release()
			}
		})
	}
}

func (c *connection) backoff() time.Duration {
	from, to := c.sys.Breaker.Probe.From, c.sys.Breaker.Probe.To
	if from <= 0 {
		from, to = 2*time.Second, 2*time.Minute
	}
	return backoff(from, to, c.probes+1)
}

// backoff doubles from the shortest to the longest wait, less up to a quarter, so that many do not come at once.
func backoff(from, to time.Duration, attempt int) time.Duration {
	d := from
	for i := 1; i < attempt && d < to; i++ {
		d *= 2
	}
	d = min(d, max(to, from))
	return d - time.Duration(rand.Int64N(int64(d/4)+1))
}

func (c *connection) set(state, why string) {
	if c.state == state {
		c.why = why
		return
	}
	c.state, c.why, c.since = state, why, time.Now()
	switch state {
	case SystemUp:
		c.e.log.Info("system is up", "system", c.sys.Name)
	case SystemDown:
		c.e.log.Warn("system is down: its messages wait, one at a time tries", "system", c.sys.Name, "err", why)
	case SystemUnauthorized:
		c.e.log.Error("system refused our credentials: its messages wait; mend the credentials in its document, then save it", "system", c.sys.Name, "err", why)
	}
	c.e.observe(Event{Kind: "system", Operation: c.sys.Name, Text: orElse(state+": "+why, state)})
}

// release lets all who wait go on.
func (c *connection) release() {
	parked := c.parked
	c.parked, c.waits, c.allow, c.probing = nil, nil, false, false
	if c.timer != nil {
		c.timer.Stop()
	}
	go func() {
		for _, it := range parked {
			c.e.sched.wake(it)
		}
	}()
}

// probeAfter lets one message try after a while, but not while the system wants to be left alone. The lock is held.
func (c *connection) probeAfter(d time.Duration) {
	if c.timer != nil {
		c.timer.Stop()
	}
	if !c.closing {
		c.timer = time.AfterFunc(max(d, time.Until(c.before)), c.tryOne)
	}
}

func (c *connection) tryOne() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.state == SystemUp || c.state == SystemPaused || c.probing {
		return
	}
	c.allow = true
	if len(c.parked) > 0 {
		it := c.parked[0]
		c.parked[0] = nil
		delete(c.waits, it)
		c.parked = c.parked[1:]
		go c.e.sched.wake(it)
		// Should that one have ended meanwhile, the next one that comes is let through, and the timer looks again.
		c.probeAfter(c.backoff())
	}
}

// pause is a person's word; resume takes it back.
func (c *connection) pause(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(SystemPaused, why)
}

func (c *connection) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = 0
	c.set(SystemUp, "")
	c.release()
}

// close ends the connection once nothing uses it, and hands back who was waiting for it.
func (c *connection) close() {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.closing = true
	if c.timer != nil {
		c.timer.Stop()
	}
	parked := c.parked
	c.parked, c.waits = nil, nil
	idle := c.inUse == 0 && !c.shutting
	c.shutting = c.shutting || idle
	c.mu.Unlock()
	for _, it := range parked {
		c.e.sched.wake(it)
	}
	if idle {
		c.shut()
	}
}

// shut closes what the adapter opened.
func (c *connection) shut() {
	defer close(c.shutDone)
	if cl, ok := c.conn.(io.Closer); ok {
		if err := cl.Close(); err != nil {
			c.e.log.Warn("system did not close well", "system", c.sys.Name, "err", err)
		}
	}
}

// free counts one user less. The lock is held.
func (c *connection) free() {
	c.inUse--
	if c.closing && c.inUse == 0 && !c.shutting {
		c.shutting = true
		go c.shut()
	}
}

// waitShut waits until the connection is closed, but no longer than d.
func (c *connection) waitShut(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.shutDone:
	case <-t.C:
	}
}
