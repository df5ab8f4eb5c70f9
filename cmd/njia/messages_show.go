package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
)

func showCommand(a *app, w *where) *cobra.Command {
	var o output
	var body bool
	c := &cobra.Command{
		Use:   "show N",
		Short: "Tell a message's whole story",
		Long: `Show tells what became of a message: how it was accepted, each step, each attempt with what the other system answered,
each delivery, and what people did to it. With --body also what was in it: that is patient data.`,
		Example: `  njia messages show 42
  njia messages show 42 --body
  njia messages show 42 --body --output json | jq -r .body`,
		Args: takes(1, 1, "N"),
		RunE: func(c *cobra.Command, args []string) error {
			client, done, err := a.messagesOf(c.Context(), w)
			if err != nil {
				return err
			}
			defer done()
			s, err := client.Message(c.Context(), args[0], body)
			if err != nil {
				return asked(err)
			}
			if body {
				fmt.Fprintln(a.err, "with bodies: this is patient data")
			}
			if o.json() {
				return writeJSON(a.out, s)
			}
			printStory(a.out, s, body)
			return nil
		},
	}
	o.add(c)
	c.Flags().BoolVar(&body, "body", false, "also what was in it, which is patient data")
	return c
}

func printStory(w io.Writer, s console.Story, bodies bool) {
	p := painter(w)
	fmt.Fprintf(w, "message %d  %s  %s\n", s.Seq, p.bold(s.Route), p.status(string(s.Status)))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-9s %s\n", name, value)
		}
	}
	line("id", string(s.ID))
	line("from", strings.Join(nonEmpty(s.Source, s.Event, s.Type, size(int64(s.Size))), ", "))
	line("at source", s.DedupeID)
	line("key", s.Key)
	line("keys", pairs(s.Keys))
	line("rules", s.Rules)
	if s.Parent != 0 {
		line("part of", fmt.Sprintf("message %d", s.Parent))
	}
	if s.Class != "" || s.Error != "" {
		line("error", strings.Join(nonEmpty(string(s.Class), s.Error), ": "))
	}
	line("system", s.System)
	if s.Map != "" {
		line("missing", fmt.Sprintf("code %s in map %s", s.Code, s.Map))
	}
	line("reason", s.Reason)
	if !s.Due.IsZero() && s.Status.Open() {
		line("next try", moment(s.Due))
	}
	line("next", advice(s.Record))

	fmt.Fprintf(w, "\n%s\n", p.bold("what happened"))
	for _, e := range timeline(s) {
		fmt.Fprintf(w, "  %s  %s\n", moment(e.at), e.text)
		for _, more := range e.more {
			fmt.Fprintf(w, "  %19s    %s\n", "", more)
		}
	}
	printDeliveries(w, p, s)
	if len(s.Children) > 0 {
		fmt.Fprintf(w, "\n%s\n", p.bold("parts"))
		for _, c := range s.Children {
			fmt.Fprintf(w, "  message %d  %s  %s\n", c.Seq, p.status(string(c.Status)), short(c.Error, 90))
		}
	}
	if bodies {
		printBodies(w, p, s)
	}
}

func printDeliveries(w io.Writer, p paint, s console.Story) {
	if len(s.Deliveries) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("deliveries"))
	for _, d := range s.Deliveries {
		fmt.Fprintf(w, "  %s  %s, %s, id %s\n", d.Operation, p.status(string(d.Status)), many(d.Attempts, "attempt", "attempts"), d.ID)
		if d.Error != "" {
			fmt.Fprintf(w, "      %s: %s\n", d.Class, d.Error)
		}
	}
}

func printBodies(w io.Writer, p paint, s console.Story) {
	content := func(title string, b []byte) {
		if len(b) > 0 {
			fmt.Fprintf(w, "\n%s\n%s\n", p.bold(title), pretty(b))
		}
	}
	if len(s.Body) == 0 {
		fmt.Fprintf(w, "\nits body is not kept\n")
	}
	content("body", s.Body)
	content("body before the edit", s.Original)
	content("state of its gate", s.Gate)
	for _, d := range s.Deliveries {
		content("sent to "+d.Operation, d.Body)
		content("with, of "+d.Operation, d.With)
		content("answer of "+d.Operation, d.Answer)
	}
	for _, c := range s.Calls {
		content("answer of the call "+c.Operation, c.Answer)
	}
}

// happening is one line of a message's story.
type happening struct {
	at   time.Time
	text string
	more []string
}

// timeline is what happened to a message, in order.
func timeline(s console.Story) []happening {
	out := []happening{{at: s.Received, text: "accepted from " + orElse(s.Source, "message "+fmt.Sprint(s.Parent)), more: trace(s.Trace)}}
	names := map[int]string{-1: "the route"}
	for _, d := range s.Deliveries {
		names[d.N] = d.Operation
	}
	for i, c := range s.Calls {
		switch {
		case c.Status == engine.CallFailed, c.Status == engine.CallBegun && heardLater(s.Calls[i+1:], c):
			continue // the attempt tells of it
		case c.Status == engine.CallBegun:
			out = append(out, happening{at: c.Time, text: fmt.Sprintf("began to call %s at %s, and heard no answer", c.Operation, c.Label)})
			continue
		}
		out = append(out, happening{at: c.Time, text: fmt.Sprintf("called %s at %s; it is not called again", c.Operation, c.Label)})
	}
	// Before the attempts: what was done in the same millisecond has led to them.
	for _, c := range s.Actions {
		text := fmt.Sprintf("%s by %s", c.What, c.Who)
		if c.Reason != "" {
			text += ": " + c.Reason
		}
		out = append(out, happening{at: c.Time, text: text})
	}
	for i, t := range s.Attempts {
		if t.Status == journal.Processing && triedLater(s.Attempts[i+1:], t) {
			continue // noted before it was sent; how it went follows
		}
		h := happening{at: t.Time, text: fmt.Sprintf("%s, attempt %d: ", orElse(names[t.N], fmt.Sprintf("delivery %d", t.N)), t.Number)}
		took := time.Duration(t.Took).Round(100 * time.Microsecond)
		if t.Class == "" {
			h.text += fmt.Sprintf("%s in %s", t.Status, took)
		} else {
			h.text += strings.Join(nonEmpty(string(t.Class), t.Error), ": ")
			if len(t.Answer) > 0 {
				h.more = append(h.more, "answer: "+short(string(t.Answer), 400))
			}
			if t.Status.Open() && !t.Due.IsZero() {
				h.more = append(h.more, "next try "+moment(t.Due))
			}
		}
		out = append(out, h)
	}
	slices.SortStableFunc(out, func(a, b happening) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	if !s.Status.Open() {
		out = append(out, happening{at: s.Changed, text: "ended as " + string(s.Status)})
	}
	return out
}

func trace(steps []console.Step) []string {
	var out []string
	for _, t := range steps {
		text := fmt.Sprintf("%s: %s", t.Label, t.Outcome)
		if t.Note != "" {
			text += ", " + t.Note
		}
		if t.Took > 0 {
			text += fmt.Sprintf(" (%s)", time.Duration(t.Took).Round(time.Microsecond))
		}
		out = append(out, text)
	}
	return out
}

// advice says what an operator can do about a message, in one line.
func advice(m journal.Record) string {
	n := m.Seq
	switch {
	case m.Status == journal.Retrying:
		return fmt.Sprintf("it is tried again by itself; njia messages retry %d does it now", n)
	case m.Status != journal.Held && m.Status != journal.Dead:
		return ""
	}
	switch m.Class {
	case fault.Unmapped:
		return "add the code to the map and save it: the message then goes on by itself"
	case fault.Bug:
		return "mend the route and save it: the message then goes on by itself"
	case fault.Unknown:
		return fmt.Sprintf("look in the other system whether it has arrived: if so, njia messages discard %d --reason …, else njia messages retry %d", n, n)
	case fault.Rejected, fault.Invalid:
		return fmt.Sprintf("mend it with njia messages edit %d, or mend what it needs in the other system and njia messages retry %d", n, n)
	case fault.Conflict:
		return fmt.Sprintf("settle it in the other system, then njia messages retry %d or discard %d", n, n)
	}
	return fmt.Sprintf("njia messages retry %d runs it again, discard %d ends it", n, n)
}

// pretty indents JSON and leaves everything else as it is.
func pretty(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, bytes.TrimSpace(b), "", "  ") == nil {
		return out.String()
	}
	return strings.TrimRight(string(b), "\n")
}

func pairs(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, ", ")
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// heardLater says whether a later record of the same call tells how it went.
func heardLater(later []console.Call, c console.Call) bool {
	return slices.ContainsFunc(later, func(o console.Call) bool { return o.Label == c.Label && o.Digest == c.Digest })
}

// triedLater says whether a later record of the same attempt tells how it went.
func triedLater(later []console.Attempt, a console.Attempt) bool {
	return slices.ContainsFunc(later, func(o console.Attempt) bool { return o.N == a.N && o.Number == a.Number })
}
