package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func reloadCommand(a *app) *cobra.Command {
	var o output
	var w where
	c := &cobra.Command{
		Use:   "reload [DIR]",
		Short: "Make the engine load its rules again",
		Long: `Reload makes the engine that runs the rule set in DIR load it again, as it does by itself when a file is saved, and says
how that went. A rule set that is wrong changes nothing: every error is shown, and the exit code is 1.`,
		Example: `  njia reload clinic
  njia reload clinic && echo loaded`,
		Args: takes(0, 1, "[DIR]"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				w.dir = args[0]
			}
			dir, err := w.find()
			if err != nil {
				return err
			}
			client, err := engineAt(c.Context(), dir)
			if err != nil {
				return err
			}
			defer client.Close()
			r, err := client.Reload(c.Context())
			if err != nil {
				return asked(err)
			}
			if o.json() {
				err = writeJSON(a.out, r)
			} else {
				to := a.out
				if !r.OK {
					to = a.err
				}
				for _, f := range r.Findings {
					fmt.Fprintln(to, f.Shown)
				}
			}
			switch {
			case err != nil:
				return err
			case !r.OK && o.json():
				return errFindings
			case !r.OK:
				return failed("mend it and save: it is loaded by itself then", "not loaded: %s", r.Error)
			case !o.json():
				fmt.Fprintf(a.out, "rules %s: %s\n", r.Version, changed(r.Changed))
			}
			return nil
		},
	}
	o.add(c)
	w.add(c)
	return c
}

// changed says what a reload changed.
func changed(list []string) string {
	switch {
	case len(list) == 0:
		return "nothing has changed"
	case len(list) > 8:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:8], ", "), len(list)-8)
	}
	return strings.Join(list, ", ")
}
