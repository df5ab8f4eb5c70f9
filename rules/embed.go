// Package rules is the route packs that come with the program, a folder each.
package rules

import "embed"

// FS holds every pack, tests and sample messages included.
//
//go:embed all:*
var FS embed.FS
