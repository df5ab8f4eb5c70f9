package expr_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rule"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// Each file of testdata/errors holds rules, the modules that they import, a message, and the page that the implementer sees.
// A key of rule.yaml says in which language and place its value is.
func TestErrorPages(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d error pages, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")))
			var want string
			keep := a.Files[:0:0]
			for _, f := range a.Files {
				if f.Name == "want" {
					want = string(f.Data)
				} else {
					keep = append(keep, f)
				}
			}
			got := page(t, keep)
			if *update {
				a.Files = append(keep, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", file, d)
			}
		})
	}
}

// page is what the implementer sees at load and the operator at run time.
func page(t *testing.T, files []txtar.File) string {
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Data
	}
	docs, errs := rule.Parse("rule.yaml", byName["rule.yaml"])
	if errs.Failed() || len(docs) != 1 {
		t.Fatalf("rule.yaml: %v", errs)
	}
	c := expr.New(expr.Options{
		Maps: []string{"units", "sexes"}, Settings: []string{"line-key", "every"},
		Module: func(dir, name string) ([]byte, string, bool) {
			for _, f := range []string{name + ".jq", "lib/" + name + ".jq", name + ".json"} {
				if src, ok := byName[f]; ok {
					return src, f, true
				}
			}
			return nil, "", false
		},
	})
	s := &expr.Scope{Meta: map[string]any{"time": "2026-01-05T08:00:00.000Z"}, Settings: map[string]any{"every": "15s"}, Error: map[string]any{"class": "rejected"}}
	if b := byName["body.json"]; b != nil {
		var err error
		if s.Body, err = message.Decode(b); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	for i, k := range docs[0].Keys {
		errs, err := compileAndRun(c, k.Name, docs[0].Items[i], s, byName["body.json"] != nil)
		errs.Sort()
		for _, e := range errs {
			out.WriteString(e.Render(func(f string) []byte { return byName[f] }))
		}
		if err != nil {
			out.WriteString("when it runs: " + err.Error() + "\n")
		}
		if len(errs) == 0 && err == nil {
			out.WriteString(k.Name + " is well\n")
		}
	}
	return out.String()
}

func compileAndRun(c *expr.Compiler, key string, n *bind.Node, s *expr.Scope, run bool) (errs diag.List, err error) {
	where := expr.InRoute
	if rest, ok := strings.CutPrefix(key, "rescue-"); ok {
		where, key = expr.InRescue, rest
	} else if rest, ok := strings.CutPrefix(key, "answer-"); ok {
		where, key = expr.InAnswer, rest
	}
	key = strings.TrimRight(key, "0123456789")
	ctx := context.Background()
	switch key {
	case "with":
		tree, errs := c.Tree(n, ".", where)
		if run && tree != nil {
			_, err = tree.Eval(ctx, s)
		}
		return errs, err
	case "system":
		_, errs := expr.Static(n, func(name string) (string, bool) { return "x", name == "SET" }, func(string) (string, bool) { return "", false })
		return errs, nil
	}
	t, errs := expr.NewText(n)
	if errs.Failed() {
		return errs, nil
	}
	switch key {
	case "when":
		g, errs := c.Guard(t, where)
		if run && g != nil {
			_, err = g.Eval(ctx, s)
		}
		return errs, err
	case "jq":
		p, errs := c.JQ(t, path.Dir("rule.yaml"), where)
		if run && p != nil {
			_, err = p.Run(ctx, s)
		}
		return errs, err
	}
	tpl, errs := c.Template(t, where)
	if run && tpl != nil {
		_, err = tpl.Eval(ctx, s)
	}
	return errs, err
}
