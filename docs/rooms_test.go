package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var ticked = regexp.MustCompile("`([^`]+)`")

// TestRooms compares the table of contribute/architecture.md with that of imports_test.go, which is enforced.
func TestRooms(t *testing.T) {
	src, err := os.ReadFile("contribute/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	page := map[string][]string{}
	for l := range strings.SplitSeq(string(src), "\n") {
		cells := strings.Split(l, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		list := []string{}
		for _, m := range ticked.FindAllStringSubmatch(cells[3], -1) {
			list = append(list, m[1])
		}
		page[ticked.FindStringSubmatch(cells[1])[1]] = list
	}
	if diff := cmp.Diff(enforced(t), page); diff != "" {
		t.Errorf("contribute/architecture.md has other rooms than imports_test.go (-test +page):\n%s", diff)
	}
}

// enforced reads the table of imports_test.go.
func enforced(t *testing.T) map[string][]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../imports_test.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	text := func(e ast.Expr) string {
		s, err := strconv.Unquote(e.(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "house" {
			return true
		}
		for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
			kv := e.(*ast.KeyValueExpr)
			list := []string{}
			for _, x := range kv.Value.(*ast.CompositeLit).Elts {
				list = append(list, text(x))
			}
			out[text(kv.Key)] = list
		}
		return false
	})
	if len(out) == 0 {
		t.Fatal("imports_test.go has no table called house")
	}
	return out
}
