package engine

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Timing of the watcher.
const (
	settle = 60 * time.Millisecond  // several files saved at once count as one change
	atMost = 500 * time.Millisecond // a folder that never comes to rest is looked at all the same
	relook = 30 * time.Second       // file systems that tell nothing are looked at by themselves
)

// Watch calls changed whenever something below root may have changed, a moment after it has come to rest, and now and then
// in any case. It watches folders and not files, so editors that write by rename and folders that are swapped by a symbolic
// link are seen. It returns when ctx ends.
func Watch(ctx context.Context, root string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil { // no watching here: look now and then
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(2 * time.Second):
				changed()
			}
		}
	}
	defer w.Close()
	add := func() {
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			real = root
		}
		for _, top := range []string{filepath.Dir(filepath.Clean(root)), root, real} {
			_ = w.Add(top)
		}
		_ = filepath.WalkDir(real, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if d.IsDir() && p != real && strings.HasPrefix(d.Name(), ".") && !strings.HasPrefix(d.Name(), "..") {
				return filepath.SkipDir
			}
			if d.IsDir() {
				_ = w.Add(p)
			} else if d.Type()&fs.ModeSymlink != 0 {
				if st, err := os.Stat(p); err == nil && st.IsDir() {
					_ = w.Add(p)
				}
			}
			return nil
		})
	}
	add()
	slow := time.NewTicker(relook)
	defer slow.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	var first time.Time // of the changes not looked at yet
	touched := func() {
		if first.IsZero() {
			first = time.Now()
		}
		quiet.Reset(max(0, min(settle, atMost-time.Since(first))))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, ok := <-w.Events:
			if !ok {
				return nil
			}
			if matters(root, ev) {
				touched()
			}
		case <-w.Errors: //nolint:errcheck // whatever it is, an overflow most likely: it counts as a change
			touched()
		case <-quiet.C:
			first = time.Time{}
			add()
			changed()
		case <-slow.C:
			add()
			changed()
		}
	}
}

// matters says whether an event can be a change of rules: not one of the journal that lives in the same folder, say.
func matters(root string, ev fsnotify.Event) bool {
	if ev.Op == fsnotify.Chmod {
		return false
	}
	base := filepath.Base(ev.Name)
	if filepath.Dir(ev.Name) == filepath.Dir(filepath.Clean(root)) {
		return base == filepath.Base(filepath.Clean(root))
	}
	switch filepath.Ext(base) {
	case ".yaml", ".yml", ".jq", ".csv", ".json", "":
		return true
	}
	return strings.HasPrefix(base, "..") // Kubernetes swaps ..data
}
