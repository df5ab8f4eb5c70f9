package main

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/rules"
)

// begin is the rule sets that init writes.
//
//go:embed all:start
var begin embed.FS

func initCommand(a *app) *cobra.Command {
	var pack string
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a small rule set to begin with",
		Long: `Init writes a small rule set that works into a new folder: files that appear in one folder become files in another.
With --pack it writes a site that uses a pack which comes with the program.`,
		Example: `  njia init clinic && njia test clinic && njia run clinic
  njia init clinic --pack openmrs-odoo`,
		Args: takes(1, 1, "DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			var p *packDoc
			if pack != "" {
				packs, err := shippedPacks()
				if err != nil {
					return err
				}
				i := slices.IndexFunc(packs, func(p packDoc) bool { return p.Name == pack })
				if i < 0 {
					return noPack(pack, packs)
				}
				p = &packs[i]
			}
			if err := emptyFolder(dir); err != nil {
				return err
			}
			if err := writeStart(dir, p); err != nil {
				return failed("see that the folder can be written", "%v", err)
			}
			fmt.Fprintf(a.out, "a rule set is in %s; next:\n\n", dir)
			for _, verb := range []string{"check", "test", "run"} {
				fmt.Fprintf(a.out, "  njia %s %s\n", verb, dir)
			}
			if p != nil {
				fmt.Fprintf(a.out, "\nwhat it needs is in %s\n", filepath.Join(dir, "README.md"))
			} else {
				fmt.Fprintf(a.out, "\nwhile it runs, copy %s to %s and look into %s\n", filepath.Join(dir, "samples", "order.json"), filepath.Join(dir, "inbox"), filepath.Join(dir, "outbox"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&pack, "pack", "", "a site that uses this pack")
	return c
}

// writeStart writes the rule set: the plain one, or that of a site with a pack.
func writeStart(dir string, pack *packDoc) error {
	from := "start/plain"
	if pack != nil {
		from = "start/pack"
	}
	sub, err := fs.Sub(begin, from)
	if err != nil {
		return err
	}
	if _, err := writeFiles(sub, dir); err != nil {
		return err
	}
	// The go command leaves files out of a module whose names begin with a full stop.
	if err := os.Rename(filepath.Join(dir, "gitignore"), filepath.Join(dir, ".gitignore")); err != nil || pack == nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"site.yaml", "README.md"} {
		if err := fill(filepath.Join(dir, name), *pack); err != nil {
			return err
		}
	}
	return nil
}

// starting is what the templates know of a pack.
type starting struct {
	Name         string
	Settings     []startSetting
	Env, Secrets []string
}

type startSetting struct{ Name, Default string }

// fill makes the file at of the template beside it.
func fill(at string, pack packDoc) error {
	s := starting{Name: pack.Name}
	for _, x := range pack.Settings {
		def := "null"
		if b, err := message.Encode(x.Default); err == nil {
			def = string(b) // JSON is YAML
		}
		s.Settings = append(s.Settings, startSetting{x.Name, def})
	}
	s.Env, s.Secrets = needs(pack.Name)
	text, err := os.ReadFile(at + ".tmpl")
	if err != nil {
		return err
	}
	upper := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
	t, err := template.New(filepath.Base(at)).Funcs(template.FuncMap{"upper": upper}).Parse(string(text))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, s); err != nil {
		return err
	}
	if err := os.WriteFile(at, out.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Remove(at + ".tmpl")
}

var needed = regexp.MustCompile(`\$\{(env|secret)\.([A-Za-z0-9_-]+)\}`)

// needs gives the environment variables and secrets that a pack's documents name.
func needs(pack string) (env, secrets []string) {
	_ = fs.WalkDir(rules.FS, pack, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".yaml") {
			return err
		}
		b, err := fs.ReadFile(rules.FS, name)
		for _, m := range needed.FindAllSubmatch(b, -1) {
			if string(m[1]) == "env" {
				env = append(env, string(m[2]))
			} else {
				secrets = append(secrets, string(m[2]))
			}
		}
		return err
	})
	slices.Sort(env)
	slices.Sort(secrets)
	return slices.Compact(env), slices.Compact(secrets)
}
