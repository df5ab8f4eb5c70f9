package file

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-faster/jx"

	"github.com/njia-health/njia/engine/fault"
)

// CSV is how the rows of a file are written.
type CSV struct {
	Separator string   `yaml:"separator" doc:"what stands between two values; tab for a tab. Files called .tsv have tabs"`
	Header    bool     `yaml:"header" doc:"whether the first row names the columns"`
	Columns   []string `yaml:"columns" doc:"names of the columns, for files without a header, or instead of it"`
}

func (c CSV) separator(name string) (byte, error) {
	switch {
	case c.Separator == "tab" || c.Separator == `\t` || strings.HasSuffix(strings.ToLower(name), ".tsv"):
		return '\t', nil
	case len(c.Separator) == 1 && !strings.Contains("\"\r\n", c.Separator):
		return c.Separator[0], nil
	}
	return 0, errors.New(`csv: the separator is one character such as ";", or tab`)
}

// The places that a reader of CSV can be in. RFC 4180.
const (
	begin  = iota // of a field
	plain         // in a field without quotes, where a quote is a character like others
	quoted        // between quotes
	closed        // after a quote that may close, or be half of a doubled one
)

// quotes follows the quotes of a record.
type quotes struct {
	sep   byte
	state int
	junk  bool // text after a closing quote
}

// step takes the next byte and says whether it ends the record.
func (q *quotes) step(b byte) (end bool) {
	switch {
	case q.state == quoted:
		if b == '"' {
			q.state = closed
		}
		return false
	case b == '\n':
		return true
	case b == q.sep:
		q.state = begin
	case b == '"' && (q.state == begin || q.state == closed):
		q.state = quoted
	case q.state == closed && b != '\r':
		q.state, q.junk = plain, true
	case q.state == begin:
		q.state = plain
	}
	return false
}

// row cuts a record into its values.
func row(text []byte, sep byte, into []string) ([]string, error) {
	q := quotes{sep: sep}
	var field []byte
	out := into[:0]
	junk := 0
	for _, b := range text {
		before := q.state
		q.step(b)
		if q.junk && junk == 0 {
			junk = len(out) + 1
		}
		switch {
		case q.state == begin: // a separator
			out = append(out, string(field))
			field = field[:0]
		case b == '"' && (before == begin || before == quoted): // opens, or may close
		default: // of a doubled quote the second
			field = append(field, b)
		}
	}
	if junk > 0 {
		return out, fault.New(fault.Invalid, "column %d has text after its closing quote; a quote inside quotes is written twice", junk)
	}
	return append(out, string(field)), nil
}

// table turns rows into objects by the names of the columns.
type table struct {
	names []string
	row   []string
	w     jx.Writer
}

func newTable(names []string) (*table, error) {
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
		if names[i] == "" {
			names[i] = fmt.Sprintf("column%d", i+1)
		}
		if slices.Contains(names[:i], names[i]) {
			return nil, fault.New(fault.Invalid, "two columns are called %q", names[i])
		}
	}
	if len(names) == 1 {
		for _, other := range []struct{ sep, name string }{{";", ";"}, {"\t", "tab"}, {"|", "|"}} {
			if strings.Contains(names[0], other.sep) {
				return nil, fault.New(fault.Invalid, "the header is a single column; is its separator %s? Then say csv: { separator: %q }", other.name, other.name)
			}
		}
	}
	return &table{names: names}, nil
}

// object gives a row as JSON in the order of the columns, and as a tree.
func (t *table) object(text []byte, sep byte) ([]byte, map[string]any, error) {
	var err error
	if t.row, err = row(text, sep, t.row); err != nil {
		return nil, nil, err
	}
	if len(t.row) != len(t.names) {
		return nil, nil, fault.New(fault.Invalid, "the row and the header differ in length: %d and %d", len(t.row), len(t.names))
	}
	tree := make(map[string]any, len(t.names))
	t.w.Reset()
	t.w.ObjStart()
	for i, n := range t.names {
		if i > 0 {
			t.w.Comma()
		}
		t.w.FieldStart(n)
		t.w.Str(t.row[i])
		tree[n] = t.row[i]
	}
	t.w.ObjEnd()
	return slices.Clone(t.w.Buf), tree, nil
}
