package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// smallDisk mounts a file system of a few megabytes, which needs root. CI has it: there the test must run.
func smallDisk(t *testing.T, dir string, size int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI must be able to mount a small disk: %v", err)
		}
		t.Skipf("a really full disk needs root to be made: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// TestAFullDiskSaysNoAndRecovers fills the disk under a running engine: its source is told no, nothing is half written, and it
// goes on by itself when there is space again.
func TestAFullDiskSaysNoAndRecovers(t *testing.T) {
	r := &rig{t: t, w: newWorld(), dir: t.TempDir()}
	smallDisk(t, filepath.Join(r.dir, "data"), 6<<20)
	r.opts = defaultOptions(r.w)
	rules := site + `route: r
from: b.feed
with: { name: r }
id: ${body.id}
retry: { backoff: 10ms..20ms }
to: b.put
`
	r.start(rules)
	t.Cleanup(func() { r.stop() })
	in := r.in("r")
	body := func(i int) []byte {
		return fmt.Appendf(nil, `{"id":%d,"noise":%q}`, i, noise(i, 20000))
	}
	refused := -1
	var accepted []int
	for i := range 2000 {
		if _, err := in.Accept(context.Background(), message.Message{Body: body(i)}); err != nil {
			if !errors.Is(err, journal.ErrFull) {
				t.Fatalf("Accept on a full disk: %v, want ErrFull", err)
			}
			refused = i
			break
		}
		accepted = append(accepted, i)
	}
	if refused < 0 {
		t.Fatal("the disk never became full")
	}
	if err := r.e.Ready(); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("Ready on a full disk: %v, want it to name the journal", err)
	}
	// Somebody makes space: the disk grows.
	if err := unix.Mount("tmpfs", filepath.Join(r.dir, "data"), "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", 64<<20)); err != nil {
		t.Fatal(err)
	}
	for i := refused; i < refused+5; i++ {
		if _, err := in.Accept(context.Background(), message.Message{Body: body(i)}); err != nil {
			t.Fatalf("Accept with space again: %v", err)
		}
		accepted = append(accepted, i)
	}
	r.ends(map[journal.Status]int{journal.Delivered: len(accepted)})
	if err := r.e.Ready(); err != nil {
		t.Errorf("Ready with space again: %v", err)
	}
	r.stop()
	r.start(rules)
	r.ends(map[journal.Status]int{journal.Delivered: len(accepted)})
}

// noise is text that does not compress.
func noise(seed, n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	x := uint64(seed)*2654435761 + 1
	b := make([]byte, n)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = letters[x%64]
	}
	return string(b)
}
