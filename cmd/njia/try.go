package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rehearsal"
	"github.com/njia-health/njia/engine/rule"
)

func tryCommand(a *app) *cobra.Command {
	var o output
	var t trial
	c := &cobra.Command{
		Use:   "try DIR ROUTE FILE",
		Short: "Take one message through a route and send nothing",
		Long: `Try takes the message in FILE (- is standard input) through a route, shows what each step makes of it and what would be
sent, and sends nothing. Calls are answered from files, or as a test of the rule set says; a call that has no answer ends
the trial and is named. It exits with 1 if the message would be held or dead.`,
		Example: `  njia try clinic lab-orders samples/order.json
  njia try clinic lab-orders samples/order.json --answer openmrs.read=samples/patient.json
  njia try clinic lab-orders samples/order.json --answers-of 'an active order'`,
		Args: takes(3, 3, "DIR ROUTE FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := siteAt(args[0])
			if err != nil {
				return err
			}
			set, rs, errs := s.load(true)
			if set == nil {
				return a.notLoaded(&o, "tried", args[0], rs, errs)
			}
			if set.Plans[args[1]] == nil {
				return failed(diag.DidYouMean(args[1], slices.Sorted(maps.Keys(set.Plans))), "there is no route %q", args[1])
			}
			raw, err := a.input(args[2])
			if err != nil {
				return err
			}
			opts, err := t.options(set)
			if err != nil {
				return err
			}
			r, err := rehearsal.Try(c.Context(), set, args[1], raw, opts)
			if err != nil {
				return err
			}
			if o.json() {
				err = writeJSON(a.out, r)
			} else {
				printTrial(a.out, r, t.full)
			}
			if err == nil && (r.Class != "" || len(r.Missing) > 0) {
				return errFindings
			}
			return err
		},
	}
	o.add(c)
	c.Flags().StringVar(&t.event, "event", "", "what happened at the source: create, update or delete")
	c.Flags().StringVar(&t.kind, "type", "", "media type of the message")
	c.Flags().StringArrayVar(&t.headers, "header", nil, "a header of the message, as NAME=VALUE; again for more")
	c.Flags().StringVar(&t.time, "time", "", "when it happens, as 2026-01-05T08:00:00Z; now without it")
	c.Flags().StringArrayVar(&t.answers, "answer", nil, "the answer of a call, as SYSTEM.OPERATION=FILE with JSON in it; again for more, in order")
	c.Flags().StringVar(&t.answersOf, "answers-of", "", "answer calls as this test of the rule set says")
	c.Flags().BoolVar(&t.full, "full", false, "whole bodies instead of their beginning")
	return c
}

// trial is the flags of the command.
type trial struct {
	event, kind, time, answersOf string
	headers, answers             []string
	full                         bool
}

func (t *trial) options(set *engine.Set) (rehearsal.TryOptions, error) {
	o := rehearsal.TryOptions{Event: t.event, Type: t.kind, Headers: map[string]string{}}
	for _, h := range t.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return o, usage("such as --header x-request=42", "--header is NAME=VALUE, this is %q", h)
		}
		o.Headers[strings.ToLower(name)] = value
	}
	if t.time != "" {
		at, err := time.Parse(time.RFC3339, t.time)
		if err != nil {
			return o, usage("such as --time 2026-01-05T08:00:00Z", "--time is a time with its zone, this is %q", t.time)
		}
		o.Time = at
	}
	for _, x := range t.answers {
		call, file, ok := strings.Cut(x, "=")
		if !ok || call == "" || file == "" {
			return o, usage("such as --answer openmrs.read=patient.json", "--answer is SYSTEM.OPERATION=FILE, this is %q", x)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return o, usage("give a file that can be read", "%s cannot be read", file)
		}
		v, err := message.Decode(b)
		if err != nil {
			return o, usage("give a file with JSON in it", "%s: %v", file, err)
		}
		o.Calls = append(o.Calls, rule.GivenCall{Call: call, Returns: v})
	}
	if t.answersOf == "" {
		return o, nil
	}
	var known []string
	for _, x := range set.Rules.Tests {
		known = append(known, x.Name)
		if x.Name == t.answersOf || strings.HasPrefix(x.Name, t.answersOf) {
			for _, turn := range x.Turns {
				o.Calls = append(o.Calls, turn.Given.Calls...)
			}
			return o, nil
		}
	}
	return o, usage(orElse(diag.DidYouMean(t.answersOf, known), "njia test DIR --all lists the tests"), "there is no test %q", t.answersOf)
}

// input reads a file that is named on the command line.
func (a *app) input(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(a.in)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("give a file that can be read, or - for standard input", "%s cannot be read", file)
	}
	return b, nil
}

func printTrial(w io.Writer, r rehearsal.Trial, full bool) {
	p := painter(w)
	fmt.Fprintf(w, "%s: %s\n", p.bold(r.Route), p.status(string(r.Outcome)))
	for _, x := range [][2]string{{"id", r.ID}, {"key", r.Key}, {"error", strings.Join(nonEmpty(string(r.Class), r.Error), ": ")}} {
		if x[1] != "" {
			fmt.Fprintf(w, "  %-6s %s\n", x[0], x[1])
		}
	}
	if len(r.Steps) > 0 {
		fmt.Fprintf(w, "\n%s\n", p.bold("steps"))
	}
	for _, s := range r.Steps {
		fmt.Fprintf(w, "  %s  %s: %s", s.Step, s.Kind, s.Outcome)
		if s.Note != "" {
			fmt.Fprintf(w, ", %s", s.Note)
		}
		if s.Place != "" {
			fmt.Fprintf(w, "  (%s)", s.Place)
		}
		fmt.Fprintln(w)
		if before, after := shown(s.Before, full), shown(s.After, full); s.After != nil && before != after {
			fmt.Fprintf(w, "      body %s\n", indented(after, "      "))
		}
		for _, name := range slices.Sorted(maps.Keys(s.Vars)) {
			fmt.Fprintf(w, "      vars.%s %s\n", name, indented(shown(s.Vars[name], full), "      "))
		}
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("would be sent"))
	if len(r.Sent) == 0 {
		fmt.Fprintln(w, "  nothing")
	}
	for _, s := range r.Sent {
		fmt.Fprintf(w, "  %s\n", s.To)
		if s.With != nil {
			fmt.Fprintf(w, "      with %s\n", indented(shown(s.With, full), "      "))
		}
		fmt.Fprintf(w, "      body %s\n", indented(shown(s.Body, full), "      "))
	}
	if r.Reply != nil {
		fmt.Fprintf(w, "\n%s\n  %s\n", p.bold("reply"), indented(shown(r.Reply, full), "  "))
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "\n%s: give one with --answer SYSTEM.OPERATION=FILE\n", m)
	}
}

// shown is a value as JSON: whole, or its beginning on one line.
func shown(v any, full bool) string {
	b, err := message.Encode(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if full {
		return pretty(b)
	}
	return short(string(b), 160)
}

func indented(s, by string) string { return strings.ReplaceAll(s, "\n", "\n"+by) }
