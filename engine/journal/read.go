package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/njia-health/njia/engine/fault"
)

// record is how every list reads a message.
const record = `SELECT m.seq, m.id, m.status, m.route, m.received, m.changed, m.flags, m.rules, m.source, m.size, m.parent, m.due, m.since, m.attempts, m.about,
	t.class, t.system, t.map, t.code, t.error FROM message m LEFT JOIN trouble t ON t.seq = m.seq `

// record makes a Record of a row.
func (d *Disk) record(c *conn, r row) (Record, error) {
	flags := r.int(6)
	out := Record{Seq: Seq(r.int(0)), ID: idOf(r[1]), Status: statusOf(r.int(2)), Received: timeOf(r.int(4)), Changed: timeOf(r.int(5)), Size: int(r.int(9)), Parent: Seq(r.int(10)),
		Due: timeOf(r.int(11)), Since: timeOf(r.int(12)), Attempts: int(r.int(13)), HasBody: flags&(hasBody|hasEdit) != 0, Edited: flags&hasEdit != 0,
		Class: fault.Class(r.text(15)), Map: r.text(17), Code: r.text(18), Error: r.text(19)}
	var err error
	for _, n := range []struct {
		to *string
		id int64
	}{{&out.Route, r.int(3)}, {&out.Rules, r.int(7)}, {&out.Source, r.int(8)}, {&out.System, r.int(16)}} {
		if *n.to, err = d.name(c, n.id); err != nil {
			return out, err
		}
	}
	b, err := d.packer.unpack(r.bytes(14))
	if err != nil {
		return out, err
	}
	var a about
	if err := a.decode(b); err != nil {
		return out, fmt.Errorf("message %d: %w", out.Seq, err)
	}
	out.Key, out.DedupeID, out.Event, out.Type, out.Resume, out.Headers, out.Keys, out.Vars = a.Key, a.DedupeID, a.Event, a.Type, a.Resume, a.Headers, a.Keys, a.Vars
	if out.Status == Discarded {
		r, ok, err := c.one("SELECT reason FROM action WHERE seq = ? AND what = 'discard' ORDER BY n DESC LIMIT 1", out.Seq)
		if err != nil {
			return out, err
		}
		if ok {
			out.Reason = r.text(0)
		}
	}
	return out, nil
}

// records reads messages by their numbers, in that order; those that are gone are left out.
func (d *Disk) records(c *conn, seqs []Seq, keep func(*Record) bool) ([]Record, error) {
	out := make([]Record, 0, len(seqs))
	for _, seq := range seqs {
		r, ok, err := c.one(record+"WHERE m.seq = ?", seq)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		rec, err := d.record(c, r)
		if err != nil {
			return nil, err
		}
		if keep == nil || keep(&rec) {
			out = append(out, rec)
		}
	}
	return out, nil
}

// Open gives the open messages. See Store.
func (d *Disk) Open(ctx context.Context, after Seq, limit int) (out []Record, err error) {
	if limit <= 0 {
		return nil, ctx.Err()
	}
	err = d.read(ctx, func(c *conn) error {
		find := d.byState(0, []Status{Received, Processing, Retrying, Held})
		seqs, err := find(ctx, c, bounds{after: after, before: maxSeq, up: true}, limit)
		if err != nil {
			return err
		}
		out, err = d.records(c, seqs, nil)
		return err
	})
	return out, err
}

// Body gives what is to be run, and the gate's state. See Store.
func (d *Disk) Body(ctx context.Context, seq Seq) (body, gate []byte, err error) {
	err = d.read(ctx, func(c *conn) error {
		body, _, gate, err = d.bodies(c, seq)
		return err
	})
	return body, gate, err
}

// bodies reads the body that is run, the original where that is another, and the gate.
func (d *Disk) bodies(c *conn, seq Seq) (body, original, gate []byte, err error) {
	r, ok, err := c.one("SELECT b.data, e.data, r.gate FROM message m LEFT JOIN body b ON b.seq = m.seq LEFT JOIN edit e ON e.seq = m.seq LEFT JOIN run r ON r.seq = m.seq WHERE m.seq = ?", seq)
	if err != nil {
		return nil, nil, nil, err
	}
	if !ok {
		return nil, nil, nil, fmt.Errorf("message %d: %w", seq, ErrNotFound)
	}
	if body, err = d.load(r.bytes(0)); err != nil {
		return nil, nil, nil, err
	}
	if edit := r.bytes(1); edit != nil {
		original = body
		if body, err = d.load(edit); err != nil {
			return nil, nil, nil, err
		}
	}
	gate, err = d.load(r.bytes(2))
	return body, original, gate, err
}

// Calls gives the recorded calls of a message, in order.
func (d *Disk) Calls(ctx context.Context, seq Seq) (out []Call, err error) {
	err = d.read(ctx, func(c *conn) error {
		out, err = d.calls(c, seq)
		return err
	})
	return out, err
}

func (d *Disk) calls(c *conn, seq Seq) (out []Call, err error) {
	from := int64(seq) << shift
	err = c.each(context.Background(), "SELECT label, operation, digest, at, status, answer FROM call WHERE key >= ? AND key < ? ORDER BY key", func(r row) error {
		call := Call{Seq: seq, Digest: r.text(2), Time: timeOf(r.int(3)), Status: int(r.int(4))}
		if call.Label, err = d.name(c, r.int(0)); err != nil {
			return err
		}
		if call.Operation, err = d.name(c, r.int(1)); err != nil {
			return err
		}
		if call.Answer, err = d.load(r.bytes(5)); err != nil {
			return err
		}
		out = append(out, call)
		return nil
	}, from, from+maxParts)
	return out, err
}

// Deliveries gives the deliveries of a message by their numbers.
func (d *Disk) Deliveries(ctx context.Context, seq Seq) (out []Delivery, err error) {
	err = d.read(ctx, func(c *conn) error {
		out, _, err = d.deliveries(c, seq)
		return err
	})
	return out, err
}

// deliveries gives them with the attempts that stand in their rows.
func (d *Disk) deliveries(c *conn, seq Seq) (out []Delivery, made []Attempt, err error) {
	from := int64(seq) << shift
	err = c.each(context.Background(), "SELECT key, id, label, operation, status, attempts, at, took, code, due, since, class, error, content, answer FROM delivery WHERE key >= ? AND key < ? ORDER BY key", func(r row) error {
		dl := Delivery{Seq: seq, N: int(r.int(0) - from), ID: idOf(r[1]), Status: statusOf(r.int(4)), Attempts: int(r.int(5)), Due: timeOf(r.int(9)), Since: timeOf(r.int(10)),
			Class: fault.Class(r.text(11)), Error: r.text(12)}
		at, took, code := r.int(6), r.int(7), r.int(8)
		if dl.Label, err = d.name(c, r.int(2)); err != nil {
			return err
		}
		if dl.Operation, err = d.name(c, r.int(3)); err != nil {
			return err
		}
		b, err := d.load(r.bytes(13))
		if err != nil {
			return err
		}
		var x content
		if err := x.decode(b); err != nil {
			return fmt.Errorf("delivery %d of message %d: %w", dl.N, seq, err)
		}
		dl.Type, dl.With, dl.Body = x.Type, x.With, x.Body
		if dl.Answer, err = d.packer.unpack(r.bytes(14)); err != nil {
			return err
		}
		out = append(out, dl)
		if dl.Status == Delivered && at > 0 {
			made = append(made, Attempt{Seq: seq, N: dl.N, Number: dl.Attempts, Time: timeOf(at), Took: time.Duration(took) * time.Microsecond, Status: Delivered, Code: int(code), Answer: dl.Answer, System: systemOf(dl.Operation)})
		}
		return nil
	}, from, from+maxParts)
	return out, made, err
}

func systemOf(operation string) string {
	for i := range operation {
		if operation[i] == '.' {
			return operation[:i]
		}
	}
	return operation
}

// attempts gives the attempts of a message as they were made.
func (d *Disk) attempts(c *conn, seq Seq) (out []Attempt, err error) {
	from := int64(seq) << shift
	err = c.each(context.Background(), "SELECT n, number, at, took, status, message, system, code, due, since, class, error, answer FROM attempt WHERE key >= ? AND key < ? ORDER BY key", func(r row) error {
		a := Attempt{Seq: seq, N: int(r.int(0)), Number: int(r.int(1)), Time: timeOf(r.int(2)), Took: time.Duration(r.int(3)) * time.Microsecond, Status: statusOf(r.int(4)), Message: statusOf(r.int(5)),
			Code: int(r.int(7)), Due: timeOf(r.int(8)), Since: timeOf(r.int(9)), Class: fault.Class(r.text(10)), Error: r.text(11)}
		if a.System, err = d.name(c, r.int(6)); err != nil {
			return err
		}
		if a.Answer, err = d.packer.unpack(r.bytes(12)); err != nil {
			return err
		}
		out = append(out, a)
		return nil
	}, from, from+maxParts)
	return out, err
}

// Find gives the number of a message by its id. See Store.
func (d *Disk) Find(ctx context.Context, id string) (seq Seq, err error) {
	err = d.read(ctx, func(c *conn) error {
		r, ok, err := c.one("SELECT max(seq) FROM message WHERE id = ?", idValue(messageID(id)))
		if err != nil {
			return err
		}
		if !ok || r[0] == nil {
			return fmt.Errorf("message %s: %w", id, ErrNotFound)
		}
		seq = Seq(r.int(0))
		return nil
	})
	return seq, err
}

// Story gives everything known about a message, all of one moment.
func (d *Disk) Story(ctx context.Context, seq Seq) (s Story, err error) {
	err = d.read(ctx, func(c *conn) error {
		rs, err := d.records(c, []Seq{seq}, nil)
		if err != nil {
			return err
		}
		if len(rs) == 0 {
			return fmt.Errorf("message %d: %w", seq, ErrNotFound)
		}
		s.Record = rs[0]
		if s.Body, s.Original, s.Gate, err = d.bodies(c, seq); err != nil {
			return err
		}
		if r, ok, err := c.one("SELECT trace FROM run WHERE seq = ?", seq); err != nil {
			return err
		} else if ok && r.bytes(0) != nil {
			b, err := d.packer.unpack(r.bytes(0))
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &s.Trace); err != nil {
				return fmt.Errorf("message %d: %w", seq, errAbout)
			}
		}
		var made []Attempt
		if s.Deliveries, made, err = d.deliveries(c, seq); err != nil {
			return err
		}
		if s.Attempts_, err = d.attempts(c, seq); err != nil {
			return err
		}
		if len(made) > 0 {
			s.Attempts_ = append(s.Attempts_, made...)
			slices.SortStableFunc(s.Attempts_, func(a, b Attempt) int {
				return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.N, b.N), cmp.Compare(a.Number, b.Number))
			})
		}
		if s.Calls, err = d.calls(c, seq); err != nil {
			return err
		}
		var children []Seq
		err = c.each(context.Background(), "SELECT seq FROM message WHERE parent = ? AND parent > 0 ORDER BY seq LIMIT 1000", func(r row) error {
			children = append(children, Seq(r.int(0)))
			return nil
		}, seq)
		if err != nil {
			return err
		}
		if s.Children, err = d.records(c, children, nil); err != nil {
			return err
		}
		if len(s.Children) == 0 {
			s.Children = nil
		}
		s.Actions, err = actions(c, "SELECT at, who, what, seq, reason FROM action WHERE seq = ? AND seq > 0 ORDER BY n", seq)
		return err
	})
	return s, err
}
