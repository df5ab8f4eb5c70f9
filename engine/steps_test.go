package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

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
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
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
	})
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
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		return message.Message{}, nil
	})
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
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		return message.Message{Value: map[string]any{"paid": paid}}, nil
	})
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
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		if op == "ask" {
			return message.Message{}, &fault.Error{Class: fault.Rejected, Text: "not there", Status: 404}
		}
		return message.Message{}, nil
	})
	r.accept("r", `1`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if got := r.w.got("put"); got[0] != `{"default":true}` {
		t.Errorf("sent %v", got)
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
