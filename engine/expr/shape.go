package expr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/njia-health/njia/engine/diag"
)

// Shape is the fields that a value is declared to have. A nil Shape says nothing.
type Shape struct {
	root any // the whole schema, for $ref
	node map[string]any
}

// ShapeOf reads a JSON Schema, given as a tree: its properties, items and references within it. What it leaves to choice
// (anyOf, oneOf, if) is not judged. nil where the schema declares nothing.
func ShapeOf(schema any) *Shape { return (&Shape{root: schema}).at(schema) }

// at is the shape that a part of the schema declares.
func (s *Shape) at(node any) *Shape {
	for range 10 { // a chain of references; a circle of them declares nothing
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		ref, ok := m["$ref"].(string)
		if !ok {
			for _, choice := range []string{"anyOf", "oneOf", "allOf", "if", "not", "dependentSchemas", "$dynamicRef"} {
				if m[choice] != nil {
					return nil
				}
			}
			return &Shape{s.root, m}
		}
		if node = s.resolve(ref); node == nil {
			return nil
		}
	}
	return nil
}

// resolve finds #/$defs/Name.
func (s *Shape) resolve(ref string) any {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	node := s.root
	for _, step := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		if step == "" {
			continue
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch x := node.(type) {
		case map[string]any:
			node = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			node = x[i]
		default:
			return nil
		}
	}
	return node
}

// field is the shape of a field.
func (s *Shape) field(name string) *Shape {
	if s == nil {
		return nil
	}
	props, _ := s.node["properties"].(map[string]any)
	if p, ok := props[name]; ok {
		return s.at(p)
	}
	return nil
}

// item is the shape of the items of a list.
func (s *Shape) item() *Shape {
	if s == nil {
		return nil
	}
	return s.at(s.node["items"])
}

// undeclared says that the schema declares fields and this is none of them. It is a warning where the schema leaves room for
// others and no declared one is near.
func (s *Shape) undeclared(t Text, offset int, path, name string) (diag.Error, bool) {
	if s == nil {
		return diag.Error{}, false
	}
	props, ok := s.node["properties"].(map[string]any)
	if !ok || s.node["patternProperties"] != nil {
		return diag.Error{}, false
	}
	if _, declared := props[name]; declared {
		return diag.Error{}, false
	}
	closed := false
	switch extra := s.node["additionalProperties"].(type) {
	case bool:
		if extra {
			return diag.Error{}, false
		}
		closed = true
	case map[string]any:
		return diag.Error{}, false
	}
	var known []string
	for k := range props {
		known = append(known, k)
	}
	slices.Sort(known)
	e := t.errorf(offset, len(name), "the schema has no %s.%s", path, name)
	e.Hint = diag.DidYouMean(name, known)
	e.Warning = !closed && diag.Nearest(name, known) == ""
	return e, true
}

// WithBody is c for expressions whose body has that shape: a guard or ${…} that reads a field which is not declared is an error
// at load. It holds only as long as the body is the one that was declared: no step may have changed it.
func (c *Compiler) WithBody(s *Shape) *Compiler {
	return &Compiler{opts: c.opts, caches: c.caches, body: s}
}
