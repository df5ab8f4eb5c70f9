package docs_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAdapterOfThePage compiles the adapter of contribute/add-an-adapter.md as if it stood in its folder, and runs its kit.
func TestAdapterOfThePage(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if !b.is("go") || b.option("file") == "" {
				continue
			}
			at := filepath.Join(dir, filepath.Base(b.option("file")))
			if err := os.WriteFile(at, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			replace[filepath.Join(root, filepath.FromSlash(b.option("file")))] = at
		}
	}
	if len(replace) != 2 {
		t.Fatalf("the page has %d files, want the adapter and its test", len(replace))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "sms.test.exe")
	c := exec.Command("go", "test", "-vet=off", "-c", "-o", bin, "-overlay", file, "./adapters/sms")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("the adapter of the page does not compile: %v\n%s", err, out)
	}
	c = exec.Command(bin)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("the adapter of the page does not pass its kit: %v\n%s", err, out)
	}
}
