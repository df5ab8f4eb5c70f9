package rule

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// Source gives the text of a file by the name that a Pos has, for showing its lines; nil where there is none.
func (s *Set) Source(file string) []byte {
	if s == nil {
		return nil
	}
	return bytes.TrimPrefix(s.Files[file], []byte("\ufeff"))
}

// Lost says whether a document of that kind and name is written in a file that could not be read in full. What refers to it
// is not to be blamed: the fault in the file has been reported.
func (s *Set) Lost(kind, name string) bool {
	for _, file := range s.Unread {
		for line := range strings.Lines(string(s.Source(file))) {
			key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "--- "), ":")
			value, _, _ = strings.Cut(value, " #")
			if ok && key == kind && strings.Trim(strings.TrimSpace(value), `"'`) == name {
				return true
			}
		}
	}
	return false
}

// File reads a file that a document names, relative to the document, or to one that overrides it. It does not leave the rule
// set or the pack.
func (s *Set) File(d *Doc, rel string) (src []byte, file string, err error) {
	for _, dir := range append([]string{path.Dir(d.File)}, d.also...) {
		if file, err = inside(dir, rel); err != nil {
			return nil, "", err
		}
		if src, ok := s.Files[file]; ok {
			return src, file, nil
		}
	}
	file, _ = inside(path.Dir(d.File), rel)
	return nil, "", fmt.Errorf("there is no file %s", file)
}

// Module finds a jq module, or JSON data, that a document or module in dir imports by name: NAME.jq or NAME.json in dir, or in
// the folders above up to the rule set's or pack's root, and in a lib folder of each. A name may have its .jq or .json.
func (s *Set) Module(dir, name string) (src []byte, file string, ok bool) {
	for _, file := range candidates(dir, name) {
		if src, ok := s.Files[file]; ok {
			return src, file, true
		}
	}
	return nil, "", false
}

// candidates are the files that a module's name can mean, the nearest first.
func candidates(dir, name string) []string {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, `\:`) {
		return nil
	}
	names := []string{name + ".jq", name + ".json"}
	if ext := path.Ext(name); ext == ".jq" || ext == ".json" {
		names = []string{name}
	}
	var out []string
	for {
		for _, sub := range []string{"", "lib/"} {
			for _, n := range names {
				if sub != "" && strings.HasPrefix(n, "..") {
					continue
				}
				if f, err := inside(dir, sub+n); err == nil {
					out = append(out, f)
				}
			}
		}
		up := path.Dir(dir)
		if dir == "." || up == dir || inShipped(dir) && up == "." {
			return out
		}
		dir = up
	}
}

// inside joins a path that a document in dir names, and refuses one that leads out of the rule set, or out of a shipped pack.
func inside(dir, rel string) (string, error) {
	if path.IsAbs(rel) || strings.ContainsAny(rel, "\\:") {
		return "", fmt.Errorf("%q is no path inside the rule set: write it relative to this file, with forward slashes", rel)
	}
	root, below := "", dir
	if rest, ok := strings.CutPrefix(dir, shippedPrefix); ok {
		name, b, _ := strings.Cut(rest, "/")
		root, below = shippedPrefix+name+"/", b
	}
	p := path.Join(below, rel)
	if p == "." || p == ".." || strings.HasPrefix(p, "../") {
		return "", fmt.Errorf("%q leads out of the rule set", rel)
	}
	return root + p, nil
}
