package rule_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/njia-health/njia/engine/rule"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// malformed are files as people write them by mistake. Their error pages are in testdata/malformed.txtar.
var malformed = []struct{ name, src string }{
	{"a tab indents", "route: a\nsteps:\n\t- jq: .\n"},
	{"a tab indents below spaces", "route: a\nwith:\n  x: 1\n  \ty: 2\n"},
	{"a tab before a value", "route: a\nfrom:\t@x\n"},
	{"a second colon", "route: a\nabout: orders: all of them\n"},
	{"a second colon in a guard", "route: a\nwhen: body.a ? body.b : body.c: 1\n"},
	{"no space after the colon", "route:a\nfrom: x.y\n"},
	{"a merge that was not finished", "<<<<<<< HEAD\nroute: a\n=======\nroute: b\n>>>>>>> theirs\n"},
	{"a merge that was not finished within", "route: a\n<<<<<<< HEAD\nfrom: x.y\n=======\nfrom: z.y\n>>>>>>> theirs\nto: a.b\n"},
	{"a merge that was not finished in a list", "route: a\nfrom: x.y\nsteps:\n  - jq: .\n<<<<<<< HEAD\n  - jq: .a\n=======\n  - jq: .b\n>>>>>>> theirs\nto: a.b\n"},
	{"no colon", "route: a\nfrom x.y\nto: z.w\n"},
	{"a line that is no pair", "route: a\nfrom: x.y\nto\n"},
	{"a key indented below a value", "route: a\n  from: x.y\n"},
	{"a key indented too little", "route: a\nwith:\n    x: 1\n  y: 2\n"},
	{"a list item indented too little", "route: a\nsteps:\n  - jq: .a\n - jq: .b\n"},
	{"a list item on the key's line", "route: a\nsteps: - jq: .a\n"},
	{"a list item without a list", "route: a\n- jq: .a\n"},
	{"a key in a list", "- route: a\nfrom: b\n"},
	{"a quote that is not closed", "route: a\nabout: 'orders\nfrom: x.y\n"},
	{"a double quote that is not closed", "route: a\nabout: \"orders\nfrom: x.y\n---\nroute: b\nfrom x\n"},
	{"text after a quote", "route: a\nwhen: \"active\" == body.status\n"},
	{"text after a single quote", "route: a\nwhen: 'active' == body.status\n"},
	{"an unknown escape", "route: a\nwhen: \"body.code.matches('\\d+')\"\n"},
	{"a cut escape", "route: a\nabout: \"\\u12\"\n"},
	{"an expression in braces", "route: a\nwith: { path: ${body.id} }\n"},
	{"an open brace", "route: a\nwith: { path: x\nto: z.w\n"},
	{"an open bracket", "route: a\nto: [x.y, z.w\n"},
	{"a missing comma", "route: a\nwith: { a: 1 b: 2 }\n"},
	{"two commas", "route: a\nto: [x.y,, z.w]\n"},
	{"a bracket too many", "route: a\nto: [x.y]]\n"},
	{"a brace that closes nothing", "{route: a}}\n"},
	{"a brace alone", "route: }\n"},
	{"a guard that begins with !", "route: a\nwhen: !has(body.a)\n"},
	{"a guard that begins with ! and a space", "route: a\nwhen: ! body.a\n"},
	{"a tag", "route: a\npriority: !!int high\n"},
	{"a tag of another program", "route: a\nwith: !vault x\n"},
	{"text that begins with *", "route: a\nwith:\n  glob: *.json\n"},
	{"an alias without an anchor", "route: a\nwith: *defaults\n"},
	{"an alias in itself", "route: a\nwith: &x { y: *x }\n"},
	{"an anchor of another document", "route: a\nwith: &x { y: 1 }\n---\nroute: b\nwith: *x\n"},
	{"text that begins with @", "route: a\nwith:\n  to: @clinic\n"},
	{"text that begins with a backtick", "route: a\nabout: `orders`\n"},
	{"text that begins with %", "route: a\nwith:\n  format: %d\n"},
	{"text after |", "route: a\nsteps:\n  - jq: | .a\n"},
	{"a wrong indicator after |", "route: a\nsteps:\n  - jq: |0\n      .a\n"},
	{"a block with a line to the left", "route: a\nsteps:\n  - jq: |\n      .a\n    .b\n"},
	{"a block whose first lines are further right", "route: a\nabout: |\n\n        \n  text\n"},
	{"a key twice", "route: a\nfrom: x.y\nabout: a\nfrom: z.w\n"},
	{"a key twice in braces", "route: a\nwith: { a: 1, a: 2 }\n"},
	{"a list as a key", "route: a\n[a, b]: c\n"},
	{"a map as a key", "? { a: 1 }\n: b\n"},
	{"no key before the colon", "route: a\n: b\n"},
	{"a merge of text", "route: a\n<<: defaults\n"},
	{"a merge of a list of text", "route: a\n<<: [a, b]\n"},
	{"a merge of lists in lists", "a: &a [{ x: 1 }]\nb:\n  <<: [*a]\n"},
	{"a directive", "%YAML 1.2\n---\nroute: a\n"},
	{"a document on the line ---", "--- route: a\nfrom: b\n"},
	{"a quoted key over two lines", "\"a\nb\": c\n"},
	{"two anchors", "route: &a &b x\n"},
	{"an empty alias", "route: a\nwith: * x\n"},
	{"an empty anchor", "route: a\nwhen: & body.a\n"},
	{"a NUL", "route: a\nabout: a\x00b\n"},
	{"a bell", "route: a\nabout: é\a\n"},
	{"a byte of Latin-1", "route: a\nabout: caf\xe9\n"},
	{"UTF-16", "\xff\xfer\x00o\x00u\x00t\x00e\x00:\x00 \x00a\x00\n\x00"},
	{"a line separator", "route: a\nabout: one\u2028two\n"},
	{"a lone carriage return", "route: a\rfrom: b\n"},
	{"a file cut short in a key", "route: a\nfrom: x.y\nste"},
	{"a file cut short in a list", "route: a\nto: [x.y, z"},
	{"a file cut short in a quote", "route: a\nfrom: \"x.y"},
	{"a BOM and a fault", "\ufeffroute: a\nabout: b: c\n"},
	{"CRLF and a fault", "route: a\r\nabout: b: c\r\n"},
	{"letters of two bytes before a fault", "route: a\nabout: é: ü: x\n"},
	{"nested too deep", "route: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n"},
	{"aliases that grow", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"},
	{"faults in two documents", "route: a\nabout: b: c\n---\nroute: b\nwhen: !x\n---\nroute: c\nfrom: x\nfrom: y\n"},
	{"windows path in double quotes", "system: files\npath: \"C:\\new\\data\"\n"},
	{"template braces unquoted", "route: a\nid: {{ body.id }}\n"},
	{"a question mark", "route: a\nwhen: ? body.a\n"},
	{"a colon at the end of a guard", "route: a\nwhen: body.a ==:\n"},
}

// TestMalformed shows every fault as a person sees it: place, what is wrong in our words, the line, what to write instead.
func TestMalformed(t *testing.T) {
	const golden = "testdata/malformed.txtar"
	got := &txtar.Archive{Comment: []byte("Error pages of malformed files. The inputs are in malformed_test.go; -update rewrites this file.\n\n")}
	for _, m := range malformed {
		_, errs := rule.Parse("a.yaml", []byte(m.src))
		if len(errs) == 0 {
			t.Errorf("%s: no error for %q", m.name, m.src)
		}
		var b strings.Builder
		source := func(string) []byte { return []byte(strings.TrimPrefix(m.src, "\ufeff")) }
		for _, e := range errs {
			page := e.Render(source)
			for _, foreign := range []string{"go-yaml", "did not find", "while ", "mapping", "sequence", "scalar", "token", "flow", "yaml: "} {
				if strings.Contains(e.Text+" "+e.Hint, foreign) {
					t.Errorf("%s: the words of the library show: %s", m.name, page)
				}
			}
			b.WriteString(page)
		}
		got.Files = append(got.Files, txtar.File{Name: m.name, Data: []byte(strings.ReplaceAll(fmt.Sprintf("%s\n", b.String()), "\x00", "␀"))})
	}
	compare(t, golden, got)
}

func compare(t *testing.T, golden string, got *txtar.Archive) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range txtar.Parse(b).Files {
		want[f.Name] = string(f.Data)
	}
	for _, f := range got.Files {
		if diff := cmp.Diff(want[f.Name], string(f.Data)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", f.Name, diff)
		}
		delete(want, f.Name)
	}
	for name := range want {
		t.Errorf("%s: in %s, but in no test; run with -update", name, golden)
	}
}
