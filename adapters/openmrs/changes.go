package openmrs

import (
	"context"
	"fmt"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
)

// Changes is what the source changes takes.
type Changes struct {
	Resource []string       `yaml:"resource,required" doc:"resource type or types, such as ServiceRequest"`
	Every    time.Duration  `yaml:"every" doc:"how long between two looks"`
	Overlap  time.Duration  `yaml:"overlap" doc:"how far a look goes back before the newest change seen, for what OpenMRS saved late"`
	Since    string         `yaml:"since" doc:"where to begin the first time: now, beginning, or a date such as 2026-01-31"`
	Query    map[string]any `yaml:"query" doc:"more search parameters; beware that what leaves the search is not seen to leave"`
	Remember time.Duration  `yaml:"remember" doc:"how long a resource such as a patient is known, so that a change of it is an update; a change of one that is not known is a create"`
	Sweep    Sweep          `yaml:"sweep" doc:"how open items are looked at again one by one"`
}

// Sweep reads what is not finished again: OpenMRS shows that an order was stopped, or anything voided, in no search.
type Sweep struct {
	Every    time.Duration `yaml:"every" doc:"how long between two sweeps; 0: no sweep"`
	Finished []string      `yaml:"finished" doc:"statuses after which an item is not looked at any more"`
	Without  bool          `yaml:"without-status" doc:"whether items without a status, such as patients, are looked at too until max-age"`
	MaxAge   time.Duration `yaml:"max-age" doc:"items that last changed longer ago are not looked at any more"`
	Per      int           `yaml:"per" doc:"items read in one sweep; the next one goes on after them"`
	Most     int           `yaml:"most" doc:"items of one type that are remembered; past that the oldest are forgotten"`
}

var changesDefaults = Changes{
	Every: 15 * time.Second, Overlap: time.Minute, Since: "now", Remember: 90 * 24 * time.Hour,
	Sweep: Sweep{
		Every: 10 * time.Minute, MaxAge: 90 * 24 * time.Hour, Per: 200, Most: 20000,
		Finished: []string{"completed", "revoked", "cancelled", "stopped", "entered-in-error", "rejected", "failed", "final", "amended",
			"corrected", "appended", "finished", "inactive", "unknown", "not-done", "declined"},
	},
}

// longestWait is the most that a source waits after failures in a row.
const longestWait = 5 * time.Minute

// changes looks, hands over what is new, and waits.
func (c *client) changes(ctx context.Context, w Changes, in adapter.Inbox) error {
	f, err := newFeed(ctx, c, w, in)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	failures, swept := 0, time.Time{}
	for {
		err := f.look(ctx)
		if err == nil && w.Sweep.Every > 0 && time.Since(swept) >= w.Sweep.Every {
			err, swept = f.sweep(ctx), time.Now()
		}
		if ctx.Err() != nil {
			return nil
		}
		wait := w.Every
		if e := fault.Of(err); e != nil {
			if e.Class != fault.Transient {
				return err // asking again changes nothing: the engine says so and begins anew later
			}
			failures++
			wait = max(backoff(w.Every, failures), e.RetryAfter)
			c.env.Log.Warn("looking for changes failed", "error", e.Error(), "again_in", wait.String(), "failures", failures)
		} else if failures > 0 {
			c.env.Log.Info("looking for changes works again", "after_failures", failures)
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-in.Nudged():
			timer.Stop()
			swept = time.Time{}
		case <-timer.C:
		}
	}
}

func backoff(every time.Duration, failures int) time.Duration {
	wait := max(every, time.Second)
	for range min(failures-1, 16) {
		if wait *= 2; wait >= longestWait {
			return longestWait
		}
	}
	return min(wait, longestWait)
}

// begin is the time that since means: the zero time for the beginning.
func (w Changes) begin(now time.Time) (time.Time, error) {
	switch w.Since {
	case "now":
		return now, nil
	case "beginning":
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, w.Since); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Bug, "since: %s", fmt.Sprintf("%q is not now, beginning or a date such as 2026-01-31", w.Since))
}
