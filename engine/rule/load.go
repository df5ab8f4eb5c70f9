package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Options is what loading needs beside the files.
type Options struct {
	Root    string // the folder on disk that fsys is, for relative paths; "" for none
	Shipped fs.FS  // packs that come with the program, a folder each; may be nil
}

// Bounds of a whole set.
const (
	maxFiles = 20000
	maxBytes = 256 << 20
)

// packPrefix begins the names of a shipped pack's files.
const packPrefix = "pack:"

// Load reads a rule set. The set comes back, as far as it could be read, even when errs has failed, for the texts of its files.
func Load(fsys fs.FS, o Options) (*Set, diag.List) {
	files, errs := readAll(fsys)
	s, more := build(files, o)
	errs.Add(more...)
	errs.Sort()
	return s, errs
}

// LoadFiles is Load from the Files of an earlier Set. Shipped packs come from there too, not from Options.
func LoadFiles(files map[string][]byte, o Options) (*Set, diag.List) {
	o.Shipped = nil
	s, errs := build(files, o)
	errs.Sort()
	return s, errs
}

// ours says whether a file belongs to a rule set by its name.
func ours(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".jq", ".csv", ".json":
		return true
	}
	return false
}

// readAll reads all files that can be rules. Folders that begin with a dot are left out (Kubernetes keeps what it swaps in
// ..data, and links to it from the root), and so is a folder with a journal in it.
func readAll(fsys fs.FS) (map[string][]byte, diag.List) {
	files := map[string][]byte{}
	var errs diag.List
	total := 0
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, err := fs.ReadDir(fsys, dir)
		if err != nil {
			errs.Add(diag.Errorf(diag.Pos{File: dir}, "this folder cannot be read: %s", reason(err)))
			return
		}
		if dir != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "journal.db" || e.Name() == ".njia-ignore" }) {
			return
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" {
				continue
			}
			st, err := fs.Stat(fsys, name) // follows links
			if err != nil {
				if ours(name) {
					errs.Add(diag.Errorf(diag.Pos{File: name}, "this file cannot be read: %s", reason(err)))
				}
				continue
			}
			if st.IsDir() {
				if depth < 16 {
					walk(name, depth+1)
				}
				continue
			}
			if !ours(name) || strings.HasSuffix(e.Name(), "~") {
				continue
			}
			if st.Size() > maxFile {
				errs.Add(diag.Errorf(diag.Pos{File: name}, "the file is larger than %d MB", maxFile>>20).WithHint("data does not belong among the rules; a folder with a file .njia-ignore in it is left out"))
				continue
			}
			b, err := fs.ReadFile(fsys, name)
			if err != nil {
				errs.Add(diag.Errorf(diag.Pos{File: name}, "this file cannot be read: %s", reason(err)))
				continue
			}
			total += len(b)
			if len(files) >= maxFiles || total > maxBytes {
				errs.Add(diag.Errorf(diag.Pos{File: name}, "the rule set has too many or too large files").WithHint("keep data in a folder of its own, outside, or with a file .njia-ignore in it"))
				return
			}
			files[name] = b
		}
	}
	walk(".", 0)
	return files, errs
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// builder makes a Set of files.
type builder struct {
	o     Options
	set   *Set
	errs  diag.List
	found map[string]*bind.Node // kind/name → its first key's value, for duplicates
	docs  []*document
	used  map[string]*bind.Node // packs in use
}

// document is one, before it is decoded.
type document struct {
	kind, name, file, pack string
	node                   *bind.Node
	override               bool
}

func build(files map[string][]byte, o Options) (*Set, diag.List) {
	b := &builder{o: o, set: &Set{Files: map[string][]byte{}}, found: map[string]*bind.Node{}}
	for _, name := range sortedNames(files) {
		b.set.Files[name] = files[name]
	}
	for _, name := range sortedNames(files) {
		if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
			b.parse(name, files[name])
		}
	}
	b.packs()
	b.merge()
	b.decode()
	b.references()
	b.set.Version = version(b.set.Files)
	return b.set, b.errs
}

func sortedNames(files map[string][]byte) []string {
	out := make([]string, 0, len(files))
	for n := range files {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func version(files map[string][]byte) string {
	h := sha256.New()
	for _, n := range sortedNames(files) {
		fmt.Fprintf(h, "%s\x00%d\x00", n, len(files[n]))
		h.Write(files[n])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// parse splits a file into documents.
func (b *builder) parse(name string, src []byte) {
	nodes, errs := Parse(name, src)
	b.errs.Add(errs...)
	if len(nodes) == 0 && len(errs) == 0 && len(strings.TrimSpace(string(src))) == 0 {
		b.errs.Add(diag.Errorf(diag.Pos{File: name, Line: 1, Col: 1}, "the file is empty").WithHint("it may be half written; a document begins with one of %s", strings.Join(kinds, ", ")))
	}
	for _, n := range nodes {
		if n.Kind != bind.Map || len(n.Keys) == 0 {
			b.errs.Add(diag.Errorf(n.Pos, "a document is a map, this is %s", n.Kind).WithHint("it begins with one of %s", strings.Join(kinds, ", ")))
			continue
		}
		d := &document{kind: n.Keys[0].Name, file: name, node: n}
		if !slices.Contains(kinds, d.kind) {
			e := diag.Errorf(n.Keys[0].Pos, "a document begins with what it declares, and there is no kind %q", d.kind)
			for _, k := range n.Keys[1:] {
				if slices.Contains(kinds, k.Name) && k.Name != "map" && k.Name != "route" {
					e.Hint = fmt.Sprintf("put %s: first", k.Name)
				}
			}
			if e.Hint == "" {
				e.Hint = diag.DidYouMean(d.kind, kinds)
			}
			e.Len = len(d.kind)
			b.errs.Add(e)
			continue
		}
		if d.kind == "port" {
			b.errs.Add(diag.Errorf(n.Keys[0].Pos, "this version has no ports yet"))
			continue
		}
		v := n.Items[0]
		if v.Kind != bind.String && v.Kind != bind.Number || v.Text == "" {
			b.errs.Add(diag.Errorf(v.Pos, "the name of this %s is missing", d.kind).WithHint("write %s: NAME", d.kind))
			continue
		}
		d.name = v.Text
		if d.kind != "test" && !kebab.MatchString(d.name) {
			e := diag.Errorf(v.Pos, "names are small letters, digits and dashes, this is %q", d.name)
			e.Hint, e.Len = "write "+toKebab(d.name), len([]rune(d.name))
			b.errs.Add(e)
		}
		if o := n.Get("override"); o != nil {
			if o.Kind != bind.Bool {
				b.errs.Add(diag.Errorf(o.Pos, "override is true or false"))
			}
			d.override = o.Text == "true"
		}
		b.docs = append(b.docs, d)
	}
}

func toKebab(s string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			out.WriteRune(r)
		} else if out.Len() > 0 && !strings.HasSuffix(out.String(), "-") {
			out.WriteByte('-')
		}
	}
	t := strings.Trim(out.String(), "-")
	if t == "" || t[0] >= '0' && t[0] <= '9' {
		t = "x-" + t
	}
	return t
}

// packs finds the packs in use, and gives each document the pack it belongs to.
func (b *builder) packs() {
	var eng *document
	for _, d := range b.docs {
		if d.kind == "engine" && !inPackName(d.file) {
			eng = d
		}
	}
	b.used = map[string]*bind.Node{}
	local := map[string]*document{} // packs whose folder is in the set
	for _, d := range b.docs {
		if d.kind == "pack" {
			local[d.name] = d
		}
	}
	if eng != nil {
		r := &reader{}
		e := r.engine(r.doc(eng.node, eng.file, ""))
		var known []string
		for n := range local {
			known = append(known, n)
		}
		if b.o.Shipped != nil {
			if es, err := fs.ReadDir(b.o.Shipped, "."); err == nil {
				for _, x := range es {
					if x.IsDir() {
						known = append(known, x.Name())
					}
				}
			}
		}
		for name, n := range e.Packs {
			b.used[name] = n
			if local[name] == nil && !b.shipped(name) {
				delete(b.used, name)
				pos := n.Pos
				for i, k := range eng.node.Get("packs").Keys {
					if k.Name == name {
						pos = eng.node.Get("packs").Keys[i].Pos
					}
				}
				er := diag.Errorf(pos, "there is no pack %q", name)
				er.Hint, er.Len = diag.DidYouMean(name, known), len(name)
				b.errs.Add(er)
			}
		}
	} else {
		for name, d := range local {
			b.used[name] = &bind.Node{Kind: bind.Map, Pos: d.node.Pos}
		}
	}
	// A document belongs to the pack whose folder it is in.
	dirs := map[string]string{}
	for _, d := range b.docs {
		if d.kind == "pack" {
			dirs[path.Dir(d.file)] = d.name
		}
	}
	kept := b.docs[:0]
	for _, d := range b.docs {
		d.pack = packOf(d.file, dirs)
		if d.pack != "" && b.used[d.pack] == nil {
			continue // a pack that lies here and is not in use
		}
		kept = append(kept, d)
	}
	b.docs = kept
}

func inPackName(file string) bool { return strings.HasPrefix(file, packPrefix) }

func packOf(file string, dirs map[string]string) string {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if p, ok := dirs[dir]; ok {
			return p
		}
		if dir == "." || dir == "/" || path.Dir(dir) == dir {
			return ""
		}
	}
}

// shipped reads a pack that came with the program into the set.
func (b *builder) shipped(name string) bool {
	for f := range b.set.Files {
		if strings.HasPrefix(f, packPrefix+name+"/") {
			return true // from the journal's copy: its documents are parsed already
		}
	}
	if b.o.Shipped == nil {
		return false
	}
	sub, err := fs.Sub(b.o.Shipped, name)
	if err != nil {
		return false
	}
	if st, err := fs.Stat(b.o.Shipped, name); err != nil || !st.IsDir() {
		return false
	}
	files, errs := readAll(sub)
	b.errs.Add(errs...)
	for _, f := range sortedNames(files) {
		full := packPrefix + name + "/" + f
		b.set.Files[full] = files[f]
		if ext := path.Ext(f); ext == ".yaml" || ext == ".yml" {
			b.parse(full, files[f])
		}
	}
	return true
}

// base is the folder on disk of a file, for relative paths; "" where it is on none.
func (b *builder) base(file string) string {
	if b.o.Root == "" {
		return ""
	}
	if inPackName(file) {
		return b.o.Root // a shipped pack has no folder of its own
	}
	return filepath.Join(b.o.Root, filepath.FromSlash(path.Dir(file)))
}

// decode turns documents into the Set.
func (b *builder) decode() {
	r := &reader{files: b.set.File}
	for _, d := range b.docs {
		setBase(d.node, b.base(d.file))
		doc := r.doc(d.node, d.file, d.pack)
		switch d.kind {
		case "engine":
			if d.pack != "" {
				r.errs.Add(diag.Errorf(doc.Pos, "an engine document belongs to a site, not to a pack"))
				continue
			}
			if b.set.Engine != nil {
				r.errs.Add(diag.Errorf(doc.Pos, "a rule set has one engine document, the first is at %s", b.set.Engine.Pos))
				continue
			}
			b.set.Engine = r.engine(doc)
		case "pack":
			p := r.pack(doc)
			p.Dir = path.Dir(d.file)
			b.values(r, p)
			b.set.Packs = append(b.set.Packs, p)
		case "system":
			b.set.Systems = append(b.set.Systems, r.system(doc))
		case "route":
			b.set.Routes = append(b.set.Routes, r.route(doc))
		case "map":
			b.set.Maps = append(b.set.Maps, r.mapDoc(doc))
		case "test":
			b.set.Tests = append(b.set.Tests, r.test(doc))
		}
	}
	b.errs.Add(r.errs...)
	for _, s := range b.set.Systems {
		s.Digest = docDigest(s.Node, nil)
	}
	for _, m := range b.set.Maps {
		s := docDigest(m.Node, m.Entries)
		m.Digest = s
	}
	jq := b.moduleDigest()
	for _, rt := range b.set.Routes {
		rt.Digest = docDigest(rt.Node, []any{jq[rt.Pack], b.packValues(rt.Pack), b.fileDigest(rt)})
	}
}

// moduleDigest names the text of all jq modules a pack's routes can import: a change of one is a change of the routes.
func (b *builder) moduleDigest() map[string]string {
	dirs := map[string]string{}
	for _, p := range b.set.Packs {
		dirs[p.Dir] = p.Name
	}
	hashes := map[string][]string{}
	for _, n := range sortedNames(b.set.Files) {
		if path.Ext(n) == ".jq" {
			h := sha256.Sum256(b.set.Files[n])
			p := packOf(n, dirs)
			hashes[p] = append(hashes[p], n+hex.EncodeToString(h[:8]))
		}
	}
	out := map[string]string{}
	for p, hs := range hashes {
		out[p] = strings.Join(hs, ",")
	}
	return out
}

func (b *builder) packValues(name string) any {
	for _, p := range b.set.Packs {
		if p.Name == name {
			return p.Values
		}
	}
	return nil
}

// fileDigest names the schemas that a route refers to.
func (b *builder) fileDigest(rt *Route) string {
	var out []string
	var walk func(n *bind.Node)
	walk = func(n *bind.Node) {
		if n.Kind == bind.String && strings.HasSuffix(n.Text, ".json") {
			if src, _, err := b.set.File(&rt.Doc, n.Text); err == nil {
				h := sha256.Sum256(src)
				out = append(out, hex.EncodeToString(h[:8]))
			}
		}
		for _, i := range n.Items {
			walk(i)
		}
	}
	walk(rt.Node)
	return strings.Join(out, ",")
}

func docDigest(n *bind.Node, more any) string {
	b, err := json.Marshal([]any{n.Value(), more})
	if err != nil {
		b = []byte(err.Error())
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

func setBase(n *bind.Node, base string) {
	if n.Base != "" || base == "" {
		if n.Base != "" {
			base = n.Base
		} else {
			return
		}
	}
	n.Base = base
	for _, i := range n.Items {
		setBase(i, base)
	}
}

// values checks what the site chose for a pack's settings.
func (b *builder) values(r *reader, p *Pack) {
	for n, s := range p.Settings {
		p.Values[n] = s.Default
	}
	if site := b.used[p.Name]; site != nil {
		r.choose(p, site, p.Values)
	}
}

// choose checks settings as somebody wrote them, and puts them into values.
func (r *reader) choose(p *Pack, written *bind.Node, values map[string]any) {
	names := make([]string, 0, len(p.Settings))
	for n := range p.Settings {
		names = append(names, n)
	}
	sort.Strings(names)
	if written.Kind != bind.Map {
		r.at(written, "the settings of pack %s are a map, this is %s", p.Name, written.Kind)
		return
	}
	for i, k := range written.Keys {
		s := p.Settings[k.Name]
		if s == nil {
			e := diag.Errorf(k.Pos, "pack %s has no setting %q", p.Name, k.Name)
			e.Hint, e.Len = diag.DidYouMean(k.Name, names), len(k.Name)
			r.errs.Add(e)
			continue
		}
		v := written.Items[i].Value()
		if v == nil {
			values[k.Name] = nil
			continue
		}
		if s.Type == "text" && written.Items[i].Kind == bind.Number {
			v = written.Items[i].Text
		}
		if want := misfit(s, v); want != "" {
			e := r.at(written.Items[i], "%s of pack %s is %s, this is %s", k.Name, p.Name, want, describeNode(written.Items[i]))
			e.Hint = s.About
			continue
		}
		values[k.Name] = v
	}
}

func describeNode(n *bind.Node) string {
	if n.Kind == bind.List || n.Kind == bind.Map || n.Kind == bind.Null {
		return n.Kind.String()
	}
	return fmt.Sprintf("%q", n.Text)
}

// references checks the names that this package knows of.
func (b *builder) references() {
	routes := make([]string, 0, len(b.set.Routes))
	for _, r := range b.set.Routes {
		routes = append(routes, r.Name)
	}
	for _, t := range b.set.Tests {
		if t.Route != "" && !slices.Contains(routes, t.Route) {
			n := t.Node.Get("route")
			e := diag.Errorf(n.Pos, "there is no route %q", t.Route)
			e.Hint, e.Len = diag.DidYouMean(t.Route, routes), len(t.Route)
			b.errs.Add(e)
		}
		b.testSettings(t)
	}
}

// testSettings gives every turn of a test the settings of its route's pack.
func (b *builder) testSettings(t *Test) {
	var pack *Pack
	for _, r := range b.set.Routes {
		for _, p := range b.set.Packs {
			if r.Name == t.Route && p.Name == r.Pack {
				pack = p
			}
		}
	}
	for i := range t.Turns {
		g := &t.Turns[i].Given
		switch {
		case pack == nil && g.settings != nil:
			b.errs.Add(diag.Errorf(g.settings.Pos, "route %s is of no pack, so it has no settings", t.Route))
			continue
		case pack == nil || g.settings == nil && t.Pack != pack.Name:
			continue
		}
		g.Settings = map[string]any{}
		for name, s := range pack.Settings {
			g.Settings[name] = s.Default
			if t.Pack != pack.Name {
				g.Settings[name] = pack.Values[name]
			}
		}
		if g.settings != nil {
			r := &reader{}
			r.choose(pack, g.settings, g.Settings)
			b.errs.Add(r.errs...)
		}
	}
}
