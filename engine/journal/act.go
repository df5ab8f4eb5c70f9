package journal

import (
	"context"
	"fmt"
	"time"
)

// Release makes a message Received again. See Store. A message whose body is no longer kept cannot run again.
func (d *Disk) Release(ctx context.Context, seq Seq, rules string, a Action) error {
	err := d.write(ctx, func(w *writer) error {
		st, err := w.look(seq)
		if err != nil {
			return err
		}
		if st.status != Duplicate && st.flags&(hasBody|hasEdit) == 0 {
			return fmt.Errorf("the body of message %d is no longer kept, so that it cannot run again unless it is edited: %w", seq, ErrState)
		}
		return w.rerun(seq, st, rules, a)
	})
	return writeError("release", err)
}

// Edit replaces the body that is run, and releases the message. See Store.
func (d *Disk) Edit(ctx context.Context, seq Seq, body []byte, rules string, a Action) error {
	if body == nil {
		body = []byte{}
	}
	k, err := d.keep(body)
	if err != nil {
		return err
	}
	defer d.free(k)
	err = d.write(ctx, func(w *writer) error {
		st, err := w.look(seq)
		if err != nil {
			return err
		}
		if st.status == Duplicate {
			return duplicate(seq)
		}
		if st.flags&hasEdit != 0 {
			r, ok, err := w.one("SELECT data FROM edit WHERE seq = ?", seq)
			if err != nil {
				return err
			}
			if ok {
				if err := w.unref(r.bytes(0)); err != nil {
					return err
				}
			}
		}
		st.flags |= hasEdit
		if err := w.ref(&st, k); err != nil {
			return err
		}
		if err := w.exec("INSERT OR REPLACE INTO edit VALUES (?, ?)", seq, k.data); err != nil {
			return err
		}
		return w.rerun(seq, st, rules, a)
	})
	return writeError("edit", err)
}

func duplicate(seq Seq) error {
	return fmt.Errorf("message %d is a duplicate and has nothing to run; look at the message it repeats: %w", seq, ErrState)
}

// rerun makes a message run anew, from its beginning: what it waited for is forgotten, what was done stays recorded.
func (w *writer) rerun(seq Seq, st state, rules string, a Action) error {
	if st.status == Duplicate {
		return duplicate(seq)
	}
	r, ok, err := w.one("SELECT attempts FROM message WHERE seq = ?", seq)
	if err != nil || !ok {
		return err
	}
	attempts := int(r.int(0))
	if st.flags&hasRun != 0 {
		r, ok, err := w.one("SELECT gate FROM run WHERE seq = ?", seq)
		if err != nil {
			return err
		}
		if ok {
			if err := w.unref(r.bytes(0)); err != nil {
				return err
			}
		}
		if err := w.exec("UPDATE run SET gate = NULL WHERE seq = ?", seq); err != nil {
			return err
		}
	}
	if err := w.noTrouble(seq, &st); err != nil {
		return err
	}
	a.Seq = seq
	if err := w.note(a); err != nil {
		return err
	}
	was := st.status
	st.status = Received
	return w.move(seq, st, was, w.d.now(), time.Time{}, time.Time{}, attempts, rules)
}

// Discard ends a message for good. See Store. It refuses one that has ended well.
func (d *Disk) Discard(ctx context.Context, seq Seq, a Action) error {
	err := d.write(ctx, func(w *writer) error {
		st, err := w.look(seq)
		if err != nil {
			return err
		}
		if !st.status.Open() && st.status != Dead {
			return fmt.Errorf("message %d has ended as %s and cannot be discarded: %w", seq, st.status, ErrState)
		}
		r, ok, err := w.one("SELECT attempts, since FROM message WHERE seq = ?", seq)
		if err != nil || !ok {
			return err
		}
		attempts, since := int(r.int(0)), timeOf(r.int(1))
		a.Seq = seq
		if err := w.note(a); err != nil {
			return err
		}
		was := st.status
		st.status = Discarded
		return w.move(seq, st, was, w.d.now(), time.Time{}, since, attempts, "")
	})
	return writeError("discard", err)
}

// Note keeps an action that is about no message.
func (d *Disk) Note(ctx context.Context, a Action) error {
	return writeError("note", d.write(ctx, func(w *writer) error { return w.note(a) }))
}

func (w *writer) note(a Action) error {
	if a.Time.IsZero() {
		a.Time = w.d.now()
	}
	return w.exec("INSERT INTO action (at, who, what, seq, reason) VALUES (?, ?, ?, ?, ?)", millis(a.Time), a.Who, a.What, a.Seq, a.Reason)
}

// Actions gives the last actions, the newest first; limit 0 is 50.
func (d *Disk) Actions(ctx context.Context, limit int) (out []Action, err error) {
	err = d.read(ctx, func(c *conn) error {
		out, err = actions(c, "SELECT at, who, what, seq, reason FROM action ORDER BY n DESC LIMIT ?", defaultLimit(limit))
		return err
	})
	return out, err
}

func actions(c *conn, text string, arg any) (out []Action, err error) {
	err = c.each(context.Background(), text, func(r row) error {
		out = append(out, Action{Time: timeOf(r.int(0)), Who: r.text(1), What: r.text(2), Seq: Seq(r.int(3)), Reason: r.text(4)})
		return nil
	}, arg)
	return out, err
}

func defaultLimit(n int) int {
	if n <= 0 {
		return 50
	}
	return n
}
