package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// NewText takes the source of an expression from a scalar. Text with ${…} in it that does not stand in the file letter by
// letter (folded, escaped, over several lines in quotes) is refused: its errors would have no place.
func NewText(n *bind.Node) (Text, diag.List) {
	if n == nil {
		return Text{}, diag.List{{Text: "there is no expression here"}}
	}
	t := Text{Src: n.Text, Pos: n.TextPos}
	if t.Pos == (diag.Pos{}) {
		t.Pos = n.Pos
	}
	switch n.Kind {
	case bind.Null:
		return t, diag.List{diag.Errorf(n.Pos, "there is no expression here").WithHint("write one, or leave the key out")}
	case bind.List, bind.Map:
		return t, diag.List{diag.Errorf(n.Pos, "an expression is text, this is %s", n.Kind)}
	case bind.Bool, bind.Number:
		return t, nil
	}
	if n.Style == bind.Literal {
		t.Indent = t.Pos.Col
	}
	if !n.Exact && n.Pos != (diag.Pos{}) {
		t.loose = &diag.Error{Pos: n.Pos, Text: looseText(n), Hint: "write it as a | block: then every error in it has its line and column"}
		if strings.Contains(n.Text, "${") {
			return t, diag.List{*t.loose}
		}
	}
	return t, nil
}

// looseText says why a scalar does not stand in the file as it is.
func looseText(n *bind.Node) string {
	switch n.Style {
	case bind.Folded:
		return "an expression cannot be folded with >"
	case bind.SingleQuoted, bind.DoubleQuoted:
		return "an expression in quotes has no escapes and stands on one line"
	case bind.Literal:
		return "the block of an expression has no indentation number"
	}
	return "a plain expression stands on one line"
}

// exact refuses a text whose offsets map to no place.
func (t Text) exact() (diag.Error, bool) {
	if t.loose == nil {
		return diag.Error{}, true
	}
	return *t.loose, false
}

// At gives the place of a byte offset in Src. An offset beyond the end is the end.
func (t Text) At(offset int) diag.Pos {
	p := t.Pos
	if p.Line == 0 {
		return p
	}
	offset = min(max(offset, 0), len(t.Src))
	before := t.Src[:offset]
	if nl := strings.LastIndexByte(before, '\n'); nl >= 0 {
		p.Line += strings.Count(before, "\n")
		p.Col = max(t.Indent, 1) + utf8.RuneCountInString(before[nl+1:])
		return p
	}
	p.Col += utf8.RuneCountInString(before)
	return p
}

// offset gives the byte offset of a line (from 1) and a column (from 0, in characters) in Src.
func (t Text) offset(line, col int) int {
	at := 0
	for ; line > 1; line-- {
		nl := strings.IndexByte(t.Src[at:], '\n')
		if nl < 0 {
			return len(t.Src)
		}
		at += nl + 1
	}
	for ; col > 0 && at < len(t.Src); col-- {
		_, n := utf8.DecodeRuneInString(t.Src[at:])
		at += n
	}
	return at
}

// errorf is what is wrong at an offset, length bytes long; 0 underlines the word that begins there.
func (t Text) errorf(offset, length int, format string, args ...any) diag.Error {
	e := diag.Errorf(t.At(offset), format, args...)
	offset = min(max(offset, 0), len(t.Src))
	if length == 0 {
		length = len(wordAt(t.Src, offset))
	}
	e.Len = utf8.RuneCountInString(t.Src[offset:min(offset+length, len(t.Src))])
	return e
}

// wordAt is the name that begins at an offset, or "".
func wordAt(src string, offset int) string {
	end := offset
	for end < len(src) && isWord(src[end]) {
		end++
	}
	return src[offset:end]
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// part is the text of Src from one offset to another, with its place.
func (t Text) part(from, to int) Text {
	return Text{Src: t.Src[from:to], Pos: t.At(from), Indent: t.Indent}
}
