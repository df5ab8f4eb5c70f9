package rule_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/rule"
)

// outline writes a tree a line each: path, place, kind, text; where the text stands, and = where it stands there letter by letter.
func outline(n *bind.Node) string {
	var b strings.Builder
	var walk func(path string, n *bind.Node)
	walk = func(path string, n *bind.Node) {
		fmt.Fprintf(&b, "%s %d:%d %s", path, n.Pos.Line, n.Pos.Col, n.Kind)
		switch n.Kind {
		case bind.List:
			b.WriteByte('\n')
			for i, item := range n.Items {
				walk(fmt.Sprintf("%s[%d]", path, i), item)
			}
			return
		case bind.Map:
			b.WriteByte('\n')
			for i, k := range n.Keys {
				walk(fmt.Sprintf("%s.%s@%d:%d", path, k.Name, k.Pos.Line, k.Pos.Col), n.Items[i])
			}
			return
		}
		exact := ""
		if n.Exact {
			exact = " ="
		}
		fmt.Fprintf(&b, " %q %d:%d%s\n", n.Text, n.TextPos.Line, n.TextPos.Col, exact)
	}
	walk("", n)
	return b.String()
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"words that are no booleans stay text", "a: [on, yes, NO, off, n, true, False]\n", `
 1:1 a map
.a@1:1 1:4 a list
.a@1:1[0] 1:5 text "on" 1:5 =
.a@1:1[1] 1:9 text "yes" 1:9 =
.a@1:1[2] 1:14 text "NO" 1:14 =
.a@1:1[3] 1:18 text "off" 1:18 =
.a@1:1[4] 1:23 text "n" 1:23 =
.a@1:1[5] 1:26 true or false "true" 1:26 =
.a@1:1[6] 1:32 true or false "false" 1:32 =
`},
		{"keys are text", "on: 1\nno: 2\n200: 3\ntrue: 4\n\"q\": 5\n", `
 1:1 a map
.on@1:1 1:5 a number "1" 1:5 =
.no@2:1 2:5 a number "2" 2:5 =
.200@3:1 3:6 a number "3" 3:6 =
.true@4:1 4:7 a number "4" 4:7 =
.q@5:1 5:6 a number "5" 5:6 =
`},
		{"numbers keep their digits, and codes are text", "a: [0.10, 9007199254740993, -1e3, 1.000, 012, +254, 1_000, 0x1F, .5, 1., .inf, 2024-01-02, 12:30]\n", `
 1:1 a map
.a@1:1 1:4 a list
.a@1:1[0] 1:5 a number "0.10" 1:5 =
.a@1:1[1] 1:11 a number "9007199254740993" 1:11 =
.a@1:1[2] 1:29 a number "-1e3" 1:29 =
.a@1:1[3] 1:35 a number "1.000" 1:35 =
.a@1:1[4] 1:42 text "012" 1:42 =
.a@1:1[5] 1:47 text "+254" 1:47 =
.a@1:1[6] 1:53 text "1_000" 1:53 =
.a@1:1[7] 1:60 text "0x1F" 1:60 =
.a@1:1[8] 1:66 text ".5" 1:66 =
.a@1:1[9] 1:70 text "1." 1:70 =
.a@1:1[10] 1:74 text ".inf" 1:74 =
.a@1:1[11] 1:80 text "2024-01-02" 1:80 =
.a@1:1[12] 1:92 text "12:30" 1:92 =
`},
		{"nothing", "a:\nb: ~\nc: null\nd: ''\n", `
 1:1 a map
.a@1:1 1:3 nothing "" 1:3 =
.b@2:1 2:4 nothing "" 2:4 =
.c@3:1 3:4 nothing "" 3:4 =
.d@4:1 4:4 text "" 4:5 =
`},
		{"quotes", "a: 'it is'\nb: 'it''s'\nc: \"x\\ty\"\nd: \"plain\" # c\ne: \"two\n  lines\"\nf: two\n  lines\n", `
 1:1 a map
.a@1:1 1:4 text "it is" 1:5 =
.b@2:1 2:4 text "it's" 2:5
.c@3:1 3:4 text "x\ty" 3:5
.d@4:1 4:4 text "plain" 4:5 =
.e@5:1 5:4 text "two lines" 5:5
.f@7:1 7:4 text "two lines" 7:4
`},
		{"text blocks", "a: |\n  one\n    two\n\n  three\nb: |- # note\n    x\nc: >\n  folded\n  text\nd:\n  - |+\n    y\n\ne: |2\n     indented\n   less\nf: |\ng: x\n", `
 1:1 a map
.a@1:1 1:4 text "one\n  two\n\nthree\n" 2:3 =
.b@6:1 6:4 text "x" 7:5 =
.c@8:1 8:4 text "folded text\n" 9:3
.d@11:1 12:3 a list
.d@11:1[0] 12:5 text "y\n\n" 13:5 =
.e@15:1 15:4 text "   indented\n less\n" 16:3 =
.f@18:1 18:4 text "" 19:1 =
.g@19:1 19:4 text "x" 19:4 =
`},
		{"a text block that begins with empty lines", "a: |\n\n\n  x\n", `
 1:1 a map
.a@1:1 1:4 text "\n\nx\n" 2:3 =
`},
		{"letters of more bytes", "é: ü\n\"ключ\": [å, 'ß']\n", `
 1:1 a map
.é@1:1 1:4 text "ü" 1:4 =
.ключ@2:1 2:9 a list
.ключ@2:1[0] 2:10 text "å" 2:10 =
.ключ@2:1[1] 2:13 text "ß" 2:14 =
`},
		{"anchors, aliases and merges keep the place where they were written", "a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\nc: *a\nd: &d hello\ne: *d\n", `
 1:1 a map
.a@1:1 1:4 a map
.a@1:1.x@2:3 2:6 a number "1" 2:6 =
.a@1:1.y@3:3 3:6 a number "2" 3:6 =
.b@4:1 5:3 a map
.b@4:1.y@6:3 6:6 a number "3" 6:6 =
.b@4:1.x@2:3 2:6 a number "1" 2:6 =
.c@7:1 1:4 a map
.c@7:1.x@2:3 2:6 a number "1" 2:6 =
.c@7:1.y@3:3 3:6 a number "2" 3:6 =
.d@8:1 8:7 text "hello" 8:7 =
.e@9:1 8:7 text "hello" 8:7 =
`},
		{"a list of merges: the first wins", "- &a { x: 1 }\n- &b { x: 2, y: 2 }\n- <<: [*a, *b]\n", `
 1:1 a list
[0] 1:3 a map
[0].x@1:8 1:11 a number "1" 1:11 =
[1] 2:3 a map
[1].x@2:8 2:11 a number "2" 2:11 =
[1].y@2:14 2:17 a number "2" 2:17 =
[2] 3:3 a map
[2].x@1:8 1:11 a number "1" 1:11 =
[2].y@2:14 2:17 a number "2" 2:17 =
`},
		{"a tag that says text", "a: !!str 5\nb: !!str\n  7\n", `
 1:1 a map
.a@1:1 1:10 text "5" 1:10 =
.b@2:1 3:3 text "7" 3:3 =
`},
		{"BOM and CRLF", "\ufeffa: x\r\nb: |\r\n  y\r\n  z\r\n", `
 1:1 a map
.a@1:1 1:4 text "x" 1:4 =
.b@2:1 2:4 text "y\nz\n" 3:3 =
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			docs, errs := rule.Parse("a.yaml", []byte(c.src))
			if len(errs) > 0 || len(docs) != 1 {
				t.Fatalf("Parse(%q) = %d documents, %v", c.src, len(docs), errs)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), outline(docs[0])); diff != "" {
				t.Errorf("Parse(%q) (-want +got)\n%s", c.src, diff)
			}
		})
	}
}

func TestParseDocuments(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string // the first key of each, with its line
	}{
		{"one", "a: 1\n", []string{"a 1"}},
		{"several", "a: 1\n---\nb: 2\n---\n# nothing\n---\nc: 3\n", []string{"a 1", "b 3", "c 7"}},
		{"a mark before the first", "# note\n---\na: 1\n", []string{"a 3"}},
		{"an end mark", "a: 1\n...\n---\nb: 2\n", []string{"a 1", "b 4"}},
		{"empty", "", nil},
		{"comments only", "# one\n\n  # two\n", nil},
		{"marks only", "---\n---\n...\n", nil},
		{"nothing said", "---\n~\n---\nnull\n", nil},
		{"a mark in a text block", "a: |\n  x\n  ---\n  y\n---\nb: 1\n", []string{"a 1", "b 6"}},
		{"BOM only", "\ufeff", nil},
	} {
		docs, errs := rule.Parse("a.yaml", []byte(c.src))
		var got []string
		for _, d := range docs {
			got = append(got, fmt.Sprintf("%s %d", d.Keys[0].Name, d.Keys[0].Pos.Line))
		}
		if len(errs) > 0 || !cmp.Equal(c.want, got) {
			t.Errorf("%s: Parse(%q) = %q, %v, want %q", c.name, c.src, got, errs, c.want)
		}
	}
}

// TestParseGoesOn: a document that is wrong does not hide the others.
func TestParseGoesOn(t *testing.T) {
	docs, errs := rule.Parse("a.yaml", []byte("a: [\n---\nb: 1\n---\nc: 'x\n"))
	if len(docs) != 1 || docs[0].Keys[0].Name != "b" || len(errs) != 2 {
		t.Errorf("Parse gave %d documents and %v", len(docs), errs)
	}
}

// TestJSONIsYAML: a tree that is written as JSON is read as the same tree.
func TestJSONIsYAML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{"x": drawTree(t, 0, true), rapid.StringMatching(`[a-z\\"\n\t #:]{0,10}`).Draw(t, "key"): rapid.StringOf(rapid.RuneFrom(nil, unicode.L, unicode.N, unicode.P, unicode.Zs)).Draw(t, "text")}
		src := encoded(t, v)
		docs, errs := rule.Parse("a.yaml", []byte(src))
		if len(errs) > 0 || len(docs) != 1 {
			t.Fatalf("Parse(%s) = %d documents, %v", src, len(docs), errs)
		}
		if diff := cmp.Diff(src, encoded(t, docs[0].Value())); diff != "" {
			t.Fatalf("Parse(%s) (-want +got)\n%s", src, diff)
		}
	})
}

// FuzzParse: no input makes Parse panic, every fault has a place in the file, and what is said to stand in the file stands there.
func FuzzParse(f *testing.F) {
	for _, m := range malformed {
		f.Add(m.src)
	}
	f.Add("a: |2-\n    x\n   y\nb: \"q\"\nc: &x !!str 'z'\nd: *x\n? e\n: f\n")
	f.Add("a: >-\n\n  x\n   y\n\n  z\n- b\n")
	f.Fuzz(func(t *testing.T, src string) {
		docs, errs := rule.Parse("a.yaml", []byte(src))
		lines := strings.Split(strings.TrimPrefix(src, "\ufeff"), "\n")
		for _, e := range errs {
			if e.Text == "" || e.Pos.File != "a.yaml" || e.Pos.Line > len(lines) || e.Pos.Line < 1 && len(src) < 1<<20 {
				t.Errorf("%q: an error without a place: %v", src, e)
			}
			e.Render(func(string) []byte { return []byte(src) })
		}
		seen := map[*bind.Node]bool{}
		var walk func(n *bind.Node)
		walk = func(n *bind.Node) {
			if seen[n] {
				return
			}
			seen[n] = true
			if len(n.Keys) > 0 && len(n.Keys) != len(n.Items) {
				t.Errorf("%q: keys and values do not pair", src)
			}
			if n.Exact && (n.Kind == bind.String || n.Kind == bind.Number) {
				standsThere(t, src, lines, n)
			}
			for _, item := range n.Items {
				walk(item)
			}
		}
		for _, d := range docs {
			walk(d)
		}
	})
}

func standsThere(t *testing.T, src string, lines []string, n *bind.Node) {
	t.Helper()
	for i, part := range strings.Split(strings.TrimRight(n.Text, "\n"), "\n") {
		if part == "" {
			continue
		}
		at := n.TextPos.Line + i
		if at > len(lines) || !strings.HasPrefix(after(lines[at-1], n.TextPos.Col), part) {
			t.Errorf("%q: %q is said to stand at %d:%d", src, part, at, n.TextPos.Col)
		}
	}
}

func after(line string, col int) string {
	for i := 1; i < col && line != ""; i++ {
		_, n := utf8.DecodeRuneInString(line)
		line = line[n:]
	}
	return line
}
