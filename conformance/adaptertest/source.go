package adaptertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

// sourceCase is one promise of a source.
type sourceCase struct {
	name string
	run  func(*run)
}

func sourceCases() []sourceCase {
	return []sourceCase{
		{"delivers", (*run).delivers},
		{"keeps bytes", (*run).keepsBytes},
		{"stable ids", (*run).stableIDs},
		{"refused is offered again", (*run).refused},
		{"acknowledges only after accept", (*run).acknowledges},
		{"resumes at its cursor", (*run).resumes},
		{"slow accept blocks it", (*run).blocks},
		{"stops when cancelled", (*run).stops},
		{"reconnects", (*run).reconnects},
		{"empty body", (*run).emptyBody},
		{"10 MB", (*run).large},
		{"unicode", (*run).unicode},
	}
}

func sourceCaseNames() []string {
	var out []string
	for _, c := range sourceCases() {
		out = append(out, c.name)
	}
	return out
}

func (k *kit) source(t *testing.T, s *adapter.SourceDef, make Source) {
	for _, c := range sourceCases() {
		t.Run(c.name, func(t *testing.T) {
			k.excluded(t, s.Name, c.name)
			w := make(t)
			need(t, s.Name, c.name, "Put", w.Put != nil)
			r := &run{T: t, k: k, def: s, w: w, in: &Inbox{}, name: c.name}
			r.conn = k.open(t, w.System)
			t.Cleanup(r.tries.Wait)
			t.Cleanup(r.stop)
			c.run(r)
			r.puts.Wait()
		})
	}
}

// run is a source that runs in one case.
type run struct {
	*testing.T
	k    *kit
	def  *adapter.SourceDef
	w    *Way
	in   *Inbox
	conn any
	name string

	cancel context.CancelFunc
	ended  chan error
	puts   sync.WaitGroup
	tries  sync.WaitGroup // puts that are cut off; the case's context ends them
}

func (r *run) start() {
	r.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	r.cancel, r.ended = cancel, make(chan error, 1)
	with := Node(r, r.w.With, r.TempDir())
	ended := r.ended
	in := r.in
	go func() { // stop waits for it
		for {
			err := r.def.Run(ctx, r.conn, with, in)
			if err == nil || ctx.Err() != nil {
				ended <- err
				return
			}
			r.k.teaches(r.T, "the source", err)
			select { // the engine starts it again after a while
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
}

// stop ends the source, which must end by itself and without an error.
func (r *run) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	select {
	case err := <-r.ended:
		if err != nil && !errors.Is(err, context.Canceled) {
			r.Errorf("the source ended with an error when it was cancelled: %v", err)
		} else if err != nil {
			r.Errorf("the source ended with %v when it was cancelled, want nil", err)
		}
	case <-time.After(r.k.h.Patience):
		r.Fatalf("the source does not end when it is cancelled")
	}
}

// put offers a body. It waits no longer than the outside system does.
func (r *run) put(body []byte) {
	in := r.in
	r.puts.Go(func() {
		if err := r.w.Put(in, body); err != nil {
			r.Errorf("Put: %v", err)
		}
	})
	if r.name != "refused is offered again" && r.name != "acknowledges only after accept" && r.name != "slow accept blocks it" && r.name != "reconnects" {
		r.puts.Wait()
	}
}

// tryPut offers a body that the stop of the source may cut off.
func (r *run) tryPut(body []byte) {
	in := r.in
	r.tries.Go(func() { _ = r.w.Put(in, body) })
}

func (r *run) until(what string, ok func() bool) {
	r.Helper()
	ctx, cancel := r.k.within(r.Context())
	defer cancel()
	if err := r.in.Until(ctx, ok); err != nil {
		r.Fatalf("%s has not happened in %s (%d offered, %d taken)", what, r.k.h.Patience, r.in.Offered(), r.in.Count())
	}
}

func (r *run) taken(n int) []message.Message {
	r.Helper()
	r.until(fmt.Sprintf("the intake of %d messages", n), func() bool { return r.in.Count() >= n })
	return r.in.Taken()
}

func (r *run) body(n int) []byte {
	if r.w.Body != nil {
		return r.w.Body(n)
	}
	return body(n)
}

func (r *run) of(m message.Message) []byte {
	if r.w.Of != nil {
		return r.w.Of(m)
	}
	return m.Body
}

func (r *run) same(m message.Message, want []byte) {
	r.Helper()
	if m.Fault != nil {
		r.Errorf("the message has a fault: %v", m.Fault)
	}
	if got := r.of(m); !bytes.Equal(got, want) {
		r.Errorf("the body differs: got %d bytes %s, want %d bytes %s", len(got), short(got), len(want), short(want))
	}
}

func short(b []byte) string {
	if len(b) > 80 {
		return fmt.Sprintf("%q…", b[:80])
	}
	return fmt.Sprintf("%q", b)
}

func (r *run) delivers() {
	r.start()
	for n := range 3 {
		r.put(r.body(n))
		ms := r.taken(n + 1)
		r.same(ms[n], r.body(n))
		for k := range ms[n].Headers {
			if k != strings.ToLower(k) {
				r.Errorf("the header %q is not lower-case", k)
			}
		}
	}
}

func (r *run) keepsBytes() {
	edges := r.w.Edges
	if edges == nil {
		edges = [][]byte{[]byte(`{ "b":1.000, "a":"\u00e9é\/", "big":123456789012345678901234567890, "z":null }`), []byte(`{"a":1,"a":2}`), []byte(`"just text"`)}
	}
	r.start()
	for n, b := range edges {
		r.put(b)
		r.same(r.taken(n + 1)[n], b)
	}
}

// StableID is what names a message for its source, in every run: the message's ID, or the header source-id.
func StableID(m message.Message) string {
	if id := m.Headers["source-id"]; id != "" {
		return id
	}
	return string(m.ID)
}

func (r *run) stableIDs() {
	r.in.Block()
	r.start()
	r.tryPut(r.body(0))
	r.until("an offer", func() bool { return r.in.Waiting() > 0 })
	r.stop() // before it was taken
	r.in.Unblock()
	r.start()
	taken := r.taken(1)[0]
	for _, m := range r.in.Offers() {
		if StableID(m) != StableID(taken) {
			r.Errorf("one message was offered as %q and as %q", StableID(m), StableID(taken))
		}
	}
	if StableID(taken) == "" {
		r.Errorf("the message has no ID and no header source-id")
	}
	r.put(r.body(1))
	if second := r.taken(2)[1]; StableID(second) == StableID(taken) {
		r.Errorf("two messages have one id: %s", StableID(second))
	}
}

func (r *run) refused() {
	r.in.Refuse(2, nil)
	r.start()
	r.put(r.body(0))
	r.same(r.taken(1)[0], r.body(0))
	if n := r.in.Refusals(); n != 0 {
		r.Errorf("%d refusals are left: the message was taken before it was refused", n)
	}
	r.puts.Wait()
	r.put(r.body(1))
	r.same(r.taken(2)[1], r.body(1))
}

func (r *run) acknowledges() {
	need(r.T, r.def.Name, r.name, "Answered", r.w.Answered != nil)
	r.in.Block()
	r.start()
	r.put(r.body(0))
	r.until("an offer", func() bool { return r.in.Waiting() > 0 })
	if n := r.w.Answered(); n != 0 {
		r.Fatalf("%d messages are acknowledged before they are taken", n)
	}
	r.in.Unblock()
	r.taken(1)
	r.answered(1)
}

func (r *run) answered(n int) {
	r.Helper()
	for end := time.Now().Add(r.k.h.Patience); r.w.Answered() < n; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%d messages are acknowledged, want %d", r.w.Answered(), n)
		}
	}
}

func (r *run) resumes() {
	r.start()
	r.put(r.body(0))
	r.taken(1)
	r.stop()
	r.in = r.in.Again()
	r.start()
	r.put(r.body(1))
	ms := r.taken(1)
	r.same(ms[0], r.body(1))
	if len(ms) != 1 {
		r.Errorf("%d messages after the restart, want the new one alone", len(ms))
	}
}

func (r *run) blocks() {
	r.in.Block()
	r.start()
	for n := range 8 {
		r.put(r.body(n))
	}
	r.until("an offer", func() bool { return r.in.Waiting() > 0 })
	if n := r.in.Count(); n != 0 {
		r.Fatalf("%d taken while blocked", n)
	}
	r.in.Unblock()
	r.taken(8)
}

func (r *run) stops() {
	r.in.Block()
	r.start()
	r.tryPut(r.body(0))
	r.until("an offer", func() bool { return r.in.Waiting() > 0 })
	r.stop() // with an Accept under way; the leak check follows at the end of the case
	r.in = r.in.Again()
	r.start()
	r.stop() // at once
}

func (r *run) reconnects() {
	need(r.T, r.def.Name, r.name, "Cut and Mend", r.w.Cut != nil && r.w.Mend != nil)
	r.start()
	r.put(r.body(0))
	r.taken(1)
	r.puts.Wait()
	r.w.Cut()
	time.Sleep(100 * time.Millisecond) // long enough for a look at what is away
	r.w.Mend()
	r.put(r.body(1))
	ms := r.taken(2)
	r.same(ms[len(ms)-1], r.body(1))
}

func (r *run) emptyBody() {
	r.start()
	r.put([]byte{})
	if m := r.taken(1)[0]; len(r.of(m)) != 0 {
		r.Errorf("an empty body came as %s", short(m.Body))
	}
}

func (r *run) large() {
	b := []byte(`"` + strings.Repeat("0123456789abcdef", 10<<20/16) + `"`)
	r.start()
	r.put(b)
	r.same(r.taken(1)[0], b)
}

func (r *run) unicode() {
	r.start()
	for n, s := range []string{"naïve café", "患者の名前", "مريض", "🏥🧪", "e\u0301 is not é", "zero\u200bwidth", "\U00010348"} {
		b := []byte(`"` + s + `"`)
		r.put(b)
		r.same(r.taken(n + 1)[n], b)
	}
}
