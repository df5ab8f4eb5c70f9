package engine_test

import (
	"context"
	"fmt"
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

// TestWhoWaitsForAReplacedSystemGoesOn replaces a down system that must be closed before its successor can be opened.
func TestWhoWaitsForAReplacedSystemGoesOn(t *testing.T) {
	rules := func(label string, fails bool) string {
		return fmt.Sprintf(`engine: test
---
system: a
adapter: probe
port: p
label: %s
breaker: { after: 1, probe: 1h..1h }
---
system: b
adapter: probe
fail: %t
---
route: r
from: b.feed
with: { name: r }
to: a.put
`, label, fails)
	}
	r := start(t, rules("one", false))
	r.w.answers(func(string, string) error { return fault.New(fault.Transient, "down") })
	for i := range 5 {
		r.accept("r", fmt.Sprint(i))
	}
	r.until("all wait", func() bool {
		st, err := r.e.Status(context.Background())
		return err == nil && slices.ContainsFunc(st.Systems, func(s engine.SystemStatus) bool { return s.Name == "a" && s.Waiting >= 4 })
	})
	r.w.answers(nil)
	if err := r.e.Reload(context.Background(), r.mustLoad(rules("two", false))); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 5})
	for range 10 { // one of both is looked at first
		if err := r.e.Reload(context.Background(), r.mustLoad(rules("three", true))); err == nil {
			t.Fatal("a system that cannot be opened was taken")
		}
		r.accept("r", "9")
	}
	r.ends(map[journal.Status]int{journal.Delivered: 15})
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if !r.w.ports["p"] {
		t.Error("the system that goes on is closed")
	}
}

// TestRetryAfterHoldsTheProbeToo opens the breaker by an answer that asks for peace.
func TestRetryAfterHoldsTheProbeToo(t *testing.T) {
	r := start(t, strings.Replace(site, "after: 3, probe: 20ms..50ms", "after: 1, probe: 5ms..5ms", 1)+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 5ms..5ms }
to: a.put
`)
	var first atomic.Int64
	r.w.answers(func(string, string) error {
		if first.CompareAndSwap(0, time.Now().UnixNano()) {
			return &fault.Error{Class: fault.Transient, Text: "busy", RetryAfter: 300 * time.Millisecond}
		}
		return nil
	})
	r.accept("r", "1")
	r.accept("r", "2")
	r.ends(map[journal.Status]int{journal.Delivered: 2})
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if d := r.w.sent[0].At.Sub(time.Unix(0, first.Load())); d < 290*time.Millisecond {
		t.Errorf("asked again after %s", d)
	}
}

// TestASystemsWindowChanges lets a window open by a change of its document.
func TestASystemsWindowChanges(t *testing.T) {
	rules := func(window string) string {
		return strings.Replace(site, "system: b\nadapter: probe\n", "system: b\nadapter: probe\n"+window, 1) + `route: r
from: a.feed
with: { name: r }
to: b.put
`
	}
	r := start(t, rules("window: { cron: \"0 0 29 2 *\", for: 1m }\n"))
	r.accept("r", "1")
	time.Sleep(50 * time.Millisecond)
	if got := r.w.got("put"); len(got) != 0 {
		t.Fatalf("sent outside the window: %v", got)
	}
	if err := r.e.Reload(context.Background(), r.mustLoad(rules(""))); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 1})
}

// TestAPauseOutlivesAChangeOfTheSystem changes the document of a system that a person has paused.
func TestAPauseOutlivesAChangeOfTheSystem(t *testing.T) {
	rules := func(label string) string {
		return strings.Replace(site, "system: b\nadapter: probe\n", "system: b\nadapter: probe\nlabel: "+label+"\n", 1) + `route: r
from: a.feed
with: { name: r }
to: b.put
`
	}
	r := start(t, rules("one"))
	if err := r.e.PauseSystem(context.Background(), "b", "eve", "stock-taking"); err != nil {
		t.Fatal(err)
	}
	r.accept("r", "1")
	if err := r.e.Reload(context.Background(), r.mustLoad(rules("two"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond)
	if got := r.w.got("put"); len(got) != 0 {
		t.Fatalf("sent to a paused system: %v", got)
	}
	if err := r.e.ResumeSystem(context.Background(), "b", "eve"); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 1})
}

// sulky is a journal that refuses some writes.
type sulky struct {
	journal.Store
	resolve, attempt atomic.Int64 // how many more it refuses
}

func (s *sulky) Resolve(ctx context.Context, r journal.Resolution) ([]journal.Receipt, error) {
	if s.resolve.Add(-1) >= 0 {
		return nil, journal.ErrFull
	}
	return s.Store.Resolve(ctx, r)
}

func (s *sulky) Attempt(ctx context.Context, a journal.Attempt) error {
	if a.Status == journal.Delivered && s.attempt.Add(-1) >= 0 {
		return journal.ErrFull
	}
	return s.Store.Attempt(ctx, a)
}

// TestWhatTheJournalDidNotTakeIsWrittenLater refuses the note of a first failure, and that of a delivery that was made.
func TestWhatTheJournalDidNotTakeIsWrittenLater(t *testing.T) {
	s := &sulky{}
	s.resolve.Store(1)
	s.attempt.Store(1)
	r := &rig{t: t, w: newWorld(), dir: t.TempDir(), wrap: func(j journal.Store) journal.Store { s.Store = j; return s }}
	r.opts = defaultOptions(r.w)
	t.Cleanup(r.stop)
	var fails atomic.Int64
	fails.Store(1)
	r.w.answers(func(op, _ string) error {
		if op == "put" && fails.Add(-1) >= 0 {
			return fault.New(fault.Transient, "not now")
		}
		return nil
	})
	r.start(site + `route: first
from: a.feed
with: { name: first }
to: b.put
---
route: second
from: a.feed
with: { name: second }
to: [b.make, b.make]
`)
	r.accept("first", "1")
	r.until("the first resolution was refused", func() bool { return s.resolve.Load() <= 0 })
	r.accept("second", "2")
	r.ends(map[journal.Status]int{journal.Delivered: 2})
	if n := len(r.w.got("make")); n != 2 {
		t.Errorf("made %d times, want each once", n)
	}
}

// TestAckDeliveredKeepsOrderAndRepeatsNothing lets a delivery in the middle of a batch fail.
func TestAckDeliveredKeepsOrderAndRepeatsNothing(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
ack: delivered
key: ${body.key}
retry: { backoff: 30ms..30ms }
to:
  - { to: a.ask }
  - { to: b.put }
`)
	var fails atomic.Int64
	fails.Store(1)
	r.w.answers(func(op, body string) error {
		if op == "put" && strings.Contains(body, `"n":1,`) && fails.Add(-1) >= 0 {
			return fault.New(fault.Transient, "not now")
		}
		return nil
	})
	var ms []message.Message
	for n := range 6 {
		ms = append(ms, message.Message{Body: fmt.Appendf(nil, `{"n":%d,"key":"%d"}`, n, n%2)})
	}
	if n, err := r.in("r").AcceptAll(context.Background(), ms); n != 6 || err != nil {
		t.Fatalf("AcceptAll = %d, %v", n, err)
	}
	r.until("all were sent", func() bool { return len(r.w.got("put")) == 6 })
	r.ends(map[journal.Status]int{journal.Delivered: 3})
	var odd []string
	for _, b := range r.w.got("put") {
		if strings.Contains(b, `"key":"1"`) {
			odd = append(odd, b)
		}
	}
	if !slices.IsSorted(odd) {
		t.Errorf("key 1 left in order %v", odd)
	}
	if n := len(r.w.got("ask")); n != 6 {
		t.Errorf("the first target got %d, want each of 6 once", n)
	}
}

// TestAckDeliveredResendsNothingBlindly loses the answer of something that must not be done twice.
func TestAckDeliveredResendsNothingBlindly(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
ack: delivered
to: a.make
`)
	var n atomic.Int64
	r.w.answers(func(string, string) error { n.Add(1); return fault.New(fault.Unknown, "no answer") })
	r.accept("r", "1")
	r.ends(map[journal.Status]int{journal.Held: 1})
	if n.Load() != 1 {
		t.Errorf("asked %d times", n.Load())
	}
}

// TestAckDeliveredLetsTheSourceGoOn keeps what failed, and does not make its source wait for a system that is down.
func TestAckDeliveredLetsTheSourceGoOn(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
ack: delivered
key: ${body}
steps:
  - call: a.make
    as: made
`)
	r.w.answers(func(string, string) error { return fault.New(fault.Transient, "down") })
	begin := time.Now()
	r.accept("r", "1")
	r.accept("r", "1")
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("the source waited %s", d)
	}
}

// TestSomebodyIsToldOfEverything fails a part with vars, and a message that has been run again, and one that is no JSON.
func TestSomebodyIsToldOfEverything(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
on:
  rejected: { to: b.ask, do: hold }
  invalid: { to: b.ask }
steps:
  - set: { batch: "${body.id}" }
  - split: .items[]
to: a.put
`)
	r.w.answers(func(op, _ string) error {
		if op == "put" {
			return fault.New(fault.Rejected, "no")
		}
		return nil
	})
	r.accept("r", `{"id":"x","items":[{"n":1}]}`)
	r.until("somebody was told", func() bool { return slices.Equal(r.w.got("ask"), []string{`{"n":1}`}) })
	r.ends(map[journal.Status]int{journal.Delivered: 2, journal.Held: 1})
	recs, err := r.j.Search(context.Background(), journal.Query{Statuses: []journal.Status{journal.Held}})
	if err != nil || len(recs) != 1 {
		t.Fatal(recs, err)
	}
	if err := r.e.Retry(context.Background(), recs[0].Seq, "eve", ""); err != nil {
		t.Fatal(err)
	}
	r.until("somebody was told again", func() bool { return slices.Equal(r.w.got("ask"), []string{`{"n":1}`, `{"n":1}`}) })
	r.accept("r", `{`)
	r.until("somebody was told of what is no JSON", func() bool { got := r.w.got("ask"); return len(got) == 3 && got[2] == `"{"` })
}

// TestARetriedMessageIsNotItsOwnRepeat retries and edits messages that died at their delivery, behind a dedupe step.
func TestARetriedMessageIsNotItsOwnRepeat(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - dedupe: { by: "${body.id}", for: 1d }
to: b.put
`)
	r.w.mu.Lock()
	r.w.answer = func(_ string, m message.Message) (message.Message, error) {
		if strings.Contains(string(m.Body), "bad") {
			return message.Message{}, fault.New(fault.Rejected, "no")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{"id":1,"v":"bad"}`)
	r.ends(map[journal.Status]int{journal.Dead: 1})
	r.accept("r", `{"id":1,"v":"bad"}`)
	r.ends(map[journal.Status]int{journal.Dead: 1, journal.Duplicate: 1})
	if err := r.e.Edit(context.Background(), 1, []byte(`{"id":1,"v":"good"}`), "eve", ""); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 1, journal.Duplicate: 1})
	if got := r.w.got("put"); len(got) != 1 || got[0] != `{"id":1,"v":"good"}` {
		t.Errorf("sent %v", got)
	}
}
