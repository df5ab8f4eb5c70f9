package journal_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// BenchmarkOpen opens a journal with many messages, 20,000 or NJIA_JOURNAL_ROWS, and asks it what operators ask.
var deadProduct = fault.New(fault.Rejected, "odoo.upsert: unknown product 718-7")

func BenchmarkOpen(b *testing.B) {
	rows := 20000
	if n, err := strconv.Atoi(os.Getenv("NJIA_JOURNAL_ROWS")); err == nil {
		rows = n
	}
	dir := b.TempDir()
	fillRows(b, dir, rows)
	debug.FreeOSMemory()
	before := resident()
	var opened, asked time.Duration
	for b.Loop() {
		start := time.Now()
		j, err := journal.OpenDisk(dir, journal.DiskOptions{})
		if err != nil {
			b.Fatal(err)
		}
		opened += time.Since(start)
		start = time.Now()
		if _, err := j.Counts(b.Context()); err != nil {
			b.Fatal(err)
		}
		if rs, err := j.Open(b.Context(), 0, 2000); err != nil || len(rs) == 0 {
			b.Fatal(len(rs), err)
		}
		for _, q := range []journal.Query{{Statuses: []journal.Status{journal.Dead}, Route: "route 3"}, {Key: fmt.Sprint("patient ", rows/2)}, {Route: "route 5", Limit: 50}, {Text: "unknown product"}, {From: time.Now().Add(-time.Hour), To: time.Now()}} {
			if rs, err := j.Search(b.Context(), q); err != nil || len(rs) == 0 {
				b.Fatal(q, len(rs), err)
			}
		}
		asked += time.Since(start)
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(opened.Microseconds())/1000/float64(b.N), "ms-to-open")
	b.ReportMetric(float64(asked.Microseconds())/1000/float64(b.N), "ms-for-7-queries")
	b.ReportMetric(float64(resident()-before)/1e6, "MB-more")
	b.ReportMetric(float64(resident())/1e6, "MB-resident")
}

func fillRows(b *testing.B, dir string, rows int) {
	b.Helper()
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err != nil {
		b.Fatal(err)
	}
	es := make([]journal.Entry, 0, 1000)
	for i := range rows {
		e := journal.Entry{Message: message.Message{ID: message.NewID(), Time: time.Now(), Body: quotation(i)}, Route: fmt.Sprint("route ", i%20), Source: "openmrs.changes", Rules: "v1",
			Key: fmt.Sprint("patient ", i), Keys: map[string]string{"order": fmt.Sprint("ORD-", i)}, DedupeID: fmt.Sprint("sr/", i), Remember: time.Hour, Status: journal.Delivered}
		switch {
		case i%1000 == 1:
			e.Status = journal.Received
		case i%1000 == 3:
			e.Status, e.Failure = journal.Dead, deadProduct
		case i%10 == 0:
			e.Status, e.NoBody = journal.Filtered, true
		}
		if es = append(es, e); len(es) == cap(es) || i == rows-1 {
			if _, err := j.Append(b.Context(), es); err != nil {
				b.Fatal(err)
			}
			es = es[:0]
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// resident is the memory that this process has; 0 where the system does not tell.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}
