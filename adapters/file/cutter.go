package file

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// cutter makes messages of lines or rows, each with the position after it as its cursor.
type cutter struct {
	s      *intake
	c      candidate
	format string
	lines  *lines
	sep    byte
	table  *table // of CSV
	limit  int
	at     position
}

// cutter begins at a position. A CSV header that cannot be used is a fault.Invalid.
func (s *intake) cutter(t *text, c candidate, format string, at position) (*cutter, error) {
	k := &cutter{s: s, c: c, format: format, at: at, limit: int(min(s.limit(), 1<<30))}
	sep, err := s.w.CSV.separator(c.name)
	if err != nil {
		return nil, fault.As(fault.Bug, err)
	}
	k.sep = sep
	if format == "csv" {
		if err := k.header(t); err != nil {
			return nil, err
		}
	}
	r, err := t.from(k.at.off)
	if err != nil {
		return nil, err
	}
	k.lines = newLines(r, k.at.off, k.at.line, k.limit)
	return k, nil
}

// header reads the names of the columns, which stand at the beginning wherever the cutter goes on.
func (k *cutter) header(t *text) error {
	csv := k.s.w.CSV
	names := csv.Columns
	if csv.Header {
		r, err := t.from(0)
		if err != nil {
			return err
		}
		l := newLines(r, 0, 1, k.limit)
		p, err := l.Record(k.sep)
		for err == nil && len(bytes.TrimSpace(p.text)) == 0 {
			p, err = l.Record(k.sep)
		}
		if err != nil {
			k.table = &table{}
			return nil //nolint:nilerr // an empty file has no rows; an error of reading comes again with the first
		}
		if p.long || p.open {
			return fault.New(fault.Invalid, "the header of %s has a quote that does not close, or is over the limit of %d bytes (max-body)", k.c.name, k.limit)
		}
		if !utf8.Valid(p.text) {
			return fault.New(fault.Invalid, "the header of %s is no UTF-8 text; set encoding: to what the file is written in, such as cp1252", k.c.name)
		}
		first, err := row(p.text, k.sep, nil)
		if err != nil {
			return fault.New(fault.Invalid, "the header of %s: %s", k.c.name, err)
		}
		if len(names) == 0 {
			names = first
		}
		if k.at.off < p.end {
			k.at.off, k.at.line = p.end, p.next
		}
	}
	if len(names) == 0 {
		return fault.New(fault.Invalid, "csv: give columns, as there is no header")
	}
	t2, err := newTable(names)
	if err != nil {
		return fault.New(fault.Invalid, "the header of %s: %s", k.c.name, err)
	}
	k.table = t2
	return nil
}

// next gives the next message; io.EOF at the end. Blank lines are passed over.
func (k *cutter) next() (message.Message, error) {
	for {
		var p piece
		var err error
		if k.format == "csv" {
			p, err = k.lines.Record(k.sep)
		} else {
			p, err = k.lines.Line()
		}
		if err != nil {
			return message.Message{}, err
		}
		k.at.off, k.at.line = p.end, p.next
		if len(bytes.TrimSpace(p.text)) == 0 && !p.long {
			continue
		}
		m := k.message(p)
		m.Cursor = k.at.String()
		if len(k.s.forget) > 0 {
			m.Marks, k.s.forget = k.s.forget, map[string]string{}
		}
		return m, nil
	}
}

func (k *cutter) message(p piece) message.Message {
	m := message.Message{Type: "application/json", Headers: k.s.headers(k.c, p.line)}
	if k.format == "text" {
		m.Type = "text/plain; charset=utf-8"
	}
	m.Fault = k.unfit(p)
	if m.Fault == nil && k.format == "csv" {
		if m.Body, m.Value, m.Fault = k.object(p); m.Fault == nil {
			return m
		}
	}
	m.Body = slices.Clone(p.text)
	if m.Fault == nil && k.format == "ndjson" {
		m.Value, m.Fault = decode(m.Body)
	}
	if m.Fault != nil {
		m.Value = nil
		m.Fault = fault.New(fault.Invalid, "%s, line %d: %s", k.c.name, p.line, m.Fault)
	}
	return m
}

// unfit says why a line cannot be a message at all.
func (k *cutter) unfit(p piece) error {
	switch {
	case p.long:
		k.at.failed = true
		return fault.New(fault.Invalid, "the line is over the limit of %d bytes (max-body)", k.limit)
	case p.open:
		return fault.New(fault.Invalid, "a quote opens here and does not close")
	case !utf8.Valid(p.text):
		return fault.New(fault.Invalid, "not UTF-8 text; set encoding: to what the file is written in, such as cp1252")
	}
	return nil
}

func (k *cutter) object(p piece) ([]byte, any, error) {
	b, tree, err := k.table.object(p.text, k.sep)
	if err != nil {
		return nil, nil, err
	}
	return b, tree, nil
}
