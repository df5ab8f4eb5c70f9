package journal

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errSync marks a failed fsync outside SQLite.
var errSync = errors.New("the disk did not confirm a write")

// refusal says that err is an answer to one writer and says nothing about the disk.
func refusal(err error) bool { return errors.Is(err, ErrState) || errors.Is(err, ErrNotFound) }

// code is SQLite's extended result code of err; 0 for none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// isFull says whether err means that there is no room: of the disk, of a quota, or of the database's own limit.
func isFull(err error) bool {
	switch c := code(err); {
	case c&0xff == sqlite3.SQLITE_FULL, c == sqlite3.SQLITE_IOERR_SHMSIZE:
		return true
	}
	return full(err)
}

// isSync says whether err is a failed fsync. What was written before it may be lost although later ones succeed, so
// nobody may be told that a message is kept until the journal has been opened anew.
func isSync(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return true
	}
	return errors.Is(err, errSync)
}

// isDamaged says whether the database file cannot be trusted.
func isDamaged(err error) bool {
	c := code(err) & 0xff
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB
}

// writeError says what a failed write means to an operator.
func writeError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case refusal(err):
		return fmt.Errorf("journal: %s: %w", doing, err)
	case isFull(err):
		return fmt.Errorf("journal: %s: %w: nothing of it was kept; free some space and it goes on by itself (%w)", doing, ErrFull, err)
	}
	return fmt.Errorf("journal: %s: %w", doing, err)
}

// stopped is the error of every write after one that the disk did not confirm.
type stopped struct{ cause error }

func (s *stopped) Error() string {
	return fmt.Sprintf("journal: it takes nothing since the disk failed to confirm a write or its file is damaged (%v): "+
		"check the disk and its cables, then start the engine again; what was acknowledged before is kept", s.cause)
}

func (s *stopped) Unwrap() error { return s.cause }
