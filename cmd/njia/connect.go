package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine/journal"
)

// operator is the name that the audit trail gets.
func operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	for _, name := range []string{"USER", "USERNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return "operator"
}

// engineAt is a client of the engine that runs on a journal.
func engineAt(ctx context.Context, dir string) (*console.Client, error) {
	c := console.Dial(socketOf(dir), operator())
	if _, err := c.Actions(ctx, 1); err != nil {
		c.Close()
		if errors.Is(err, console.ErrUnreachable) {
			return nil, unreachable("start it with njia run DIR, or name its folder with --dir", "no engine is running on the journal in %s", dir)
		}
		return nil, asked(err)
	}
	return c, nil
}

// lockWait is how long a journal may be in use without its engine answering: it is starting or stopping then.
const lockWait = 3 * time.Second

// messagesOf is a client for the messages of a journal: of the engine that runs on it, or, where none does, of the journal
// itself. done lets go of either.
func (a *app) messagesOf(ctx context.Context, w *where) (c *console.Client, done func(), err error) {
	dir, err := w.find()
	if err != nil {
		return nil, nil, err
	}
	for since := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if c, err := engineAt(ctx, dir); err == nil {
			return c, c.Close, nil
		}
		if !journalIn(dir) {
			return nil, nil, unreachable("name the folder of the rule set with --dir, or of the journal with --journal", "no engine is running, and there is no journal in %s", dir)
		}
		j, err := openJournal(dir)
		if err == nil {
			fmt.Fprintf(a.err, "no engine is running: this is about the journal it left in %s\n", dir)
			return console.Inside(console.Stopped(j, a.presentRules(ctx, w, j)), operator()), func() { _ = j.Close() }, nil
		}
		if !errors.Is(err, journal.ErrLocked) {
			return nil, nil, unreachable("see that this user may read it, and that the disk is well", "%v", err)
		}
		if time.Since(since) > lockWait || ctx.Err() != nil {
			return nil, nil, unreachable("use the user that runs the engine; if it hangs, stop it and look at its log", "the engine does not answer: %v", err)
		}
	}
}

// presentRules keeps the rule set as it is now in the journal, so that a message which is retried runs under it at the
// next start. "" where it does not load: the message keeps its rules then.
func (a *app) presentRules(ctx context.Context, w *where, j journal.Store) string {
	if w.journal != "" {
		return ""
	}
	s, err := siteAt(w.dir)
	if err != nil {
		return ""
	}
	set, _, _ := s.load(true)
	if set == nil {
		return ""
	}
	if err := j.SaveRules(ctx, journal.RuleSet{Version: set.Version, Time: time.Now(), Files: set.Rules.Files}); err != nil {
		return ""
	}
	return set.Version
}
