package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// logging is the --log-format and --log-level flags.
type logging struct {
	format logFormat
	level  logLevel
}

func (l *logging) add(c *cobra.Command) {
	l.format = "text"
	c.Flags().Var(&l.format, "log-format", "text, or json for programs")
	c.Flags().Var(&l.level, "log-level", "least of debug, info, warn, error to be written")
	_ = c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
}

func (l *logging) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.Level(l.level)}
	if l.format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

type logFormat string

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "format" }
func (f *logFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("it is text or json")
	}
	*f = logFormat(s)
	return nil
}

type logLevel slog.Level

var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func (l *logLevel) String() string {
	for name, level := range logLevels {
		if level == slog.Level(*l) {
			return name
		}
	}
	return "info"
}
func (l *logLevel) Type() string { return "level" }
func (l *logLevel) Set(s string) error {
	level, ok := logLevels[s]
	if !ok {
		return fmt.Errorf("it is debug, info, warn or error")
	}
	*l = logLevel(level)
	return nil
}
