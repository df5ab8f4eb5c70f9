package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// trusted is how old the newest file must be for its time to tell changes apart: some file systems count seconds by twos.
const trusted = 3 * time.Second

// fingerprint tells cheaply whether a file of a rule set may have changed: by names, sizes and times. settled is false
// where a file has changed so lately that a further change might not show.
func fingerprint(root string, now time.Time) (sum uint64, settled bool) {
	h := fnv.New64a()
	var newest time.Time
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			fmt.Fprintln(h, dir, "unreadable")
			return
		}
		for _, e := range entries { // folders that hold no rules, as the loader has it
			if dir != root && (e.Name() == "journal.db" || e.Name() == ".njia-ignore") {
				return
			}
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" {
				continue
			}
			at := filepath.Join(dir, e.Name())
			st, err := os.Stat(at) // follows links
			if err != nil {
				fmt.Fprintln(h, at, "unreadable")
				continue
			}
			if st.IsDir() {
				if depth < 16 {
					walk(at, depth+1)
				}
				continue
			}
			fmt.Fprintln(h, at, st.Size(), st.ModTime().UnixNano())
			if st.ModTime().After(newest) {
				newest = st.ModTime()
			}
		}
	}
	walk(root, 0)
	return h.Sum64(), now.Sub(newest) > trusted
}
