package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
)

func systemsCommand(a *app) *cobra.Command {
	var w where
	c := group(&cobra.Command{
		Use:   "systems",
		Short: "Pause and resume systems",
		Long:  "Systems pauses a system, so that nothing is sent to it and its messages wait, and resumes it.",
		Example: `  njia systems pause odoo --reason 'month-end closing'
  njia systems resume odoo`,
	}, pauseCommand(a, &w), resumeCommand(a, &w))
	w.add(c)
	return c
}

func pauseCommand(a *app, w *where) *cobra.Command {
	var o output
	var why string
	c := &cobra.Command{
		Use:     "pause NAME",
		Short:   "Send nothing to a system for now",
		Long:    "Pause lets nothing go to a system until it is resumed or the engine starts anew. Messages for it wait; other routes go on.",
		Example: "  njia systems pause odoo --reason 'month-end closing'",
		Args:    takes(1, 1, "NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onSystem(c.Context(), w, &o, func(client *console.Client) (console.System, error) {
				return client.Pause(c.Context(), args[0], why)
			})
		},
	}
	o.add(c)
	c.Flags().StringVar(&why, "reason", "", "why, for the audit trail")
	return c
}

func resumeCommand(a *app, w *where) *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:     "resume NAME",
		Short:   "Send to a system again",
		Long:    "Resume takes a pause back. It also makes the engine try a system at once that is down or has refused our credentials.",
		Example: "  njia systems resume odoo",
		Args:    takes(1, 1, "NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onSystem(c.Context(), w, &o, func(client *console.Client) (console.System, error) {
				return client.Resume(c.Context(), args[0])
			})
		},
	}
	o.add(c)
	return c
}

func (a *app) onSystem(ctx context.Context, w *where, o *output, do func(*console.Client) (console.System, error)) error {
	dir, err := w.find()
	if err != nil {
		return err
	}
	client, err := engineAt(ctx, dir)
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := do(client)
	if err != nil {
		return asked(err)
	}
	if o.json() {
		return writeJSON(a.out, s)
	}
	fmt.Fprintf(a.out, "system %s is %s, %s for it\n", s.Name, painter(a.out).status(s.State), many(s.Waiting, "message waits", "messages wait"))
	return nil
}

func runNowCommand(a *app) *cobra.Command {
	var w where
	var o output
	c := &cobra.Command{
		Use:     "run-now ROUTE",
		Short:   "Make a route's source look now",
		Long:    "Run-now makes the source of a route look at once instead of at its next time: a poll, a schedule, a folder.",
		Example: "  njia run-now nightly-report --dir clinic",
		Args:    takes(1, 1, "ROUTE"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := w.find()
			if err != nil {
				return err
			}
			client, err := engineAt(c.Context(), dir)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.RunNow(c.Context(), args[0]); err != nil {
				return asked(err)
			}
			if o.json() {
				return writeJSON(a.out, map[string]string{"route": args[0]})
			}
			fmt.Fprintf(a.out, "the source of %s looks now\n", args[0])
			return nil
		},
	}
	o.add(c)
	w.add(c)
	return c
}
