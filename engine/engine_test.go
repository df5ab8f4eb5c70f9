package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

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
	r.w.replies(func(_ string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if strings.Contains(string(m.Body), `"bad":true`) && failures > 0 {
			failures--
			return message.Message{}, fault.New(fault.Transient, "not now")
		}
		return message.Message{}, nil
	})
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

func TestAckDeliveredJournalsOnlyFailures(t *testing.T) {
	r := start(t, site+`route: r
from: b.feed
with: { name: r }
ack: delivered
retry: { backoff: 10ms..10ms }
to: b.put
`)
	fails := 1
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if strings.Contains(string(m.Body), "2") && fails > 0 {
			fails--
			return message.Message{}, fault.New(fault.Transient, "not now")
		}
		return message.Message{}, nil
	})
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
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		return message.Message{}, fault.New(fault.Transient, "not now")
	})
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
