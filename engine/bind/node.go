// Package bind puts a tree with places into typed Go settings, and says where it does not fit.
//
//	YAML file ── rule ──> Node ── Decode ──> struct with yaml:"…" and doc:"…" tags
//	with: after its ${…} are known ── FromValue ──> Node ── Decode ──> an operation's settings
package bind

import (
	"github.com/njia-health/njia/engine/diag"
)

// Kind is what a Node is.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Map
)

func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a map"}[k]
}

// Style is how a scalar is written.
type Style uint8

// The styles.
const (
	Plain Style = iota
	SingleQuoted
	DoubleQuoted
	Literal // |
	Folded  // >
)

// Key is a map key and its place.
type Key struct {
	Name string
	Pos  diag.Pos
}

// Node is a value and the place it was written at. Nodes are not changed once made.
type Node struct {
	Pos   diag.Pos // of the value's first character; for a block scalar that of its | or >
	Kind  Kind
	Style Style
	Text  string  // a scalar as text: a string's content, a number's literal
	Items []*Node // of a List; of a Map the values, in file order
	Keys  []Key   // of a Map: Keys[i] belongs to Items[i]
	// TextPos is where the scalar's content begins in the file: after a quote, or on a block scalar's first line.
	TextPos diag.Pos
	// Exact says that every line of Text stands in the file just as it is, each from column TextPos.Col for a block
	// scalar, so that an offset in Text maps to a place. False for folded, escaped and multi-line quoted ones.
	Exact bool
	// Hole says that the value comes from an expression at run time: Decode checks only that the key is known.
	Hole bool
	// Base is the folder on disk that relative paths in this document are relative to; "" for none.
	Base string
}

// Get gives the value of a Map's key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Map {
		return nil
	}
	for i := range n.Keys {
		if n.Keys[i].Name == key {
			return n.Items[i]
		}
	}
	return nil
}

// Value is n as a plain tree: map[string]any, []any, string, int, json.Number, bool, nil.
func (n *Node) Value() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Number:
		return literal(n.Text)
	case String:
		return n.Text
	case List:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Value()
		}
		return out
	case Map:
		out := make(map[string]any, len(n.Items))
		for i, item := range n.Items {
			out[n.Keys[i].Name] = item.Value()
		}
		return out
	}
	return nil
}
