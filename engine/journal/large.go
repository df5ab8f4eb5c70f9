package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// shelf keeps what is too large for a row, in files named by the hash of their content. A file is whole and on disk
// before a row speaks of it, and goes after the last row that did.
//
// They are not in the database because one body of 100 MB in a row would hold up every other message for as long as it
// takes to write it twice, and would stand in memory several times; here it passes through a small window in the
// goroutine that brought it.
type shelf struct {
	dir string

	mu   sync.Mutex // guards pins, and keeps files from going while they are looked for
	pins map[[32]byte]int
}

// hash names a file; the zero hash is none.
type hash [32]byte

// kept is what a row keeps of some bytes.
type kept struct {
	data []byte
	file hash
	size int64 // of the bytes in the file
}

func (k kept) large() bool { return k.file != hash{} }

// keep packs b for a row, or puts it on the shelf, where it is pinned until free.
func (d *Disk) keep(b []byte) (kept, error) {
	if len(b) <= maxDirty {
		p := d.packer.pack(b)
		if len(p) <= maxRow {
			return kept{data: p}, nil
		}
	}
	h, err := d.shelf.put(b)
	if err != nil {
		return kept{}, err
	}
	ref := append([]byte{packLarge}, h[:]...)
	return kept{data: binary.AppendUvarint(ref, uint64(len(b))), file: h, size: int64(len(b))}, nil
}

// load gives the bytes that a row keeps.
func (d *Disk) load(data []byte) ([]byte, error) {
	if len(data) > 0 && data[0] == packLarge {
		h, size, ok := large(data)
		if !ok {
			return nil, errAbout
		}
		return d.shelf.get(h, size)
	}
	return d.packer.unpack(data)
}

// large reads a reference to a file.
func large(data []byte) (h hash, size int64, ok bool) {
	if len(data) < 34 || data[0] != packLarge {
		return h, 0, false
	}
	copy(h[:], data[1:33])
	n, w := binary.Uvarint(data[33:])
	return h, int64(n), w > 0
}

func (d *Disk) free(ks ...kept) {
	for _, k := range ks {
		if k.large() {
			d.shelf.unpin(k.file)
		}
	}
}

func (s *shelf) path(h hash) string { return filepath.Join(s.dir, hex.EncodeToString(h[:])+".zst") }

// put writes b, unless it is there, and pins it.
func (s *shelf) put(b []byte) (h hash, err error) {
	h = sha256.Sum256(b)
	s.mu.Lock()
	s.pins[h]++
	_, missing := os.Stat(s.path(h))
	s.mu.Unlock()
	if missing == nil {
		return h, nil
	}
	if err = s.write(h, b); err != nil {
		s.unpin(h)
		err = writeError("keeping a large body", err)
	}
	return h, err
}

func (s *shelf) write(h hash, b []byte) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	if _, err := z.Write(b); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errSync, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path(h)); err != nil {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return fmt.Errorf("%w: %w", errSync, err)
	}
	return syncDir(filepath.Dir(s.dir))
}

func (s *shelf) get(h hash, size int64) ([]byte, error) {
	f, err := os.Open(s.path(h))
	if err != nil {
		return nil, fmt.Errorf("a large body: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var out bytes.Buffer
	out.Grow(int(min(size, maxBlock)) + bytes.MinRead)
	if _, err := io.Copy(&out, z); err != nil {
		return nil, fmt.Errorf("the large body %s is damaged: %w", filepath.Base(f.Name()), err)
	}
	if int64(out.Len()) != size {
		return nil, fmt.Errorf("the large body %s has %d bytes, and had %d", filepath.Base(f.Name()), out.Len(), size)
	}
	return out.Bytes(), nil
}

func (s *shelf) unpin(h hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pins[h]--; s.pins[h] <= 0 {
		delete(s.pins, h)
	}
}

// drop removes a file that no row speaks of, unless one is about to.
func (s *shelf) drop(h hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pins[h] == 0 {
		_ = os.Remove(s.path(h)) // what stays is found by sweep
	}
}

// sweep removes files older than age that no row speaks of: those of writes that failed or were cut off.
func (s *shelf) sweep(age time.Duration, known func(hash) (bool, error)) error {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range files {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < age {
			continue
		}
		name, isBody := strings.CutSuffix(e.Name(), ".zst")
		var h hash
		if b, err := hex.DecodeString(name); isBody && err == nil && len(b) == len(h) {
			copy(h[:], b)
			if is, err := known(h); err != nil || is {
				continue
			}
			s.drop(h)
		} else if strings.HasPrefix(e.Name(), "new-") {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
	return nil
}
