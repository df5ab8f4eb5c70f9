package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
)

func exportCommand(a *app, w *where) *cobra.Command {
	var q filterFlags
	var file string
	c := &cobra.Command{
		Use:   "export [N…]",
		Short: "Write messages out, with their bodies",
		Long: `Export writes messages with everything that is known about them, bodies included, as one line of JSON each: those that are
named, or all that the flags mean, the newest first. That is patient data: the file can be read by its owner alone.`,
		Example: `  njia messages export 42 --file 42.json
  njia messages export --status dead --since 7d --file dead.ndjson`,
		Args: takes(0, -1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !q.given() {
				return usage("njia messages export 42, or flags such as --status dead", "no message is named")
			}
			if len(args) > 0 && q.given() {
				return usage("leave one of them away", "messages are named both by number and by flags")
			}
			client, done, err := a.messagesOf(c.Context(), w)
			if err != nil {
				return err
			}
			defer done()
			to := a.out
			if file != "" {
				f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return usage("name a new file in a folder that can be written", "%s cannot be made", file)
				}
				defer f.Close()
				to = f
			}
			out := bufio.NewWriter(to)
			lines := json.NewEncoder(out)
			lines.SetEscapeHTML(false)
			n := 0
			write := func(ref string) error {
				s, err := client.Message(c.Context(), ref, true)
				var p *console.Problem
				if errors.As(err, &p) && p.Status == 404 && len(args) == 0 {
					return nil // pruned meanwhile
				}
				if err != nil {
					return asked(err)
				}
				n++
				return lines.Encode(s)
			}
			for _, ref := range args {
				if err := write(ref); err != nil {
					return err
				}
			}
			for f := q.filter(); len(args) == 0; {
				f.Limit = 1000
				p, err := client.Messages(c.Context(), f)
				if err != nil {
					return asked(err)
				}
				for _, m := range p.Messages {
					if err := write(fmt.Sprint(m.Seq)); err != nil {
						return err
					}
				}
				if p.Next == nil {
					break
				}
				f.Before = int64(p.Next.Before)
			}
			if err := out.Flush(); err != nil {
				return failed("free disk space, and write to a new file", "the file could not be written")
			}
			fmt.Fprintf(a.err, "%s, with bodies: this is patient data\n", many(n, "message", "messages"))
			return nil
		},
	}
	q.add(c)
	c.Flags().StringVar(&file, "file", "", "new file to write to; standard output without it")
	return c
}
