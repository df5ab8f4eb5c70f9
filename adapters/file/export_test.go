package file

import (
	"errors"
	"io"
)

// Piece is one line or record, for tests.
type Piece struct {
	Text       string
	Line       int
	Long, Open bool
}

// Cut gives all lines of r, or its CSV records where sep is not 0, and the offset at the end.
func Cut(r io.Reader, sep byte, limit int) (out []Piece, end int64, err error) {
	l := newLines(r, 0, 1, limit)
	for {
		var p piece
		if sep == 0 {
			p, err = l.Line()
		} else {
			p, err = l.Record(sep)
		}
		if errors.Is(err, io.EOF) {
			return out, end, nil
		}
		if err != nil {
			return out, end, err
		}
		out = append(out, Piece{string(p.text), p.line, p.long, p.open})
		end = p.end
	}
}

// Row cuts a record into values.
func Row(text []byte, sep byte) ([]string, error) { return row(text, sep, nil) }

// Clean is the name that a file gets.
func Clean(name string) (string, error) { return clean(name) }

// Trouble gives an error its class.
func Trouble(doing string, err error) error { return trouble(doing, err) }

// WaitingAppends is how many groups of appends wait to be written.
func WaitingAppends(conn any) int {
	a := conn.(*folder).appends
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, w := range a.waiting {
		n += len(w)
	}
	return n
}

// Reparsed is what becomes of a position that is kept and read again.
func Reparsed(id string, off int64, line int, failed bool) (string, int64, int, bool) {
	p := parsePosition(position{id, off, line, failed}.String())
	return p.id, p.off, p.line, p.failed
}

// ParsePosition reads a cursor.
func ParsePosition(s string) string { return parsePosition(s).String() }
