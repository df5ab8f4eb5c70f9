package console

import (
	"context"
	"time"

	"github.com/njia-health/njia/engine/journal"
)

// stopped changes the messages of an engine that does not run.
type stopped struct {
	j     journal.Store
	rules string
}

func (s stopped) Retry(ctx context.Context, seq journal.Seq, who, reason string) error {
	return s.j.Release(ctx, seq, s.rules, s.action("retry", seq, who, reason))
}

func (s stopped) Edit(ctx context.Context, seq journal.Seq, body []byte, who, reason string) error {
	return s.j.Edit(ctx, seq, body, s.rules, s.action("edit", seq, who, reason))
}

func (s stopped) Discard(ctx context.Context, seq journal.Seq, who, reason string) error {
	return s.j.Discard(ctx, seq, s.action("discard", seq, who, reason))
}

func (s stopped) action(what string, seq journal.Seq, who, reason string) journal.Action {
	return journal.Action{Time: time.Now(), Who: who, What: what, Seq: seq, Reason: reason}
}
