package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
)

// away moves files, all of whose messages are taken, to a folder, or deletes them. One that cannot be moved is remembered, so
// that it is not taken again, and tried at each look.
func (s *intake) away(ctx context.Context, root *os.Root, files []candidate, dir string) {
	if len(files) == 0 {
		return
	}
	touched := map[string]bool{}
	var moved []candidate
	for _, c := range files {
		to, err := s.move(root, c, dir)
		if err == nil || isGone(err) {
			touched[path.Dir(c.name)] = true
			if to != "" {
				touched[path.Dir(to)] = true
			}
			moved = append(moved, c)
			continue
		}
		s.stay(ctx, c, dir, trouble("move", err))
	}
	for d := range touched { // before the marks are forgotten
		if err := syncDir(root, d); err != nil {
			for _, c := range moved {
				s.stay(ctx, c, dir, trouble("move", err))
			}
			return
		}
	}
	for _, c := range moved {
		delete(s.taken, c.id)
		delete(s.stuck, c.id)
		delete(s.seen, c.name)
		if c.marked {
			s.forget[c.id] = ""
		}
	}
}

// stay remembers a file that is taken and still there.
func (s *intake) stay(ctx context.Context, c candidate, dir string, err error) {
	if !s.stuck[c.id] {
		s.stuck[c.id] = true
		s.f.env.Log.WarnContext(ctx, "a file is taken and cannot be moved away; it is not taken again", "file", c.name, "err", err)
	}
	if _, ok := s.taken[c.id]; ok {
		return
	}
	s.taken[c.id] = dir
	if err := s.in.Save(ctx, "", map[string]string{c.id: dir}); err != nil && ctx.Err() == nil {
		s.f.env.Log.WarnContext(ctx, "what has become of a file cannot be kept", "file", c.name, "err", err)
	}
}

// move gives the new name; "" of a deleted one.
func (s *intake) move(root *os.Root, c candidate, dir string) (string, error) {
	if s.w.After == "delete" && dir == s.w.Done {
		return "", root.Remove(c.name)
	}
	to := path.Join(dir, c.name)
	if err := root.MkdirAll(path.Dir(to), 0o777); err != nil {
		return "", err
	}
	if _, err := root.Lstat(to); err == nil { // an earlier file of that name
		to = insert(to, "~"+c.id[:8])
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return to, root.Rename(c.name, to)
}
