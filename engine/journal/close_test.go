package journal_test

import (
	"sync"
	"testing"

	"github.com/njia-health/njia/engine/journal"
	"go.uber.org/goleak"
)

// Close waits for everything that it started, and answers everybody who still asks.
func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	j := open(t, t.TempDir())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				if _, err := j.Append(t.Context(), []journal.Entry{noise(g*1000+n, 100<<10)}); err != nil {
					return // it is closed
				}
				if _, err := j.Search(t.Context(), journal.Query{Key: "1", Limit: 2}); err != nil {
					return
				}
			}
		})
	}
	_, err := j.Append(t.Context(), []journal.Entry{noise(1, 100)})
	must(t, err)
	must(t, j.Close())
	wg.Wait()
}
