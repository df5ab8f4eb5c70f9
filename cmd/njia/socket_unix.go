//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
)

// listenUnix makes the socket in a folder that nobody else can enter, and moves it to its place once its mode is right.
func listenUnix(path string) (net.Listener, error) {
	private := filepath.Join(filepath.Dir(path), ".s")
	if err := os.RemoveAll(private); err != nil {
		return nil, err
	}
	if err := os.Mkdir(private, 0o700); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(private) }()
	at := filepath.Join(private, "njia")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(at, 0o600); err == nil {
		err = os.Rename(at, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}
