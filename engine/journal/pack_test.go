package journal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
	"pgregory.net/rapid"
)

// The dictionary is part of the format: a body cannot be read with another.
func TestDictionaryNeverChanges(t *testing.T) {
	b, err := os.ReadFile("dict/1.txt")
	must(t, err)
	sum := sha256.Sum256(b)
	if got, want := hex.EncodeToString(sum[:8]), dictSum; got != want {
		t.Errorf("dict/1.txt has the hash %s, want %s: put another dictionary into another file", got, want)
	}
}

func TestAboutRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		headers := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "headers")
		vars := rapid.SliceOf(rapid.Byte()).Draw(t, "vars")
		k, h, v, err := journal.DecodeAbout(journal.EncodeAbout(key, headers, vars))
		if err != nil || k != key || !cmp.Equal(h, headers, cmpopts.EquateEmpty()) || !bytes.Equal(v, vars) {
			t.Fatalf("got %q, %v, %q, %v", k, h, v, err)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add(journal.EncodeAbout("k", map[string]string{"a": "b"}, []byte("{}")))
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{7, 1, 'a', 2, 'b', 'c', 'd'})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _, _ = journal.DecodeAbout(b) // a damaged row is an error, and no panic
		_ = journal.DecodeContent(b)
	})
}

// files are the large bodies of a journal.
func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "large", "*"))
	must(t, err)
	return all
}

func TestLargeBodiesShareAFileAndGoWithTheLast(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	big := noise(1, 300<<10).Message.Body
	entry := func() journal.Entry {
		return journal.Entry{Message: message.Message{ID: message.NewID(), Time: time.Now(), Body: big}, Route: "r", Status: journal.Received}
	}
	rs, err := j.Append(t.Context(), []journal.Entry{entry(), entry()})
	must(t, err)
	if n := len(files(t, dir)); n != 1 {
		t.Fatalf("two messages with one body have %d files", n)
	}
	end := func(r journal.Receipt, drop bool) {
		t.Helper()
		_, err := j.Resolve(t.Context(), journal.Resolution{Seq: r.Seq, Status: journal.Delivered, DropBody: drop})
		must(t, err)
	}
	end(rs[0], true)
	if body, _, err := j.Body(t.Context(), rs[1].Seq); err != nil || !bytes.Equal(body, big) {
		t.Errorf("the other's body: %d bytes, %v", len(body), err)
	}
	end(rs[1], false)
	_, err = j.Prune(t.Context(), journal.Keep{Bodies: time.Second}, time.Now().Add(time.Hour))
	must(t, err)
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("nobody has the body, but %v is left", left)
	}
	must(t, j.Edit(t.Context(), rs[1].Seq, big, "", journal.Action{Who: "w", What: "edit"}))
	if body, _, err := j.Body(t.Context(), rs[1].Seq); err != nil || !bytes.Equal(body, big) {
		t.Errorf("the body came back: %d bytes, %v", len(body), err)
	}
}

func TestPruneSweepsFilesWithoutAMessage(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	rs, err := j.Append(t.Context(), []journal.Entry{noise(1, 300<<10)})
	must(t, err)
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{strings.Repeat("ab", 32) + ".zst", "new-123", strings.Repeat("cd", 32) + ".zst"} {
		must(t, os.WriteFile(filepath.Join(dir, "large", name), []byte("x"), 0o600))
		if name[0] != 'c' {
			must(t, os.Chtimes(filepath.Join(dir, "large", name), old, old))
		}
	}
	for _, f := range files(t, dir) {
		if len(filepath.Base(f)) == 68 && !strings.HasPrefix(filepath.Base(f), "ab") && !strings.HasPrefix(filepath.Base(f), "cd") {
			must(t, os.Chtimes(f, old, old))
		}
	}
	_, err = j.Prune(t.Context(), journal.Keep{}, time.Now())
	must(t, err)
	if left := files(t, dir); len(left) != 2 { // the message's, and the one too young to judge
		t.Errorf("left are %v", left)
	}
	if _, _, err := j.Body(t.Context(), rs[0].Seq); err != nil {
		t.Error(err)
	}
}

// A body of 100 MB passes through in a small window, and others go on meanwhile.
func TestHugeBody(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB are written: not in a short run")
	}
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	big := bytes.Repeat(patient(1), (100<<20)/len(patient(1)))
	copy(big, "another beginning")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan error, 1)
	go func() {
		_, err := j.Append(t.Context(), []journal.Entry{{Message: message.Message{ID: "huge", Body: big}, Route: "r", Status: journal.Received}})
		done <- err
	}()
	small, slowest := 0, time.Duration(0)
	var err error
	for err == nil && small < 1e6 {
		start := time.Now()
		_, e := j.Append(t.Context(), []journal.Entry{noise(small, 500)})
		must(t, e)
		slowest = max(slowest, time.Since(start))
		small++
		select {
		case err = <-done:
			must(t, err)
			err = errDone
		default:
		}
	}
	runtime.ReadMemStats(&after)
	t.Logf("%d small messages went by, the slowest in %s; %d MB allocated", small, slowest, (after.TotalAlloc-before.TotalAlloc)>>20)
	if more := (after.TotalAlloc - before.TotalAlloc) >> 20; more > 60 {
		t.Errorf("a body of 100 MB took %d MB more", more)
	}
	seq, err := j.Find(t.Context(), "huge")
	must(t, err)
	if body, _, err := j.Body(t.Context(), seq); err != nil || !bytes.Equal(body, big) {
		t.Errorf("it came back with %d bytes of %d, %v", len(body), len(big), err)
	}
}

var errDone = errors.New("done")

// dictSum begins the SHA-256 of dict/1.txt.
const dictSum = "260192d157fb91b1"
