package journal

import (
	"context"
	"time"
)

// Store is what the engine asks of a journal. Disk is the embedded one. All methods may be called concurrently.
type Store interface {
	// Append keeps es in order, in one transaction, and answers each. When it returns they are on disk.
	Append(ctx context.Context, es []Entry) ([]Receipt, error)
	// Resolve keeps what a run came to. ErrState: the message is no longer open (a person discarded it).
	Resolve(ctx context.Context, r Resolution) ([]Receipt, error)
	// Attempt keeps one try, and the status of the message after it.
	Attempt(ctx context.Context, a Attempt) error
	// RecordCall keeps the answer of a writing call before the route goes on.
	RecordCall(ctx context.Context, c Call) error
	// SaveCursor moves a source's cursor ("" leaves it) and marks without a message.
	SaveCursor(ctx context.Context, name, cursor string, marks map[string]string) error
	// SaveRules keeps a version that is going to run. A known one is not kept again.
	SaveRules(ctx context.Context, rs RuleSet) error

	// Seen says whether a dedupe step has confirmed id within its time.
	Seen(ctx context.Context, scope, id string) (bool, error)
	Cursor(ctx context.Context, name string) (string, error)
	Marks(ctx context.Context, name string) (map[string]string, error)
	Calls(ctx context.Context, seq Seq) ([]Call, error)
	Deliveries(ctx context.Context, seq Seq) ([]Delivery, error)
	// Open gives open messages (all statuses for which Status.Open) with a Seq greater than after, oldest first, at most limit, without bodies.
	Open(ctx context.Context, after Seq, limit int) ([]Record, error)
	// Body gives what is to be run: the edited body where there is one. Gate state comes with it.
	Body(ctx context.Context, seq Seq) (body, gate []byte, err error)
	Rules(ctx context.Context, version string) (RuleSet, error)
	// RuleSets lists the versions, newest first, without files.
	RuleSets(ctx context.Context) ([]RuleSet, error)

	Search(ctx context.Context, q Query) ([]Record, error)
	Story(ctx context.Context, seq Seq) (Story, error)
	// Find gives the number of a message by its id.
	Find(ctx context.Context, id string) (Seq, error)
	Counts(ctx context.Context) ([]Count, error)

	// Release makes a message Received again, so that it runs anew: from its held, retrying or dead status, and also from
	// delivered, filtered or discarded. rules "" keeps the version. Calls and delivered deliveries stay recorded. ErrState:
	// it is a duplicate, or its body is no longer kept.
	Release(ctx context.Context, seq Seq, rules string, a Action) error
	// Edit replaces the body that is run (the original is kept) and releases the message.
	Edit(ctx context.Context, seq Seq, body []byte, rules string, a Action) error
	// Discard ends a message for good.
	Discard(ctx context.Context, seq Seq, a Action) error
	// Note keeps an action that is about no message.
	Note(ctx context.Context, a Action) error
	Actions(ctx context.Context, limit int) ([]Action, error)

	// Prune forgets what Keep no longer wants, a slice at a time, and gives how many messages went.
	Prune(ctx context.Context, k Keep, now time.Time) (int, error)
	// Size is the bytes on disk.
	Size() (int64, error)
	Close() error
}
