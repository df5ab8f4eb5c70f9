package rule

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/njia-health/njia/engine/bind"
)

// scalar reads a value that is neither map nor list, and finds where its text stands.
func (r *parser) scalar(n *yaml.Node, out *bind.Node) {
	line, col := n.Line, n.Column
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		line, col = r.content(n)
	}
	out.Pos, out.TextPos = r.pos(line, col), r.pos(line, col)
	out.Kind, out.Text = bind.String, n.Value
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		out.Style = bind.Literal
		r.block(line, out)
	case n.Style&yaml.FoldedStyle != 0:
		out.Style = bind.Folded
		r.block(line, out)
		out.Exact = false
	case n.Style&yaml.DoubleQuotedStyle != 0:
		out.Style = bind.DoubleQuoted
		r.quoted(line, col, `"`, out)
	case n.Style&yaml.SingleQuotedStyle != 0:
		out.Style = bind.SingleQuoted
		r.quoted(line, col, `'`, out)
	default:
		r.plain(n, line, col, out)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.tagged(n, out)
	}
}

func (r *parser) plain(n *yaml.Node, line, col int, out *bind.Node) {
	rest, _ := r.from(line, col)
	out.Exact = strings.HasPrefix(rest, n.Value)
	if strings.HasPrefix(rest, "!") && n.Style&yaml.TaggedStyle == 0 { // "! text" is text with the ! gone
		r.errs.Add(r.badTag(n))
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		out.Kind, out.Text = bind.Null, ""
	case "true", "True", "TRUE":
		out.Kind, out.Text = bind.Bool, "true"
	case "false", "False", "FALSE":
		out.Kind, out.Text = bind.Bool, "false"
	default:
		if isNumber(n.Value) {
			out.Kind = bind.Number
		}
	}
}

// tagged applies !!str and refuses what does not fit.
func (r *parser) tagged(n *yaml.Node, out *bind.Node) {
	fits := map[string]bool{
		"!!str":   true,
		"!!null":  out.Kind == bind.Null,
		"!!bool":  out.Kind == bind.Bool,
		"!!int":   out.Kind == bind.Number && strings.Trim(out.Text, "-0123456789") == "",
		"!!float": out.Kind == bind.Number,
	}
	if !fits[n.Tag] {
		r.errs.Add(r.badTag(n))
		return
	}
	if n.Tag == "!!str" {
		out.Kind, out.Text = bind.String, n.Value
	}
}

// isNumber knows the numbers of JSON, RFC 8259 section 6. Everything else is text: 007, +254, .5 and 0x1F are codes or typing
// errors more often than numbers.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() bool {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n > 0
	}
	if zero, ok := strings.CutPrefix(s, "0"); ok {
		s = zero
	} else if !digits() {
		return false
	}
	if frac, ok := strings.CutPrefix(s, "."); ok {
		if s = frac; !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		if s = s[1:]; s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		return digits() && s == ""
	}
	return s == ""
}

// quoted looks whether the text between the quotes is the value as it is.
func (r *parser) quoted(line, col int, quote string, out *bind.Node) {
	out.TextPos.Col++
	rest, _ := r.from(line, col+1)
	after, ok := strings.CutPrefix(rest, out.Text)
	out.Exact = ok && strings.HasPrefix(after, quote) && !(quote == "'" && strings.HasPrefix(after, "''")) && !strings.Contains(out.Text, "\n")
}

// block finds the first line of a block scalar and the column its lines begin at.
func (r *parser) block(line int, out *bind.Node) {
	first := line // index of the line after the | or >
	indent := -1
	for i := first; i < len(r.lines); i++ {
		if t := strings.TrimLeft(r.lines[i], " "); t != "" {
			indent = len(r.lines[i]) - len(t)
			break
		}
	}
	out.TextPos = r.pos(first+1, max(indent, 0)+1)
	body := strings.TrimRight(out.Text, "\n")
	if body == "" {
		out.Exact = true
		return
	}
	// An indentation indicator (|2) lets the first line have spaces of its own.
	text := strings.Split(body, "\n")
	for _, t := range text {
		if t != "" {
			indent -= len(t) - len(strings.TrimLeft(t, " "))
			break
		}
	}
	if indent < 0 {
		return
	}
	out.TextPos = r.pos(first+1, indent+1)
	for i, t := range text {
		if first+i >= len(r.lines) {
			return
		}
		l := r.lines[first+i]
		if len(l) < indent && t == "" && strings.TrimLeft(l, " ") == "" {
			continue
		}
		if len(l) < indent || l[indent:] != t {
			return
		}
	}
	out.Exact = true
}

// from is the text of a line from a column on.
func (r *parser) from(line, col int) (string, bool) {
	if line < 1 || line > len(r.lines) {
		return "", false
	}
	s := r.lines[line-1]
	for i := 1; i < col && s != ""; i++ {
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
	return s, true
}

// content is where the value of n begins, behind its anchor and tag.
func (r *parser) content(n *yaml.Node) (line, col int) {
	line, col = n.Line, n.Column
	for {
		s, ok := r.from(line, col)
		if !ok {
			return n.Line, n.Column
		}
		trimmed := strings.TrimLeft(s, " \t")
		col += len(s) - len(trimmed)
		switch {
		case trimmed == "" || trimmed[0] == '#':
			if n.Value == "" && n.Style&^yaml.TaggedStyle == 0 {
				return n.Line, n.Column
			}
			line, col = line+1, 1
		case trimmed[0] == '&' || trimmed[0] == '!':
			word, _, _ := strings.Cut(strings.ReplaceAll(trimmed, "\t", " "), " ")
			if n.Value == "" && len(word) == len(trimmed) {
				return n.Line, n.Column
			}
			col += utf8.RuneCountInString(word)
		default:
			return line, col
		}
	}
}
