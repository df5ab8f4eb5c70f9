package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
)

// errParked says that a system takes nothing now, and that the message waits for it.
var errParked = errors.New("the system takes nothing now")

// host is how a running route reaches the world: it calls systems and keeps the answers of writing calls.
type host struct {
	e    *Engine
	it   *item // nil: the message is in no journal
	set  *Set
	plan *route.Plan

	calls  []journal.Call // recorded; nil: not read yet
	read   bool
	parked string // the system that the message waits for
}

// Now is the time.
func (h *host) Now() time.Time { return time.Now() }

// Seen asks the journal.
func (h *host) Seen(ctx context.Context, scope, id string) (bool, error) {
	seen, err := h.e.j.Seen(ctx, scope, id)
	if err != nil || !seen || h.it == nil {
		return seen, err
	}
	own, err := h.e.j.Seen(ctx, scope+ownValue, owned(id, h.it.seq)) // of an earlier run of the same message
	return !own, err
}

// ownValue is behind the scope of a dedupe step where it is kept which message a value came with: the same message may come by
// again, when a person retries it.
const ownValue = "/by"

func owned(id string, seq journal.Seq) string { return id + "/" + strconv.FormatInt(int64(seq), 10) }

// Call asks a system, or the record.
func (h *host) Call(ctx context.Context, c route.Call) (message.Message, error) {
	e := h.e
	h.parked = ""
	conn, op, err := e.operation(ctx, h.set, c.Operation)
	if err != nil {
		return message.Message{}, err
	}
	writes := op.Kind != adapter.Reads
	var sum string
	if writes && h.it != nil {
		sum = callDigest(c)
		if m, ok, err := h.recorded(ctx, c, sum); err != nil || ok {
			return m, err
		}
	}
	node := c.Node
	if node == nil {
		node = bind.FromValue(c.With, h.plan.Base())
	}
	var before func() error
	if writes && h.it != nil && !op.Repeatable(node) {
		before = func() error { return h.mark(ctx, c, sum, CallBegun) }
	}
	answer, err := e.do(ctx, conn, op, h.it, c.Operation, node, c.Message, c.Timeout, before)
	if errors.Is(err, errParked) {
		h.parked = conn.sys.Name
		return answer, fault.New(fault.Transient, "system %s takes nothing now; the message waits for it", conn.sys.Name)
	}
	if err != nil && before != nil && ctx.Err() == nil && fault.ClassOf(err) != fault.Unknown {
		if e := h.mark(ctx, c, sum, CallFailed); e != nil {
			return answer, fault.As(fault.Transient, e)
		}
	}
	if err != nil || !writes || h.it == nil {
		return answer, err
	}
	body := answer.Body
	if body == nil && answer.Value != nil {
		if body, err = message.Encode(answer.Value); err != nil {
			return answer, fault.As(fault.Bug, err)
		}
	}
	rec := journal.Call{Seq: h.it.seq, Label: c.Label, Operation: c.Operation, Digest: sum, Time: time.Now(), Status: answer.Status, Answer: body}
	if err := e.wrote(e.j.RecordCall(context.WithoutCancel(ctx), rec)); err != nil {
		return answer, fault.As(fault.Transient, err)
	}
	h.calls = append(h.calls, rec)
	return answer, nil
}

// recorded answers a writing call that was made before with the same content.
func (h *host) recorded(ctx context.Context, c route.Call, sum string) (message.Message, bool, error) {
	if !h.read {
		if h.it.attempts > 0 || h.it.rerun || h.it.gated {
			calls, err := h.e.j.Calls(ctx, h.it.seq)
			if err != nil {
				return message.Message{}, false, fault.As(fault.Transient, err)
			}
			h.calls = calls
		}
		h.read = true
	}
	for i := len(h.calls) - 1; i >= 0; i-- {
		r := h.calls[i]
		if r.Label != c.Label || r.Operation != c.Operation || r.Digest != sum {
			continue
		}
		switch {
		case r.Status == CallFailed, r.Status == CallBegun && h.it.confirmed:
			return message.Message{}, false, nil
		case r.Status == CallBegun:
			return message.Message{}, false, fault.New(fault.Unknown, "%s was asked, and its answer was lost: see there whether it was done. Retry the message to ask again, or discard it", c.Operation)
		}
		return message.Message{Status: r.Status, Body: r.Answer}, true, nil
	}
	return message.Message{}, false, nil
}

// Statuses of a recorded call (journal.Call) that has no answer.
const (
	CallBegun  = -1 // asked; no answer is known
	CallFailed = -2 // asked, and refused or not reached: it may be asked again
)

// mark records that a call that must not be made twice has begun, or has failed for certain.
func (h *host) mark(ctx context.Context, c route.Call, sum string, status int) error {
	rec := journal.Call{Seq: h.it.seq, Label: c.Label, Operation: c.Operation, Digest: sum, Time: time.Now(), Status: status}
	if err := h.e.wrote(h.e.j.RecordCall(ctx, rec)); err != nil {
		return err
	}
	h.calls = append(h.calls, rec)
	return nil
}

func callDigest(c route.Call) string {
	h := sha256.New()
	if b, err := message.Encode(c.With); err == nil {
		h.Write(b)
	}
	h.Write([]byte{0})
	h.Write(c.Message.Body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// operation finds a connection and what to ask of it.
func (e *Engine) operation(ctx context.Context, set *Set, name string) (*connection, *adapter.OperationDef, error) {
	sys, op, _ := strings.Cut(name, ".")
	c, err := e.connection(ctx, set, sys)
	if err != nil {
		return nil, nil, err
	}
	def := c.sys.Adapter.Operation(op)
	if def == nil {
		return nil, nil, fault.New(fault.Bug, "system %s is now of adapter %s, which has no %s; retry the message under the present rules", sys, c.sys.Adapter.Name, op)
	}
	return c, def, nil
}

// connection gives the open one of that name; one that the present rules do not have any more is opened for the messages
// that still need it.
func (e *Engine) connection(ctx context.Context, set *Set, name string) (*connection, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.systems[name]; c != nil {
		return c, nil
	}
	s := set.Systems[name]
	if s == nil {
		return nil, fault.New(fault.Bug, "there is no system %s any more; retry the message under the present rules", name)
	}
	c, err := e.open(ctx, s)
	if err != nil {
		return nil, fault.As(fault.Transient, err)
	}
	e.systems[name] = c
	return c, nil
}

// do asks a system within its limits. before is called when it is certain that the system will be asked; its error stops that.
// A panic in the adapter is a bug.
func (e *Engine) do(ctx context.Context, c *connection, op *adapter.OperationDef, it *item, name string, node *bind.Node, m message.Message, timeout time.Duration, before func() error) (answer message.Message, err error) {
	ok, err := c.enter(ctx, it)
	if err != nil {
		return answer, fault.As(fault.Transient, err)
	}
	if !ok {
		return answer, errParked
	}
	if before != nil {
		if err := before(); err != nil {
			<-c.slots
			c.left(it)
			return answer, &unwrittenError{err}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout(timeout))
	defer cancel()
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("an adapter failed", "system", c.sys.Name, "operation", name, "panic", p)
			err = fault.FromPanic(name, p)
		}
		took := time.Since(start)
		c.leave(it, took, err)
		e.metrics.asked(name, took, err)
	}()
	return op.Do(ctx, c.conn, node, m)
}

// timeout is how long one request may take: as its step says, else as the system's document.
func (c *connection) timeout(own time.Duration) time.Duration {
	return cmp.Or(max(own, 0), max(c.sys.Limits.Timeout, 0), 30*time.Second)
}

// unwrittenError says that nothing was asked, since the journal took no note of it.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return "the journal takes nothing: " + e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }
