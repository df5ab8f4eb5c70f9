package expr

import "strings"

// jqKind is what a token of a jq program is, as far as errors need it.
type jqKind uint8

const (
	jqCall  jqKind = iota // a function that is called
	jqVar                 // $name
	jqField               // .name
	jqKey                 // a key of an object
	jqDecl                // a name after def, or one of its parameters without $
	jqWord                // a keyword
	jqNumber
	jqString // a whole one, or its part up to \(
	jqFormat // @name
	jqSign
)

// jqToken is a piece of a jq program. gojq's own tree has no places: they are found again here.
type jqToken struct {
	kind jqKind
	text string // without the $ and . of names
	at   int    // byte offset
	end  int
}

var jqWords = strings.Fields("or and module import include def as label break null true false if then elif else end try catch reduce foreach")

// jqTokens cuts a program that gojq has parsed; of another it gives what it can.
func jqTokens(src string) []jqToken {
	s := jqScanner{src: src}
	s.scan(false)
	return s.out
}

type jqScanner struct {
	src    string
	at     int
	out    []jqToken
	frames []jqFrame
	params bool // within the brackets after def NAME
}

// jqFrame is an open bracket. In one of an object, key says that a key comes next.
type jqFrame struct {
	open byte
	key  bool
}

func (s *jqScanner) add(kind jqKind, from int, text string) {
	s.out = append(s.out, jqToken{kind: kind, text: text, at: from, end: s.at})
}

// scan reads to the end, or, within a string, to the bracket that ends an interpolation.
func (s *jqScanner) scan(inString bool) {
	depth := len(s.frames)
	for s.at < len(s.src) {
		from, c := s.at, s.src[s.at]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.at++
		case c == '#':
			for s.at < len(s.src) && s.src[s.at] != '\n' && s.src[s.at] != '\r' {
				if s.src[s.at] == '\\' && s.at+1 < len(s.src) {
					s.at++
				}
				s.at++
			}
		case isJQIdent(c, false):
			s.ident(from)
		case c == '$' && s.at+1 < len(s.src) && isJQIdent(s.src[s.at+1], false):
			s.at++
			s.name()
			s.add(jqVar, from, s.src[from:s.at])
			s.keyDone()
		case c == '.' && s.at+1 < len(s.src) && isJQIdent(s.src[s.at+1], false):
			s.at++
			for s.at < len(s.src) && isJQIdent(s.src[s.at], true) {
				s.at++
			}
			s.add(jqField, from, s.src[from+1:s.at])
		case c >= '0' && c <= '9':
			s.number()
			s.add(jqNumber, from, s.src[from:s.at])
		case c == '@' && s.at+1 < len(s.src) && isJQIdent(s.src[s.at+1], true):
			s.at++
			for s.at < len(s.src) && isJQIdent(s.src[s.at], true) {
				s.at++
			}
			s.add(jqFormat, from, s.src[from:s.at])
		case c == '"':
			s.text()
		default:
			if inString && c == ')' && len(s.frames) == depth {
				return
			}
			s.sign(c)
		}
	}
}

// sign reads one character that is no name, and keeps track of brackets.
func (s *jqScanner) sign(c byte) {
	from := s.at
	s.at++
	switch c {
	case '(', '[', '{':
		s.frames = append(s.frames, jqFrame{open: c, key: c == '{'})
		if n := len(s.out); c == '(' && n > 1 && s.out[n-1].kind == jqDecl && s.out[n-1].end == from && s.out[n-2].text == "def" {
			s.params = true
		}
	case ')', ']', '}':
		if len(s.frames) > 0 {
			s.frames = s.frames[:len(s.frames)-1]
		}
		s.params = false
	case ',':
		if n := len(s.frames); n > 0 && s.frames[n-1].open == '{' {
			s.frames[n-1].key = true
		}
	case ':':
		s.keyDone()
	default:
		for s.at < len(s.src) && (s.src[s.at] == '=' || s.src[s.at] == c && (c == '/' || c == '.')) {
			s.at++
		}
		if c == '?' && strings.HasPrefix(s.src[s.at:], "//") {
			s.at += 2
		}
	}
	s.add(jqSign, from, s.src[from:s.at])
}

func (s *jqScanner) keyDone() {
	if n := len(s.frames); n > 0 {
		s.frames[n-1].key = false
	}
}

func (s *jqScanner) inKey() bool {
	n := len(s.frames)
	return n > 0 && s.frames[n-1].open == '{' && s.frames[n-1].key
}

func (s *jqScanner) ident(from int) {
	s.name()
	text := s.src[from:s.at]
	kind := jqCall
	word := false
	for _, w := range jqWords {
		word = word || w == text
	}
	switch n := len(s.out); {
	case s.inKey():
		kind = jqKey
		s.keyDone()
	case word:
		kind = jqWord
	case n > 0 && s.out[n-1].kind == jqWord && s.out[n-1].text == "def", s.params:
		kind = jqDecl
	case n > 1 && s.out[n-1].kind == jqWord && s.out[n-1].text == "as" && s.imports(n-2):
		kind = jqDecl
	}
	s.add(kind, from, text)
}

// imports says that the tokens up to n are import "…".
func (s *jqScanner) imports(n int) bool {
	return n > 0 && s.out[n].kind == jqString && s.out[n-1].text == "import"
}

// name reads an identifier, with the module that it is of.
func (s *jqScanner) name() {
	for s.at < len(s.src) && isJQIdent(s.src[s.at], true) {
		s.at++
	}
	if strings.HasPrefix(s.src[s.at:], "::") && s.at+2 < len(s.src) && isJQIdent(s.src[s.at+2], false) {
		s.at += 2
		for s.at < len(s.src) && isJQIdent(s.src[s.at], true) {
			s.at++
		}
	}
}

func (s *jqScanner) number() {
	for s.at < len(s.src) && (s.src[s.at] >= '0' && s.src[s.at] <= '9' || s.src[s.at] == '.') {
		s.at++
	}
	if s.at < len(s.src) && (s.src[s.at] == 'e' || s.src[s.at] == 'E') {
		s.at++
		if s.at < len(s.src) && (s.src[s.at] == '+' || s.src[s.at] == '-') {
			s.at++
		}
		for s.at < len(s.src) && s.src[s.at] >= '0' && s.src[s.at] <= '9' {
			s.at++
		}
	}
}

// text reads a string and what is interpolated in it.
func (s *jqScanner) text() {
	from := s.at
	s.at++
	for s.at < len(s.src) {
		switch s.src[s.at] {
		case '"':
			s.at++
			s.add(jqString, from, s.src[from:s.at])
			s.keyDone()
			return
		case '\\':
			if s.at+1 < len(s.src) && s.src[s.at+1] == '(' {
				s.add(jqString, from, s.src[from:s.at])
				s.at += 2
				frames := s.frames
				s.frames = append(append([]jqFrame{}, frames...), jqFrame{open: '('})
				s.scan(true)
				s.frames = frames
				from = s.at
				if s.at < len(s.src) {
					s.at++
				}
				continue
			}
			s.at += 2
		default:
			s.at++
		}
	}
	s.at = min(s.at, len(s.src))
	s.add(jqString, from, s.src[from:s.at])
}

func isJQIdent(c byte, tail bool) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || tail && c >= '0' && c <= '9'
}
