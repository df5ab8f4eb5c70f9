// Package ordered reads and writes JSON whose objects keep the order of their
// keys, so that a double of another system can answer byte for byte as the
// recorded one did.
//
// A value is nil, bool, string, int, int64, float64, json.Number, []any or
// *Map. Parse gives numbers as json.Number: "2.0" stays "2.0".
package ordered

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Map is a JSON object. The zero value is an empty one. It is not safe for
// concurrent use.
type Map struct {
	keys []string
	vals map[string]any
}

// Of makes a Map from keys and values in turn. It panics when a key is no
// string or has no value: that is a fault in the program.
func Of(pairs ...any) *Map {
	m := &Map{}
	for i := 0; i < len(pairs); i += 2 {
		m.Set(pairs[i].(string), pairs[i+1])
	}
	return m
}

// Value is the value of key, nil when there is none.
func (m *Map) Value(key string) any { return m.vals[key] }

// Lookup is the value of key and whether there is one.
func (m *Map) Lookup(key string) (any, bool) {
	v, ok := m.vals[key]
	return v, ok
}

// Has says whether there is a value, be it null, for key.
func (m *Map) Has(key string) bool {
	_, ok := m.vals[key]
	return ok
}

// Set gives key a value. A key keeps its place; a new one goes to the end.
func (m *Map) Set(key string, v any) {
	if m.vals == nil {
		m.vals = map[string]any{}
	}
	if _, ok := m.vals[key]; !ok {
		m.keys = append(m.keys, key)
	}
	m.vals[key] = v
}

// SetAfter is Set, but a new key goes behind the key after, or to the end when
// there is no such key.
func (m *Map) SetAfter(after, key string, v any) {
	if m.Has(key) {
		m.vals[key] = v
		return
	}
	m.Set(key, v)
	at := slices.Index(m.keys, after)
	if at < 0 {
		return
	}
	m.keys = slices.Insert(m.keys[:len(m.keys)-1], at+1, key)
}

// Delete takes key out, if it is there.
func (m *Map) Delete(key string) {
	if _, ok := m.vals[key]; ok {
		delete(m.vals, key)
		m.keys = slices.DeleteFunc(m.keys, func(k string) bool { return k == key })
	}
}

// Keys are the keys in order. The caller must not change the slice.
func (m *Map) Keys() []string { return m.keys }

// Len is the number of keys.
func (m *Map) Len() int { return len(m.keys) }

// Clone is a copy that shares nothing with v.
func Clone(v any) any {
	switch v := v.(type) {
	case *Map:
		return v.Clone()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Clone(e)
		}
		return out
	}
	return v
}

// Clone is a copy that shares nothing with m.
func (m *Map) Clone() *Map {
	out := &Map{keys: slices.Clone(m.keys), vals: make(map[string]any, len(m.vals))}
	for k, v := range m.vals {
		out.vals[k] = Clone(v)
	}
	return out
}

// Plain is v as encoding/json would have it: map[string]any for every object.
func Plain(v any) any {
	switch v := v.(type) {
	case *Map:
		out := make(map[string]any, v.Len())
		for k, e := range v.vals {
			out[k] = Plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Plain(e)
		}
		return out
	}
	return v
}

// FromPlain is the way back from Plain; a map's keys come in sorted order.
func FromPlain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := &Map{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m.Set(k, FromPlain(v[k]))
		}
		return m
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = FromPlain(e)
		}
		return out
	}
	return v
}

// Parse reads one JSON value and nothing behind it.
func Parse(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := parse(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("ordered: more than one JSON value")
	}
	return v, nil
}

func parse(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		m := &Map{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := parse(dec)
			if err != nil {
				return nil, err
			}
			m.Set(key.(string), v)
		}
		_, err := dec.Token()
		return m, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parse(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return tok, nil
}
