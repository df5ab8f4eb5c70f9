package bind

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// field is a setting of a struct, as its tags say.
type field struct {
	name, doc string
	index     []int
	typ       reflect.Type
	required  bool
	enum      []string
	rest      bool // a map that takes the keys which no other field has
	pos       bool // gets the place of the map
}

// shapes holds what fieldsOf has worked out, by reflect.Type. Types do not change, so it is a cache that can be dropped;
// without it, reading the settings of a delivery takes half as much memory again.
var shapes sync.Map

// fieldsOf lists the settings of a struct, those of inline structs among them. The list is shared.
func fieldsOf(t reflect.Type) []field {
	if f, ok := shapes.Load(t); ok {
		return f.([]field)
	}
	f := readTags(t)
	shapes.Store(t, f)
	return f
}

func readTags(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("yaml")
		if !sf.IsExported() && !sf.Anonymous {
			continue
		}
		if !tagged {
			if sf.Name == "Pos" && sf.Type == posType {
				out = append(out, field{index: sf.Index, typ: sf.Type, pos: true})
			}
			continue
		}
		parts := strings.Split(tag, ",")
		if parts[0] == "-" {
			continue
		}
		f := field{name: parts[0], doc: sf.Tag.Get("doc"), index: sf.Index, typ: sf.Type, required: slices.Contains(parts[1:], "required")}
		if e := sf.Tag.Get("enum"); e != "" {
			f.enum = strings.Split(e, ",")
		}
		if !slices.Contains(parts[1:], "inline") {
			out = append(out, f)
			continue
		}
		if sf.Type.Kind() == reflect.Map {
			f.rest = true
			out = append(out, f)
			continue
		}
		for _, inner := range readTags(sf.Type) {
			inner.index = append(slices.Clone(sf.Index), inner.index...)
			out = append(out, inner)
		}
	}
	return out
}

func names(fields []field) []string {
	var out []string
	for _, f := range fields {
		if f.name != "" && !f.rest && !f.pos {
			out = append(out, f.name)
		}
	}
	return out
}
