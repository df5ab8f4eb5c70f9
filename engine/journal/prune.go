package journal

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// pruneStep bounds the rows of one transaction: other writes wait for it, some 10 ms.
	pruneStep = 500
	// pruneIDs bounds how many remembered ids one Prune looks at; the next goes on from there.
	pruneIDs = 20000
	// sweepAge is how old a file without a row must be: younger ones may be on their way.
	sweepAge = time.Hour
)

// prunePlace is where the next Prune goes on with remembered ids.
type prunePlace struct{ known, seen []byte }

// Prune forgets what k no longer wants. Open messages stay. Space goes back to the disk as it becomes free. Only one runs
// at a time; others wait for their turn.
func (d *Disk) Prune(ctx context.Context, k Keep, now time.Time) (n int, err error) {
	d.pruning.Lock()
	defer d.pruning.Unlock()
	for _, s := range statuses {
		if age := k.For[s]; age > 0 && !s.Open() {
			m, err := d.pruneStatus(ctx, s, now.Add(-age))
			n += m
			if err != nil {
				return n, err
			}
		}
	}
	if k.Bodies > 0 {
		if err := d.pruneBodies(ctx, now.Add(-k.Bodies)); err != nil {
			return n, err
		}
	}
	if k.MaxSize > 0 {
		m, err := d.pruneToSize(ctx, k.MaxSize)
		n += m
		if err != nil {
			return n, err
		}
	}
	if err := d.pruneRemembered(ctx, now); err != nil {
		return n, err
	}
	if err := d.vacuum(ctx); err != nil {
		return n, err
	}
	return n, d.sweep(ctx)
}

// gone is a message to forget, with its keys read beforehand, so that the writer need not.
type gone struct {
	seq   Seq
	keys  []keyEntry
	known []byte
}

// pruneStatus forgets messages that have had a status since before.
func (d *Disk) pruneStatus(ctx context.Context, s Status, before time.Time) (n int, err error) {
	after := Seq(0)
	for {
		var seqs []Seq
		full := false
		err := d.read(ctx, func(c *conn) error {
			found, err := d.byState(0, []Status{s})(ctx, c, bounds{after: after, before: maxSeq, up: true}, pruneStep)
			if err != nil {
				return err
			}
			full = len(found) == pruneStep
			for _, seq := range found {
				r, ok, err := c.one("SELECT received, changed FROM message WHERE seq = ?", seq)
				if err != nil {
					return err
				}
				after = seq
				if ok && r.int(1) <= before.UnixMilli() {
					seqs = append(seqs, seq)
				}
				if ok && r.int(0) > before.Add(time.Hour).UnixMilli() {
					full = false // those behind it are younger still, but for a clock that was set back
					break
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		m, err := d.forgetAll(ctx, seqs, []Status{s})
		n += m
		if err != nil || !full {
			return n, err
		}
	}
}

// forgetAll forgets messages that still have one of the statuses, in one transaction.
func (d *Disk) forgetAll(ctx context.Context, seqs []Seq, still []Status) (n int, err error) {
	if len(seqs) == 0 {
		return 0, ctx.Err()
	}
	var gs []gone
	err = d.read(ctx, func(c *conn) error {
		rs, err := d.records(c, seqs, nil)
		for i := range rs {
			r := &rs[i]
			a := about{Key: r.Key, DedupeID: r.DedupeID, Keys: r.Keys}
			g := gone{seq: r.Seq, keys: a.keyEntries(r.Seq)}
			if r.DedupeID != "" {
				g.known = hashOf(r.Route, r.DedupeID)
			}
			gs = append(gs, g)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	err = d.write(ctx, func(w *writer) error {
		n = 0
		for i := range gs {
			st, err := w.look(gs[i].seq)
			if refusal(err) || err == nil && !slices.Contains(still, st.status) {
				continue // released meanwhile, or gone
			}
			if err != nil {
				return err
			}
			if err := w.remove(&gs[i], st); err != nil {
				return err
			}
			n++
		}
		return w.exec("INSERT INTO meta VALUES ('last_seq', ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)", w.next-1)
	})
	return n, writeError("prune", err)
}

// remove takes out all rows of a message but those of the audit trail.
func (w *writer) remove(g *gone, st state) error {
	seq, from := g.seq, int64(g.seq)<<shift
	if g.known != nil {
		if err := w.orphanID(g.known, seq, st.status); err != nil {
			return err
		}
	}
	if st.flags&hasLarge != 0 {
		if err := w.unrefAll(seq); err != nil {
			return err
		}
	}
	if err := w.noTrouble(seq, &st); err != nil {
		return err
	}
	for _, part := range []struct {
		flag int64
		text string
	}{
		{hasBody, "DELETE FROM body WHERE seq = ?"}, {hasEdit, "DELETE FROM edit WHERE seq = ?"}, {hasRun, "DELETE FROM run WHERE seq = ?"}, {always, "DELETE FROM message WHERE seq = ?"},
	} {
		if st.flags&part.flag != 0 {
			if err := w.exec(part.text, seq); err != nil {
				return err
			}
		}
	}
	for _, part := range []struct {
		flag int64
		text string
	}{
		{hasDeliveries, "DELETE FROM delivery WHERE key >= ? AND key < ?"}, {hasAttempts, "DELETE FROM attempt WHERE key >= ? AND key < ?"}, {hasCalls, "DELETE FROM call WHERE key >= ? AND key < ?"},
	} {
		if st.flags&part.flag != 0 {
			if err := w.exec(part.text, from, from+maxParts); err != nil {
				return err
			}
		}
	}
	for _, k := range g.keys {
		if err := w.exec("DELETE FROM key WHERE hash = ? AND seq = ?", k.hash, k.seq); err != nil {
			return err
		}
	}
	w.count(st.route, st.status, "")
	delete(w.states, seq)
	return nil
}

// orphanID lets a dedupe id outlive its message: for its time, counted from when the message ended. That of a message that
// was never dealt with goes with it.
func (w *writer) orphanID(known []byte, seq Seq, s Status) error {
	if s == Dead || s == Discarded {
		return w.exec("DELETE FROM known WHERE hash = ? AND seq = ?", known, seq)
	}
	return w.exec("UPDATE known SET until = max(until, remember + (SELECT changed FROM message WHERE seq = ?)) WHERE hash = ? AND seq = ?", seq, known, seq)
}

// pruneBodies forgets the bodies of messages that were delivered before a time. It walks over bodies, so that messages
// without one cost nothing.
func (d *Disk) pruneBodies(ctx context.Context, before time.Time) error {
	after, full := Seq(0), true
	for full {
		var seqs []Seq
		err := d.read(ctx, func(c *conn) error {
			looked := 0
			err := c.each(ctx, "SELECT b.seq, m.status, m.changed, m.received FROM body b JOIN message m ON m.seq = b.seq WHERE b.seq > ? ORDER BY b.seq LIMIT ?", func(r row) error {
				looked++
				after = Seq(r.int(0))
				if r.int(3) > before.Add(time.Hour).UnixMilli() {
					full = false
				}
				if statusOf(r.int(1)) == Delivered && r.int(2) <= before.UnixMilli() {
					seqs = append(seqs, after)
				}
				return nil
			}, after, pruneStep)
			full = full && looked == pruneStep
			return err
		})
		if err != nil {
			return err
		}
		if len(seqs) == 0 {
			continue
		}
		err = d.write(ctx, func(w *writer) error {
			for _, seq := range seqs {
				st, err := w.look(seq)
				if refusal(err) || err == nil && st.status != Delivered {
					continue
				}
				if err != nil {
					return err
				}
				if err := w.dropBodies(seq, &st); err != nil {
					return err
				}
				if err := w.exec("UPDATE message SET flags = ? WHERE seq = ?", st.flags, seq); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return writeError("prune bodies", err)
		}
	}
	return nil
}

// pruneToSize forgets the oldest ended messages until what is used fits.
func (d *Disk) pruneToSize(ctx context.Context, most int64) (n int, err error) {
	ended := slices.DeleteFunc(slices.Clone(statuses[:]), Status.Open)
	for {
		var seqs []Seq
		err := d.read(ctx, func(c *conn) error {
			used, count, err := used(c)
			if err != nil || used <= most {
				return err
			}
			// About as many as are too much, by the average, and no more than a step.
			want := min(max(int((used-most)*count/used), 1), pruneStep)
			seqs, err = d.byState(0, ended)(ctx, c, bounds{before: maxSeq, up: true}, want)
			return err
		})
		if err != nil || len(seqs) == 0 {
			return n, err
		}
		m, err := d.forgetAll(ctx, seqs, ended)
		n += m
		if err != nil || m == 0 {
			return n, err
		}
	}
}

// used gives the bytes that are in use, and how many messages use them.
func used(c *conn) (bytes, messages int64, err error) {
	var page, pages, free, large int64
	for _, n := range []struct {
		to   *int64
		text string
	}{
		{&page, "PRAGMA page_size"}, {&pages, "PRAGMA page_count"}, {&free, "PRAGMA freelist_count"}, {&large, "SELECT coalesce(sum(size), 0) FROM large"}, {&messages, "SELECT coalesce(sum(n), 0) FROM count"},
	} {
		r, _, err := c.one(n.text)
		if err != nil {
			return 0, 0, err
		}
		*n.to = r.int(0)
	}
	return (pages-free)*page + large, messages, nil
}

// pruneRemembered forgets ids whose time is over, some at a time.
func (d *Disk) pruneRemembered(ctx context.Context, now time.Time) error {
	for _, table := range []struct {
		place *[]byte
		read  string
		drop  string
	}{
		{&d.place.known, "SELECT k.hash, k.until, m.seq FROM known k LEFT JOIN message m ON m.seq = k.seq WHERE k.hash > ? ORDER BY k.hash LIMIT ?",
			"DELETE FROM known WHERE hash = ? AND until <= ? AND NOT EXISTS (SELECT 1 FROM message m WHERE m.seq = known.seq)"},
		{&d.place.seen, "SELECT hash, until, NULL FROM seen WHERE hash > ? ORDER BY hash LIMIT ?", "DELETE FROM seen WHERE hash = ? AND until <= ?"},
	} {
		if *table.place == nil {
			*table.place = []byte{}
		}
		for looked := 0; looked < pruneIDs; looked += pruneStep {
			var over [][]byte
			n := 0
			err := d.read(ctx, func(c *conn) error {
				return c.each(ctx, table.read, func(r row) error {
					n++
					*table.place = r.bytes(0)
					if r.int(1) <= now.UnixMilli() && r[2] == nil {
						over = append(over, r.bytes(0))
					}
					return nil
				}, *table.place, pruneStep)
			})
			if err != nil {
				return err
			}
			if len(over) > 0 {
				err := d.write(ctx, func(w *writer) error {
					for _, h := range over {
						if err := w.exec(table.drop, h, now.UnixMilli()); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return writeError("prune", err)
				}
			}
			if n < pruneStep {
				*table.place = nil // from the beginning next time
				break
			}
		}
	}
	return nil
}

// vacuum gives free pages back to the disk, a step at a time, and forgets the times of messages that are gone.
func (d *Disk) vacuum(ctx context.Context) error {
	if err := d.pruneSpans(ctx); err != nil {
		return err
	}
	for {
		var free, pages int64
		err := d.read(ctx, func(c *conn) error {
			r, _, err := c.one("PRAGMA freelist_count")
			if err != nil {
				return err
			}
			free = r.int(0)
			if r, _, err = c.one("PRAGMA page_count"); err != nil {
				return err
			}
			pages = r.int(0)
			return nil
		})
		if err != nil || free < max(pages/20, 64) {
			return err // what is left is used by the next messages
		}
		err = d.write(ctx, func(w *writer) error {
			return w.each(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pruneStep), func(row) error { return nil })
		})
		if err != nil {
			return writeError("vacuum", err)
		}
	}
}

func (d *Disk) pruneSpans(ctx context.Context) error {
	var empty []int64
	err := d.read(ctx, func(c *conn) error {
		r, ok, err := c.one("SELECT min(seq) FROM message")
		if err != nil || !ok || r[0] == nil {
			return err
		}
		return c.each(ctx, "SELECT block FROM span WHERE block < ? LIMIT ?", func(r row) error {
			empty = append(empty, r.int(0))
			return nil
		}, r.int(0)>>spanShift, pruneStep)
	})
	if err != nil || len(empty) == 0 {
		return err
	}
	return writeError("prune", d.write(ctx, func(w *writer) error {
		for _, b := range empty {
			if err := w.exec("DELETE FROM span WHERE block = ?", b); err != nil {
				return err
			}
		}
		return nil
	}))
}

// sweep removes files that no row speaks of.
func (d *Disk) sweep(ctx context.Context) error {
	return d.shelf.sweep(sweepAge, func(h hash) (is bool, err error) {
		err = d.read(ctx, func(c *conn) error {
			_, is, err = c.one("SELECT 1 FROM large WHERE hash = ?", h[:])
			return err
		})
		return is, err
	})
}
