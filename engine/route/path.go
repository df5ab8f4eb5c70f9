package route

import (
	"fmt"
	"strconv"
	"strings"
)

// path is a place in a body, as translate names it: .code, .lines[].product, .a["b c"][0].
type path []seg

type seg struct {
	key  string
	idx  int
	kind byte // 'k' key, 'i' index, '*' every item
}

// parsePath reads a path. The error gives the byte offset where it stops.
func parsePath(s string) (path, int, error) {
	var p path
	if s == "." {
		return p, 0, nil
	}
	i := 0
	if !strings.HasPrefix(s, ".") {
		return nil, 0, fmt.Errorf("a path begins with a dot, as in .code")
	}
	for i < len(s) {
		switch {
		case s[i] == '.' && i+1 < len(s) && s[i+1] == '"', s[i] == '[' && i+1 < len(s) && s[i+1] == '"':
			end := strings.IndexByte(s[i+2:], '"')
			if end < 0 {
				return nil, i, fmt.Errorf("a quote is not closed")
			}
			p = append(p, seg{key: s[i+2 : i+2+end], kind: 'k'})
			bracket := s[i] == '['
			i += end + 3
			if bracket {
				if i >= len(s) || s[i] != ']' {
					return nil, i, fmt.Errorf("a ] is missing")
				}
				i++
			}
		case s[i] == '[':
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				return nil, i, fmt.Errorf("a ] is missing")
			}
			if in := s[i+1 : i+end]; in == "" {
				p = append(p, seg{kind: '*'})
			} else if n, err := strconv.Atoi(in); err == nil {
				p = append(p, seg{idx: n, kind: 'i'})
			} else {
				return nil, i + 1, fmt.Errorf("[%s] is neither [], a number nor a quoted name", in)
			}
			i += end + 1
		case s[i] == '.':
			j := i + 1
			for j < len(s) && (s[j] == '_' || s[j] >= '0' && s[j] <= '9' || s[j] >= 'a' && s[j] <= 'z' || s[j] >= 'A' && s[j] <= 'Z') {
				j++
			}
			if j == i+1 {
				if j < len(s) && s[j] == '[' {
					i = j
					continue
				}
				return nil, j, fmt.Errorf("a name is missing after the dot")
			}
			p = append(p, seg{key: s[i+1 : j], kind: 'k'})
			i = j
		default:
			return nil, i, fmt.Errorf("only names, [], [0] and [\"name\"] make a path; for more, use a jq step with lookup(map; key)")
		}
	}
	return p, 0, nil
}

// get follows p from v; nil where it leads nowhere. p has no '*'.
func (p path) get(v any) any {
	for _, s := range p {
		switch s.kind {
		case 'k':
			m, _ := v.(map[string]any)
			v = m[s.key]
		case 'i':
			l, _ := v.([]any)
			i := s.idx
			if i < 0 {
				i += len(l)
			}
			if i < 0 || i >= len(l) {
				return nil
			}
			v = l[i]
		}
	}
	return v
}

// put gives v with x at p, copying only what lies on the way.
func (p path) put(v, x any) (any, error) {
	return p.each(v, func(any) (any, error) { return x, nil })
}

// each gives v with f applied to every value that p names, copying only what lies on the way.
func (p path) each(v any, f func(any) (any, error)) (any, error) {
	if len(p) == 0 {
		return f(v)
	}
	s, rest := p[0], p[1:]
	switch s.kind {
	case 'k':
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return nil, fmt.Errorf(".%s: there is no object to put it into", s.key)
		}
		out := make(map[string]any, len(m)+1)
		for k, e := range m {
			out[k] = e
		}
		e, err := rest.each(m[s.key], f)
		if err != nil {
			return nil, err
		}
		out[s.key] = e
		return out, nil
	case '*':
		l, ok := v.([]any)
		if !ok {
			if v == nil {
				return nil, nil
			}
			return nil, fmt.Errorf("[]: there is no list")
		}
		out := make([]any, len(l))
		for i := range l {
			e, err := rest.each(l[i], f)
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	}
	l, ok := v.([]any)
	i := s.idx
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return nil, fmt.Errorf("[%d]: the list has no such item", s.idx)
	}
	out := append([]any(nil), l...)
	e, err := rest.each(l[i], f)
	if err != nil {
		return nil, err
	}
	out[i] = e
	return out, nil
}

// common splits from and to after the last [] that both share.
func common(from, to path) (shared, f, t path, err error) {
	last := -1
	for i, s := range from {
		if s.kind == '*' {
			last = i
		}
	}
	if last+1 > len(to) {
		return nil, nil, nil, fmt.Errorf("to must begin as from does, up to the last []")
	}
	for i := range last + 1 {
		if from[i] != to[i] {
			return nil, nil, nil, fmt.Errorf("to must begin as from does, up to the last []")
		}
	}
	for _, s := range to[last+1:] {
		if s.kind == '*' {
			return nil, nil, nil, fmt.Errorf("to has a [] that from does not have")
		}
	}
	return from[:last+1], from[last+1:], to[last+1:], nil
}
