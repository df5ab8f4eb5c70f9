// Package diag says what is wrong in a rule file: where, what, and what to write instead.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Pos is a place in a rule file. Lines and columns count from 1; columns count characters. The zero Pos is unknown.
type Pos struct {
	File      string
	Line, Col int
}

func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Error is one thing that is wrong, for the implementer who wrote it.
type Error struct {
	Pos     Pos
	Len     int    // characters to underline; 0 means one
	Text    string // what was found and what was expected, lower case, no full stop
	Hint    string // what to write instead; may be empty
	Warning bool   // does not stop the rule set from loading
}

func (e Error) Error() string {
	if e.Pos == (Pos{}) {
		return e.Text
	}
	return e.Pos.String() + ": " + e.Text
}

// Errorf makes an Error at pos.
func Errorf(pos Pos, format string, args ...any) Error {
	return Error{Pos: pos, Text: fmt.Sprintf(format, args...)}
}

// WithHint is e with a hint.
func (e Error) WithHint(format string, args ...any) Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// List is everything that is wrong with a rule set.
type List []Error

// Add appends errors.
func (l *List) Add(errs ...Error) { *l = append(*l, errs...) }

// Sort puts l in file order and drops repeats.
func (l *List) Sort() {
	slices.SortStableFunc(*l, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col), cmp.Compare(a.Text, b.Text))
	})
	*l = slices.Compact(*l)
}

// Failed says whether l holds more than warnings.
func (l List) Failed() bool {
	return slices.ContainsFunc(l, func(e Error) bool { return !e.Warning })
}

func (l List) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Render writes e the way the command line shows it; source gives a file's text, or nil where it cannot be had.
//
//	lab-orders.yaml:11:9: a guard is true or false, this is string
//	    when: body.status
//	          ^^^^^^^^^^^
//	  hint: compare it with something, as in body.status == "active"
func (e Error) Render(source func(file string) []byte) string {
	var b strings.Builder
	b.WriteString(e.Error())
	if e.Warning {
		b.Reset()
		fmt.Fprintf(&b, "%s: warning: %s", e.Pos, e.Text)
	}
	b.WriteByte('\n')
	if line, ok := lineOf(source, e.Pos); ok {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(line, "\t", " "))
		if col := e.Pos.Col; col > 0 && col <= utf8.RuneCountInString(line)+1 {
			n := min(max(e.Len, 1), max(utf8.RuneCountInString(line)-col+1, 1))
			fmt.Fprintf(&b, "    %s%s\n", strings.Repeat(" ", col-1), strings.Repeat("^", n))
		}
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", e.Hint)
	}
	return b.String()
}

func lineOf(source func(string) []byte, p Pos) (string, bool) {
	if source == nil || p.Line == 0 {
		return "", false
	}
	lines := strings.Split(string(source(p.File)), "\n")
	if p.Line > len(lines) {
		return "", false
	}
	return strings.TrimRight(lines[p.Line-1], "\r"), true
}

// Nearest gives the one of known that name was likely meant to be, or "".
func Nearest(name string, known []string) string {
	best, bestDist := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := distance(name, k); d < bestDist {
			best, bestDist = k, d
		}
	}
	return best
}

// DidYouMean is a hint that names the nearest of known, or lists all where there are few.
func DidYouMean(name string, known []string) string {
	if n := Nearest(name, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(known) == 0 || len(known) > 24 {
		return ""
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return "one of: " + strings.Join(known, ", ")
}

// distance is the number of letters to insert, drop, change or swap with their neighbour.
func distance(a, b string) int {
	r, s := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	before, prev, cur := make([]int, len(s)+1), make([]int, len(s)+1), make([]int, len(s)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(r); i++ {
		cur[0] = i
		for j := 1; j <= len(s); j++ {
			cost := 1
			if r[i-1] == s[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && r[i-1] == s[j-2] && r[i-2] == s[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(s)]
}
