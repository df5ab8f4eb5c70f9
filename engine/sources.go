package engine

import (
	"context"
	"fmt"
	"time"
)

// runningSource is a source that has been started.
type runningSource struct {
	src    *Source
	in     *inbox
	cancel context.CancelFunc
	done   chan struct{}
	failed error // the last reason why it stopped by itself; guarded by Engine.mu
}

// startSources starts those of s that are not running, and stops those that s does not have or has otherwise. A source whose
// document did not change goes on as it is.
func (e *Engine) startSources(s *Set) {
	e.mu.Lock()
	if e.stopping {
		e.mu.Unlock()
		return
	}
	var old []*runningSource
	for name, r := range e.sources {
		if n := s.Sources[name]; n == nil || n.Digest != r.src.Digest {
			old = append(old, r)
			delete(e.sources, name)
		}
	}
	e.mu.Unlock()
	for _, r := range old {
		r.cancel()
	}
	for _, r := range old {
		<-r.done
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, src := range s.Sources {
		if e.sources[name] != nil || e.stopping {
			continue
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(e.work))
		r := &runningSource{src: src, cancel: cancel, done: make(chan struct{}),
			in: &inbox{e: e, route: name, name: src.Name, nudge: make(chan struct{}, 1)}}
		e.sources[name] = r
		e.wg.Add(1)
		go func() {
			defer e.wg.Done()
			defer close(r.done)
			e.runSource(ctx, s, r)
		}()
	}
}

// runSource keeps a source going until ctx ends.
func (e *Engine) runSource(ctx context.Context, s *Set, r *runningSource) {
	for attempt := 1; ; attempt++ {
		start := time.Now()
		err := e.runOnce(ctx, s, r)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = fmt.Errorf("the source ended by itself")
		}
		if time.Since(start) > time.Minute {
			attempt = 1
		}
		e.mu.Lock()
		r.failed = err
		e.mu.Unlock()
		wait := backoff(time.Second, time.Minute, attempt)
		e.log.WarnContext(ctx, "source stopped, it is started again", "route", r.in.route, "source", r.src.Name, "after", wait, "err", err)
		e.observe(Event{Kind: "system", Route: r.in.route, Operation: r.src.Name, Text: "source stopped: " + err.Error()})
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (e *Engine) runOnce(ctx context.Context, s *Set, r *runningSource) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the adapter failed: %v", p)
		}
	}()
	c, err := e.connection(ctx, s, r.src.System)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return fmt.Errorf("system %s is being replaced", r.src.System)
	}
	c.inUse++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.free()
	}()
	e.mu.Lock()
	r.failed = nil
	e.mu.Unlock()
	defer func() {
		if e := r.in.keep(e.work); e != nil && err == nil {
			err = e
		}
	}()
	return r.src.Def.Run(ctx, c.conn, r.src.With, r.in)
}

// Nudge makes a route's source look now.
func (e *Engine) Nudge(route string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.sources[route]
	if r == nil {
		return fmt.Errorf("route %s has no running source", route)
	}
	select {
	case r.in.nudge <- struct{}{}:
	default: // it has been told already
	}
	return nil
}
