package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/rule"
)

func checkCommand(a *app) *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:   "check DIR",
		Short: "Say everything that is wrong in a rule set",
		Long: `Check reads the whole rule set, compiles every expression, and says everything that is wrong at once, each with
its file, line, what was found and what to write instead. It also shows what a site's overrides change in its packs.
It touches no system and needs no secrets. It exits with 1 if the rule set would not run; warnings alone do not.`,
		Example: `  njia check clinic
  njia check clinic --output json | jq '.findings[].text'`,
		Args: takes(1, 1, "DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := siteAt(args[0])
			if err != nil {
				return err
			}
			set, rs, errs := s.load(true)
			errs = append(errs, listenErrors(rs)...)
			errs.Sort()
			if o.json() {
				err = writeJSON(a.out, checked(set, rs, errs))
			} else {
				printCheck(a.out, set, rs, errs)
			}
			if err == nil && (set == nil || errs.Failed()) {
				return errFindings
			}
			return err
		},
	}
	o.add(c)
	return c
}

// notLoaded says why a command cannot do its work on a rule set: what is wrong in it, as check does.
func (a *app) notLoaded(o *output, done, dir string, rs *rule.Set, errs diag.List) error {
	if o.json() {
		if err := writeJSON(a.out, checked(nil, rs, errs)); err != nil {
			return err
		}
	} else {
		printFindings(a.err, rs, errs)
	}
	bad, _ := tally(errs)
	return failed("njia check "+dir+" shows the same", "not %s: %s in the rule set", done, many(bad, "error", "errors"))
}

// checkReport is what check says, for programs.
type checkReport struct {
	OK        bool              `json:"ok"`
	Rules     string            `json:"rules,omitempty"`
	Routes    int               `json:"routes"`
	Systems   int               `json:"systems"`
	Maps      int               `json:"maps"`
	Tests     int               `json:"tests"`
	Findings  []console.Finding `json:"findings"`
	Overrides []override        `json:"overrides,omitempty"`
}

func checked(set *engine.Set, rs *rule.Set, errs diag.List) checkReport {
	r := checkReport{OK: set != nil && !errs.Failed(), Findings: console.Findings(errs, sourceOf(rs))}
	if r.Findings == nil {
		r.Findings = []console.Finding{}
	}
	if rs != nil {
		r.Rules, r.Routes, r.Systems, r.Maps, r.Tests = rs.Version, len(rs.Routes), len(rs.Systems), len(rs.Maps), len(rs.Tests)
		r.Overrides = overrides(rs)
	}
	return r
}

func printCheck(w io.Writer, set *engine.Set, rs *rule.Set, errs diag.List) {
	p := painter(w)
	printFindings(w, rs, errs)
	if rs != nil {
		printOverrides(w, rs)
	}
	bad, warnings := tally(errs)
	switch {
	case bad > 0 || set == nil:
		line := p.red(many(bad, "error", "errors"))
		if warnings > 0 {
			line += ", " + many(warnings, "warning", "warnings")
		}
		fmt.Fprintln(w, line)
	default:
		fmt.Fprintf(w, "%s: %s, %s, %s, %s (rules %s)\n", p.green("ok"), many(len(rs.Routes), "route", "routes"), many(len(rs.Systems), "system", "systems"),
			many(len(rs.Maps), "map", "maps"), many(len(rs.Tests), "test", "tests"), rs.Version)
		if warnings > 0 {
			fmt.Fprintln(w, many(warnings, "warning", "warnings"))
		}
	}
}

// printFindings shows each error with its line of the file.
func printFindings(w io.Writer, rs *rule.Set, errs diag.List) {
	for _, e := range errs {
		fmt.Fprintln(w, e.Render(sourceOf(rs)))
	}
}

func tally(errs diag.List) (bad, warnings int) {
	for _, e := range errs {
		if e.Warning {
			warnings++
		} else {
			bad++
		}
	}
	return bad, warnings
}
