package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/njia-health/njia/adapters/file"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/message"
)

func TestAdapter(t *testing.T) {
	adaptertest.Run(t, file.Adapter(), adaptertest.Harness{
		System:  "dir: ./inbox",
		Sources: map[string]adaptertest.Source{"files": drop},
		Operations: map[string]adaptertest.Operation{"write": writing, "append": appending, "read": reading, "list": listing,
			"move": moving, "delete": deleting},
		Not: map[string]string{
			"bad credentials are unauthorized": "a folder has no credentials; TestPermissions tests the rights of files, where there are any",
			"honours Retry-After":              "a file system asks for no time",
			"honours the deadline":             "the calls of a file system cannot be cut short; a disk that hangs is tested for append in TestAppendGivesUp",
			"list: refusal is rejected":        "a folder that is not there may come back, as a share does; a wrong pattern is tested in TestRefusals",
			"files: empty body":                "an empty JSON file is an invalid message; TestEmptyFiles tests each format",
		},
	})
}

// drop is a folder that somebody renames files into.
func drop(t testing.TB) *adaptertest.Way {
	dir := t.TempDir()
	var n atomic.Int64
	return &adaptertest.Way{
		System: "dir: " + dir,
		With:   "{stable: 0s, every: 20ms}",
		Put: func(_ *adaptertest.Inbox, body []byte) error {
			return rename(dir, fmt.Sprintf("%04d.json", n.Add(1)), body)
		},
		Answered: func() int {
			done, _ := filepath.Glob(filepath.Join(dir, ".done", "*"))
			return len(done)
		},
		Cut:  func() { must(t, os.Rename(dir, dir+".away")) },
		Mend: func() { must(t, os.Rename(dir+".away", dir)) },
	}
}

// rename puts a file into place as careful senders do.
func rename(dir, name string, body []byte) error {
	temp := filepath.Join(dir, "."+name+".tmp")
	if err := os.WriteFile(temp, body, 0o666); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, name))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// visible counts files, those that are not temporary.
func visible(dir string) int {
	n := 0
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
		if d != nil && !d.IsDir() {
			n++
		}
		return nil
	})
	return n
}

func content(path string, want []byte) error {
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("the file holds %q, want %q", got, want)
	}
	return err
}

func writing(t testing.TB) *adaptertest.Target {
	dir := t.TempDir()
	name := func(n int) string { return fmt.Sprintf("result-%d.json", n) }
	msg := func(n int) message.Message { return message.Message{Body: fmt.Appendf(nil, `{"n":%d}`, n)} }
	return &adaptertest.Target{
		System:  "dir: " + dir,
		With:    func(n int) string { return "{dir: out/today, name: " + name(n) + "}" },
		Message: msg,
		Done: func(n int, _ message.Message) error {
			return content(filepath.Join(dir, "out", "today", name(n)), msg(n).Body)
		},
		Effects: func() int { return visible(dir) },
		Bad:     func() (string, message.Message) { return "{dir: ../elsewhere, name: x}", msg(0) },
		Cut:     func() { must(t, os.RemoveAll(dir)) },
	}
}

func appending(t testing.TB) *adaptertest.Target {
	dir := t.TempDir()
	return &adaptertest.Target{
		System: "dir: " + dir,
		With:   func(int) string { return "{name: log.ndjson}" },
		Message: func(n int) message.Message {
			return message.Message{Type: "application/json", Body: fmt.Appendf(nil, "{ \"n\": %d,\n \"dose\": 1.000 }", n)}
		},
		Done: func(n int, _ message.Message) error {
			b, err := os.ReadFile(filepath.Join(dir, "log.ndjson"))
			if want := fmt.Sprintf("{\"n\":%d,\"dose\":1.000}\n", n); err == nil && strings.Count(string(b), want) != 1 {
				err = fmt.Errorf("the line %q is there %d times", want, strings.Count(string(b), want))
			}
			return err
		},
		Bad: func() (string, message.Message) {
			return "{name: log.txt}", message.Message{Type: "text/plain", Body: []byte("two\nlines")}
		},
		Cut: func() { must(t, os.RemoveAll(dir)) },
	}
}

func reading(t testing.TB) *adaptertest.Target {
	dir := t.TempDir()
	for n := range 20 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", n)), fmt.Appendf(nil, `{"n":%d}`, n), 0o666))
	}
	return &adaptertest.Target{
		System: "dir: " + dir,
		With:   func(n int) string { return fmt.Sprintf("{name: %d.json}", n) },
		Done: func(n int, a message.Message) error {
			if v, err := a.JSON(); err != nil || v.(map[string]any)["n"] != n {
				return fmt.Errorf("answer %v, %w", v, err)
			}
			return nil
		},
		Bad: func() (string, message.Message) { return "{name: ../../etc/passwd}", message.Message{} },
		Cut: func() { must(t, os.RemoveAll(dir)) },
	}
}

func listing(t testing.TB) *adaptertest.Target {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a.json"), []byte("12345"), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "b.txt"), nil, 0o666))
	return &adaptertest.Target{
		System: "dir: " + dir,
		With:   func(int) string { return "{pattern: '*.json'}" },
		Done: func(_ int, a message.Message) error {
			v, err := a.JSON()
			list, _ := v.([]any)
			if err != nil || len(list) != 1 || list[0].(map[string]any)["size"] != 5 || list[0].(map[string]any)["name"] != "a.json" {
				return fmt.Errorf("answer %v, %w", v, err)
			}
			return nil
		},
		Cut: func() { must(t, os.RemoveAll(dir)) },
	}
}

func moving(t testing.TB) *adaptertest.Target {
	dir := t.TempDir()
	for n := range 20 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", n)), fmt.Appendf(nil, `{"n":%d}`, n), 0o666))
	}
	return &adaptertest.Target{
		System: "dir: " + dir,
		With:   func(n int) string { return fmt.Sprintf("{from: %d.json, to: sent/%d.json}", n, n) },
		Done: func(n int, _ message.Message) error {
			return content(filepath.Join(dir, "sent", fmt.Sprintf("%d.json", n)), fmt.Appendf(nil, `{"n":%d}`, n))
		},
		Effects: func() int { return visible(dir) },
		Bad:     func() (string, message.Message) { return "{from: no.json, to: x.json}", message.Message{} },
		Cut:     func() { must(t, os.RemoveAll(dir)) },
	}
}

func deleting(t testing.TB) *adaptertest.Target {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o777))
	for n := range 20 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", n)), nil, 0o666))
	}
	return &adaptertest.Target{
		System: "dir: " + dir,
		With:   func(n int) string { return fmt.Sprintf("{name: %d.json}", n) },
		Done: func(n int, _ message.Message) error {
			if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d.json", n))); !errors.Is(err, fs.ErrNotExist) {
				return errors.New("it is still there")
			}
			return nil
		},
		Effects: func() int { return 20 - visible(dir) },
		Bad:     func() (string, message.Message) { return "{name: folder}", message.Message{} },
		Cut:     func() { must(t, os.RemoveAll(dir)) },
	}
}
