package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/journal"
)

// Bulk does one thing to every message of a query.
type Bulk struct {
	Action string `json:"action"` // retry or discard
	Query  Filter `json:"query"`  // without a status: the held, retrying and dead ones
	All    bool   `json:"all"`    // allows a query that narrows nothing
	Reason string `json:"reason"`
	DryRun bool   `json:"dry_run"` // counts only
}

// Result is what became of a Bulk.
type Result struct {
	Matched int       `json:"matched"`
	Done    int       `json:"done"`
	DryRun  bool      `json:"dry_run,omitempty"`
	Failed  []Failure `json:"failed,omitempty"` // at most 100
}

// Failure is a message that nothing could be done to.
type Failure struct {
	Seq   journal.Seq `json:"seq"`
	Error string      `json:"error"`
}

const maxFailures = 100

func (a *api) bulk(w http.ResponseWriter, r *http.Request) {
	var b Bulk
	err := read(w, r, maxRequest, &b)
	if err == nil {
		err = b.check()
	}
	if err == nil {
		err = a.ready()
	}
	var seqs []journal.Seq
	if err == nil {
		seqs, err = a.matching(r.Context(), b.Query)
	}
	if err != nil {
		fail(w, "", err)
		return
	}
	res := Result{Matched: len(seqs), DryRun: b.DryRun}
	if !b.DryRun {
		a.each(r.Context(), b, seqs, who(r), &res)
	}
	answer(w, res)
}

func (b Bulk) check() error {
	switch {
	case b.Action != "retry" && b.Action != "discard":
		return badRequest("one of: retry, discard", "there is no action %q", b.Action)
	case !b.Query.narrows() && !b.All:
		return badRequest(`narrow the query, or say "all": true`, "the query means every message that failed")
	case b.Query.Before != 0 || b.Query.After != 0 || b.Query.Limit != 0:
		return badRequest("leave before, after and limit away", "an action is done to all messages of its query")
	case b.Action == "discard" && strings.TrimSpace(b.Reason) == "" && !b.DryRun:
		return badRequest(`add "reason": "…"`, "discard needs a reason: it ends the messages for good")
	}
	return nil
}

// matching gives the messages of f, the oldest first. What ended well is meant only where its status is named.
func (a *api) matching(ctx context.Context, f Filter) ([]journal.Seq, error) {
	if len(f.Status) == 0 {
		f.Status = []string{string(journal.Held), string(journal.Retrying), string(journal.Dead)}
	}
	q, err := f.Query(time.Now())
	if err != nil {
		return nil, err
	}
	q.Limit = maxLimit
	var out []journal.Seq
	for {
		recs, err := a.j.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range recs {
			out = append(out, r.Seq)
			q.Before = r.Seq
		}
		if len(recs) < maxLimit {
			break
		}
	}
	slices.Reverse(out)
	return out, nil
}

// each does it, and goes on where one message does not let it.
func (a *api) each(ctx context.Context, b Bulk, seqs []journal.Seq, who string, res *Result) {
	whole := context.WithoutCancel(ctx) // who hangs up stops it between two messages
	for _, seq := range seqs {
		var err error
		if b.Action == "retry" {
			err = a.c.Retry(whole, seq, who, b.Reason)
		} else {
			err = a.c.Discard(whole, seq, who, b.Reason)
		}
		switch {
		case err == nil:
			res.Done++
		case errors.Is(err, journal.ErrNotFound): // pruned meanwhile
			res.Matched--
		case len(res.Failed) < maxFailures:
			res.Failed = append(res.Failed, Failure{seq, err.Error()})
		}
		if ctx.Err() != nil {
			return
		}
	}
}
