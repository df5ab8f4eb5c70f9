package main

import (
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine/journal"
)

// What an operator did stands before the attempt that it led to, also where both are of one millisecond.
func TestTimelineOrder(t *testing.T) {
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	got := timeline(console.Story{
		Record:   journal.Record{Received: at.Add(-time.Minute), Source: "lab.receive", Status: journal.Processing},
		Attempts: []console.Attempt{{Attempt: journal.Attempt{Time: at, N: -1, Number: 1, Status: journal.Delivered}}},
		Actions:  []journal.Action{{Time: at, Who: "asha", What: "edit", Reason: "typing error"}},
	})
	var lines []string
	for _, h := range got {
		lines = append(lines, h.text)
	}
	want := "accepted from lab.receive\nedit by asha: typing error\nthe route, attempt 1: delivered in 0s"
	if text := strings.Join(lines, "\n"); text != want {
		t.Errorf("timeline() =\n%s\nwant\n%s", text, want)
	}
}
