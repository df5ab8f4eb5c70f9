package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine/rehearsal"
)

func testCommand(a *app) *cobra.Command {
	var o output
	var match, junit string
	var all bool
	c := &cobra.Command{
		Use:   "test DIR",
		Short: "Run the tests of a rule set",
		Long: `Test runs the test: documents of a rule set, and those of its packs, as the engine would, with the answers that they give
and a clock of their own. It needs no network and no secrets, and sends nothing. What was expected and not found is shown
with its file and line. It exits with 1 if a test failed.`,
		Example: `  njia test clinic
  njia test clinic --run 'lab*'
  njia test clinic --junit report.xml`,
		Args: takes(1, 1, "DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := siteAt(args[0])
			if err != nil {
				return err
			}
			set, rs, errs := s.load(true)
			if set == nil {
				return a.notLoaded(&o, "tested", args[0], rs, errs)
			}
			r := rehearsal.Run(c.Context(), set, rehearsal.Options{Match: match})
			if match != "" && len(r.Results) == 0 {
				return usage("--run takes a part of the name, or a pattern with *", "no test is called %q", match)
			}
			if junit != "" {
				if err := writeJUnit(junit, r); err != nil {
					return failed("see that the file can be written", "%v", err)
				}
			}
			if o.json() {
				err = writeJSON(a.out, tested(r))
			} else {
				printTests(a.out, r, all)
			}
			if err == nil && !r.OK() {
				return errFindings
			}
			return err
		},
	}
	o.add(c)
	c.Flags().StringVar(&match, "run", "", "only tests with this in their name, or that fit this pattern with *")
	c.Flags().StringVar(&junit, "junit", "", "also write a report for build servers into this file")
	c.Flags().BoolVar(&all, "all", false, "name the tests that passed too")
	return c
}

// testReport is what the tests came to, for programs.
type testReport struct {
	OK     bool             `json:"ok"`
	Passed int              `json:"passed"`
	Failed int              `json:"failed"`
	Took   console.Duration `json:"took"`
	Tests  []testResult     `json:"tests"`
}

type testResult struct {
	Name     string           `json:"name"`
	Place    string           `json:"place"`
	Route    string           `json:"route"`
	OK       bool             `json:"ok"`
	Took     console.Duration `json:"took"`
	Failures []testFailure    `json:"failures,omitempty"`
}

type testFailure struct {
	Place string `json:"place"`
	What  string `json:"what"`
	Want  string `json:"want,omitempty"`
	Got   string `json:"got,omitempty"`
	Note  string `json:"note,omitempty"`
}

func tested(r rehearsal.Report) testReport {
	out := testReport{OK: r.OK(), Passed: len(r.Results) - r.Failed(), Failed: r.Failed(), Took: console.Duration(r.Took), Tests: []testResult{}}
	for _, t := range r.Results {
		x := testResult{Name: t.Name, Place: t.Pos.String(), Route: t.Route, OK: t.OK, Took: console.Duration(t.Took)}
		for _, f := range t.Failures {
			x.Failures = append(x.Failures, testFailure{f.Pos.String(), f.What, f.Want, f.Got, f.Note})
		}
		out.Tests = append(out.Tests, x)
	}
	return out
}

func printTests(w io.Writer, r rehearsal.Report, all bool) {
	p := painter(w)
	for _, t := range r.Results {
		switch {
		case !t.OK:
			fmt.Fprintf(w, "%s  %s  (%s, %s)\n", p.red("FAIL"), t.Name, t.Route, t.Pos)
			for _, f := range t.Failures {
				printFailure(w, f)
			}
			fmt.Fprintln(w)
		case all:
			fmt.Fprintf(w, "%s    %s  (%s)\n", p.green("ok"), t.Name, t.Route)
		}
	}
	bad := r.Failed()
	took := r.Took.Round(time.Millisecond)
	switch {
	case len(r.Results) == 0:
		fmt.Fprintln(w, "there are no tests; add documents that begin with test:")
	case bad == 0:
		fmt.Fprintf(w, "%s: %s in %s\n", p.green("ok"), many(len(r.Results), "test", "tests"), took)
	default:
		fmt.Fprintf(w, "%s of %s failed in %s\n", p.red(fmt.Sprint(bad)), many(len(r.Results), "test", "tests"), took)
	}
}

func printFailure(w io.Writer, f rehearsal.Failure) {
	fmt.Fprintf(w, "  %s: %s\n", f.Pos, f.What)
	block := func(title, text string) {
		if text == "" {
			return
		}
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		fmt.Fprintf(w, "    %-5s %s\n", title, lines[0])
		for _, l := range lines[1:] {
			fmt.Fprintf(w, "          %s\n", l)
		}
	}
	block("want", f.Want)
	block("got", f.Got)
	block("note", f.Note)
}

// JUnit's XML, as build servers read it.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(file string, r rehearsal.Report) error {
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
	s := junitSuite{Name: "njia", Tests: len(r.Results), Failures: r.Failed(), Time: seconds(r.Took)}
	for _, t := range r.Results {
		c := junitCase{Name: t.Name, Class: t.Route, File: t.Pos.File, Line: t.Pos.Line, Time: seconds(t.Took)}
		if !t.OK {
			var text strings.Builder
			for _, f := range t.Failures {
				printFailure(&text, f)
			}
			first := ""
			if len(t.Failures) > 0 {
				first = t.Failures[0].What
			}
			c.Failure = &junitFailure{Message: first, Text: text.String()}
		}
		s.Cases = append(s.Cases, c)
	}
	b, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte(xml.Header), append(b, '\n')...), 0o644)
}
