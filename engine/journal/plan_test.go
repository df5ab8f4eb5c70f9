package journal_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// No query that the engine or an operator asks may look at every message.
func TestNothingScansTheMessages(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	for text, args := range map[string][]any{
		"SELECT seq FROM message WHERE status = ? AND route = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?":                 {2, 1, 0, 9, 5},
		"SELECT seq FROM message WHERE parent = ? AND parent > 0 AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?":                {1, 0, 9, 5},
		"SELECT seq FROM message WHERE id = ? AND seq > ? AND seq < ? ORDER BY seq ASC LIMIT ?":                                    {"x", 0, 9, 5},
		"SELECT max(seq) FROM message WHERE id = ?":                                                                                {"x"},
		"SELECT received FROM message WHERE status = ? AND route = ? ORDER BY seq LIMIT 1":                                         {2, 1},
		"SELECT seq FROM trouble WHERE system = ? AND system > 0 AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?":                {1, 0, 9, 5},
		"SELECT seq FROM trouble WHERE class = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?":                                {"bug", 0, 9, 5},
		"SELECT seq FROM trouble WHERE map = ? AND map <> '' AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?":                    {"m", 0, 9, 5},
		"SELECT seq FROM key WHERE hash = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?":                                     {1, 0, 9, 5},
		"SELECT at, who, what, seq, reason FROM action WHERE seq = ? AND seq > 0 ORDER BY n":                                       {1},
		"SELECT min(due) FROM delivery WHERE key >= ? AND key < ? AND status IN (2, 4) AND due > 0":                                {1, 9},
		"SELECT b.seq, m.status FROM body b JOIN message m ON m.seq = b.seq WHERE b.seq > ? ORDER BY b.seq LIMIT ?":                {0, 5},
		"SELECT k.hash, k.until, m.seq FROM known k LEFT JOIN message m ON m.seq = k.seq WHERE k.hash > ? ORDER BY k.hash LIMIT ?": {[]byte{}, 5},
	} {
		plan, err := j.Plan(text, args...)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\nlooks at everything, or sorts:\n%s", text, plan)
		}
	}
}

// Retention goes in small steps, so that messages are taken meanwhile.
func TestPruneBlocksNobody(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	const n = 6000
	es := make([]journal.Entry, 0, n)
	for i := range n {
		es = append(es, journal.Entry{Message: message.Message{ID: message.NewID(), Time: time.Now(), Body: quotation(i)}, Route: "r", Key: "k", Status: journal.Delivered})
	}
	_, err := j.Append(t.Context(), es)
	must(t, err)
	done := make(chan error, 1)
	go func() {
		gone, err := j.Prune(context.Background(), journal.Keep{For: map[journal.Status]time.Duration{journal.Delivered: time.Minute}}, time.Now().Add(time.Hour))
		if err == nil && gone != n {
			t.Errorf("Prune forgot %d, want %d", gone, n)
		}
		done <- err
	}()
	between := 0
	for {
		select {
		case err := <-done:
			must(t, err)
			if between < n/500 {
				t.Errorf("only %d messages were taken while %d were forgotten: one in each step must get through", between, n)
			}
			must(t, j.Check())
			return
		default:
		}
		_, err := j.Append(t.Context(), []journal.Entry{noise(between, 500)})
		must(t, err)
		between++
	}
}

// A search that is not read to its end, and a cancelled one, hold up no writer.
func TestReadersBlockNobody(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	for i := range 50 {
		_, err := j.Append(t.Context(), []journal.Entry{noise(i, 200)})
		must(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := make(chan struct{})
	ended := make(chan struct{})
	for range 6 { // more as many as may read at once
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = j.Search(ctx, journal.Query{Limit: 1000})
				}
			}
		}()
	}
	for i := range 50 {
		_, err := j.Append(t.Context(), []journal.Entry{noise(i, 200)})
		must(t, err)
	}
	cancel()
	close(stop)
	for range 6 {
		<-ended
	}
	if rs, err := j.Search(t.Context(), journal.Query{Limit: 1000}); err != nil || len(rs) != 100 {
		t.Errorf("%d messages, %v, want 100", len(rs), err)
	}
}
