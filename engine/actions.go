package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/njia-health/njia/engine/journal"
)

// ErrBusy says that the message is being worked on at this moment.
var ErrBusy = errors.New("the message is being worked on at this moment; try again in a few seconds")

// take waits a moment for a message that is being worked on, and keeps it from being begun again.
func (e *Engine) take(ctx context.Context, seq journal.Seq) (*item, error) {
	for deadline := time.Now().Add(2 * time.Second); ; {
		if it, ok := e.sched.take(seq); ok {
			return it, nil
		}
		if time.Now().After(deadline) {
			return nil, ErrBusy
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Retry runs a message again, under the present rules. What was delivered is not sent again.
func (e *Engine) Retry(ctx context.Context, seq journal.Seq, who, reason string) error {
	return e.release(ctx, seq, e.current.Load().Version, journal.Action{Time: time.Now(), Who: who, What: "retry", Seq: seq, Reason: reason})
}

// release makes a message run anew. rules "" keeps its version.
func (e *Engine) release(ctx context.Context, seq journal.Seq, rules string, a journal.Action) error {
	return e.again(ctx, seq, a.Who != byItself, func() error { return e.j.Release(ctx, seq, rules, a) })
}

// Edit gives a message another body, keeps the original, and runs it again under the present rules.
func (e *Engine) Edit(ctx context.Context, seq journal.Seq, body []byte, who, reason string) error {
	a := journal.Action{Time: time.Now(), Who: who, What: "edit", Seq: seq, Reason: reason}
	return e.again(ctx, seq, true, func() error { return e.j.Edit(ctx, seq, body, e.current.Load().Version, a) })
}

// byItself is who acts when nobody does.
const byItself = "njia"

// again does something to a message in the journal, and takes it up anew, in its old place. confirmed says that a person wants it.
func (e *Engine) again(ctx context.Context, seq journal.Seq, confirmed bool, change func() error) error {
	old, err := e.take(ctx, seq)
	if err != nil {
		return err
	}
	if err := e.wrote(change()); err != nil {
		e.sched.giveBack(old)
		return err
	}
	st, err := e.j.Story(ctx, seq)
	if err != nil {
		e.sched.giveBack(old)
		return fmt.Errorf("reading message %d: %w", seq, err)
	}
	e.takeUp(ctx, st.Record, confirmed)
	e.sched.forget(old)
	return nil
}

// Discard ends a message for good. The reason is kept.
func (e *Engine) Discard(ctx context.Context, seq journal.Seq, who, reason string) error {
	old, err := e.take(ctx, seq)
	if err != nil {
		return err
	}
	if err := e.wrote(e.j.Discard(ctx, seq, journal.Action{Time: time.Now(), Who: who, What: "discard", Seq: seq, Reason: reason})); err != nil {
		e.sched.giveBack(old)
		return err
	}
	e.sched.forget(old)
	return nil
}

// PauseSystem lets nothing go to a system until ResumeSystem.
func (e *Engine) PauseSystem(ctx context.Context, name, who, reason string) error {
	return e.onSystem(ctx, name, journal.Action{Time: time.Now(), Who: who, What: "pause", Reason: name + ": " + reason}, func(c *connection) { c.pause("paused by " + who) })
}

// ResumeSystem takes a pause back, and closes an open breaker.
func (e *Engine) ResumeSystem(ctx context.Context, name, who string) error {
	return e.onSystem(ctx, name, journal.Action{Time: time.Now(), Who: who, What: "resume", Reason: name}, func(c *connection) { c.resume() })
}

func (e *Engine) onSystem(ctx context.Context, name string, a journal.Action, do func(*connection)) error {
	e.mu.Lock()
	c := e.systems[name]
	e.mu.Unlock()
	if c == nil {
		return fmt.Errorf("there is no system %s", name)
	}
	if err := e.wrote(e.j.Note(ctx, a)); err != nil {
		return err
	}
	do(c)
	return nil
}
