package file_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters/file"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// outbox is a file system under test.
type outbox struct {
	testing.TB
	d    *adapter.Definition
	dir  string
	conn any
	logs bytes.Buffer
}

func openIn(t testing.TB, dir string) *outbox {
	t.Helper()
	o := &outbox{TB: t, d: file.Adapter(), dir: dir}
	conn, err := o.d.Open(t.Context(), adapter.Env{System: "out", Log: slog.New(slog.NewTextHandler(&o.logs, nil))}, adaptertest.Node(t, "dir: "+dir, ""))
	must(t, err)
	o.conn = conn
	return o
}

func (o *outbox) do(ctx context.Context, op, with, body string) (message.Message, error) {
	o.Helper()
	m := message.Message{Body: []byte(body)}
	if !json.Valid(m.Body) {
		m.Type = "text/plain"
	}
	return o.d.Operation(op).Do(ctx, o.conn, adaptertest.Node(o, with, ""), m)
}

func (o *outbox) well(op, with, body string) message.Message {
	o.Helper()
	a, err := o.do(o.Context(), op, with, body)
	if err != nil {
		o.Fatalf("%s %s: %v", op, with, err)
	}
	return a
}

func (o *outbox) holds(name, want string) {
	o.Helper()
	if err := content(filepath.Join(o.dir, name), []byte(want)); err != nil {
		o.Error(err)
	}
}

func TestWrite(t *testing.T) {
	o := openIn(t, t.TempDir())
	o.well("write", "{name: a.json}", "1")
	o.well("write", "{name: a.json}", "2")
	o.holds("a.json", "2")
	o.well("write", "{name: b.json, overwrite: false}", "1")
	o.well("write", "{name: b.json, overwrite: false}", "1")
	if _, err := o.do(t.Context(), "write", "{name: b.json, overwrite: false}", "2"); fault.ClassOf(err) != fault.Rejected {
		t.Errorf("writing other content without overwrite: %v, want it rejected", err)
	}
	o.holds("b.json", "1")
	a := o.well("write", "{name: 'lab/2026:01.json', dir: out}", `"x"`)
	name, _ := a.Value.(map[string]any)["name"].(string)
	o.holds(filepath.Join("out", name), `"x"`)
	if got := o.well("read", "{dir: out, name: 'lab/2026:01.json'}", ""); got.Value != "x" {
		t.Errorf("reading it by the name it was written with: %v", got.Value)
	}
	if n := visible(o.dir); n != 3 {
		t.Errorf("%d files, want 3 and no temporary one", n)
	}
}

// Those that write without overwrite at once: one wins, and no file is lost or torn.
func TestWriteAtOnce(t *testing.T) {
	o := openIn(t, t.TempDir())
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for n := range 16 {
		all.Go(func() {
			_, err := o.do(t.Context(), "write", "{name: a.json, overwrite: false}", strings.Repeat(fmt.Sprint(n%10), 10_000))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if fault.ClassOf(err) != fault.Rejected {
				t.Errorf("write: %v, want it rejected", err)
			}
		})
	}
	all.Wait()
	b, err := os.ReadFile(filepath.Join(o.dir, "a.json"))
	if err != nil || len(b) != 10_000 || strings.Trim(string(b), string(b[:1])) != "" || won == 0 || won > 2 {
		t.Errorf("%d won; the file has %d bytes, %v", won, len(b), err)
	}
	if n := visible(o.dir); n != 1 {
		t.Errorf("%d files, want one and no temporary one", n)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "big.json"), []byte(`"0123456789"`), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "bad.json"), []byte(`{`), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "latin.txt"), []byte{0xe9}, 0o666))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o777))
	if runtime.GOOS != "windows" {
		must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "out")))
	}
	o := openIn(t, dir)
	for _, c := range []struct{ op, with, body, want string }{
		{"write", "{name: x, dir: ../up}", "1", `"../up" leads out of the system's folder, which is not allowed`},
		{"write", "{name: x, dir: /etc}", "1", `"/etc" leads out of the system's folder, which is not allowed`},
		{"write", "{name: x, dir: out}", "1", "make the folder out: that leads out of the system's folder, which is not allowed"},
		{"write", "{name: '..'}", "1", `".." is no file name; check name: in the rule`},
		{"append", "{name: x.txt}", "a\nb", "the body has several lines, and append adds one; send it as JSON, or split it first"},
		{"read", "{name: no.json}", "", "read no.json: it is not there"},
		{"read", "{name: ../x}", "", `"../x" leads out of the system's folder, which is not allowed`},
		{"read", "{name: big.json, max: 5}", "", "read big.json: it has 12 bytes, over the limit of 5 (max)"},
		{"read", "{name: bad.json}", "", "read bad.json: not JSON: line 1, column 2: it ends too early"},
		{"read", "{name: latin.txt, as: text}", "", "read latin.txt: it is no UTF-8 text; read it as binary"},
		{"read", "{name: folder}", "", "read folder: it is no file"},
		{"move", "{from: no.json, to: x.json}", "", "move no.json: it is not there"},
		{"move", "{from: bad.json, to: big.json}", "", "move bad.json: there is a big.json already; give another name, or overwrite: true"},
		{"move", "{from: bad.json, to: ../x}", "", `"../x" leads out of the system's folder, which is not allowed`},
		{"delete", "{name: folder}", "", "delete folder: it is a folder"},
		{"list", "{pattern: '['}", "", `list: "[" is no pattern; write it as *.json`},
	} {
		if c.want == "" || runtime.GOOS == "windows" && strings.Contains(c.with, "out") {
			continue
		}
		if _, err := o.do(t.Context(), c.op, c.with, c.body); fault.ClassOf(err) != fault.Rejected || err.Error() != c.want {
			t.Errorf("%s %s: %s %v\nwant it rejected: %s", c.op, c.with, fault.ClassOf(err), err, c.want)
		}
	}
}

func TestReadListMoveDelete(t *testing.T) {
	o := openIn(t, t.TempDir())
	o.well("write", "{name: a.txt}", "é")
	o.well("write", "{name: b.json, dir: sub}", "2")
	if a := o.well("read", "{name: a.txt, as: text}", ""); a.Value != "é" || string(a.Body) != "é" || a.Type != "text/plain" {
		t.Errorf("read as text: %v, type %s", a.Value, a.Type)
	}
	if a := o.well("read", "{name: a.txt, as: binary}", ""); a.Value != "w6k=" {
		t.Errorf("read as binary: %v", a.Value)
	}
	o.well("move", "{from: sub/b.json, to: a.txt, overwrite: true}", "")
	o.holds("a.txt", "2")
	a := o.well("list", "{recursive: true}", "")
	if got := fmt.Sprint(len(a.Value.([]any)), a.Value.([]any)[0].(map[string]any)["name"]); got != "1a.txt" {
		t.Errorf("list: %s", got)
	}
	o.well("delete", "{name: a.txt}", "")
	o.well("delete", "{name: a.txt}", "")
	if n := visible(o.dir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAppendMendsWhatACrashLeft(t *testing.T) {
	for name, c := range map[string]struct{ there, want string }{
		"nothing":                   {"", "{\"n\":1}\n"},
		"whole lines":               {"{}\n", "{}\n{\"n\":1}\n"},
		"a line that was cut short": {"{\"a\":1}\n{\"b\":", "{\"a\":1}\n{\"n\":1}\n"},
		"a first line cut short":    {"{\"b\":", "{\"n\":1}\n"},
		"a long one":                {"{}\n{\"b\":\"" + strings.Repeat("x", 100_000), "{}\n{\"n\":1}\n"},
		"a whole one without end":   {"{\"a\":1}", "{\"a\":1}\n{\"n\":1}\n"},
		"text of somebody's own":    {"header", "header\n{\"n\":1}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o := openIn(t, t.TempDir())
			must(t, os.WriteFile(filepath.Join(o.dir, "log.ndjson"), []byte(c.there), 0o666))
			o.well("append", "{name: log.ndjson}", `{ "n": 1 }`)
			o.holds("log.ndjson", c.want)
			if said := strings.Contains(o.logs.String(), "cut short"); said != strings.Contains(name, "short") && name != "a long one" {
				t.Errorf("log: %s", o.logs.String())
			}
		})
	}
}

func TestAppendAtOnceLosesAndTearsNoLine(t *testing.T) {
	o := openIn(t, t.TempDir())
	const writers, each = 32, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if w%2 == 0 {
					o.well("append", fmt.Sprintf("{name: %d.ndjson}", w%4/2), fmt.Sprintf(`{"w":%d,"n":%d}`, w, n))
					continue
				}
				op := o.d.Operation("append")
				with := adaptertest.Node(t, fmt.Sprintf("{name: %d.ndjson}", w%4/2), "")
				errs, ok := op.DoMany(t.Context(), o.conn, append(nodes(with, 1), with), []message.Message{{Body: fmt.Appendf(nil, `{"w":%d,"n":%d}`, w, n)}, {Body: []byte(`{"many":true}`)}})
				if err := errors.Join(errs...); err != nil || !ok {
					t.Errorf("DoMany: %v, %v", err, ok)
				}
			}
		})
	}
	all.Wait()
	next := map[int]int{}
	many := 0
	for _, name := range []string{"0.ndjson", "1.ndjson"} {
		f, err := os.Open(filepath.Join(o.dir, name))
		must(t, err)
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var l struct {
				W, N int
				Many bool
			}
			must(t, json.Unmarshal(lines.Bytes(), &l))
			if l.Many {
				many++
				continue
			}
			if next[l.W] != l.N {
				t.Fatalf("writer %d: line %d where %d is due", l.W, l.N, next[l.W])
			}
			next[l.W]++
		}
	}
	for w := range writers {
		if next[w] != each {
			t.Errorf("writer %d: %d lines, want %d", w, next[w], each)
		}
	}
	if many != writers/2*each {
		t.Errorf("%d second lines of DoMany, want %d", many, writers/2*each)
	}
	if n := file.WaitingAppends(o.conn); n != 0 {
		t.Errorf("%d appends wait for nobody", n)
	}
}

// A reload opens the successor of a system while the old one still writes.
func TestTwoSystemsAppendToOneFile(t *testing.T) {
	dir := t.TempDir()
	systems := []*outbox{openIn(t, dir), openIn(t, dir)}
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for n := range 25 {
				systems[w%2].well("append", "{name: a.ndjson}", fmt.Sprintf(`{"w":%d,"n":%d}`, w, n))
			}
		})
	}
	all.Wait()
	lines := strings.Split(strings.TrimSuffix(read(t, filepath.Join(dir, "a.ndjson")), "\n"), "\n")
	seen := map[string]bool{}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Errorf("the line %q is torn", l)
		}
		seen[l] = true
	}
	if len(lines) != 200 || len(seen) != 200 {
		t.Errorf("%d lines, %d different ones, want 200", len(lines), len(seen))
	}
}

func TestAppendManyGivesEachItsError(t *testing.T) {
	o := openIn(t, t.TempDir())
	with := adaptertest.Node(t, "{name: a.txt}", "")
	errs, _ := o.d.Operation("append").DoMany(t.Context(), o.conn, append(nodes(with, 2), with), []message.Message{
		{Type: "text/plain", Body: []byte("one")}, {Type: "text/plain", Body: []byte("two\nlines")}, {Type: "text/plain", Body: []byte("three\r\n")}})
	if errs[0] != nil || fault.ClassOf(errs[1]) != fault.Rejected || errs[2] != nil {
		t.Errorf("DoMany: %v", errs)
	}
	o.holds("a.txt", "one\nthree\n")
}

func TestAppendGivesUp(t *testing.T) {
	o := openIn(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.do(ctx, "append", "{name: a.ndjson}", "1"); fault.ClassOf(err) != fault.Transient {
		t.Errorf("append after its time: %v, want it transient", err)
	}
	if visible(o.dir) != 0 {
		t.Error("it was written all the same")
	}
}

func TestAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("excluded: this system has no /dev/full; the class of the error is tested in TestTrouble")
	}
	o := openIn(t, "/dev")
	_, err := o.do(t.Context(), "append", "{name: full}", "1")
	if want := "append to full: the disk is full; free some space, and it goes on by itself"; fault.ClassOf(err) != fault.Transient || err.Error() != want {
		t.Errorf("append = %v, want a transient %q", err, want)
	}
}

func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		err   error
		class fault.Class
		want  string
	}{
		{&fs.PathError{Op: "open", Path: "/x/y", Err: fs.ErrPermission}, fault.Unauthorized, "write y: not permitted; give the user that njia runs as the right to do it"},
		{&fs.PathError{Op: "open", Path: "/x/y", Err: fs.ErrNotExist}, fault.Rejected, "write y: it is not there"},
		{&os.LinkError{Op: "rename", Old: "/x", New: "/y", Err: errors.New("device busy")}, fault.Transient, "write y: device busy"},
		{fault.New(fault.Conflict, "as it was"), fault.Conflict, "as it was"},
	} {
		if err := file.Trouble("write y", c.err); fault.ClassOf(err) != c.class || err.Error() != c.want {
			t.Errorf("trouble(%v) = %s %v, want %s %s", c.err, fault.ClassOf(err), err, c.class, c.want)
		}
	}
}

func TestPermissions(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("excluded: this user may do everything; the class of the error is tested in TestTrouble")
	}
	o := openIn(t, t.TempDir())
	must(t, os.Chmod(o.dir, 0o555))
	for _, op := range []string{"write", "append"} {
		if _, err := o.do(t.Context(), op, "{name: a.json}", "1"); fault.ClassOf(err) != fault.Unauthorized {
			t.Errorf("%s: %v, want it unauthorized", op, err)
		}
	}
}

func TestCompactKeepsDigitsAndOrder(t *testing.T) {
	o := openIn(t, t.TempDir())
	o.well("append", "{name: a.ndjson}", "{\n  \"z\": 1.000,\n  \"a\": 12345678901234567890,\n \"s\": \"<&>\" }")
	o.holds("a.ndjson", `{"z":1.000,"a":12345678901234567890,"s":"<&>"}`+"\n")
	_, err := o.d.Operation("append").Do(t.Context(), o.conn, adaptertest.Node(t, "{name: b.ndjson}", ""), message.Message{Value: map[string]any{"b": 1, "a": "x"}})
	must(t, err)
	if d := cmp.Diff(`{"a":"x","b":1}`+"\n", read(t, filepath.Join(o.dir, "b.ndjson"))); d != "" {
		t.Error(d)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func BenchmarkAppend(b *testing.B) {
	body := []byte(`{"resourceType":"Observation","id":"8f2c","status":"final","valueQuantity":{"value":13.50,"unit":"g/dL"}}`)
	b.Run("one by one", func(b *testing.B) {
		o := openIn(b, b.TempDir())
		with := adaptertest.Node(b, "{name: a.ndjson}", "")
		op := o.d.Operation("append")
		for b.Loop() {
			if _, err := op.Do(b.Context(), o.conn, with, message.Message{Body: body}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	})
	b.Run("64 at once", func(b *testing.B) {
		o := openIn(b, b.TempDir())
		with := adaptertest.Node(b, "{name: a.ndjson}", "")
		op := o.d.Operation("append")
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := op.Do(b.Context(), o.conn, with, message.Message{Body: body}); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	})
	b.Run("many of 256", func(b *testing.B) {
		o := openIn(b, b.TempDir())
		with := adaptertest.Node(b, "{name: a.ndjson}", "")
		ms := make([]message.Message, 256)
		for i := range ms {
			ms[i].Body = body
		}
		withs := append(nodes(with, 255), with)
		op := o.d.Operation("append")
		for b.Loop() {
			errs, _ := op.DoMany(b.Context(), o.conn, withs, ms)
			if err := errors.Join(errs...); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(256*b.N)/b.Elapsed().Seconds(), "msgs/s")
	})
}

func nodes(n *bind.Node, count int) []*bind.Node {
	out := make([]*bind.Node, count)
	for i := range out {
		out[i] = n
	}
	return out
}
