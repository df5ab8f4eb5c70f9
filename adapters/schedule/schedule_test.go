package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters/schedule"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

func TestAdapter(t *testing.T) {
	adaptertest.Run(t, schedule.Adapter(), adaptertest.Harness{
		Sources: map[string]adaptertest.Source{"cron": func(testing.TB) *adaptertest.Way {
			return &adaptertest.Way{
				With: `cron: "0 0 1 1 *"`,
				// What happens outside is that somebody wants a run now: time itself is tested in a bubble below.
				Put: func(in *adaptertest.Inbox, _ []byte) error {
					n := in.Count()
					in.Nudge()
					return in.Until(t.Context(), func() bool { return in.Count() > n })
				},
				Of: func(m message.Message) []byte {
					if v, err := m.JSON(); err != nil || v.(map[string]any)["run"] != "now" {
						return []byte("another body")
					}
					return nil
				},
				Body: func(int) []byte { return nil },
			}
		}},
		Not: map[string]string{
			"keeps bytes":                    "nothing comes from outside but the time",
			"empty body":                     "the body is the adapter's own",
			"10 MB":                          "the body is the adapter's own",
			"unicode":                        "the body is the adapter's own",
			"stable ids":                     "a run that somebody wants now has no time of its own; TestStableIDs tests the others",
			"acknowledges only after accept": "there is nobody to acknowledge to",
			"reconnects":                     "there is no connection",
			"slow accept blocks it":          "eight nudges while it is blocked are one; TestMissed tests what waits behind a slow route",
			"stops when cancelled":           "a nudge that is cut off is not put again; TestMissed ends in the middle of everything",
		},
	})
}

// bubble runs the source from a time on, in its inbox, until the function returns.
func bubble(t *testing.T, with string, in *adaptertest.Inbox, during func()) {
	t.Helper()
	d := schedule.Adapter()
	conn, err := d.Open(t.Context(), adapter.Env{System: "s", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Source("cron").Run(ctx, conn, adaptertest.Node(t, with, ""), in) }()
	synctest.Wait()
	during()
	synctest.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
}

// until sleeps to a time of the bubble's clock, which begins at midnight UTC 2000-01-01.
func until(t *testing.T, stamp string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(at); d > 0 {
		time.Sleep(d)
	}
	synctest.Wait()
}

func scheduled(t *testing.T, in *adaptertest.Inbox) []string {
	t.Helper()
	var out []string
	for _, m := range in.Taken() {
		v, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		b := v.(map[string]any)
		s := b["scheduled"].(string)
		if n := b["missed"].(int); n > 0 {
			s += " missed " + string(rune('0'+n))
		}
		out = append(out, s)
	}
	return out
}

func TestFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		bubble(t, `{cron: "0 2 * * *", zone: America/New_York, body: {report: daily}}`, in, func() { until(t, "2000-04-04T00:00:00Z") })
		got := scheduled(t, in)
		// 2 April 2000, 02:00 EST becomes 03:00 EDT, which is the same instant; from then on it is an hour earlier in UTC.
		want := []string{"2000-04-01T07:00:00Z", "2000-04-02T07:00:00Z", "2000-04-03T06:00:00Z"}
		if d := cmp.Diff(want, got[len(got)-3:]); d != "" || len(got) != 94 {
			t.Errorf("%d runs, want 94; the last (-want +got):\n%s", len(got), d)
		}
		if b := string(in.Taken()[0].Body); !strings.Contains(b, `"report":"daily"`) || !strings.Contains(b, `"fired":"2000-01-01T07:00:00Z"`) {
			t.Errorf("body = %s", b)
		}
	})
}

func TestMissed(t *testing.T) {
	for with, want := range map[string][]string{
		`{cron: "0 * * * *", missed: skip}`: {"2000-01-01T01:00:00Z", "2000-01-01T06:00:00Z"},
		`{cron: "0 * * * *", missed: once}`: {"2000-01-01T01:00:00Z", "2000-01-01T05:00:00Z missed 4", "2000-01-01T06:00:00Z"},
		`{cron: "0 * * * *", missed: all}`: {"2000-01-01T01:00:00Z", "2000-01-01T02:00:00Z missed 1", "2000-01-01T03:00:00Z missed 1", "2000-01-01T04:00:00Z missed 1",
			"2000-01-01T05:00:00Z missed 1", "2000-01-01T06:00:00Z"},
		`{every: 1h}`: {"2000-01-01T01:00:00Z", "2000-01-01T05:00:00Z missed 4", "2000-01-01T06:00:00Z"},
	} {
		t.Run(with+" after the engine was down", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := &adaptertest.Inbox{}
				bubble(t, with, in, func() { until(t, "2000-01-01T01:30:00Z") })
				got := scheduled(t, in)
				until(t, "2000-01-01T05:30:00Z")
				again := in.Again()
				bubble(t, with, again, func() { until(t, "2000-01-01T06:30:00Z") })
				if d := cmp.Diff(want, append(got, scheduled(t, again)...)); d != "" {
					t.Errorf("runs (-want +got):\n%s", d)
				}
			})
		})
		t.Run(with+" behind a slow route", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := &adaptertest.Inbox{}
				bubble(t, with, in, func() {
					until(t, "2000-01-01T00:30:00Z")
					in.Block()
					until(t, "2000-01-01T05:30:00Z")
					in.Unblock()
					until(t, "2000-01-01T06:30:00Z")
					in.Block()
					until(t, "2000-01-01T07:30:00Z") // cancelled within Accept
				})
				if d := cmp.Diff(want, scheduled(t, in)); d != "" {
					t.Errorf("runs (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestATimeThatPassesBeforeTheFirstRunIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		bubble(t, `cron: "0 18 * * *"`, in, func() { until(t, "2000-01-01T17:00:00Z") })
		until(t, "2000-01-01T19:00:00Z")
		in = in.Again()
		bubble(t, `cron: "0 18 * * *"`, in, func() {})
		if d := cmp.Diff([]string{"2000-01-01T18:00:00Z missed 1"}, scheduled(t, in)); d != "" {
			t.Errorf("runs (-want +got):\n%s", d)
		}
	})
}

func TestALongDowntimeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		bubble(t, `cron: "* * * * * *"`, in, func() { until(t, "2000-01-01T00:00:03Z") })
		until(t, "2003-01-01T00:00:00Z")
		in = in.Again()
		bubble(t, `cron: "* * * * * *"`, in, func() {})
		if in.Count() != 1 || !in.Taken()[0].Time.IsZero() || in.Taken()[0].Headers["scheduled"] != "2003-01-01T00:00:00Z" {
			t.Errorf("taken %v, want the latest second alone", in.Taken())
		}
	})
}

func TestRefusedIsOfferedAgainWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		in.Refuse(3, errors.New("full"))
		bubble(t, `every: 1h`, in, func() { until(t, "2000-01-01T02:30:00Z") })
		if d := cmp.Diff([]string{"2000-01-01T01:00:00Z", "2000-01-01T02:00:00Z"}, scheduled(t, in)); d != "" {
			t.Errorf("runs (-want +got):\n%s", d)
		}
		ids := map[string]int{}
		for _, m := range in.Offers() {
			ids[adaptertest.StableID(m)]++
		}
		if len(ids) != 2 || ids[adaptertest.StableID(in.Taken()[0])] != 4 {
			t.Errorf("ids offered: %v, want one four times and one once", ids)
		}
	})
}

func TestStableIDs(t *testing.T) {
	run := func(with string) (ids []string) {
		synctest.Test(t, func(t *testing.T) {
			in := &adaptertest.Inbox{}
			bubble(t, with, in, func() { until(t, "2000-01-01T02:30:00Z") })
			for _, m := range in.Taken() {
				ids = append(ids, adaptertest.StableID(m))
			}
		})
		return ids
	}
	first := run(`cron: "0 * * * *"`)
	if d := cmp.Diff(first, run(`cron: "0 * * * *"`)); d != "" || first[0] == first[1] {
		t.Errorf("the ids of two equal runs differ, or those of two times do not: %v\n%s", first, d)
	}
	if other := run(`cron: "0 */1 * * *"`); other[0] == first[0] {
		t.Errorf("two schedules have one id: %s", other[0])
	}
}

func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		bubble(t, `every: 1h`, in, func() {
			until(t, "2000-01-01T00:20:00Z")
			in.Nudge()
			until(t, "2000-01-01T01:20:00Z")
		})
		if d := cmp.Diff([]string{"2000-01-01T00:20:00Z", "2000-01-01T01:00:00Z"}, scheduled(t, in)); d != "" {
			t.Errorf("a run now does not move the schedule; runs (-want +got):\n%s", d)
		}
		if run := in.Taken()[0].Headers["run"]; run != "now" {
			t.Errorf("run = %q, want now", run)
		}
	})
}

func TestACursorOfAWrongClockIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		if err := in.Save(t.Context(), "2036-01-01T00:00:00Z", nil); err != nil {
			t.Fatal(err)
		}
		bubble(t, `cron: "0 * * * *"`, in, func() { until(t, "2000-01-01T01:30:00Z") })
		if d := cmp.Diff([]string{"2000-01-01T01:00:00Z"}, scheduled(t, in)); d != "" {
			t.Errorf("runs (-want +got):\n%s", d)
		}
	})
}

func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &adaptertest.Inbox{}
		bubble(t, `{every: 1h, jitter: 10m}`, in, func() { until(t, "2000-01-01T10:30:00Z") })
		late := 0
		for _, m := range in.Taken() {
			v, _ := m.JSON()
			b := v.(map[string]any)
			fired, err1 := time.Parse(time.RFC3339Nano, b["fired"].(string))
			due, err2 := time.Parse(time.RFC3339Nano, b["scheduled"].(string))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if d := fired.Sub(due); d < 0 || d > 10*time.Minute {
				t.Errorf("fired %s after its time", d)
			} else if d > 0 {
				late++
			}
		}
		if late == 0 || in.Count() != 10 {
			t.Errorf("%d of %d were late, want 10 and most of them", late, in.Count())
		}
	})
}

func TestSettingsThatDoNotGoTogether(t *testing.T) {
	for with, want := range map[string]string{
		"{}":                                    "settings.yaml:1:1: give cron or every",
		`{cron: "@daily", every: 5m}`:           "settings.yaml:1:25: cron and every are both given",
		`{every: 10ms}`:                         "settings.yaml:1:9: the shortest interval is 1s",
		"cron: \"0 0 31 2 *\"\nzone: Mars/Base": "settings.yaml:1:7: this cron line never comes true\nsettings.yaml:2:7: \"Mars/Base\" is no time zone",
		`{every: 1h, missed: twice}`:            "settings.yaml:1:21: missed is skip, once or all, this is text",
	} {
		if got := schedule.Adapter().Source("cron").Check(adaptertest.Node(t, with, "")).Error(); got != want {
			t.Errorf("Check(%s) =\n%s\nwant\n%s", with, got, want)
		}
	}
}
