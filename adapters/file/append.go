package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Append is the settings of the operation.
type Append struct {
	Name string `yaml:"name,required" doc:"name of the file; it is made where it is missing"`
	Dir  string `yaml:"dir" doc:"folder within the system's; it is made where it is missing"`
}

// append adds one line. It returns when the line is on disk.
func (f *folder) append(ctx context.Context, w Append, m message.Message) (message.Message, error) {
	return message.Message{}, f.appendMany(ctx, []Append{w}, []message.Message{m})[0]
}

// appendMany adds lines, those of one file with one write and one fsync.
func (f *folder) appendMany(ctx context.Context, ws []Append, ms []message.Message) []error {
	errs := make([]error, len(ms))
	byFile := map[string]*group{}
	var order []*group
	for i, m := range ms {
		name, err := clean(ws[i].Name)
		if err != nil {
			errs[i] = err
			continue
		}
		line, err := oneLine(m)
		if err != nil {
			errs[i] = err
			continue
		}
		key := fileKey(ws[i].Dir, name)
		g := byFile[key]
		if g == nil {
			g = &group{dir: ws[i].Dir, name: name, done: make(chan struct{}), lead: make(chan struct{})}
			byFile[key] = g
			order = append(order, g)
		}
		g.lines = append(g.lines, line...)
		g.members = append(g.members, i)
	}
	for _, g := range order {
		err := f.appends.add(ctx, f, g)
		for _, i := range g.members {
			errs[i] = err
		}
	}
	return errs
}

// oneLine gives the body as a line with its end.
func oneLine(m message.Message) ([]byte, error) {
	body, err := bodyOf(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if !strings.HasPrefix(m.Type, "text/") {
		if err := json.Compact(&b, body); err == nil { // it keeps digits and order
			b.WriteByte('\n')
			return b.Bytes(), nil
		}
		if strings.Contains(m.Type, "json") {
			return nil, fault.New(fault.Rejected, "the body is not JSON, so it is no line of this file")
		}
		b.Reset()
	}
	body = bytes.TrimRight(body, "\r\n")
	if bytes.ContainsAny(body, "\r\n") {
		return nil, fault.New(fault.Rejected, "the body has several lines, and append adds one; send it as JSON, or split it first")
	}
	b.Write(body)
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// fileKey is the same for names that are one file.
func fileKey(dir, name string) string {
	key := path.Join(filepath.ToSlash(dir), name)
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		key = strings.ToLower(key)
	}
	return key
}

// group is lines for one file that are written together.
type group struct {
	dir, name string
	lines     []byte
	members   []int
	done      chan struct{} // closed when err is known
	lead      chan struct{} // closed when it is this one's turn to write for all that wait
	err       error
}

// appends lets the appends of one file share a write and an fsync: who comes first writes for all that wait by then.
type appends struct {
	env     adapter.Env
	mu      sync.Mutex // guards waiting; not held while writing
	waiting map[string][]*group
}

func newAppends(env adapter.Env) *appends { return &appends{env: env, waiting: map[string][]*group{}} }

// add returns when g's lines are on disk.
func (a *appends) add(ctx context.Context, f *folder, g *group) error {
	if err := ctx.Err(); err != nil {
		return trouble("append to "+g.name, err)
	}
	key := fileKey(g.dir, g.name)
	a.mu.Lock()
	others, busy := a.waiting[key]
	a.waiting[key] = append(others, g)
	a.mu.Unlock()
	if busy {
		select {
		case <-g.done:
			return g.err
		case <-g.lead:
		case <-ctx.Done():
			return a.leave(key, g, ctx.Err())
		}
	}
	a.mu.Lock()
	batch := a.waiting[key] // g is one of them
	a.waiting[key] = []*group{}
	a.mu.Unlock()
	err := f.appendLines(ctx, g.dir, g.name, batch)
	for _, b := range batch {
		b.err = err
		close(b.done)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next(key)
	return g.err
}

// next lets the first that waits write, or nobody. The caller holds mu and was the one to write.
func (a *appends) next(key string) {
	if len(a.waiting[key]) == 0 {
		delete(a.waiting, key)
		return
	}
	close(a.waiting[key][0].lead)
}

// leave gives up on a group that is not being written yet.
func (a *appends) leave(key string, g *group, cause error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.waiting[key], g); i >= 0 {
		a.waiting[key] = slices.Delete(a.waiting[key], i, i+1)
		select {
		case <-g.lead: // it was g's turn
			a.next(key)
		default:
		}
		return trouble("append to "+g.name, cause)
	}
	select {
	case <-g.done:
		return g.err
	default:
	}
	return &fault.Error{Class: fault.Unknown, Text: "append to " + g.name + ": the disk gave no answer in time, so the line may be there or not", Err: cause}
}

// appendLines writes the lines of a batch. The file is opened each time, so that it can be moved away between two writes.
func (f *folder) appendLines(ctx context.Context, dir, name string, batch []*group) error {
	root, err := f.within(dir, true)
	if err != nil {
		return err
	}
	defer shut(root)
	_, err = root.Lstat(name)
	fresh := isGone(err)
	if !fresh {
		if err := f.mend(ctx, root, name); err != nil {
			return trouble("append to "+name, err)
		}
	}
	// O_APPEND: a system that is being swapped for its successor, or another program, may append to the same file.
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return trouble("append to "+name, err)
	}
	defer out.Close()
	var lines []byte
	for _, g := range batch {
		lines = append(lines, g.lines...)
	}
	if n, err := out.Write(lines); err != nil {
		if e := takeBack(root, name, lines[:n]); e != nil { // the next append mends what is left
			f.env.Log.WarnContext(ctx, "a line that was begun cannot be taken back", "file", name, "err", reason(e))
		}
		return trouble("append to "+name, err)
	}
	if err := out.Sync(); err != nil && !isDevice(out) {
		// After a failed fsync nobody knows what is on disk.
		return &fault.Error{Class: fault.Unknown, Text: "append to " + name + ": the disk cannot say whether the line is there: " + reason(err), Err: err}
	}
	if fresh {
		if err := syncDir(root, "."); err != nil {
			return &fault.Error{Class: fault.Unknown, Text: "append to " + name + ": the disk cannot say whether the file is there: " + reason(err), Err: err}
		}
	}
	return nil
}

// isDevice says that there is nothing to flush.
func isDevice(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && !info.Mode().IsRegular()
}

// takeBack cuts what was written of a batch off the file, if it still is the last thing there.
func takeBack(root *os.Root, name string, written []byte) error {
	if len(written) == 0 {
		return nil
	}
	out, err := root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	end, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	at := end - int64(len(written))
	tail := make([]byte, len(written))
	if _, err := out.ReadAt(tail, at); err != nil || !bytes.Equal(tail, written) {
		return errors.Join(err, errors.New("somebody else has written after it"))
	}
	return out.Truncate(at)
}

// mend gives the last line its end. A crash may have left a line without it: one that was begun as JSON and not finished is
// cut off, as nobody was told that it is there; everything else gets its line end.
func (f *folder) mend(ctx context.Context, root *os.Root, name string) error {
	out, err := root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	end, err := out.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	var last [1]byte
	if _, err := out.ReadAt(last[:], end-1); err != nil || last[0] == '\n' {
		return err
	}
	tail, at, err := lastLine(out, end)
	if err != nil {
		return err
	}
	trimmed := bytes.TrimSpace(tail)
	if len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && !json.Valid(trimmed) {
		f.env.Log.WarnContext(ctx, "a line that a crash cut short is taken off the file", "file", name, "bytes", len(tail))
		return out.Truncate(at)
	}
	_, err = out.WriteAt([]byte{'\n'}, end)
	return err
}

// lastLine reads what follows the last line end before end.
func lastLine(out *os.File, end int64) (tail []byte, at int64, err error) {
	for size := int64(4 << 10); ; size *= 4 {
		from := max(0, end-size)
		buf := make([]byte, end-from)
		if _, err := out.ReadAt(buf, from); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			return buf[i+1:], from + int64(i) + 1, nil
		}
		if from == 0 || size > 256<<20 {
			return buf, from, nil
		}
	}
}
