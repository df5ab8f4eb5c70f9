package main

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rule"
	"github.com/njia-health/njia/rules"
)

func packsCommand(a *app) *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:   "packs [NAME]",
		Short: "Show the route packs that come with the program",
		Long: `Packs lists the route packs that come with the program; with a name it shows the settings of one. A site uses a pack by
naming it in its engine document, and changes more than settings by documents with override: true.`,
		Example: `  njia packs
  njia packs openmrs-odoo
  njia init clinic --pack openmrs-odoo   # a site that uses it
  njia packs copy openmrs-odoo mine      # its files, to read or to change`,
		Args: takes(0, 1, "[NAME]"),
		RunE: func(c *cobra.Command, args []string) error {
			packs, err := shippedPacks()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				i := slices.IndexFunc(packs, func(p packDoc) bool { return p.Name == args[0] })
				if i < 0 {
					return noPack(args[0], packs)
				}
				packs = packs[i : i+1]
			}
			switch {
			case o.json() && len(args) == 1:
				return writeJSON(a.out, packs[0])
			case o.json():
				return writeJSON(a.out, packs)
			case len(args) == 0 && len(packs) == 0:
				fmt.Fprintln(a.out, "no packs come with this program")
				return nil
			}
			for i, p := range packs {
				if i > 0 {
					fmt.Fprintln(a.out)
				}
				printPack(a.out, p)
			}
			return nil
		},
	}
	o.add(c)
	c.AddCommand(copyCommand(a))
	return c
}

func copyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "copy NAME DIR",
		Short: "Write a pack's files into a new folder",
		Long: `Copy writes the files of a pack into a new folder, to read or to change. A site uses a folder like a pack that comes with
the program; a copy no longer changes with the program, so settings and overrides are the better way where they do.`,
		Example: "  njia packs copy openmrs-odoo packs/openmrs-odoo",
		Args:    takes(2, 2, "NAME DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			packs, err := shippedPacks()
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(packs, func(p packDoc) bool { return p.Name == args[0] }) {
				return noPack(args[0], packs)
			}
			if err := emptyFolder(args[1]); err != nil {
				return err
			}
			sub, err := fs.Sub(rules.FS, args[0])
			if err != nil {
				return err
			}
			n, err := writeFiles(sub, args[1])
			if err != nil {
				return failed("see that the folder can be written", "%v", err)
			}
			fmt.Fprintf(a.out, "%s in %s\n", many(n, "file", "files"), args[1])
			return nil
		},
	}
}

// packDoc is a pack, for people and programs.
type packDoc struct {
	Name     string        `json:"name"`
	Version  string        `json:"version,omitempty"`
	About    string        `json:"about,omitempty"`
	Settings []packSetting `json:"settings"`
	Routes   []routeDoc    `json:"routes"`
}

type packSetting struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Default any    `json:"default"`
	About   string `json:"about,omitempty"`
	Enum    []any  `json:"enum,omitempty"`
}

type routeDoc struct {
	Name  string `json:"name"`
	From  string `json:"from"`
	About string `json:"about,omitempty"`
}

// shippedPacks reads the packs of the program: those folders that a site can use.
func shippedPacks() ([]packDoc, error) {
	dirs, err := fs.ReadDir(rules.FS, ".")
	if err != nil {
		return nil, err
	}
	out := []packDoc{}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		rs, errs := rule.LoadFiles(siteWith(d.Name()), rule.Options{})
		if rs == nil || len(rs.Packs) == 0 {
			return nil, failed("this is a fault in the program", "the pack %s cannot be read: %v", d.Name(), errs)
		}
		for _, p := range rs.Packs {
			if p.Name == d.Name() {
				out = append(out, describePack(p, rs))
			}
		}
	}
	return out, nil
}

// siteWith is the smallest rule set that uses a pack of the program, with the names that files have in a rule.Set.
func siteWith(pack string) map[string][]byte {
	files := map[string][]byte{"site.yaml": []byte("engine: site\npacks: { " + pack + ": {} }\n")}
	_ = fs.WalkDir(rules.FS, pack, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files["pack:"+name], err = fs.ReadFile(rules.FS, name)
		}
		return err
	})
	return files
}

func describePack(p *rule.Pack, rs *rule.Set) packDoc {
	d := packDoc{Name: p.Name, Version: p.Version, About: p.About, Settings: []packSetting{}, Routes: []routeDoc{}}
	for _, name := range slices.SortedFunc(maps.Keys(p.Settings), func(a, b string) int {
		return compareAt(p.Settings[a].Pos, p.Settings[b].Pos)
	}) {
		s := p.Settings[name]
		d.Settings = append(d.Settings, packSetting{Name: name, Type: s.Type, Default: s.Default, About: s.About, Enum: s.Enum})
	}
	for _, r := range rs.Routes {
		if r.Pack == p.Name {
			d.Routes = append(d.Routes, routeDoc{Name: r.Name, From: r.From, About: r.About})
		}
	}
	return d
}

func compareAt(a, b diag.Pos) int {
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return a.Col - b.Col
}

func printPack(w io.Writer, p packDoc) {
	paint := painter(w)
	fmt.Fprintf(w, "%s  %s\n", paint.bold(p.Name), p.Version)
	if p.About != "" {
		fmt.Fprintf(w, "  %s\n", strings.Join(strings.Fields(p.About), " "))
	}
	if len(p.Routes) > 0 {
		fmt.Fprintln(w, "\nroutes")
		for _, r := range p.Routes {
			fmt.Fprintf(w, "  %s  from %s: %s\n", r.Name, r.From, short(r.About, 200))
		}
	}
	if len(p.Settings) == 0 {
		return
	}
	fmt.Fprintln(w, "\nsettings")
	width := 0
	for _, s := range p.Settings {
		width = max(width, len(s.Name))
	}
	for _, s := range p.Settings {
		def := "null"
		if b, err := message.Encode(s.Default); err == nil {
			def = string(b)
		}
		fmt.Fprintf(w, "  %-*s  %s, %s unless said otherwise", width, s.Name, s.Type, def)
		if s.About != "" {
			fmt.Fprintf(w, ": %s", strings.Join(strings.Fields(s.About), " "))
		}
		fmt.Fprintln(w)
	}
}

func noPack(name string, packs []packDoc) error {
	var known []string
	for _, p := range packs {
		known = append(known, p.Name)
	}
	return failed(orElse(diag.DidYouMean(name, known), "njia packs lists them"), "there is no pack %q", name)
}

// emptyFolder makes dir, and refuses one that holds anything.
func emptyFolder(dir string) error {
	list, err := os.ReadDir(dir)
	switch {
	case err == nil && len(list) > 0:
		return usage("name a new folder", "%s is not empty, and nothing is written over", dir)
	case err == nil:
		return nil
	case !os.IsNotExist(err):
		return usage("name a new folder", "%s is no folder that can be read", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failed("see that this user may write there", "the folder %s cannot be made", dir)
	}
	return nil
}

// writeFiles copies everything below fsys into dir and gives the number of files.
func writeFiles(fsys fs.FS, dir string) (n int, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(dir, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(at, 0o755)
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		n++
		return os.WriteFile(at, b, 0o644)
	})
	return n, err
}
