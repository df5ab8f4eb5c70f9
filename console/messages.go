package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/njia-health/njia/engine/journal"
)

// list answers GET /messages.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	f, err := filterOf(r.URL.Query())
	var q journal.Query
	if err == nil {
		q, err = f.Query(time.Now())
	}
	if err != nil {
		fail(w, "", err)
		return
	}
	page, err := pageOf(r.Context(), a.j, q)
	if err != nil {
		fail(w, "", err)
		return
	}
	answer(w, page)
}

// pageOf asks for one more than a page holds, to know whether there is another.
func pageOf(ctx context.Context, j journal.Store, q journal.Query) (Page, error) {
	limit := q.Limit
	q.Limit++
	recs, err := j.Search(ctx, q)
	if err != nil {
		return Page{}, err
	}
	p := Page{Messages: recs}
	if len(recs) > limit {
		p.Messages = recs[:limit]
		last := recs[limit-1].Seq
		p.Next = &Cursor{Before: last}
		if q.After > 0 {
			p.Next = &Cursor{After: last}
		}
	}
	if p.Messages == nil {
		p.Messages = []journal.Record{}
	}
	for i := range p.Messages {
		p.Messages[i].Vars = nil
	}
	return p, nil
}

// show answers GET /messages/{ref}; bodies=true adds what was in the message.
func (a *api) show(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	f, err := filterOf(v, "bodies")
	if err == nil && f.narrows() {
		err = badRequest("", "only bodies can be asked for here")
	}
	bodies := false
	if b := v.Get("bodies"); err == nil && b != "" {
		if bodies, err = strconv.ParseBool(b); err != nil {
			err = badRequest("", "bodies is true or false, this is %q", b)
		}
	}
	ref := r.PathValue("ref")
	var st journal.Story
	if err == nil {
		st, err = a.story(r.Context(), ref)
	}
	if err != nil {
		fail(w, ref, err)
		return
	}
	answer(w, storyOf(st, bodies))
}

func (a *api) story(ctx context.Context, ref string) (journal.Story, error) {
	seq, err := a.seq(ctx, ref)
	if err != nil {
		return journal.Story{}, err
	}
	return a.j.Story(ctx, seq)
}

// seq gives the number of a message that is named by its number or its id.
func (a *api) seq(ctx context.Context, ref string) (journal.Seq, error) {
	if n, err := strconv.ParseInt(ref, 10, 64); err == nil {
		if n <= 0 {
			return 0, journal.ErrNotFound
		}
		return journal.Seq(n), nil
	}
	return a.j.Find(ctx, ref)
}

// change is the request of retry, edit and discard.
type change struct {
	Reason string `json:"reason"`
	Body   *Text  `json:"body"` // of edit
}

func (a *api) retry(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, maxRequest, func(ctx context.Context, seq journal.Seq, c change, who string) error {
		if c.Body != nil {
			return badRequest("edit gives a message another body", "retry takes no body")
		}
		return a.c.Retry(ctx, seq, who, c.Reason)
	})
}

func (a *api) edit(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, maxEdit, func(ctx context.Context, seq journal.Seq, c change, who string) error {
		if c.Body == nil {
			return badRequest(`send {"body": "…", "reason": "…"}`, "edit needs a body")
		}
		return a.c.Edit(ctx, seq, *c.Body, who, c.Reason)
	})
}

func (a *api) discard(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, maxRequest, func(ctx context.Context, seq journal.Seq, c change, who string) error {
		switch {
		case c.Body != nil:
			return badRequest("", "discard takes no body")
		case strings.TrimSpace(c.Reason) == "":
			return badRequest(`send {"reason": "…"}`, "discard needs a reason: it ends the message for good")
		}
		return a.c.Discard(ctx, seq, who, c.Reason)
	})
}

// change does something to one message, and answers with how it stands then.
func (a *api) change(w http.ResponseWriter, r *http.Request, limit int64, do func(context.Context, journal.Seq, change, string) error) {
	ref := r.PathValue("ref")
	var c change
	err := read(w, r, limit, &c)
	if err == nil {
		err = a.ready()
	}
	ctx := context.WithoutCancel(r.Context()) // who hangs up does not leave it half done
	var seq journal.Seq
	if err == nil {
		seq, err = a.seq(ctx, ref)
	}
	if err == nil {
		err = do(ctx, seq, c, who(r))
	}
	var st journal.Story
	if err == nil {
		st, err = a.j.Story(ctx, seq)
	}
	if err != nil {
		fail(w, ref, err)
		return
	}
	answer(w, storyOf(st, false).Record)
}

// ready refuses changes while the engine starts or stops: it would not take the message up.
func (a *api) ready() error {
	if a.e == nil {
		return nil
	}
	if err := a.e.Ready(); err != nil {
		return &Problem{Status: 503, Title: "not ready", Detail: err.Error(), Hint: "try again in a few seconds"}
	}
	return nil
}

// UserHeader names the person who asks, for the audit trail.
const UserHeader = "Njia-User"

// who is the person who asks: printable, and not long.
func who(r *http.Request) string {
	name := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, r.Header.Get(UserHeader))
	if runes := []rune(name); len(runes) > 80 {
		name = string(runes[:80])
	}
	if name = strings.TrimSpace(name); name == "" {
		return "api"
	}
	return name
}

// actions answers GET /actions: the audit trail, newest first.
func (a *api) actions(w http.ResponseWriter, r *http.Request) {
	f, err := filterOf(r.URL.Query())
	if err == nil && (f.narrows() || f.Before != 0 || f.After != 0) {
		err = badRequest("", "only limit can be given here")
	}
	var list []journal.Action
	if err == nil {
		if f.Limit == 0 {
			f.Limit = 100
		}
		list, err = a.j.Actions(r.Context(), min(f.Limit, maxLimit))
	}
	if err != nil {
		fail(w, "", err)
		return
	}
	if list == nil {
		list = []journal.Action{}
	}
	answer(w, map[string]any{"actions": list})
}
