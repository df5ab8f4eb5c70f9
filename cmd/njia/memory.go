package main

import (
	"os"
	"runtime/debug"
)

// softLimit is the memory that the collector tries to stay under, in bytes. A message takes well under a megabyte; this is
// for large bodies and many routes.
const softLimit = 512 << 20

// frugal lets the collector run less often than Go's default as long as there is little to collect: the engine makes much
// short-lived data. GOGC and GOMEMLIMIT in the environment have the last word.
func frugal() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
