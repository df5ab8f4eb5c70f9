package adaptertest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

// ErrRefused is what a refusing Inbox gives: the engine's disk is full, say.
var ErrRefused = errors.New("not taken: the journal cannot be written")

// Inbox takes messages in memory and can be told to refuse or to block. The zero value takes everything at once.
type Inbox struct {
	// Limit is MaxBody; 0 is 16 MB.
	Limit int64
	// Answer makes the reply to a taken message; nil says accepted.
	Answer func(message.Message) adapter.Reply
	// Forget drops the messages that are taken, for measuring.
	Forget bool

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	taken   []message.Message
	count   int
	offers  []message.Message
	offered int
	refuse  int
	err     error
	blocked bool
	waiting int
	cursor  string
	marks   map[string]string
	nudges  chan struct{}
}

var _ adapter.Inbox = (*Inbox)(nil)

// Accept implements adapter.Inbox.
func (in *Inbox) Accept(ctx context.Context, m message.Message) (adapter.Reply, error) {
	if err := in.take(ctx, m); err != nil {
		return adapter.Reply{}, err
	}
	if in.Answer != nil {
		return in.Answer(m), nil
	}
	id := m.ID
	if id == "" {
		id = message.NewID()
	}
	return adapter.Reply{ID: id, Outcome: "accepted"}, nil
}

// AcceptAll implements adapter.Inbox.
func (in *Inbox) AcceptAll(ctx context.Context, ms []message.Message) (int, error) {
	for i, m := range ms {
		if err := in.take(ctx, m); err != nil {
			return i, err
		}
	}
	return len(ms), nil
}

func (in *Inbox) take(ctx context.Context, m message.Message) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	defer in.signal()
	in.offered++
	if !in.Forget {
		in.offers = append(in.offers, m)
	}
	in.signal()
	for in.blocked {
		if err := in.wait(ctx, &in.waiting); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if in.refuse > 0 {
		in.refuse--
		if in.err != nil {
			return in.err
		}
		return ErrRefused
	}
	in.count++
	if !in.Forget {
		in.taken = append(in.taken, m)
	}
	in.keep(m.Cursor, m.Marks)
	return nil
}

// keep moves cursor and marks. The caller holds mu.
func (in *Inbox) keep(cursor string, marks map[string]string) {
	if cursor != "" {
		in.cursor = cursor
	}
	for k, v := range marks {
		if v == "" {
			delete(in.marks, k)
			continue
		}
		if in.marks == nil {
			in.marks = map[string]string{}
		}
		in.marks[k] = v
	}
}

// signal wakes all that wait. The caller holds mu.
func (in *Inbox) signal() {
	if in.changed != nil {
		close(in.changed)
		in.changed = nil
	}
}

// wait lets go of mu until something changes. n counts who waits, where it is not nil.
func (in *Inbox) wait(ctx context.Context, n *int) error {
	if in.changed == nil {
		in.changed = make(chan struct{})
	}
	changed := in.changed
	if n != nil {
		*n++
	}
	in.mu.Unlock()
	var err error
	select {
	case <-changed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	in.mu.Lock()
	if n != nil {
		*n--
	}
	return err
}

// Cursor implements adapter.Inbox.
func (in *Inbox) Cursor(ctx context.Context) (string, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.cursor, ctx.Err()
}

// Marks implements adapter.Inbox.
func (in *Inbox) Marks(ctx context.Context) (map[string]string, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return maps.Clone(in.marks), ctx.Err()
}

// Save implements adapter.Inbox.
func (in *Inbox) Save(ctx context.Context, cursor string, marks map[string]string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	in.keep(cursor, marks)
	in.signal()
	return nil
}

// Nudged implements adapter.Inbox.
func (in *Inbox) Nudged() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.nudge()
}

func (in *Inbox) nudge() chan struct{} {
	if in.nudges == nil {
		in.nudges = make(chan struct{}, 1)
	}
	return in.nudges
}

// Nudge wants the source to look now.
func (in *Inbox) Nudge() {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case in.nudge() <- struct{}{}:
	default:
	}
}

// MaxBody implements adapter.Inbox.
func (in *Inbox) MaxBody() int64 {
	if in.Limit == 0 {
		return 16 << 20
	}
	return in.Limit
}

// Replies implements adapter.Inbox.
func (in *Inbox) Replies() bool { return in.Answer != nil }

// Refuse makes the next n offers fail with err; nil is ErrRefused.
func (in *Inbox) Refuse(n int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.refuse, in.err = n, err
}

// Block makes Accept wait until Unblock.
func (in *Inbox) Block() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.blocked = true
}

// Unblock ends Block.
func (in *Inbox) Unblock() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.blocked = false
	in.signal()
}

// Taken gives the messages that were taken, in order.
func (in *Inbox) Taken() []message.Message {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.taken)
}

// Count is how many were taken.
func (in *Inbox) Count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.count
}

// Offers gives the messages that were offered, in order, those refused and those waiting included.
func (in *Inbox) Offers() []message.Message {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.offers)
}

// Offered is how many were offered, those refused and those waiting included.
func (in *Inbox) Offered() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.offered
}

// Refusals is how many offers are still to be refused.
func (in *Inbox) Refusals() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.refuse
}

// Waiting is how many Accepts are blocked.
func (in *Inbox) Waiting() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.waiting
}

// Again gives a fresh Inbox with in's cursor and marks: the engine has restarted.
func (in *Inbox) Again() *Inbox {
	in.mu.Lock()
	defer in.mu.Unlock()
	return &Inbox{Limit: in.Limit, Answer: in.Answer, cursor: in.cursor, marks: maps.Clone(in.marks)}
}

// Until waits until ok, which sees the inbox through its methods, or ctx ends.
func (in *Inbox) Until(ctx context.Context, ok func() bool) error {
	for {
		in.mu.Lock()
		if in.changed == nil {
			in.changed = make(chan struct{})
		}
		changed := in.changed
		in.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
