package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/njia-health/njia/engine/journal"
	"golang.org/x/sys/unix"
)

// needed skips a test that cannot run here, but never on a build server.
func needed(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why + "; on a build server (CI=true) this test must run")
	}
	t.Skip(why)
}

// TestFullDisk fills a real file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		needed(t, fmt.Sprintf("a small file system cannot be mounted here (%v): run as root", err))
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	for name, size := range map[string]int{"rows": 20 << 10, "files": 200 << 10} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(dir, name)
			j := open(t, dir)
			defer func() {
				_ = j.Close()
				_ = os.RemoveAll(dir)
			}()
			ballast := filepath.Join(dir, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			kept := filled(t, j, size, 2000)
			intact(t, j, kept)
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			rs, err := j.Append(t.Context(), []journal.Entry{noise(9999, size)})
			if err != nil {
				t.Fatalf("with space again: Append = %v", err)
			}
			kept = append(kept, rs...)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = open(t, dir)
			intact(t, j, kept)
		})
	}
}

// TestFsyncFails lets the kernel refuse every fsync of a process, with a seccomp filter, and asks what it makes of that.
func TestFsyncFails(t *testing.T) {
	dir := t.TempDir()
	c := child(t, "no-fsync", dir)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if strings.Contains(out.String(), "no seccomp") {
		needed(t, out.String())
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	j := open(t, dir)
	defer j.Close()
	if err := j.Check(); err != nil {
		t.Error(err)
	}
	body, _, err := j.Body(t.Context(), 1)
	if err != nil || len(body) != 100 {
		t.Errorf("what was acknowledged before: %d bytes, %v", len(body), err)
	}
	if _, err := j.Append(t.Context(), []journal.Entry{noise(9, 100)}); err != nil {
		t.Errorf("opened anew, with a disk that works: Append = %v", err)
	}
}

// withoutFsync is the child of TestFsyncFails.
func withoutFsync(dir string) {
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	die(err)
	ctx := context.Background()
	_, err = j.Append(ctx, []journal.Entry{noise(1, 100)})
	die(err)
	if err := refuseFsync(); err != nil {
		die(fmt.Errorf("no seccomp filter can be set here: %w", err))
	}
	_, err = j.Append(ctx, []journal.Entry{noise(2, 100)})
	if err == nil {
		die(errors.New("a write was acknowledged although fsync failed: the commit does not wait for the disk"))
	}
	for n := range 3 {
		_, err = j.Append(ctx, []journal.Entry{noise(3+n, 100)})
		if err == nil || !strings.Contains(err.Error(), "takes nothing since the disk failed") {
			die(fmt.Errorf("after a failed fsync: Append = %w", err))
		}
	}
	if _, _, err := j.Body(ctx, 1); err != nil {
		die(fmt.Errorf("after a failed fsync, reading: %w", err))
	}
	_ = j.Close()
}

// refuseFsync makes fsync and fdatasync of this process fail with EIO.
func refuseFsync() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FSYNC, Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FDATASYNC, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if e != 0 {
		return e
	}
	return nil
}
