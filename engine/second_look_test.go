package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// answers lets the outside system answer by f.
func (w *world) answers(f func(op, body string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f == nil {
		w.answer = nil
		return
	}
	w.answer = func(op string, m message.Message) (message.Message, error) {
		return message.Message{Value: map[string]any{"ok": true}, Status: 200}, f(op, string(m.Body))
	}
}

func (r *rig) seq(id message.ID) journal.Seq {
	r.t.Helper()
	seq, err := r.j.Find(context.Background(), string(id))
	if err != nil {
		r.t.Fatal(err)
	}
	return seq
}

// TestARetriedMessageKeepsItsPlace retries one that blocks the later ones of its key.
func TestARetriedMessageKeepsItsPlace(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
key: ${body.key}
to: b.put
`)
	var bad atomic.Bool
	bad.Store(true)
	r.w.answers(func(_, body string) error {
		if bad.Load() && strings.Contains(body, `"n":1`) {
			return fault.New(fault.Conflict, "not so")
		}
		return nil
	})
	rep := r.accept("r", `{"key":"x","n":1}`)
	r.ends(map[journal.Status]int{journal.Held: 1})
	r.accept("r", `{"key":"x","n":2}`)
	bad.Store(false)
	if err := r.e.Retry(context.Background(), r.seq(rep.ID), "eve", ""); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 2})
	if got := r.w.got("put"); !strings.Contains(got[0], `"n":1`) {
		t.Errorf("left in order %v", got)
	}
}

// TestARecheckIsOnlyForWhatIsStillHeld discards a message that would look again by itself.
func TestARecheckIsOnlyForWhatIsStillHeld(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
steps:
  - call: b.ask
    as: found
    expect: one
to: b.put
`, func(o *engine.Options) { o.Recheck = 100 * time.Millisecond })
	r.w.mu.Lock()
	r.w.answer = func(string, message.Message) (message.Message, error) { return message.Message{Value: []any{}}, nil }
	r.w.mu.Unlock()
	rep := r.accept("r", `{}`)
	r.ends(map[journal.Status]int{journal.Held: 1})
	if err := r.e.Discard(context.Background(), r.seq(rep.ID), "eve", "not wanted"); err != nil {
		t.Fatal(err)
	}
	r.w.answers(nil)
	time.Sleep(300 * time.Millisecond)
	r.ends(map[journal.Status]int{journal.Discarded: 1})
}

// TestAfterARestartPartsGoBeforeWhatCameLater restarts while a part of a split message and a later message of its key wait.
func TestAfterARestartPartsGoBeforeWhatCameLater(t *testing.T) {
	rules := site + `route: r
from: b.feed
with: { name: r }
key: ${body.key}
retry: { backoff: 5ms..5ms }
steps:
  - choose:
      - when: has(body.boxes)
        steps:
          - split: .boxes[]
      - when: has(body.items)
        steps:
          - split: .items[]
  - choose:
      - when: has(body.items)
        steps:
          - split: .items[]
to: a.put
`
	r := start(t, rules, func(o *engine.Options) { o.Grace = 10 * time.Millisecond })
	r.w.mu.Lock()
	r.w.hold = make(chan struct{})
	r.w.mu.Unlock()
	r.accept("r", `{"key":"x","boxes":[{"items":[1,2]},{"items":[3]}]}`)
	r.until("a part is being sent", func() bool { r.w.mu.Lock(); defer r.w.mu.Unlock(); return r.w.active == 1 })
	r.accept("r", `{"key":"x","n":9}`)
	r.stop()
	r.w.mu.Lock()
	r.w.hold = nil
	r.w.mu.Unlock()
	r.start(rules)
	r.until("all left", func() bool { return len(r.w.got("put")) == 4 })
	if got := r.w.got("put"); !strings.Contains(got[3], `"n":9`) {
		t.Errorf("left in order %v", got)
	}
}

// TestHeldUnderOldRulesIsReleasedByThePresentOnes lets a message fail under the rules that it began with, after the cure came.
func TestHeldUnderOldRulesIsReleasedByThePresentOnes(t *testing.T) {
	rules := func(entries string) string {
		return strings.Replace(site, "probe: 20ms..50ms", "probe: 20ms..20ms", 1) + `route: r
from: b.feed
with: { name: r }
steps:
  - call: a.ask
    as: found
  - translate: { map: codes, from: .code }
to: b.put
---
map: codes
inline: { ` + entries + ` }
`
	}
	r := start(t, rules("x: y"), func(o *engine.Options) {})
	var down atomic.Bool
	down.Store(true)
	r.w.answers(func(op, _ string) error {
		if op == "ask" && down.Load() {
			return &fault.Error{Class: fault.Transient, Text: "down", RetryAfter: 300 * time.Millisecond}
		}
		return nil
	})
	r.accept("r", `{"code":"new"}`)
	r.ends(map[journal.Status]int{journal.Retrying: 1})
	if err := r.e.Reload(context.Background(), r.mustLoad(rules("x: y, new: z"))); err != nil {
		t.Fatal(err)
	}
	down.Store(false)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
}

// TestAGateSurvivesItsSystem lets the system that a gate asks fail once: the gate goes on, and nothing before it is done again.
func TestAGateSurvivesItsSystem(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 5ms..5ms }
steps:
  - dedupe: { by: "${body.id}" }
  - call: b.ask
    as: before
    body: '"before"'
  - wait: { until: vars.bill.ok == true, call: a.ask, as: bill, every: 20ms, for: 1h }
to: b.put
`)
	var n, before atomic.Int64
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		if op == "put" {
			return message.Message{}, nil
		}
		if strings.Contains(string(m.Body), "before") {
			before.Add(1)
			return message.Message{Value: 1}, nil
		}
		i := n.Add(1)
		if i == 2 {
			return message.Message{}, fault.New(fault.Transient, "not now")
		}
		return message.Message{Value: map[string]any{"ok": i == 4}}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{"id":"m"}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if got := before.Load(); got != 1 {
		t.Errorf("what stands before the gate was asked %d times, want once", got)
	}
	r.accept("r", `{"id":"m"}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1, journal.Duplicate: 1})
}
