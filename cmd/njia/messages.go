package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
)

func messagesCommand(a *app) *cobra.Command {
	var w where
	c := group(&cobra.Command{
		Use:   "messages",
		Short: "Look at messages, and retry, edit or discard them",
		Long: `Messages works on the messages of the engine that runs a rule set. Where none is running, it works on the journal that
it left: what is retried or edited then runs at the next start.

A message is named by its number or its id.`,
		Example: `  njia messages list --status held,dead
  njia messages show 42
  njia messages retry 42
  njia messages retry --route lab-orders --class unmapped --all`,
	}, listCommand(a, &w), showCommand(a, &w), retryCommand(a, &w), editCommand(a, &w), discardCommand(a, &w), exportCommand(a, &w))
	w.add(c)
	return c
}

// filterFlags are the flags that say which messages are meant.
type filterFlags struct {
	f      console.Filter
	status string
}

func (q *filterFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&q.f.Route, "route", "", "of this route")
	c.Flags().StringVar(&q.status, "status", "", "with this status, or several with commas: received, processing, retrying, held, delivered, filtered, duplicate, dead, discarded")
	c.Flags().StringVar(&q.f.Class, "class", "", "that failed with this class: transient, rejected, unauthorized, unmapped, invalid, conflict, bug, expired, unknown")
	c.Flags().StringVar(&q.f.System, "system", "", "that wait for this system or failed at it")
	c.Flags().StringVar(&q.f.Key, "key", "", "with this ordering key, or this value of a business key")
	c.Flags().StringVar(&q.f.ID, "id", "", "with this message id, or this id at the source")
	c.Flags().StringVar(&q.f.Text, "text", "", "whose error has these words")
	c.Flags().StringVar(&q.f.Map, "map", "", "that lack a code in this map")
	c.Flags().StringVar(&q.f.Since, "since", "", "received since: 2026-01-05, 2026-01-05T08:00:00Z, or how long ago, such as 2h or 7d")
	c.Flags().StringVar(&q.f.Until, "until", "", "received until, written as --since")
}

func (q *filterFlags) filter() console.Filter {
	f := q.f
	for s := range strings.SplitSeq(q.status, ",") {
		if s = strings.TrimSpace(s); s != "" {
			f.Status = append(f.Status, s)
		}
	}
	return f
}

// given says whether any of the flags was.
func (q *filterFlags) given() bool { return len(q.filter().Values()) > 0 }
