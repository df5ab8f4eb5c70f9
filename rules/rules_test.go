// Package rules_test runs every pack as its users do: checked alone, its rule tests, and between doubles of the systems.
package rules_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/rehearsal"
	"github.com/njia-health/njia/rules"
)

// packs are the names of the folders with a pack in them.
func packs(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(rules.FS, "*/pack.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no packs")
	}
	for i := range files {
		files[i] = path.Dir(files[i])
	}
	return files
}

// load loads a pack alone, as njia check rules/NAME does.
func load(t *testing.T, pack string) *engine.Set {
	t.Helper()
	dir, err := fs.Sub(rules.FS, pack)
	if err != nil {
		t.Fatal(err)
	}
	set, _, errs := engine.Load(dir, engine.LoadOptions{Adapters: adapters.All(), NoSecrets: true})
	for _, e := range errs {
		t.Errorf("%s: %s", pack, e.Error())
	}
	if set == nil {
		t.FailNow()
	}
	return set
}

func TestPacks(t *testing.T) {
	for _, pack := range packs(t) {
		t.Run(pack, func(t *testing.T) {
			set := load(t, pack)
			if len(set.Rules.Tests) == 0 {
				t.Fatal("the pack has no tests")
			}
			for _, res := range rehearsal.Run(t.Context(), set, rehearsal.Options{}).Results {
				t.Run(res.Name, func(t *testing.T) {
					for _, f := range res.Failures {
						t.Errorf("%s: %s\n  want %s\n  got  %s\n  %s", f.Pos, f.What, f.Want, f.Got, f.Note)
					}
				})
			}
		})
	}
}

// A setting that the README does not have is a setting that nobody finds.
func TestPacksDescribeTheirSettings(t *testing.T) {
	for _, pack := range packs(t) {
		readme, err := fs.ReadFile(rules.FS, pack+"/README.md")
		if err != nil {
			t.Errorf("%s has no README.md", pack)
			continue
		}
		for _, p := range load(t, pack).Rules.Packs {
			for name, s := range p.Settings {
				if !strings.Contains(string(readme), "`"+name+"`") {
					t.Errorf("%s/README.md does not speak of the setting %s (%s)", pack, name, s.About)
				}
			}
		}
	}
}
