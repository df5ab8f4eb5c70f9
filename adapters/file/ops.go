package file

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Read is the settings of the operation.
type Read struct {
	Name string    `yaml:"name,required" doc:"name of the file, with folders within the system's"`
	Dir  string    `yaml:"dir" doc:"folder within the system's"`
	As   string    `yaml:"as" enum:"json,text,binary" doc:"what the answer is: a tree, text, or bytes in base64"`
	Max  bind.Size `yaml:"max" doc:"largest file that is read"`
}

func (f *folder) read(_ context.Context, w Read, _ message.Message) (message.Message, error) {
	root, name, err := f.find(w.Dir, w.Name)
	if err != nil {
		return message.Message{}, err
	}
	defer shut(root)
	in, err := root.Open(name)
	if err != nil {
		return message.Message{}, trouble("read "+w.Name, err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return message.Message{}, trouble("read "+w.Name, err)
	}
	if !info.Mode().IsRegular() {
		return message.Message{}, fault.New(fault.Rejected, "read %s: it is no file", w.Name)
	}
	b, err := readUpTo(in, int64(w.Max), min(info.Size(), int64(w.Max)))
	if err != nil {
		return message.Message{}, trouble("read "+w.Name, err)
	}
	if int64(len(b)) > int64(w.Max) {
		return message.Message{}, fault.New(fault.Rejected, "read %s: it has %d bytes, over the limit of %d (max)", w.Name, info.Size(), w.Max)
	}
	m := message.Message{Body: b, Type: mediaType("", name), Headers: map[string]string{"file-name": name, "file-time": info.ModTime().UTC().Format(time.RFC3339Nano)}}
	switch w.As {
	case "text":
		if !utf8.Valid(b) {
			return message.Message{}, fault.New(fault.Rejected, "read %s: it is no UTF-8 text; read it as binary", w.Name)
		}
		m.Value = string(b)
	case "binary":
		m.Value = base64.StdEncoding.EncodeToString(b)
	default:
		if m.Value, err = message.Decode(b); err != nil {
			return message.Message{}, fault.New(fault.Rejected, "read %s: %s", w.Name, err)
		}
		m.Type = "application/json"
	}
	return m, nil
}

// find opens the folder that a name stands in. A name that is not there is looked for as write would have written it.
func (f *folder) find(dir, name string) (*os.Root, string, error) {
	if !filepath.IsLocal(filepath.FromSlash(path.Join(dir, name))) {
		return nil, "", outside(path.Join(dir, name))
	}
	root, err := f.within("", false)
	if err != nil {
		return nil, "", err
	}
	full := path.Join(dir, name)
	if _, err := root.Lstat(full); errors.Is(err, fs.ErrNotExist) {
		if cleaned, err := clean(name); err == nil {
			if _, err := root.Lstat(path.Join(dir, cleaned)); err == nil {
				full = path.Join(dir, cleaned)
			}
		}
	}
	return root, full, nil
}

// List is the settings of the operation.
type List struct {
	Dir       string `yaml:"dir" doc:"folder within the system's"`
	Pattern   string `yaml:"pattern" doc:"which names, such as *.json"`
	Recursive bool   `yaml:"recursive" doc:"sub-folders too"`
}

// maxList bounds the answer.
const maxList = 100_000

func (f *folder) list(ctx context.Context, w List, _ message.Message) (message.Message, error) {
	if _, err := path.Match(w.Pattern, "x"); err != nil {
		return message.Message{}, fault.New(fault.Rejected, "list: %q is no pattern; write it as *.json", w.Pattern)
	}
	root, err := f.within(w.Dir, false)
	if err != nil {
		return message.Message{}, err
	}
	defer shut(root)
	out := []any{}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case name == ".":
			return nil
		case d.IsDir():
			if !w.Recursive || d.Name()[0] == '.' {
				return fs.SkipDir
			}
			return nil
		case unfinished(d.Name()):
			return nil
		}
		if ok, _ := path.Match(w.Pattern, d.Name()); !ok {
			return nil
		}
		info, err := root.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // it went away, or leads out of the folder
		}
		if len(out) >= maxList {
			return fault.New(fault.Rejected, "list: more than %d files; narrow the pattern", maxList)
		}
		out = append(out, map[string]any{"name": name, "size": int(info.Size()), "time": info.ModTime().UTC().Format(time.RFC3339Nano)})
		return nil
	})
	if err != nil {
		return message.Message{}, trouble("list", err)
	}
	return answer(out), nil
}

// Move is the settings of the operation.
type Move struct {
	From      string `yaml:"from,required" doc:"the file, with folders within the system's"`
	To        string `yaml:"to,required" doc:"its new name, with folders within the system's, which are made where they are missing"`
	Overwrite bool   `yaml:"overwrite" doc:"replace a file that is there"`
}

func (f *folder) move(_ context.Context, w Move, _ message.Message) (message.Message, error) {
	for _, n := range []string{w.From, w.To} {
		if !filepath.IsLocal(filepath.FromSlash(n)) {
			return message.Message{}, outside(n)
		}
	}
	root, err := f.within("", false)
	if err != nil {
		return message.Message{}, err
	}
	defer shut(root)
	doing := "move " + w.From
	there := func(name string) bool { _, err := root.Lstat(name); return err == nil }
	if !there(w.From) {
		if there(w.To) {
			return answer(map[string]any{"name": w.To, "moved": false}), nil
		}
		return message.Message{}, fault.New(fault.Rejected, "%s: it is not there", doing)
	}
	if !w.Overwrite && there(w.To) {
		return message.Message{}, fault.New(fault.Rejected, "%s: there is a %s already; give another name, or overwrite: true", doing, w.To)
	}
	toDir, _ := place("", w.To)
	fromDir, _ := place("", w.From)
	if err := root.MkdirAll(toDir, 0o777); err != nil {
		return message.Message{}, trouble(doing, err)
	}
	if err := root.Rename(w.From, w.To); err != nil {
		return message.Message{}, trouble(doing, err)
	}
	if err := errors.Join(syncDir(root, toDir), syncDir(root, fromDir)); err != nil {
		return message.Message{}, trouble(doing, err)
	}
	return answer(map[string]any{"name": w.To, "moved": true}), nil
}

// Delete is the settings of the operation.
type Delete struct {
	Name string `yaml:"name,required" doc:"name of the file, with folders within the system's"`
	Dir  string `yaml:"dir" doc:"folder within the system's"`
}

func (f *folder) delete(_ context.Context, w Delete, _ message.Message) (message.Message, error) {
	root, name, err := f.find(w.Dir, w.Name)
	if err != nil {
		return message.Message{}, err
	}
	defer shut(root)
	info, err := root.Lstat(name)
	if isGone(err) {
		return answer(map[string]any{"deleted": false}), nil
	}
	if err == nil && info.IsDir() {
		return message.Message{}, fault.New(fault.Rejected, "delete %s: it is a folder", w.Name)
	}
	if err == nil {
		err = root.Remove(name)
	}
	if err != nil && !isGone(err) {
		return message.Message{}, trouble("delete "+w.Name, err)
	}
	return answer(map[string]any{"deleted": true}), nil
}
