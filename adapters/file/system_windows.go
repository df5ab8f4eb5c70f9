package file

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

func isBadName(err error) bool {
	return errors.Is(err, windows.ERROR_INVALID_NAME) || errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE)
}

// inode is not known without opening the file: size and time tell files of one name apart.
func inode(fs.FileInfo) string { return "" }

// syncDir has nothing to do: NTFS journals renames, and a folder cannot be flushed.
func syncDir(*os.Root, string) error { return nil }
