package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

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
	r.w.replies(func(_ string, m message.Message) (message.Message, error) {
		if strings.Contains(string(m.Body), "refuse") && !strings.Contains(string(m.Body), "told") {
			return message.Message{}, fault.New(fault.Rejected, "the target does not want it")
		}
		return message.Message{}, nil
	})
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
	r.w.replies(func(_ string, m message.Message) (message.Message, error) {
		if strings.Contains(string(m.Body), "bad") {
			return message.Message{}, fault.New(fault.Rejected, "no")
		}
		return message.Message{}, nil
	})
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
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
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
	})
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
	r.w.replies(func(string, message.Message) (message.Message, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if calls++; calls%2 == 1 {
			return message.Message{}, fault.New(fault.Transient, "not reached")
		}
		return message.Message{}, nil
	})
	r.accept("r", `{}`)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	if n := len(r.w.got("make")); n != 2 {
		t.Errorf("made %d times, want the call and the delivery once each", n)
	}
}
