package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DiskOptions tune a Disk. The zero value is right for a facility's server.
type DiskOptions struct {
	// Now is the clock; nil is time.Now. It stamps changes, and tells whether a dedupe id still counts.
	Now func() time.Time
	// Readers is how many reads run at once; 0 is 4. Each may use 2 MB for its cache.
	Readers int
}

// Disk is the embedded Store: a folder with an SQLite database in WAL mode, and a file for each large body.
//
//	callers ── pack, compress ──> writer: one transaction, one fsync for all that wait ──> answers
//	readers ── their own read-only connections, on the last committed state
//
// The folder must be on a local disk: network file systems lie about locks and fsync.
type Disk struct {
	dir    string
	now    func() time.Time
	lock   *os.File
	packer *packer
	shelf  *shelf
	names  *names
	keys   *pending
	in     chan *request
	done   chan struct{} // closed when the writer has ended

	mu     sync.RWMutex // guards closed, and keeps in open while something is put in
	closed bool

	readers chan *conn // nil entries are not opened yet

	pruning sync.Mutex // one Prune at a time
	place   prunePlace // where it goes on
}

var _ Store = (*Disk)(nil)

const databaseFile = "journal.db"

// OpenDisk opens the journal in dir, or makes one. It fails with ErrLocked while another process has it, and says which
// one. The caller must Close it; a process that is killed needs no repair: the next OpenDisk finds all that was acknowledged.
func OpenDisk(dir string, o DiskOptions) (*Disk, error) {
	d, err := openDisk(dir, o)
	if err != nil {
		return nil, fmt.Errorf("opening the journal in %s: %w", dir, err)
	}
	return d, nil
}

func openDisk(dir string, o DiskOptions) (_ *Disk, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, now: o.Now, shelf: &shelf{dir: filepath.Join(dir, "large"), pins: map[[32]byte]int{}}, names: newNames(), packer: newPacker(), keys: &pending{},
		in:   make(chan *request, maxBatch), // a full batch can wait while one is written
		done: make(chan struct{})}
	if d.now == nil {
		d.now = time.Now
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	d.readers = make(chan *conn, o.Readers) // as many as may be open
	for range o.Readers {
		d.readers <- nil
	}
	if d.lock, err = lock(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.lock.Close()
		}
	}()
	w, err := newWriter(d)
	if err != nil {
		return nil, explainOpen(err)
	}
	_ = syncDir(dir) // best effort: some file systems cannot
	_ = syncDir(filepath.Dir(dir))
	go w.run() // ends in Close, which waits for done
	return d, nil
}

func explainOpen(err error) error {
	switch {
	case isDamaged(err):
		return fmt.Errorf("%s is damaged or is not a journal (%w): keep a copy of the folder, then restore it from a backup", databaseFile, err)
	case isFull(err):
		return fmt.Errorf("%w: free some space first (%w)", ErrFull, err)
	}
	return err
}

// file is the path of the database.
func (d *Disk) file() string { return filepath.Join(d.dir, databaseFile) }

// Close writes what waits, ends the writer and lets go of the folder. A second Close does nothing.
func (d *Disk) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	close(d.in)
	d.mu.Unlock()
	<-d.done
	var errs []error
	for range cap(d.readers) {
		if c := <-d.readers; c != nil {
			errs = append(errs, c.close())
		}
	}
	errs = append(errs, d.lock.Close()) // the lock goes with it; the file stays, so that no two processes can lock two files
	return errors.Join(errs...)
}

// request is one write that waits for its transaction.
type request struct {
	do   func(*writer) error // may run again, after a rollback; refuses before it writes
	err  error
	done chan error
}

// write runs do in the next transaction, and returns when that is on disk. Once it waits for the disk it no longer heeds
// ctx, so that nobody is told no about what is kept.
func (d *Disk) write(ctx context.Context, do func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{do: do, done: make(chan error, 1)} // the writer never waits for who asked
	d.mu.RLock()
	if d.closed {
		d.mu.RUnlock()
		return ErrClosed
	}
	select {
	case d.in <- r:
		d.mu.RUnlock()
	case <-ctx.Done():
		d.mu.RUnlock()
		return ctx.Err()
	}
	return <-r.done
}

// read lends a read-only connection to do. Everything that do reads is of one moment.
func (d *Disk) read(ctx context.Context, do func(*conn) error) (err error) {
	d.mu.RLock()
	if d.closed {
		d.mu.RUnlock()
		return ErrClosed
	}
	var c *conn
	select {
	case c = <-d.readers: // Close takes them all, and not before this one is back
		d.mu.RUnlock()
	case <-ctx.Done():
		d.mu.RUnlock()
		return ctx.Err()
	}
	defer func() { d.readers <- c }()
	if c == nil {
		if c, err = connect(d.file(), "busy_timeout(5000)", "cache_size(-2000)", "mmap_size(0)", "query_only(1)", "temp_store(memory)"); err != nil {
			c = nil
			return fmt.Errorf("journal: reading: %w", err)
		}
	}
	if err := c.exec("BEGIN"); err != nil {
		return fmt.Errorf("journal: reading: %w", err)
	}
	defer func() {
		if e := c.exec("ROLLBACK"); e != nil {
			_ = c.close()
			c = nil
		}
	}()
	if err := do(c); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Size is the bytes on disk: of the database, its log, and the large bodies.
func (d *Disk) Size() (int64, error) {
	var n int64
	for _, name := range []string{databaseFile, databaseFile + "-wal", databaseFile + "-shm"} {
		if info, err := os.Stat(filepath.Join(d.dir, name)); err == nil {
			n += info.Size()
		}
	}
	files, err := os.ReadDir(d.shelf.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return n, fmt.Errorf("journal: %w", err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			n += info.Size()
		}
	}
	return n, nil
}
