package engine_test

import (
	"context"
	"errors"
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

const site = `engine: test
---
system: a
adapter: probe
breaker: { after: 3, probe: 20ms..50ms }
---
system: b
adapter: probe
---
`

func TestMessagesAreRunAndDelivered(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
id: ${body.id}
when: body.n > 0
steps:
  - jq: "{ n: (.n * 2) }"
to: b.put
`)
	for i := range 4 {
		r.accept("r", fmt.Sprintf(`{"id":"m%d","n":%d}`, i, i))
	}
	if rep := r.accept("r", `{"id":"m1","n":1}`); rep.Outcome != "duplicate" {
		t.Errorf("the second m1: %+v, want a duplicate", rep)
	}
	if rep := r.accept("r", `{"id":`); rep.Outcome != "invalid" || fault.ClassOf(rep.Err) != fault.Invalid {
		t.Errorf("a broken body: %+v, want invalid", rep)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 3, journal.Filtered: 1, journal.Duplicate: 1, journal.Dead: 1})
	got := r.w.got("put")
	slices.Sort(got)
	if want := []string{`{"n":2}`, `{"n":4}`, `{"n":6}`}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestUntouchedBodiesLeaveAsTheyCame(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
to: b.put
`)
	const body = `{ "b": 1.000, "a":9007199254740993,  "c":[ ] }`
	r.accept("r", body)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if got := r.w.got("put"); got[0] != body {
		t.Errorf("sent %s, want %s", got[0], body)
	}
}

func TestOneKeyKeepsItsOrderWhileOthersGoOn(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
key: ${body.key}
retry: { backoff: 20ms..20ms }
to: b.put
`)
	failures := 3
	r.w.mu.Lock()
	r.w.answer = func(_ string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if strings.Contains(string(m.Body), `"bad":true`) && failures > 0 {
			failures--
			return message.Message{}, fault.New(fault.Transient, "not now")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{"key":"x","n":1,"bad":true}`)
	for i := 2; i < 6; i++ {
		r.accept("r", fmt.Sprintf(`{"key":"x","n":%d}`, i))
	}
	r.accept("r", `{"key":"y","n":9}`)
	r.ends(map[journal.Status]int{journal.Delivered: 6})
	got := r.w.got("put")
	if !strings.Contains(got[0], `"y"`) {
		t.Errorf("the other key waited: %v", got)
	}
	var x []string
	for _, g := range got {
		if strings.Contains(g, `"x"`) {
			x = append(x, g[strings.Index(g, `"n":`)+4:][:1])
		}
	}
	if !slices.Equal(x, []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("key x left in order %v", x)
	}
}

func TestADownSystemsQueueWaitsAndOneTries(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 5ms..10ms }
to: a.put
`)
	down, tries := true, 0
	r.w.mu.Lock()
	r.w.answer = func(string, message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if down {
			tries++
			return message.Message{}, fault.New(fault.Transient, "connection refused")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
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

func TestClassesDecide(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - choose:
      - when: body.do == "translate"
        steps:
          - translate: { map: codes, from: .code }
      - when: body.do == "bug"
        steps:
          - jq: .code + 1
to: b.put
on: { rejected: { to: a.put, with: { to: "${error.class}" } } }
---
map: codes
inline: { x: y }
`)
	r.w.mu.Lock()
	r.w.answer = func(_ string, m message.Message) (message.Message, error) {
		if strings.Contains(string(m.Body), "refuse") && !strings.Contains(string(m.Body), "told") {
			return message.Message{}, fault.New(fault.Rejected, "the target does not want it")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{"do":"translate","code":"nope"}`)
	r.accept("r", `{"do":"bug","code":{"a":1}}`)
	r.accept("r", `{"do":"fine"}`)
	r.until("held, held, delivered", func() bool {
		s := r.statuses()
		return s[journal.Held] == 2 && s[journal.Delivered] == 1
	})
	recs, err := r.j.Search(context.Background(), journal.Query{Class: fault.Unmapped})
	if err != nil || len(recs) != 1 || recs[0].Map != "codes" || recs[0].Code != "nope" {
		t.Errorf("the unmapped one: %+v, %v", recs, err)
	}
	recs, err = r.j.Search(context.Background(), journal.Query{Class: fault.Bug})
	if err != nil || len(recs) != 1 || !strings.Contains(recs[0].Error, "rules.yaml:") {
		t.Errorf("the bug has its place: %+v, %v", recs, err)
	}
}

func TestAHeldMessageIsReleasedByItsCure(t *testing.T) {
	rules := func(entries, program string) string {
		return site + `route: r
from: b.feed
with: { name: r }
steps:
  - translate: { map: codes, from: .code }
to: b.put
---
route: s
from: b.feed
with: { name: s }
steps:
  - jq: ` + program + `
to: b.put
---
map: codes
inline: { ` + entries + ` }
`
	}
	r := start(t, rules("x: y", `"{v: (.a + 1)}"`))
	r.accept("r", `{"code":"new"}`)
	r.accept("r", `{"code":"other"}`)
	r.accept("s", `{"a":{}}`)
	r.ends(map[journal.Status]int{journal.Held: 3})
	if err := r.e.Reload(context.Background(), r.mustLoad(rules("x: y, new: z", `"{v: (.a + 1)}"`))); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Held: 2, journal.Delivered: 1})
	if err := r.e.Reload(context.Background(), r.mustLoad(rules("x: y, new: z", `"{v: .a}"`))); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Held: 1, journal.Delivered: 2})
	if got := r.w.got("put"); !slices.Equal(got, []string{`{"code":"z"}`, `{"v":{}}`}) {
		t.Errorf("sent %v", got)
	}
}

func TestOperatorsRetryEditAndDiscard(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
to: b.put
`)
	ctx := context.Background()
	r.w.mu.Lock()
	r.w.answer = func(_ string, m message.Message) (message.Message, error) {
		if strings.Contains(string(m.Body), "bad") {
			return message.Message{}, fault.New(fault.Rejected, "no")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `"bad 1"`)
	r.accept("r", `"bad 2"`)
	r.ends(map[journal.Status]int{journal.Dead: 2})
	recs, err := r.j.Search(ctx, journal.Query{Statuses: []journal.Status{journal.Dead}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.e.Edit(ctx, recs[0].Seq, []byte(`"good"`), "eve", "typo"); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Dead: 1, journal.Delivered: 1})
	if err := r.e.Retry(ctx, recs[1].Seq, "eve", ""); err != nil {
		t.Fatal(err)
	}
	r.until("it failed again", func() bool {
		st, err := r.j.Story(ctx, recs[1].Seq)
		return err == nil && st.Status == journal.Dead && len(st.Actions) == 1
	})
	if err := r.e.Discard(ctx, recs[1].Seq, "eve", "was a test"); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Discarded: 1, journal.Delivered: 1})
	st, err := r.j.Story(ctx, recs[0].Seq)
	if err != nil || string(st.Original) != `"bad 2"` || string(st.Body) != `"good"` || !st.Edited {
		t.Errorf("the edited one: original %s, body %s, %v", st.Original, st.Body, err)
	}
}

func TestWritingCallsAreMadeOnce(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 10ms..10ms }
steps:
  - call: b.make
    as: made
  - call: b.ask
    as: told
  - jq: "{ made: $vars.made.id }"
to: b.put
`)
	fails := 2
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		switch op {
		case "make":
			return message.Message{Body: []byte(`{"id":7}`)}, nil
		case "ask":
			if fails > 0 {
				fails--
				return message.Message{}, fault.New(fault.Transient, "not now")
			}
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if n := len(r.w.got("make")); n != 1 {
		t.Errorf("made %d times, want once", n)
	}
	if got := r.w.got("put"); !slices.Equal(got, []string{`{"made":7}`}) {
		t.Errorf("sent %v", got)
	}
}

func TestEachDeliveryIsOnItsOwn(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
retry: { backoff: 10ms..10ms }
to: [ { to: b.put, with: { to: one } }, { to: a.put, with: { to: two } } ]
`)
	fails := 2
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	_ = fails
	r.accept("r", `{}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if len(r.w.sent) != 2 || r.w.sent[0].ID == r.w.sent[1].ID {
		t.Errorf("sent %+v, want two with ids of their own", r.w.sent)
	}
}

func TestSplitPartsGoOnByThemselves(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - set: { who: "${body.who}" }
  - split: .items[]
  - translate: { map: codes, from: .code }
  - jq: ". + { who: $vars.who }"
to: b.put
---
map: codes
inline: { a: "1", b: "2" }
`)
	r.accept("r", `{"who":"me","items":[{"code":"a"},{"code":"?"},{"code":"b"}]}`)
	r.ends(map[journal.Status]int{journal.Delivered: 3, journal.Held: 1})
	got := r.w.got("put")
	slices.Sort(got)
	if want := []string{`{"code":"1","who":"me"}`, `{"code":"2","who":"me"}`}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestAGateWaitsWithoutAWorker(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - wait: { until: vars.bill.paid == true, call: b.ask, as: bill, every: 10ms, for: 10s }
to: b.put
`)
	paid := false
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		return message.Message{Value: map[string]any{"paid": paid}}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{"amount": 0.10}`)
	r.until("it looked three times", func() bool { return len(r.w.got("ask")) >= 3 })
	if n := len(r.w.got("put")); n != 0 {
		t.Fatalf("%d left before the bill was paid", n)
	}
	r.w.mu.Lock()
	paid = true
	r.w.mu.Unlock()
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if got := r.w.got("put"); got[0] != `{"amount":0.10}` {
		t.Errorf("sent %v, want the digits kept", got)
	}
}

func TestReplyIsBuiltAfterTheSteps(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - jq: "{ sum: (.a + .b) }"
to: b.put
reply: { body: "{ answer: .sum, id: $meta.id }", status: 201 }
`)
	rep := r.accept("r", `{"a":1,"b":2}`)
	if !rep.Custom || rep.Status != 201 || !strings.Contains(string(rep.Body), `"answer":3`) {
		t.Errorf("reply %+v %s", rep, rep.Body)
	}
	rep = r.accept("r", `{"a":1,"b":{}}`)
	if fault.ClassOf(rep.Err) != fault.Bug {
		t.Errorf("reply to a bug: %+v", rep)
	}
}

func TestAckDeliveredJournalsOnlyFailures(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
ack: delivered
retry: { backoff: 10ms..10ms }
to: b.put
`)
	fails := 1
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if strings.Contains(string(m.Body), "2") && fails > 0 {
			fails--
			return message.Message{}, fault.New(fault.Transient, "not now")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	ms := []message.Message{{Body: []byte(`1`)}, {Body: []byte(`2`)}, {Body: []byte(`3`), Cursor: "3"}}
	n, err := r.in("r").AcceptAll(context.Background(), ms)
	if n != 3 || err != nil {
		t.Fatalf("AcceptAll = %d, %v", n, err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if c, err := r.in("r").Cursor(context.Background()); c != "3" || err != nil {
		t.Errorf("cursor %q, %v", c, err)
	}
	if got := r.w.got("put"); len(got) != 3 {
		t.Errorf("sent %v", got)
	}
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	rules := site + `route: r
from: b.feed
with: { name: r }
key: ${body.key}
retry: { backoff: 10ms..10ms }
to: b.put
`
	r := start(t, rules)
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		return message.Message{}, fault.New(fault.Transient, "not now")
	}
	r.w.mu.Unlock()
	for i := range 20 {
		r.accept("r", fmt.Sprintf(`{"key":"%d","n":%d}`, i%3, i))
	}
	r.stop()
	r.w.mu.Lock()
	r.w.answer = nil
	r.w.mu.Unlock()
	r.start(rules)
	r.ends(map[journal.Status]int{journal.Delivered: 20})
	last := map[byte]int{}
	for _, g := range r.w.got("put") {
		var n int
		key := g[8]
		if _, err := fmt.Sscanf(g[strings.Index(g, `"n":`)+4:], "%d", &n); err != nil {
			t.Fatal(err)
		}
		if n < last[key] {
			t.Errorf("key %c: %d after %d", key, n, last[key])
		}
		last[key] = n
	}
}

func TestUnauthorizedPausesTheSystem(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
to: b.put
`)
	tries := 0
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		tries++
		return message.Message{}, fault.New(fault.Unauthorized, "the password is wrong")
	}
	r.w.mu.Unlock()
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

func TestAnswersAndItemsJudge(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
to:
  - to: b.put
    answers: [ { when: 'status == 417 && body.exc_type == "UniqueValidationError"', class: ok } ]
    items: '.failed[]? | { index: .at, class: "unmapped", message: .why }'
`)
	call := 0
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		call++
		if call == 1 {
			return message.Message{}, &fault.Error{Class: fault.Rejected, Text: "no", Status: 417, Answer: []byte(`{"exc_type":"UniqueValidationError"}`)}
		}
		if call == 2 {
			return message.Message{Value: map[string]any{"failed": []any{map[string]any{"at": 1, "why": "no such element"}}}}, nil
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{"a":1}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	r.accept("r", `[{"v":0},{"v":1},{"v":2}]`)
	r.ends(map[journal.Status]int{journal.Delivered: 2, journal.Held: 1})
	recs, err := r.j.Search(context.Background(), journal.Query{Statuses: []journal.Status{journal.Held}})
	if err != nil || len(recs) != 1 || !strings.Contains(recs[0].Error, "no such element") {
		t.Fatalf("held: %+v, %v", recs, err)
	}
	if err := r.e.Retry(context.Background(), recs[0].Seq, "eve", ""); err != nil {
		t.Fatal(err)
	}
	r.ends(map[journal.Status]int{journal.Delivered: 3})
	if got := r.w.got("put"); got[len(got)-1] != `[{"v":1}]` {
		t.Errorf("sent again: %v, want the one item", got)
	}
}

func TestRescueIsASecondWay(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - call: b.ask
    as: told
    rescue:
      - when: error.class == "rejected" && error.status == 404
        steps:
          - set: { told: { jq: "{ default: true }" } }
  - jq: "$vars.told"
to: b.put
`)
	r.w.mu.Lock()
	r.w.answer = func(op string, m message.Message) (message.Message, error) {
		if op == "ask" {
			return message.Message{}, &fault.Error{Class: fault.Rejected, Text: "not there", Status: 404}
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `1`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if got := r.w.got("put"); got[0] != `{"default":true}` {
		t.Errorf("sent %v", got)
	}
}

func TestLoopsForEverStopAndHurtNobody(t *testing.T) {
	r := start(t, site+`route: bad
from: b.feed
with: { name: bad }
steps:
  - jq: "def f: f; f"
to: b.put
---
route: good
from: b.feed
with: { name: good }
to: b.put
`)
	r.accept("bad", `1`)
	for range 20 {
		r.accept("good", `1`)
	}
	r.ends(map[journal.Status]int{journal.Held: 1, journal.Delivered: 20})
	recs, err := r.j.Search(context.Background(), journal.Query{Route: "bad"})
	if err != nil || recs[0].Class != fault.Bug {
		t.Errorf("the loop: %+v, %v", recs, err)
	}
}

func TestBrokenRulesChangeNothing(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
to: b.put
`)
	set, errs := r.load(site + `route: r
from: b.feed
with: { name: r }
steps:
  - jq: .a |
to: b.nope
`)
	if set != nil || len(errs) < 2 {
		t.Fatalf("a broken rule set loaded: %v", errs)
	}
	if err := r.e.Reload(context.Background(), r.mustLoad(strings.Replace(site, "system: b\nadapter: probe", "system: b\nadapter: probe\nfail: true", 1)+`route: r
from: b.feed
with: { name: r }
to: b.put
`)); err == nil {
		t.Fatal("a system that cannot be opened was taken")
	}
	r.accept("r", `1`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
}

func TestErrorsOfAFullJournalReachTheSource(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
to: b.put
`)
	r.accept("r", `1`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	in := r.in("r")
	if err := r.j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Accept(context.Background(), message.Message{Body: []byte(`2`)}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Accept on a closed journal: %v", err)
	}
	if err := r.e.Ready(); err == nil {
		t.Error("the engine says that it is ready")
	}
	r.cancel()
	<-r.done
	r.cancel = nil
}

// TestALostAnswerIsNotABlindResend stops the engine while something that must not be done twice is being done.
func TestALostAnswerIsNotABlindResend(t *testing.T) {
	for name, rules := range map[string]string{
		"a delivery": "to: b.make\n",
		"a call":     "steps:\n  - call: b.make\n    as: made\nto: b.put\n",
	} {
		t.Run(name, func(t *testing.T) {
			rules := site + "route: r\nfrom: a.feed\nwith: { name: r }\n" + rules
			r := start(t, rules, func(o *engine.Options) { o.Grace = 10 * time.Millisecond })
			r.w.mu.Lock()
			r.w.hold = make(chan struct{})
			r.w.mu.Unlock()
			r.accept("r", `{}`)
			r.until("it is being made", func() bool { r.w.mu.Lock(); defer r.w.mu.Unlock(); return r.w.active == 1 })
			r.stop()
			r.w.mu.Lock()
			r.w.hold = nil
			r.w.mu.Unlock()
			r.start(rules)
			r.ends(map[journal.Status]int{journal.Held: 1})
			recs, err := r.j.Search(context.Background(), journal.Query{Class: fault.Unknown})
			if err != nil || len(recs) != 1 {
				t.Fatalf("held as unknown: %+v, %v", recs, err)
			}
			if n := len(r.w.got("make")); n != 0 {
				t.Fatalf("made %d times without a person's word", n)
			}
			if err := r.e.Retry(context.Background(), recs[0].Seq, "eve", "it was not done"); err != nil {
				t.Fatal(err)
			}
			r.ends(map[journal.Status]int{journal.Delivered: 1})
			if n := len(r.w.got("make")); n != 1 {
				t.Errorf("made %d times, want once", n)
			}
		})
	}
}

// TestAFailureForCertainIsTriedAgain does something that must not be done twice, and is refused at first.
func TestAFailureForCertainIsTriedAgain(t *testing.T) {
	r := start(t, site+`route: r
from: a.feed
with: { name: r }
retry: { backoff: 5ms..5ms }
steps:
  - call: b.make
    as: made
to: b.make
`)
	calls := 0
	r.w.mu.Lock()
	r.w.answer = func(string, message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if calls++; calls%2 == 1 {
			return message.Message{}, fault.New(fault.Transient, "not reached")
		}
		return message.Message{}, nil
	}
	r.w.mu.Unlock()
	r.accept("r", `{}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if n := len(r.w.got("make")); n != 2 {
		t.Errorf("made %d times, want the call and the delivery once each", n)
	}
}

// TestRetryOfASplitMessageMakesItsPartsOnce retries a message whose parts have gone on.
func TestRetryOfASplitMessageMakesItsPartsOnce(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
steps:
  - split: .items[]
to: b.put
`)
	rep := r.accept("r", `{"items":[{"n":1},{"n":2},{"n":1}]}`)
	r.ends(map[journal.Status]int{journal.Delivered: 4})
	seq, err := r.j.Find(context.Background(), string(rep.ID))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.e.Retry(context.Background(), seq, "eve", ""); err != nil {
		t.Fatal(err)
	}
	r.until("it has run again", func() bool {
		st, err := r.j.Story(context.Background(), seq)
		return err == nil && st.Status == journal.Delivered && len(st.Actions) == 1
	})
	r.ends(map[journal.Status]int{journal.Delivered: 4})
	if n := len(r.w.got("put")); n != 3 {
		t.Errorf("%d parts were delivered, want 3", n)
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
	r.w.mu.Lock()
	r.w.answer = func(string, message.Message) (message.Message, error) {
		return message.Message{}, fault.New(fault.Transient, "connection refused")
	}
	r.w.mu.Unlock()
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
