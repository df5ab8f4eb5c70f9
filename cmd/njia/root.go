package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/engine/diag"
)

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// start runs the command line and gives the exit code.
func start(ctx context.Context, args []string, s streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var e *exit
	if !errors.As(err, &e) {
		e = &exit{code: exitFindings, text: err.Error()}
	}
	if e.text != "" {
		fmt.Fprintf(s.err, "njia: %s\n", e.text)
	}
	if e.next != "" {
		fmt.Fprintf(s.err, "  next: %s\n", e.next)
	}
	return e.code
}

// newRoot is the whole command line.
func newRoot(s streams) *cobra.Command {
	cobra.EnableCommandSorting = false // in the order of commands
	a := &app{streams: s}
	root := &cobra.Command{
		Use:   "njia",
		Short: "Routes between the systems of a health facility",
		Long: `njia takes messages from one system, judges and changes them by rules, and sends them to others.
A rule set is a folder of YAML documents: check it, test it, then run it.

Exit codes: 0 done, 1 something was found or failed, 2 the command line is wrong,
3 no engine or journal could be reached.`,
		Example: `  njia init clinic          # a small rule set to begin with
  njia check clinic         # everything that is wrong in it
  njia run clinic           # run it; save a file to reload
  njia messages list        # what went through`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknown(c, args[0])
		},
		RunE: func(c *cobra.Command, args []string) error { return c.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(strings.TrimSuffix(c.CommandPath(), " ")+" --help shows what it takes", "%s", flagText(err))
	})
	for _, add := range commands {
		root.AddCommand(add(a))
	}
	return root
}

// commands are in the order of --help.
var commands = []func(*app) *cobra.Command{
	initCommand, checkCommand, testCommand, tryCommand, runCommand, statusCommand, reloadCommand, messagesCommand, runNowCommand, systemsCommand,
	packsCommand, adaptersCommand, demoCommand, versionCommand,
}

// app is what the commands share.
type app struct {
	streams
}

// unknown is the error of a subcommand that does not exist.
func unknown(c *cobra.Command, name string) error {
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	next := diag.DidYouMean(name, known)
	if next == "" {
		next = c.CommandPath() + " --help lists the commands"
	}
	return usage(next, "there is no command %q", strings.TrimPrefix(c.CommandPath()+" "+name, "njia "))
}

// group is a command that has only subcommands.
func group(c *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	c.AddCommand(subs...)
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(c, args[0])
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error { return c.Help() }
	return c
}

// flagText is what the flag library says, in our words where it has odd ones.
func flagText(err error) string {
	text := err.Error()
	text = strings.Replace(text, "unknown flag:", "there is no flag", 1)
	text = strings.Replace(text, "unknown shorthand flag:", "there is no flag", 1)
	text = strings.Replace(text, "flag needs an argument:", "a value is missing after", 1)
	if i := strings.Index(text, ": strconv."); i >= 0 {
		text = text[:i] + ": a number is expected"
	}
	return text
}
