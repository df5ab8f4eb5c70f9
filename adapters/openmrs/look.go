package openmrs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/njia-health/njia/engine/fault"
)

// look searches every type once for what has changed, and hands it over.
//
// OpenMRS keeps times by the second, orders rows of one second as it likes, and since version 1.4 runs a search again for
// every page, so that a row that comes or goes moves others past the reader. So a look goes by first pages only: the rows of
// a first page that are older than its last row's second are all there are, and the next search begins at that second.
//
//	ge 08:00:00 → 08:00:00 a, 08:00:07 b, 08:00:09 c   full: all before :09 is seen
//	ge 08:00:09 → 08:00:09 c, 08:00:09 d, 08:00:12 e   full: all before :12 is seen
//	ge 08:00:12 → 08:00:12 e, 08:00:15 f               not full: all is seen
//
// A second with more rows than a page has is read by its pages, as often as it takes to see as many as there are.
func (f *feed) look(ctx context.Context) error {
	var first error // one type that fails does not stop the others
	for _, typ := range f.w.Resource {
		err := f.lookAt(ctx, typ)
		if err == nil {
			err = f.forget(ctx, typ)
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}

// page is a page of a search, read.
type page struct {
	rows  []row
	next  string
	total int       // -1: not said
	now   time.Time // the server's clock, by the second; zero where it does not say
}

func (p page) last() time.Time { return p.rows[len(p.rows)-1].updated }

// full says that more may follow. A stale count can hide the next link, so a page with as many rows as asked for is full too.
func (p page) full(asked int) bool { return p.next != "" || len(p.rows) >= asked }

// sorted says that the rows have times, in order.
func (p page) sorted() bool {
	return slices.IsSortedFunc(p.rows, func(a, b row) int { return a.updated.Compare(b.updated) }) &&
		!slices.ContainsFunc(p.rows, func(r row) bool { return r.updated.IsZero() })
}

func (f *feed) lookAt(ctx context.Context, typ string) error {
	if !f.begun[typ] {
		if err := f.start(ctx, typ); err != nil {
			return err
		}
	}
	from, first, newest := f.from(typ), true, time.Time{}
	var stuck error // a second that cannot be read to the end: what comes after is handed over, but the cursor stays
	raised := func(t, now time.Time) time.Time {
		if stuck != nil {
			return time.Time{}
		}
		return f.cap(t, now)
	}
	for {
		p, err := f.ask(ctx, typ, from, time.Time{}, f.c.s.PageSize)
		if err != nil {
			return err
		}
		if first {
			first = false
			if is := f.setBack(typ, p.now); is != f.behind[typ] {
				f.behind[typ] = is
				from = f.from(typ)
				continue
			}
		}
		if !p.sorted() {
			f.sorts[typ] = no
		} else if p.full(f.c.s.PageSize) && f.sorts[typ] == unsure {
			if err := f.probe(ctx, typ); err != nil {
				return err
			}
		}
		if full := p.full(f.c.s.PageSize); !p.sorted() || full && f.sorts[typ] != yes {
			return f.walkAll(ctx, typ, from, p)
		}
		for _, r := range p.rows {
			newest = later(newest, r.updated.Truncate(time.Second))
		}
		if !p.full(f.c.s.PageSize) {
			if err := f.hand(ctx, typ, f.events(p.rows), raised(later(newest, p.now), p.now)); err != nil {
				return err
			}
			if stuck == nil {
				f.keep(typ, p.now)
			}
			return stuck
		}
		upTo := p.last().Truncate(time.Second)
		if upTo.After(from) {
			if err := f.hand(ctx, typ, f.events(p.rows), raised(upTo, p.now)); err != nil {
				return err
			}
			from = upTo
			continue
		}
		if err := f.walk(ctx, typ, from, from.Add(time.Second)); errors.Is(err, errUnread) {
			stuck = err
		} else if err != nil {
			return err
		}
		from = from.Add(time.Second)
		if err := f.hand(ctx, typ, nil, raised(from, p.now)); err != nil {
			return err
		}
	}
}

// sorting is whether the server heeds _sort=_lastUpdated.
type sorting uint8

const (
	unsure sorting = iota
	yes
	no
)

// probe asks for the oldest and the newest row. A server that does not sort gives the same one twice.
func (f *feed) probe(ctx context.Context, typ string) error {
	oldest, err := f.search(ctx, typ, url.Values{"_count": {"1"}, "_sort": {"_lastUpdated"}})
	if err != nil {
		return err
	}
	newest, err := f.search(ctx, typ, url.Values{"_count": {"1"}, "_sort": {"-_lastUpdated"}})
	if err != nil {
		return err
	}
	if len(oldest.rows) > 0 && len(newest.rows) > 0 {
		switch oldest.rows[0].updated.Compare(newest.rows[0].updated) {
		case -1:
			f.sorts[typ] = yes
		case 1:
			f.sorts[typ] = no
		}
	}
	return nil
}

// from is where a search begins.
func (f *feed) from(typ string) time.Time {
	low := f.low[typ]
	if low.IsZero() {
		return low
	}
	if f.behind[typ] {
		return low.Add(-f.w.Overlap - allowance)
	}
	return later(low.Add(-f.w.Overlap), f.since[typ])
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// cap keeps the cursor from running ahead of the server's clock: one row from the future would hide all that come before it.
func (f *feed) cap(t, now time.Time) time.Time {
	if !now.IsZero() && t.After(now) {
		return now
	}
	return t
}

// allowance is how far a server's clock may be set back without a loss. What was seen is remembered for that much longer.
const allowance = time.Hour

// setBack says whether the server's clock was set back: it is behind the cursor, or has lost on ours since the last look.
// What it stamps now may be older than what was seen, so a look goes back by the allowance until it has caught up. A clock
// that is further off is not followed.
func (f *feed) setBack(typ string, now time.Time) bool {
	if now.IsZero() {
		return false
	}
	behind := f.low[typ].Sub(now)
	lost := time.Duration(0)
	if last, ok := f.clock[typ]; ok {
		lost = last - time.Until(now)
	}
	is := behind > 0 || lost > stepping
	switch {
	case behind > allowance:
		f.c.env.Log.Error("OpenMRS's clock is behind the newest change seen: set it right; what is saved until then is not seen", "resource", typ, "behind", behind.String())
	case is && !f.behind[typ]:
		f.c.env.Log.Warn("OpenMRS's clock was set back: looking further back until it has caught up", "resource", typ, "behind", max(behind, lost).String())
	}
	return is
}

// stepping is how much a clock may lose between two looks before that counts as set back. The overlap covers less.
const stepping = 5 * time.Second

// keep notes how far the server's clock is ahead of ours, once all up to now is handed over and now is past the cursor.
func (f *feed) keep(typ string, now time.Time) {
	if now.IsZero() || now.Before(f.low[typ]) {
		return
	}
	ahead := time.Until(now).Round(time.Second)
	if last, ok := f.clock[typ]; !ok || (ahead-last).Abs() > stepping {
		f.clock[typ] = ahead
		f.extra[".clock/"+typ] = ahead.String()
	}
}

// start sets where the source begins, by the server's clock.
func (f *feed) start(ctx context.Context, typ string) error {
	now := time.Time{}
	if f.w.Since == "now" {
		p, err := f.search(ctx, typ, url.Values{"_count": {"1"}, "_sort": {"-_lastUpdated"}})
		if err != nil {
			return err
		}
		if now = p.now; now.IsZero() && len(p.rows) > 0 {
			now = p.rows[0].updated.Truncate(time.Second).Add(time.Second)
		}
		if now.IsZero() {
			now = time.Now().UTC().Truncate(time.Second)
		}
	}
	begin, err := f.w.begin(now)
	if err != nil {
		return err
	}
	f.low[typ], f.since[typ], f.begun[typ] = begin, begin, true
	f.extra[".since/"+typ] = begin.UTC().Format(time.RFC3339)
	return nil
}

// events are what is new among rows; what the source does not want is left out.
func (f *feed) events(rows []row) []event {
	var out []event
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.name()] {
			continue
		}
		seen[r.name()] = true
		if e, ok := f.judge(r); ok {
			out = append(out, e)
		}
	}
	return out
}

// ask searches for rows from a second on, and before another unless that is zero, oldest first.
func (f *feed) ask(ctx context.Context, typ string, from, before time.Time, count int) (page, error) {
	q := url.Values{"_sort": {"_lastUpdated"}, "_count": {fmt.Sprint(count)}}
	if !from.IsZero() {
		q.Add("_lastUpdated", "ge"+from.UTC().Format("2006-01-02T15:04:05Z"))
	}
	if !before.IsZero() {
		q.Add("_lastUpdated", "lt"+before.UTC().Format("2006-01-02T15:04:05Z"))
	}
	return f.search(ctx, typ, q)
}

func (f *feed) search(ctx context.Context, typ string, q url.Values) (page, error) {
	for name, v := range f.w.Query {
		values, err := words(v)
		if err != nil {
			return page{}, fault.New(fault.Bug, "query: %s %s", name, err)
		}
		q[name] = append(q[name], values...)
	}
	return f.read(ctx, typ, f.c.fhir(typ, q))
}

// read reads one page.
func (f *feed) read(ctx context.Context, typ, at string) (page, error) {
	b, err := f.c.page(ctx, "look for changes of "+typ, at)
	if err != nil {
		return page{}, err
	}
	p := page{next: b.next(), total: -1}
	if b.Total != nil {
		p.total = *b.Total
	}
	if t, err := time.Parse(time.RFC3339Nano, b.Meta.LastUpdated); err == nil {
		p.now = t.Truncate(time.Second)
	}
	for i, e := range b.Entry {
		r, err := readRow(e.Resource)
		if err != nil {
			return page{}, fault.New(fault.Transient, "look for changes of %s: entry %d cannot be read: %v", typ, i+1, err)
		}
		if r.typ == typ && e.Search.Mode != "include" {
			p.rows = append(p.rows, r)
		}
	}
	return p, nil
}

// walks is how often a set of pages is read again until as many rows are seen as there are.
const walks = 6

// errUnread says that there are rows which were not seen.
var errUnread = errors.New("rows change while they are read, or the pages expire")

// walk reads all pages of the rows in [from, before), or from on where before is zero. Rows without a time get the server's.
// A set that expires on the way (410) is begun again, and so is one that gave fewer rows than it has, with pages so large
// that one may do.
func (f *feed) walk(ctx context.Context, typ string, from, before time.Time) error {
	seen, total, count := map[string]bool{}, -1, f.c.s.PageSize
	for try := range walks {
		p, err := f.ask(ctx, typ, from, before, count)
		if err != nil {
			return err
		}
		if p.total != total {
			clear(seen) // rows came or went, and those that went were counted
			total = p.total
		}
		known := len(seen)
		ended, err := f.walkPages(ctx, typ, p, seen)
		if err != nil {
			return err
		}
		if ended && (len(seen) >= total && total >= 0 || total < 0 && try > 0 && len(seen) == known) {
			return nil
		}
		count = max(count, total) + 1
	}
	return &fault.Error{Class: fault.Transient, Err: errUnread, Text: fmt.Sprintf("look for changes of %s: of %d rows some are not seen: %v", typ, max(total, len(seen)), errUnread)}
}

// walkPages reads p and the pages that follow; ended is false if they expired.
func (f *feed) walkPages(ctx context.Context, typ string, p page, seen map[string]bool) (ended bool, err error) {
	for {
		for i := range p.rows {
			if p.rows[i].updated.IsZero() {
				p.rows[i].updated = later(p.now, f.low[typ])
			}
			seen[p.rows[i].name()] = true
		}
		if err := f.hand(ctx, typ, f.events(p.rows), time.Time{}); err != nil {
			return false, err
		}
		if p.next == "" {
			return true, nil
		}
		at, err := f.c.next(p.next)
		if err != nil {
			return false, err
		}
		p, err = f.read(ctx, typ, at)
		if e := fault.Of(err); e != nil && (e.Status == http.StatusGone || e.Status == http.StatusNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// walkAll is a look at a server whose rows have no times or no order.
func (f *feed) walkAll(ctx context.Context, typ string, from time.Time, p page) error {
	if err := f.walk(ctx, typ, from, time.Time{}); err != nil {
		return err
	}
	low := p.now // before the walk: what came later is found by the next look
	if low.IsZero() {
		for _, r := range p.rows {
			low = later(low, r.updated.Truncate(time.Second))
		}
	}
	f.raise(typ, low)
	f.keep(typ, p.now)
	return nil
}
