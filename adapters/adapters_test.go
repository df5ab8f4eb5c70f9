package adapters_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/njia-health/njia/adapters"
)

// TestEveryFolderIsListed fails for an adapter that All leaves out, and for one that runs no kit. It reads the sources
// itself: a test that asks the go command passes from the cache after a change.
func TestEveryFolderIsListed(t *testing.T) {
	listed := adapters.All().Names()
	if !slices.IsSorted(listed) {
		t.Errorf("All is not in the order of the alphabet: %v", listed)
	}
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !f.IsDir() || f.Name() == "testdata" {
			continue
		}
		if !slices.Contains(listed, f.Name()) {
			t.Errorf("adapters/%s is a folder that All does not list", f.Name())
		}
		if !runsKit(t, f.Name()) {
			t.Errorf("adapters/%s has no test that calls adaptertest.Run", f.Name())
		}
	}
	for _, name := range listed {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("All lists %s, which has no folder of its name", name)
		}
	}
}

// runsKit says whether a test file in the folder calls adaptertest.Run.
func runsKit(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		calls := false
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "adaptertest" && sel.Sel.Name == "Run" {
					calls = true
				}
			}
			return !calls
		})
		if calls {
			return true
		}
	}
	return false
}

func TestNamesAreWhatRulesWrite(t *testing.T) {
	for _, d := range adapters.All().All() {
		names := []string{d.Name}
		for _, s := range d.Sources {
			names = append(names, s.Name)
		}
		for _, o := range d.Operations {
			names = append(names, o.Name)
		}
		for _, n := range names {
			if n == "" || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Errorf("adapter %s: %q is no name that rules can write as SYSTEM.NAME", d.Name, n)
			}
		}
		if strings.TrimSpace(d.Doc) == "" {
			t.Errorf("adapter %s has no doc", d.Name)
		}
	}
}
