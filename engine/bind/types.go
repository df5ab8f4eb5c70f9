package bind

import (
	"time"
)

// Size is a number of bytes, written 512, 10KB, 10MB or 1GB (powers of 1024).
type Size int64

// Rate is so many in so long, written 20/s, 100/m or 1000/h. The zero Rate is no limit.
type Rate struct {
	N   float64
	Per time.Duration
}

// Range is written 2s..15m; a single duration is both ends.
type Range struct{ From, To time.Duration }

// Path is a file or folder; a relative one is made absolute by the document's folder.
type Path string

// Secret is text that never shows: it prints as •••.
type Secret string

func (Secret) String() string   { return "•••" }
func (Secret) GoString() string { return "•••" }

// Reveal gives the text.
func (s Secret) Reveal() string { return string(s) }
