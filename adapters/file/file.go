// Package file takes messages from files that appear in a folder, and writes them to files.
//
//	folder ── look (poll, fsnotify as a hint) ──> unchanged for a while? ──> whole | line by line ──> Inbox ──> done or failed
//	operation ── write: temporary file, fsync, rename | append: one write and one fsync for all that wait ──> folder
package file

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
)

// Adapter is this package's one declaration.
func Adapter() *adapter.Definition {
	return adapter.Define("file", "files in a folder: takes what appears there, writes, appends and moves", Settings{}, open,
		adapter.Source("files", "each file that appears, whole or line by line; it is moved away once all of it is taken", "json",
			Files{Pattern: []string{"*"}, Every: 5 * time.Second, Done: ".done", Failed: ".failed", Stable: time.Second, Order: "name",
				After: "move", Encoding: "utf-8", CSV: CSV{Separator: ",", Header: true}}, (*folder).files),
		adapter.Operation("write", "writes the body to a file, which appears complete or not at all; the answer is {name, dir, size}", adapter.Idempotent,
			Write{Overwrite: true}, (*folder).write),
		adapter.Operation("append", "adds the body to a file as one line: JSON without line ends, or text of one line", adapter.Writes,
			Append{}, (*folder).append),
		adapter.Many("append", Append{}, (*folder).appendMany),
		adapter.Operation("read", "reads a file", adapter.Reads, Read{As: "json", Max: 10 << 20}, (*folder).read),
		adapter.Operation("list", "lists files; the answer is a list of {name, size, time}", adapter.Reads, List{Pattern: "*"}, (*folder).list),
		adapter.Operation("move", "moves or renames a file; one that has been moved already is well", adapter.Idempotent, Move{}, (*folder).move),
		adapter.Operation("delete", "deletes a file; one that is gone already is well", adapter.Idempotent, Delete{}, (*folder).delete),
		adapter.Health((*folder).health),
	)
}

// Settings are those of a system document.
type Settings struct {
	Dir bind.Path `yaml:"dir,required" doc:"the folder; nothing outside it is read or written"`
}

// folder is the connection.
type folder struct {
	env     adapter.Env
	dir     string
	appends *appends
}

func open(_ context.Context, env adapter.Env, s Settings) (*folder, error) {
	if s.Dir == "" {
		return nil, errors.New("dir: give the folder, such as ./inbox")
	}
	return &folder{env: env, dir: string(s.Dir), appends: newAppends(env)}, nil
}

// within opens a sub-folder ("" or "." is the folder itself) that nothing can lead out of. Missing ones are made where make is
// set, but never the folder itself: it may be a share that is not mounted.
func (f *folder) within(sub string, make bool) (*os.Root, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fault.New(fault.Transient, "the folder %s is not there; create it, or mount what holds it", f.dir)
		}
		return nil, trouble("open the folder "+f.dir, err)
	}
	sub = filepath.FromSlash(strings.TrimSuffix(sub, "/"))
	if sub == "" || sub == "." {
		return root, nil
	}
	defer shut(root)
	if !filepath.IsLocal(sub) {
		return nil, outside(sub)
	}
	if make {
		if err := root.MkdirAll(sub, 0o777); err != nil {
			return nil, trouble("make the folder "+sub, err)
		}
	}
	r, err := root.OpenRoot(sub)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.Transient, "the folder %s is not there; create it", filepath.Join(f.dir, sub))
	}
	if err != nil {
		return nil, trouble("open the folder "+sub, err)
	}
	return r, nil
}

func outside(name string) error {
	return fault.New(fault.Rejected, "%q leads out of the system's folder, which is not allowed", name)
}

// shut closes a folder, which has nothing left to write.
func shut(root *os.Root) { _ = root.Close() }

// health asks whether the folder is there.
func (f *folder) health(context.Context) error {
	root, err := f.within("", false)
	if err != nil {
		return err
	}
	return root.Close()
}

// place splits a name with folders in it.
func place(dir, name string) (string, string) {
	full := path.Join(dir, filepath.ToSlash(name))
	return path.Dir(full), path.Base(full)
}
