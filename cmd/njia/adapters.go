package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

func adaptersCommand(a *app) *cobra.Command {
	var o output
	var markdown bool
	c := &cobra.Command{
		Use:   "adapters [NAME]",
		Short: "Show which systems can be connected, and how",
		Long: `Adapters lists the kinds of systems that can be connected, with what they take messages from (sources) and what can be
asked of them (operations). With a name it shows every setting: the reference for writing rules.`,
		Example: `  njia adapters
  njia adapters odoo
  njia adapters --output json | jq '.[].operations[].name'`,
		Args: takes(0, 1, "[NAME]"),
		RunE: func(c *cobra.Command, args []string) error {
			reg := adapters.All()
			list := reg.All()
			if len(args) == 1 {
				d := reg.Find(args[0])
				if d == nil {
					return failed(orElse(diag.DidYouMean(args[0], reg.Names()), "njia adapters lists them"), "there is no adapter %q", args[0])
				}
				list = []*adapter.Definition{d}
			}
			switch {
			case markdown:
				printMarkdown(a.out, list)
				return nil
			case o.json() && len(args) == 1:
				return writeJSON(a.out, describe(list[0]))
			case o.json():
				out := []adapterDoc{}
				for _, d := range list {
					out = append(out, describe(d))
				}
				return writeJSON(a.out, out)
			case len(args) == 1:
				printAdapter(a.out, describe(list[0]))
				return nil
			}
			t := table{head: []string{"ADAPTER", "SOURCES", "OPERATIONS", "ABOUT"}}
			for _, d := range list {
				x := describe(d)
				t.add(x.Name, names(x.Sources), names(x.Operations), x.About)
			}
			t.write(a.out)
			return nil
		},
	}
	o.add(c)
	c.Flags().BoolVar(&markdown, "markdown", false, "as the reference page of the documentation")
	return c
}

// adapterDoc is an adapter, for people and programs.
type adapterDoc struct {
	Name       string    `json:"name"`
	About      string    `json:"about"`
	Settings   []setting `json:"settings"`
	Sources    []partDoc `json:"sources"`
	Operations []partDoc `json:"operations"`
}

// partDoc is a source or an operation.
type partDoc struct {
	Name   string    `json:"name"`
	About  string    `json:"about"`
	Does   string    `json:"does,omitempty"`   // of an operation: reads, writes, writes once
	Accept string    `json:"accept,omitempty"` // of a source: the format of its messages
	With   []setting `json:"with"`
}

// setting is one key.
type setting struct {
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	About    string    `json:"about,omitempty"`
	Default  string    `json:"default,omitempty"`
	Required bool      `json:"required,omitempty"`
	Enum     []string  `json:"enum,omitempty"`
	Settings []setting `json:"settings,omitempty"`
	Rest     bool      `json:"rest,omitempty"` // stands for keys of any name
}

// kinds are what an operation does to its system, in words.
var kinds = map[adapter.Kind]string{
	adapter.Reads:      "reads",
	adapter.Writes:     "writes; twice is twice",
	adapter.Idempotent: "writes; twice is once",
}

func describe(d *adapter.Definition) adapterDoc {
	out := adapterDoc{Name: d.Name, About: d.Doc, Settings: settingsOf(d.Settings), Sources: []partDoc{}, Operations: []partDoc{}}
	for _, s := range d.Sources {
		out.Sources = append(out.Sources, partDoc{Name: s.Name, About: s.Doc, Accept: orElse(s.Accept, "json"), With: settingsOf(s.With)})
	}
	for _, op := range d.Operations {
		out.Operations = append(out.Operations, partDoc{Name: op.Name, About: op.Doc, Does: kinds[op.Kind], With: settingsOf(op.With)})
	}
	return out
}

func settingsOf(defaults any) []setting { return settingsIn(bind.Fields(defaults)) }

func settingsIn(fields []bind.Field) []setting {
	out := []setting{}
	for _, f := range fields {
		s := setting{Name: f.Name, Type: f.Type, About: f.Doc, Default: f.Default, Required: f.Required, Enum: f.Enum, Rest: f.Rest}
		if len(f.Fields) > 0 {
			s.Settings = settingsIn(f.Fields)
		}
		out = append(out, s)
	}
	return out
}

func names(parts []partDoc) string {
	var out []string
	for _, p := range parts {
		out = append(out, p.Name)
	}
	return strings.Join(out, ", ")
}

func printAdapter(w io.Writer, d adapterDoc) {
	p := painter(w)
	fmt.Fprintf(w, "%s  %s\n\nsettings of a document system: NAME with adapter: %s\n", p.bold(d.Name), d.About, d.Name)
	printSettings(w, d.Settings, "  ")
	for _, s := range d.Sources {
		fmt.Fprintf(w, "\nsource %s  %s (its messages are %s)\n", p.bold(s.Name), s.About, s.Accept)
		printSettings(w, s.With, "  ")
	}
	for _, o := range d.Operations {
		fmt.Fprintf(w, "\noperation %s  %s (%s)\n", p.bold(o.Name), o.About, o.Does)
		printSettings(w, o.With, "  ")
	}
}

func printSettings(w io.Writer, list []setting, indent string) {
	if len(list) == 0 {
		fmt.Fprintf(w, "%sno settings\n", indent)
	}
	width := 0
	for _, s := range list {
		width = max(width, len(s.title()))
	}
	for _, s := range list {
		fmt.Fprintf(w, "%s%-*s  %s\n", indent, width, s.title(), s.sentence())
		if len(s.Settings) > 0 {
			printSettings(w, s.Settings, indent+"    ")
		}
	}
}

func (s setting) title() string {
	if s.Rest {
		return "…"
	}
	return s.Name
}

// sentence says what a setting is in one line.
func (s setting) sentence() string {
	text := s.Type
	if len(s.Enum) > 0 {
		text = strings.Join(s.Enum, " | ")
	}
	if s.Required {
		text += ", needed"
	}
	if s.Default != "" {
		text += ", " + s.Default + " unless said otherwise"
	}
	if s.About != "" {
		text += ": " + s.About
	}
	return text
}
