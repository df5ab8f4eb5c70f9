package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

func TestADownSystemsQueueWaitsAndOneTries(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 5ms..10ms }
to: a.put
`)
	down, tries := true, 0
	r.w.replies(func(string, message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if down {
			tries++
			return message.Message{}, fault.New(fault.Transient, "connection refused")
		}
		return message.Message{}, nil
	})
	for i := range 50 {
		r.accept("r", fmt.Sprintf(`{"n":%d}`, i))
	}
	state := func() engine.SystemStatus {
		st, err := r.e.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range st.Systems {
			if s.Name == "a" {
				return s
			}
		}
		return engine.SystemStatus{}
	}
	r.until("the system is down and its queue waits", func() bool { s := state(); return s.State == engine.SystemDown && s.Waiting >= 45 })
	r.w.mu.Lock()
	before, at := tries, time.Now()
	r.w.mu.Unlock()
	r.until("it is tried some times", func() bool { r.w.mu.Lock(); defer r.w.mu.Unlock(); return tries >= before+4 })
	if took := time.Since(at); took < 30*time.Millisecond {
		t.Errorf("4 tries in %s: more than one message tries", took)
	}
	r.w.mu.Lock()
	down = false
	r.w.mu.Unlock()
	r.ends(map[journal.Status]int{journal.Delivered: 50})
	if s := state(); s.State != engine.SystemUp {
		t.Errorf("the system is %s, want up", s.State)
	}
}

func TestUnauthorizedPausesTheSystem(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
to: b.put
`)
	tries := 0
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		tries++
		return message.Message{}, fault.New(fault.Unauthorized, "the password is wrong")
	})
	r.accept("r", `1`)
	r.until("the system is paused", func() bool {
		st, err := r.e.Status(context.Background())
		return err == nil && slices.ContainsFunc(st.Systems, func(s engine.SystemStatus) bool { return s.Name == "b" && s.State == engine.SystemUnauthorized })
	})
	for range 10 {
		r.accept("r", `2`)
	}
	r.w.mu.Lock()
	if tries != 1 {
		t.Errorf("%d tries with a refused password, want 1: accounts get locked", tries)
	}
	r.w.answer = nil
	r.w.mu.Unlock()
	// The system's document changes: it is worth another try.
	if err := r.e.Reload(context.Background(), r.mustLoad(strings.Replace(site, "system: b\nadapter: probe", "system: b\nadapter: probe\nlabel: new", 1)+`route: r
from: a.feed
with: { name: r }
to: b.put
`)); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 11})
}

func TestConcurrencyAndRateAreLimits(t *testing.T) {
	r := start(t, `engine: test
---
system: b
adapter: probe
limits: { concurrency: 3, rate: 100/s }
---
route: r
from: b.feed
with: { name: r }
to: b.put
`)
	begin := time.Now()
	for i := range 60 {
		r.accept("r", fmt.Sprint(i))
	}
	r.ends(map[journal.Status]int{journal.Delivered: 60})
	if r.w.most > 3 {
		t.Errorf("%d at once, want at most 3", r.w.most)
	}
	if took := time.Since(begin); took < 300*time.Millisecond { // a burst of 25, then 100 a second
		t.Errorf("60 in %s, want at most 100 a second", took)
	}
}

// TestWaitingForASystemTakesNoProcessor counts how often messages that wait for a down system are looked at.
func TestWaitingForASystemTakesNoProcessor(t *testing.T) {
	var events atomic.Int64
	r := start(t, strings.Replace(site, "probe: 20ms..50ms", "probe: 1h..1h", 1)+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 1ms..1ms }
to: a.put
`, func(o *engine.Options) { o.Observe = func(engine.Event) { events.Add(1) } })
	r.w.replies(func(string, message.Message) (message.Message, error) {
		return message.Message{}, fault.New(fault.Transient, "connection refused")
	})
	for i := range 20 {
		r.accept("r", fmt.Sprint(i))
	}
	r.until("all wait for the system", func() bool {
		st, err := r.e.Status(context.Background())
		return err == nil && slices.ContainsFunc(st.Systems, func(s engine.SystemStatus) bool { return s.Name == "a" && s.Waiting == 20 })
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := events.Load()
	time.Sleep(200 * time.Millisecond)
	runtime.ReadMemStats(&after)
	if d := events.Load() - n; d != 0 {
		t.Errorf("%d things happened while all should wait", d)
	}
	if d := after.Mallocs - before.Mallocs; d > 20000 {
		t.Errorf("%d allocations in 200 ms of waiting: it spins", d)
	}
}

// TestWhoOpensTheBreakerGoesWhenTheSystemIsBack has a message fail whose own next try is an hour away.
func TestWhoOpensTheBreakerGoesWhenTheSystemIsBack(t *testing.T) {
	for name, body := range map[string]string{
		"a delivery": "to: a.put\n",
		"a call":     "steps:\n  - call: a.ask\n    as: told\nto: b.put\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, strings.Replace(site, "after: 3", "after: 1", 1)+"route: r\nfrom: b.feed\nwith: { name: r }\nretry: { backoff: 1h..1h }\n"+body)
			fails := 2
			r.w.replies(func(string, message.Message) (message.Message, error) {
				r.w.mu.Lock()
				defer r.w.mu.Unlock()
				if fails > 0 {
					fails--
					return message.Message{}, fault.New(fault.Transient, "connection refused")
				}
				return message.Message{}, nil
			})
			r.accept("r", `{}`)
			r.ends(map[journal.Status]int{journal.Delivered: 1})
		})
	}
}
