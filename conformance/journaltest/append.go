package journaltest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

func appendCases() map[string]func(*kit) {
	return map[string]func(*kit){
		"append keeps all of a message":                    keepsAll,
		"append numbers messages in order":                 numbers,
		"append keeps bodies of every kind":                bodies,
		"append of what has ended at once":                 endedAtOnce,
		"append finds duplicates":                          duplicates,
		"append finds duplicates in one call":              duplicatesInOne,
		"a dedupe id counts while its message is open":     openCounts,
		"a dedupe id is forgotten after its time":          forgotten,
		"cursor and marks move with the message":           cursors,
		"cursor and marks move without a message":          cursorsAlone,
		"concurrent writers keep everything once":          concurrent,
		"a cancelled context writes nothing":               cancelled,
		"what was appended is there after opening it anew": reopened,
	}
}

func keepsAll(k *kit) {
	e := k.entry(func(e *journal.Entry) {
		e.Message.Event = message.Update
		e.Message.Headers = map[string]string{"x-a": "1", "content-type": "application/fhir+json"}
		e.Key, e.Keys, e.DedupeID, e.Remember = "Patient/1", map[string]string{"patient": "100GEJ", "order": "ORD-1"}, "sr/1", time.Hour
		e.Parent, e.Resume, e.Vars = 77, "jq-2", []byte(`{"a":1}`)
	})
	r := k.append(e)[0]
	if r.ID != e.Message.ID || r.Status != journal.Received || r.First != 0 {
		k.Errorf("receipt %+v for id %s", r, e.Message.ID)
	}
	got := k.story(r.Seq)
	if !got.Changed.Equal(got.Received) && got.Changed.Before(k.now.Add(-time.Minute)) {
		k.Errorf("changed %s", got.Changed)
	}
	got.Changed = time.Time{}
	k.same("Story", got, journal.Story{Body: e.Message.Body, Record: journal.Record{Seq: r.Seq, ID: e.Message.ID, Route: "r", Source: "s.changes", Rules: "v1", Key: "Patient/1", Keys: e.Keys,
		DedupeID: "sr/1", Event: "update", Type: "application/json", Headers: e.Message.Headers, Status: journal.Received, Received: k.now, Size: len(e.Message.Body), HasBody: true,
		Parent: 77, Resume: "jq-2", Vars: e.Vars}})
	seq, err := k.j.Find(k.ctx, string(e.Message.ID))
	if err != nil || seq != r.Seq {
		k.Errorf("Find(its id) = %d, %v, want %d", seq, err, r.Seq)
	}
	_, err = k.j.Find(k.ctx, string(message.NewID()))
	k.is("Find(another id)", err, journal.ErrNotFound)
	_, err = k.j.Story(k.ctx, r.Seq+1)
	k.is("Story(no message)", err, journal.ErrNotFound)
	_, _, err = k.j.Body(k.ctx, r.Seq+1)
	k.is("Body(no message)", err, journal.ErrNotFound)
	odd := k.entry(func(e *journal.Entry) { e.Message.ID = "lab order/7 (é)" })
	if r, seq := k.append(odd)[0], journal.Seq(0); true {
		if seq, err = k.j.Find(k.ctx, "lab order/7 (é)"); err != nil || seq != r.Seq || k.story(seq).ID != odd.Message.ID {
			k.Errorf("Find(an id that is no UUID) = %d, %v", seq, err)
		}
	}
}

func numbers(k *kit) {
	last := journal.Seq(0)
	for range 5 {
		var es []journal.Entry
		for range 20 {
			es = append(es, k.entry())
		}
		for i, r := range k.append(es...) {
			if r.Seq <= last || r.ID != es[i].Message.ID {
				k.Fatalf("receipt %d: number %d after %d, id %s for %s", i, r.Seq, last, r.ID, es[i].Message.ID)
			}
			last = r.Seq
		}
	}
	var all []journal.Seq
	after := journal.Seq(0)
	for {
		rs, err := k.j.Open(k.ctx, after, 30)
		if err != nil {
			k.Fatal(err)
		}
		all = append(all, seqs(rs)...)
		if len(rs) < 30 {
			break
		}
		after = rs[len(rs)-1].Seq
	}
	if len(all) != 100 {
		k.Fatalf("Open in pages gave %d messages, want 100", len(all))
	}
	for i := 1; i < len(all); i++ {
		if all[i] <= all[i-1] {
			k.Fatalf("Open gave %d after %d", all[i], all[i-1])
		}
	}
}

func bodies(k *kit) {
	noise := make([]byte, 300<<10)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, b := range map[string][]byte{
		"empty":                 {},
		"one byte":              {0},
		"UTF-8":                 []byte("Äçhieng ☃ \U0001F600"),
		"no text":               {0xff, 0xfe, 0, 1, 2},
		"large, compressible":   bytes.Repeat([]byte(`{"resourceType":"Patient"},`), 40000),
		"large, incompressible": noise,
	} {
		for range 2 { // the same body twice
			seq := k.put(func(e *journal.Entry) { e.Message.Body = b })
			got, _, err := k.j.Body(k.ctx, seq)
			if err != nil || !bytes.Equal(got, b) {
				k.Errorf("%s: a body of %d bytes came back with %d, %v", name, len(b), len(got), err)
			}
			if s := k.story(seq); s.Size != len(b) || !s.HasBody {
				k.Errorf("%s: size %d, has body %v", name, s.Size, s.HasBody)
			}
			k.resolve(journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{{N: 0, ID: "d", Label: "to", Operation: "a.b", Body: b, Status: journal.Received}}})
			if ds := k.deliveries(seq); len(ds) != 1 || !bytes.Equal(ds[0].Body, b) {
				k.Errorf("%s: the delivery's body came back with other bytes", name)
			}
		}
	}
}

func endedAtOnce(k *kit) {
	f := fault.New(fault.Invalid, "not JSON: line 1, column 2")
	dead := k.put(func(e *journal.Entry) { e.Status, e.Failure = journal.Dead, f })
	held := k.put(func(e *journal.Entry) {
		e.Status, e.Failure = journal.Held, &fault.Error{Class: fault.Unmapped, Text: "no product for 718-7", Map: "loinc", Code: "718-7"}
	})
	filtered := k.put(func(e *journal.Entry) { e.Status, e.NoBody = journal.Filtered, true })
	s := k.story(dead)
	if s.Status != journal.Dead || s.Class != fault.Invalid || s.Error != f.Error() || !s.HasBody {
		k.Errorf("the dead one: %+v", s.Record)
	}
	s = k.story(held)
	if s.Status != journal.Held || s.Class != fault.Unmapped || s.Map != "loinc" || s.Code != "718-7" {
		k.Errorf("the held one: %+v", s.Record)
	}
	s = k.story(filtered)
	if s.Status != journal.Filtered || s.HasBody || len(s.Body) != 0 || s.Size == 0 {
		k.Errorf("the filtered one: %+v", s.Record)
	}
	k.same("Open", k.opened(), []journal.Seq{held})
}

// named gives an entry a dedupe id that is remembered for an hour.
func named(id string) func(*journal.Entry) {
	return func(e *journal.Entry) { e.DedupeID, e.Remember = id, time.Hour }
}

func duplicates(k *kit) {
	for _, c := range []struct {
		status journal.Status // how the first ended
		again  bool           // accepted anew
	}{{journal.Delivered, false}, {journal.Filtered, false}, {journal.Dead, true}, {journal.Discarded, true}} {
		id := "order/" + string(c.status)
		first := k.put(named(id))
		dup := k.append(k.entry(named(id)))[0]
		if dup.Status != journal.Duplicate || dup.First != first || dup.Seq == first {
			k.Errorf("%s: while the first is open: %+v, want a duplicate of %d", id, dup, first)
		}
		if s := k.story(dup.Seq); s.Status != journal.Duplicate || s.HasBody || len(s.Body) > 0 || s.DedupeID != id {
			k.Errorf("%s: the duplicate is kept as %+v", id, s.Record)
		}
		if other := k.append(k.entry(named(id), func(e *journal.Entry) { e.Route = "another" }))[0]; other.Status != journal.Received {
			k.Errorf("%s: an id of one route counts in another: %+v", id, other)
		}
		if c.status == journal.Discarded {
			if err := k.j.Discard(k.ctx, first, k.action("discard")); err != nil {
				k.Fatal(err)
			}
		} else {
			k.end(first, c.status)
		}
		k.reopen()
		r := k.append(k.entry(named(id)))[0]
		switch {
		case c.again && r.Status != journal.Received:
			k.Errorf("%s: after the first was %s: %+v, want it accepted", id, c.status, r)
		case !c.again && (r.Status != journal.Duplicate || r.First != first):
			k.Errorf("%s: after the first was %s: %+v, want a duplicate of %d", id, c.status, r, first)
		}
		if c.again {
			if dup := k.append(k.entry(named(id)))[0]; dup.Status != journal.Duplicate || dup.First != r.Seq {
				k.Errorf("%s: the one accepted anew has no claim: %+v", id, dup)
			}
		}
	}
}

func duplicatesInOne(k *kit) {
	rs := k.append(k.entry(named("a")), k.entry(named("b")), k.entry(named("a")), k.entry())
	if rs[0].Status != journal.Received || rs[1].Status != journal.Received || rs[2].Status != journal.Duplicate || rs[2].First != rs[0].Seq || rs[3].Status != journal.Received {
		k.Errorf("receipts %+v", rs)
	}
}

func openCounts(k *kit) {
	at := func(d time.Duration) func(*journal.Entry) {
		return func(e *journal.Entry) {
			e.DedupeID, e.Remember, e.Message.Time = "a", time.Minute, k.now.Add(d)
		}
	}
	first := k.put(at(-time.Hour))
	k.resolve(journal.Resolution{Seq: first, Status: journal.Retrying, Due: k.now.Add(time.Hour), Failure: fault.New(fault.Transient, "down")})
	if r := k.append(k.entry(at(0)))[0]; r.Status != journal.Duplicate {
		k.Errorf("past its time, but the first is still retrying: %+v", r)
	}
	k.end(first, journal.Delivered)
	if r := k.append(k.entry(at(time.Second)))[0]; r.Status != journal.Duplicate {
		k.Errorf("a moment after the first ended: %+v", r)
	}
}

func forgotten(k *kit) {
	at := func(d time.Duration) func(*journal.Entry) {
		return func(e *journal.Entry) {
			e.DedupeID, e.Remember, e.Message.Time = "a", time.Minute, k.now.Add(d)
		}
	}
	first := k.put(at(0))
	k.end(first, journal.Delivered)
	if r := k.append(k.entry(at(50 * time.Second)))[0]; r.Status != journal.Duplicate {
		k.Errorf("after 50 of 60 s: %+v", r)
	}
	if r := k.append(k.entry(at(2 * time.Minute)))[0]; r.Status != journal.Received {
		k.Errorf("after 120 of 60 s: %+v", r)
	}
}

func cursors(k *kit) {
	moves := func(c string, marks map[string]string) func(*journal.Entry) {
		return func(e *journal.Entry) { e.CursorName, e.Cursor, e.Marks = "route r", c, marks }
	}
	k.put(moves("10", map[string]string{"a": "1", "b": "2"}))
	k.put(moves("", map[string]string{"b": "", "c": "3"}))
	k.append(k.entry(moves("11", nil)), k.entry(moves("12", map[string]string{"d": "4"})))
	k.put(func(e *journal.Entry) { e.Cursor = "99" }) // without a name it moves nothing
	for range 2 {
		k.cursor("route r", "12", map[string]string{"a": "1", "c": "3", "d": "4"})
		k.cursor("route q", "", nil)
		k.reopen()
	}
	k.put(named("x"))
	k.append(k.entry(named("x"), moves("13", map[string]string{"a": ""})))
	k.cursor("route r", "13", map[string]string{"c": "3", "d": "4"}) // a duplicate was taken, too
}

func (k *kit) cursor(name, want string, marks map[string]string) {
	k.Helper()
	c, err := k.j.Cursor(k.ctx, name)
	if err != nil || c != want {
		k.Errorf("Cursor(%q) = %q, %v, want %q", name, c, err, want)
	}
	ms, err := k.j.Marks(k.ctx, name)
	if err != nil {
		k.Errorf("Marks(%q) = %v", name, err)
	}
	k.same("Marks", ms, marks)
}

func cursorsAlone(k *kit) {
	for _, s := range []struct {
		cursor string
		marks  map[string]string
	}{{"5", nil}, {"", map[string]string{"a": "1"}}, {"6", map[string]string{"a": "", "b": "2"}}, {"", nil}} {
		if err := k.j.SaveCursor(k.ctx, "c", s.cursor, s.marks); err != nil {
			k.Fatalf("SaveCursor(%q, %v) = %v", s.cursor, s.marks, err)
		}
	}
	k.reopen()
	k.cursor("c", "6", map[string]string{"b": "2"})
}

func concurrent(k *kit) {
	const writers, each = 16, 25
	var mu sync.Mutex
	last := map[string]journal.Seq{} // of each writer
	all := map[journal.Seq]bool{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			key := fmt.Sprint("key ", w)
			for i := range each {
				e := journal.Entry{Message: message.Message{ID: message.NewID(), Time: k.now, Body: fmt.Append(nil, i)}, Route: "r", Key: key, Status: journal.Received}
				rs, err := k.j.Append(k.ctx, []journal.Entry{e})
				if err != nil {
					k.Errorf("Append = %v", err)
					return
				}
				if i%2 == 0 {
					if _, err := k.j.Resolve(k.ctx, journal.Resolution{Seq: rs[0].Seq, Status: journal.Delivered}); err != nil {
						k.Errorf("Resolve = %v", err)
					}
				}
				if _, err := k.j.Search(k.ctx, journal.Query{Key: key, Limit: 3}); err != nil {
					k.Errorf("Search = %v", err)
				}
				mu.Lock()
				if rs[0].Seq <= last[key] || all[rs[0].Seq] {
					k.Errorf("%s: number %d after %d", key, rs[0].Seq, last[key])
				}
				last[key], all[rs[0].Seq] = rs[0].Seq, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n := len(k.found(journal.Query{Limit: 10000})); n != writers*each {
		k.Errorf("%d messages are kept, want %d", n, writers*each)
	}
	if n := len(k.opened()); n != writers*(each/2) {
		k.Errorf("%d messages are open, want %d", n, writers*(each/2))
	}
}

func cancelled(k *kit) {
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	_, err := k.j.Append(ctx, []journal.Entry{k.entry()})
	k.is("Append(cancelled)", err, context.Canceled)
	if got := k.found(journal.Query{}); len(got) > 0 {
		k.Errorf("it kept %v", got)
	}
}

func reopened(k *kit) {
	seq := k.put(func(e *journal.Entry) {
		e.Keys = map[string]string{"patient": "7"}
		e.Message.Body = []byte(strings.Repeat("x", 5000))
	})
	k.reopen()
	k.body(seq, strings.Repeat("x", 5000))
	k.same("Search by business key", k.found(journal.Query{Key: "7"}), []journal.Seq{seq})
	if next := k.put(); next <= seq {
		k.Errorf("number %d after %d", next, seq)
	}
}
