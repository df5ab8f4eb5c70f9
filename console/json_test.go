package console_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/console"
)

func TestTextKeepsEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := console.Text(rapid.SliceOf(rapid.Byte()).Draw(t, "body"))
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out console.Text
		if err := json.Unmarshal(b, &out); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%q became %s, and then %q, %v", in, b, out, err)
		}
	})
	for _, bad := range []string{`{"base64": 1}`, `{"base64": "!"}`, `{"base": ""}`, `12`, `["a"]`, `{}`} {
		var out console.Text
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("%s was taken as %q", bad, out)
		}
	}
}

func TestFilterSurvivesAURL(t *testing.T) {
	word := rapid.StringMatching(`[a-zA-Z0-9 /&=%?#äö.-]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		f := console.Filter{Route: word.Draw(t, "route"), System: word.Draw(t, "system"), Class: word.Draw(t, "class"), Key: word.Draw(t, "key"),
			ID: word.Draw(t, "id"), Text: word.Draw(t, "text"), Map: word.Draw(t, "map"), Since: word.Draw(t, "since"), Until: word.Draw(t, "until"),
			Status: rapid.SliceOfN(rapid.SampledFrom([]string{"held", "dead", "delivered"}), 0, 3).Draw(t, "status"),
			Parent: rapid.Int64Range(0, 1<<62).Draw(t, "parent"), Before: rapid.Int64Range(0, 1<<62).Draw(t, "before"), Limit: rapid.IntRange(0, 5000).Draw(t, "limit")}
		v, err := url.ParseQuery(f.Values().Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := console.FilterOf(v)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("differs (-want +got):\n%s", d)
		}
	})
}

func TestMoment(t *testing.T) {
	zone := time.FixedZone("EAT", 3*3600)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, zone)
	for in, want := range map[string]time.Time{
		"":                          {},
		"2026-03-01":                time.Date(2026, 3, 1, 0, 0, 0, 0, zone),
		"2026-03-01T08:30":          time.Date(2026, 3, 1, 8, 30, 0, 0, zone),
		"2026-03-01 08:30:15":       time.Date(2026, 3, 1, 8, 30, 15, 0, zone),
		"2026-03-01T08:00:00Z":      time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
		"2026-03-01T08:00:00+03:00": time.Date(2026, 3, 1, 8, 0, 0, 0, zone),
		"90m":                       now.Add(-90 * time.Minute),
		"1h30m":                     now.Add(-90 * time.Minute),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"2w":                        now.Add(-14 * 24 * time.Hour),
	} {
		got, err := console.Moment(in, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("Moment(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, bad := range []string{"yesterday", "7", "-1h", "-7d", "2026-02-30", "d", "99999999999999d", strings.Repeat("9", 400) + "h"} {
		if got, err := console.Moment(bad, now); err == nil {
			t.Errorf("Moment(%q) = %v, want an error", bad, got)
		}
	}
}
