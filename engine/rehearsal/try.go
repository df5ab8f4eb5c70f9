package rehearsal

import (
	"context"
	"fmt"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
	"github.com/njia-health/njia/engine/rule"
)

// TryOptions are what a trial starts with.
type TryOptions struct {
	Event   string
	Headers map[string]string
	Type    string
	Calls   []rule.GivenCall // answers, tried in order
	Time    time.Time        // zero: now
}

// Trial is one message's way through a route.
type Trial struct {
	Route   string         `json:"route"`
	ID      string         `json:"id,omitempty"`
	Key     string         `json:"key,omitempty"`
	Outcome journal.Status `json:"outcome"`
	Class   fault.Class    `json:"class,omitempty"`
	Error   string         `json:"error,omitempty"`
	Steps   []TriedStep    `json:"steps"`
	Sent    []Sent         `json:"sent"`
	Reply   any            `json:"reply,omitempty"`
	Missing []string       `json:"missing,omitempty"` // calls that had no answer
}

// TriedStep is one step.
type TriedStep struct {
	Step    string         `json:"step"`
	Kind    string         `json:"kind"`
	Outcome string         `json:"outcome"`
	Note    string         `json:"note,omitempty"`
	Before  any            `json:"before,omitempty"`
	After   any            `json:"after,omitempty"`
	Vars    map[string]any `json:"vars,omitempty"`
	Place   string         `json:"place,omitempty"`
}

// Sent is what would have been sent.
type Sent struct {
	To   string `json:"to"`
	With any    `json:"with,omitempty"`
	Body any    `json:"body,omitempty"`
}

// Try runs one message through a route and sends nothing.
func Try(ctx context.Context, set *engine.Set, name string, raw []byte, o TryOptions) (Trial, error) {
	plan := set.Plans[name]
	if plan == nil {
		return Trial{}, fmt.Errorf("there is no route %q", name)
	}
	now := o.Time
	if now.IsZero() {
		now = time.Now()
	}
	s := &stage{set: set, plan: plan, now: now, seen: map[string]bool{}, ids: map[string]bool{}}
	h := &host{now: now, given: o.Calls, used: make([]int, len(o.Calls)), seen: s.seen, writes: s.writes, errMissing: true}
	out := Trial{Route: name, Sent: []Sent{}, Steps: []TriedStep{}}
	places := map[string]string{}
	collect(plan.Route.Steps, places)
	in := route.Input{Message: message.Message{ID: message.NewID(), Time: now, Event: o.Event, Headers: o.Headers, Type: o.Type, Body: raw}, Source: plan.Route.From, Engine: s.engine(),
		Observer: func(ev route.StepEvent) {
			out.Steps = append(out.Steps, TriedStep{Step: ev.Label, Kind: ev.Kind, Outcome: ev.Outcome, Note: ev.Note, Before: ev.Before, After: ev.After, Vars: ev.Vars, Place: places[ev.Label]})
		}}
	adm := plan.Admit(ctx, in)
	out.ID, out.Key = adm.ID, adm.Key
	in.Body, in.Parsed = adm.Body, adm.Err == nil
	a := &actor{in: in, key: adm.Key, id: adm.ID, record: map[string]message.Message{}}
	var p performance
	switch {
	case adm.Err != nil:
		s.failed(a, adm.Err, "", &p)
	case !adm.Passes:
		p.outcome = journal.Filtered
	default:
		s.act(ctx, h, a, &p)
	}
	out.Outcome, out.Class, out.Missing = p.outcome, p.class, h.missing
	if p.err != nil {
		out.Error = p.err.Error()
	}
	if p.reply != nil {
		out.Reply = replyTree(p.reply)
	}
	for _, m := range h.made {
		if m.delivery {
			out.Sent = append(out.Sent, Sent{To: m.operation, With: m.with, Body: m.body})
		}
	}
	return out, nil
}

// collect notes where each step is written.
func collect(steps []rule.Step, places map[string]string) {
	for _, s := range steps {
		places[s.Label] = s.Pos.String()
		for _, b := range s.Choose {
			places[b.Label] = b.Pos.String()
			collect(b.Steps, places)
		}
		for _, b := range s.Rescue {
			places[b.Label] = b.Pos.String()
			collect(b.Steps, places)
		}
	}
}
