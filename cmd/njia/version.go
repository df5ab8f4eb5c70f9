package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// built is what the program was built from.
type built struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	System   string `json:"system"`
}

func build() built {
	b := built{Version: "development", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func versionCommand(a *app) *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Long:    "Version says which version this is, which commit it was built from, and with which Go.",
		Example: "  njia version --output json",
		Args:    takes(0, 0, ""),
		RunE: func(c *cobra.Command, args []string) error {
			b := build()
			if o.json() {
				return writeJSON(a.out, b)
			}
			fmt.Fprintf(a.out, "njia %s", b.Version)
			if len(b.Commit) >= 12 {
				fmt.Fprintf(a.out, " (%s", b.Commit[:12])
				if b.Modified {
					fmt.Fprint(a.out, ", with changes")
				}
				fmt.Fprint(a.out, ")")
			}
			fmt.Fprintf(a.out, " %s %s\n", b.Go, b.System)
			return nil
		},
	}
	o.add(c)
	return c
}
