package rule_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rule"
)

// TestLoad loads the rule sets in testdata/load. A file holds the set's files, packs that come with the program under shipped/,
// and in the end what people see: the error pages, and what the set says.
func TestLoad(t *testing.T) {
	files, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no rule sets in testdata/load")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(src)
			at := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
			var want string
			if at >= 0 {
				want = string(a.Files[at].Data)
				a.Files = a.Files[:at]
			}
			site, shipped := trees(t, a)
			got := show(rule.Load(site, rule.Options{Shipped: shipped}))
			if *update {
				a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Load(%s) (-want +got)\n%s", file, diff)
			}
		})
	}
}

func trees(t *testing.T, a *txtar.Archive) (site, shipped fs.FS) {
	t.Helper()
	var s, p txtar.Archive
	for _, f := range a.Files {
		if rest, ok := strings.CutPrefix(f.Name, "shipped/"); ok {
			p.Files = append(p.Files, txtar.File{Name: rest, Data: f.Data})
		} else {
			s.Files = append(s.Files, f)
		}
	}
	site, err := txtar.FS(&s)
	if err != nil {
		t.Fatal(err)
	}
	shipped, err = txtar.FS(&p)
	if err != nil {
		t.Fatal(err)
	}
	return site, shipped
}

// show is what people see of a set.
func show(s *rule.Set, errs diag.List) string {
	var b strings.Builder
	for _, e := range errs {
		b.WriteString(e.Render(s.Source))
	}
	return b.String() + summary(s)
}

func summary(s *rule.Set) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	doc := func(kind string, d rule.Doc) string {
		of := ""
		if d.Pack != "" {
			of = " of pack " + d.Pack
		}
		return fmt.Sprintf("%s %s%s, %s", kind, d.Name, of, d.Pos)
	}
	tree := func(v any) string {
		out, err := message.Encode(v)
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	if s.Engine != nil {
		line("%s", doc("engine", s.Engine.Doc))
	}
	for _, p := range s.Packs {
		line("%s: %s", doc("pack", p.Doc), tree(message.Normal(maps.Clone(p.Values))))
	}
	for _, x := range s.Systems {
		line("%s: %s %s", doc("system", x.Doc), x.Adapter, tree(x.Settings.Value()))
	}
	for _, r := range s.Routes {
		line("%s: from %s", doc("route", r.Doc), r.From)
		steps(&b, "  ", r.Steps)
		for _, to := range r.To {
			line("  to %s", to.Operation)
		}
	}
	for _, m := range s.Maps {
		line("%s: %s", doc("map", m.Doc), tree(maps.Clone(m.Entries)))
	}
	for _, t := range s.Tests {
		line("%s: route %s, %d turns", doc("test", t.Doc), t.Route, len(t.Turns))
	}
	for _, o := range s.Overrides {
		line("override %s %s of pack %s, %s", o.Kind, o.Name, o.Pack, o.Pos)
		for _, c := range o.Changes {
			line("  %s", c)
		}
	}
	line("files %s", strings.Join(slices.Sorted(maps.Keys(s.Files)), " "))
	return b.String()
}

func steps(b *strings.Builder, indent string, list []rule.Step) {
	for _, s := range list {
		fmt.Fprintf(b, "%s%s %s\n", indent, s.Label, s.Name)
		for _, br := range slices.Concat(s.Choose, s.Rescue) {
			fmt.Fprintf(b, "%s  %s\n", indent, br.Label)
			steps(b, indent+"    ", br.Steps)
		}
	}
}
