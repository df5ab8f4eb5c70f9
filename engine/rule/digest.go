package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/bind"
)

// version names the content of all files of a set.
func version(files map[string][]byte) string {
	h := sha256.New()
	for _, n := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s\x00%d\x00", n, len(files[n]))
		h.Write(files[n])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// digest names what a document says, and what the files say that it needs to run: schemas, jq modules. It knows nothing of
// comments, places and the order of keys. It also puts those files into the set.
func (b *builder) digest(d *Doc, more any) string {
	n := needs{b: b, d: d, files: map[string]string{}}
	n.walk(d.Node, "")
	text, err := json.Marshal([]any{d.Node.Value(), more, n.files})
	if err != nil {
		text = []byte(err.Error())
	}
	return short(text)
}

func short(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// needs finds the files that a document names.
type needs struct {
	b     *builder
	d     *Doc
	files map[string]string // how it is named → digest of its text
}

func (n *needs) walk(node *bind.Node, key string) {
	switch {
	case node.Kind == bind.Map:
		for i, k := range node.Keys {
			n.walk(node.Items[i], k.Name)
		}
	case node.Kind == bind.List:
		for _, item := range node.Items {
			n.walk(item, key)
		}
	case node.Kind != bind.String:
	case path.Ext(node.Text) == ".jq" || key == "schema":
		if src, file, err := n.b.open(n.d, node.Pos.File, node.Text); err == nil {
			n.files[node.Text] = short(src)
			n.imports(path.Dir(file), string(src))
		}
	default:
		n.imports(path.Dir(n.d.File), node.Text)
	}
}

// imported finds the modules that a jq program names: import "x" as y; include "x";
var imported = regexp.MustCompile(`\b(?:import|include)\s+"([^"\\]+)"`)

func (n *needs) imports(dir, program string) {
	if !strings.Contains(program, "import") && !strings.Contains(program, "include") {
		return
	}
	for _, m := range imported.FindAllStringSubmatch(program, -1) {
		for _, file := range candidates(dir, m[1]) {
			src, err := n.b.shelf.read(file)
			if err != nil {
				continue
			}
			if _, done := n.files["import "+file]; !done {
				n.files["import "+file] = short(src)
				n.imports(path.Dir(file), string(src))
			}
		}
	}
}

// open reads a file that a document names, relative to the file in which the name is written.
func (b *builder) open(d *Doc, in, rel string) (src []byte, file string, err error) {
	for _, dir := range append([]string{path.Dir(in), path.Dir(d.File)}, d.also...) {
		if file, err = inside(dir, rel); err != nil {
			return nil, "", err
		}
		if src, err = b.shelf.read(file); err == nil {
			return src, file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("%s cannot be read: %s", file, reason(err))
		}
	}
	file, _ = inside(path.Dir(in), rel)
	return nil, "", fmt.Errorf("there is no file %s", file)
}
