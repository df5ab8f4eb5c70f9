//go:build !linux

package journal_test

// withoutFsync is for Linux, where a process can be denied its fsync.
func withoutFsync(string) {}
