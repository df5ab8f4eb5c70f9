package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// noise is an entry that does not compress.
func noise(n, size int) journal.Entry {
	x := rand.New(rand.NewPCG(uint64(n), 7))
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(x.Uint32())
	}
	return journal.Entry{Message: message.Message{ID: message.NewID(), Time: time.Now(), Body: body}, Route: "r", Source: "s", Key: fmt.Sprint(n), Status: journal.Received, CursorName: "c", Cursor: fmt.Sprint(n)}
}

// filled writes with several writers until the disk is full, and gives what was acknowledged.
func filled(t *testing.T, j *journal.Disk, size, most int) []journal.Receipt {
	t.Helper()
	var mu sync.Mutex
	var kept []journal.Receipt
	refused := 0
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := g; n < most; n += 8 {
				rs, err := j.Append(t.Context(), []journal.Entry{noise(n, size)})
				mu.Lock()
				switch {
				case err == nil:
					kept = append(kept, rs...)
				case errors.Is(err, journal.ErrFull) && strings.Contains(err.Error(), "free some space"):
					refused++
				default:
					t.Errorf("Append on a full disk = %v, want ErrFull with what to do", err)
				}
				stop := refused >= 20
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	if refused == 0 {
		t.Fatalf("the disk took all %d messages", most)
	}
	return kept
}

// intact checks that just what was acknowledged is there, and whole.
func intact(t *testing.T, j *journal.Disk, kept []journal.Receipt) {
	t.Helper()
	if err := j.Check(); err != nil {
		t.Error(err)
	}
	rs, err := j.Search(t.Context(), journal.Query{Limit: 100000})
	if err != nil {
		t.Fatal(err)
	}
	there := map[journal.Seq]journal.Record{}
	for _, r := range rs {
		there[r.Seq] = r
	}
	for _, k := range kept {
		if there[k.Seq].ID != k.ID {
			t.Errorf("message %d was acknowledged and is not there", k.Seq)
		}
		body, _, err := j.Body(t.Context(), k.Seq)
		if err != nil || len(body) != there[k.Seq].Size {
			t.Errorf("message %d: %d bytes of %d, %v", k.Seq, len(body), there[k.Seq].Size, err)
		}
	}
	if len(rs) != len(kept) {
		t.Errorf("%d messages are there, %d were acknowledged", len(rs), len(kept))
	}
}

func TestFullDatabase(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if err := j.Pragma("max_page_count(400)"); err != nil {
		t.Fatal(err)
	}
	kept := filled(t, j, 20<<10, 500)
	intact(t, j, kept)
	seq := kept[0].Seq
	if _, err := j.Resolve(t.Context(), journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{{Label: "to", Operation: "a.b", Body: noise(1, 60<<10).Message.Body, Status: journal.Received}}}); !errors.Is(err, journal.ErrFull) {
		t.Errorf("Resolve on a full disk = %v, want ErrFull", err)
	}
	if ds, err := j.Deliveries(t.Context(), seq); err != nil || len(ds) != 0 {
		t.Errorf("half of a resolution is there: %v, %v", ds, err)
	}
	if err := j.Pragma("max_page_count(1000000)"); err != nil {
		t.Fatal(err)
	}
	rs, err := j.Append(t.Context(), []journal.Entry{noise(9999, 20<<10)})
	if err != nil {
		t.Fatalf("with space again: Append = %v", err)
	}
	kept = append(kept, rs...)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	defer j.Close()
	intact(t, j, kept)
}

func TestCommitsWaitForTheDisk(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	for name, want := range map[string]int64{"synchronous": 2, "mmap_size": 0, "wal_autocheckpoint": 0, "auto_vacuum": 2} {
		if got, err := j.WriterPragma(name); err != nil || got != want {
			t.Errorf("PRAGMA %s of the writer is %d, %v, want %d", name, got, err, want)
		}
	}
}
