package adaptertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// operationCase is one promise of an operation.
type operationCase struct {
	name string
	run  func(*send)
}

func operationCases() []operationCase {
	return []operationCase{
		{"does it", (*send).does},
		{"twice is once", (*send).twice},
		{"refusal is rejected", (*send).refusal},
		{"away is transient", (*send).away},
		{"bad credentials are unauthorized", (*send).denied},
		{"honours Retry-After", (*send).busy},
		{"honours the deadline", (*send).deadline},
		{"concurrent", (*send).concurrent},
		{"many at once", (*send).many},
	}
}

func operationCaseNames() []string {
	var out []string
	for _, c := range operationCases() {
		out = append(out, c.name)
	}
	return out
}

func (k *kit) operation(t *testing.T, o *adapter.OperationDef, make Operation) {
	for _, c := range operationCases() {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "twice is once" && o.Kind != adapter.Idempotent {
				t.Skip("excluded: the operation does not say that it is idempotent")
			}
			k.excluded(t, o.Name, c.name)
			s := &send{T: t, k: k, def: o, w: make(t), name: c.name}
			need(t, o.Name, c.name, "With", s.w.With != nil)
			s.conn = k.open(t, s.w.System)
			c.run(s)
		})
	}
}

// send is an operation under test in one case.
type send struct {
	*testing.T
	k    *kit
	def  *adapter.OperationDef
	w    *Target
	conn any
	name string
}

func (s *send) need(what string, has bool) {
	s.Helper()
	need(s.T, s.def.Name, s.name, what, has)
}

func (s *send) message(n int) message.Message {
	if s.w.Message != nil {
		return s.w.Message(n)
	}
	return message_(n)
}

func (s *send) do(ctx context.Context, n int) (message.Message, error) {
	return s.def.Do(ctx, s.conn, Node(s, s.w.With(n), s.TempDir()), s.message(n))
}

func (s *send) well(n int) {
	s.Helper()
	ctx, cancel := s.k.within(s.Context())
	defer cancel()
	a, err := s.do(ctx, n)
	if err != nil {
		s.Errorf("message %d: %v", n, err)
		return
	}
	if err := s.w.Done(n, a); err != nil {
		s.Errorf("message %d: %v", n, err)
	}
}

func (s *send) does() {
	s.need("Done", s.w.Done != nil)
	for n := range 3 {
		s.well(n)
	}
}

func (s *send) twice() {
	s.need("Done and Effects", s.w.Done != nil && s.w.Effects != nil)
	s.well(0)
	once := s.w.Effects()
	s.well(0)
	s.well(0)
	if got := s.w.Effects(); got != once {
		s.Errorf("sent three times, it is there %d times, want %d", got, once)
	}
}

func (s *send) refusal() {
	s.need("Bad", s.w.Bad != nil)
	with, m := s.w.Bad()
	ctx, cancel := s.k.within(s.Context())
	defer cancel()
	_, err := s.def.Do(ctx, s.conn, Node(s, with, s.TempDir()), m)
	s.k.refusal(s, "a refused message", err, fault.Rejected)
}

func (s *send) away() {
	s.need("Cut", s.w.Cut != nil)
	s.w.Cut()
	ctx, cancel := s.k.within(s.Context())
	defer cancel()
	_, err := s.do(ctx, 0)
	s.k.refusal(s, "a system that is away", err, fault.Transient)
}

func (s *send) denied() {
	s.need("Deny", s.w.Deny != nil)
	s.w.Deny()
	ctx, cancel := s.k.within(s.Context())
	defer cancel()
	_, err := s.do(ctx, 0)
	s.k.refusal(s, "refused credentials", err, fault.Unauthorized)
}

func (s *send) busy() {
	s.need("Busy", s.w.Busy != nil)
	s.w.Busy(7 * time.Second)
	ctx, cancel := s.k.within(s.Context())
	defer cancel()
	begun := time.Now()
	_, err := s.do(ctx, 0)
	s.k.refusal(s, "a busy system", err, fault.Transient)
	if f := fault.Of(err); f != nil && (f.RetryAfter < 5*time.Second || f.RetryAfter > 7*time.Second) {
		s.Errorf("RetryAfter = %s, want what the system asked for, 7s", f.RetryAfter)
	}
	if took := time.Since(begun); took > 5*time.Second {
		s.Errorf("it waited %s by itself: waiting is the journal's job", took)
	}
}

func (s *send) deadline() {
	s.need("Slow", s.w.Slow != nil)
	end := s.w.Slow()
	defer end()
	ctx, cancel := context.WithTimeout(s.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := s.do(ctx, 0)
	if took := time.Since(begun); took > 3*time.Second {
		s.Errorf("it gave up after %s, the deadline was 200ms", took)
	}
	want := fault.Transient
	if s.w.Unknown {
		want = fault.Unknown
	}
	s.k.refusal(s, "a slow system", err, want)
}

func (s *send) concurrent() {
	s.need("Done", s.w.Done != nil)
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() { s.well(n) })
	}
	all.Wait()
}

func (s *send) many() {
	ctx, cancel := s.k.within(s.Context())
	defer cancel()
	ns := []int{0, 1, 2}
	var withs []*bind.Node
	var ms []message.Message
	for _, n := range ns {
		withs, ms = append(withs, Node(s, s.w.With(n), s.TempDir())), append(ms, s.message(n))
	}
	errs, ok := s.def.DoMany(ctx, s.conn, withs, ms)
	if !ok {
		s.Skip("excluded: the adapter has no way to do many at once")
	}
	s.need("Done", s.w.Done != nil)
	if len(errs) != len(ns) {
		s.Fatalf("%d errors for %d messages; want one each, nil where all is well", len(errs), len(ns))
	}
	for _, n := range ns {
		if errs[n] != nil {
			s.Errorf("message %d: %v", n, errs[n])
		} else if err := s.w.Done(n, message.Message{}); err != nil {
			s.Errorf("message %d: %v", n, err)
		}
	}
}
