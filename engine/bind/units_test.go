package bind_test

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/message"
)

func TestUnits(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond, "15s": 15 * time.Second, "2m": 2 * time.Minute, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "2w": 336 * time.Hour, "1.5h": 90 * time.Minute, "0s": 0, "0": 0,
	} {
		if got, err := bind.ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "s", "5", "5x", "-5s", "5 s", "1h 5m", "5S", "..5s", "1e3s", "+5s", "5s-", "NaNs", "999999999w"} {
		if got, err := bind.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
	for s, want := range map[string]bind.Size{"512": 512, "0": 0, "512B": 512, "10KB": 10240, "10kb": 10240, "10 MB": 10 << 20, "1.5GB": 3 << 29, "1KiB": 1024, "1TB": 1 << 40} {
		if got, err := bind.ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %v, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MB", "-1", "1XB", "1e3", "1..5MB", "99999999999GB", "IB", "1M B I"} {
		if got, err := bind.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %v, want an error", s, got)
		}
	}
	for s, want := range map[string]bind.Rate{"20/s": {20, time.Second}, "100/m": {100, time.Minute}, "1000 / h": {1000, time.Hour}, "0.5/s": {0.5, time.Second}, "5/10s": {5, 10 * time.Second}, "1/d": {1, 24 * time.Hour}} {
		if got, err := bind.ParseRate(s); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "20", "/s", "20/", "0/s", "-1/s", "20/x", "20/0s", "Inf/s", "1e9/s", "20/s/s"} {
		if got, err := bind.ParseRate(s); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", s, got)
		}
	}
}

// TestUnitsPrint: what is printed reads back as the same value.
func TestUnitsPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 50*365*24*3600*1000)
		d := time.Duration(ms.Draw(t, "ms")) * time.Millisecond
		if got, err := bind.ParseDuration(bind.FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v prints as %s, which reads as %v, %v", d, bind.FormatDuration(d), got, err)
		}
		to := d + time.Duration(ms.Draw(t, "more"))*time.Millisecond
		r := bind.Range{From: d, To: to}
		if got, err := bind.ParseRange(r.String()); err != nil || got != r {
			t.Fatalf("%v reads as %v, %v", r, got, err)
		}
		s := bind.Size(rapid.Int64Range(0, 1<<42).Draw(t, "size"))
		if got, err := bind.ParseSize(s.String()); err != nil || got != s {
			t.Fatalf("%d prints as %s, which reads as %d, %v", int64(s), s, int64(got), err)
		}
		rate := bind.Rate{N: float64(rapid.IntRange(1, 1e6).Draw(t, "n")), Per: rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 90 * time.Second}).Draw(t, "per")}
		if got, err := bind.ParseRate(rate.String()); err != nil || got != rate {
			t.Fatalf("%v prints as %s, which reads as %v, %v", rate, rate, got, err)
		}
	})
}

func FuzzUnits(f *testing.F) {
	for _, s := range []string{"15s", "1h30m", "10MB", "20/s", "2s..15m", "..", "1.5.5s", "9e99h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := bind.ParseDuration(s); err == nil && d < 0 {
			t.Errorf("ParseDuration(%q) = %v", s, d)
		}
		if n, err := bind.ParseSize(s); err == nil && n < 0 {
			t.Errorf("ParseSize(%q) = %v", s, n)
		}
		if r, err := bind.ParseRate(s); err == nil && (r.N <= 0 || r.Per <= 0) {
			t.Errorf("ParseRate(%q) = %v", s, r)
		}
		if r, err := bind.ParseRange(s); err == nil && (r.From < 0 || r.From > r.To) {
			t.Errorf("ParseRange(%q) = %v", s, r)
		}
	})
}

// TestFromValue: a tree made into a Node is the same tree again.
func TestFromValue(t *testing.T) {
	var tree func(depth int) *rapid.Generator[any]
	tree = func(depth int) *rapid.Generator[any] {
		scalars := []*rapid.Generator[any]{
			rapid.Just(any(nil)), rapid.Bool().AsAny(), rapid.Int().AsAny(), rapid.String().AsAny(),
			rapid.SampledFrom([]any{json.Number("1.10"), json.Number("1e400"), json.Number("-0"), json.Number("99999999999999999999")}),
		}
		if depth > 2 {
			return rapid.OneOf(scalars...)
		}
		return rapid.OneOf(append(scalars,
			rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(tree(depth+1), 0, 4).Draw(t, "list") }),
			rapid.Custom(func(t *rapid.T) any {
				return rapid.MapOfN(rapid.String(), tree(depth+1), 0, 4).Draw(t, "map")
			}))...)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := tree(0).Draw(t, "tree")
		got := bind.FromValue(v, "base").Value()
		if diff := cmp.Diff(v, got); diff != "" {
			t.Fatalf("FromValue(%v).Value() (-want +got)\n%s", v, diff)
		}
	})
}

func TestFromOtherValues(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	type word string
	for _, c := range []struct{ in, want any }{
		{int64(5), 5}, {uint8(5), 5}, {float64(1.5), json.Number("1.5")}, {float64(3), 3}, {huge, json.Number(huge.String())}, {word("a"), "a"},
		{[]string{"a"}, []any{"a"}}, {map[string]string{"a": "b"}, map[string]any{"a": "b"}}, {map[string]int{"a": 1}, map[string]any{"a": 1}}, {(*big.Int)(nil), nil},
		{[]byte("x"), "x"},
	} {
		if diff := cmp.Diff(c.want, bind.FromValue(c.in, "").Value()); diff != "" {
			t.Errorf("FromValue(%v) (-want +got)\n%s", c.in, diff)
		}
	}
	if b := bind.FromValue(map[string]any{"a": []any{"b"}}, "base").Items[0].Items[0].Base; b != "base" {
		t.Errorf("base is %q", b)
	}
}

// FuzzDecode: no tree makes Decode panic, and every error says something.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"url":"a","every":"15s","login":{"user":1},"names":[null,[]],"hosts":{"a":null},"max":-1}`))
	f.Add([]byte(`{"url":null,"any":{},"node":[],"flag":"x","small":1e400,"rate":"1/0","color":{},"number":"","at":5}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := message.Decode(b)
		if err != nil {
			return
		}
		var s settings
		for _, e := range bind.Decode(bind.FromValue(v, ""), &s) {
			if e.Text == "" {
				t.Errorf("%s: an error that says nothing", b)
			}
		}
	})
}
