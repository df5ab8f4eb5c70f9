package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows every link from a page, and from the README, to a file of the project and to a heading in it.
func TestLinks(t *testing.T) {
	list := pages(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, parsePage(t, "../README.md", string(readme)))
	n := 0
	for _, p := range list {
		for i, l := range p.prose() {
			for _, m := range link.FindAllStringSubmatch(l, -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				n++
				file, heading, _ := strings.Cut(m[1], "#")
				at := p.name
				if file != "" {
					at = path.Join(path.Dir(p.name), file)
				}
				src, err := os.ReadFile(filepath.FromSlash(at))
				if err != nil {
					if st, e := os.Stat(filepath.FromSlash(at)); e == nil && st.IsDir() {
						continue
					}
					t.Errorf("%s:%d: %s leads nowhere", p.name, i+1, m[1])
					continue
				}
				if heading != "" && !slices.Contains(headings(parsePage(t, at, string(src))), heading) {
					t.Errorf("%s:%d: %s has no heading #%s", p.name, i+1, at, heading)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were found", n)
	}
}

// prose is the lines of a page, those of its blocks empty.
func (p *page) prose() []string {
	out := slices.Clone(p.lines)
	for _, b := range p.blocks {
		for i := b.line - 1; i < b.end; i++ {
			out[i] = ""
		}
	}
	return out
}

// headings are the names by which links call the headings of a page.
func headings(p *page) []string {
	var out []string
	for _, l := range p.prose() {
		if text := strings.TrimLeft(l, "#"); text != l && strings.HasPrefix(text, " ") {
			var name strings.Builder
			for _, c := range strings.ToLower(strings.TrimSpace(text)) {
				switch {
				case c == ' ' || c == '-':
					name.WriteByte('-')
				case c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c > 127 && c != '…' && c != '–':
					name.WriteRune(c)
				}
			}
			out = append(out, name.String())
		}
	}
	return out
}

// TestNoMachine finds what belongs to one machine or to the way the project is made.
func TestNoMachine(t *testing.T) {
	bad := regexp.MustCompile(`/tmp/|/root/|/work/|/workspace|(^|\s)#[0-9]+\b`)
	for _, p := range pages(t) {
		for i, l := range p.lines {
			if m := bad.FindString(l); m != "" {
				t.Errorf("%s:%d: %q belongs on no page", p.name, i+1, m)
			}
		}
	}
}
