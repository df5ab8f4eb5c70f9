package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/njia-health/njia/engine/rule"
)

// Window is when deliveries may leave: from each time that its cron names, for so long.
type Window struct {
	schedule cron.Schedule
	length   time.Duration
	zone     *time.Location
}

// NewWindow compiles a window.
func NewWindow(w *rule.Window) (out *Window, err error) {
	defer func() { // the library panics on some input
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("%q is no cron expression", w.Cron)
		}
	}()
	zone := time.Local
	if w.Zone != "" {
		if zone, err = time.LoadLocation(w.Zone); err != nil {
			return nil, fmt.Errorf("there is no time zone %q; write it as Africa/Nairobi or UTC", w.Zone)
		}
	}
	if strings.Contains(w.Cron, "=") {
		return nil, fmt.Errorf("%q is no cron expression; the zone is a setting of its own", w.Cron)
	}
	s, err := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(w.Cron)
	if err != nil {
		return nil, fmt.Errorf("%q is no cron expression; write minute hour day month weekday, such as 0 18 * * *", w.Cron)
	}
	if w.For <= 0 {
		return nil, fmt.Errorf("a window needs for: how long it stays open")
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q names no day that exists", w.Cron)
	}
	return &Window{s, w.For, zone}, nil
}

// Open says whether the window is open at t, and if not, when it opens next. A nil window is always open.
func (w *Window) Open(t time.Time) (open bool, next time.Time) {
	if w == nil {
		return true, t
	}
	t = t.In(w.zone)
	// It is open if its last opening is less than its length ago.
	from := w.schedule.Next(t.Add(-w.length))
	if !from.IsZero() && !from.After(t) {
		return true, t
	}
	return false, w.schedule.Next(t)
}
