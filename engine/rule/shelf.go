package rule

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/diag"
)

// Limits of a whole set. A country's rules are a few hundred files; a folder of data is not meant to be read as rules.
const (
	maxFiles = 20_000
	maxBytes = 256 << 20
)

// shippedPrefix begins the names of a shipped pack's files: pack:NAME/file.
const shippedPrefix = "pack:"

func inShipped(file string) bool { return strings.HasPrefix(file, shippedPrefix) }

// shelf is where the files of a set come from. It keeps those that were read.
type shelf struct {
	site, shipped fs.FS             // of Load
	given         map[string][]byte // of LoadFiles
	kept          map[string][]byte
	bytes         int
}

var errTooMuch = errors.New("the rule set has too many or too large files; keep data in a folder of its own, outside, or with a file .njia-ignore in it")

// read gives a file by the name that a Pos has. The error of a file that is not there is fs.ErrNotExist.
func (s *shelf) read(name string) ([]byte, error) {
	if src, ok := s.kept[name]; ok {
		return src, nil
	}
	src, err := s.fetch(name)
	if err != nil {
		return nil, err
	}
	if s.bytes += len(src); len(s.kept) >= maxFiles || s.bytes > maxBytes {
		return nil, errTooMuch
	}
	s.kept[name] = src
	return src, nil
}

func (s *shelf) fetch(name string) ([]byte, error) {
	if s.given != nil {
		if src, ok := s.given[name]; ok {
			return src, nil
		}
		return nil, fs.ErrNotExist
	}
	from := s.site
	if rest, ok := strings.CutPrefix(name, shippedPrefix); ok {
		from, name = s.shipped, rest
	}
	if from == nil || !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	st, err := fs.Stat(from, name)
	switch {
	case err != nil:
		return nil, err
	case st.IsDir():
		return nil, fs.ErrNotExist
	case st.Size() > maxFile:
		return nil, errTooMuch
	}
	return fs.ReadFile(from, name)
}

// drop forgets the files below a folder: those of a pack that lies here and is not in use.
func (s *shelf) drop(below func(name string) bool) {
	for name, src := range s.kept {
		if below(name) {
			delete(s.kept, name)
			s.bytes -= len(src)
		}
	}
}

// rules lists the site's YAML files and jq modules.
func (s *shelf) rules() ([]string, diag.List) {
	if s.given != nil {
		var out []string
		for name := range s.given {
			if isRule(name) {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out, nil
	}
	return list(s.site, "")
}

// pack lists the files of a shipped pack; found says whether there is one.
func (s *shelf) pack(name string) (files []string, found bool, errs diag.List) {
	if s.shipped == nil || !fs.ValidPath(name) {
		return nil, false, nil
	}
	if st, err := fs.Stat(s.shipped, name); err != nil || !st.IsDir() {
		return nil, false, nil
	}
	sub, err := fs.Sub(s.shipped, name)
	if err != nil {
		return nil, false, nil
	}
	files, errs = list(sub, shippedPrefix+name+"/")
	return files, true, errs
}

// shippedNames lists the packs that come with the program.
func (s *shelf) shippedNames() []string {
	if s.shipped == nil {
		return nil
	}
	entries, _ := fs.ReadDir(s.shipped, ".")
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

func isRule(name string) bool { return isYAML(name) || path.Ext(name) == ".jq" }

// list walks a file tree in the order of names. It leaves out what begins with a dot (Kubernetes keeps the files of a volume
// in ..2024_… and ..data, and links to them from the root), and folders that hold a journal or a file .njia-ignore. Links are
// followed, but not into a folder that they stand in.
func list(fsys fs.FS, prefix string) ([]string, diag.List) {
	w := walker{fsys: fsys, prefix: prefix}
	var above []fs.FileInfo
	if st, err := fs.Stat(fsys, "."); err == nil {
		above = append(above, st)
	}
	w.walk(".", above)
	return w.names, w.errs
}

type walker struct {
	fsys   fs.FS
	prefix string
	names  []string
	errs   diag.List
}

func (w *walker) walk(dir string, above []fs.FileInfo) {
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		w.errs.Add(diag.Errorf(diag.Pos{File: w.prefix + dir}, "this folder cannot be read: %s", reason(err)))
		return
	}
	if dir != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "journal.db" || e.Name() == ".njia-ignore" }) {
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || len(w.names) > maxFiles {
			continue
		}
		if e.Type()&fs.ModeSymlink == 0 && !e.IsDir() {
			if isRule(name) {
				w.names = append(w.names, w.prefix+name)
			}
			continue
		}
		st, err := fs.Stat(w.fsys, name) // follows a link
		switch {
		case err != nil:
			if isRule(name) {
				w.errs.Add(diag.Errorf(diag.Pos{File: w.prefix + name}, "this file cannot be read: %s", reason(err)))
			}
		case !st.IsDir():
			if isRule(name) {
				w.names = append(w.names, w.prefix+name)
			}
		case len(above) > 32 || slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, st) }):
		default:
			w.walk(name, append(slices.Clip(above), st))
		}
	}
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
