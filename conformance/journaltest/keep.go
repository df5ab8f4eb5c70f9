package journaltest

import (
	"strings"
	"time"

	"github.com/njia-health/njia/engine/journal"
)

func keepCases() map[string]func(*kit) {
	return map[string]func(*kit){
		"prune forgets by age and status":            pruneByAge,
		"prune forgets bodies earlier":               pruneBodies,
		"prune keeps a dedupe id for its time":       pruneKeepsIDs,
		"prune by size takes the oldest ended first": pruneBySize,
		"prune forgets many":                         pruneMany,
		"size and close":                             sizeAndClose,
	}
}

func (k *kit) prune(keep journal.Keep, now time.Time, want int) {
	k.Helper()
	n, err := k.j.Prune(k.ctx, keep, now)
	if err != nil || n != want {
		k.Errorf("Prune(%+v, in %s) = %d, %v, want %d", keep, now.Sub(k.now), n, err, want)
	}
}

func pruneByAge(k *kit) {
	byStatus := map[journal.Status]journal.Seq{}
	for _, s := range []journal.Status{journal.Received, journal.Processing, journal.Retrying, journal.Held, journal.Delivered, journal.Filtered, journal.Dead} {
		seq := k.put(func(e *journal.Entry) { e.Key = "key of " + string(s) })
		if s != journal.Received {
			d := delivery(0, "a")
			d.Status = s
			if !s.Open() {
				d.Status = journal.Delivered
			}
			k.resolve(journal.Resolution{Seq: seq, Status: s, Deliveries: []journal.Delivery{d}})
		}
		byStatus[s] = seq
	}
	hour := journal.Keep{For: map[journal.Status]time.Duration{journal.Delivered: time.Hour, journal.Filtered: 2 * time.Hour, journal.Received: time.Second, journal.Held: time.Second, journal.Retrying: time.Second, journal.Processing: time.Second}}
	k.prune(hour, k.now.Add(30*time.Minute), 0)
	k.prune(hour, k.now.Add(90*time.Minute), 1)
	_, err := k.j.Story(k.ctx, byStatus[journal.Delivered])
	k.is("Story of a forgotten one", err, journal.ErrNotFound)
	k.same("Search by its key", k.found(journal.Query{Key: "key of delivered"}), []journal.Seq{})
	if ds := k.deliveries(byStatus[journal.Delivered]); len(ds) != 0 {
		k.Errorf("its deliveries are left: %+v", ds)
	}
	k.prune(hour, k.now.Add(1000*time.Hour), 1)
	k.prune(hour, k.now.Add(1000*time.Hour), 0)
	k.reopen()
	k.status(byStatus[journal.Dead], journal.Dead) // for ever
	for s, seq := range byStatus {
		if s.Open() {
			k.status(seq, s)
		}
	}
	k.same("Counts", k.counted(), map[string]int64{"r received": 1, "r processing": 1, "r retrying": 1, "r held": 1, "r dead": 1})
	last := k.put()
	k.end(last, journal.Delivered)
	k.prune(hour, k.now.Add(1000*time.Hour), 1)
	k.reopen()
	if next := k.put(); next <= last {
		k.Errorf("number %d is given again after %d was forgotten", next, last)
	}
}

func pruneBodies(k *kit) {
	send := func(s journal.Status) journal.Seq {
		seq := k.put()
		d := delivery(0, "a")
		d.Status, d.Answer = journal.Delivered, []byte("ok")
		k.resolve(journal.Resolution{Seq: seq, Status: s, Deliveries: []journal.Delivery{d}})
		return seq
	}
	a, dead := send(journal.Delivered), send(journal.Dead)
	keep := journal.Keep{Bodies: time.Hour}
	k.prune(keep, k.now.Add(time.Minute), 0)
	if s := k.story(a); !s.HasBody {
		k.Error("the body went too early")
	}
	k.prune(keep, k.now.Add(2*time.Hour), 0)
	s := k.story(a)
	if s.HasBody || len(s.Body) > 0 || s.Status != journal.Delivered || len(s.Deliveries) != 1 || len(s.Deliveries[0].Body)+len(s.Deliveries[0].Answer) > 0 {
		k.Errorf("after the time of bodies: %+v, %+v", s.Record, s.Deliveries)
	}
	if s = k.story(dead); !s.HasBody || len(s.Body) == 0 {
		k.Error("the body of a dead one went")
	}
}

func pruneKeepsIDs(k *kit) {
	long := func(e *journal.Entry) { e.DedupeID, e.Remember, e.Message.Time = "long", 100*time.Hour, k.now }
	short := func(e *journal.Entry) { e.DedupeID, e.Remember, e.Message.Time = "short", time.Minute, k.now }
	lost := func(e *journal.Entry) { e.DedupeID, e.Remember, e.Message.Time = "lost", 100*time.Hour, k.now }
	a, b, c := k.put(long), k.put(short), k.put(lost)
	k.end(a, journal.Delivered)
	k.end(b, journal.Delivered)
	k.end(c, journal.Dead)
	later := k.now.Add(10 * time.Hour)
	k.prune(journal.Keep{For: map[journal.Status]time.Duration{journal.Delivered: time.Hour, journal.Dead: time.Hour}}, later, 3)
	k.reopen()
	at := func(e *journal.Entry) { e.Message.Time = later }
	if r := k.append(k.entry(long, at))[0]; r.Status != journal.Duplicate || r.First != a {
		k.Errorf("an id whose message is forgotten, but not its time: %+v, want a duplicate of %d", r, a)
	}
	if r := k.append(k.entry(short, at))[0]; r.Status != journal.Received {
		k.Errorf("an id whose time is over: %+v", r)
	}
	if r := k.append(k.entry(lost, at))[0]; r.Status != journal.Received {
		k.Errorf("an id of a message that died: %+v", r)
	}
}

func pruneBySize(k *kit) {
	noise := make([]byte, 50<<10)
	x := uint32(7)
	put := func() journal.Seq {
		for i := range noise {
			x = x*1664525 + 1013904223
			noise[i] = byte(x >> 24)
		}
		return k.put(func(e *journal.Entry) { e.Message.Body = noise })
	}
	open := put()
	var ended []journal.Seq
	for range 60 {
		seq := put()
		k.end(seq, journal.Delivered)
		ended = append(ended, seq)
	}
	const most = 2 << 20
	n, err := k.j.Prune(k.ctx, journal.Keep{MaxSize: most}, k.now)
	if err != nil || n == 0 || n >= 60 {
		k.Fatalf("Prune to %d bytes = %d, %v", most, n, err)
	}
	left := k.found(journal.Query{Limit: 100, After: 1, Statuses: []journal.Status{journal.Delivered}})
	k.same("what is left", left, ended[n:])
	k.status(open, journal.Received)
	k.reopen()
	if size, err := k.j.Size(); err != nil || size > most+most/2 {
		k.Errorf("Size() = %d, %v after pruning to %d", size, err, most)
	}
}

func pruneMany(k *kit) {
	const n = 1800
	var es []journal.Entry
	for range n {
		es = append(es, k.entry(func(e *journal.Entry) { e.Status, e.Keys = journal.Filtered, map[string]string{"a": "b"} }))
	}
	k.append(es...)
	k.prune(journal.Keep{For: map[journal.Status]time.Duration{journal.Filtered: time.Hour}}, k.now.Add(2*time.Hour), n)
	k.same("Search", k.found(journal.Query{}), []journal.Seq{})
	k.same("Search by key", k.found(journal.Query{Key: "b"}), []journal.Seq{})
	k.same("Counts", k.counted(), map[string]int64{})
}

func sizeAndClose(k *kit) {
	k.put(func(e *journal.Entry) { e.Message.Body = []byte(strings.Repeat("x", 1000)) })
	if n, err := k.j.Size(); err != nil || n <= 0 {
		k.Errorf("Size() = %d, %v", n, err)
	}
	j := k.open(k.T, k.TempDir())
	if err := j.Close(); err != nil {
		k.Fatalf("Close() = %v", err)
	}
	if err := j.Close(); err != nil {
		k.Errorf("a second Close() = %v", err)
	}
	_, err := j.Append(k.ctx, []journal.Entry{k.entry()})
	k.is("Append after Close", err, journal.ErrClosed)
	_, err = j.Search(k.ctx, journal.Query{})
	k.is("Search after Close", err, journal.ErrClosed)
}
