package journaltest

import (
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

func journalID(s string) message.ID { return message.ID(s) }

func actionCases() map[string]func(*kit) {
	return map[string]func(*kit){
		"release makes a message run anew":       releases,
		"edit keeps the original":                edits,
		"discard ends a message with its reason": discards,
		"actions are kept":                       actionsKept,
	}
}

func releases(k *kit) {
	for _, s := range []journal.Status{journal.Held, journal.Retrying, journal.Dead, journal.Delivered, journal.Filtered, journal.Discarded} {
		seq := k.put()
		if s == journal.Discarded {
			if err := k.j.Discard(k.ctx, seq, k.action("discard")); err != nil {
				k.Fatal(err)
			}
		} else {
			r := journal.Resolution{Seq: seq, Status: s, Rules: "v1", Attempts: 3}
			if s == journal.Held || s == journal.Retrying || s == journal.Dead {
				r.Failure, r.Since, r.Gate, r.System = fault.New(fault.Transient, "wrong"), k.now, []byte("{}"), "odoo"
			}
			if s.Open() {
				r.Due = k.now.Add(time.Hour)
			}
			k.resolve(r)
		}
		if err := k.j.Release(k.ctx, seq, "v9", k.action("release")); err != nil {
			k.Errorf("Release of a %s one = %v", s, err)
			continue
		}
		got := k.story(seq)
		if got.Status != journal.Received || got.Rules != "v9" || got.Class != "" || got.Error != "" || got.System != "" || !got.Due.IsZero() || !got.Since.IsZero() || got.Gate != nil || got.Reason != "" {
			k.Errorf("a %s one after its release: %+v, gate %q", s, got.Record, got.Gate)
		}
		if n := len(got.Actions); n == 0 || got.Actions[n-1].What != "release" || got.Actions[n-1].Who != "wanjiru" || got.Actions[n-1].Seq != seq {
			k.Errorf("its actions: %+v", got.Actions)
		}
		if s == journal.Held && len(got.Attempts_) == 0 {
			k.Error("the history of attempts is gone")
		}
		k.end(seq, journal.Delivered) // it is open again
	}
	seq := k.put()
	k.end(seq, journal.Dead)
	if err := k.j.Release(k.ctx, seq, "", k.action("release")); err != nil || k.story(seq).Rules != "v1" {
		k.Errorf("Release with no rules = %v, the message has %q", err, k.story(seq).Rules)
	}
	k.put(named("a"))
	dup := k.put(named("a"))
	k.is("Release of a duplicate", k.j.Release(k.ctx, dup, "", k.action("release")), journal.ErrState)
	k.is("Release of no message", k.j.Release(k.ctx, dup+1, "", k.action("release")), journal.ErrNotFound)
}

func edits(k *kit) {
	seq := k.put(func(e *journal.Entry) { e.Message.Body = []byte("first") })
	k.resolve(journal.Resolution{Seq: seq, Status: journal.Held, Failure: fault.New(fault.Bug, "wrong")})
	for _, b := range []string{"second", "third"} {
		if err := k.j.Edit(k.ctx, seq, []byte(b), "v2", k.action("edit")); err != nil {
			k.Fatalf("Edit = %v", err)
		}
		k.reopen()
		s := k.story(seq)
		if s.Status != journal.Received || !s.Edited || string(s.Body) != b || string(s.Original) != "first" || s.Rules != "v2" || s.Error != "" {
			k.Errorf("after the edit to %q: %+v, body %q, original %q", b, s.Record, s.Body, s.Original)
		}
		k.body(seq, b)
	}
	k.is("Edit of no message", k.j.Edit(k.ctx, seq+1, []byte("x"), "", k.action("edit")), journal.ErrNotFound)
}

func discards(k *kit) {
	for _, s := range []journal.Status{journal.Received, journal.Held, journal.Dead, journal.Processing, journal.Retrying} {
		seq := k.put()
		if s != journal.Received {
			k.resolve(journal.Resolution{Seq: seq, Status: s, Failure: fault.New(fault.Rejected, "no such product")})
		}
		if err := k.j.Discard(k.ctx, seq, k.action("discard")); err != nil {
			k.Errorf("Discard of a %s one = %v", s, err)
			continue
		}
		got := k.story(seq)
		if got.Status != journal.Discarded || got.Reason != "a reason to discard" {
			k.Errorf("a %s one after it was discarded: %+v", s, got.Record)
		}
		k.is("Discard twice", k.j.Discard(k.ctx, seq, k.action("discard")), journal.ErrState)
	}
	seq := k.put()
	k.end(seq, journal.Delivered)
	k.is("Discard of a delivered one", k.j.Discard(k.ctx, seq, k.action("discard")), journal.ErrState)
	k.is("Discard of no message", k.j.Discard(k.ctx, seq+1, k.action("discard")), journal.ErrNotFound)
	k.same("Open", k.opened(), []journal.Seq{})
}

func actionsKept(k *kit) {
	seq := k.put()
	for _, a := range []string{"pause", "resume"} {
		if err := k.j.Note(k.ctx, k.action(a)); err != nil {
			k.Fatal(err)
		}
	}
	if err := k.j.Discard(k.ctx, seq, k.action("discard")); err != nil {
		k.Fatal(err)
	}
	k.reopen()
	got, err := k.j.Actions(k.ctx, 2)
	if err != nil {
		k.Fatal(err)
	}
	d := k.action("discard")
	d.Seq = seq
	k.same("Actions, the newest first", got, []journal.Action{d, k.action("resume")})
	k.same("actions of the message", k.story(seq).Actions, []journal.Action{d})
}
