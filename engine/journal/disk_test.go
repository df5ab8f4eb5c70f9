package journal_test

import (
	"testing"

	"github.com/njia-health/njia/conformance/journaltest"
	"github.com/njia-health/njia/engine/journal"
)

func TestDisk(t *testing.T) {
	journaltest.Run(t, func(t *testing.T, dir string) journal.Store { return open(t, dir) })
}

func open(t *testing.T, dir string) *journal.Disk {
	t.Helper()
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err != nil {
		t.Fatalf("OpenDisk(%s) = %v", dir, err)
	}
	return j
}
