package njia_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/njia-health/njia/"

// house says which of our packages each package may import: names, or NAME/... for all below. It is the table of
// docs/contribute/architecture.md, and Go's own internal/deps_test.go is its model.
var house = map[string][]string{
	"engine/message":          {},
	"engine/diag":             {},
	"engine/fault":            {},
	"engine/bind":             {"engine/diag", "engine/message"},
	"engine/rule":             {"engine/bind", "engine/diag", "engine/fault", "engine/message"},
	"engine/expr":             {"engine/bind", "engine/diag", "engine/fault", "engine/message"},
	"engine/adapter":          {"engine/bind", "engine/diag", "engine/fault", "engine/message"},
	"engine/journal":          {"engine/fault", "engine/message"},
	"engine/route":            {"engine/bind", "engine/diag", "engine/expr", "engine/fault", "engine/message", "engine/rule"},
	"engine":                  {"engine/adapter", "engine/bind", "engine/diag", "engine/expr", "engine/fault", "engine/journal", "engine/message", "engine/route", "engine/rule"},
	"engine/rehearsal":        {"engine", "engine/..."},
	"adapters":                {"engine/adapter", "adapters/..."},
	"adapters/http/auth":      {"engine/adapter", "engine/bind", "engine/diag", "engine/fault", "engine/message"},
	"adapters/*":              {"engine/adapter", "engine/bind", "engine/diag", "engine/fault", "engine/message", "adapters/http/auth"},
	"console":                 {"engine", "engine/..."},
	"rules":                   {},
	"conformance/adaptertest": {"engine", "engine/..."},
	"conformance/journaltest": {"engine", "engine/..."},
	"conformance/systems/...": {"conformance/systems/..."},
	"cmd/...":                 {"..."},
	"docs":                    {}, // tests alone
}

// tests may also import these, wherever they stand.
var forTests = []string{"conformance/...", "adapters", "adapters/...", "engine", "engine/...", "rules", "console"}

func TestImportsRunOneWay(t *testing.T) {
	fset := token.NewFileSet()
	found := 0
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != "." || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, ".go") || filepath.Dir(p) == "." {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(p))
		allowed, ok := allowedFor(pkg)
		if !ok {
			t.Errorf("%s: package %s has no line in the table of imports_test.go", p, pkg)
			return nil
		}
		if strings.HasSuffix(p, "_test.go") {
			allowed = append(slices.Clone(allowed), forTests...)
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		found++
		for _, im := range f.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			ours, is := strings.CutPrefix(name, module)
			if is && ours != pkg && !permits(allowed, ours) {
				t.Errorf("%s: %s must not import %s", fset.Position(im.Pos()), pkg, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Fatalf("only %d files looked at", found)
	}
}

func allowedFor(pkg string) ([]string, bool) {
	if a, ok := house[pkg]; ok {
		return a, true
	}
	for pattern, a := range house {
		if ok, _ := path.Match(pattern, pkg); ok && strings.Contains(pattern, "*") {
			return a, true
		}
		if prefix, ok := strings.CutSuffix(pattern, "/..."); ok && strings.HasPrefix(pkg, prefix+"/") {
			return a, true
		}
	}
	return nil, false
}

func permits(allowed []string, name string) bool {
	for _, a := range allowed {
		if a == name || a == "..." {
			return true
		}
		if prefix, ok := strings.CutSuffix(a, "/..."); ok && strings.HasPrefix(name, prefix+"/") {
			return true
		}
	}
	return false
}

func TestTopLevelIsSimple(t *testing.T) {
	want := []string{"adapters", "cmd", "conformance", "console", "docs", "engine", "rules", "testdata"}
	made := []string{"bin", "dist", "njia-demo"} // by commands; .gitignore has them
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(want, e.Name()) && !slices.Contains(made, e.Name()) {
			t.Errorf("folder %s: the top level has only %v", e.Name(), want)
		}
	}
}
