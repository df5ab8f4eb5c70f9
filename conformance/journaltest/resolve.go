package journaltest

import (
	"fmt"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
)

func resolveCases() map[string]func(*kit) {
	return map[string]func(*kit){
		"resolve with the delivery made":                      firstTry,
		"resolve ends a message once":                         endsOnce,
		"resolve keeps deliveries, attempts follow":           attempts,
		"resolve replaces what was not delivered":             replaces,
		"resolve keeps parts in one write":                    parts,
		"resolve keeps a failed run":                          failedRun,
		"resolve keeps what it waits for":                     gate,
		"resolve confirms the values of dedupe steps":         seen,
		"bodies are dropped at the end":                       dropped,
		"calls are recorded":                                  calls,
		"a long answer is cut with a note, one of a call not": longAnswers,
		"an attempt that belongs to nothing is refused":       strayAttempts,
	}
}

// delivery is one that is to be sent.
func delivery(n int, label string) journal.Delivery {
	return journal.Delivery{N: n, ID: "id-" + journalID(label), Operation: "odoo." + label, Label: label, Type: "application/json",
		With: []byte(`{"w":1}`), Body: fmt.Appendf(nil, `{"for":%q}`, label), Status: journal.Received}
}

func firstTry(k *kit) {
	seq := k.put()
	d := delivery(0, "to")
	d.Status, d.Attempts, d.Answer = journal.Delivered, 1, []byte(`{"id":1}`)
	a := journal.Attempt{Seq: seq, N: 0, Number: 1, Time: k.now, Took: 12 * time.Millisecond, Status: journal.Delivered, Code: 201, Answer: d.Answer, System: "odoo"}
	trace := []journal.Step{{Label: "when", Outcome: "true", Took: 3 * time.Microsecond}, {Label: "jq", Outcome: "passed", Note: "note"}}
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Delivered, Rules: "v2", Deliveries: []journal.Delivery{d}, Tried: []journal.Attempt{a}, Trace: trace})
	for range 2 {
		s := k.story(seq)
		if s.Status != journal.Delivered || s.Rules != "v2" || s.Class != "" || !s.HasBody {
			k.Errorf("the message: %+v", s.Record)
		}
		d.Seq = seq
		k.same("deliveries", s.Deliveries, []journal.Delivery{d})
		k.same("attempts", s.Attempts_, []journal.Attempt{a})
		k.same("trace", s.Trace, trace)
		k.same("Open", k.opened(), []journal.Seq{})
		k.reopen()
	}
}

func endsOnce(k *kit) {
	for _, s := range []journal.Status{journal.Delivered, journal.Filtered, journal.Duplicate, journal.Dead} {
		seq := k.put()
		k.end(seq, s)
		_, err := k.j.Resolve(k.ctx, journal.Resolution{Seq: seq, Status: journal.Delivered})
		k.is(fmt.Sprintf("Resolve of a %s one", s), err, journal.ErrState)
		k.is(fmt.Sprintf("Attempt of a %s one", s), k.j.Attempt(k.ctx, journal.Attempt{Seq: seq, N: -1, Message: journal.Retrying, Status: journal.Retrying}), journal.ErrState)
		k.status(seq, s)
	}
	seq := k.put()
	if err := k.j.Discard(k.ctx, seq, k.action("discard")); err != nil {
		k.Fatal(err)
	}
	_, err := k.j.Resolve(k.ctx, journal.Resolution{Seq: seq, Status: journal.Delivered})
	k.is("Resolve of one that a person discarded", err, journal.ErrState)
	_, err = k.j.Resolve(k.ctx, journal.Resolution{Seq: seq + 1, Status: journal.Delivered})
	k.is("Resolve of no message", err, journal.ErrNotFound)
}

func attempts(k *kit) {
	seq := k.put()
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Rules: "v1", Deliveries: []journal.Delivery{delivery(0, "a"), delivery(1, "b")}})
	k.status(seq, journal.Processing)
	due := k.now.Add(2 * time.Second)
	tries := []journal.Attempt{
		{Seq: seq, N: 0, Number: 1, Time: k.now, Took: time.Millisecond, Status: journal.Delivered, Code: 200, Answer: []byte("ok"), System: "odoo", Message: journal.Processing},
		{Seq: seq, N: 1, Number: 1, Time: k.now.Add(time.Millisecond), Status: journal.Retrying, Class: fault.Transient, Error: "connection refused", Code: 503, Answer: []byte("busy"), Due: due, Since: k.now, Message: journal.Retrying, System: "odoo"},
		{Seq: seq, N: 1, Number: 2, Time: due, Status: journal.Delivered, Code: 201, Answer: []byte("ok 2"), Message: journal.Delivered, System: "odoo"},
	}
	k.attempt(tries[0])
	k.attempt(tries[1])
	k.reopen()
	s := k.story(seq)
	if s.Status != journal.Retrying || s.Class != fault.Transient || s.Error != "connection refused" || s.System != "odoo" || s.Attempts != 1 || !s.Due.Equal(due) || !s.Since.Equal(k.now) {
		k.Errorf("while it is retried: %+v", s.Record)
	}
	a, b := delivery(0, "a"), delivery(1, "b")
	a.Seq, a.Status, a.Attempts, a.Answer = seq, journal.Delivered, 1, []byte("ok")
	b.Seq, b.Status, b.Attempts, b.Answer, b.Due, b.Since, b.Class, b.Error = seq, journal.Retrying, 1, []byte("busy"), due, k.now, fault.Transient, "connection refused"
	k.same("deliveries", s.Deliveries, []journal.Delivery{a, b})
	k.attempt(tries[2])
	s = k.story(seq)
	if s.Status != journal.Delivered || s.Class != "" || s.Error != "" || s.System != "" || !s.Due.IsZero() || s.Attempts != 2 {
		k.Errorf("at the end: %+v", s.Record)
	}
	for i := range s.Attempts_ {
		if s.Attempts_[i].Status == journal.Delivered { // what the message was afterwards is told by its deliveries
			s.Attempts_[i].Message, tries[0].Message, tries[2].Message = "", "", ""
		}
	}
	k.same("attempts", s.Attempts_, tries)
	k.same("Open", k.opened(), []journal.Seq{})
}

func replaces(k *kit) {
	seq := k.put()
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{delivery(0, "a"), delivery(1, "b"), delivery(2, "c")}})
	k.attempt(journal.Attempt{Seq: seq, N: 1, Number: 1, Time: k.now, Status: journal.Delivered, Answer: []byte("b was sent"), Message: journal.Processing})
	k.attempt(journal.Attempt{Seq: seq, N: 0, Number: 1, Time: k.now, Status: journal.Dead, Class: fault.Rejected, Error: "no", Message: journal.Processing})
	k.attempt(journal.Attempt{Seq: seq, N: 2, Number: 1, Time: k.now, Status: journal.Dead, Class: fault.Rejected, Error: "no", Message: journal.Dead})
	if err := k.j.Release(k.ctx, seq, "v2", k.action("retry")); err != nil {
		k.Fatal(err)
	}
	ds := k.deliveries(seq)
	if len(ds) != 3 || ds[1].Status != journal.Delivered {
		k.Errorf("after the release: %+v", ds)
	}
	// The new run wants b first, a with another body, and no c. b came out otherwise, but it has been sent.
	b, a := delivery(0, "b"), delivery(1, "a")
	b.Body, a.Body = []byte("another"), []byte("another")
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Rules: "v2", Deliveries: []journal.Delivery{b, a}})
	ds = k.deliveries(seq)
	if len(ds) != 2 {
		k.Fatalf("after the new run: %+v", ds)
	}
	if ds[0].Label != "b" || ds[0].Status != journal.Delivered || string(ds[0].Answer) != "b was sent" || string(ds[0].Body) != `{"for":"b"}` {
		k.Errorf("what was delivered: %+v", ds[0])
	}
	if ds[1].Label != "a" || ds[1].Status != journal.Received || ds[1].Attempts != 0 || string(ds[1].Body) != "another" || ds[1].Class != "" {
		k.Errorf("what was not: %+v", ds[1])
	}
	k.attempt(journal.Attempt{Seq: seq, N: 1, Number: 1, Time: k.now, Status: journal.Delivered, Message: journal.Delivered})
	if ds = k.deliveries(seq); ds[0].Status != journal.Delivered || ds[1].Status != journal.Delivered {
		k.Errorf("an attempt goes to the wrong delivery: %+v", ds)
	}
	if err := k.j.Release(k.ctx, seq, "", k.action("retry")); err != nil {
		k.Fatal(err)
	}
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Retrying, Due: k.now, Failure: fault.New(fault.Transient, "a call failed"), Attempts: 1})
	if ds = k.deliveries(seq); len(ds) != 2 || ds[0].Status != journal.Delivered || ds[1].Status != journal.Delivered {
		k.Errorf("a run without deliveries has taken those that were made: %+v", ds)
	}
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{delivery(0, "c")}})
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Retrying, Due: k.now, Failure: fault.New(fault.Transient, "a call failed"), Attempts: 2})
	for _, d := range k.deliveries(seq) {
		if d.Status != journal.Delivered {
			k.Errorf("a run without deliveries has left one to send: %+v", d)
		}
	}
}

func parts(k *kit) {
	parent := k.put(func(e *journal.Entry) { e.Key = "p" })
	child := func(n int) journal.Entry {
		return k.entry(func(e *journal.Entry) {
			e.Parent, e.Resume, e.Key, e.Vars = parent, fmt.Sprint("step ", n), "p", []byte(`{"n":1}`)
			e.CursorName, e.Cursor = "c", fmt.Sprint(n)
		})
	}
	broken := child(3)
	broken.Status, broken.Failure = journal.Held, fault.New(fault.Bug, "part 3")
	rs := k.resolve(journal.Resolution{Seq: parent, Status: journal.Delivered, Children: []journal.Entry{child(1), child(2), broken}})
	if len(rs) != 3 || rs[0].Status != journal.Received || rs[2].Status != journal.Held || rs[0].Seq >= rs[1].Seq {
		k.Fatalf("receipts %+v", rs)
	}
	s := k.story(parent)
	k.same("children", seqs(s.Children), []journal.Seq{rs[0].Seq, rs[1].Seq, rs[2].Seq})
	k.same("Search by parent", k.found(journal.Query{Parent: parent}), []journal.Seq{rs[2].Seq, rs[1].Seq, rs[0].Seq})
	k.same("Open", k.opened(), []journal.Seq{rs[0].Seq, rs[1].Seq, rs[2].Seq})
	k.cursor("c", "3", nil)
	_, err := k.j.Resolve(k.ctx, journal.Resolution{Seq: parent, Status: journal.Delivered, Children: []journal.Entry{child(4)}})
	k.is("Resolve again", err, journal.ErrState)
	if n := len(k.opened()); n != 3 {
		k.Errorf("a refused resolution has left parts: %d are open", n)
	}
}

func failedRun(k *kit) {
	seq := k.put()
	due, since := k.now.Add(2*time.Second), k.now
	f := &fault.Error{Class: fault.Transient, Text: "openmrs.read: no answer", Status: 502, Answer: []byte("<html>")}
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Retrying, Rules: "v1", Failure: f, System: "openmrs", Due: due, Since: since, Attempts: 1})
	k.reopen()
	s := k.story(seq)
	if s.Status != journal.Retrying || s.Class != fault.Transient || s.Error != f.Error() || s.System != "openmrs" || !s.Due.Equal(due) || !s.Since.Equal(since) || s.Attempts != 1 {
		k.Errorf("after the first run: %+v", s.Record)
	}
	if len(s.Attempts_) != 1 || s.Attempts_[0].N != -1 || s.Attempts_[0].Class != fault.Transient || string(s.Attempts_[0].Answer) != "<html>" || s.Attempts_[0].Code != 502 {
		k.Errorf("its attempts: %+v", s.Attempts_)
	}
	k.attempt(journal.Attempt{Seq: seq, N: -1, Number: 2, Time: k.now, Status: journal.Retrying, Class: fault.Transient, Error: "again", Due: due, Since: since, Message: journal.Retrying, System: "openmrs"})
	if s = k.story(seq); s.Error != "again" || s.Attempts != 2 || len(s.Attempts_) != 2 || !s.Due.Equal(due) {
		k.Errorf("after an attempt of the run: %+v, %+v", s.Record, s.Attempts_)
	}
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Held, Failure: &fault.Error{Class: fault.Unmapped, Text: "no product", Map: "loinc", Code: "1-8"}, Attempts: 2})
	if s = k.story(seq); s.Status != journal.Held || s.Map != "loinc" || s.Code != "1-8" || s.System != "" || !s.Due.IsZero() {
		k.Errorf("held: %+v", s.Record)
	}
	k.end(seq, journal.Delivered)
	if s = k.story(seq); s.Class != "" || s.Error != "" || s.Map != "" {
		k.Errorf("a delivered message has a trouble: %+v", s.Record)
	}
}

func gate(k *kit) {
	seq := k.put()
	due := k.now.Add(time.Minute)
	state := []byte(`{"label":"wait","body":{"a":1.0}}`)
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Gate: state, Due: due})
	k.reopen()
	_, g, err := k.j.Body(k.ctx, seq)
	if err != nil || string(g) != string(state) {
		k.Errorf("Body(%d) gives the gate %q, %v", seq, g, err)
	}
	if s := k.story(seq); s.Status != journal.Processing || !s.Due.Equal(due) || string(s.Gate) != string(state) {
		k.Errorf("story: %+v, gate %q", s.Record, s.Gate)
	}
	large := strings.Repeat("g", 200000)
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Gate: []byte(large), Due: due})
	if _, g, _ := k.j.Body(k.ctx, seq); string(g) != large {
		k.Errorf("a large gate came back with %d bytes", len(g))
	}
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{delivery(0, "a")}})
	if _, g, _ := k.j.Body(k.ctx, seq); g != nil {
		k.Errorf("after the gate has opened: %.40q", g)
	}
}

func seen(k *kit) {
	seq := k.put()
	is := func(scope, id string, want bool) {
		k.Helper()
		got, err := k.j.Seen(k.ctx, scope, id)
		if err != nil || got != want {
			k.Errorf("Seen(%q, %q) = %v, %v, want %v", scope, id, got, err, want)
		}
	}
	is("r/dedupe", "1", false)
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{delivery(0, "a")}, Seen: []journal.SeenID{{Scope: "r/dedupe", ID: "1", For: time.Hour}, {Scope: "r/dedupe", ID: "2", For: -time.Second}}})
	k.reopen()
	is("r/dedupe", "1", true)
	is("r/dedupe", "2", false) // its time is over
	is("r/dedupe", "3", false)
	is("q/dedupe", "1", false)
	is("r/dedup", "e1", false)
}

func dropped(k *kit) {
	empty := func(seq journal.Seq, what string) {
		k.Helper()
		s := k.story(seq)
		if s.HasBody || len(s.Body)+len(s.Original) > 0 {
			k.Errorf("%s: a body is left", what)
		}
		for _, d := range s.Deliveries {
			if len(d.Body)+len(d.With)+len(d.Answer) > 0 {
				k.Errorf("%s: a delivery keeps %+v", what, d)
			}
		}
		for _, a := range s.Attempts_ {
			if len(a.Answer) > 0 {
				k.Errorf("%s: an attempt keeps %q", what, a.Answer)
			}
		}
		k.is("Release without a body", k.j.Release(k.ctx, seq, "", k.action("retry")), journal.ErrState)
	}
	seq := k.put()
	d := delivery(0, "a")
	d.Status, d.Attempts, d.Answer = journal.Delivered, 1, []byte("ok")
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Delivered, Deliveries: []journal.Delivery{d}, DropBody: true,
		Tried: []journal.Attempt{{Number: 1, Time: k.now, Status: journal.Delivered, Answer: []byte("ok")}}})
	empty(seq, "by Resolve")
	seq = k.put(func(e *journal.Entry) { e.Message.Body = []byte(strings.Repeat("z", 1000)) })
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{delivery(0, "a")}, DropBody: true})
	k.body(seq, strings.Repeat("z", 1000)) // it has not ended
	k.attempt(journal.Attempt{Seq: seq, N: 0, Number: 1, Time: k.now, Status: journal.Retrying, Class: fault.Transient, Answer: []byte("patient data"), Message: journal.Retrying, Due: k.now})
	k.attempt(journal.Attempt{Seq: seq, N: 0, Number: 2, Time: k.now, Status: journal.Delivered, Answer: []byte("ok"), Message: journal.Delivered, DropBody: true})
	empty(seq, "by Attempt")
	if err := k.j.Edit(k.ctx, seq, []byte("new"), "", k.action("edit")); err != nil {
		k.Errorf("an edit gives it a body again, but Edit = %v", err)
	}
	k.body(seq, "new")
}

func calls(k *kit) {
	seq := k.put()
	var want []journal.Call
	for i := range 3 {
		c := journal.Call{Seq: seq, Label: fmt.Sprint("call ", i), Operation: "openmrs.create", Digest: fmt.Sprint("digest ", i), Time: k.now, Status: 201, Answer: fmt.Appendf(nil, `{"n":%d}`, i)}
		if i == 2 {
			c.Answer = nil
		}
		if err := k.j.RecordCall(k.ctx, c); err != nil {
			k.Fatalf("RecordCall = %v", err)
		}
		want = append(want, c)
	}
	k.is("RecordCall of no message", k.j.RecordCall(k.ctx, journal.Call{Seq: seq + 1, Label: "x"}), journal.ErrNotFound)
	k.reopen()
	got, err := k.j.Calls(k.ctx, seq)
	if err != nil {
		k.Fatal(err)
	}
	k.same("Calls", got, want)
	k.end(seq, journal.Dead)
	if err := k.j.Release(k.ctx, seq, "", k.action("retry")); err != nil {
		k.Fatal(err)
	}
	k.same("calls in the story, after a release", k.story(seq).Calls, want)
}

func longAnswers(k *kit) {
	seq := k.put()
	long := []byte(strings.Repeat("0123456789", 30000))
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{delivery(0, "a")}})
	k.attempt(journal.Attempt{Seq: seq, N: 0, Number: 1, Time: k.now, Status: journal.Dead, Class: fault.Rejected, Error: "no", Answer: long, Message: journal.Dead})
	a := k.story(seq).Attempts_[0].Answer
	if len(a) > 66<<10 || !strings.Contains(string(a), "300000") || !strings.HasPrefix(string(a), "0123456789") {
		k.Errorf("of an answer of 300,000 bytes, %d are kept, ending in %q", len(a), a[max(0, len(a)-40):])
	}
	if err := k.j.RecordCall(k.ctx, journal.Call{Seq: seq, Label: "c", Operation: "a.b", Answer: long, Time: k.now}); err != nil {
		k.Fatal(err)
	}
	cs, err := k.j.Calls(k.ctx, seq)
	if err != nil || len(cs) != 1 || string(cs[0].Answer) != string(long) {
		k.Errorf("the answer of a call must be whole: %v", err)
	}
}

func strayAttempts(k *kit) {
	seq := k.put()
	k.is("Attempt of no delivery", k.j.Attempt(k.ctx, journal.Attempt{Seq: seq, N: 3, Number: 1, Status: journal.Delivered, Message: journal.Delivered}), journal.ErrNotFound)
	k.status(seq, journal.Received)
	k.is("Attempt of no message", k.j.Attempt(k.ctx, journal.Attempt{Seq: seq + 9, N: -1, Number: 1, Message: journal.Retrying}), journal.ErrNotFound)
}
