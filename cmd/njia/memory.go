package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// softLimit is the memory that the collector tries to stay under, in bytes. A message takes well under a megabyte; this is
// for large bodies and many routes.
const softLimit = 512 << 20

// The collector's percentage. The engine makes much short-lived data: under load, Go's usual 100 spends a third of the
// processor on collecting it. Without load, memory is for others.
const (
	percentIdle = 50
	percentBusy = 400
)

// busyFrom is how many bytes a second are allocated by an engine that has something to do.
const busyFrom = 4 << 20

// frugal sets the collector for a program with little to do. GOGC and GOMEMLIMIT in the environment have the last word.
func frugal() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percentIdle)
	}
}

// breathe sets the collector by how much there is to do, until ctx ends.
func breathe(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	const every, calm = 500 * time.Millisecond, 20 // looks without load before memory goes back
	tick := time.NewTicker(every)
	defer tick.Stop()
	busy, last, quiet := false, allocated(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		is := now-last > busyFrom*uint64(every/time.Millisecond)/1000
		last = now
		if quiet++; is {
			quiet = 0
		}
		if is == busy || !is && quiet < calm {
			continue
		}
		if busy = is; busy {
			debug.SetGCPercent(percentBusy)
		} else {
			debug.SetGCPercent(percentIdle)
			debug.FreeOSMemory()
		}
	}
}

// allocated is all bytes that were ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
