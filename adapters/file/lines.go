package file

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// lines cuts a stream into lines or CSV records, in memory bounded by limit.
type lines struct {
	r          io.Reader
	limit      int // the longest line, in bytes
	buf        []byte
	start, end int // what is read and not yet given
	off        int64
	line       int // number of the line at start, from 1
	err        error
}

// kept is how much of a line over the limit is kept.
const kept = 64 << 10

// piece is one line or record. Its text is valid until the next call.
type piece struct {
	text []byte
	line int   // where it begins
	end  int64 // where the next one begins
	next int   // the number of the line there
	long bool  // over the limit: text is its beginning
	open bool  // a quote that does not close; it is one line of what was meant as several
}

// newLines reads r, which stands at off, the begin of that line.
func newLines(r io.Reader, off int64, line, limit int) *lines {
	return &lines{r: r, limit: limit, buf: make([]byte, min(64<<10, limit+2)), off: off, line: line}
}

// fill reads more; false when there is no more or the limit is reached.
func (l *lines) fill() bool {
	if l.err != nil || l.end-l.start > l.limit+1 {
		return false
	}
	if l.end == len(l.buf) {
		if l.start > 0 {
			l.end = copy(l.buf, l.buf[l.start:l.end])
			l.start = 0
		}
		if l.end == len(l.buf) {
			l.buf = append(l.buf, make([]byte, min(len(l.buf), l.limit+2-len(l.buf)))...)
		}
	}
	for range 100 {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		l.err = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	l.err = io.ErrNoProgress
	return false
}

// lineEnd gives the length of the first line with its line end; -1 where it has not all been read.
func (l *lines) lineEnd(scanned int) int {
	if i := bytes.IndexByte(l.buf[l.start+scanned:l.end], '\n'); i >= 0 {
		return scanned + i + 1
	}
	return -1
}

// Line gives the next line without its line end; io.EOF at the end.
func (l *lines) Line() (piece, error) {
	scanned := 0
	for {
		if n := l.lineEnd(scanned); n >= 0 {
			return l.take(n, 1, false), nil
		}
		scanned = l.end - l.start
		if l.fill() {
			continue
		}
		if l.err == nil {
			return l.skip()
		}
		if !errors.Is(l.err, io.EOF) {
			return piece{}, l.err
		}
		if scanned == 0 {
			return piece{}, io.EOF
		}
		return l.take(scanned, 1, false), nil
	}
}

// take gives the first n bytes, which are that many lines.
func (l *lines) take(n, count int, open bool) piece {
	text := l.buf[l.start : l.start+n]
	if n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
		if len(text) > 0 && text[len(text)-1] == '\r' {
			text = text[:len(text)-1]
		}
	}
	p := piece{text: text, line: l.line, open: open}
	if len(text) > l.limit {
		p.long, p.text = true, text[:min(kept, l.limit)]
	}
	l.start += n
	l.off += int64(n)
	l.line += count
	p.end, p.next = l.off, l.line
	return p
}

// skip passes over a line that is longer than the limit and keeps its beginning.
func (l *lines) skip() (piece, error) {
	p := piece{text: slices.Clone(l.buf[l.start:min(l.end, l.start+min(kept, l.limit))]), line: l.line, long: true}
	for {
		n := l.lineEnd(0)
		if n < 0 {
			n = l.end - l.start
		}
		done := n > 0 && l.buf[l.start+n-1] == '\n'
		l.start += n
		l.off += int64(n)
		if done {
			break
		}
		l.start, l.end = 0, 0
		if !l.fill() {
			if l.err != nil && !errors.Is(l.err, io.EOF) {
				return p, l.err
			}
			break
		}
	}
	l.line++
	p.end, p.next = l.off, l.line
	return p, nil
}

// Record gives the next CSV record, which may have line ends in quotes. A quote that does not close before the limit or the
// end of the file spoils its own line only.
func (l *lines) Record(sep byte) (piece, error) {
	q := quotes{sep: sep}
	scanned, count := 0, 0
	for {
		for _, b := range l.buf[l.start+scanned : l.end] {
			scanned++
			if b == '\n' {
				count++
			}
			if q.step(b) {
				return l.take(scanned, count, false), nil
			}
		}
		if l.fill() {
			continue
		}
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return piece{}, l.err
		}
		if scanned == 0 {
			return piece{}, io.EOF
		}
		if q.state == quoted {
			if n := l.lineEnd(0); n >= 0 {
				return l.take(n, 1, true), nil
			}
		}
		if l.err == nil {
			return l.skip()
		}
		return l.take(scanned, count+1, q.state == quoted), nil
	}
}
