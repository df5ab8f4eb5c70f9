package expr_test

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
)

// within says that every error stands inside its text.
func within(t interface{ Fatalf(string, ...any) }, src string, errs diag.List) {
	lines := strings.Split(src, "\n")
	for _, e := range errs {
		if e.Pos.File != "a.yaml" || e.Pos.Line < 1 || e.Pos.Line > len(lines) || e.Pos.Col < 1 || e.Pos.Col > utf8.RuneCountInString(lines[e.Pos.Line-1])+1 {
			t.Fatalf("%q: an error stands at %s, outside of the text: %s", src, e.Pos, e.Text)
		}
		if e.Text == "" || strings.Contains(e.Text, "interface {}") || strings.Contains(e.Text, "runtime error") {
			t.Fatalf("%q: %q is no text for an implementer", src, e.Text)
		}
	}
}

func FuzzGuard(f *testing.F) {
	for _, s := range []string{`body.a == "x"`, `body.a.exists(x, x > 1) && has(body.b)`, `settings.line-key`, `body[?0].?a.orValue(1) == 2`, `"\u00e4" == body.ä`, `.a`, `a.b.c(`, `{"a": body.x}[body.y]`, `cel.bind(x, body, x.y)`, `body.list.map(x, x * 2) == [1u, 2.0]`, `math.greatest(1, body.n)`, `optional.of(1).optMap(x, x + 1).value() > 1`, "a\n==\n\"b\""} {
		f.Add(s)
	}
	c, s := compiler(), scope(f)
	f.Fuzz(func(t *testing.T, src string) {
		if !utf8.ValidString(src) || strings.Contains(src, "\r") {
			return // the reader of rules refuses it
		}
		g, errs := c.Guard(text(src), expr.InRoute)
		within(t, src, errs)
		if (g == nil) != errs.Failed() {
			t.Fatalf("%q: guard %v, errors %v", src, g, errs)
		}
		if g != nil {
			_, _ = g.Eval(context.Background(), s)
		}
	})
}

func FuzzJQ(f *testing.F) {
	for _, s := range []string{`.a | map(.b + 1)`, `def f($x; g): $x | g; f(1; .)`, `"a\(.b | "\(.c)")"`, `. as {a: $x, $b, "c": [$d]} | $x`, `reduce .[] as $x (0; . + $x)`, `{a, $meta, "b\(1)": 2, (.c): 3, @base64 "x": 4}`, `import "fhir" as fhir; fhir::code("x")`, `label $f | break $f`, `.a[1:2][.b]?`, `try error catch .`, `# c \` + "\n" + `.`, `$__loc__`, `.[1000000] = 1`, `if . then 1 elif 2 then 3 end`, `.a."b"["c"]`, `@json "\(.)"`} {
		f.Add(s)
	}
	c := expr.New(expr.Options{Limits: expr.Limits{JQSteps: 20_000, JQOutput: 1 << 20, Seconds: 1}})
	s := scope(f)
	f.Fuzz(func(t *testing.T, src string) {
		if !utf8.ValidString(src) || strings.Contains(src, "\r") || strings.Contains(src, "splits") {
			return
		}
		p, errs := c.JQ(text(src), "", expr.InRoute)
		within(t, src, errs)
		if (p == nil) != errs.Failed() {
			t.Fatalf("%q: program %v, errors %v", src, p, errs)
		}
		if p != nil {
			_, _ = p.Run(context.Background(), s)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`a ${body.b} c`, `${`, `$${a}`, `${"}"}`, `${{"a": 1}}`, "${`}`}", `${body.list | map(# + 1)}`, `${let a = 1; a}`, `${a?.b ?? "c"}`, `${/* } */ 1}`, `${settings["x"]}`, `${1..9}`, `${if body.a {1} else {2}}`, `ä${bdy}€`, "${body\n.x}", `${date("2024")}`} {
		f.Add(s)
	}
	c, s := compiler(), scope(f)
	f.Fuzz(func(t *testing.T, src string) {
		if !utf8.ValidString(src) || strings.Contains(src, "\r") {
			return
		}
		tpl, errs := c.Template(text(src), expr.InRoute)
		within(t, src, errs)
		if (tpl == nil) != errs.Failed() {
			t.Fatalf("%q: template %v, errors %v", src, tpl, errs)
		}
		if tpl == nil {
			return
		}
		v, err := tpl.Eval(context.Background(), s)
		if tpl.Static() != (!strings.Contains(strings.ReplaceAll(src, "$${", "\x00"), "${")) {
			t.Fatalf("%q: static is %v", src, tpl.Static())
		}
		if tpl.Static() && (err != nil || v != strings.ReplaceAll(src, "$${", "${")) {
			t.Fatalf("%q: gives %q, %v", src, v, err)
		}
	})
}

func FuzzStatic(f *testing.F) {
	for _, s := range []string{`${env.A}`, `${secret.a-b ?? "x"}`, `$${`, `${env.A`, `x${env["a"]}y`, `${env.A ?? '${'}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		n := &bind.Node{Kind: bind.String, Text: src, Exact: true, Pos: diag.Pos{File: "a.yaml", Line: 1, Col: 1}, TextPos: diag.Pos{File: "a.yaml", Line: 1, Col: 1}}
		out, errs := expr.Static(n, func(string) (string, bool) { return "v", true }, func(string) (string, bool) { return "s3cret", true })
		if out == nil || strings.Contains(errs.Error(), "s3cret") {
			t.Fatalf("%q: %v, %v", src, out, errs)
		}
	})
}

// At gives the line and the column, in characters, that an editor shows.
func TestAtIsThePlaceInTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		indent := rapid.IntRange(1, 8).Draw(t, "indent")
		lines := rapid.SliceOfN(rapid.StringMatching(`[a-zä€𝄞 .]{0,6}`), 1, 5).Draw(t, "lines")
		src := strings.Join(lines, "\n")
		first := diag.Pos{File: "f", Line: rapid.IntRange(1, 9).Draw(t, "line"), Col: indent}
		txt := expr.Text{Src: src, Pos: first, Indent: indent}
		offset := 0
		for i, l := range lines {
			col := 0
			for at := range l + "\n" {
				want := diag.Pos{File: "f", Line: first.Line + i, Col: indent + col}
				if got := txt.At(offset + at); got != want {
					t.Fatalf("At(%d) of %q = %v, want %v", offset+at, src, got, want)
				}
				col++
			}
			offset += len(l) + 1
		}
		if txt.At(-5) != txt.At(0) || txt.At(len(src)+5) != txt.At(len(src)) {
			t.Fatal("an offset outside of the text is its nearest end")
		}
	})
}
