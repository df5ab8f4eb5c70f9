package schedule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// look is the longest sleep: a computer that was suspended, or whose clock was set, is noticed that soon.
const look = time.Minute

// run makes the messages until ctx ends.
func (c *clock) run(ctx context.Context, w Cron, in adapter.Inbox) error {
	p := w.plan()
	last, err := c.begin(ctx, in)
	if err != nil {
		return ended(ctx, err)
	}
	f := firing{w: w, in: in}
	for ctx.Err() == nil {
		if last, err = c.sane(ctx, in, last); err != nil {
			return ended(ctx, err)
		}
		next := p.Next(last)
		if next.IsZero() {
			return fault.New(fault.Bug, "the schedule has no more times")
		}
		nudged, err := wait(ctx, in, next)
		switch {
		case err != nil:
			return nil //nolint:nilerr // that is how a source ends
		case nudged:
			if err := f.fire(ctx, time.Now(), 0, "now"); err != nil {
				return ended(ctx, err)
			}
		case !next.After(time.Now().Round(0)):
			if last, err = f.due(ctx, p, last, next); err != nil {
				return ended(ctx, err)
			}
		}
	}
	return nil
}

// sane starts anew when the last time lies in the future: the clock was wrong, and nothing would run until it is that late.
func (c *clock) sane(ctx context.Context, in adapter.Inbox, last time.Time) (time.Time, error) {
	now := time.Now().UTC().Round(0)
	if !last.After(now.Add(24 * time.Hour)) {
		return last, nil
	}
	c.env.Log.WarnContext(ctx, "the last time of the schedule is in the future, so it starts anew; was the clock wrong?")
	return now, in.Save(ctx, stamp(now), nil)
}

// begin gives the time of the last firing. At the very first start it is now, and kept, so that a time that passes while
// the engine is down is known as missed.
func (c *clock) begin(ctx context.Context, in adapter.Inbox) (time.Time, error) {
	cursor, err := in.Cursor(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if last, err := time.Parse(time.RFC3339Nano, cursor); err == nil {
		return last, nil
	}
	now := time.Now().UTC().Truncate(time.Second) // so that every: has round times
	return now, in.Save(ctx, stamp(now), nil)
}

// wait returns when it is then, when somebody wants a run now, or after a while: the wall clock may have been set.
func wait(ctx context.Context, in adapter.Inbox, then time.Time) (nudged bool, err error) {
	left := then.Sub(time.Now().Round(0)) // Round drops the clock that stands still in a suspended computer
	if left <= 0 {
		return false, ctx.Err()
	}
	timer := time.NewTimer(min(left, look))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-in.Nudged():
		return true, nil
	case <-timer.C:
		return false, nil
	}
}

// firing makes the messages of one source.
type firing struct {
	w  Cron
	in adapter.Inbox
}

// due runs what has come due since last, as the policy says, and gives the new last.
func (f firing) due(ctx context.Context, p Plan, last, next time.Time) (time.Time, error) {
	now := time.Now().Round(0)
	if f.w.Missed == all {
		late := 0
		if now.Sub(next) > onTime {
			late = 1
		}
		return next, f.fire(ctx, next, late, "schedule")
	}
	latest := p.Last(last, now)
	if latest.IsZero() {
		latest = next
	}
	late := now.Sub(latest) > onTime
	if late && f.w.Missed == skip {
		return latest, f.in.Save(ctx, stamp(latest), nil)
	}
	missed := 0
	for t := next; t.Before(latest) && missed < 1000; t = p.Next(t) {
		missed++
	}
	if late {
		missed++
	}
	return latest, f.fire(ctx, latest, missed, "schedule")
}

// fire offers the message of one time until it is taken. missed is how many times it stands for that nothing ran at.
func (f firing) fire(ctx context.Context, scheduled time.Time, missed int, run string) error {
	if f.w.Jitter > 0 && run == "schedule" && missed == 0 {
		if err := pause(ctx, rand.N(f.w.Jitter)); err != nil {
			return err
		}
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 30*time.Second) {
		m, err := f.message(scheduled, missed, run)
		if err != nil {
			return err
		}
		if _, err = f.in.Accept(ctx, m); err == nil || ctx.Err() != nil {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func (f firing) message(scheduled time.Time, missed int, run string) (message.Message, error) {
	body := map[string]any{}
	maps.Copy(body, f.w.Body)
	body["scheduled"], body["fired"], body["missed"], body["run"] = stamp(scheduled), stamp(time.Now()), missed, run
	b, err := message.Encode(body)
	if err != nil {
		return message.Message{}, fault.New(fault.Bug, "body: %v", err)
	}
	sum := sha256.Sum256(fmt.Append(nil, run, stamp(scheduled), f.w.Cron.Text, f.w.Every))
	m := message.Message{Type: "application/json", Body: b, Headers: map[string]string{
		"source-id": hex.EncodeToString(sum[:12]), "scheduled": stamp(scheduled), "run": run}}
	if run == "schedule" {
		m.Cursor = stamp(scheduled)
	}
	return m, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ended is nil when it was ctx that ended the work.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that is how a source ends
	}
	return err
}
