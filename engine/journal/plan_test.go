package journal_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// No statement that the engine or an operator causes may look at every message, or sort more than it gives. The test does
// everything once and then asks SQLite about each statement that was prepared.
func TestNothingScansTheMessages(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	fixture(t, j)
	told(t, j)
	ctx := t.Context()
	for _, q := range []journal.Query{{}, {After: 1}, {Route: "patients"}, {Statuses: []journal.Status{journal.Held}}, {System: "odoo"}, {Class: "unmapped"}, {Parent: 3}, {From: time.Now(), To: time.Now()}, {ID: "3"}} {
		for range 2 {
			_, err := j.Search(ctx, q)
			must(t, err)
			q.After = 1
		}
	}
	_, err := j.Open(ctx, 0, 10)
	must(t, err)
	_, err = j.Actions(ctx, 10)
	must(t, err)
	_, err = j.Find(ctx, "x")
	if err == nil {
		t.Error("there is a message x")
	}
	must(t, j.Release(ctx, 3, "", journal.Action{Who: "w", What: "release"}))
	_, err = j.Prune(ctx, journal.Keep{Bodies: time.Second, MaxSize: 1, For: map[journal.Status]time.Duration{journal.Discarded: time.Second}}, time.Now().Add(time.Hour))
	must(t, err)
	// What may be looked at as a whole: one row for each route and status, for each 1,024 messages, for each rule set.
	small := []string{"SCAN count", "SCAN span", "SCAN rules", "SCAN migration", "SCAN CONSTANT ROW", "SCAN large", "SCAN action"}
	texts := j.Statements()
	if len(texts) < 60 {
		t.Errorf("only %d statements were prepared", len(texts))
	}
	for _, text := range texts {
		plan, err := j.Plan(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for line := range strings.Lines(plan) {
			known := slices.ContainsFunc(small, func(s string) bool { return strings.Contains(line, s) })
			fts := strings.Contains(line, "VIRTUAL TABLE INDEX") && !strings.HasSuffix(strings.TrimSpace(line), "INDEX 0:")
			sorts := strings.Contains(line, "TEMP B-TREE") && !strings.Contains(text, "FROM rules")
			if strings.Contains(line, "SCAN") && !known && !fts || sorts {
				t.Errorf("%s\nlooks at everything, or sorts:\n%s", text, plan)
			}
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
