package file_test

import (
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/file"
	"github.com/njia-health/njia/engine/fault"
)

func TestClean(t *testing.T) {
	for name, want := range map[string]string{
		"result-17.json":            "result-17.json",
		"Ünïcode 患者.json":           "Ünïcode 患者.json",
		"a/b.json":                  "a_b~8b9dcc9c.json",
		"2026-01-05T08:00:00Z.json": "2026-01-05T08_00_00Z~e6ba2bb2.json",
		".hidden":                   "_hidden~cc2e0ac7",
		"con.txt":                   "_con~d3ee2b38.txt",
		"trailing. ":                "trailing~1b5a0b0e",
	} {
		got, err := file.Clean(name)
		if err != nil || strings.Split(got, "~")[0] != strings.Split(want, "~")[0] || filepath.Ext(got) != filepath.Ext(want) {
			t.Errorf("Clean(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", ".", "..", "...", " ", "\xff"} {
		if got, err := file.Clean(name); fault.ClassOf(err) != fault.Rejected {
			t.Errorf("Clean(%q) = %q, %v, want it rejected", name, got, err)
		}
	}
}

func TestCleanIsSafeAndTwoNamesStayTwo(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[./\\:a ]{1,9}`), rapid.StringMatching(`(con|nul|COM1)(\.[a-z]{1,3})?`),
			rapid.StringMatching(`[é患]{60,150}(\.json)?`)).Draw(t, "name")
		got, err := file.Clean(name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(got) || strings.ContainsAny(got, `/\:*?"<>|`) || len(got) > 230 || strings.HasPrefix(got, ".") || strings.TrimRight(got, ". ") != got {
			t.Fatalf("Clean(%q) = %q", name, got)
		}
		key := strings.ToLower(got)
		if before, ok := seen[key]; ok && !strings.EqualFold(before, name) {
			t.Fatalf("Clean(%q) and Clean(%q) are both %q", name, before, got)
		}
		seen[key] = name
		if again, err := file.Clean(got); again != got || err != nil {
			t.Fatalf("Clean(Clean(%q)) = %q, %v", name, again, err)
		}
	})
}
