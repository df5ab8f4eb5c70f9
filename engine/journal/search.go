package journal

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/njia-health/njia/engine/message"
)

func messageID(s string) message.ID { return message.ID(s) }

const maxSeq = Seq(math.MaxInt64 >> shift)

// bounds are the numbers a search may look at: greater than after, less than before; up is oldest first.
type bounds struct {
	after, before Seq
	up            bool
}

// finder gives at most n numbers within bounds that may be wanted, in order. Fewer than n means that there are no more.
type finder func(ctx context.Context, c *conn, b bounds, n int) ([]Seq, error)

// order sorts what several indexes gave, and takes the first n.
func (b bounds) order(seqs []Seq, n int) []Seq {
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	if !b.up {
		slices.Reverse(seqs)
	}
	return seqs[:min(n, len(seqs))]
}

// past moves the bounds behind what has been looked at.
func (b bounds) past(seq Seq) bounds {
	if b.up {
		b.after = seq
	} else {
		b.before = seq
	}
	return b
}

// scan makes a finder of a query whose first two arguments are the bounds and whose last is the number wanted.
func scan(text string, args ...any) finder {
	return func(ctx context.Context, c *conn, b bounds, n int) (out []Seq, err error) {
		order := " DESC LIMIT ?"
		if b.up {
			order = " ASC LIMIT ?"
		}
		all := append(append([]any{}, args...), b.after, b.before, n)
		err = c.each(ctx, text+order, func(r row) error {
			out = append(out, Seq(r.int(0)))
			return nil
		}, all...)
		return out, err
	}
}

// Search finds messages. See Query: newest first, or oldest first from After on; pass the last Seq of a page to get the next.
func (d *Disk) Search(ctx context.Context, q Query) (out []Record, err error) {
	out = []Record{}
	limit := defaultLimit(q.Limit)
	err = d.read(ctx, func(c *conn) error {
		b := bounds{after: q.After, before: q.Before, up: q.After != 0}
		if q.Before <= 0 {
			b.before = maxSeq
		}
		find, ok, err := d.finder(c, q)
		if err != nil || !ok {
			return err
		}
		if b, ok, err = within(c, q, b); err != nil || !ok {
			return err
		}
		for len(out) < limit {
			n := limit - len(out) + 8
			seqs, err := find(ctx, c, b, n)
			if err != nil {
				return err
			}
			rs, err := d.records(c, seqs, func(r *Record) bool { return q.wants(r) })
			if err != nil {
				return err
			}
			out = append(out, rs...)
			if len(seqs) < n {
				break
			}
			b = b.past(seqs[len(seqs)-1])
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		out = out[:min(limit, len(out))]
		return nil
	})
	return out, err
}

// wants says whether r is what q asks for. Words of the error are for the index alone.
func (q *Query) wants(r *Record) bool {
	if q.Route != "" && r.Route != q.Route || q.System != "" && r.System != q.System || q.Class != "" && r.Class != q.Class || q.Map != "" && r.Map != q.Map ||
		q.Parent != 0 && r.Parent != q.Parent || len(q.Statuses) > 0 && !slices.Contains(q.Statuses, r.Status) {
		return false
	}
	if !q.From.IsZero() && r.Received.Before(q.From) || !q.To.IsZero() && !r.Received.Before(q.To) {
		return false
	}
	if q.Key != "" && r.Key != q.Key {
		found := false
		for _, v := range r.Keys {
			found = found || v == q.Key
		}
		if !found {
			return false
		}
	}
	return q.ID == "" || string(r.ID) == q.ID || r.DedupeID == q.ID || strconv.FormatInt(int64(r.Seq), 10) == q.ID
}

// finder chooses the index that leaves the least to look at. ok is false where nothing can be found.
func (d *Disk) finder(c *conn, q Query) (find finder, ok bool, err error) {
	route := int64(0)
	if q.Route != "" {
		if route, ok, err = d.number(c, q.Route); err != nil || !ok {
			return nil, false, err
		}
	}
	switch {
	case q.ID != "":
		return d.byID(q.ID), true, nil
	case q.Key != "":
		return d.byKey(anyKey, q.Key), true, nil
	case q.Parent != 0:
		return scan("SELECT seq FROM message WHERE parent = ? AND parent > 0 AND seq > ? AND seq < ? ORDER BY seq", q.Parent), true, nil
	case q.Text != "":
		words := wordsOf(q.Text)
		if words == "" {
			return nil, false, nil
		}
		return scan("SELECT rowid FROM error_text WHERE error_text MATCH ? AND rowid > ? AND rowid < ? ORDER BY rowid", words), true, nil
	case q.Map != "":
		return scan("SELECT seq FROM trouble WHERE map = ? AND map <> '' AND seq > ? AND seq < ? ORDER BY seq", q.Map), true, nil
	case q.System != "":
		id, ok, err := d.number(c, q.System)
		return scan("SELECT seq FROM trouble WHERE system = ? AND system > 0 AND seq > ? AND seq < ? ORDER BY seq", id), ok, err
	case q.Class != "":
		return scan("SELECT seq FROM trouble WHERE class = ? AND seq > ? AND seq < ? ORDER BY seq", string(q.Class)), true, nil
	case q.Route != "" || len(q.Statuses) > 0:
		return d.byState(route, q.Statuses), true, nil
	}
	return scan("SELECT seq FROM message WHERE seq > ? AND seq < ? ORDER BY seq"), true, nil
}

// wordsOf makes a full-text query: all words, the last of which may be unfinished.
func wordsOf(text string) string {
	var out []string
	for _, w := range strings.Fields(text) {
		if w = strings.Trim(strings.ReplaceAll(w, `"`, ""), "*"); w != "" {
			out = append(out, `"`+w+`"*`)
		}
	}
	return strings.Join(out, " ")
}

// byState merges the lists that the index keeps for each status and route. route 0 is all, no statuses are all.
func (d *Disk) byState(route int64, statuses []Status) finder {
	return func(ctx context.Context, c *conn, b bounds, n int) (out []Seq, err error) {
		if len(statuses) == 0 {
			statuses = append(statuses, allStatuses()...)
		}
		type list struct{ status, route int64 }
		var lists []list
		err = c.each(ctx, "SELECT status, route FROM count WHERE n > 0 AND (? = 0 OR route = ?)", func(r row) error {
			if slices.Contains(statuses, statusOf(r.int(0))) {
				lists = append(lists, list{r.int(0), r.int(1)})
			}
			return nil
		}, route, route)
		if err != nil {
			return nil, err
		}
		for _, l := range lists {
			seqs, err := scan("SELECT seq FROM message WHERE status = ? AND route = ? AND seq > ? AND seq < ? ORDER BY seq", l.status, l.route)(ctx, c, b, n)
			if err != nil {
				return nil, err
			}
			out = append(out, seqs...)
		}
		return b.order(out, n), nil
	}
}

func allStatuses() []Status { return statuses[:] }

// byID finds a number, a message id or a dedupe id.
func (d *Disk) byID(id string) finder {
	dedupe := d.byKey(anyID, id)
	return func(ctx context.Context, c *conn, b bounds, n int) ([]Seq, error) {
		out, err := dedupe(ctx, c, b, n)
		if err != nil {
			return nil, err
		}
		more, err := scan("SELECT seq FROM message WHERE id = ? AND seq > ? AND seq < ? ORDER BY seq", idValue(messageID(id)))(ctx, c, b, n)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
		if seq, err := strconv.ParseInt(id, 10, 64); err == nil && Seq(seq) > b.after && Seq(seq) < b.before {
			out = append(out, Seq(seq))
		}
		return b.order(out, n), nil
	}
}

// byKey looks into each segment of the index of keys, and at what waits for it.
func (d *Disk) byKey(kind byte, value string) finder {
	return func(ctx context.Context, c *conn, b bounds, n int) (out []Seq, err error) {
		d.keys.find(kind, value, func(s Seq) {
			if s > b.after && s < b.before {
				out = append(out, s)
			}
		})
		r, ok, err := c.one("SELECT (SELECT min(hash) FROM key) >> 40, (SELECT max(hash) FROM key) >> 40")
		if err != nil {
			return nil, err
		}
		if ok && r[0] != nil {
			first, last := max(r.int(0), int64(b.after)>>segmentShift), min(r.int(1), int64(b.before)>>segmentShift)
			inIndex := 0
			for i := first; i <= last && inIndex < n; i++ {
				seg := i
				if !b.up {
					seg = last - (i - first)
				}
				seqs, err := scan("SELECT seq FROM key WHERE hash = ? AND seq > ? AND seq < ? ORDER BY seq", keyHash(Seq(seg<<segmentShift), kind, value))(ctx, c, b, n)
				if err != nil {
					return nil, err
				}
				inIndex += len(seqs)
				out = append(out, seqs...)
			}
		}
		return b.order(out, n), nil
	}
}

// within narrows the bounds to the blocks that were received in time. ok is false where there are none.
func within(c *conn, q Query, b bounds) (bounds, bool, error) {
	if q.From.IsZero() && q.To.IsZero() {
		return b, true, nil
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		to = q.To.UnixMilli()
	}
	r, ok, err := c.one("SELECT min(block), max(block) FROM span WHERE last >= ? AND first <= ?", from, to)
	if err != nil || !ok || r[0] == nil {
		return b, false, err
	}
	b.after = max(b.after, Seq(r.int(0)<<spanShift)-1)
	b.before = min(b.before, Seq((r.int(1)+1)<<spanShift))
	return b, true, nil
}

// Counts gives how many messages of each route have each status, and how old the oldest is.
func (d *Disk) Counts(ctx context.Context) (out []Count, err error) {
	err = d.read(ctx, func(c *conn) error {
		type sum struct{ route, status, n int64 }
		var sums []sum
		err := c.each(ctx, "SELECT route, status, n FROM count WHERE n > 0", func(r row) error {
			sums = append(sums, sum{r.int(0), r.int(1), r.int(2)})
			return nil
		})
		if err != nil {
			return err
		}
		for _, s := range sums {
			route, err := d.name(c, s.route)
			if err != nil {
				return err
			}
			n := Count{Route: route, Status: statusOf(s.status), N: s.n}
			r, ok, err := c.one("SELECT received FROM message WHERE status = ? AND route = ? ORDER BY seq LIMIT 1", s.status, s.route)
			if err != nil {
				return err
			}
			if ok {
				n.Oldest = timeOf(r.int(0))
			}
			out = append(out, n)
		}
		slices.SortFunc(out, func(a, b Count) int {
			if c := strings.Compare(a.Route, b.Route); c != 0 {
				return c
			}
			return int(a.Status.number() - b.Status.number())
		})
		return nil
	})
	return out, err
}
