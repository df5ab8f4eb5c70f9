package rule

import (
	"cmp"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Options is what loading needs beside the files.
type Options struct {
	Root    string // the folder on disk that fsys is, for relative paths; "" for none
	Shipped fs.FS  // packs that come with the program, a folder each; may be nil
	NoTests bool   // leave the rule tests, and what they are given, alone: for running
}

// Load reads a rule set: all *.yaml, *.yml and *.jq in the folder and those below, and the files that they name. It reports
// everything that is wrong in one go, in file order. The Set is never nil; when errs has failed it holds what could be read,
// for the texts of its files and for finding more that is wrong.
//
// A folder with a pack: document is a pack. It is part of the set where the engine document uses it; a set without an engine
// document, such as a pack that is being written, uses all packs in it with their defaults.
func Load(fsys fs.FS, o Options) (*Set, diag.List) {
	return build(&shelf{site: fsys, shipped: o.Shipped, kept: map[string][]byte{}}, o)
}

// LoadFiles is Load from the Files of an earlier Set: shipped packs come from there too, so an old version stays what it was.
func LoadFiles(files map[string][]byte, o Options) (*Set, diag.List) {
	return build(&shelf{given: files, kept: map[string][]byte{}}, o)
}

// builder makes a Set of files.
type builder struct {
	o     Options
	shelf *shelf
	set   *Set
	errs  diag.List
	docs  []*document
	used  map[string]*bind.Node // packs in use, and what the site says of their settings; nil: nothing
	dirs  map[string]string     // folders of packs
}

// document is one, before it is decoded.
type document struct {
	kind, name, file, pack string
	node                   *bind.Node
	override               bool
	also                   []string // folders of the documents that override it
}

// place is where the document's name is written.
func (d *document) place() diag.Pos { return d.node.Items[0].Pos }

func build(s *shelf, o Options) (*Set, diag.List) {
	if abs, err := filepath.Abs(o.Root); err == nil && o.Root != "" {
		o.Root = abs
	}
	b := &builder{o: o, shelf: s, set: &Set{Files: s.kept}, used: map[string]*bind.Node{}, dirs: map[string]string{}}
	names, errs := s.rules()
	b.errs.Add(errs...)
	b.read(names)
	b.packs()
	slices.SortStableFunc(b.docs, func(x, y *document) int { return cmp.Compare(x.file, y.file) })
	b.merge()
	b.decode()
	b.set.Version = version(s.kept) // what tests are given is not part of it
	if !o.NoTests {
		b.tests()
	}
	b.references()
	b.errs.Sort()
	return b.set, b.errs
}

// read parses the documents of files, and keeps jq modules.
func (b *builder) read(names []string) {
	for _, name := range names {
		src, err := b.shelf.read(name)
		switch {
		case err != nil:
			b.errs.Add(diag.Errorf(diag.Pos{File: name}, "this file cannot be read: %s", reason(err)))
		case isYAML(name):
			b.parse(name, src)
		}
	}
}

func isYAML(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// base is the folder on disk that paths in a file are relative to; "" where there is none.
func (b *builder) base(file string) string {
	switch {
	case b.o.Root == "":
		return ""
	case inShipped(file):
		return b.o.Root // a shipped pack has no folder of its own
	}
	return filepath.Join(b.o.Root, filepath.FromSlash(path.Dir(file)))
}

// tests decodes the rule tests.
func (b *builder) tests() {
	r := &reader{open: b.open}
	for _, d := range b.docs {
		if d.kind != "test" {
			continue
		}
		doc := r.doc(d.node, d.file, d.pack)
		doc.also = d.also
		t := r.test(doc)
		t.Digest = b.digest(&t.Doc, nil)
		b.set.Tests = append(b.set.Tests, t)
	}
	b.errs.Add(r.errs...)
}

// decode turns all other documents into the Set.
func (b *builder) decode() {
	r := &reader{open: b.open}
	for _, d := range b.docs {
		if d.kind == "test" {
			continue
		}
		doc := r.doc(d.node, d.file, d.pack)
		doc.also = d.also
		switch d.kind {
		case "engine":
			b.set.Engine = r.engine(doc)
			b.set.Engine.Digest = b.digest(&b.set.Engine.Doc, nil)
		case "pack":
			p := r.pack(doc)
			p.Dir = path.Dir(d.file)
			b.values(r, p)
			p.Digest = b.digest(&p.Doc, nil)
			b.set.Packs = append(b.set.Packs, p)
		case "system":
			b.set.Systems = append(b.set.Systems, r.system(doc))
		case "route":
			b.set.Routes = append(b.set.Routes, r.route(doc))
		case "map":
			m := r.mapDoc(doc)
			m.Digest = b.digest(&m.Doc, m.Entries)
			b.set.Maps = append(b.set.Maps, m)
		}
	}
	b.errs.Add(r.errs...)
	// What a pack's settings say is part of what its documents say.
	for _, s := range b.set.Systems {
		s.Digest = b.digest(&s.Doc, b.packValues(s.Pack))
	}
	for _, rt := range b.set.Routes {
		rt.Digest = b.digest(&rt.Doc, b.packValues(rt.Pack))
	}
}

// references checks the names that this package knows of.
func (b *builder) references() {
	var routes []string
	for _, d := range b.docs {
		if d.kind == "route" {
			routes = append(routes, d.name)
		}
	}
	for _, t := range b.set.Tests {
		if n := t.Node.Get("route"); t.Route != "" && !slices.Contains(routes, t.Route) && !b.set.Lost("route", t.Route) {
			e := diag.Errorf(n.Pos, "there is no route %q", t.Route)
			e.Hint, e.Len = diag.DidYouMean(t.Route, routes), len([]rune(t.Route))
			b.errs.Add(e)
		}
		b.testSettings(t)
	}
}
