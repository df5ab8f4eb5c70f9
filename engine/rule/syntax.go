package rule

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/njia-health/njia/engine/diag"
)

// syntax says in our words why a document is no YAML. The library's own words are written for people who know its insides,
// and change with its versions.
func (r *parser) syntax(err error) diag.Error {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return diag.Errorf(r.pos(1, 1), "this document cannot be read as YAML")
	}
	m := mistake{
		at: r, says: le.Message, doing: le.ContextMsg,
		line: le.Mark.Line, col: le.Mark.Column, fromLine: le.ContextMark.Line, fromCol: le.ContextMark.Column,
	}
	if m.line > len(r.lines) { // the end
		m.line, m.col = len(r.lines), utf8.RuneCountInString(r.lines[len(r.lines)-1])+1
	}
	if m.line < 1 {
		m.line, m.col = 1, 1
	}
	m.rest, _ = r.from(m.line, m.col)
	m.all = r.lines[m.line-1]
	for _, explain := range []func(mistake) (diag.Error, bool){
		deep, tab, noAnchor, unclosed, escape, header, colon, startChar, flow, dash, afterQuote, indentation,
	} {
		if e, ok := explain(m); ok {
			return e
		}
	}
	return m.here("YAML cannot be read on from here").WithHint("compare the indentation and the quotes with the lines above")
}

// mistake is a syntax error as the library reports it.
type mistake struct {
	at                *parser
	says, doing       string
	line, col         int
	fromLine, fromCol int    // where the construct began
	rest, all         string // of the line, from col on and whole
}

func (m mistake) here(format string, args ...any) diag.Error {
	return diag.Errorf(m.at.pos(m.line, m.col), format, args...)
}

func (m mistake) has(parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(m.says, p) || strings.Contains(m.doing, p) {
			return true
		}
	}
	return false
}

func deep(m mistake) (diag.Error, bool) {
	return m.here("maps and lists are nested more than %d deep here", maxDepth), m.has("max depth")
}

func tab(m mistake) (diag.Error, bool) {
	before := m.all[:len(m.all)-len(m.rest)]
	if strings.HasPrefix(m.rest, "\t") && strings.Trim(before, " \t-") == "" || m.has("tab character") {
		if i := strings.IndexByte(m.all, '\t'); i >= 0 {
			m.col = utf8.RuneCountInString(m.all[:i]) + 1
		}
		return m.here("there is a tab in the indentation").WithHint("indent with spaces"), true
	}
	// The line before may be where the tab is: the parser notices late.
	return diag.Error{}, false
}

func noAnchor(m mistake) (diag.Error, bool) {
	if m.has("unknown anchor") {
		word, _, _ := strings.Cut(m.rest, " ")
		e := m.here("YAML takes text that begins with * for an alias, and there is no anchor &%s above", strings.TrimPrefix(word, "*"))
		e.Len = utf8.RuneCountInString(word)
		return e.WithHint("put text that begins with * into quotes: '%s'", word), true
	}
	if m.has("while scanning an anchor", "while scanning an alias") {
		return m.here("YAML takes text that begins with & or * for an anchor or an alias, and this is none").
			WithHint("put the whole value into quotes"), true
	}
	if m.has("while scanning a tag", "while parsing a tag", "found undefined tag handle", "tag handle", "URI") && strings.Contains(m.all, "!") {
		return m.here("YAML takes text that begins with ! for a tag, and this is none").
			WithHint("put the whole value into single quotes: '!…'"), true
	}
	return diag.Error{}, false
}

func unclosed(m mistake) (diag.Error, bool) {
	if m.doing == "while scanning a quoted scalar" && m.has("end of stream", "document indicator") {
		m.line, m.col = m.fromLine, m.fromCol
		return m.here("this quote is not closed").WithHint("end the text with the same quote that it begins with"), true
	}
	return diag.Error{}, false
}

func escape(m mistake) (diag.Error, bool) {
	if m.doing != "while scanning a quoted scalar" && !m.has("escape") {
		return diag.Error{}, false
	}
	if !strings.HasPrefix(m.rest, `\`) {
		before := m.all[:len(m.all)-len(m.rest)]
		if i := strings.LastIndexByte(before, '\\'); i >= 0 {
			m.col, m.rest = utf8.RuneCountInString(before[:i])+1, m.all[i:]
		}
	}
	if !strings.HasPrefix(m.rest, `\`) {
		return diag.Error{}, false
	}
	_, n := utf8.DecodeRuneInString(m.rest[1:])
	e := m.here("in double quotes, %s is no character that YAML knows", m.rest[:1+n])
	e.Len = 2
	return e.WithHint("use single quotes, where a backslash is a backslash, or write \\\\"), true
}

func header(m mistake) (diag.Error, bool) {
	if m.doing != "while scanning a block scalar" {
		return diag.Error{}, false
	}
	if m.has("indentation indicator", "line break") {
		return m.here("after | or > the text begins on the next line").WithHint("write the | alone, and the text below it, indented"), true
	}
	return m.here("this line of the text block is not indented like those around it"), true
}

// colon is about a second colon, and a key on a line that belongs to the value above.
func colon(m mistake) (diag.Error, bool) {
	if !m.has("mapping values are not allowed", "could not find expected ':'", "while scanning a simple key") {
		return diag.Error{}, false
	}
	if m.has("could not find expected ':'", "while scanning a simple key") {
		if m.fromLine > 0 && m.fromLine <= len(m.at.lines) {
			m.line, m.col = m.fromLine, m.fromCol
		}
		if m.belowBlock() {
			return m.here("this is neither key: value nor indented like the text block above").WithHint("indent it like the lines of the block"), true
		}
		if conflict.MatchString(m.at.lines[m.line-1]) {
			return m.unmerged(), true
		}
		return m.here("there is no colon after this, and it is no part of what stands above").WithHint("write key: value, with a space after the colon"), true
	}
	before := m.all[:len(m.all)-len(m.rest)]
	trimmed := strings.TrimLeft(before, " -")
	if strings.HasPrefix(m.all, "--- ") {
		return m.here("the line --- stands alone; the document begins below it"), true
	}
	if strings.Contains(trimmed, ": ") || strings.Contains(trimmed, ":\t") {
		e := m.here("there is a second colon in this value").WithHint("put the value into quotes, or write it on the lines below a |")
		key, value, _ := strings.Cut(strings.TrimLeft(m.all, " -"), ": ")
		if !strings.ContainsAny(key+value, "'#{}[]") {
			e.Hint = "put the whole value into quotes: '" + strings.TrimSpace(value) + "'"
		}
		return e, true
	}
	// The key itself is fine, so the line above took it for a part of its own value.
	above := m.above()
	indent := utf8.RuneCountInString(before) - utf8.RuneCountInString(strings.TrimLeft(before, " "))
	m.col = indent + 1
	if above == "" {
		return m.here("a key is not expected here"), true
	}
	if !strings.Contains(above, ":") {
		m.line--
		for m.line > 1 && strings.TrimSpace(m.at.lines[m.line-1]) == "" {
			m.line--
		}
		l := m.at.lines[m.line-1]
		m.col = utf8.RuneCountInString(l) - utf8.RuneCountInString(strings.TrimLeft(l, " ")) + 1
		if conflict.MatchString(l) {
			return m.unmerged(), true
		}
		e := m.here("there is no colon in this line")
		e.Len = utf8.RuneCountInString(strings.TrimSpace(l))
		return e.WithHint("write key: value, with a space after the colon"), true
	}
	if i := indentOf(above); i == indent && !strings.Contains(above, ": ") {
		m.line--
		m.col = indent + 1
		return m.here("there is no space after the colon").WithHint("write key: value"), true
	}
	return m.here("this key is indented below a line that has its value already").
		WithHint("indent it like the keys above, or take away the value above"), true
}

// unmerged says that two versions of the file stand in each other.
func (m mistake) unmerged() diag.Error {
	return m.here("this is the mark of a merge that was not finished").WithHint("keep one of the two sides, and take the lines with <<<<<<<, ======= and >>>>>>> away")
}

// conflict is a mark that git leaves in a file.
var conflict = regexp.MustCompile(`^(<{7}|={7}|>{7})( |$)`)

// blockHeader ends a line below which a text block stands.
var blockHeader = regexp.MustCompile(`(^|[:-] +|\S +)[|>][-+0-9]*\s*(#.*)?$`)

// belowBlock says whether the line stands left of a text block that it may belong to.
func (m mistake) belowBlock() bool {
	indent := indentOf(m.at.lines[m.line-1])
	for i := m.line - 2; i >= 0; i-- {
		l := m.at.lines[i]
		if strings.TrimSpace(l) == "" || indentOf(l) > indent {
			continue
		}
		return indentOf(l) < indent && blockHeader.MatchString(l)
	}
	return false
}

// above is the line above that says something.
func (m mistake) above() string {
	for i := m.line - 2; i >= 0; i-- {
		if t := strings.TrimSpace(m.at.lines[i]); t != "" && t[0] != '#' {
			return m.at.lines[i]
		}
	}
	return ""
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func startChar(m mistake) (diag.Error, bool) {
	if !m.has("cannot start any token") {
		return diag.Error{}, false
	}
	c, _ := utf8.DecodeRuneInString(m.rest)
	if c == '\t' {
		return m.here("there is a tab before the text").WithHint("use spaces"), true
	}
	return m.here("text cannot begin with %c", c).WithHint("put the whole value into quotes: '%s'", strings.TrimSpace(m.rest)), true
}

// flow is about [ ] and { }.
func flow(m mistake) (diag.Error, bool) {
	if strings.HasPrefix(m.rest, "]") || strings.HasPrefix(m.rest, "}") {
		if !m.has("flow") {
			return m.here("this %s closes nothing", m.rest[:1]), true
		}
	}
	if m.has("while parsing a flow node") || m.has("node content") && strings.HasPrefix(m.rest, ",") {
		return m.here("a value is missing before this"), true
	}
	if !m.has("flow sequence", "flow mapping") {
		return diag.Error{}, false
	}
	what, closing := "[", "]"
	if m.has("flow mapping") {
		what, closing = "{", "}"
	}
	before := m.all[:len(m.all)-len(m.rest)]
	if m.fromLine == m.line && strings.HasSuffix(before, "$") && strings.HasPrefix(m.rest, "{") {
		m.col--
		return m.here("inside { } and [ ], an expression ${…} has to stand in quotes").WithHint(`write "%s"`, expression(m.rest)), true
	}
	if m.fromLine != m.line || strings.TrimSpace(m.rest) == "" {
		m.line, m.col = m.fromLine, m.fromCol
		return m.here("this %s is not closed", what).WithHint("close it with %s", closing), true
	}
	return m.here("between %s and %s, a comma is expected here", what, closing).WithHint("put a comma between values, and text with special characters into quotes"), true
}

// expression gives the ${…} that begins before rest.
func expression(rest string) string {
	if i := strings.IndexByte(rest, '}'); i >= 0 {
		return "$" + rest[:i+1]
	}
	return "${…}"
}

func dash(m mistake) (diag.Error, bool) {
	switch {
	case m.has("block sequence entries are not allowed"):
		return m.here("a list begins on a line of its own").WithHint("put each - on its own line below the key, or write [a, b]"), true
	case m.has("'-' indicator"):
		return m.here("a list is written here, and this line is no item of it").WithHint("begin it with - like those above, or indent it below one of them"), true
	case m.has("expected key") && strings.HasPrefix(m.rest, "- "):
		return m.here("this item stands below no key that has a list").WithHint("put the list below a key, and indent all its items alike"), true
	}
	return diag.Error{}, false
}

// afterQuote is about text that goes on after its closing quote, as an expression does that begins with a string.
func afterQuote(m mistake) (diag.Error, bool) {
	before := strings.TrimRight(m.all[:len(m.all)-len(m.rest)], " ")
	if !m.has("expected key") || before == "" || !strings.HasSuffix(before, `"`) && !strings.HasSuffix(before, "'") {
		return diag.Error{}, false
	}
	e := m.here("the text in quotes has ended, and something follows")
	i := strings.Index(before, ": ")
	value := strings.TrimSpace(m.all[i+1:])
	if strings.HasSuffix(before, `"`) && !strings.Contains(value, "'") {
		return e.WithHint("put the whole value into single quotes: '%s'", value), true
	}
	return e.WithHint("write the value on its own line below a |"), true
}

func indentation(m mistake) (diag.Error, bool) {
	if m.has("expected key", "block mapping") {
		return m.here("this line is indented like no key above it").WithHint("indent it with as many spaces as the keys it belongs to"), true
	}
	if m.has("document start", "document end") {
		return m.here("the document has ended before this").WithHint("begin another document with a line ---"), true
	}
	return diag.Error{}, false
}
