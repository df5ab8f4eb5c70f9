package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/njia-health/njia/engine/journal"
)

// openJournal opens the journal in dir, making it where there is none.
func openJournal(dir string) (journal.Store, error) {
	return journal.OpenDisk(dir, journal.DiskOptions{})
}

// takeJournal is openJournal, and waits a little where something has it that is no engine: a command that looks at messages.
func takeJournal(ctx context.Context, dir string) (journal.Store, error) {
	for since := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		j, err := openJournal(dir)
		if !errors.Is(err, journal.ErrLocked) || time.Since(since) > lockWait {
			return j, err
		}
		if c, unanswered := engineAt(ctx, dir); unanswered == nil {
			c.Close()
			return nil, err
		}
	}
}

// journalIn says whether dir holds a journal: every one has a lock file, also while nobody uses it; one that comes from a
// backup may have the database alone.
func journalIn(dir string) bool {
	for _, name := range []string{"lock", "journal.db"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil && st.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// journalError says why a journal cannot be opened.
func journalError(dir string, err error) error {
	if errors.Is(err, journal.ErrLocked) {
		return unreachable("njia status --journal "+dir+" says how the engine stands that has it", "%v", err)
	}
	return unreachable("see that this user may write there, and that the disk is well and not full", "%v", err)
}
