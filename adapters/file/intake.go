package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// A batch is offered when it has so many messages or bytes.
const (
	batchCount = 512
	batchBytes = 4 << 20
)

// intake is one running source.
//
// What is taken is remembered together with the messages: for files taken whole a mark for each until it has been moved
// away, for files taken by line the cursor. So a crash between the two repeats nothing and loses nothing.
type intake struct {
	f       *folder
	w       Files
	in      adapter.Inbox
	seen    map[string]sight
	folders []string
	taken   map[string]string // by identity: all of its messages are taken, and it is to be moved to that folder
	forget  map[string]string // marks that are no longer needed
	at      position
	stuck   map[string]bool // by identity: that it cannot be moved has been logged
}

// load reads what an earlier run has kept.
func (s *intake) load(ctx context.Context) error {
	marks, err := s.in.Marks(ctx)
	if err != nil {
		return err
	}
	cursor, err := s.in.Cursor(ctx)
	if err != nil {
		return err
	}
	s.taken, s.forget, s.stuck = map[string]string{}, map[string]string{}, map[string]bool{}
	maps.Copy(s.taken, marks)
	s.at = parsePosition(cursor)
	return nil
}

// pass takes all files that are ready and gives how long to wait for the next look.
func (s *intake) pass(ctx context.Context) (time.Duration, error) {
	root, err := s.f.within(s.w.Dir, false)
	if err != nil {
		return 0, err
	}
	defer shut(root)
	found, err := s.find(ctx, root)
	if err != nil {
		return 0, err
	}
	s.drop(found)
	ready, wait := s.settled(found, time.Now())
	var whole batch
	for _, c := range ready {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if dir, ok := s.taken[c.id]; ok {
			c.marked = true
			s.away(ctx, root, []candidate{c}, dir)
			continue
		}
		format := s.w.format(c.name)
		if format == "json" || format == "binary" {
			m, failed, err := s.whole(root, c, format)
			if err != nil {
				s.passOver(ctx, c, err)
				continue
			}
			whole.add(c, m, failed)
			if whole.full() {
				if err := s.flush(ctx, root, &whole); err != nil {
					return 0, err
				}
			}
			continue
		}
		if err := s.flush(ctx, root, &whole); err != nil {
			return 0, err
		}
		if err := s.byLine(ctx, root, c, format); err != nil {
			if ctx.Err() != nil {
				return 0, err
			}
			s.passOver(ctx, c, err)
		}
	}
	if err := s.flush(ctx, root, &whole); err != nil {
		return 0, err
	}
	return wait, s.tidy(ctx)
}

// drop forgets the marks of files that have gone.
func (s *intake) drop(found []candidate) {
	if len(s.taken) == 0 {
		return
	}
	there := make(map[string]bool, len(found))
	for _, c := range found {
		there[c.id] = true
	}
	for id := range s.taken {
		if !there[id] {
			delete(s.taken, id)
			s.forget[id] = ""
		}
	}
}

// tidy keeps that marks are no longer needed.
func (s *intake) tidy(ctx context.Context) error {
	if len(s.forget) == 0 {
		return nil
	}
	if err := s.in.Save(ctx, "", s.forget); err == nil { // else the marks do no harm until the next time
		s.forget = map[string]string{}
	}
	return nil
}

// passOver leaves a file that cannot be read now for the next look.
func (s *intake) passOver(ctx context.Context, c candidate, err error) {
	if errors.Is(err, errLater) || isGone(err) {
		return
	}
	delete(s.seen, c.name) // it has to look settled again
	s.f.env.Log.WarnContext(ctx, "a file cannot be read and is tried again", "file", c.name, "err", trouble("read", err))
}

// batch is files that are taken whole, offered together.
type batch struct {
	files  []candidate
	ms     []message.Message
	failed []bool
	bytes  int
}

func (b *batch) add(c candidate, m message.Message, failed bool) {
	c.marked = true
	b.files, b.ms, b.failed = append(b.files, c), append(b.ms, m), append(b.failed, failed)
	b.bytes += len(m.Body)
}

func (b *batch) full() bool { return len(b.files) >= batchCount || b.bytes >= batchBytes }

// flush offers the batch and moves its files away.
func (s *intake) flush(ctx context.Context, root *os.Root, b *batch) error {
	if len(b.files) == 0 {
		return nil
	}
	if err := s.offer(ctx, b.ms); err != nil {
		return err
	}
	var done, failed []candidate
	for i, c := range b.files {
		if b.failed[i] {
			failed = append(failed, c)
		} else {
			done = append(done, c)
		}
	}
	s.away(ctx, root, done, s.w.Done)
	s.away(ctx, root, failed, s.w.Failed)
	*b = batch{}
	return nil
}

// firstWait is how long it takes until what was refused is offered again; it doubles up to 30 s.
const firstWait = 20 * time.Millisecond

// offer returns when all are taken. What is refused is offered again: the engine's disk is full, say.
func (s *intake) offer(ctx context.Context, ms []message.Message) error {
	for wait := firstWait; len(ms) > 0; {
		n, err := s.in.AcceptAll(ctx, ms)
		ms = ms[min(n, len(ms)):]
		if n > 0 {
			wait = firstWait
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
		}
		s.f.env.Log.WarnContext(ctx, "messages from files are not taken and are offered again", "err", err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		wait = min(2*wait, 30*time.Second)
	}
	return nil
}

// open opens a file that must look as it did when it was found.
func (s *intake) open(root *os.Root, c candidate) (*os.File, error) {
	f, err := root.Open(c.name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && identity(c.name, info) != c.id {
		err = errLater
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// whole reads a file as one message. failed says that the file is not fit for done.
func (s *intake) whole(root *os.Root, c candidate, format string) (m message.Message, failed bool, err error) {
	f, err := s.open(root, c)
	if err != nil {
		return m, false, err
	}
	defer f.Close()
	limit := s.limit()
	r := io.Reader(f)
	if format == "json" {
		t, err := newText(f, s.w.Encoding)
		if err != nil {
			return m, false, err
		}
		if r, err = t.from(0); err != nil {
			return m, false, err
		}
	}
	m = message.Message{Type: mediaType(format, c.name), Headers: s.headers(c, 0), Marks: map[string]string{c.id: s.w.Done}}
	maps.Copy(m.Marks, s.forget)
	size, most := c.info.Size(), limit
	if size > limit {
		most = min(limit, kept)
	}
	m.Body, err = readUpTo(r, most, size)
	if err != nil {
		return m, false, err
	}
	switch {
	case size > limit || int64(len(m.Body)) > limit:
		m.Body = m.Body[:min(int64(len(m.Body)), kept, limit)]
		m.Fault = fault.New(fault.Invalid, "the file %s has %d bytes, over the limit of %d (max-body)", c.name, size, limit)
	case format == "json" && len(m.Body) == 0:
		m.Fault = fault.New(fault.Invalid, "the file %s is empty; expected a JSON document", c.name)
	case format == "json":
		m.Value, m.Fault = decode(m.Body)
	}
	if m.Fault != nil {
		m.Marks[c.id] = s.w.Failed
	}
	s.forget = map[string]string{}
	return m, m.Fault != nil, nil
}

// limit is the largest message, in bytes.
func (s *intake) limit() int64 {
	limit := s.in.MaxBody()
	if m := int64(s.w.MaxBody); m > 0 && m < limit {
		return m
	}
	return limit
}

// readUpTo reads no more than limit and a byte, which tells that there was more.
func readUpTo(r io.Reader, limit, hint int64) ([]byte, error) {
	b := make([]byte, 0, min(limit, hint)+1)
	lr := io.LimitReader(r, limit+1)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := lr.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// decode reads JSON; the error is a Fault for the message.
func decode(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, fault.New(fault.Invalid, "not UTF-8 text; set encoding: to what the file is written in, such as cp1252")
	}
	v, err := message.Decode(b)
	if err != nil {
		return nil, fault.As(fault.Invalid, err)
	}
	return v, nil
}

// headers tell where a message comes from. line 0 is a whole file.
func (s *intake) headers(c candidate, line int) map[string]string {
	h := map[string]string{"file-name": path.Base(c.name), "file-path": path.Join(s.w.Dir, c.name),
		"file-time": c.info.ModTime().UTC().Format(time.RFC3339Nano), "source-id": c.id}
	if line > 0 {
		n := strconv.Itoa(line)
		h["file-line"], h["source-id"] = n, c.id+"-"+n
	}
	return h
}

// portion is some lines of a file, read and not offered yet.
type portion struct {
	ms  []message.Message
	at  position // after them
	err error    // why there are no more; io.EOF at the end
}

// pump offers the lines of a file to its end. The next ones are read while some are being taken.
func (s *intake) pump(ctx context.Context, cut *cutter) error {
	ctx, cancel := context.WithCancel(ctx)
	next := make(chan portion)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for {
			l := read(cut)
			select {
			case next <- l:
			case <-ctx.Done():
				return
			}
			if l.err != nil {
				return
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l := <-next:
			if l.err != nil && !errors.Is(l.err, io.EOF) {
				return fmt.Errorf("after line %d: %w", l.at.line, l.err)
			}
			if err := s.offer(ctx, l.ms); err != nil {
				return err
			}
			s.at = l.at
			if l.err != nil {
				return nil
			}
		}
	}
}

// read cuts as many lines as are offered at once.
func read(cut *cutter) portion {
	var l portion
	size := 0
	for len(l.ms) < batchCount && size < batchBytes && l.err == nil {
		m, err := cut.next()
		if l.err = err; err == nil {
			size += len(m.Body)
			l.ms = append(l.ms, m)
		}
	}
	l.at = cut.at
	return l
}

// byLine takes the lines or rows of a file.
func (s *intake) byLine(ctx context.Context, root *os.Root, c candidate, format string) error {
	f, err := s.open(root, c)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := newText(f, s.w.Encoding)
	if err != nil {
		return err
	}
	at := s.at
	if at.id != c.id {
		at = position{id: c.id, line: 1}
	}
	cut, err := s.cutter(t, c, format, at)
	if err != nil {
		if f := new(fault.Error); errors.As(err, &f) && f.Class == fault.Invalid { // the header is wrong, and so is all of it
			var b batch
			b.add(c, message.Message{Type: "text/csv", Headers: s.headers(c, 1), Fault: f, Marks: map[string]string{c.id: s.w.Failed}}, true)
			return s.flush(ctx, root, &b)
		}
		return err
	}
	if err := s.pump(ctx, cut); err != nil {
		return err
	}
	if info, err := f.Stat(); err != nil || identity(c.name, info) != c.id {
		s.f.env.Log.WarnContext(ctx, "a file was changed while it was read; it is read again from its start once it rests. Make stable: longer, or rename files into place",
			"file", c.name)
		return errLater
	}
	dir := s.w.Done
	if cut.at.failed {
		dir = s.w.Failed
	}
	f.Close() // Windows does not move open files
	s.away(ctx, root, []candidate{c}, dir)
	return nil
}
