package journal

import (
	"context"
	"hash/fnv"
	"slices"
	"sync"
)

// The index of keys: ordering keys, business keys and dedupe ids. Hashes are random, so that each one put into one large
// tree at once would write a page of 4 KB. It is cheap because
//
//   - it lags: keys wait in memory and go in sorted, many together. After a crash they are read from the messages again;
//   - it is cut into segments of 2^14 messages, so that only a few pages change. A search looks into each.
//
// A hit is a hint: the message says whether it is right.

// segmentShift makes the segment of a message.
const segmentShift = 14

const (
	// drainAt is how many keys wait before they are indexed.
	drainAt = 4096
	// drainStep is how many are indexed in one transaction, which others wait for; more only where more come.
	drainStep = 512
)

type keyEntry struct {
	hash int64
	seq  Seq
}

// What is indexed.
const (
	anyKey = 'k' // an ordering key or the value of a business key
	anyID  = 'd' // a dedupe id
)

// keyHash is 40 bits of kind and value below the segment.
func keyHash(seq Seq, kind byte, value string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte{kind})
	_, _ = h.Write([]byte(value))
	x := h.Sum64()
	x ^= x >> 29
	return int64(seq)>>segmentShift<<40 | int64(x&(1<<40-1))
}

// keyEntries are what is indexed of a message.
func (a *about) keyEntries(seq Seq) []keyEntry {
	if a.Key == "" && a.DedupeID == "" && len(a.Keys) == 0 {
		return nil
	}
	out := make([]keyEntry, 0, 2+len(a.Keys))
	if a.Key != "" {
		out = append(out, keyEntry{keyHash(seq, anyKey, a.Key), seq})
	}
	for _, v := range a.Keys {
		if v != "" && v != a.Key {
			out = append(out, keyEntry{keyHash(seq, anyKey, v), seq})
		}
	}
	if a.DedupeID != "" {
		out = append(out, keyEntry{keyHash(seq, anyID, a.DedupeID), seq})
	}
	return out
}

// pending are the keys that wait for the index. Searches look here too.
type pending struct {
	mu     sync.Mutex // guards all
	fresh  []keyEntry // in the order of their messages
	sorted []keyEntry // all older; on its way into the index
	to     Seq        // the last message of sorted
}

func (p *pending) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.fresh)+len(p.sorted) > 0
}

// step gives at most n to index now, and the number up to which all is indexed once that is done (0: not yet).
func (p *pending) step(all bool, n int) (entries []keyEntry, to Seq) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sorted) == 0 && len(p.fresh) > 0 && (all || len(p.fresh) >= drainAt) {
		p.sorted, p.fresh, p.to = p.fresh, nil, p.fresh[len(p.fresh)-1].seq
		slices.SortFunc(p.sorted, func(a, b keyEntry) int {
			if a.hash != b.hash {
				if a.hash < b.hash {
					return -1
				}
				return 1
			}
			return int(a.seq - b.seq)
		})
	}
	entries = p.sorted[:min(len(p.sorted), n)]
	if len(entries) > 0 && len(entries) == len(p.sorted) {
		to = p.to
	}
	return entries, to
}

// committed takes away the n that are indexed, and adds those of new messages.
func (p *pending) committed(n int, fresh []keyEntry) {
	if n == 0 && len(fresh) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sorted = p.sorted[n:]
	p.fresh = append(p.fresh, fresh...)
}

// find gives the messages waiting here whose hash in their segment may be of the value.
func (p *pending) find(kind byte, value string, do func(Seq)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range [][]keyEntry{p.sorted, p.fresh} {
		for _, e := range list {
			if e.hash == keyHash(e.seq, kind, value) {
				do(e.seq)
			}
		}
	}
}

// drainKeys indexes some of what waits, if it is much or nothing else is going on.
func (w *writer) drainKeys() error {
	quiet := w.next == w.first && len(w.counts) == 0
	entries, to := w.d.keys.step(quiet, max(drainStep, 2*len(w.indexed)))
	for _, e := range entries {
		if err := w.exec("INSERT INTO key VALUES (?, ?) ON CONFLICT DO NOTHING", e.hash, e.seq); err != nil {
			return err
		}
	}
	if to > 0 {
		if err := w.exec("INSERT INTO meta VALUES ('keys_to', ?) ON CONFLICT DO UPDATE SET value = excluded.value", to); err != nil {
			return err
		}
	}
	w.drained = len(entries)
	return nil
}

// resumeKeys reads the keys that an earlier life had not indexed.
func (w *writer) resumeKeys() error {
	r, ok, err := w.one("SELECT value FROM meta WHERE name = 'keys_to'")
	if err != nil {
		return err
	}
	var to int64
	if ok {
		to = r.int(0)
	}
	var a about
	return w.each(context.Background(), "SELECT seq, about FROM message WHERE seq > ? ORDER BY seq", func(r row) error {
		b, err := w.d.packer.unpack(r.bytes(1))
		if err != nil {
			return err
		}
		if err := a.decode(b); err != nil {
			return err
		}
		w.d.keys.fresh = append(w.d.keys.fresh, a.keyEntries(Seq(r.int(0)))...)
		return nil
	}, to)
}
