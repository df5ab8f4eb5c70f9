package journal

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// about is what a message's row keeps beside its numbers.
type about struct {
	Key, DedupeID, Event, Type, Resume string
	Headers, Keys                      map[string]string
	Vars                               []byte
}

// encode writes a version byte, the strings, the maps in order of their names, and vars.
func (a *about) encode() []byte {
	b := make([]byte, 1, 128)
	b[0] = 1
	for _, s := range [...]string{a.Key, a.DedupeID, a.Event, a.Type, a.Resume} {
		b = appendText(b, s)
	}
	for _, m := range [...]map[string]string{a.Headers, a.Keys} {
		b = binary.AppendUvarint(b, uint64(len(m)))
		for _, k := range slices.Sorted(maps.Keys(m)) {
			b = appendText(appendText(b, k), m[k])
		}
	}
	return append(b, a.Vars...)
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errAbout = errors.New("a row in the journal is damaged")

// decode reads what encode wrote.
func (a *about) decode(b []byte) error {
	*a = about{}
	if len(b) == 0 {
		return nil
	}
	if b[0] != 1 {
		return errAbout
	}
	r := reader{b: b[1:]}
	for _, s := range [...]*string{&a.Key, &a.DedupeID, &a.Event, &a.Type, &a.Resume} {
		*s = string(r.next())
	}
	for _, m := range [...]*map[string]string{&a.Headers, &a.Keys} {
		n := r.number()
		for i := uint64(0); i < n && !r.bad; i++ {
			if *m == nil {
				*m = map[string]string{}
			}
			k := string(r.next())
			(*m)[k] = string(r.next())
		}
	}
	if r.bad {
		return errAbout
	}
	if len(r.b) > 0 {
		a.Vars = r.b
	}
	return nil
}

// reader walks over lengths and what follows them.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) next() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// content is what a delivery sends.
type content struct {
	Type       string
	With, Body []byte // nil and empty differ
}

func (c *content) encode() []byte {
	b := make([]byte, 1, len(c.With)+len(c.Body)+len(c.Type)+16)
	b[0] = 1
	if c.With != nil {
		b[0] |= 2
	}
	if c.Body != nil {
		b[0] |= 4
	}
	b = appendText(b, c.Type)
	b = appendText(b, c.With)
	return append(b, c.Body...)
}

func (c *content) decode(b []byte) error {
	*c = content{}
	if len(b) == 0 {
		return nil
	}
	if b[0]&1 == 0 {
		return errAbout
	}
	r := reader{b: b[1:]}
	c.Type = string(r.next())
	with := r.next()
	if r.bad {
		return errAbout
	}
	if b[0]&2 != 0 {
		c.With = with
	}
	if b[0]&4 != 0 {
		c.Body = r.b
		if c.Body == nil {
			c.Body = []byte{}
		}
	}
	return nil
}
