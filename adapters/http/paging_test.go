package http_test

import (
	"strings"
	"testing"

	"github.com/njia-health/njia/adapters/http"
)

func TestLinkNext(t *testing.T) {
	for header, want := range map[string]string{
		"":                                    "",
		`<https://x/?p=2>; rel="next"`:        "https://x/?p=2",
		`<a>; rel=prev, <b>; rel=next`:        "b",
		`<a,b;c>; rel="last next"; title="x"`: "a,b;c",
		`<a>; title="rel=next"; rel=last`:     "",
		`<a>; REL="NEXT"`:                     "a",
		`</other>; rel="first", <b>; title="a;b"; rel="last next"`: "b",
	} {
		if got := http.LinkNext(header); got != want {
			t.Errorf("linkNext(%s) = %q, want %q", header, got, want)
		}
	}
}

func TestPointer(t *testing.T) {
	v := map[string]any{"a": []any{map[string]any{"b/c": 1, "~": 2}}, "": 3}
	for pointer, want := range map[string]any{"/a/0/b~1c": 1, "/a/0/~0": 2, "/a/1": nil, "/a/x": nil, "/a/-1": nil, "/b/c": nil} {
		if got := http.At(v, pointer); got != want {
			t.Errorf("at(%s) = %v, want %v", pointer, got, want)
		}
	}
}

func FuzzLinkNext(f *testing.F) {
	f.Add(`<a>; rel="next", <b>; rel=prev`)
	f.Fuzz(func(t *testing.T, header string) {
		if got := http.LinkNext(header); !strings.Contains(header, "<"+got+">") && got != "" {
			t.Errorf("linkNext(%q) = %q, which is no address in it", header, got)
		}
		_ = http.At(map[string]any{"a": []any{}}, header)
	})
}
