package adapter

import (
	"fmt"
	"slices"
)

// Registry is the adapters that a program knows.
type Registry struct{ defs []*Definition }

// NewRegistry panics on two adapters of one name: that is a fault in the program.
func NewRegistry(defs ...*Definition) *Registry {
	for i, d := range defs {
		for _, e := range defs[:i] {
			if d.Name == e.Name {
				panic(fmt.Sprintf("two adapters are called %q", d.Name))
			}
		}
	}
	return &Registry{slices.Clone(defs)}
}

// Find gives the adapter of that name, or nil.
func (r *Registry) Find(name string) *Definition {
	for _, d := range r.defs {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// All gives the adapters in the order they were listed.
func (r *Registry) All() []*Definition { return slices.Clone(r.defs) }

// Names gives their names.
func (r *Registry) Names() []string {
	out := make([]string, len(r.defs))
	for i, d := range r.defs {
		out[i] = d.Name
	}
	return out
}
