package http

import (
	"fmt"
	"maps"
	"slices"

	"github.com/njia-health/njia/engine/diag"
)

// fits finds a receive whose clients its system does not know, and gives what no other route of the system can receive.
func fits(s Settings, w Receive) ([]string, error) {
	known := slices.Sorted(maps.Keys(s.Clients))
	for _, c := range w.Clients {
		if _, ok := s.Clients[c]; !ok {
			text := fmt.Sprintf("the system has no client %q", c)
			if near := diag.Nearest(c, known); near != "" {
				text += fmt.Sprintf("; did you mean %q?", near)
			} else if len(known) == 0 {
				text += ": its document names no clients"
			}
			return nil, fmt.Errorf("%s", text)
		}
	}
	var claims []string
	for _, m := range w.Methods {
		claims = append(claims, m+" "+w.Path)
	}
	return claims, nil
}
