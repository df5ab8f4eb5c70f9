package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/console"
)

// Exit codes.
const (
	exitDone        = 0
	exitFindings    = 1 // check found errors, a test failed, a message does not exist, something could not be done
	exitUsage       = 2 // the command line is wrong
	exitUnreachable = 3 // no engine, or its journal is locked or cannot be read
)

// exit ends the program with a code, what went wrong and what to do next. An empty text has been said already.
type exit struct {
	code       int
	text, next string
}

func (e *exit) Error() string { return e.text }

func usage(next, format string, args ...any) error {
	return &exit{exitUsage, fmt.Sprintf(format, args...), next}
}

func failed(next, format string, args ...any) error {
	return &exit{exitFindings, fmt.Sprintf(format, args...), next}
}

func unreachable(next, format string, args ...any) error {
	return &exit{exitUnreachable, fmt.Sprintf(format, args...), next}
}

// findings ends with code 1 where everything has been said.
var errFindings = &exit{code: exitFindings}

// asked turns an error of the management API into one for the person at the terminal.
func asked(err error) error {
	var p *console.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		code := exitFindings
		if p.Status == 503 || p.Status == 507 {
			code = exitUnreachable
		}
		if p.Status == 400 {
			code = exitUsage
		}
		return &exit{code, p.Error(), p.Hint}
	case errors.Is(err, console.ErrUnreachable):
		return unreachable("njia run DIR starts one; has it stopped meanwhile?", "%v", err)
	}
	return err
}

// takes checks the number of arguments. names are as in the usage line.
func takes(least, most int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(fmt.Sprintf("%s %s", c.CommandPath(), names), "%s is missing", names)
		case most >= 0 && len(args) > most:
			return usage(c.CommandPath()+" --help shows what it takes", "%q is one argument too many", args[most])
		}
		return nil
	}
}

// folder checks that dir is a folder that can be read.
func folder(dir string) error {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return usage("give the folder of a rule set; njia init "+dir+" makes a new one", "there is no folder %s", dir)
	case err != nil:
		return usage("look at its permissions", "%s cannot be read", dir)
	case !st.IsDir():
		return usage("give the folder that holds it", "%s is a file, and a rule set is a folder", dir)
	}
	return nil
}
