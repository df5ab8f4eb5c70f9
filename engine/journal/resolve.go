package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/njia-health/njia/engine/fault"
)

// maxAnswer bounds what is kept of a system's answer to a delivery. Answers of calls are kept whole: routes go on with them.
const maxAnswer = 64 << 10

// answer gives what is kept of an answer.
func (d *Disk) answer(b []byte) []byte {
	if len(b) <= maxAnswer {
		return d.packer.pack(b)
	}
	note := fmt.Sprintf(" … (the first %d of %d bytes)", maxAnswer, len(b))
	return d.packer.pack(append(b[:maxAnswer:maxAnswer], note...))
}

// trouble is what is wrong with a message.
type trouble struct {
	class                     fault.Class
	system, mp, code, errText string
}

func troubleOf(f *fault.Error, system string) trouble {
	if f == nil {
		return trouble{system: system}
	}
	return trouble{f.Class, system, f.Map, f.Code, f.Error()}
}

// trouble keeps what is wrong, for lists and for searches by word.
func (w *writer) trouble(seq Seq, st *state, t trouble) error {
	if t == (trouble{}) {
		return w.noTrouble(seq, st)
	}
	system, err := w.name(t.system)
	if err != nil {
		return err
	}
	if st.flags&hasTrouble != 0 {
		if err := w.exec("DELETE FROM error_text WHERE rowid = ?", seq); err != nil {
			return err
		}
	}
	st.flags |= hasTrouble
	err = w.exec("INSERT OR REPLACE INTO trouble VALUES (?, ?, ?, ?, ?, ?)", seq, string(t.class), system, t.mp, t.code, t.errText)
	if err != nil || t.errText == "" {
		return err
	}
	return w.exec("INSERT INTO error_text (rowid, error) VALUES (?, ?)", seq, t.errText)
}

func (w *writer) noTrouble(seq Seq, st *state) error {
	if st.flags&hasTrouble == 0 {
		return nil
	}
	st.flags &^= hasTrouble
	if err := w.exec("DELETE FROM error_text WHERE rowid = ?", seq); err != nil {
		return err
	}
	return w.exec("DELETE FROM trouble WHERE seq = ?", seq)
}

// delivery is a Delivery made ready.
type delivery struct {
	Delivery
	id      any
	content kept
	answer  []byte
}

// resolution is a Resolution made ready.
type resolution struct {
	Resolution
	deliveries []delivery
	answers    [][]byte // of Tried
	failed     []byte   // the answer of Failure
	children   []entry
	trace      []byte
	gate       kept
}

// resolution packs r; release must be called.
func (d *Disk) resolution(r Resolution) (x *resolution, err error) {
	x = &resolution{Resolution: r}
	defer func() {
		if err != nil {
			d.release(x)
		}
	}()
	if r.Status.number() == 0 {
		return x, fmt.Errorf("journal: resolve %d: %q is no status", r.Seq, r.Status)
	}
	drop := r.DropBody && !r.Status.Open()
	x.deliveries = make([]delivery, len(r.Deliveries))
	for i, dl := range r.Deliveries {
		if dl.N < 0 || dl.N >= maxParts/2 || dl.Status.number() == 0 {
			return x, fmt.Errorf("journal: resolve %d: delivery %d of %d has number %d and status %q", r.Seq, i, len(r.Deliveries), dl.N, dl.Status)
		}
		y := delivery{Delivery: dl, id: idValue(dl.ID)}
		if !drop {
			y.answer = d.answer(dl.Answer)
			c := content{dl.Type, dl.With, dl.Body}
			if y.content, err = d.keep(c.encode()); err != nil {
				return x, err
			}
		}
		x.deliveries[i] = y
	}
	for _, a := range r.Tried {
		var b []byte
		if !drop {
			b = d.answer(a.Answer)
		}
		x.answers = append(x.answers, b)
	}
	if r.Failure != nil && !drop {
		x.failed = d.answer(r.Failure.Answer)
	}
	if len(r.Trace) > 0 {
		b, err := json.Marshal(r.Trace)
		if err != nil {
			return x, fmt.Errorf("journal: resolve %d: %w", r.Seq, err)
		}
		x.trace = d.packer.pack(b)
	}
	if r.Gate != nil {
		if x.gate, err = d.keep(r.Gate); err != nil {
			return x, err
		}
	}
	x.children, err = d.ready(r.Children)
	return x, err
}

func (d *Disk) release(x *resolution) {
	for i := range x.deliveries {
		d.free(x.deliveries[i].content)
	}
	d.free(x.gate)
	d.unready(x.children)
}

// Resolve keeps what a run came to. See Store.
func (d *Disk) Resolve(ctx context.Context, r Resolution) ([]Receipt, error) {
	x, err := d.resolution(r)
	if err != nil {
		return nil, err
	}
	defer d.release(x)
	var out []Receipt
	err = d.write(ctx, func(w *writer) error {
		out = make([]Receipt, len(x.children))
		return w.resolve(x, out)
	})
	if err != nil {
		return nil, writeError("resolve", err)
	}
	return out, nil
}

func (w *writer) resolve(x *resolution, out []Receipt) error {
	st, err := w.open(x.Seq)
	if err != nil {
		return err
	}
	was := st.status
	now := w.d.now()
	st.status = x.Status
	if st.flags&hasDeliveries != 0 {
		err = w.replace(x, &st)
	} else {
		err = w.addDeliveries(x.Seq, &st, x.deliveries, x.Tried)
	}
	if err != nil {
		return err
	}
	if err := w.tried(x, &st, now); err != nil {
		return err
	}
	if err := w.ran(x, &st); err != nil {
		return err
	}
	if err := w.trouble(x.Seq, &st, troubleOf(x.Failure, x.System)); err != nil {
		return err
	}
	if err := w.confirm(x.Seen, now); err != nil {
		return err
	}
	if x.DropBody && !x.Status.Open() {
		if err := w.dropBodies(x.Seq, &st); err != nil {
			return err
		}
	}
	attempts := x.Attempts
	for _, a := range x.Tried {
		attempts = max(attempts, a.Number)
	}
	if err := w.move(x.Seq, st, was, now, x.Due, x.Since, attempts, x.Rules); err != nil {
		return err
	}
	return w.append(x.children, out)
}

// move writes a message's row after a change. rules "" keeps the version.
func (w *writer) move(seq Seq, st state, was Status, now, due, since time.Time, attempts int, rules string) error {
	var err error
	if rules == "" {
		err = w.exec("UPDATE message SET status = ?, changed = ?, flags = ?, due = ?, since = ?, attempts = ? WHERE seq = ?",
			st.status.number(), now.UnixMilli(), st.flags, millis(due), millis(since), attempts, seq)
	} else {
		var version int64
		if version, err = w.name(rules); err != nil {
			return err
		}
		err = w.exec("UPDATE message SET status = ?, changed = ?, flags = ?, due = ?, since = ?, attempts = ?, rules = ? WHERE seq = ?",
			st.status.number(), now.UnixMilli(), st.flags, millis(due), millis(since), attempts, version, seq)
	}
	if err != nil {
		return err
	}
	w.count(st.route, was, st.status)
	w.know(seq, st)
	return nil
}

// ran keeps the trace and the gate of a run.
func (w *writer) ran(x *resolution, st *state) error {
	if x.trace == nil && x.gate.data == nil && st.flags&hasRun == 0 {
		return nil
	}
	trace := x.trace
	if st.flags&hasRun != 0 {
		r, ok, err := w.one("SELECT trace, gate FROM run WHERE seq = ?", x.Seq)
		if err != nil {
			return err
		}
		if ok {
			if trace == nil {
				trace = r.bytes(0)
			}
			if err := w.unref(r.bytes(1)); err != nil {
				return err
			}
		}
	}
	st.flags |= hasRun
	if err := w.ref(st, x.gate); err != nil {
		return err
	}
	return w.exec("INSERT OR REPLACE INTO run VALUES (?, ?, ?)", x.Seq, trace, x.gate.data)
}

// addDeliveries inserts rows. The attempt of one that went well stands in its row.
func (w *writer) addDeliveries(seq Seq, st *state, ds []delivery, tried []Attempt) error {
	for i := range ds {
		d := &ds[i]
		label, err := w.name(d.Label)
		if err != nil {
			return err
		}
		operation, err := w.name(d.Operation)
		if err != nil {
			return err
		}
		var at, took, code int64
		for j := range tried {
			if a := &tried[j]; a.N == d.N {
				at, took, code = millis(a.Time), a.Took.Microseconds(), int64(a.Code)
			}
		}
		var class, text any
		if d.Class != "" {
			class, text = string(d.Class), d.Error
		}
		err = w.exec("INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			int64(seq)<<shift|int64(d.N), d.id, label, operation, d.Status.number(), d.Attempts, at, took, code, millis(d.Due), millis(d.Since), class, text, d.content.data, d.answer)
		if err != nil {
			return err
		}
		if err := w.ref(st, d.content); err != nil {
			return err
		}
		st.flags |= hasDeliveries
	}
	return nil
}

// oldDelivery is a row that is there already.
type oldDelivery struct {
	n, label, operation, status int64
}

// replace puts the deliveries of a new run in the place of those that were not delivered. Delivered ones stay as they are,
// and take the number that the new run gives them; those that it no longer has come after.
func (w *writer) replace(x *resolution, st *state) error {
	old, err := w.oldDeliveries(x.Seq)
	if err != nil {
		return err
	}
	type place struct{ label, operation int64 }
	added := make([]delivery, 0, len(x.deliveries))
	number := map[place]int{}
	next := 0
	for _, d := range x.deliveries {
		label, err := w.name(d.Label)
		if err != nil {
			return err
		}
		operation, err := w.name(d.Operation)
		if err != nil {
			return err
		}
		number[place{label, operation}] = d.N
		next = max(next, d.N+1)
	}
	// All go out of the way first: above every number in use.
	from, away := int64(x.Seq)<<shift, int64(maxParts/2)
	stays := map[place]bool{}
	moved := map[int64]int64{} // old number to new
	for _, o := range old {
		p := place{o.label, o.operation}
		n, named := number[p]
		if statusOf(o.status) != Delivered || stays[p] {
			if err := w.dropDelivery(from|o.n, st); err != nil {
				return err
			}
			if named {
				moved[o.n] = int64(n)
			}
			continue
		}
		if !named {
			n = next
			next++
		}
		stays[p] = true
		moved[o.n] = int64(n)
		if err := w.exec("UPDATE delivery SET key = ? WHERE key = ?", from|away|int64(n), from|o.n); err != nil {
			return err
		}
	}
	if err := w.exec("UPDATE delivery SET key = key - ? WHERE key >= ? AND key < ?", away, from|away, from+maxParts); err != nil {
		return err
	}
	if err := w.renumberAttempts(x.Seq, moved); err != nil {
		return err
	}
	for _, d := range x.deliveries {
		label, _ := w.name(d.Label) // known since above
		operation, _ := w.name(d.Operation)
		if !stays[place{label, operation}] {
			added = append(added, d)
		}
	}
	st.flags &^= hasDeliveries
	if len(stays) > 0 {
		st.flags |= hasDeliveries
	}
	return w.addDeliveries(x.Seq, st, added, x.Tried)
}

func (w *writer) oldDeliveries(seq Seq) ([]oldDelivery, error) {
	var old []oldDelivery
	from := int64(seq) << shift
	err := w.each(context.Background(), "SELECT key, label, operation, status FROM delivery WHERE key >= ? AND key < ?", func(r row) error {
		old = append(old, oldDelivery{r.int(0) - from, r.int(1), r.int(2), r.int(3)})
		return nil
	}, from, from+maxParts)
	return old, err
}

// renumberAttempts lets the attempts of an earlier run follow their deliveries.
func (w *writer) renumberAttempts(seq Seq, moved map[int64]int64) error {
	type at struct{ key, n int64 }
	var list []at
	from := int64(seq) << shift
	err := w.each(context.Background(), "SELECT key, n FROM attempt WHERE key >= ? AND key < ? AND n >= 0", func(r row) error {
		list = append(list, at{r.int(0), r.int(1)})
		return nil
	}, from, from+maxParts)
	if err != nil {
		return err
	}
	for _, a := range list {
		if n, ok := moved[a.n]; ok && n != a.n {
			if err := w.exec("UPDATE attempt SET n = ? WHERE key = ?", n, a.key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) dropDelivery(key int64, st *state) error {
	if st.flags&hasLarge != 0 {
		r, ok, err := w.one("SELECT content FROM delivery WHERE key = ?", key)
		if err != nil {
			return err
		}
		if ok {
			if err := w.unref(r.bytes(0)); err != nil {
				return err
			}
		}
	}
	return w.exec("DELETE FROM delivery WHERE key = ?", key)
}

// tried keeps the attempts that were made before the resolution, and a failed run as one.
func (w *writer) tried(x *resolution, st *state, now time.Time) error {
	for i := range x.Tried {
		a := x.Tried[i]
		if a.Status == Delivered {
			continue // it stands in the delivery's row
		}
		a.Seq, a.Message = x.Seq, x.Status
		if err := w.attempt(a, x.answers[i], st); err != nil {
			return err
		}
	}
	parked := x.Status == Retrying && x.Due.IsZero()
	if x.Failure == nil || len(x.Tried) > 0 || parked {
		return nil
	}
	a := Attempt{Seq: x.Seq, N: -1, Number: max(x.Attempts, 1), Time: now, Status: x.Status, Message: x.Status, Class: x.Failure.Class, Error: x.Failure.Error(),
		Code: x.Failure.Status, Due: x.Due, Since: x.Since, System: x.System}
	return w.attempt(a, x.failed, st)
}

// attempt inserts a row for a.
func (w *writer) attempt(a Attempt, answer []byte, st *state) error {
	st.flags |= hasAttempts
	system, err := w.name(a.System)
	if err != nil {
		return err
	}
	from := int64(a.Seq) << shift
	r, _, err := w.one("SELECT coalesce((SELECT max(key) FROM attempt WHERE key >= ? AND key < ?), ? - 1) + 1", from, from+maxParts, from)
	if err != nil {
		return err
	}
	key := r.int(0)
	if key >= from+maxParts {
		key-- // after a million attempts the last one is the news
	}
	var class, text any
	if a.Class != "" {
		class, text = string(a.Class), a.Error
	}
	return w.exec("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		key, a.N, a.Number, millis(a.Time), a.Took.Microseconds(), a.Status.number(), a.Message.number(), system, a.Code, millis(a.Due), millis(a.Since), class, text, answer)
}

// dropBodies forgets what a message and its deliveries carried, and what systems answered.
func (w *writer) dropBodies(seq Seq, st *state) error {
	from := int64(seq) << shift
	if st.flags&hasLarge != 0 {
		if err := w.unrefAll(seq); err != nil {
			return err
		}
		st.flags &^= hasLarge
	}
	if st.flags&hasBody != 0 {
		if err := w.exec("DELETE FROM body WHERE seq = ?", seq); err != nil {
			return err
		}
	}
	if st.flags&hasEdit != 0 {
		if err := w.exec("DELETE FROM edit WHERE seq = ?", seq); err != nil {
			return err
		}
	}
	if st.flags&hasDeliveries != 0 {
		if err := w.exec("UPDATE delivery SET content = NULL, answer = NULL WHERE key >= ? AND key < ? AND content IS NOT NULL", from, from+maxParts); err != nil {
			return err
		}
	}
	if st.flags&hasAttempts != 0 {
		if err := w.exec("UPDATE attempt SET answer = NULL WHERE key >= ? AND key < ? AND answer IS NOT NULL", from, from+maxParts); err != nil {
			return err
		}
	}
	if st.flags&hasCalls != 0 {
		if err := w.exec("UPDATE call SET answer = NULL WHERE key >= ? AND key < ? AND answer IS NOT NULL", from, from+maxParts); err != nil {
			return err
		}
	}
	if st.flags&hasRun != 0 {
		if err := w.exec("UPDATE run SET gate = NULL WHERE seq = ? AND gate IS NOT NULL", seq); err != nil {
			return err
		}
	}
	st.flags &^= hasBody | hasEdit
	return nil
}

// unrefAll takes back a message's uses of files.
func (w *writer) unrefAll(seq Seq) error {
	from := int64(seq) << shift
	var all [][]byte
	take := func(r row) error {
		if _, _, ok := large(r.bytes(0)); ok {
			all = append(all, r.bytes(0))
		}
		return nil
	}
	for _, text := range []string{"SELECT data FROM body WHERE seq = ?", "SELECT data FROM edit WHERE seq = ?", "SELECT gate FROM run WHERE seq = ?"} {
		if err := w.each(context.Background(), text, take, seq); err != nil {
			return err
		}
	}
	for _, text := range []string{"SELECT content FROM delivery WHERE key >= ? AND key < ?", "SELECT answer FROM call WHERE key >= ? AND key < ?"} {
		if err := w.each(context.Background(), text, take, from, from+maxParts); err != nil {
			return err
		}
	}
	for _, data := range all {
		if err := w.unref(data); err != nil {
			return err
		}
	}
	return nil
}

// Attempt keeps one try. See Store.
func (d *Disk) Attempt(ctx context.Context, a Attempt) error {
	answer := d.answer(a.Answer)
	err := d.write(ctx, func(w *writer) error { return w.tryAgain(a, answer) })
	return writeError("attempt", err)
}

func (w *writer) tryAgain(a Attempt, answer []byte) error {
	st, err := w.open(a.Seq)
	if err != nil {
		return err
	}
	was, now := st.status, w.d.now()
	if a.Message.number() == 0 {
		a.Message = was
	}
	st.status = a.Message
	from := int64(a.Seq) << shift
	if a.N >= 0 {
		var class, text any
		if a.Class != "" {
			class, text = string(a.Class), a.Error
		}
		n, err := w.changed("UPDATE delivery SET status = ?, attempts = ?, at = ?, took = ?, code = ?, due = ?, since = ?, class = ?, error = ?, answer = ? WHERE key = ?",
			a.Status.number(), a.Number, millis(a.Time), a.Took.Microseconds(), a.Code, millis(a.Due), millis(a.Since), class, text, answer, from|int64(a.N))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("delivery %d of message %d: %w", a.N, a.Seq, ErrNotFound)
		}
	}
	if a.N < 0 || a.Status != Delivered {
		if err := w.attempt(a, answer, &st); err != nil {
			return err
		}
	}
	due := a.Due
	if a.N >= 0 && a.Message.Open() {
		r, _, err := w.one("SELECT coalesce(min(due), 0) FROM delivery WHERE key >= ? AND key < ? AND status IN (2, 4) AND due > 0", from, from+maxParts)
		if err != nil {
			return err
		}
		due = timeOf(r.int(0))
	} else if !a.Message.Open() {
		due = time.Time{}
	}
	r, ok, err := w.one("SELECT attempts, since FROM message WHERE seq = ?", a.Seq)
	if err != nil || !ok {
		return err
	}
	attempts, since := max(int(r.int(0)), a.Number), timeOf(r.int(1))
	switch {
	case a.Class != "":
		if !a.Since.IsZero() {
			since = a.Since
		}
		err = w.trouble(a.Seq, &st, trouble{class: a.Class, system: a.System, errText: a.Error})
	case a.Message == Delivered:
		since = time.Time{}
		err = w.noTrouble(a.Seq, &st)
	}
	if err != nil {
		return err
	}
	if a.DropBody && !a.Message.Open() {
		if err := w.dropBodies(a.Seq, &st); err != nil {
			return err
		}
	}
	return w.move(a.Seq, st, was, now, due, since, attempts, "")
}

// RecordCall keeps an answer. See Store.
func (d *Disk) RecordCall(ctx context.Context, c Call) error {
	k, err := d.keep(c.Answer)
	if err != nil {
		return err
	}
	if c.Answer == nil {
		k.data = nil
	}
	defer d.free(k)
	err = d.write(ctx, func(w *writer) error {
		st, err := w.look(c.Seq)
		if err != nil {
			return err
		}
		label, err := w.name(c.Label)
		if err != nil {
			return err
		}
		operation, err := w.name(c.Operation)
		if err != nil {
			return err
		}
		from := int64(c.Seq) << shift
		r, _, err := w.one("SELECT coalesce((SELECT max(key) FROM call WHERE key >= ? AND key < ?), ? - 1) + 1", from, from+maxParts, from)
		if err != nil {
			return err
		}
		if r.int(0) >= from+maxParts {
			return fmt.Errorf("message %d has made a million calls: %w", c.Seq, ErrState)
		}
		had := st.flags
		st.flags |= hasCalls
		if err := w.ref(&st, k); err != nil {
			return err
		}
		if st.flags != had {
			if err := w.exec("UPDATE message SET flags = ? WHERE seq = ?", st.flags, c.Seq); err != nil {
				return err
			}
			w.know(c.Seq, st)
		}
		return w.exec("INSERT INTO call VALUES (?, ?, ?, ?, ?, ?, ?)", r.int(0), label, operation, c.Digest, millis(c.Time), c.Status, k.data)
	})
	return writeError("record a call", err)
}
