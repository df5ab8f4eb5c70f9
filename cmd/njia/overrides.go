package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/njia-health/njia/engine/rule"
)

// override is a document of the site over one of a pack, for programs.
type override struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Pack    string   `json:"pack"`
	Place   string   `json:"place"`
	Changes []string `json:"changes"` // what it says otherwise; none: it touches nothing any more
}

func overrides(rs *rule.Set) []override {
	var out []override
	for _, o := range rs.Overrides {
		x := override{Kind: o.Kind, Name: o.Name, Pack: o.Pack, Place: o.Pos.String(), Changes: o.Changes}
		if x.Changes == nil {
			x.Changes = []string{}
		}
		out = append(out, x)
	}
	return out
}

// printOverrides says what a site changes in its packs.
func printOverrides(w io.Writer, rs *rule.Set) {
	list := overrides(rs)
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "overrides")
	for _, o := range list {
		what := strings.Join(o.Changes, ", ")
		if what == "" {
			what = "touches nothing any more"
		}
		fmt.Fprintf(w, "  %s: %s %s of %s: %s\n", o.Place, o.Kind, o.Name, orElse(o.Pack, "the site itself"), what)
	}
	fmt.Fprintln(w)
}
