package expr

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"time"
)

var (
	errTooManySteps  = errors.New("too many steps")
	errTooLong       = errors.New("too long")
	errTooMuchMemory = errors.New("too much memory")
)

// Memory that one evaluation may take while it runs, by the growth of the heap, looked at every so many steps. The heap is
// everybody's, so the bound is wide, and what is garbage does not count: it stops a recursion without end before the machine
// does, which it would reach at about 1.4 GB with the default steps.
const (
	memoryGrowth = 512 << 20
	memoryEvery  = 1 << 17
	clockEvery   = 1 << 10
)

// steps is a context whose Done counts: gojq asks it before every instruction. One goroutine uses it.
type steps struct {
	context.Context
	left     int
	count    int
	deadline time.Time
	heap     uint64
	err      error
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func newSteps(ctx context.Context, n int, d time.Duration) *steps {
	return &steps{Context: ctx, left: n, deadline: time.Now().Add(d)}
}

// Done is closed once the budget is spent.
func (s *steps) Done() <-chan struct{} {
	s.count++
	switch {
	case s.err != nil:
		return closed
	case s.count > s.left:
		s.err = errTooManySteps
		return closed
	case s.count%clockEvery == 0:
		return s.look()
	}
	return nil
}

// look asks what is too dear to be asked at every step.
func (s *steps) look() <-chan struct{} {
	switch {
	case s.Context.Err() != nil:
		s.err = s.Context.Err()
	case time.Now().After(s.deadline):
		s.err = errTooLong
	case s.count%memoryEvery == 0:
		h := heapBytes()
		if s.heap == 0 {
			s.heap = max(h, 1)
		} else if h > s.heap+memoryGrowth {
			runtime.GC()
			if heapBytes() > s.heap+memoryGrowth {
				s.err = errTooMuchMemory
			}
		}
	}
	if s.err != nil {
		return closed
	}
	return nil
}

// Err is why Done is closed.
func (s *steps) Err() error { return s.err }

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
