package file

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// hints tells that something may have changed. It is never relied upon: network shares tell nothing.
type hints struct {
	c    chan struct{} // holds one: it is a hint, and the next look sees all
	w    *fsnotify.Watcher
	dir  string
	done sync.WaitGroup
}

// watch begins to listen to the file system, where that can be had.
func (f *folder) watch(ctx context.Context, s Files) *hints {
	h := &hints{c: make(chan struct{}, 1), dir: filepath.Join(f.dir, filepath.FromSlash(s.Dir))}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.env.Log.InfoContext(ctx, "the system does not tell of new files, so they are looked for from time to time", "err", err)
		return h
	}
	h.w = w
	h.done.Go(func() {
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if e.Has(fsnotify.Remove) || e.Has(fsnotify.Chmod) {
					continue
				}
				select {
				case h.c <- struct{}{}:
				default:
				}
			case _, ok := <-w.Errors:
				if !ok {
					return
				}
			}
		}
	})
	h.follow([]string{"."})
	return h
}

// follow listens to these folders too; one that is listened to already is no error.
func (h *hints) follow(folders []string) {
	if h.w == nil {
		return
	}
	for _, d := range folders {
		_ = h.w.Add(filepath.Join(h.dir, filepath.FromSlash(d))) // without it the poll finds the files
	}
}

func (h *hints) close() {
	if h.w != nil {
		_ = h.w.Close() // it ends the goroutine whatever it says
	}
	h.done.Wait()
}
