package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Plan is the times of a schedule.
//
// The wall clock of a zone runs evenly from one change of its offset to the next. Within such a stretch the cron library
// is asked on an even clock, where it is right; at a change of offset Plan decides. Where the clock is put forward, what
// would have run in the gap runs once, at its end. Where it is put back, what runs at set hours runs in the first pass of
// the repeated hour only; what runs in every hour runs in both.
type Plan struct {
	sched  cron.Schedule
	hourly bool
	zone   *time.Location
	every  time.Duration // instead of sched
}

// Next gives the first time after t; the zero time when there is none.
func (p Plan) Next(t time.Time) time.Time {
	if p.every > 0 {
		return t.Add(p.every)
	}
	for range 64 { // changes of offset that a schedule can look past: 30 years of them
		local := t.In(p.zone)
		begin, end := local.ZoneBounds()
		shift := offset(local)
		wall := t.UTC().Add(shift)
		if !p.hourly && !begin.IsZero() {
			if back := offset(begin.Add(-time.Nanosecond).In(p.zone)) - shift; back > 0 {
				if repeated := begin.UTC().Add(shift + back); wall.Before(repeated) {
					wall = repeated.Add(-time.Nanosecond)
				}
			}
		}
		next := p.sched.Next(wall)
		if next.IsZero() {
			return time.Time{}
		}
		at := next.Add(-shift)
		if end.IsZero() || at.Before(end) {
			return at
		}
		forward := offset(end.In(p.zone)) - shift
		if !p.hourly && forward > 0 && at.Before(end.Add(forward)) {
			return end.UTC() // it stands in the gap
		}
		if at, ok := p.first(end, forward); ok {
			return at
		}
		t = end
	}
	return time.Time{}
}

// first says whether the schedule fires at the very instant of a change of offset.
func (p Plan) first(end time.Time, forward time.Duration) (time.Time, bool) {
	if forward < 0 && !p.hourly {
		return time.Time{}, false // that is in the repeated hour
	}
	wall := end.UTC().Add(offset(end.In(p.zone)))
	return end.UTC(), p.sched.Next(wall.Add(-time.Nanosecond)).Equal(wall)
}

// Last gives the latest time in (after, until]; the zero time when there is none.
func (p Plan) Last(after, until time.Time) time.Time {
	if p.every > 0 {
		n := until.Sub(after) / p.every
		if n < 1 {
			return time.Time{}
		}
		return after.Add(n * p.every)
	}
	for _, back := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 31 * 24 * time.Hour, 366 * 24 * time.Hour, until.Sub(after)} {
		from := until.Add(-back)
		if from.Before(after) {
			from = after
		}
		var last time.Time
		for t := p.Next(from); !t.IsZero() && !t.After(until); t = p.Next(t) {
			last = t
		}
		if !last.IsZero() || from.Equal(after) {
			return last
		}
	}
	return time.Time{}
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
