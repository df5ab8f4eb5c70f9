package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// The management socket stands in the journal's folder. Where that path is too long for the operating system, it stands
// in a folder of its own for temporary files, and a file says where.
const (
	socketName  = "njia.sock"
	pointerName = "njia.socket"
	// maxSocketPath is what every system we know takes: 104 bytes on macOS, 108 on Linux and Windows, with a zero at the end.
	maxSocketPath = 103
)

// socketOf is where the engine of a journal listens, or would.
func socketOf(journal string) string {
	if b, err := os.ReadFile(filepath.Join(journal, pointerName)); err == nil {
		return strings.TrimSpace(string(b))
	}
	return filepath.Join(journal, socketName)
}

// listenSocket opens the management socket, for its owner alone. Who holds the journal's lock calls it, so that a socket
// which stands there already is one that a crash has left. close takes it away.
func listenSocket(journal string) (l net.Listener, close func(), err error) {
	path := filepath.Join(journal, socketName)
	pointer := filepath.Join(journal, pointerName)
	if err := os.Remove(pointer); err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	var private string
	if len(path) > maxSocketPath {
		if private, err = os.MkdirTemp("", "njia-"); err != nil {
			return nil, nil, err
		}
		path = filepath.Join(private, socketName)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	if l, err = listenUnix(path); err != nil {
		return nil, nil, fmt.Errorf("the management socket %s cannot be opened: %w", path, err)
	}
	if private != "" {
		if err := os.WriteFile(pointer, []byte(path+"\n"), 0o600); err != nil {
			_ = l.Close()
			return nil, nil, err
		}
	}
	return l, func() {
		_ = l.Close()
		_ = os.Remove(path)
		if private != "" {
			_ = os.Remove(pointer)
			_ = os.Remove(private)
		}
	}, nil
}
