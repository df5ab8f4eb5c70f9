package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// owner is what the lock file says of the process that has the journal.
type owner struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	Command string    `json:"command"`
}

// lock takes the folder for this process. The operating system lets go of it when the process ends, however it ends.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		defer f.Close()
		if !errors.Is(err, errHeld) {
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		return nil, fmt.Errorf("%w by %s: stop that one first, or give this one another journal folder", ErrLocked, ownerOf(f))
	}
	if err := sign(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return f, nil
}

// errHeld says that another open file has the lock.
var errHeld = errors.New("locked by another process")

func ownerOf(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	var o owner
	if err != nil || json.Unmarshal(b, &o) != nil || o.PID == 0 {
		return "another process (its name could not be read from " + f.Name() + ")"
	}
	return fmt.Sprintf("process %d on %s (%s, since %s)", o.PID, o.Host, o.Command, o.Started.Format("2006-01-02 15:04:05 MST"))
}

// sign writes the owner into a locked file.
func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	command := filepath.Base(os.Args[0])
	if len(os.Args) > 1 && os.Args[1] != "" && os.Args[1][0] != '-' {
		command += " " + os.Args[1] // the subcommand; what follows may be secret
	}
	b, err := json.Marshal(owner{PID: os.Getpid(), Host: host, Started: time.Now().Truncate(time.Second), Command: command})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	return err
}
