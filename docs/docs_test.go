// The pages are tested: rule sets in them load, error pages in them are those that the program writes, tests in them pass,
// commands in them have the output that is shown, and links lead somewhere. `go test ./docs -update` writes what differs anew.
//
// What a fenced block is, is said behind its opening fence:
//
//	yaml rules              a whole rule set: it loads, and its test: documents pass
//	yaml rules error        one that does not; the text block that follows is everything that is wrong with it
//	LANG file=NAME          a file that the later rule sets of the page have too
//	console                 commands behind "$ " and what they print; a page's commands run one after the other in one folder
//	LANG write file=NAME    a file that the reader of the commands makes
//	diff file=NAME          a change that the reader makes to a file before the next command
//	go file=NAME            a file of the program, as a person who extends it would write it
package docs_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/rehearsal"
	"github.com/njia-health/njia/rules"
)

var update = flag.Bool("update", false, "write goldens anew")

// page is one Markdown file.
type page struct {
	name   string // below docs, with forward slashes
	lines  []string
	blocks []*block
}

// block is a fenced block of a page.
type block struct {
	page  *page
	line  int // of its opening fence, from 1
	end   int // of its closing fence
	words []string
	text  string // with a line end after each line
	want  string // what it should be, where that is known
}

func (b *block) is(words ...string) bool {
	return len(b.words) >= len(words) && slices.Equal(b.words[:len(words)], words)
}

// option gives VALUE of NAME=VALUE behind the fence.
func (b *block) option(name string) string {
	for _, w := range b.words {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			return v
		}
	}
	return ""
}

func (b *block) String() string { return fmt.Sprintf("%s:%d", b.page.name, b.line) }

func pages(t *testing.T) []*page {
	t.Helper()
	var out []*page
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(p) != ".md" {
			return err
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		out = append(out, parsePage(t, filepath.ToSlash(p), string(src)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 11 {
		t.Fatalf("only %d pages were found", len(out))
	}
	return out
}

func parsePage(t *testing.T, name, src string) *page {
	t.Helper()
	p := &page{name: name, lines: strings.Split(strings.TrimSuffix(src, "\n"), "\n")}
	var open *block
	for i, l := range p.lines {
		switch {
		case open == nil && strings.HasPrefix(l, "```"):
			open = &block{page: p, line: i + 1, words: strings.Fields(strings.TrimPrefix(l, "```"))}
		case open != nil && l == "```":
			open.end = i + 1
			p.blocks = append(p.blocks, open)
			open = nil
		case open != nil:
			open.text += l + "\n"
		}
	}
	if open != nil {
		t.Errorf("%s: the fence is not closed", open)
	}
	return p
}

// save writes the blocks that should be otherwise. It is for -update.
func (p *page) save(t *testing.T) {
	t.Helper()
	var out []string
	at, changed := 0, false
	for _, b := range p.blocks {
		if b.want == "" || b.want == b.text {
			continue
		}
		out = append(out, p.lines[at:b.line]...)
		out = append(out, strings.Split(strings.TrimSuffix(b.want, "\n"), "\n")...)
		at, changed = b.end-1, true
	}
	if !changed {
		return
	}
	out = append(out, p.lines[at:]...)
	if err := os.WriteFile(filepath.FromSlash(p.name), []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
		t.Error(err)
	}
}

// TestRuleSets loads every rule set of the pages and runs its tests, or compares its error page.
func TestRuleSets(t *testing.T) {
	sets := 0
	for _, p := range pages(t) {
		files := map[string]string{}
		for i, b := range p.blocks {
			switch {
			case b.is("yaml", "rules"):
				sets++
				t.Run(b.String(), func(t *testing.T) { b.check(t, i, files) })
			case b.option("file") != "" && !b.is("diff") && !b.is("go"):
				files[b.option("file")] = b.text
			}
		}
		if *update {
			p.save(t)
		}
	}
	if sets < 25 {
		t.Errorf("only %d rule sets were found", sets)
	}
}

func (b *block) check(t *testing.T, n int, files map[string]string) {
	fsys := fstest.MapFS{"rules.yaml": {Data: []byte(b.text)}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, rs, errs := engine.Load(fsys, engine.LoadOptions{Shipped: rules.FS, Adapters: adapters.All(), NoSecrets: true})
	var shown []string
	for _, e := range errs {
		shown = append(shown, e.Render(rs.Source))
	}
	got := strings.Join(shown, "\n")
	if b.is("yaml", "rules", "error") {
		if n+1 >= len(b.page.blocks) || !b.page.blocks[n+1].is("text") {
			t.Fatal("no text block follows with what is wrong")
		}
		after := b.page.blocks[n+1]
		if got == "" {
			t.Error("nothing is wrong with it")
		} else if diff := cmp.Diff(after.text, got); diff != "" && *update {
			after.want = got
		} else if diff != "" {
			t.Errorf("the errors are others (-page +program):\n%s", diff)
		}
		return
	}
	if set == nil || got != "" {
		t.Fatalf("it does not load:\n%s", got)
	}
	for _, r := range rehearsal.Run(context.Background(), set, rehearsal.Options{}).Results {
		for _, f := range r.Failures {
			t.Errorf("test %q: %s: %s\nwant %s\ngot  %s\n%s", r.Name, f.Pos, f.What, f.Want, f.Got, f.Note)
		}
	}
}
