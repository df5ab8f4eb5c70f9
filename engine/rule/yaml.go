package rule

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Limits of one YAML file. They are far above what people write, and keep a mistake from taking all memory.
const (
	maxFile  = 16 << 20  // bytes
	maxDepth = 100       // maps and lists within each other
	maxNodes = 1_000_000 // values once every alias is written out
)

// Parse reads the YAML documents of a file. Documents with nothing in them are left out. Booleans are those of YAML 1.2, so on,
// yes and NO are text; numbers are those of JSON and keep their digits, so 012, +254 and 1_000 are text; dates are text.
// A document that is wrong does not keep the others from being read. file is the name for places.
func Parse(file string, src []byte) ([]*bind.Node, diag.List) {
	return parse(file, "", src)
}

func parse(file, base string, src []byte) ([]*bind.Node, diag.List) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if e := readable(file, src); e != nil {
		return nil, diag.List{*e}
	}
	var docs []*bind.Node
	var errs diag.List
	for _, c := range split(string(src)) {
		r := parser{file: file, base: base, chunk: c, memo: map[*yaml.Node]*entry{}}
		if n := r.document(); n != nil {
			docs = append(docs, n)
		}
		errs.Add(r.errs...)
	}
	errs.Sort()
	return docs, errs
}

// parser turns one document into a tree.
type parser struct {
	file, base string
	chunk
	errs  diag.List
	memo  map[*yaml.Node]*entry
	large bool
}

// entry is what a YAML node became. A node that aliases point to is read once.
type entry struct {
	node  *bind.Node
	size  int // values in it, aliases written out
	depth int
	open  bool
}

func (r *parser) document() *bind.Node {
	for i, l := range r.lines {
		if strings.HasPrefix(l, "%") {
			r.errs.Add(diag.Errorf(r.pos(i+1, 1), "a line with %% at the start of a document is a directive, and none is known here").WithHint("delete the line"))
			return nil
		}
		if t := strings.TrimSpace(l); t != "" && t[0] != '#' {
			break
		}
	}
	var root yaml.Node
	err := compose(strings.Join(r.lines, "\n")+"\n", &root)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		r.errs.Add(r.syntax(err))
		return nil
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil
	}
	e := r.read(root.Content[0])
	if e.node.Kind == bind.Null && len(r.errs) == 0 {
		return nil
	}
	return e.node
}

func compose(src string, root *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errUnreadable
		}
	}()
	l, err := yaml.NewLoader(strings.NewReader(src), yaml.WithSingleDocument(true), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return err
	}
	return l.Load(root)
}

var errUnreadable = errors.New("unreadable")

// pos is a place in the file of a line and column of the chunk.
func (r *parser) pos(line, col int) diag.Pos {
	return diag.Pos{File: r.file, Line: r.first + line, Col: col}
}

func (r *parser) read(n *yaml.Node) *entry {
	if n.Kind == yaml.AliasNode {
		return r.alias(n)
	}
	if e := r.memo[n]; e != nil {
		return e
	}
	e := &entry{node: &bind.Node{Pos: r.pos(n.Line, n.Column), Base: r.base}, size: 1, open: true}
	r.memo[n] = e
	switch n.Kind {
	case yaml.MappingNode:
		r.mapping(n, e)
	case yaml.SequenceNode:
		r.tag(n, "!!seq")
		e.node.Kind, e.node.Items = bind.List, make([]*bind.Node, len(n.Content))
		for i, c := range n.Content {
			e.node.Items[i] = r.under(c, e)
		}
	default:
		r.scalar(n, e.node)
	}
	e.open = false
	return e
}

// under reads a child and counts it.
func (r *parser) under(n *yaml.Node, parent *entry) *bind.Node {
	c := r.read(n)
	parent.size += c.size
	parent.depth = max(parent.depth, c.depth+1)
	if parent.size > maxNodes || parent.depth > 2*maxDepth {
		r.tooLarge(n)
	}
	if r.large {
		return &bind.Node{Pos: c.node.Pos, Base: r.base}
	}
	return c.node
}

func (r *parser) alias(n *yaml.Node) *entry {
	e := r.memo[n.Alias]
	if e == nil {
		e = r.read(n.Alias)
	}
	if e.open {
		r.errs.Add(diag.Errorf(r.pos(n.Line, n.Column), "*%s stands inside the value that it repeats, so there is no end to it", n.Value))
		return &entry{node: &bind.Node{Pos: r.pos(n.Line, n.Column), Base: r.base}, size: 1}
	}
	return e
}

func (r *parser) mapping(n *yaml.Node, e *entry) {
	out := e.node
	r.tag(n, "!!map")
	out.Kind = bind.Map
	out.Keys, out.Items = make([]bind.Key, 0, len(n.Content)/2), make([]*bind.Node, 0, len(n.Content)/2)
	seen := make(map[string]diag.Pos, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Tag == "!!merge" {
			merges = append(merges, v)
			continue
		}
		key, ok := r.key(k)
		if !ok {
			continue
		}
		if first, twice := seen[key.Name]; twice {
			err := diag.Errorf(key.Pos, "the key %s stands twice in this map; the first is at %s", key.Name, first).
				WithHint("keep one of them")
			err.Len = utf8.RuneCountInString(key.Name)
			r.errs.Add(err)
			continue
		}
		seen[key.Name] = key.Pos
		out.Keys = append(out.Keys, key)
		out.Items = append(out.Items, r.under(v, e))
	}
	for _, m := range merges {
		r.merge(m, e, seen)
	}
}

// key reads a map's key: text, or a number or true as they are written.
func (r *parser) key(n *yaml.Node) (bind.Key, bool) {
	pos := r.pos(n.Line, n.Column)
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		e := diag.Errorf(pos, "a key is text, this is a list or a map").
			WithHint("an expression or text that begins with [ or { has to stand in quotes")
		if before, _ := r.from(n.Line, n.Column-1); strings.HasPrefix(before, "{{") {
			e.Hint = "an expression is written ${…}"
		}
		r.errs.Add(e)
		return bind.Key{}, false
	}
	if n.Tag == "!!null" && n.Value == "" {
		r.errs.Add(diag.Errorf(pos, "there is no key before this colon"))
		return bind.Key{}, false
	}
	if n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str" {
		r.errs.Add(r.badTag(n))
		return bind.Key{}, false
	}
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		line, col := r.content(n)
		pos = r.pos(line, col)
	}
	return bind.Key{Name: n.Value, Pos: pos}, true
}

// merge puts the entries of << behind those that are there; earlier ones win.
func (r *parser) merge(n *yaml.Node, e *entry, seen map[string]diag.Pos) {
	from := r.read(n)
	maps := []*bind.Node{from.node}
	if from.node.Kind == bind.List {
		maps = from.node.Items
	}
	e.depth = max(e.depth, from.depth)
	if e.size += from.size; e.size > maxNodes {
		r.tooLarge(n)
		return
	}
	for _, m := range maps {
		if m.Kind != bind.Map {
			r.errs.Add(diag.Errorf(r.pos(n.Line, n.Column), "<< takes a map, or a list of maps, to copy entries from; this is %s", m.Kind).
				WithHint("write <<: *NAME, where NAME is an anchor (&NAME) on a map"))
			return
		}
		for i, k := range m.Keys {
			if _, there := seen[k.Name]; !there {
				seen[k.Name] = k.Pos
				e.node.Keys = append(e.node.Keys, k)
				e.node.Items = append(e.node.Items, m.Items[i])
			}
		}
	}
}

// tooLarge says so once.
func (r *parser) tooLarge(n *yaml.Node) {
	if !r.large {
		r.large = true
		r.errs.Add(diag.Errorf(r.pos(n.Line, n.Column), "with all its aliases written out, this document has more than %d values, or nests deeper than %d", maxNodes, 2*maxDepth).
			WithHint("use fewer aliases (*name)"))
	}
}

// tag refuses tags that mean nothing here.
func (r *parser) tag(n *yaml.Node, fits string) {
	if n.Style&yaml.TaggedStyle != 0 && n.Tag != fits {
		r.errs.Add(r.badTag(n))
	}
}

func (r *parser) badTag(n *yaml.Node) diag.Error {
	rest, _ := r.from(n.Line, n.Column)
	word, _, _ := strings.Cut(rest, " ")
	e := diag.Errorf(r.pos(n.Line, n.Column), "YAML takes text that begins with ! for a tag, and knows no tag %s", word)
	e.Len = utf8.RuneCountInString(word)
	return e.WithHint("put the whole value into single quotes: '%s'", strings.TrimSpace(rest))
}
