package diag_test

import (
	"testing"

	"github.com/njia-health/njia/engine/diag"
)

func TestRenderShowsThePlace(t *testing.T) {
	src := "route: lab-orders\nwhen: body.status\n\tkey: x\nlast: é and ü\n"
	source := func(string) []byte { return []byte(src) }
	for name, c := range map[string]struct {
		e    diag.Error
		want string
	}{
		"a place, a length and a hint": {
			diag.Error{Pos: diag.Pos{File: "a.yaml", Line: 2, Col: 7}, Len: 11, Text: "a guard is true or false, this is text", Hint: "compare it with something"},
			"a.yaml:2:7: a guard is true or false, this is text\n    when: body.status\n          ^^^^^^^^^^^\n  hint: compare it with something\n"},
		"a warning":             {diag.Error{Pos: diag.Pos{File: "a.yaml", Line: 1, Col: 1}, Text: "odd", Warning: true}, "a.yaml:1:1: warning: odd\n    route: lab-orders\n    ^\n"},
		"a tab is one column":   {diag.Error{Pos: diag.Pos{File: "a.yaml", Line: 3, Col: 2}, Text: "t"}, "a.yaml:3:2: t\n     key: x\n     ^\n"},
		"columns are runes":     {diag.Error{Pos: diag.Pos{File: "a.yaml", Line: 4, Col: 13}, Len: 1, Text: "t"}, "a.yaml:4:13: t\n    last: é and ü\n                ^\n"},
		"underlining ends":      {diag.Error{Pos: diag.Pos{File: "a.yaml", Line: 1, Col: 8}, Len: 400, Text: "t"}, "a.yaml:1:8: t\n    route: lab-orders\n           ^^^^^^^^^^\n"},
		"a line that is not":    {diag.Error{Pos: diag.Pos{File: "a.yaml", Line: 99, Col: 1}, Text: "t"}, "a.yaml:99:1: t\n"},
		"no place":              {diag.Error{Text: "t"}, "t\n"},
		"a file without a line": {diag.Error{Pos: diag.Pos{File: "a.yaml"}, Text: "t"}, "a.yaml: t\n"},
	} {
		if got := c.e.Render(source); got != c.want {
			t.Errorf("%s: Render =\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestNearestIsWhatWasMeant(t *testing.T) {
	known := []string{"status", "intent", "subject", "every", "on"}
	for name, want := range map[string]string{"staus": "status", "stauts": "status", "Status": "status", "evry": "every", "no": "on", "zzz": "", "": ""} {
		if got := diag.Nearest(name, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if got, want := diag.DidYouMean("zzz", []string{"b", "a"}), "one of: a, b"; got != want {
		t.Errorf("DidYouMean = %q, want %q", got, want)
	}
}

func TestSortPutsFaultsInFileOrderOnce(t *testing.T) {
	at := func(f string, l int) diag.Error { return diag.Errorf(diag.Pos{File: f, Line: l, Col: 1}, "x") }
	l := diag.List{at("b", 1), at("a", 10), at("a", 2), at("a", 10)}
	l.Sort()
	if got, want := l.Error(), "a:2:1: x\na:10:1: x\nb:1:1: x"; got != want {
		t.Errorf("sorted:\n%s\nwant\n%s", got, want)
	}
	if (diag.List{{Text: "w", Warning: true}}).Failed() || !l.Failed() {
		t.Error("a warning alone must not stop a rule set, an error must")
	}
}
