package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockPlace is the byte that is locked: behind the text, which others must be able to read.
const lockPlace = 1 << 20

func tryLock(f *os.File) error {
	at := windows.Overlapped{Offset: lockPlace}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errHeld
	}
	return err
}

// full says whether err means that the disk is full.
func full(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// syncDir has nothing to do: NTFS journals the names in a folder.
func syncDir(string) error { return nil }
