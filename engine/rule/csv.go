package rule

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// maxFaults is how many faults of one data file are shown: after that the file is more likely of another kind.
const maxFaults = 20

// csv reads a map's entries from a file: a header line, then a row each, as spreadsheets save it (RFC 4180, also with ; or tabs,
// with a BOM, with CRLF). Values stay text, without spaces around them. A row with nothing in the to column has no entry yet.
func (r *reader) csv(m *Map, n *bind.Node) {
	src, file, err := r.open(&m.Doc, n.Pos.File, m.CSV)
	if err != nil {
		r.at(n, "%v", err)
		return
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	if e := notText(file, text); e != nil {
		r.errs.Add(*e)
		return
	}
	t := table{r: r, m: m, file: file, lines: map[string]int{}}
	t.csv = csv.NewReader(strings.NewReader(text))
	t.csv.Comma, t.csv.FieldsPerRecord, t.csv.ReuseRecord = separator(text), -1, true
	if t.header() {
		for t.faults < maxFaults && t.row() {
		}
	}
	if t.faults >= maxFaults {
		_ = t.fault(0, "there are more faults in this file; only the first %d are shown", maxFaults)
	}
}

// notText finds a byte that is no UTF-8: spreadsheets save in Windows-1252 unless told otherwise.
func notText(file, text string) *diag.Error {
	if utf8.ValidString(text) {
		return nil
	}
	pos := diag.Pos{File: file, Line: 1, Col: 1}
	for i, c := range text {
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				break
			}
		}
		if pos.Col++; c == '\n' {
			pos.Line, pos.Col = pos.Line+1, 1
		}
	}
	e := diag.Errorf(pos, "there is a byte that is no UTF-8 here").WithHint("save the file as CSV UTF-8")
	return &e
}

// separator is the one that stands most often in the header, outside quotes.
func separator(text string) rune {
	first, _, _ := strings.Cut(text, "\n")
	best, most := ',', 0
	for _, sep := range []rune{',', ';', '\t'} {
		n, quoted := 0, false
		for _, c := range first {
			if c == '"' {
				quoted = !quoted
			}
			if c == sep && !quoted {
				n++
			}
		}
		if n > most {
			best, most = sep, n
		}
	}
	return best
}

// table is a CSV file being read.
type table struct {
	r        *reader
	m        *Map
	csv      *csv.Reader
	file     string
	columns  int
	from, to int
	lines    map[string]int
	faults   int
}

func (t *table) fault(line int, format string, args ...any) *diag.Error {
	t.faults++
	pos := diag.Pos{File: t.file, Line: line}
	if line > 0 {
		pos.Col = 1
	}
	t.r.errs.Add(diag.Errorf(pos, format, args...))
	return &t.r.errs[len(t.r.errs)-1]
}

func (t *table) header() bool {
	head, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		t.fault(1, "this file is empty, a header line is expected").Hint = "write from,to in the first line"
		return false
	}
	if err != nil {
		t.broken(err)
		return false
	}
	head = slices.Clone(head)
	for i := range head {
		head[i] = strings.TrimSpace(head[i])
	}
	t.columns = len(head)
	if t.columns < 2 {
		t.fault(1, "a map has two columns or more, this header has one").Hint = "columns are separated by a comma, a semicolon or a tab"
		return false
	}
	ok := true
	column := func(key, name string, otherwise int) int {
		if name == "" {
			if i := slices.Index(head, key); i >= 0 {
				return i
			}
			if t.columns > 2 {
				e := t.fault(1, "this header has %d columns, and none is called %q", t.columns, key)
				e.Hint, ok = fmt.Sprintf("name the column in the map document: %s: NAME", key), false
			}
			return otherwise
		}
		i := slices.Index(head, name)
		if i < 0 {
			t.r.at(t.m.Node.Get(key), "%s has no column %q", t.file, name).Hint, ok = diag.DidYouMean(name, head), false
		}
		return i
	}
	t.from, t.to = column("from", t.m.From, 0), column("to", t.m.To, 1)
	if ok && t.columns == 2 && t.from == t.to { // of two columns, the other one
		if t.m.From == "" {
			t.from = 1 - t.to
		} else {
			t.to = 1 - t.from
		}
	}
	return ok
}

func (t *table) row() bool {
	row, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return false
	}
	if err != nil {
		t.broken(err)
		return false
	}
	line, _ := t.csv.FieldPos(0)
	if strings.TrimSpace(strings.Join(row, "")) == "" {
		return true // a spreadsheet's empty row
	}
	if max(t.from, t.to) >= len(row) || len(row) > t.columns {
		t.fault(line, "this row has %s, the header has %d", one(len(row)), t.columns).Hint = "put a value with the separator in it into quotes"
		return true
	}
	code, value := strings.TrimSpace(row[t.from]), strings.TrimSpace(row[t.to])
	switch first := t.lines[code]; {
	case code == "" && value == "":
	case code == "":
		_ = t.fault(line, "this row has no code in the column it is looked up by")
	case first != 0:
		t.fault(line, "the code %s stands twice in this file; the first is in line %d", code, first).Hint = "keep one of them"
	default:
		t.lines[code] = line
		if value != "" {
			t.m.Entries[code] = strings.Clone(value)
		}
	}
	return true
}

// broken says in our words why the file is no CSV.
func (t *table) broken(err error) {
	var pe *csv.ParseError
	if !errors.As(err, &pe) {
		_ = t.fault(0, "this file cannot be read as CSV")
		return
	}
	e := t.fault(max(pe.Line, 1), "this row cannot be read as CSV")
	switch {
	case errors.Is(pe.Err, csv.ErrBareQuote):
		e.Text, e.Hint = "there is a quote inside a value that is not quoted", `put the whole value into quotes, and double those in it: "a ""b"" c"`
	case errors.Is(pe.Err, csv.ErrQuote):
		e.Text, e.Hint = "a quoted value is not closed, or something follows its closing quote", `double the quotes inside of a quoted value: "a ""b"" c"`
	}
	if pe.StartLine > 0 && errors.Is(pe.Err, csv.ErrQuote) {
		e.Pos.Line = pe.StartLine
	}
}

// one is a number of columns in words.
func one(columns int) string {
	if columns == 1 {
		return "1 column"
	}
	return strconv.Itoa(columns) + " columns"
}
