package rule

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Bounds of one file.
const (
	maxFile  = 8 << 20
	maxNodes = 1 << 20 // after aliases are followed
	maxNest  = 64
)

// Parse reads the YAML documents of a file. Each comes back with the exact place of everything in it.
func Parse(file string, src []byte) (docs []*bind.Node, errs diag.List) {
	defer func() { // the library is young
		if p := recover(); p != nil {
			docs, errs = nil, diag.List{diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "this file cannot be read as YAML")}
		}
	}()
	p := &parser{file: file}
	if len(src) > maxFile {
		return nil, diag.List{diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "the file is larger than %d MB", maxFile>>20)}
	}
	if !utf8.Valid(src) {
		return nil, diag.List{p.notUTF8(src)}
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	p.lines = strings.Split(string(src), "\n")
	for i := range p.lines {
		p.lines[i] = strings.TrimSuffix(p.lines[i], "\r")
	}
	if e, bad := p.tabs(); bad {
		return nil, diag.List{e}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, diag.List{diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "this file cannot be read as YAML")}
	}
	for {
		var root yaml.Node
		err := loader.Load(&root)
		if errors.Is(err, io.EOF) {
			return docs, p.errs
		}
		if err != nil {
			p.errs.Add(p.syntax(err))
			return docs, p.errs
		}
		n := &root
		if n.Kind == yaml.DocumentNode {
			if len(n.Content) == 0 {
				continue
			}
			n = n.Content[0]
		}
		if n.Kind == 0 || n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == "" {
			continue // a document of comments only
		}
		docs = append(docs, p.node(n, 0))
	}
}

type parser struct {
	file  string
	lines []string
	errs  diag.List
	nodes int
}

func (p *parser) pos(line, col int) diag.Pos { return diag.Pos{File: p.file, Line: line, Col: col} }

func (p *parser) notUTF8(src []byte) diag.Error {
	line, col := 1, 1
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n <= 1 {
			break
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
		src = src[n:]
	}
	return diag.Errorf(p.pos(line, col), "this is not UTF-8 text").WithHint("save the file as UTF-8")
}

// tabs finds a tab that indents: YAML takes spaces only, and what the library says of it is far from the tab.
func (p *parser) tabs() (diag.Error, bool) {
	block := -1 // indentation of the key whose block scalar we are in
	for i, l := range p.lines {
		trimmed := strings.TrimLeft(l, " \t")
		lead := l[:len(l)-len(trimmed)]
		if trimmed == "" {
			continue
		}
		if block >= 0 && len(lead) > block {
			continue
		}
		block = -1
		if t := strings.IndexByte(lead, '\t'); t >= 0 && !strings.HasPrefix(trimmed, "#") {
			return diag.Errorf(p.pos(i+1, t+1), "a tab indents this line").WithHint("YAML is indented with spaces"), true
		}
		if blockStart.MatchString(l) {
			block = len(lead)
		}
	}
	return diag.Error{}, false
}

var blockStart = regexp.MustCompile(`(^|[:\-] +)[|>][+\-0-9]*\s*(#.*)?$`)

// node turns the library's node into ours.
func (p *parser) node(n *yaml.Node, depth int) *bind.Node {
	out := &bind.Node{Pos: p.pos(n.Line, n.Column)}
	p.nodes++
	if p.nodes > maxNodes || depth > maxNest {
		if p.nodes <= maxNodes+1 || depth == maxNest+1 {
			p.errs.Add(diag.Errorf(out.Pos, "this document is too large or too deeply nested").WithHint("aliases that refer to aliases grow fast"))
		}
		return out
	}
	switch n.Kind {
	case yaml.AliasNode:
		if n.Alias != nil {
			a := *p.node(n.Alias, depth+1)
			return &a
		}
	case yaml.SequenceNode:
		out.Kind = bind.List
		for _, c := range n.Content {
			out.Items = append(out.Items, p.node(c, depth+1))
		}
	case yaml.MappingNode:
		out.Kind = bind.Map
		p.mapping(n, out, depth)
	case yaml.ScalarNode:
		p.scalar(n, out)
	}
	return out
}

func (p *parser) mapping(n *yaml.Node, out *bind.Node, depth int) {
	var merges []*bind.Node
	first := map[string]diag.Pos{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		pos := p.pos(k.Line, k.Column)
		if k.Kind == yaml.AliasNode && k.Alias != nil {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			p.errs.Add(diag.Errorf(pos, "a key is one word, this is %s", kindWord(k)).WithHint("text that begins with { or [ must be quoted"))
			continue
		}
		if k.Value == "<<" && k.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
			m := p.node(v, depth+1)
			if m.Kind == bind.List {
				merges = append(merges, m.Items...)
			} else {
				merges = append(merges, m)
			}
			continue
		}
		if at, dup := first[k.Value]; dup {
			e := diag.Errorf(pos, "%s stands here twice, first in line %d", k.Value, at.Line)
			e.Len = utf8.RuneCountInString(k.Value)
			p.errs.Add(e)
			continue
		}
		first[k.Value] = pos
		out.Keys = append(out.Keys, bind.Key{Name: k.Value, Pos: pos})
		out.Items = append(out.Items, p.node(v, depth+1))
	}
	for _, m := range merges {
		if m.Kind != bind.Map {
			p.errs.Add(diag.Errorf(m.Pos, "<< puts in the keys of a map, this is %s", m.Kind))
			continue
		}
		for i, k := range m.Keys {
			if _, has := first[k.Name]; !has {
				first[k.Name] = k.Pos
				out.Keys = append(out.Keys, k)
				out.Items = append(out.Items, m.Items[i])
			}
		}
	}
}

func kindWord(n *yaml.Node) string {
	if n.Kind == yaml.SequenceNode {
		return "a list"
	}
	return "a map"
}

var (
	intLiteral   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	floatLiteral = regexp.MustCompile(`^[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?$`)
)

// scalar decides by the words of YAML 1.2's core schema: yes, no, on, off and dates are text, and so are numbers that begin
// with a zero: they are identifiers.
func (p *parser) scalar(n *yaml.Node, out *bind.Node) {
	out.Kind, out.Text = bind.String, n.Value
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		out.Style = bind.Literal
	case n.Style&yaml.FoldedStyle != 0:
		out.Style = bind.Folded
	case n.Style&yaml.SingleQuotedStyle != 0:
		out.Style = bind.SingleQuoted
	case n.Style&yaml.DoubleQuotedStyle != 0:
		out.Style = bind.DoubleQuoted
	default:
		p.plain(n, out)
	}
	p.place(n, out)
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		p.errs.Add(diag.Errorf(out.Pos, "rules have no tags such as %s", n.Tag))
	}
}

func (p *parser) plain(n *yaml.Node, out *bind.Node) {
	switch v := n.Value; {
	case n.Tag == "!!str":
		if floatLiteral.MatchString(v) && !(len(v) > 1 && v[0] == '0' && v[1] != '.') && v[0] != '+' && n.Style&yaml.TaggedStyle == 0 {
			out.Kind = bind.Number
		}
	case v == "" || v == "~" || v == "null" || v == "Null" || v == "NULL":
		out.Kind, out.Text = bind.Null, ""
	case v == "true" || v == "false":
		out.Kind = bind.Bool
	case v == "True" || v == "TRUE":
		out.Kind, out.Text = bind.Bool, "true"
	case v == "False" || v == "FALSE":
		out.Kind, out.Text = bind.Bool, "false"
	case intLiteral.MatchString(v) || floatLiteral.MatchString(v) && !(len(v) > 1 && v[0] == '0' && v[1] != '.' && v[1] != 'e' && v[1] != 'E'):
		out.Kind = bind.Number
		out.Text = jsonNumber(v)
	}
}

// jsonNumber writes a YAML number as JSON can.
func jsonNumber(v string) string {
	v = strings.TrimPrefix(v, "+")
	if strings.HasPrefix(v, ".") || strings.HasPrefix(v, "-.") {
		v = strings.Replace(v, ".", "0.", 1)
	}
	if i := strings.IndexByte(v, '.'); i >= 0 && (i+1 == len(v) || v[i+1] < '0' || v[i+1] > '9') {
		v = v[:i] + v[i+1:]
	}
	return v
}

// place finds where the text of a scalar stands, and whether it stands there letter by letter.
func (p *parser) place(n *yaml.Node, out *bind.Node) {
	line := func(i int) []rune {
		if i < 1 || i > len(p.lines) {
			return nil
		}
		return []rune(p.lines[i-1])
	}
	out.TextPos = out.Pos
	switch out.Style {
	case bind.Literal, bind.Folded:
		first := n.Line + 1
		indent := 0
		for i := first; i <= len(p.lines); i++ {
			if l := line(i); strings.TrimSpace(string(l)) != "" {
				indent = len(l) - len([]rune(strings.TrimLeft(string(l), " ")))
				break
			}
		}
		if i := strings.IndexAny(string(line(n.Line)), "|>"); i >= 0 { // an explicit indentation indicator
			if head := string(line(n.Line)); strings.ContainsAny(strings.TrimRight(head[i:], " "), "123456789") {
				indent = -1
			}
		}
		out.TextPos = p.pos(first, indent+1)
		out.Exact = out.Style == bind.Literal && indent >= 0
	case bind.SingleQuoted, bind.DoubleQuoted:
		out.TextPos.Col++
		l := line(n.Line)
		at := out.TextPos.Col - 1
		text := []rune(n.Value)
		out.Exact = at+len(text) < len(l) && string(l[at:at+len(text)]) == n.Value && (l[at+len(text)] == '"' || l[at+len(text)] == '\'')
	default:
		l := line(n.Line)
		at := out.Pos.Col - 1
		text := []rune(n.Value)
		out.Exact = at >= 0 && at+len(text) <= len(l) && string(l[at:at+len(text)]) == n.Value
	}
}

// syntax says in our words what the library found.
func (p *parser) syntax(err error) diag.Error {
	var le *yaml.LoadError
	pos, msg := p.pos(1, 1), err.Error()
	if errors.As(err, &le) {
		msg = le.Message
		if le.Mark.Line > 0 {
			pos = p.pos(le.Mark.Line, max(le.Mark.Column, 1))
		}
	} else {
		var many *yaml.LoadErrors
		if errors.As(err, &many) && len(many.Errors) > 0 {
			msg = many.Errors[0].Message
			if m := many.Errors[0].Mark; m.Line > 0 {
				pos = p.pos(m.Line, max(m.Column, 1))
			}
		}
	}
	return words(pos, msg)
}

// words are our texts for what the library says, by a part of its text.
func words(pos diag.Pos, msg string) diag.Error {
	for _, w := range []struct{ part, text, hint string }{
		{"mapping values are not allowed", "a second colon on this line, or a key where no key can be", "quote text that has a colon in it; give every key a line of its own, indented like its neighbours"},
		{"did not find expected key", "this line is not indented like the keys around it", "keys of one map begin in the same column"},
		{"did not find expected '-' indicator", "this line is not indented like the list around it", "items of one list begin in the same column"},
		{"did not find expected ',' or ']'", "a [ is not closed", "close it with ], and put a comma between items"},
		{"did not find expected ',' or '}'", "a { is not closed", "close it with }, and put a comma between keys; quote text that holds { or }"},
		{"found unexpected end of stream", "the file ends inside a quoted text", "close the quote"},
		{"could not find expected ':'", "a key without a colon", "write key: value"},
		{"found character that cannot start any token", "this character cannot begin a value", "quote the text: \"…\""},
		{"found unknown escape character", "this is no escape that YAML knows", "use single quotes, where \\ is an ordinary character"},
		{"unknown anchor", "the alias refers to an anchor that is not there", "an anchor (&name) stands before its aliases (*name), in the same document"},
		{"found undefined tag handle", "text that begins with ! must be quoted", "quote it"},
		{"block sequence entries are not allowed", "a list item cannot begin here", "put the - on a line of its own, below the key"},
		{"excessive aliasing", "the aliases of this document grow too fast", "write it out, or use fewer aliases"},
		{"found a tab", "a tab where a space belongs", "YAML is indented with spaces"},
		{"control characters", "a control character stands in the file", "save the file as plain UTF-8 text"},
	} {
		if strings.Contains(msg, w.part) {
			return diag.Errorf(pos, "%s", w.text).WithHint("%s", w.hint)
		}
	}
	return diag.Errorf(pos, "this is not YAML from here on").WithHint("look for a missing quote, colon or bracket on this line or the one before")
}
