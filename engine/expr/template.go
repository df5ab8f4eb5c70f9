package expr

import (
	"context"
	"strings"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// maxTemplate is the length of a string setting in bytes.
const maxTemplate = 1 << 20

// piece is a part of a string setting: text, or what stands between ${ and }.
type piece struct {
	text string
	expr bool
	at   int // byte offset of text
}

// pieces cuts a string setting. $${ is a ${ that is meant as text.
func pieces(t Text) ([]piece, diag.List) {
	var out []piece
	var errs diag.List
	var text strings.Builder
	start := 0
	flush := func() {
		if text.Len() > 0 {
			out = append(out, piece{text: text.String(), at: start})
			text.Reset()
		}
	}
	for i := 0; i < len(t.Src); {
		switch {
		case strings.HasPrefix(t.Src[i:], "$${"):
			text.WriteString("${")
			i += 3
		case strings.HasPrefix(t.Src[i:], "${"):
			end, ok := closing(t.Src, i+2)
			if !ok {
				errs.Add(t.errorf(i, 2, "this ${ is not closed").WithHint("it ends with }; write $${ for a ${ that is meant as text"))
				return out, errs
			}
			flush()
			out = append(out, piece{text: t.Src[i+2 : end], expr: true, at: i + 2})
			i = end + 1
			start = i
		default:
			text.WriteByte(t.Src[i])
			i++
		}
	}
	flush()
	return out, errs
}

// closing finds the } that ends the expression at an offset; those in texts, maps and comments do not.
func closing(s string, i int) (int, bool) {
	depth := 0
	for i < len(s) {
		switch c := s[i]; c {
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		case '/':
			if strings.HasPrefix(s[i:], "/*") {
				if end := strings.Index(s[i+2:], "*/"); end >= 0 {
					i += end + 3
				}
			} else if strings.HasPrefix(s[i:], "//") {
				if nl := strings.IndexByte(s[i:], '\n'); nl >= 0 {
					i += nl
				}
			}
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i, true
			}
			depth--
		}
		i++
	}
	return 0, false
}

// template is a compiled string setting.
type template struct {
	c     *Compiler
	text  Text
	where Where
	parts []templatePart
}

// templatePart is a text, or a formula.
type templatePart struct {
	text    string
	formula *formula
}

// Template compiles a string setting.
func (c *Compiler) Template(t Text, w Where) (_ Template, errs diag.List) {
	if !strings.Contains(t.Src, "${") {
		return &template{c: c, text: t, where: w, parts: []templatePart{{text: t.Src}}}, nil
	}
	if e, ok := t.exact(); !ok {
		return nil, diag.List{e}
	}
	if len(t.Src) > maxTemplate {
		return nil, diag.List{t.errorf(0, 1, "a text with ${…} has at most %d KB", maxTemplate>>10)}
	}
	cut, errs := pieces(t)
	out := &template{c: c, text: t, where: w}
	for _, p := range cut {
		part := templatePart{text: p.text}
		if p.expr {
			f, e := c.formula(t.part(p.at, p.at+len(p.text)), w)
			errs.Add(e...)
			part = templatePart{formula: f}
		}
		out.parts = append(out.parts, part)
	}
	if errs.Failed() {
		return nil, errs
	}
	if n := len(out.parts); n == 2 && out.parts[0].formula != nil && strings.Trim(out.parts[1].text, "\n") == "" && out.parts[1].formula == nil {
		out.parts = out.parts[:1] // the line end of a | block
	}
	return out, errs
}

// Static says that there is no ${…} in it.
func (t *template) Static() bool {
	for _, p := range t.parts {
		if p.formula != nil {
			return false
		}
	}
	return true
}

// Eval gives the text, or the value of a text that is one ${…}. It may be called concurrently.
func (t *template) Eval(ctx context.Context, s *Scope) (any, error) {
	if len(t.parts) == 1 && t.parts[0].formula != nil {
		return t.parts[0].formula.eval(ctx, s)
	}
	if len(t.parts) == 1 {
		return t.parts[0].text, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.formula == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.formula.eval(ctx, s)
		if err != nil {
			return nil, err
		}
		text, ok := asText(v)
		if !ok {
			return nil, p.formula.noText(v)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// noText says why a value cannot be part of a longer text.
func (f *formula) noText(v any) error {
	src := strings.TrimSpace(firstLine(f.text.Src))
	e := fault.New(fault.Bug, "${%s} is %s, which is no part of a text; write toJSON(…) around it if that is meant", src, typeName(v))
	if v == nil {
		e.Text = "${" + src + "} is null; write ${" + src + ` ?? ""} if it may be absent`
	}
	e.Place = f.text.Pos.String()
	return e
}
