// Package journaltest is the kit that every journal store passes: what the engine relies on, as tests.
//
//	func TestStore(t *testing.T) {
//		journaltest.Run(t, func(t *testing.T, dir string) journal.Store { … })
//	}
package journaltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// Open opens the journal in a folder, as often as it is called: what one has kept, the next must have. It fails the test
// where it cannot. The kit closes what it opens.
type Open func(t *testing.T, dir string) journal.Store

// Run holds a store to the whole contract.
func Run(t *testing.T, open func(t *testing.T, dir string) journal.Store) {
	for _, group := range []map[string]func(*kit){appendCases(), resolveCases(), actionCases(), searchCases(), keepCases()} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			t.Run(name, func(t *testing.T) { group[name](start(t, open)) })
		}
	}
	t.Run("any history equals a map", func(t *testing.T) { machine(t, open) })
}

// kit is one store under test, with short ways to use it that end the test on an error.
type kit struct {
	*testing.T
	j    journal.Store
	open Open
	dir  string
	ctx  context.Context
	now  time.Time
	n    int
}

func start(t *testing.T, open Open) *kit {
	k := &kit{T: t, open: open, dir: t.TempDir(), ctx: t.Context(), now: time.Now().UTC().Truncate(time.Millisecond)}
	k.j = open(t, k.dir)
	t.Cleanup(func() {
		if err := k.j.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return k
}

// reopen closes the store and opens it again.
func (k *kit) reopen() {
	k.Helper()
	if err := k.j.Close(); err != nil {
		k.Fatalf("Close() = %v", err)
	}
	k.j = k.open(k.T, k.dir)
}

// entry is a plain message of the route r, another each time.
func (k *kit) entry(change ...func(*journal.Entry)) journal.Entry {
	k.n++
	e := journal.Entry{Message: message.Message{ID: message.NewID(), Time: k.now, Type: "application/json", Body: fmt.Appendf(nil, `{"n":%d}`, k.n)},
		Route: "r", Source: "s.changes", Rules: "v1", Status: journal.Received}
	for _, f := range change {
		f(&e)
	}
	return e
}

func (k *kit) append(es ...journal.Entry) []journal.Receipt {
	k.Helper()
	rs, err := k.j.Append(k.ctx, es)
	if err != nil {
		k.Fatalf("Append(%d entries) = %v", len(es), err)
	}
	if len(rs) != len(es) {
		k.Fatalf("Append(%d entries) gave %d receipts", len(es), len(rs))
	}
	return rs
}

// put appends one plain message and gives its number.
func (k *kit) put(change ...func(*journal.Entry)) journal.Seq {
	k.Helper()
	return k.append(k.entry(change...))[0].Seq
}

func (k *kit) resolve(r journal.Resolution) []journal.Receipt {
	k.Helper()
	rs, err := k.j.Resolve(k.ctx, r)
	if err != nil {
		k.Fatalf("Resolve(%d, %s) = %v", r.Seq, r.Status, err)
	}
	return rs
}

// end resolves a message without deliveries.
func (k *kit) end(seq journal.Seq, s journal.Status) {
	k.Helper()
	k.resolve(journal.Resolution{Seq: seq, Status: s, Rules: "v1"})
}

func (k *kit) attempt(a journal.Attempt) {
	k.Helper()
	if err := k.j.Attempt(k.ctx, a); err != nil {
		k.Fatalf("Attempt(%d, %d) = %v", a.Seq, a.N, err)
	}
}

func (k *kit) story(seq journal.Seq) journal.Story {
	k.Helper()
	s, err := k.j.Story(k.ctx, seq)
	if err != nil {
		k.Fatalf("Story(%d) = %v", seq, err)
	}
	return s
}

func (k *kit) deliveries(seq journal.Seq) []journal.Delivery {
	k.Helper()
	ds, err := k.j.Deliveries(k.ctx, seq)
	if err != nil {
		k.Fatalf("Deliveries(%d) = %v", seq, err)
	}
	return ds
}

// found gives the numbers that a search finds, in its order.
func (k *kit) found(q journal.Query) []journal.Seq {
	k.Helper()
	rs, err := k.j.Search(k.ctx, q)
	if err != nil {
		k.Fatalf("Search(%+v) = %v", q, err)
	}
	return seqs(rs)
}

func seqs(rs []journal.Record) []journal.Seq {
	out := make([]journal.Seq, len(rs))
	for i, r := range rs {
		out[i] = r.Seq
	}
	return out
}

func (k *kit) opened() []journal.Seq {
	k.Helper()
	rs, err := k.j.Open(k.ctx, 0, 1000)
	if err != nil {
		k.Fatalf("Open() = %v", err)
	}
	return seqs(rs)
}

// body checks what is run.
func (k *kit) body(seq journal.Seq, want string) {
	k.Helper()
	b, _, err := k.j.Body(k.ctx, seq)
	if err != nil || string(b) != want {
		k.Errorf("Body(%d) = %.80q, %v, want %.80q", seq, b, err, want)
	}
}

// same compares what was got with what is wanted; nil and empty are one.
func (k *kit) same(what string, got, want any) {
	k.Helper()
	if d := cmp.Diff(want, got, equateEmpty); d != "" {
		k.Errorf("%s differs (-want +got):\n%s", what, d)
	}
}

// is checks an error.
func (k *kit) is(what string, err, want error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.Errorf("%s = %v, want %v", what, err, want)
	}
}

// status checks how a message stands.
func (k *kit) status(seq journal.Seq, want journal.Status) {
	k.Helper()
	if got := k.story(seq).Status; got != want {
		k.Errorf("message %d is %s, want %s", seq, got, want)
	}
}

// action is what a person does.
func (k *kit) action(what string) journal.Action {
	return journal.Action{Time: k.now, Who: "wanjiru", What: what, Reason: "a reason to " + what}
}

// equateEmpty makes nil and empty one.
var equateEmpty = cmpopts.EquateEmpty()
