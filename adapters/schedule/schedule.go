// Package schedule makes a message at set times: a cron line or an interval, in a time zone, over restarts.
//
//	clock ── Plan.Next ──> due ── missed: ──> Inbox.Accept{scheduled, fired} ──> the cursor: the time of the last one
package schedule

import (
	"context"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Adapter is this package's one declaration.
func Adapter() *adapter.Definition {
	return adapter.Define("schedule", "makes a message at set times", Settings{}, open,
		adapter.Source("cron", "a message at the times of a cron line or an interval; the body is {scheduled, fired, missed, run} and what body: adds",
			"", Cron{Missed: once}, (*clock).run),
	)
}

// Settings are those of a system document: none.
type Settings struct{}

// The policies for times that passed while nothing could run.
const (
	skip = "skip"
	once = "once"
	all  = "all"
)

// Cron is the settings of the source.
type Cron struct {
	Cron   Line           `yaml:"cron" doc:"when: minute hour day month weekday, with seconds in front if there are six; or @hourly, @daily, @weekly, @monthly, @yearly, @every 15m"`
	Every  time.Duration  `yaml:"every" doc:"instead of cron: how long from one to the next, such as 15m"`
	Zone   Zone           `yaml:"zone" doc:"time zone of cron, such as Africa/Nairobi; the computer's own unless said otherwise"`
	Missed string         `yaml:"missed" enum:"skip,once,all" doc:"times that passed while the engine was down: skip them, run once for all, or run each"`
	Jitter time.Duration  `yaml:"jitter" doc:"wait up to this long after each time, so that many sites do not call at once"`
	Body   map[string]any `yaml:"body" doc:"more to put into the message"`
}

// onTime is how late a firing may be without being missed: a restart, a reload, a clock that was set.
const onTime = time.Minute

// clock is the connection: it has nothing to connect to.
type clock struct{ env adapter.Env }

func open(_ context.Context, env adapter.Env, _ Settings) (*clock, error) { return &clock{env}, nil }

// BindNode reads the settings and finds those that do not go together.
func (w *Cron) BindNode(n *bind.Node) diag.List {
	type fields Cron
	errs := bind.Decode(n, (*fields)(w))
	at := func(key string) diag.Pos {
		if v := n.Get(key); v != nil {
			return v.Pos
		}
		return n.Pos
	}
	cronNode, everyNode := n.Get("cron"), n.Get("every")
	switch {
	case cronNode != nil && everyNode != nil:
		errs.Add(diag.Errorf(at("every"), "cron and every are both given").WithHint("keep one of them"))
	case cronNode == nil && everyNode == nil:
		errs.Add(diag.Errorf(n.Pos, "give cron or every").WithHint(`such as cron: "0 18 * * *", or every: 15m`))
	case everyNode != nil && !everyNode.Hole && !errs.Failed() && w.Every < time.Second:
		errs.Add(diag.Errorf(at("every"), "the shortest interval is 1s"))
	}
	if w.Jitter < 0 {
		errs.Add(diag.Errorf(at("jitter"), "jitter is a length of time from 0"))
	}
	return errs
}

// plan is the times that the settings ask for.
func (w Cron) plan() Plan {
	if w.Every > 0 {
		return Plan{every: w.Every}
	}
	return w.Cron.In(w.Zone.location())
}
