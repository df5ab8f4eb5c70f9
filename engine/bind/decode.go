package bind

import (
	"github.com/njia-health/njia/engine/diag"
)

// Decode puts n into the struct that into points at, over the values that are there. A nil n is an empty map. It reports
// every fault: a key that is not known (with did-you-mean), a value of the wrong kind, a missing required one, one outside
// its enum. A field's name is its yaml tag; ",required" and ",inline" may follow.
//
// Field types: string, bool, int*, uint*, float64, time.Duration ("15s", "7d"), Size ("10MB"), Rate ("20/s"), Range
// ("2s..15m"), Path, Secret, *Node (kept as it is), any (Node.Value), slices, maps of string, structs, pointers, and
// whatever has BindNode. A list field takes a single value as a list of one.
func Decode(n *Node, into any) diag.List {
	panic("written next")
}

// Unmarshaler is a type that reads itself.
type Unmarshaler interface{ BindNode(n *Node) diag.List }

// FromValue makes a Node without places of a plain tree, relative paths being relative to base.
func FromValue(v any, base string) *Node { panic("written next") }

func literal(s string) any { panic("written next") }
