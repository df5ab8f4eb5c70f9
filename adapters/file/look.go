package file

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// candidate is a file that is there.
type candidate struct {
	name   string // within the source's folder, with forward slashes
	id     string
	info   fs.FileInfo
	marked bool // it has a mark that is to be forgotten once it is moved
}

// sight is how a file looked, and since when.
type sight struct {
	id    string
	since time.Time
}

// identity names a file's content for the source: another file of the same name, or the same one changed, is another.
func identity(name string, info fs.FileInfo) string {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write(info.ModTime().UTC().AppendFormat(nil, time.RFC3339Nano))
	h.Write([]byte{0})
	h.Write([]byte(inode(info)))
	var size [8]byte
	for i, n := 0, info.Size(); i < 8; i, n = i+1, n>>8 {
		size[i] = byte(n)
	}
	h.Write(size[:])
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// unfinished says that a program which is still writing gave the file its name.
func unfinished(base string) bool {
	if strings.HasPrefix(base, ".") {
		return true
	}
	switch strings.ToLower(path.Ext(base)) {
	case ".tmp", ".part", ".partial", ".filepart", ".crdownload":
		return true
	}
	return false
}

// find lists the files that the settings mean, in order. It also notes the folders that it has looked into.
func (s *intake) find(ctx context.Context, root *os.Root) ([]candidate, error) {
	var out []candidate
	s.folders = s.folders[:0]
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if name == "." {
				return err
			}
			return nil //nolint:nilerr // it went away, or is not ours to read
		}
		if d.IsDir() {
			if name == "." {
				s.folders = append(s.folders, name)
				return nil
			}
			if !s.w.Recursive || name == path.Clean(s.w.Done) || name == path.Clean(s.w.Failed) || strings.HasPrefix(path.Base(name), ".") {
				return fs.SkipDir
			}
			s.folders = append(s.folders, name)
			return nil
		}
		if unfinished(d.Name()) || !s.matches(d.Name()) {
			return nil
		}
		info, err := root.Stat(name) // a link counts as what it leads to, within the folder
		if err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // it went away, or leads out of the folder
		}
		out = append(out, candidate{name: name, id: identity(name, info), info: info})
		return nil
	})
	if err != nil {
		return nil, trouble("look into the folder "+s.w.Dir, err)
	}
	if s.w.Order == "time" {
		slices.SortStableFunc(out, func(a, b candidate) int {
			return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), cmp.Compare(a.name, b.name))
		})
	}
	return out, nil
}

func (s *intake) matches(base string) bool {
	for _, p := range s.w.Pattern {
		if ok, _ := path.Match(p, base); ok { // check has seen that it is a pattern
			return true
		}
	}
	return len(s.w.Pattern) == 0
}

// settled gives the files that have been unchanged for long enough, and how long until the next may be. Changes are told by
// what is seen here and not by the file's own time: the clock of a share may be another one.
func (s *intake) settled(found []candidate, now time.Time) (ready []candidate, wait time.Duration) {
	wait = s.w.Every
	seen := make(map[string]sight, len(found))
	for _, c := range found {
		at := s.seen[c.name]
		if at.id != c.id {
			at = sight{id: c.id, since: now}
		}
		seen[c.name] = at
		if left := s.w.Stable - now.Sub(at.since); left > 0 {
			wait = min(wait, left)
			continue
		}
		ready = append(ready, c)
	}
	s.seen = seen
	return ready, max(wait, time.Millisecond)
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
