package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/expr"
)

// TestFunctionsPage compares the page of the functions with what the expression languages have.
func TestFunctionsPage(t *testing.T) {
	golden(t, "reference/functions.md", functionsPage())
}

// golden compares a page that is made with the one that is kept.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.FromSlash(name)
	want, err := os.ReadFile(file)
	if err == nil && string(want) == got {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	t.Errorf("%s is not what the program has; go test ./docs -update writes it anew (-page +program):\n%s", name, cmp.Diff(string(want), got))
}

func functionsPage() string {
	var b strings.Builder
	b.WriteString(`# Functions

<!-- This page is made by the tests of docs: go test ./docs -update -->

These functions exist in all three [expression languages](../language.md#three-expression-languages), CEL, jq and ` + "`${…}`" + `, with the same
result. In jq an argument is divided by a semicolon, and the function may take one argument from its input, as the column jq shows:
` + "`.code | lookup(\"tests\"; .)`" + ` and ` + "`.code | lookup(\"tests\")`" + ` are the same. A null where the value itself is expected gives null.

| function | jq | what it gives |
| --- | --- | --- |
`)
	for _, f := range expr.Functions() {
		fmt.Fprintf(&b, "| `%s` | `… \\| %s` | %s |\n", f.Signature(), f.JQ(), cell(f.Doc))
	}
	b.WriteString("\n## Examples\n\nThe examples are the same in CEL and in `${…}`.\n\n| example | gives |\n| --- | --- |\n")
	for _, f := range expr.Functions() {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", cell(f.Example), cell(f.Result))
	}
	b.WriteString(`
In jq the FHIR helpers are also in the module ` + "`fhir`" + `, for ` + "`import \"fhir\" as fhir;`" + ` and ` + "`fhir::code(\"http://loinc.org\")`" + `.

` + "`now`" + ` is the time at which the message was accepted, so that running it again gives the same. An argument that a function cannot use, such as the date
` + "`2024-02-30`" + `, fails the message as ` + "`bug`" + `.
`)
	return b.String()
}

// cell is a text in a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
