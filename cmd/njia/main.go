// Command njia runs, checks and looks after the routes of a health facility.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(start(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}
