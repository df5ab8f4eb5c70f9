package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine/journal"
)

func listCommand(a *app, w *where) *cobra.Command {
	var o output
	var q filterFlags
	limit := 50
	c := &cobra.Command{
		Use:   "list",
		Short: "List messages, the newest first",
		Long: `List shows messages, the newest first, with what went wrong. The flags narrow it; all of them hold at once.
It shows no bodies: those are patient data.`,
		Example: `  njia messages list
  njia messages list --status held,dead --since 7d
  njia messages list --key Patient/92ab
  njia messages list --output json --limit 1000 | jq '.messages[].error'`,
		Args: takes(0, 0, ""),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return usage("such as --limit 200", "--limit is a number from 1 on")
			}
			client, done, err := a.messagesOf(c.Context(), w)
			if err != nil {
				return err
			}
			defer done()
			f := q.filter()
			all := console.Page{Messages: []journal.Record{}}
			for left := limit; left > 0; left = limit - len(all.Messages) {
				f.Limit = min(left, 1000)
				p, err := client.Messages(c.Context(), f)
				if err != nil {
					return asked(err)
				}
				all.Messages, all.Next = append(all.Messages, p.Messages...), p.Next
				if p.Next == nil {
					break
				}
				f.Before = int64(p.Next.Before)
			}
			if o.json() {
				return writeJSON(a.out, all)
			}
			printMessages(a.out, all)
			if all.Next != nil {
				fmt.Fprintf(a.err, "there are older ones: --limit %d shows more\n", limit*10)
			}
			return nil
		},
	}
	o.add(c)
	q.add(c)
	c.Flags().IntVar(&limit, "limit", limit, "how many at most")
	return c
}

func printMessages(w io.Writer, page console.Page) {
	if len(page.Messages) == 0 {
		fmt.Fprintln(w, "no messages")
		return
	}
	p := painter(w)
	t := table{head: []string{"NUMBER", "RECEIVED", "ROUTE", "STATUS", "KEY", "ERROR"}, paint: func(col int, cell string) string {
		if col == 3 {
			return p.status(cell)
		}
		return cell
	}}
	for _, m := range page.Messages {
		text := m.Error
		if m.Class != "" {
			text = string(m.Class) + ": " + text
		}
		if m.Reason != "" {
			text = m.Reason
		}
		t.add(strconv.FormatInt(int64(m.Seq), 10), moment(m.Received), m.Route, string(m.Status), short(m.Key, 40), short(text, 90))
	}
	t.write(w)
}
