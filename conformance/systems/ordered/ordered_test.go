package ordered_test

import (
	"encoding/json"
	"testing"

	"github.com/njia-health/njia/conformance/systems/ordered"
	"pgregory.net/rapid"
)

func TestPythonForm(t *testing.T) {
	v := ordered.Of("z", []any{int64(1), 2.0, 1e16, 0.00001, nil, true}, "a", ordered.Of("é\"\n\x01", "☃/<"))
	const want = `{"z": [1, 2.0, 1e+16, 1e-05, null, true], "a": {"é\"\n\u0001": "☃/<"}}`
	if got := string(ordered.Python(v)); got != want {
		t.Errorf("Python = %s, want %s", got, want)
	}
}

func TestKeysKeepTheirPlace(t *testing.T) {
	v, err := ordered.Parse([]byte(`{"b":1,"a":2.0,"c":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	m := v.(*ordered.Map)
	m.Set("b", "x")
	m.SetAfter("b", "n", false)
	m.SetAfter("none", "last", nil)
	m.Delete("a")
	if got, want := string(ordered.Compact(m)), `{"b":"x","n":false,"c":{},"last":null}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "{", `{"a":1} x`, `{"a" 1}`, "[1,]"} {
		if v, err := ordered.Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%q) = %v", text, v)
		}
	}
}

// What is written and read again is written the same.
func TestPrintParse(t *testing.T) {
	var value *rapid.Generator[any]
	leaf := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil))
	value = rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.String(), leaf, 0, 3), func(m map[string]any) any { return ordered.FromPlain(m) }))
	rapid.Check(t, func(t *rapid.T) {
		text := ordered.Compact(value.Draw(t, "value"))
		v, err := ordered.Parse(text)
		if err != nil {
			t.Fatalf("Parse(%s): %v", text, err)
		}
		if again := ordered.Compact(v); string(again) != string(text) {
			t.Errorf("%s became %s", text, again)
		}
		if !json.Valid(ordered.Python(v)) {
			t.Errorf("Python form of %s is no JSON", text)
		}
	})
}
