package engine_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
)

var update = flag.Bool("update", false, "rewrite the expected pages; review the difference")

// TestEveryFaultHasItsPage loads each rule set in testdata/load and compares everything that is wrong with it, as the command
// line shows it, with the file want.
func TestEveryFaultHasItsPage(t *testing.T) {
	files, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d rule sets found, %v", len(files), err)
	}
	reg := adapters.All()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			fsys := fstest.MapFS{}
			want, at := "", -1
			for i, f := range ar.Files {
				if f.Name == "want" {
					want, at = string(f.Data), i
					continue
				}
				fsys[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			o := engine.LoadOptions{Adapters: reg,
				Env:    func(n string) (string, bool) { return "http://127.0.0.1:1", n == "URL" },
				Secret: func(n string) (string, bool) { return "s3cret", n == "known" }}
			set, rs, errs := engine.Load(fsys, o)
			var b strings.Builder
			for _, e := range errs {
				b.WriteString(e.Render(rs.Source))
			}
			if set == nil {
				b.WriteString("not loaded\n")
			} else {
				b.WriteString("loaded\n")
			}
			if strings.Contains(b.String(), "s3cret") {
				t.Error("a secret is shown")
			}
			if b.String() == want {
				return
			}
			if !*update {
				t.Errorf("the page is\n%s\nwant\n%s", b.String(), want)
				return
			}
			if at < 0 {
				ar.Files = append(ar.Files, txtar.File{Name: "want"})
				at = len(ar.Files) - 1
			}
			ar.Files[at].Data = []byte(b.String())
			if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
