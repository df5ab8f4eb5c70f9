package rule

import (
	"fmt"
	"path"
	"strings"
)

// Source gives the text of a file by the name that a Pos has; nil where there is none.
func (s *Set) Source(file string) []byte {
	if s == nil {
		return nil
	}
	return s.Files[file]
}

// File reads a file that a document names, relative to the document. It does not leave the rule set or the pack.
func (s *Set) File(d *Doc, rel string) (src []byte, file string, err error) {
	if path.IsAbs(rel) || strings.Contains(rel, "\\") || strings.Contains(rel, ":") {
		return nil, "", fmt.Errorf("%q is no path inside the rule set: write it relative to this file, with forward slashes", rel)
	}
	file = join(path.Dir(d.File), rel)
	if file == "" {
		return nil, "", fmt.Errorf("%q leads out of the rule set", rel)
	}
	src, ok := s.Files[file]
	if !ok {
		return nil, "", fmt.Errorf("there is no file %s", file)
	}
	return src, file, nil
}

// join is path.Join that keeps a pack's prefix, and gives "" for a path that leads out of its root.
func join(dir, rel string) string {
	prefix := ""
	if rest, ok := strings.CutPrefix(dir, packPrefix); ok {
		name, below, _ := strings.Cut(rest, "/")
		prefix, dir = packPrefix+name+"/", below
	}
	p := path.Join(dir, rel)
	if p == ".." || strings.HasPrefix(p, "../") {
		return ""
	}
	return prefix + p
}

// Module finds a jq module, or JSON data, that a document in dir imports by name: NAME.jq or NAME.json in dir, or in the
// folders above up to the rule set's or pack's root, and in a lib folder of each.
func (s *Set) Module(dir, name string) (src []byte, file string, ok bool) {
	if strings.HasPrefix(name, "/") || strings.Contains(name, "..") || strings.Contains(name, "\\") {
		return nil, "", false
	}
	for {
		for _, sub := range []string{"", "lib/"} {
			for _, ext := range []string{".jq", ".json"} {
				f := join(dir, sub+name+ext)
				if src, ok := s.Files[f]; ok {
					return src, f, true
				}
			}
		}
		rest := strings.TrimPrefix(dir, packPrefix)
		if dir == "." || dir == "" || dir != rest && !strings.Contains(rest, "/") {
			return nil, "", false
		}
		dir = path.Dir(dir)
	}
}
