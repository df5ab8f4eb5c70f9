package journal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
)

// entry is an Entry made ready in the goroutine that brought it.
type entry struct {
	Entry
	id       any
	about    about
	packed   []byte // about
	body     kept
	known    []byte // hash of route and dedupe id; nil without one
	received int64
}

// ready packs entries. free must be called with them at the end.
func (d *Disk) ready(es []Entry) ([]entry, error) {
	out := make([]entry, len(es))
	for i, e := range es {
		if e.Status.number() == 0 {
			d.unready(out[:i])
			return nil, fmt.Errorf("journal: append: a message of route %s has no status that the journal knows", e.Route)
		}
		m := e.Message
		if m.Time.IsZero() {
			m.Time = d.now()
		}
		x := &out[i]
		x.Entry, x.id, x.received = e, idValue(m.ID), m.Time.UnixMilli()
		x.about = about{Key: e.Key, DedupeID: e.DedupeID, Event: m.Event, Type: m.Type, Resume: e.Resume, Headers: m.Headers, Keys: e.Keys, Vars: e.Vars}
		x.packed = d.packer.pack(x.about.encode())
		if e.DedupeID != "" {
			x.known = hashOf(e.Route, e.DedupeID)
		}
		if e.NoBody && !e.Status.Open() {
			continue
		}
		b := m.Body
		if b == nil {
			b = []byte{}
		}
		var err error
		if x.body, err = d.keep(b); err != nil {
			d.unready(out[:i])
			return nil, err
		}
	}
	return out, nil
}

func (d *Disk) unready(es []entry) {
	for i := range es {
		d.free(es[i].body)
	}
}

// hashOf is 16 bytes of a hash of texts.
func hashOf(texts ...string) []byte {
	h := sha256.New()
	var b []byte
	for _, s := range texts {
		b = appendText(b[:0], s)
		h.Write(b)
	}
	return h.Sum(nil)[:16]
}

// Append keeps es in order. See Store.
func (d *Disk) Append(ctx context.Context, es []Entry) ([]Receipt, error) {
	if len(es) == 0 {
		return nil, ctx.Err()
	}
	rs, err := d.ready(es)
	if err != nil {
		return nil, err
	}
	defer d.unready(rs)
	out := make([]Receipt, len(es))
	err = d.write(ctx, func(w *writer) error { return w.append(rs, out) })
	if err != nil {
		return nil, writeError("append", err)
	}
	return out, nil
}

// append inserts entries and answers them.
func (w *writer) append(es []entry, out []Receipt) error {
	for i := range es {
		r, err := w.insert(&es[i])
		if err != nil {
			return err
		}
		out[i] = r
	}
	return nil
}

func (w *writer) insert(e *entry) (Receipt, error) {
	seq := w.next
	w.next++
	r := Receipt{Seq: seq, ID: e.Message.ID, Status: e.Status}
	if e.known != nil {
		first, err := w.claim(e, seq)
		if err != nil {
			return r, err
		}
		if first != 0 {
			r.Status, r.First = Duplicate, first
		}
	}
	var ids [3]int64
	for i, text := range [...]string{e.Route, e.Rules, e.Source} {
		id, err := w.name(text)
		if err != nil {
			return r, err
		}
		ids[i] = id
	}
	st := state{r.Status, ids[0], always}
	if r.Status != Duplicate && e.body.data != nil {
		st.flags |= hasBody
		if err := w.exec("INSERT INTO body VALUES (?, ?)", seq, e.body.data); err != nil {
			return r, err
		}
		if err := w.ref(&st, e.body); err != nil {
			return r, err
		}
	}
	if e.Failure != nil && r.Status != Duplicate {
		if err := w.trouble(seq, &st, troubleOf(e.Failure, "")); err != nil {
			return r, err
		}
	}
	changed := e.received
	err := w.exec("INSERT INTO message (seq, id, status, route, received, changed, flags, rules, source, size, parent, about) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		seq, e.id, r.Status.number(), st.route, e.received, changed, st.flags, ids[1], ids[2], len(e.Message.Body), e.Parent, e.packed)
	if err != nil {
		return r, err
	}
	w.know(seq, st)
	w.count(st.route, "", r.Status)
	block := int64(seq) >> spanShift
	if s, ok := w.spans[block]; ok {
		w.spans[block] = span{min(s.first, e.received), max(s.last, e.received)}
	} else {
		w.spans[block] = span{e.received, e.received}
	}
	if e.CursorName != "" {
		w.moveCursor(e.CursorName, e.Cursor, e.Marks)
	}
	w.indexed = append(w.indexed, e.about.keyEntries(seq)...)
	return r, nil
}

func (w *writer) moveCursor(name, cursor string, marks map[string]string) {
	if cursor != "" {
		w.cursors[name] = cursor
	}
	for k, v := range marks {
		w.marks[markKey{name, k}] = v
	}
}

// claim takes a dedupe id for a message, or gives the message that has it.
func (w *writer) claim(e *entry, seq Seq) (first Seq, err error) {
	remember := e.Remember.Milliseconds()
	until := e.received + remember
	n, err := w.changed("INSERT INTO known VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", e.known, seq, remember, until)
	if err != nil || n == 1 {
		return 0, err
	}
	r, ok, err := w.one("SELECT k.seq, k.remember, k.until, m.status, m.changed FROM known k LEFT JOIN message m ON m.seq = k.seq WHERE k.hash = ?", e.known)
	if err != nil || !ok {
		return 0, err
	}
	had := Seq(r.int(0))
	switch st := statusOf(r.int(3)); {
	case st.Open():
		return had, nil
	case st == Dead || st == Discarded: // it was never dealt with
	case e.received < r.int(2), st != "" && e.received < r.int(4)+r.int(1):
		return had, nil
	}
	return 0, w.exec("UPDATE known SET seq = ?, remember = ?, until = ? WHERE hash = ?", seq, remember, until, e.known)
}

// ref counts a use of a file.
func (w *writer) ref(st *state, k kept) error {
	if !k.large() {
		return nil
	}
	st.flags |= hasLarge
	return w.exec("INSERT INTO large VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET refs = refs + 1", k.file[:], k.size)
}

// unref takes back a use of a file by what a row has kept.
func (w *writer) unref(data []byte) error {
	h, _, ok := large(data)
	if !ok {
		return nil
	}
	if err := w.exec("UPDATE large SET refs = refs - 1 WHERE hash = ?", h[:]); err != nil {
		return err
	}
	n, err := w.changed("DELETE FROM large WHERE hash = ? AND refs <= 0", h[:])
	if n > 0 {
		w.unlink = append(w.unlink, h)
	}
	return err
}

// Seen says whether id has been confirmed. See Store.
func (d *Disk) Seen(ctx context.Context, scope, id string) (seen bool, err error) {
	err = d.read(ctx, func(c *conn) error {
		r, ok, err := c.one("SELECT until FROM seen WHERE hash = ?", hashOf(scope, id))
		seen = ok && d.now().UnixMilli() < r.int(0)
		return err
	})
	return seen, err
}

// confirm remembers the values of dedupe steps. A longer memory is not shortened.
func (w *writer) confirm(ids []SeenID, now time.Time) error {
	for _, s := range ids {
		until := now.Add(s.For).UnixMilli()
		err := w.exec("INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)", hashOf(s.Scope, s.ID), until)
		if err != nil {
			return err
		}
	}
	return nil
}
