package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const reference = "../../docs/reference/adapters.md"

// TestReferenceIsCurrent: the page of the documentation is what the program prints. go test -update writes it anew.
func TestReferenceIsCurrent(t *testing.T) {
	var out, errs bytes.Buffer
	if code := start(t.Context(), []string{"adapters", "--markdown"}, streams{strings.NewReader(""), &out, &errs}); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	if *update {
		if err := os.WriteFile(reference, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(reference)
	if err != nil || !bytes.Equal(have, out.Bytes()) {
		t.Errorf("%s is not current (%v); go test ./cmd/njia -run Reference -update writes it", reference, err)
	}
}

// TestHelp: every command has a sentence, details and an example, and every flag says what it is for.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := c.CommandPath()
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: --help lacks its sentence, details or an example", name)
		}
		if strings.HasSuffix(c.Short, ".") || !strings.HasSuffix(strings.TrimSpace(c.Long), ".") {
			t.Errorf("%s: the sentence ends without a full stop, the details with one", name)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			if !strings.Contains(line, "njia") {
				t.Errorf("%s: the example %q does not call the program", name, line)
			}
		}
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(newRoot(streams{}))
}
