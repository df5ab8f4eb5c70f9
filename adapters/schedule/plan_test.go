package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/schedule"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestNextOverChangesOfTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		cron, zone, from string
		want             []string
	}{
		"without changes": {"30 8 * * 1-5", "Africa/Nairobi", "2026-01-02T08:30:00+03:00",
			[]string{"2026-01-05T08:30:00+03:00", "2026-01-06T08:30:00+03:00"}},
		"in the gap it runs at its end": {"0 2 * * *", "America/New_York", "2026-03-07T03:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"}},
		"several times in the gap are one": {"0,15,30 2 * * *", "America/New_York", "2026-03-07T03:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"}},
		"at the end of the gap it runs once": {"0 2,3 * * *", "America/New_York", "2026-03-07T04:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"}},
		"in the repeated hour it runs once, the first time": {"30 1 * * *", "America/New_York", "2026-10-31T02:00:00-04:00",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		"seen from within the repeated hour it has run": {"30 1 * * *", "America/New_York", "2026-11-01T01:10:00-05:00",
			[]string{"2026-11-02T01:30:00-05:00"}},
		"right after the repeated hour": {"0 2 * * *", "America/New_York", "2026-10-31T03:00:00-04:00",
			[]string{"2026-11-01T02:00:00-05:00", "2026-11-02T02:00:00-05:00"}},
		"every half hour goes on in the repeated hour": {"*/30 * * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"}},
		"every half hour goes on over the gap": {"*/30 * * * *", "Europe/Berlin", "2026-03-29T01:30:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		"midnight that does not exist": {"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00+02:00",
			[]string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"}},
		"half an hour of change": {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		"a day that does not exist": {"0 12 * * *", "Pacific/Apia", "2011-12-29T13:00:00-10:00",
			[]string{"2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		"leap day":            {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		"seconds":             {"*/20 * * * * *", "UTC", "2026-01-01T00:00:01Z", []string{"2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z"}},
		"day or weekday":      {"0 0 13 * 5", "UTC", "2026-02-07T00:00:00Z", []string{"2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"}},
		"@daily":              {"@daily", "Africa/Nairobi", "2026-01-01T12:00:00+03:00", []string{"2026-01-02T00:00:00+03:00"}},
		"@every":              {"@every 90m", "UTC", "2026-01-01T12:00:00Z", []string{"2026-01-01T13:30:00Z"}},
		"midnight, first day": {"0 0 1 * *", "America/Sao_Paulo", "2026-01-01T12:00:00-03:00", []string{"2026-02-01T00:00:00-03:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			line, err := schedule.ParseLine(c.cron)
			if err != nil {
				t.Fatal(err)
			}
			z := zone(t, c.zone)
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range c.want {
				at = line.In(z).Next(at)
				got = append(got, at.In(z).Format(time.RFC3339))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("Next(%s) of %q in %s (-want +got):\n%s", c.from, c.cron, c.zone, d)
			}
		})
	}
}

// A daily job runs exactly once on each day of the calendar, whatever the zone does to its clock.
func TestADailyJobRunsOnceADay(t *testing.T) {
	zones := []string{"Africa/Nairobi", "Africa/Cairo", "Africa/Casablanca", "America/New_York", "America/Sao_Paulo", "Asia/Beirut",
		"Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "America/St_Johns"}
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		h, m := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		line, err := schedule.ParseLine(time.Date(2000, 1, 1, h, m, 0, 0, time.UTC).Format("4 15 * * *"))
		if err != nil {
			t.Fatal(err)
		}
		year := rapid.IntRange(2012, 2030).Draw(t, "year")
		day := time.Date(year, 1, 1, 12, 0, 0, 0, z)
		at := line.In(z).Next(time.Date(year, 1, 1, 0, 0, 0, 0, z).Add(-time.Second))
		for range 365 {
			if got, want := at.In(z).Format(time.DateOnly), day.Format(time.DateOnly); got != want {
				t.Fatalf("%02d:%02d in %s: the run of %s is at %s", h, m, z, want, at.In(z))
			}
			at, day = line.In(z).Next(at), day.AddDate(0, 0, 1)
		}
	})
}

func TestLastIsTheOneThatNextLeadsTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"*/20 * * * * *", "5 * * * *", "30 1 * * *", "0 2 * * 0", "0 0 29 2 *", "@every 7m"}).Draw(t, "cron")
		line, err := schedule.ParseLine(text)
		if err != nil {
			t.Fatal(err)
		}
		z, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		p := line.In(z)
		after := time.Date(2026, 1, 1, 0, 0, rapid.IntRange(0, 300*86400).Draw(t, "start"), 0, time.UTC)
		until := after.Add(time.Duration(rapid.IntRange(0, 20*3600).Draw(t, "length")) * time.Second)
		var want time.Time
		for at := p.Next(after); !at.After(until) && !at.IsZero(); at = p.Next(at) {
			want = at
		}
		if got := p.Last(after, until); !got.Equal(want) {
			t.Fatalf("Last(%s, %s) of %q = %s, want %s", after, until, text, got, want)
		}
	})
}

func TestACronLineThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "a cron line has 5 fields, or 6 with seconds in front, this has 0; minute hour day month weekday, as in 0 18 * * 1-5",
		"* * * *":            "a cron line has 5 fields, or 6 with seconds in front, this has 4; minute hour day month weekday, as in 0 18 * * 1-5",
		"60 * * * *":         `minute is from 0 to 59, this is "60"; a number, a list 1,2, a range 1-5, or */15`,
		"0 0 * * 7":          `weekday is from 0 to 6, this is "7"; Sunday is 0, or sun`,
		"0 0 L * *":          `day is from 1 to 31, this is "L"; L, W and # are not known here; run on more days and use when: to choose`,
		"0 22-4 * * *":       `hour "22-4" runs backwards; write it as two: 22-23,0-4`,
		"*/0 * * * *":        `the step of minute in "*/0" is no number from 1; as in */15`,
		"TZ=0":               "the time zone does not stand in the cron line; write zone: Africa/Nairobi beside it",
		"CRON_TZ=UTC @daily": "the time zone does not stand in the cron line; write zone: Africa/Nairobi beside it",
		"@dayly":             `@dayly is not known; did you mean "@daily"?`,
		"@every":             "@every needs a length of time of a second or more; such as @every 15m",
		"@every 1ms":         "@every needs a length of time of a second or more; such as @every 15m",
		"0 0 31 2 *":         "this cron line never comes true; no such month has that day, as in 31 February",
		"0 0 * foo *":        `month is from 1 to 12, this is "foo"; or a name: jan, feb, mar, apr, may, jun, jul, aug, sep, oct, nov, dec`,
	} {
		if _, err := schedule.ParseLine(text); err == nil || err.Error() != want {
			t.Errorf("ParseLine(%q) = %v, want %s", text, err, want)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"0 18 * * 1-5", "@every 5m", "TZ=0", "*/5 0-3,7 ? jan-mar MON", "0 0 31 2 *", "1-2-3 * * * *", ", * * * *"} {
		f.Add(s)
	}
	utc := time.UTC
	f.Fuzz(func(t *testing.T, s string) {
		line, err := schedule.ParseLine(s)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without a text")
			}
			return
		}
		start := time.Date(2026, 6, 1, 0, 0, 0, 0, utc)
		if next := line.In(utc).Next(start); !next.After(start) {
			t.Errorf("%q: Next(%s) = %s, which is not after it", s, start, next)
		}
	})
}
