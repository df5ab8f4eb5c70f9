package file

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/njia-health/njia/engine/fault"
)

// trouble gives an error of the file system its class, in words for an operator.
func trouble(doing string, err error) error {
	if err == nil {
		return nil
	}
	var done *fault.Error
	if errors.As(err, &done) {
		return err
	}
	class, text := fault.Transient, reason(err)
	switch {
	case isFull(err):
		text = "the disk is full; free some space, and it goes on by itself"
	case errors.Is(err, fs.ErrPermission):
		class, text = fault.Unauthorized, "not permitted; give the user that njia runs as the right to do it"
	case strings.Contains(err.Error(), "path escapes"):
		class, text = fault.Rejected, "that leads out of the system's folder, which is not allowed"
	case isBadName(err):
		class, text = fault.Rejected, "the file system does not take such a name"
	case errors.Is(err, fs.ErrNotExist):
		class, text = fault.Rejected, "it is not there"
	}
	return &fault.Error{Class: class, Text: doing + ": " + text, Err: err}
}

// reason is the system's own word for it, without the path, which may be long and stands in the text already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err.Error()
	}
	return err.Error()
}
