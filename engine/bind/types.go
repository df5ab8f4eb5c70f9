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

// Field is one setting, for reference pages and schemas.
type Field struct {
	Name, Type, Doc, Default string
	Required                 bool
	Enum                     []string
	Fields                   []Field // of a struct, or of the structs in a list or map
}

// Fields describes the settings of a struct, whose values are the defaults.
func Fields(defaults any) []Field { panic("written next") }
