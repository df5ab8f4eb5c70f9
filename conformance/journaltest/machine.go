package journaltest

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"pgregory.net/rapid"
)

// modelled is what a plain map remembers of a message.
type modelled struct {
	Status     journal.Status
	Body       string
	Edited     bool
	Route, Key string
	Error      string
	Parent     journal.Seq
	Deliveries []string // label: status
	Calls      int
}

// model is the journal as maps.
type model struct {
	messages map[journal.Seq]*modelled
	known    map[string]journal.Seq // route and dedupe id to the message that has it
	cursors  map[string]string
	marks    map[string]string
	seen     map[string]bool
}

// machine runs random histories on a store and on a model, with the store opened anew at any time, and compares.
func machine(t *testing.T, open Open) {
	// A history costs a new journal: 40 of them, unless somebody asks for another number.
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("40"); err == nil {
			defer func() { _ = f.Value.Set(f.DefValue) }()
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		k := &kit{T: t, open: open, dir: dir, ctx: t.Context(), now: time.Now().UTC().Truncate(time.Millisecond)}
		k.j = open(t, dir)
		defer func() { _ = k.j.Close() }()
		m := &model{map[journal.Seq]*modelled{}, map[string]journal.Seq{}, map[string]string{}, map[string]string{}, map[string]bool{}}
		s := &steps{k, m}
		rt.Repeat(map[string]func(*rapid.T){
			"append":  s.append,
			"resolve": s.resolve,
			"attempt": s.attempt,
			"call":    s.call,
			"release": s.release,
			"edit":    s.edit,
			"discard": s.discard,
			"save":    s.save,
			"reopen": func(rt *rapid.T) {
				if rapid.IntRange(0, 2).Draw(rt, "really") == 0 {
					k.reopen()
				}
			},
			"compare": s.compare,
		})
		s.compare(rt)
	})
}

type steps struct {
	k *kit
	m *model
}

// any draws a message; ok is false where there is none.
func (s *steps) any(t *rapid.T) (seq journal.Seq, m *modelled, ok bool) {
	if len(s.m.messages) == 0 {
		return 0, nil, false
	}
	seq = rapid.SampledFrom(slices.Sorted(maps.Keys(s.m.messages))).Draw(t, "message")
	return seq, s.m.messages[seq], true
}

// entry draws one and says what the model makes of it.
func (s *steps) entry(t *rapid.T, parent journal.Seq) (journal.Entry, *modelled, string) {
	routes := rapid.SampledFrom([]string{"r", "q"})
	e := s.k.entry()
	e.Route, e.Parent = routes.Draw(t, "route"), parent
	e.Key = rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(t, "key")
	e.Message.Body = []byte(rapid.StringN(0, 300, -1).Draw(t, "body"))
	id := rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "dedupe id")
	if id != "" {
		e.DedupeID, e.Remember = id, time.Hour
	}
	want := &modelled{Status: journal.Received, Body: string(e.Message.Body), Route: e.Route, Key: e.Key, Parent: parent}
	if rapid.IntRange(0, 9).Draw(t, "invalid") == 0 {
		e.Status, e.Failure = journal.Dead, fault.New(fault.Invalid, "no JSON %d", s.k.n)
		want.Status, want.Error = journal.Dead, e.Failure.Error()
	}
	if rapid.Bool().Draw(t, "moves") {
		e.CursorName, e.Cursor = "c", fmt.Sprint(s.k.n)
		e.Marks = map[string]string{rapid.SampledFrom([]string{"m", "n"}).Draw(t, "mark"): rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")}
	}
	return e, want, id
}

// took tells the model of an appended entry.
func (s *steps) took(t *rapid.T, e journal.Entry, want *modelled, r journal.Receipt) {
	if e.DedupeID != "" {
		id := e.Route + "/" + e.DedupeID
		if first, ok := s.m.known[id]; ok && s.m.messages[first].Status != journal.Dead && s.m.messages[first].Status != journal.Discarded {
			want.Status, want.Body, want.Error = journal.Duplicate, "", ""
			if r.First != first {
				t.Fatalf("a duplicate of %d, but the receipt is %+v", first, r)
			}
		} else {
			s.m.known[id] = r.Seq
		}
	}
	if r.Status != want.Status || r.ID != e.Message.ID {
		t.Fatalf("receipt %+v of %s, want status %s", r, e.Message.ID, want.Status)
	}
	if s.m.messages[r.Seq] != nil {
		t.Fatalf("number %d is given twice", r.Seq)
	}
	s.m.messages[r.Seq] = want
	s.moved(e.CursorName, e.Cursor, e.Marks)
}

func (s *steps) moved(name, cursor string, marks map[string]string) {
	if name == "" {
		return
	}
	if cursor != "" {
		s.m.cursors[name] = cursor
	}
	for n, v := range marks {
		if v == "" {
			delete(s.m.marks, n)
		} else {
			s.m.marks[n] = v
		}
	}
}

func (s *steps) append(t *rapid.T) {
	var es []journal.Entry
	var wants []*modelled
	for range rapid.IntRange(1, 4).Draw(t, "entries") {
		e, want, _ := s.entry(t, 0)
		es, wants = append(es, e), append(wants, want)
	}
	rs, err := s.k.j.Append(s.k.ctx, es)
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	for i, r := range rs {
		s.took(t, es[i], wants[i], r)
	}
}

func (s *steps) resolve(t *rapid.T) {
	seq, m, ok := s.any(t)
	if !ok {
		return
	}
	r := journal.Resolution{Seq: seq, Rules: "v1", Status: rapid.SampledFrom([]journal.Status{journal.Processing, journal.Retrying, journal.Held, journal.Delivered, journal.Filtered, journal.Dead}).Draw(t, "status")}
	failed := r.Status == journal.Retrying || r.Status == journal.Held || r.Status == journal.Dead
	if failed {
		r.Failure, r.Due = fault.New(fault.Transient, "failure %d", rapid.IntRange(0, 99).Draw(t, "failure")), s.k.now
	}
	labels := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID[string]).Draw(t, "deliveries")
	for i, l := range labels {
		d := delivery(i, l)
		if r.Status == journal.Delivered {
			d.Status = journal.Delivered
		}
		r.Deliveries = append(r.Deliveries, d)
	}
	var wants []*modelled
	for range rapid.IntRange(0, 2).Draw(t, "parts") {
		e, want, _ := s.entry(t, seq)
		r.Children, wants = append(r.Children, e), append(wants, want)
	}
	if rapid.Bool().Draw(t, "confirms") {
		r.Seen = []journal.SeenID{{Scope: "s", ID: "x", For: time.Hour}}
	}
	r.DropBody = rapid.Bool().Draw(t, "drops")
	rs, err := s.k.j.Resolve(s.k.ctx, r)
	if s.refused(t, "Resolve", err, m.Status.Open()) {
		return
	}
	m.Status, m.Error = r.Status, ""
	if failed {
		m.Error = r.Failure.Error()
	}
	s.placed(m, r.Deliveries)
	for i, got := range rs {
		s.took(t, r.Children[i], wants[i], got)
	}
	for _, x := range r.Seen {
		s.m.seen[x.Scope+"/"+x.ID] = true
	}
	if r.DropBody && !m.Status.Open() {
		m.Body, m.Edited = "-", false
	}
}

// placed puts the deliveries of a run in the place of those that were not delivered.
func (s *steps) placed(m *modelled, ds []journal.Delivery) {
	made := map[string]bool{}
	for _, d := range m.Deliveries {
		if l, st := cutLabel(d); st == string(journal.Delivered) {
			made[l] = true
		}
	}
	var out []string
	for _, d := range ds {
		st := d.Status
		if made[d.Label] {
			st = journal.Delivered
			delete(made, d.Label)
		}
		out = append(out, d.Label+": "+string(st))
	}
	for _, d := range m.Deliveries {
		if l, _ := cutLabel(d); made[l] {
			out = append(out, d) // the new run has it no longer, but it was sent
		}
	}
	m.Deliveries = out
}

// cutLabel takes apart what is written as "a: delivered".
func cutLabel(d string) (label, status string) { return d[:1], d[3:] }

func (s *steps) attempt(t *rapid.T) {
	seq, m, ok := s.any(t)
	if !ok || len(m.Deliveries) == 0 {
		return
	}
	n := rapid.IntRange(0, len(m.Deliveries)-1).Draw(t, "delivery")
	label, st := cutLabel(m.Deliveries[n])
	if st == string(journal.Delivered) {
		return
	}
	a := journal.Attempt{Seq: seq, N: n, Number: 1, Time: s.k.now, Status: journal.Delivered, Message: journal.Processing}
	if rapid.Bool().Draw(t, "fails") {
		a.Status, a.Class, a.Error, a.Due, a.Message = journal.Retrying, fault.Transient, "attempt failed", s.k.now, journal.Retrying
	} else if rapid.Bool().Draw(t, "ends") {
		a.Message = journal.Delivered
	}
	if s.refused(t, "Attempt", s.k.j.Attempt(s.k.ctx, a), m.Status.Open()) {
		return
	}
	m.Status = a.Message
	m.Deliveries[n] = label + ": " + string(a.Status)
	switch {
	case a.Error != "":
		m.Error = a.Error
	case a.Message == journal.Delivered:
		m.Error = ""
	}
}

func (s *steps) call(t *rapid.T) {
	seq, m, ok := s.any(t)
	if !ok {
		return
	}
	if err := s.k.j.RecordCall(s.k.ctx, journal.Call{Seq: seq, Label: "c", Operation: "a.b", Digest: "d", Time: s.k.now, Answer: []byte("x")}); err != nil {
		t.Fatalf("RecordCall = %v", err)
	}
	m.Calls++
}

func (s *steps) release(t *rapid.T) {
	seq, m, ok := s.any(t)
	if !ok || m.Status == journal.Received || m.Status == journal.Processing {
		return
	}
	if s.refused(t, "Release", s.k.j.Release(s.k.ctx, seq, "", s.k.action("release")), m.Status != journal.Duplicate && m.Body != "-") {
		return
	}
	m.Status, m.Error = journal.Received, ""
}

func (s *steps) edit(t *rapid.T) {
	seq, m, ok := s.any(t)
	if !ok || m.Status == journal.Received || m.Status == journal.Processing {
		return
	}
	body := rapid.StringN(0, 30, -1).Draw(t, "body")
	if s.refused(t, "Edit", s.k.j.Edit(s.k.ctx, seq, []byte(body), "", s.k.action("edit")), m.Status != journal.Duplicate) {
		return
	}
	m.Status, m.Error, m.Body, m.Edited = journal.Received, "", body, true
}

func (s *steps) discard(t *rapid.T) {
	seq, m, ok := s.any(t)
	if !ok {
		return
	}
	if s.refused(t, "Discard", s.k.j.Discard(s.k.ctx, seq, s.k.action("discard")), m.Status.Open() || m.Status == journal.Dead) {
		return
	}
	m.Status = journal.Discarded
}

func (s *steps) save(t *rapid.T) {
	s.k.n++
	cursor, marks := fmt.Sprint(s.k.n), map[string]string{"m": "9"}
	if err := s.k.j.SaveCursor(s.k.ctx, "c", cursor, marks); err != nil {
		t.Fatalf("SaveCursor = %v", err)
	}
	s.moved("c", cursor, marks)
}

// refused checks that an error comes just when the model says so.
func (s *steps) refused(t *rapid.T, what string, err error, allowed bool) bool {
	if allowed == (err == nil) {
		return err != nil
	}
	t.Fatalf("%s = %v, the model allows it: %v", what, err, allowed)
	return true
}

// compare holds the store against the model.
func (s *steps) compare(t *rapid.T) {
	got := map[journal.Seq]*modelled{}
	rs, err := s.k.j.Search(s.k.ctx, journal.Query{Limit: 100000})
	if err != nil {
		t.Fatalf("Search = %v", err)
	}
	want, counted := map[string]int64{}, map[string]int64{}
	var open []journal.Seq
	for _, r := range rs {
		st, err := s.k.j.Story(s.k.ctx, r.Seq)
		if err != nil {
			t.Fatalf("Story(%d) = %v", r.Seq, err)
		}
		m := &modelled{Status: r.Status, Body: string(st.Body), Edited: r.Edited, Route: r.Route, Key: r.Key, Error: r.Error, Parent: r.Parent, Calls: len(st.Calls)}
		if !r.HasBody && r.Status != journal.Duplicate {
			m.Body = "-"
		}
		for _, d := range st.Deliveries {
			m.Deliveries = append(m.Deliveries, d.Label+": "+string(d.Status))
		}
		got[r.Seq] = m
		want[r.Route+" "+string(r.Status)]++
		if r.Status.Open() {
			open = append(open, r.Seq)
		}
	}
	slices.Sort(open)
	cs, err := s.k.j.Counts(s.k.ctx)
	if err != nil {
		t.Fatalf("Counts = %v", err)
	}
	for _, c := range cs {
		if c.N != 0 {
			counted[c.Route+" "+string(c.Status)] = c.N
		}
	}
	opened, err := s.k.j.Open(s.k.ctx, 0, 100000)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	byKey, err := s.k.j.Search(s.k.ctx, journal.Query{Key: "k1", Limit: 100000})
	if err != nil {
		t.Fatalf("Search by key = %v", err)
	}
	var keyed []journal.Seq
	for _, seq := range slices.Backward(slices.Sorted(maps.Keys(s.m.messages))) {
		if s.m.messages[seq].Key == "k1" {
			keyed = append(keyed, seq)
		}
	}
	cursor, err := s.k.j.Cursor(s.k.ctx, "c")
	if err != nil {
		t.Fatalf("Cursor = %v", err)
	}
	marks, err := s.k.j.Marks(s.k.ctx, "c")
	if err != nil {
		t.Fatalf("Marks = %v", err)
	}
	seen, err := s.k.j.Seen(s.k.ctx, "s", "x")
	if err != nil {
		t.Fatalf("Seen = %v", err)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"messages", got, s.m.messages}, {"Counts", counted, want}, {"Open", seqs(opened), open}, {"Search by key", seqs(byKey), keyed},
		{"Cursor", cursor, s.m.cursors["c"]}, {"Marks", marks, s.m.marks}, {"Seen", seen, s.m.seen["s/x"]},
	} {
		if d := cmp.Diff(c.want, c.got, equateEmpty); d != "" {
			t.Fatalf("%s differs from the model (-want +got):\n%s", c.what, d)
		}
	}
}
