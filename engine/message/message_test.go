package message_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/njia-health/njia/engine/message"
	"pgregory.net/rapid"
)

func TestDecodeKeepsDigits(t *testing.T) {
	const in = `{"a":9007199254740993,"b":0.10,"c":1.000,"d":123456789012345678901234567890,"e":1e3,"f":-0}`
	v, err := message.Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": 9007199254740993, "b": json.Number("0.10"), "c": json.Number("1.000"),
		"d": json.Number("123456789012345678901234567890"), "e": json.Number("1e3"), "f": json.Number("-0")}
	if d := cmp.Diff(want, v); d != "" {
		t.Errorf("Decode(%s) differs (-want +got):\n%s", in, d)
	}
	out, err := message.Encode(v)
	if err != nil || string(out) != in {
		t.Errorf("Encode(Decode(%s)) = %s, %v", in, out, err)
	}
}

func TestDecodeSaysWhereItStops(t *testing.T) {
	for name, c := range map[string]struct {
		in        string
		line, col int
	}{
		"a missing comma":    {"{\n \"a\": 1\n \"b\": 2}", 3, 2},
		"a cut off document": {`{"a":`, 1, 6},
		"two documents":      {`{} {}`, 1, 1},
		"a bare word":        {`nope`, 1, 2},
	} {
		_, err := message.Decode([]byte(c.in))
		var syn *message.SyntaxError
		if !errors.As(err, &syn) || syn.Line != c.line || syn.Column != c.col {
			t.Errorf("%s: Decode(%q) = %v, want a SyntaxError at %d:%d", name, c.in, err, c.line, c.col)
		}
	}
	if v, err := message.Decode([]byte(" \n{}\n ")); err != nil || v == nil {
		t.Errorf("white space around a document: %v, %v", v, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.50,"x",null,true]}`))
	f.Add([]byte(`[[[]]] x`))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := message.Decode(in)
		if err != nil || v == nil {
			return
		}
		out, err := message.Encode(v)
		if err != nil {
			t.Fatalf("decoded but cannot be encoded: %v", err)
		}
		again, err := message.Decode(out)
		if err != nil || !cmp.Equal(v, again) {
			t.Fatalf("Decode(Encode(v)) differs: %v\n%s", err, cmp.Diff(v, again))
		}
	})
}

func TestChildIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := message.ID(rapid.String().Draw(t, "id"))
		n := rapid.String().Draw(t, "n")
		first, again := id.Child(n), id.Child(n)
		if first != again || first == id.Child(n+"x") {
			t.Fatal("a child's ID must depend on its arguments alone")
		}
	})
}
