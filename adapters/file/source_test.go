package file_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/file"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// source is a files source that runs.
type source struct {
	testing.TB
	dir  string
	in   *adaptertest.Inbox
	logs *bytes.Buffer
	stop func()
}

func start(t testing.TB, dir, with string, in *adaptertest.Inbox) *source {
	t.Helper()
	logs := &bytes.Buffer{}
	d := file.Adapter()
	node := adaptertest.Node(t, with, "")
	if errs := d.Source("files").Check(node); errs.Failed() {
		t.Fatalf("settings %s: %v", with, errs)
	}
	conn, err := d.Open(t.Context(), adapter.Env{System: "inbox", Log: slog.New(slog.NewTextHandler(logs, nil))}, adaptertest.Node(t, "dir: "+dir, ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Source("files").Run(ctx, conn, node, in) }()
	s := &source{TB: t, dir: dir, in: in, logs: logs, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the source ended with %v", err)
		}
	})}
	if c, ok := t.(interface{ Cleanup(func()) }); ok {
		c.Cleanup(s.stop)
	}
	return s
}

// put renames a file into place.
func (s *source) put(name, content string) {
	s.Helper()
	must(s, os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o777))
	must(s, rename(filepath.Dir(filepath.Join(s.dir, name)), filepath.Base(name), []byte(content)))
}

// settled waits until the file is moved away.
func (s *source) settled(name string) {
	s.Helper()
	until(s, name+" to be moved away", func() bool { return !exists(filepath.Join(s.dir, name)) })
}

// empty says that no file is left to take.
func empty(dir string) bool {
	left, _ := filepath.Glob(filepath.Join(dir, "[0-9]*"))
	return len(left) == 0
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 10s for %s", what)
		}
	}
}

// shown gives what a message says in one line.
func shown(m message.Message) string {
	if m.Fault != nil {
		return string(fault.ClassOf(m.Fault)) + ": " + m.Fault.Error() + " | " + string(m.Body)
	}
	return string(m.Body)
}

const quick = "stable: 0s, every: 10ms, "

func utf16(s string) string {
	out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

func cp1252(s string) string {
	out, err := charmap.Windows1252.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		file, with, content string
		limit               int64
		want                []string
		failed              bool
	}{
		"JSON":                        {file: "a.json", content: `{"a": 1.00}`, want: []string{`{"a": 1.00}`}},
		"JSON with a byte order mark": {file: "a.json", content: "\ufeff{}", want: []string{"{}"}},
		"JSON in UTF-16":              {file: "a.json", content: utf16(`{"é":"患"}`), want: []string{`{"é":"患"}`}},
		"JSON that is cut off":        {file: "a.json", content: `{"a":`, want: []string{`invalid: not JSON: line 1, column 6: it ends too early | {"a":`}, failed: true},
		"an empty JSON file":          {file: "a.json", content: "", want: []string{"invalid: the file a.json is empty; expected a JSON document | "}, failed: true},
		"a file over the limit":       {file: "a.json", content: `"0123456789"`, limit: 5, want: []string{`invalid: the file a.json has 12 bytes, over the limit of 5 (max-body) | "0123`}, failed: true},
		"a file of just the limit":    {file: "a.bin", content: "12345", limit: 5, want: []string{"12345"}},
		"a line over the source's limit": {file: "a.ndjson", with: "max-body: 5", content: "\"0123456789\"\n3\n",
			want: []string{`invalid: a.ndjson, line 1: the line is over the limit of 5 bytes (max-body) | "0123`, "3"}, failed: true},
		"binary":                        {file: "a.dat", content: "\x00\xff", want: []string{"\x00\xff"}},
		"an empty binary file":          {file: "a.dat", content: "", want: []string{""}},
		"NDJSON":                        {file: "a.ndjson", content: "{\"a\":1}\n\n  \n{\"b\":2}\n", want: []string{`{"a":1}`, `{"b":2}`}},
		"NDJSON with CRLF, without end": {file: "a.jsonl", content: "\ufeff{\"a\":1}\r\n{\"b\":2}", want: []string{`{"a":1}`, `{"b":2}`}},
		"an empty NDJSON file":          {file: "a.ndjson", content: "", want: nil},
		"NDJSON with a bad line": {file: "a.ndjson", content: "1\n{oops\n3\n",
			want: []string{"1", "invalid: a.ndjson, line 2: not JSON: line 1, column 2: invalid character 'o' looking for beginning of object key string | {oops", "3"}},
		"NDJSON with a line over the limit": {file: "a.ndjson", content: "1\n\"0123456789\"\n3\n", limit: 5,
			want: []string{"1", `invalid: a.ndjson, line 2: the line is over the limit of 5 bytes (max-body) | "0123`, "3"}, failed: true},
		"NDJSON in another encoding": {file: "a.ndjson", content: "1\n\"" + cp1252("é") + "\"\n",
			want: []string{"1", "invalid: a.ndjson, line 2: not UTF-8 text; set encoding: to what the file is written in, such as cp1252 | \"\xe9\""}},
		"text":           {file: "a.txt", content: "one\r\n\ntwo", want: []string{"one", "two"}},
		"text in cp1252": {file: "a.txt", with: "encoding: cp1252", content: cp1252("5 €\nné\n"), want: []string{"5 €", "né"}},
		"text in UTF-16": {file: "a.txt", content: utf16("5 €\nné"), want: []string{"5 €", "né"}},
		"CSV": {file: "a.csv", content: "name,dose,note\r\n\"Doe, J\",1.00,\"two\nlines\"\r\nAyo,,\"say \"\"hi\"\"\"",
			want: []string{`{"name":"Doe, J","dose":"1.00","note":"two\nlines"}`, `{"name":"Ayo","dose":"","note":"say \"hi\""}`}},
		"CSV with semicolons in latin1": {file: "a.csv", with: "encoding: latin1, csv: {separator: ';'}", content: cp1252("prénom;x\né;1\n"),
			want: []string{`{"prénom":"é","x":"1"}`}},
		"TSV":                  {file: "a.tsv", content: "a\tb\n1\t2\n", want: []string{`{"a":"1","b":"2"}`}},
		"CSV without a header": {file: "a.csv", with: "csv: {header: false, columns: [a, b]}", content: "1,2\n3,4\n", want: []string{`{"a":"1","b":"2"}`, `{"a":"3","b":"4"}`}},
		"CSV with own names":   {file: "a.csv", with: "csv: {columns: [x, y]}", content: "a,b\n1,2\n", want: []string{`{"x":"1","y":"2"}`}},
		"CSV with bad rows": {file: "a.csv", content: "a,b\n1\n\"x\"y,2\n3,4\n\"5,6\n7,8",
			want: []string{"invalid: a.csv, line 2: the row and the header differ in length: 1 and 2 | 1",
				"invalid: a.csv, line 3: column 1 has text after its closing quote; a quote inside quotes is written twice | \"x\"y,2",
				`{"a":"3","b":"4"}`, `invalid: a.csv, line 5: a quote opens here and does not close | "5,6`, `{"a":"7","b":"8"}`}},
		"CSV with the wrong separator": {file: "a.csv", content: "a;b\n1;2\n",
			want: []string{`invalid: the header of a.csv: the header is a single column; is its separator ;? Then say csv: { separator: ";" } | `}, failed: true},
		"CSV with a name twice":  {file: "a.csv", content: "a,a\n1,2\n", want: []string{`invalid: the header of a.csv: two columns are called "a" | `}, failed: true},
		"CSV with a header only": {file: "a.csv", content: "a,b\n", want: nil},
		"an empty CSV file":      {file: "a.csv", content: "", want: nil},
		"format by hand":         {file: "a.log", with: "format: ndjson", content: "1\n2\n", want: []string{"1", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := &adaptertest.Inbox{Limit: c.limit}
			s := start(t, t.TempDir(), "{"+quick+c.with+"}", in)
			s.put(c.file, c.content)
			s.settled(c.file)
			s.stop()
			var got []string
			ids := map[string]bool{}
			for _, m := range in.Taken() {
				got = append(got, shown(m))
				ids[adaptertest.StableID(m)] = true
				if m.Value != nil {
					if v, err := message.Decode(m.Body); err != nil || !cmp.Equal(v, m.Value) {
						t.Errorf("Value is %v, and the body says %v, %v", m.Value, v, err)
					}
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("messages (-want +got):\n%s", d)
			}
			if len(ids) != len(got) {
				t.Errorf("%d ids for %d messages", len(ids), len(got))
			}
			if folder := map[bool]string{false: ".done", true: ".failed"}[c.failed]; !exists(filepath.Join(s.dir, folder, c.file)) {
				t.Errorf("%s is not in %s", c.file, folder)
			}
		})
	}
}

// Whatever is refused and wherever the program is stopped, each line of each file is taken once, in order.
func TestEachLineOnceOverRestarts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		must(t, err)
		var want []string
		for f := range rapid.IntRange(1, 4).Draw(rt, "files") {
			ext := rapid.SampledFrom([]string{".ndjson", ".csv", ".json", ".txt"}).Draw(rt, "ending")
			var b strings.Builder
			n := rapid.IntRange(0, 700).Draw(rt, "lines")
			if ext == ".json" {
				n = 1
			}
			if ext == ".csv" {
				b.WriteString("n\n")
			}
			for i := range n {
				id := fmt.Sprintf("%d%04d", f+1, i)
				b.WriteString(id + "\n")
				switch ext {
				case ".csv":
					want = append(want, `{"n":"`+id+`"}`)
				default:
					want = append(want, id)
				}
			}
			must(t, rename(dir, fmt.Sprintf("%d%s", f, ext), []byte(b.String())))
		}
		in := &adaptertest.Inbox{}
		var got []string
		for range 20 {
			in.Refuse(rapid.IntRange(0, 1).Draw(rt, "refusals"), nil)
			ctx, cancel := context.WithCancel(context.Background())
			stopAt := rapid.IntRange(1, 900).Draw(rt, "stop after")
			d := file.Adapter()
			conn, err := d.Open(ctx, adapter.Env{System: "s", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, "dir: "+dir, ""))
			must(t, err)
			ended := make(chan error, 1)
			go func() {
				ended <- d.Source("files").Run(ctx, conn, adaptertest.Node(t, "{stable: 0s, every: 1ms}", ""), in)
			}()
			until(t, "enough of the files", func() bool { return in.Count() >= stopAt || empty(dir) })
			cancel()
			if err := <-ended; err != nil {
				rt.Fatalf("the source ended with %v", err)
			}
			for _, m := range in.Taken() {
				got = append(got, strings.TrimSpace(shown(m)))
			}
			in = in.Again()
			if empty(dir) {
				break
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("messages (-want +got):\n%s", d)
		}
	})
}

func TestAFileThatCannotBeMovedIsNotTakenAgain(t *testing.T) {
	for _, name := range []string{"a.json", "a.ndjson"} {
		t.Run(name, func(t *testing.T) {
			in := &adaptertest.Inbox{}
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, ".done"), nil, 0o666)) // in the way of the folder
			s := start(t, dir, "{"+quick+"}", in)
			s.put(name, "1\n")
			until(t, "the message", func() bool { return in.Count() == 1 })
			must(t, in.Until(t.Context(), func() bool { m, _ := in.Marks(t.Context()); return len(m) == 1 }))
			s.stop()
			in = in.Again()
			s = start(t, dir, "{"+quick+"}", in)
			time.Sleep(50 * time.Millisecond) // a few looks
			if in.Count() != 0 || !exists(filepath.Join(dir, name)) {
				t.Fatalf("taken %d times more, there: %v", in.Count(), exists(filepath.Join(dir, name)))
			}
			must(t, os.Remove(filepath.Join(dir, ".done")))
			s.settled(name)
			must(t, in.Until(t.Context(), func() bool { m, _ := in.Marks(t.Context()); return len(m) == 0 }))
			s.stop()
			if n := strings.Count(s.logs.String(), "cannot be moved away"); n != 1 || in.Count() != 0 {
				t.Errorf("said %d times that it cannot be moved, want once; taken %d times more", n, in.Count())
			}
		})
	}
}

func TestTheSameNameAgain(t *testing.T) {
	in := &adaptertest.Inbox{}
	s := start(t, t.TempDir(), "{"+quick+"}", in)
	for n := range 4 {
		s.put("result.json", fmt.Sprint(n))
		s.settled("result.json")
	}
	s.stop()
	var got []string
	for _, m := range in.Taken() {
		got = append(got, string(m.Body))
	}
	if d := cmp.Diff([]string{"0", "1", "2", "3"}, got); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
	if kept, _ := filepath.Glob(filepath.Join(s.dir, ".done", "result*.json")); len(kept) != 4 {
		t.Errorf("done holds %v, want all four", kept)
	}
}

func TestHalfWrittenFilesAreLeftAlone(t *testing.T) {
	in := &adaptertest.Inbox{}
	s := start(t, t.TempDir(), "{stable: 250ms, every: 10ms}", in)
	f, err := os.Create(filepath.Join(s.dir, "slow.ndjson"))
	must(t, err)
	for n := range 12 {
		fmt.Fprintln(f, n)
		time.Sleep(40 * time.Millisecond)
		if n := in.Offered(); n > 0 {
			t.Fatalf("%d lines are offered of a file that is being written", n)
		}
	}
	must(t, f.Close())
	for _, name := range []string{"a.json.tmp", "a.json.part", ".a.json", "a.json.filepart"} {
		must(t, os.WriteFile(filepath.Join(s.dir, name), []byte("1"), 0o666))
	}
	s.settled("slow.ndjson")
	time.Sleep(300 * time.Millisecond) // longer than stable
	s.stop()
	if in.Count() != 12 || in.Offered() != 12 {
		t.Errorf("taken %d, offered %d, want the 12 lines and no unfinished file", in.Count(), in.Offered())
	}
}

func TestAFileThatChangesWhileItIsReadStays(t *testing.T) {
	in := &adaptertest.Inbox{}
	in.Block()
	s := start(t, t.TempDir(), "{"+quick+"}", in)
	s.put("a.ndjson", "1\n")
	until(t, "an offer", func() bool { return in.Waiting() > 0 })
	must(t, os.WriteFile(filepath.Join(s.dir, "a.ndjson"), []byte("1\n2\n"), 0o666))
	in.Unblock()
	s.settled("a.ndjson")
	s.stop()
	bodies := map[string]bool{}
	for _, m := range in.Taken() {
		bodies[string(m.Body)] = true
	}
	if !bodies["2"] || !strings.Contains(s.logs.String(), "changed while it was read") {
		t.Errorf("taken %v; log: %s", bodies, s.logs)
	}
}

func TestOrder(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for i, name := range []string{"b.json", "c.json", "a.json"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(`"`+name+`"`), 0o666))
		must(t, os.Chtimes(filepath.Join(dir, name), now, now.Add(time.Duration(i-10)*time.Second)))
	}
	for order, want := range map[string][]string{"name": {"a.json", "b.json", "c.json"}, "time": {"b.json", "c.json", "a.json"}} {
		copied := t.TempDir()
		must(t, os.CopyFS(copied, os.DirFS(dir)))
		for _, name := range want {
			info, err := os.Stat(filepath.Join(dir, name))
			must(t, err)
			must(t, os.Chtimes(filepath.Join(copied, name), now, info.ModTime()))
		}
		in := &adaptertest.Inbox{}
		s := start(t, copied, "{"+quick+"order: "+order+"}", in)
		must(t, in.Until(t.Context(), func() bool { return in.Count() == 3 }))
		s.stop()
		var got []string
		for _, m := range in.Taken() {
			got = append(got, m.Headers["file-name"])
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("order: %s (-want +got):\n%s", order, d)
		}
	}
}

func TestFolders(t *testing.T) {
	in := &adaptertest.Inbox{}
	s := start(t, t.TempDir(), "{"+quick+"recursive: true, done: taken, failed: bad, pattern: ['*.json', '*.txt']}", in)
	s.put("a.json", "1")
	s.put("lab/b.json", "2")
	s.put("lab/deep/c.txt", "3")
	s.put("lab/bad.json", "{")
	s.put("lab/other.xml", "<a/>")
	for _, n := range []string{"a.json", "lab/b.json", "lab/deep/c.txt", "lab/bad.json"} {
		s.settled(n)
	}
	time.Sleep(50 * time.Millisecond) // a few looks at what is done
	s.stop()
	if in.Count() != 4 {
		t.Errorf("taken %d, want 4", in.Count())
	}
	for _, n := range []string{"taken/a.json", "taken/lab/b.json", "taken/lab/deep/c.txt", "bad/lab/bad.json", "lab/other.xml"} {
		if !exists(filepath.Join(s.dir, n)) {
			t.Errorf("%s is not there", n)
		}
	}
}

func TestASubFolder(t *testing.T) {
	in := &adaptertest.Inbox{}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "lab"), 0o777))
	s := start(t, dir, "{"+quick+"dir: lab, after: delete}", in)
	s.put("lab/a.json", "1")
	s.settled("lab/a.json")
	s.stop()
	if got := in.Taken()[0].Headers["file-path"]; got != "lab/a.json" || exists(filepath.Join(dir, "lab", ".done", "a.json")) {
		t.Errorf("file-path = %q; done holds it: %v", got, exists(filepath.Join(dir, "lab", ".done", "a.json")))
	}
}

func TestALinkThatLeadsOutIsNotFollowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret.json")
	must(t, os.WriteFile(outside, []byte(`"secret"`), 0o666))
	in := &adaptertest.Inbox{}
	s := start(t, t.TempDir(), "{"+quick+"}", in)
	if err := os.Symlink(outside, filepath.Join(s.dir, "link.json")); err != nil {
		t.Skipf("excluded: this system makes no symbolic links: %v", err)
	}
	s.put("z.json", "1")
	s.settled("z.json")
	s.stop()
	if in.Count() != 1 || string(in.Taken()[0].Body) != "1" {
		t.Errorf("taken %v, want only the file within", in.Taken())
	}
}

func TestNudge(t *testing.T) {
	in := &adaptertest.Inbox{}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a.json"), []byte("1"), 0o666))
	in.Nudge()
	in.Nudge()
	start(t, dir, "{stable: 1ms, every: 1h}", in)
	for end := time.Now().Add(10 * time.Second); in.Count() == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		in.Nudge()
	}
	if in.Count() != 1 {
		t.Error("a nudge does not make it look")
	}
}

func TestSettings(t *testing.T) {
	for with, want := range map[string]string{
		"{dir: ../x}":            `settings.yaml:1:7: "../x" leads out of the system's folder`,
		"{pattern: 'a/*'}":       `settings.yaml:1:11: "a/*" is no pattern of names`,
		"{pattern: '['}":         `settings.yaml:1:11: "[" is no pattern of names`,
		"{done: .}":              "settings.yaml:1:8: done is a folder of its own within dir",
		"{every: 0s}":            "settings.yaml:1:9: every is how often to look, and not nothing",
		"{csv: {separator: ab}}": `settings.yaml:1:7: "ab" is no separator: that is one character, or tab`,
		"{csv: {header: false}}": "settings.yaml:1:7: csv without a header needs the names of its columns",
		"{format: jsn}":          "settings.yaml:1:10: format is json, ndjson, csv, text or binary, this is text",
	} {
		if got := file.Adapter().Source("files").Check(adaptertest.Node(t, with, "")).Error(); got != want {
			t.Errorf("Check(%s) =\n%s\nwant\n%s", with, got, want)
		}
	}
}

func TestAMissingFolderIsSaid(t *testing.T) {
	d := file.Adapter()
	dir := filepath.Join(t.TempDir(), "not-mounted")
	conn, err := d.Open(t.Context(), adapter.Env{Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, "dir: "+dir, ""))
	must(t, err)
	err = d.Source("files").Run(t.Context(), conn, adaptertest.Node(t, "", ""), &adaptertest.Inbox{})
	if want := "the folder " + dir + " is not there; create it, or mount what holds it"; fault.ClassOf(err) != fault.Transient || err.Error() != want {
		t.Errorf("Run = %v, want a transient %q", err, want)
	}
	if err := d.Health(t.Context(), conn); fault.ClassOf(err) != fault.Transient {
		t.Errorf("Health = %v, want it transient", err)
	}
}

func BenchmarkNDJSON(b *testing.B) {
	line := []byte(`{"resourceType":"Observation","id":"8f2c","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"valueQuantity":{"value":13.50,"unit":"g/dL"}}` + "\n")
	const lines = 50_000
	content := bytes.Repeat(line, lines)
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		must(b, os.WriteFile(filepath.Join(dir, "a.ndjson"), content, 0o666))
		in := &adaptertest.Inbox{Forget: true}
		b.StartTimer()
		s := start(b, dir, "{"+quick+"}", in)
		for in.Count() < lines {
			time.Sleep(time.Millisecond)
		}
		b.StopTimer()
		s.stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s")
}
