package odoo_test

import (
	"slices"
	"strings"
)

func sortedLines(s string) []string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return lines
}
