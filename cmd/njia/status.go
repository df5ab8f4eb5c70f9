package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine/journal"
)

func statusCommand(a *app) *cobra.Command {
	var o output
	var w where
	var every time.Duration
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the engine stands",
		Long: `Status says how the engine that runs a rule set stands: which rules it has and how their last change went, its routes
with how many messages they hold, and its systems with what waits for them.`,
		Example: `  njia status --dir clinic
  njia status --watch 2s
  njia status --output json | jq '.systems[] | select(.state != "up")'`,
		Args: takes(0, 0, ""),
		RunE: func(c *cobra.Command, args []string) error {
			for {
				if err := a.status(c.Context(), &w, o.json()); err != nil || every <= 0 {
					return err
				}
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(every):
				}
				fmt.Fprintln(a.out)
			}
		},
	}
	o.add(c)
	w.add(c)
	c.Flags().DurationVar(&every, "watch", 0, "say it again and again, with so long between, such as 2s")
	return c
}

func (a *app) status(ctx context.Context, w *where, json bool) error {
	dir, err := w.find()
	if err != nil {
		return err
	}
	c, err := engineAt(ctx, dir)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Status(ctx)
	if err != nil {
		return asked(err)
	}
	if json {
		return writeJSON(a.out, s)
	}
	printStatus(a.out, s, time.Now())
	return nil
}

func printStatus(w io.Writer, s console.Status, now time.Time) {
	p := painter(w)
	ready := p.green("ready")
	if !s.Ready {
		ready = p.red("not ready") + ": " + s.NotWhy
	}
	name := s.Name
	if name == "" {
		name = "engine"
	}
	fmt.Fprintf(w, "%s  %s, rules %s, up for %s, journal %s\n", p.bold(name), ready, s.Rules, age(s.Started, now), size(s.Bytes))
	if r := s.Reload; r != nil {
		if r.OK {
			fmt.Fprintf(w, "last reload %s ago: %s\n", age(r.Time, now), changed(r.Changed))
		} else {
			fmt.Fprintf(w, "%s %s ago, the old rules go on: %s\n", p.red("last reload refused"), age(r.Time, now), r.Error)
		}
	}
	fmt.Fprintln(w)
	t := table{head: []string{"ROUTE", "SOURCE", "STATE", "OPEN", "OLDEST", "DELIVERED", "FILTERED", "HELD", "DEAD", ""}}
	for _, r := range s.Routes {
		state := "running"
		switch {
		case r.Failed != "":
			state = "failing"
		case !r.Running && r.Source == "":
			state = "gone"
		case !r.Running:
			state = "off"
		}
		n := func(st journal.Status) string { return strconv.FormatInt(r.Counts[st], 10) }
		t.add(r.Name, r.Source, state, strconv.Itoa(r.Open), age(r.Oldest, now), n(journal.Delivered), n(journal.Filtered), n(journal.Held), n(journal.Dead), short(r.Failed, 72))
	}
	t.paint = func(col int, cell string) string {
		if col == 2 && len(cell) > 3 && cell[:4] == "fail" {
			return p.red(cell)
		}
		return cell
	}
	t.write(w)
	if len(s.Systems) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = table{head: []string{"SYSTEM", "ADAPTER", "STATE", "SINCE", "WAITING", "LATENCY", ""}, paint: func(col int, cell string) string {
		if col == 2 {
			return p.status(cell)
		}
		return cell
	}}
	for _, y := range s.Systems {
		latency := ""
		if y.Latency > 0 {
			latency = time.Duration(y.Latency).Round(100 * time.Microsecond).String()
		}
		t.add(y.Name, y.Adapter, y.State, age(y.Since, now), strconv.Itoa(y.Waiting), latency, short(y.Why, 72))
	}
	t.write(w)
}
