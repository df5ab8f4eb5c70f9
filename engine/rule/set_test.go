package rule_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/rule"
)

func fsOf(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func load(t *testing.T, files map[string]string, o rule.Options) *rule.Set {
	t.Helper()
	s, errs := rule.Load(fsOf(files), o)
	for _, e := range errs {
		t.Error(e.Render(s.Source))
	}
	return s
}

// digests of everything in a set, by kind and name.
func digests(s *rule.Set) map[string]string {
	out := map[string]string{}
	if s.Engine != nil {
		out["engine"] = s.Engine.Digest
	}
	for _, x := range s.Systems {
		out["system "+x.Name] = x.Digest
	}
	for _, x := range s.Routes {
		out["route "+x.Name] = x.Digest
	}
	for _, x := range s.Maps {
		out["map "+x.Name] = x.Digest
	}
	for _, x := range s.Packs {
		out["pack "+x.Name] = x.Digest
	}
	return out
}

// TestLoadFiles: what the journal keeps of a set loads again to the same set, with and without faults.
func TestLoadFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/load/*.txtar")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		site, shipped := trees(t, txtar.Parse(src))
		a, errs := rule.Load(site, rule.Options{Shipped: shipped})
		b, again := rule.LoadFiles(a.Files, rule.Options{})
		for i := range errs { // a hint may name packs that are not in use
			errs[i].Hint = ""
		}
		for i := range again {
			again[i].Hint = ""
		}
		if diff := cmp.Diff(show(a, errs), show(b, again)); diff != "" {
			t.Errorf("%s: loaded again (-first +again)\n%s", file, diff)
		}
		if a.Version != b.Version || !maps.Equal(digests(a), digests(b)) {
			t.Errorf("%s: loaded again, version %s is %s, digests %v are %v", file, a.Version, b.Version, digests(a), digests(b))
		}
		if len(a.Version) != 12 {
			t.Errorf("%s: version %q has not 12 digits", file, a.Version)
		}
	}
}

var digestSet = map[string]string{
	"site.yaml": "engine: e\npacks: { p: { n: 1 } }\n---\nsystem: s\nadapter: http\nurl: http://a\n",
	"a.yaml": "route: a\nfrom: x.y\nsteps:\n  - jq: |\n      import \"lib/m\" as m;\n      .\n  - jq: own.jq\n  - validate: { schema: a.schema.json }\nto: z.w\n" +
		"---\nroute: b\nfrom: x.y\nwith: { file: data.csv }\nto: z.w\n---\nmap: m\ncsv: m.csv\n---\nmap: n\nconcept-map: n.json\n",
	"lib/m.jq": "import \"deep\" as $d;\ndef x: 1;", "lib/deep.json": "[]", "own.jq": ".", "other.jq": ".", "a.schema.json": "{}", "m.csv": "x,y\n1,2\n", "data.csv": "1\n",
	"n.json":      `{"resourceType":"ConceptMap","group":[{"element":[{"code":"1","target":[{"code":"2"}]}]}]}`,
	"p/pack.yaml": "pack: p\nsettings: { n: { type: number } }\n", "p/r.yaml": "route: in-pack\nfrom: x.y\nto: z.w\n---\nmap: in-pack\ninline: { a: 1 }\n",
}

func TestDigest(t *testing.T) {
	edit := func(file, old, new string) map[string]string {
		files := maps.Clone(digestSet)
		if !strings.Contains(files[file], old) {
			t.Fatalf("%s has no %q", file, old)
		}
		files[file] = strings.Replace(files[file], old, new, 1)
		return files
	}
	moved := maps.Clone(digestSet)
	parts := strings.SplitN(moved["a.yaml"], "---\n", 3)
	moved["a.yaml"], moved["0.yaml"] = parts[0]+"---\n"+parts[2], parts[1]
	was := digests(load(t, digestSet, rule.Options{}))
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string // the documents that say something else now
	}{
		{"nothing", digestSet, nil},
		{"a comment", edit("a.yaml", "route: a\n", "# note\nroute: a # more\n"), nil},
		{"the order of keys", edit("a.yaml", "from: x.y\nwith: { file: data.csv }\n", "with:\n  file: 'data.csv'\nfrom: x.y\n"), nil},
		{"a document moves to another file", moved, nil},
		{"a jq module that nobody imports", edit("other.jq", ".", "1"), nil},
		{"a file that a route works with", edit("data.csv", "1", "2"), nil},
		{"a guard", edit("a.yaml", "route: b\n", "route: b\nwhen: body.a\n"), []string{"route b"}},
		{"text for a number", edit("site.yaml", "http://a", "http://b"), []string{"system s"}},
		{"a jq file", edit("own.jq", ".", ".a"), []string{"route a"}},
		{"a module", edit("lib/m.jq", "1", "2"), []string{"route a"}},
		{"data that a module imports", edit("lib/deep.json", "[]", "[1]"), []string{"route a"}},
		{"a schema", edit("a.schema.json", "{}", "true"), []string{"route a"}},
		{"a code list", edit("m.csv", "2", "3"), []string{"map m"}},
		{"a ConceptMap", edit("n.json", `"2"`, `"3"`), []string{"map n"}},
		{"a setting of a pack", edit("site.yaml", "n: 1", "n: 2"), []string{"engine", "route in-pack"}},
	} {
		is := digests(load(t, c.files, rule.Options{}))
		var got []string
		for _, k := range []string{"engine", "system s", "route a", "route b", "map m", "map n", "pack p", "route in-pack", "map in-pack"} {
			if was[k] == "" || is[k] == "" {
				t.Errorf("%s: %s has no digest", c.name, k)
			}
			if was[k] != is[k] {
				got = append(got, k)
			}
		}
		if !cmp.Equal(c.want, got) {
			t.Errorf("after changing %s, these say something else: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestKubernetes loads a folder as a ConfigMap volume lays it out: files are links through ..data into a dated folder.
func TestKubernetes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dated := filepath.Join(dir, "..2026_01_05")
	must(os.MkdirAll(filepath.Join(dated, "sub"), 0o755))
	must(os.WriteFile(filepath.Join(dated, "a.yaml"), []byte("route: a\nfrom: x.y\nto: z.w\n"), 0o644))
	must(os.WriteFile(filepath.Join(dated, "sub", "b.yaml"), []byte("route: b\nfrom: x.y\nto: z.w\n"), 0o644))
	must(os.Symlink("..2026_01_05", filepath.Join(dir, "..data")))
	must(os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
	must(os.Symlink("..data/sub", filepath.Join(dir, "sub")))
	must(os.Symlink(".", filepath.Join(dir, "loop")))
	must(os.Symlink("gone.yaml", filepath.Join(dir, "dangling.yaml")))
	must(os.Symlink("gone", filepath.Join(dir, "dangling")))
	s, errs := rule.Load(os.DirFS(dir), rule.Options{Root: dir})
	if len(errs) != 1 || errs[0].Pos.File != "dangling.yaml" {
		t.Errorf("errors %v, want one about dangling.yaml", errs)
	}
	if len(s.Routes) != 2 || s.Routes[0].File != "a.yaml" || s.Routes[1].File != "sub/b.yaml" {
		t.Errorf("files %v", s.Files)
	}
	if want := filepath.Join(dir, "sub"); s.Routes[1].Node.Base != want {
		t.Errorf("paths of sub/b.yaml are relative to %q, want %q", s.Routes[1].Node.Base, want)
	}
}

func TestLeftOut(t *testing.T) {
	s := load(t, map[string]string{
		"a.yaml": "route: a\nfrom: x.y\nto: z.w\n", "a.yml": "route: b\nfrom: x.y\nto: z.w\n", "A.txt": "route: [", "a.yaml~": "route: [", ".a.yaml.swp": "route: [",
		".git/x.yaml": "route: [", "data/journal.db": "", "data/x.yaml": "route: [", "big/.njia-ignore": "", "big/x.yaml": "route: [",
		"some.json": "{", "some.csv": `"`,
	}, rule.Options{})
	if len(s.Routes) != 2 || len(s.Files) != 2 {
		t.Errorf("%d routes, files %v", len(s.Routes), s.Files)
	}
}

// TestBase: relative paths of settings are relative to the file that they are written in, also after an override.
func TestBase(t *testing.T) {
	root := filepath.FromSlash("/srv/rules")
	shipped := fsOf(map[string]string{"p/pack.yaml": "pack: p\n", "p/sub/s.yaml": "system: s\nadapter: file\ndir: in\ndone: done\n"})
	s := load(t, map[string]string{
		"site/e.yaml": "engine: e\npacks: { p: {} }\nsecrets: secrets\n---\nsystem: s\noverride: true\ndir: mine\n",
	}, rule.Options{Root: root, Shipped: shipped})
	var got struct {
		Dir  bind.Path `yaml:"dir"`
		Done bind.Path `yaml:"done"`
	}
	if errs := bind.Decode(s.Systems[0].Settings, &got); len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		what, got string
		want      string
	}{
		{"secrets of the engine", string(s.Engine.Secrets), filepath.Join(root, "site", "secrets")},
		{"dir, as the site says", string(got.Dir), filepath.Join(root, "site", "mine")},
		{"done, of a shipped pack", string(got.Done), filepath.Join(root, "done")},
	} {
		if c.got != c.want {
			t.Errorf("%s is %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestFileAndModule(t *testing.T) {
	shipped := fsOf(map[string]string{
		"p/pack.yaml": "pack: p\n", "p/a/r.yaml": "route: r\nfrom: x.y\nsteps: [ { jq: ../q.jq }, { validate: { schema: s.json } } ]\nto: z.w\n",
		"p/q.jq": "pack", "p/a/s.json": "{}", "p/lib/m.jq": "m of p", "secret.jq": "no",
	})
	s := load(t, map[string]string{
		"e.yaml": "engine: e\npacks: { p: {} }\n---\nroute: own\nfrom: x.y\nsteps: [ { jq: 'import \"codes\" as $c; .' } ]\nto: z.w\n---\nroute: r\noverride: true\nsteps: [ { jq: mine.jq } ]\n",
		"m.jq":   "m of the site", "a/b/n.jq": "n", "a/lib/n.jq": "lib n", "mine.jq": "mine", "codes.json": "[1]",
	}, rule.Options{Shipped: shipped})
	route := map[string]*rule.Route{}
	for _, r := range s.Routes {
		route[r.Name] = r
	}
	for _, c := range []struct{ doc, rel, want string }{
		{"r", "../q.jq", "pack:p/q.jq"}, {"r", "mine.jq", "mine.jq"}, {"r", "../../secret.jq", ""}, {"r", "../../q.jq", ""}, {"r", "/etc/passwd", ""},
		{"r", `..\q.jq`, ""}, {"r", "pack:p/q.jq", ""}, {"r", "", ""}, {"r", ".", ""},
		{"own", "m.jq", "m.jq"}, {"own", "../m.jq", ""}, {"own", "a/../m.jq", "m.jq"}, {"own", "q.jq", ""},
	} {
		_, file, err := s.File(&route[c.doc].Doc, c.rel)
		if (err == nil) != (c.want != "") || err == nil && file != c.want {
			t.Errorf("File(%s, %q) = %q, %v, want %q", c.doc, c.rel, file, err, c.want)
		}
	}
	for _, c := range []struct{ dir, name, want string }{
		{"a/b", "n", "a/b/n.jq"}, {"a", "n", "a/lib/n.jq"}, {"a/b/c", "m", "m.jq"}, {".", "codes", "codes.json"}, {".", "codes.json", "codes.json"}, {".", "codes.jq", ""},
		{"pack:p/a", "m", "pack:p/lib/m.jq"}, {"pack:p", "m", "pack:p/lib/m.jq"}, {"pack:p", "q", "pack:p/q.jq"}, {"pack:p/a", "secret", ""}, {"pack:p", "n", ""},
		{"a", "../m", "m.jq"}, {".", "../m", ""}, {".", "/m", ""}, {".", "pack:p/q", ""}, {"", "m", "m.jq"}, {".", "", ""},
	} {
		_, file, ok := s.Module(c.dir, c.name)
		if ok != (c.want != "") || file != c.want {
			t.Errorf("Module(%q, %q) = %q, %v, want %q", c.dir, c.name, file, ok, c.want)
		}
	}
}

// TestLost: a document that cannot be read is missed by nobody: its own fault is enough.
func TestLost(t *testing.T) {
	s, errs := rule.Load(fsOf(map[string]string{
		"a.yaml": "system: odoo # the ERP\nurl: x: y\n---\nroute: \"lab\"\nfrom: [\n---\nroute: read\nfrom: a.x\nto: odoo.y\n",
		"t.yaml": "test: a\nroute: lab\nexpect: {}\n---\ntest: b\nroute: other\nexpect: {}\n",
	}), rule.Options{})
	if len(errs) != 3 || len(s.Routes) != 1 {
		t.Errorf("errors %v, want two of a.yaml and one about the route other; %d routes", errs, len(s.Routes))
	}
	for _, c := range []struct {
		kind, name string
		want       bool
	}{{"system", "odoo", true}, {"route", "lab", true}, {"route", "odoo", false}, {"system", "lims", false}} {
		if got := s.Lost(c.kind, c.name); got != c.want {
			t.Errorf("Lost(%q, %q) = %v, want %v", c.kind, c.name, got, c.want)
		}
	}
	if s, errs := rule.Load(fstest.MapFS{}, rule.Options{}); s == nil || len(errs) > 0 || s.Unread != nil {
		t.Errorf("an empty folder: %v, %v", s, errs)
	}
	if _, errs := rule.Load(broken{}, rule.Options{}); !errs.Failed() {
		t.Errorf("a folder that cannot be read is no error")
	}
}

type broken struct{}

func (broken) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}
