package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/njia-health/njia/engine/adapter"
)

// printMarkdown writes the reference page of the documentation.
func printMarkdown(w io.Writer, list []*adapter.Definition) {
	fmt.Fprint(w, "# Adapters\n\nThis page is written by `njia adapters --markdown` from the adapters themselves.\n\n")
	fmt.Fprint(w, "A document `system: NAME` names its adapter and holds its settings. A route takes messages `from: NAME.SOURCE`, and sends them\n"+
		"`to:` or asks with `call:` a `NAME.OPERATION`; the settings of either are in `with:`.\n\n")
	fmt.Fprint(w, "| adapter | about | sources | operations |\n| --- | --- | --- | --- |\n")
	for _, d := range list {
		x := describe(d)
		fmt.Fprintf(w, "| [%s](#%s) | %s | %s | %s |\n", x.Name, x.Name, cell(x.About), ticked(x.Sources), ticked(x.Operations))
	}
	for _, d := range list {
		x := describe(d)
		fmt.Fprintf(w, "\n## %s\n\n%s\n\n", x.Name, sentence(x.About))
		settingsTable(w, x.Settings)
		for _, s := range x.Sources {
			fmt.Fprintf(w, "\n### from: %s.%s\n\n%s Its messages are `%s` unless the route says otherwise.\n\n", x.Name, s.Name, sentence(s.About), s.Accept)
			settingsTable(w, s.With)
		}
		for _, o := range x.Operations {
			fmt.Fprintf(w, "\n### %s.%s\n\n%s It %s.\n\n", x.Name, o.Name, sentence(o.About), o.Does)
			settingsTable(w, o.With)
		}
	}
}

func settingsTable(w io.Writer, list []setting) {
	if len(list) == 0 {
		fmt.Fprintln(w, "No settings.")
		return
	}
	fmt.Fprint(w, "| setting | type | default | about |\n| --- | --- | --- | --- |\n")
	settingsRows(w, list, "")
}

func settingsRows(w io.Writer, list []setting, within string) {
	for _, s := range list {
		kind := s.Type
		if len(s.Enum) > 0 {
			kind = strings.Join(s.Enum, ", ")
		}
		def := ""
		switch {
		case s.Required:
			def = "needed"
		case s.Default != "":
			def = "`" + cell(s.Default) + "`"
		}
		fmt.Fprintf(w, "| `%s%s` | %s | %s | %s |\n", within, s.title(), cell(kind), def, cell(s.About))
		settingsRows(w, s.Settings, within+s.title()+".")
	}
}

func ticked(parts []partDoc) string {
	var out []string
	for _, p := range parts {
		out = append(out, "`"+p.Name+"`")
	}
	return strings.Join(out, ", ")
}

// cell is text that stands in one cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}

// sentence begins text with a capital letter and ends it with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	return strings.ReplaceAll(strings.TrimSuffix(s, "."), "<", "&lt;") + "."
}
