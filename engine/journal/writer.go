package journal

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	// maxBatch bounds how many writes share a transaction, and so how long the first of them waits.
	maxBatch = 512
	// checkpointAt is about how many pages of 4 KB the write-ahead log may have before they go into the database. It is
	// also what a full disk must have free before it goes on for long, and what is read again after a crash.
	checkpointAt = 1000
	// idle is after how long without a write the writer tidies up.
	idle = time.Second
	// maxStates bounds what is remembered of open messages: about 4 MB.
	maxStates = 1 << 16
)

// writer owns the one connection that writes, and everything below. It takes what waits, without a timer, and commits
// it together: one fsync for all.
type writer struct {
	*conn
	d *Disk

	next   Seq           // the next message's number
	states map[Seq]state // of open messages, as far as known; a cache
	log    int           // pages in the write-ahead log, guessed
	broken *stopped      // set when nothing can be promised any more
	pragma []string      // of tests

	// Of the transaction under way, forgotten on rollback.
	first   Seq              // next, when it began
	fresh   map[string]int64 // new names
	counts  map[countKey]int64
	spans   map[int64]span
	cursors map[string]string
	marks   map[markKey]string
	indexed []keyEntry // to be indexed
	drained int        // how many of the waiting keys it has indexed
	unlink  []hash     // files to remove
}

type countKey struct{ route, status int64 }

type markKey struct{ cursor, name string }

// span is when the messages of a block were received.
type span struct{ first, last int64 }

// spanShift makes the block of a message: 1,024 in each.
const spanShift = 10

func newWriter(d *Disk) (*writer, error) {
	w := &writer{d: d, states: map[Seq]state{}}
	w.forget()
	if err := w.connect(); err != nil {
		return nil, err
	}
	if err := w.begin(); err != nil {
		_ = w.close()
		return nil, err
	}
	return w, nil
}

// connect opens the connection. synchronous(full) is what makes a commit wait for the disk. Checkpoints are ours: SQLite's
// own would hide a failed fsync.
func (w *writer) connect() (err error) {
	pragmas := append([]string{"auto_vacuum(incremental)", "busy_timeout(5000)", "cache_size(-16000)", "journal_mode(wal)",
		"journal_size_limit(67108864)", "mmap_size(0)", "synchronous(full)", "temp_store(memory)", "wal_autocheckpoint(0)"}, w.pragma...)
	w.conn, err = connect(w.d.file(), pragmas...)
	return err
}

// begin reads where an earlier life stopped. Nothing here grows with the number of messages.
func (w *writer) begin() error {
	if err := migrate(w.conn, migrations(), w.d.now()); err != nil {
		return err
	}
	r, _, err := w.one("SELECT max(coalesce((SELECT max(seq) FROM message), 0), coalesce((SELECT value FROM meta WHERE name = 'last_seq'), 0))")
	if err != nil {
		return err
	}
	w.next = Seq(r.int(0)) + 1
	if info, err := os.Stat(w.d.file() + "-wal"); err == nil {
		w.log = int(info.Size() / 4096) // an earlier life was killed
	}
	return w.resumeKeys()
}

// run is the writer's goroutine. It ends when the channel is closed and empty.
func (w *writer) run() {
	defer close(w.d.done)
	defer w.end()
	batch := make([]*request, 0, maxBatch)
	for {
		r, ok := w.wait()
		if !ok {
			return
		}
		if r == nil {
			w.tidy()
			continue
		}
		batch = append(batch[:0], r)
		runtime.Gosched() // who is about to ask gets into this batch: larger ones at no cost in time
	more:
		for len(batch) < maxBatch {
			select {
			case r, ok := <-w.d.in:
				if !ok {
					break more
				}
				batch = append(batch, r)
			default:
				break more
			}
		}
		w.commit(batch)
		if w.log >= checkpointAt {
			w.checkpoint("PASSIVE")
		}
	}
}

// wait gives the next request; nil when there was none for a while and there is something to tidy.
func (w *writer) wait() (r *request, ok bool) {
	select {
	case r, ok = <-w.d.in:
		return r, ok
	default:
	}
	if w.broken != nil || w.log == 0 && !w.d.keys.any() {
		r, ok = <-w.d.in
		return r, ok
	}
	t := time.NewTimer(idle)
	defer t.Stop()
	select {
	case r, ok = <-w.d.in:
		return r, ok
	case <-t.C:
		return nil, true
	}
}

// commit writes a batch and answers. If it fails, each is tried alone, so that one that cannot be kept does not take
// others with it.
func (w *writer) commit(batch []*request) {
	if w.broken != nil {
		answer(batch, w.broken)
		return
	}
	err := w.try(batch)
	if err == nil {
		for _, r := range batch {
			r.done <- r.err
		}
		return
	}
	w.rollback(err)
	if w.broken != nil {
		answer(batch, w.broken)
		return
	}
	if len(batch) == 1 {
		answer(batch, err)
		return
	}
	for _, r := range batch {
		w.commit([]*request{r})
	}
}

func answer(batch []*request, err error) {
	for _, r := range batch {
		r.done <- err
	}
}

// try runs a batch in one transaction. An error means that nothing of it was kept, or that nobody knows.
func (w *writer) try(batch []*request) error {
	w.first = w.next
	if w.conn == nil {
		if err := w.connect(); err != nil {
			w.conn = nil
			return err
		}
	}
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, r := range batch {
		if r.err = r.do(w); r.err != nil && !refusal(r.err) {
			return r.err
		}
	}
	if err := w.settle(); err != nil {
		return err
	}
	if err := w.exec("COMMIT"); err != nil {
		return err
	}
	w.committed(len(batch))
	return nil
}

// settle writes what the batch has gathered: once for each route, cursor and block, not once for each message.
func (w *writer) settle() error {
	for k, n := range w.counts {
		if n == 0 {
			continue
		}
		if err := w.exec("INSERT INTO count VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", k.route, k.status, n); err != nil {
			return err
		}
	}
	for b, s := range w.spans {
		err := w.exec("INSERT INTO span VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)", b, s.first, s.last)
		if err != nil {
			return err
		}
	}
	for name, v := range w.cursors {
		if err := w.exec("INSERT INTO cursor VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, v); err != nil {
			return err
		}
	}
	for k, v := range w.marks {
		var err error
		if v == "" {
			err = w.exec("DELETE FROM mark WHERE cursor = ? AND name = ?", k.cursor, k.name)
		} else {
			err = w.exec("INSERT INTO mark VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", k.cursor, k.name, v)
		}
		if err != nil {
			return err
		}
	}
	return w.drainKeys()
}

// committed makes what the transaction has gathered known.
func (w *writer) committed(n int) {
	for text, id := range w.fresh {
		w.d.names.add(id, text)
	}
	w.d.keys.committed(w.drained, w.indexed)
	for _, h := range w.unlink {
		w.d.shelf.drop(h)
	}
	w.log += 6 + n + w.bytes/4096
	w.bytes = 0
	if len(w.states) > maxStates {
		clear(w.states)
	}
	w.forget()
}

// forget clears what belongs to one transaction.
func (w *writer) forget() {
	if w.counts == nil || len(w.counts)+len(w.spans)+len(w.fresh)+len(w.cursors)+len(w.marks) > 0 {
		w.fresh, w.counts, w.spans = map[string]int64{}, map[countKey]int64{}, map[int64]span{}
		w.cursors, w.marks = map[string]string{}, map[markKey]string{}
	}
	w.indexed, w.drained, w.unlink = nil, 0, nil
}

// rollback undoes a transaction that failed with err, and opens the connection anew where it may have suffered.
func (w *writer) rollback(err error) {
	w.next = w.first
	clear(w.states)
	w.forget()
	if w.conn == nil {
		return
	}
	undo := w.exec("ROLLBACK")
	switch {
	case isSync(err) || isDamaged(err):
		w.broken = &stopped{err}
	case isFull(err), code(err) == 0 && undo == nil:
		// SQLite may have rolled back by itself. The connection stays: closing it would checkpoint, which needs space.
	default: // it is in doubt
		_ = w.close()
		w.conn = nil // try opens another
	}
}

// checkpoint moves the write-ahead log into the database. It blocks nobody but the writer.
func (w *writer) checkpoint(mode string) {
	if w.conn == nil {
		return
	}
	var busy, log, moved int64
	err := w.each(context.Background(), "PRAGMA wal_checkpoint("+mode+")", func(r row) error {
		busy, log, moved = r.int(0), r.int(1), r.int(2)
		return nil
	})
	switch {
	case err != nil && isSync(err), err != nil && isDamaged(err):
		w.broken = &stopped{err}
	case err != nil, busy != 0:
		w.log = checkpointAt / 2 // a reader is in the way, or the disk is full: again soon
	default:
		w.log = int(log - moved)
	}
}

// tidy uses a quiet moment: it indexes what waits and empties the log.
func (w *writer) tidy() {
	for w.d.keys.any() {
		if len(w.d.in) > 0 {
			return // the moment is over
		}
		if w.nothing() != nil {
			break
		}
	}
	w.checkpoint("PASSIVE")
	w.log = 0
}

// nothing is a transaction that only settles.
func (w *writer) nothing() error {
	r := &request{do: func(*writer) error { return nil }, done: make(chan error, 1)}
	w.commit([]*request{r})
	return <-r.done
}

// end indexes what waits and leaves no log behind.
func (w *writer) end() {
	for w.d.keys.any() && w.nothing() == nil {
	}
	if w.broken == nil {
		w.checkpoint("TRUNCATE")
	}
	if w.conn != nil {
		_ = w.close()
	}
}

// look gives the state of a message.
func (w *writer) look(seq Seq) (state, error) {
	if s, ok := w.states[seq]; ok {
		return s, nil
	}
	r, ok, err := w.one("SELECT status, route, flags FROM message WHERE seq = ?", seq)
	if err != nil {
		return state{}, err
	}
	if !ok {
		return state{}, fmt.Errorf("message %d: %w", seq, ErrNotFound)
	}
	return state{statusOf(r.int(0)), r.int(1), r.int(2)}, nil
}

// open is look for a message that must be open.
func (w *writer) open(seq Seq) (state, error) {
	s, err := w.look(seq)
	if err == nil && !s.status.Open() {
		err = fmt.Errorf("message %d is %s: %w", seq, s.status, ErrState)
	}
	return s, err
}

// know remembers a state, while there is something to do.
func (w *writer) know(seq Seq, s state) {
	if s.status.Open() {
		w.states[seq] = s
	} else {
		delete(w.states, seq)
	}
}

// count keeps the sums of a route when a message comes, goes or changes; "" is nowhere.
func (w *writer) count(route int64, from, to Status) {
	if from == to {
		return
	}
	if from != "" {
		w.counts[countKey{route, from.number()}]--
	}
	if to != "" {
		w.counts[countKey{route, to.number()}]++
	}
}
