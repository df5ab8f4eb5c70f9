package expr

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// precision is how much of a date is known.
type precision uint8

const (
	toYear precision = iota
	toMonth
	toDay
	toInstant
)

// instantLayout compares as text in the order of time; meta.time has the same.
const instantLayout = "2006-01-02T15:04:05.000Z"

var dateLayouts = [...]string{toYear: "2006", toMonth: "2006-01", toDay: "2006-01-02", toInstant: instantLayout}

// moment is a date as far as it is known; its time is the first of what it may be.
type moment struct {
	time.Time
	known precision
}

func (m moment) text() string {
	if y := m.Year(); y < 1 || y > 9999 {
		return ""
	}
	return m.Format(dateLayouts[m.known])
}

// parseMoment reads YYYY, YYYY-MM, YYYY-MM-DD, an instant with its offset (RFC 3339, or +0300 as OpenMRS writes it), or the
// seconds since 1970 that jq's now gives. A day that the calendar does not have is an error.
func parseMoment(name string, v any) (moment, error) {
	switch x := v.(type) {
	case string:
		return parseDateText(name, x)
	case int:
		return fromSeconds(name, float64(x))
	case float64:
		return fromSeconds(name, x)
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			return moment{}, callErrorf("%s: these seconds are no date", name)
		}
		return fromSeconds(name, f)
	}
	return moment{}, callErrorf("%s takes a date as text, this is %s", name, typeName(v))
}

func fromSeconds(name string, s float64) (moment, error) {
	if math.IsNaN(s) || s < -62135596800 || s > 253402300799 { // the years 1 to 9999
		return moment{}, callErrorf("%s: these seconds are no date", name)
	}
	return moment{time.UnixMilli(int64(math.Round(s * 1000))).UTC(), toInstant}, nil
}

func parseDateText(name, s string) (moment, error) {
	for p, layout := range dateLayouts[:toInstant] {
		if len(s) != len(layout) {
			continue
		}
		t, err := time.Parse(layout, s)
		if err != nil {
			return moment{}, noDate(name, err)
		}
		return moment{t, precision(p)}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"} {
		t, err := time.Parse(layout, s) // takes fractions of a second too
		if err == nil {
			return moment{t.UTC(), toInstant}, nil
		}
		if strings.Contains(err.Error(), "out of range") {
			return moment{}, noDate(name, err)
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04"} {
		if _, err := time.Parse(layout, s); err == nil {
			return moment{}, callErrorf("%s: this time has no zone; append Z or an offset such as +03:00", name)
		}
	}
	return moment{}, callErrorf("%s: this is no date; dates are written 2024, 2024-02, 2024-02-29 or 2024-02-29T10:00:00Z", name)
}

// noDate does not quote the text: it may be a patient's date of birth.
func noDate(name string, err error) error {
	if strings.Contains(err.Error(), "out of range") {
		return callErrorf("%s: the calendar has no such day or time", name)
	}
	return callErrorf("%s: this is no date; dates are written 2024, 2024-02, 2024-02-29 or 2024-02-29T10:00:00Z", name)
}

func callDate(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	m, err := parseMoment("date", v)
	if err != nil {
		return nil, err
	}
	return m.text(), nil
}

// span is what is added to a date.
type span struct {
	years, months, days int
	clock               time.Duration
}

var spanUnits = []string{"mo", "y", "w", "d", "h", "m", "s"}

// parseSpan reads 3d, -2mo, 1y6mo, 90m.
func parseSpan(s string) (span, error) {
	bad := callErrorf("date_add: write what to add as 3d, -2mo, 1y, 12h or 1y6mo")
	rest, sign := strings.TrimPrefix(s, "+"), 1
	if r, ok := strings.CutPrefix(rest, "-"); ok {
		rest, sign = r, -1
	}
	var out span
	if rest == "" {
		return out, bad
	}
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n > 1_000_000_000 {
			return out, bad
		}
		n *= sign
		rest = rest[digits:]
		unit := ""
		for _, u := range spanUnits {
			if strings.HasPrefix(rest, u) {
				unit = u
				break
			}
		}
		rest = strings.TrimPrefix(rest, unit)
		switch unit {
		case "y":
			out.years += n
		case "mo":
			out.months += n
		case "w":
			out.days += 7 * n
		case "d":
			out.days += n
		case "h":
			out.clock += time.Duration(n) * time.Hour
		case "m":
			out.clock += time.Duration(n) * time.Minute
		case "s":
			out.clock += time.Duration(n) * time.Second
		default:
			return out, bad
		}
	}
	const far = 100_000
	if max(out.years, -out.years) > far || max(out.months, -out.months) > 12*far || max(out.days, -out.days) > 366*far || out.clock.Hours() > 9_000_000_000 {
		return out, bad
	}
	return out, nil
}

func callDateAdd(v, by any) (any, error) {
	if v == nil {
		return nil, nil
	}
	m, err := parseMoment("date_add", v)
	if err != nil {
		return nil, err
	}
	text, ok := by.(string)
	if !ok {
		return nil, callErrorf("date_add: what to add is text such as 3d, this is %s", typeName(by))
	}
	s, err := parseSpan(text)
	if err != nil {
		return nil, err
	}
	switch {
	case s.clock != 0 && m.known != toInstant:
		return nil, callErrorf("date_add: a date without a time cannot be moved by h, m or s")
	case s.days != 0 && m.known < toDay:
		return nil, callErrorf("date_add: a date without a day cannot be moved by d or w")
	case s.months != 0 && m.known < toMonth:
		return nil, callErrorf("date_add: a date without a month cannot be moved by mo")
	}
	m.Time = addMonths(m.Time, 12*s.years+s.months).AddDate(0, 0, s.days).Add(s.clock)
	if m.text() == "" {
		return nil, callErrorf("date_add: that is outside the years 1 to 9999")
	}
	return m.text(), nil
}

// addMonths keeps the day, or takes the month's last: time.AddDate would go on into the next.
func addMonths(t time.Time, months int) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(d, last)-1)
}

func callDateDiff(from, to, unit any) (any, error) {
	if from == nil || to == nil {
		return nil, nil
	}
	a, err := parseMoment("date_diff", from)
	if err != nil {
		return nil, err
	}
	b, err := parseMoment("date_diff", to)
	if err != nil {
		return nil, err
	}
	secs := map[any]int64{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
	switch unit {
	case "y":
		return monthsBetween(a.Time, b.Time) / 12, nil
	case "mo":
		return monthsBetween(a.Time, b.Time), nil
	}
	n, ok := secs[unit]
	if !ok {
		return nil, callErrorf("date_diff: a unit is one of y, mo, w, d, h, m and s")
	}
	ms := b.UnixMilli() - a.UnixMilli()
	return int(ms / (n * 1000)), nil
}

// monthsBetween counts whole months from a to b, negative where b is earlier. Who is born on 29 February turns a year older
// on 1 March.
func monthsBetween(a, b time.Time) int {
	if b.Before(a) {
		return -monthsBetween(b, a)
	}
	n := 12*(b.Year()-a.Year()) + int(b.Month()) - int(a.Month())
	da, db := b.Day()-a.Day(), clockOf(b)-clockOf(a)
	if da < 0 || da == 0 && db < 0 {
		n--
	}
	return n
}

func clockOf(t time.Time) time.Duration {
	return t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC))
}

func callDateFormat(_ *Compiler, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	m, err := parseMoment("date_format", a[0])
	if err != nil {
		return nil, err
	}
	layout, ok := a[1].(string)
	if !ok {
		return nil, callErrorf("date_format: a layout is text such as %%d.%%m.%%Y, this is %s", typeName(a[1]))
	}
	t := m.Time
	if len(a) > 2 && a[2] != nil {
		name, _ := a[2].(string)
		zone, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			return nil, callErrorf("date_format: there is no such time zone; zones are named as in Africa/Nairobi")
		}
		if m.known == toInstant {
			t = t.In(zone)
		}
	}
	return strftime(t, layout, m.known)
}

// signs are the signs of strftime, what they need to be known, and how they are written.
var signs = map[byte]struct {
	needs precision
	write func(t time.Time) string
}{
	'Y': {toYear, layoutOf("2006")}, 'y': {toYear, layoutOf("06")},
	'm': {toMonth, layoutOf("01")}, 'B': {toMonth, layoutOf("January")}, 'b': {toMonth, layoutOf("Jan")},
	'd': {toDay, layoutOf("02")}, 'e': {toDay, layoutOf("_2")}, 'j': {toDay, layoutOf("002")},
	'A': {toDay, layoutOf("Monday")}, 'a': {toDay, layoutOf("Mon")}, 'F': {toDay, layoutOf("2006-01-02")},
	'u': {toDay, func(t time.Time) string { return strconv.Itoa((int(t.Weekday())+6)%7 + 1) }},
	'V': {toDay, func(t time.Time) string { _, w := t.ISOWeek(); return fmt.Sprintf("%02d", w) }},
	'G': {toDay, func(t time.Time) string { y, _ := t.ISOWeek(); return fmt.Sprintf("%04d", y) }},
	'H': {toInstant, layoutOf("15")}, 'I': {toInstant, layoutOf("03")}, 'M': {toInstant, layoutOf("04")},
	'S': {toInstant, layoutOf("05")}, 'p': {toInstant, layoutOf("PM")}, 'T': {toInstant, layoutOf("15:04:05")},
	'R': {toInstant, layoutOf("15:04")}, 'z': {toInstant, layoutOf("-0700")}, 'Z': {toInstant, layoutOf("MST")},
	'L': {toInstant, func(t time.Time) string { return fmt.Sprintf("%03d", t.Nanosecond()/1e6) }},
	's': {toInstant, func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }},
}

func layoutOf(l string) func(time.Time) string {
	return func(t time.Time) string { return t.Format(l) }
}

func strftime(t time.Time, layout string, known precision) (any, error) {
	var b strings.Builder
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' {
			b.WriteByte(layout[i])
			continue
		}
		i++
		if i == len(layout) {
			return nil, callErrorf("date_format: the layout ends in a single %%")
		}
		if layout[i] == '%' {
			b.WriteByte('%')
			continue
		}
		s, ok := signs[layout[i]]
		switch {
		case !ok:
			return nil, callErrorf("date_format: %%%c is no sign of a layout", layout[i])
		case s.needs > known:
			return nil, callErrorf("date_format: %%%c is not known of a date that is only a %s", layout[i], [...]string{"year", "month", "day"}[known])
		}
		b.WriteString(s.write(t))
	}
	return b.String(), nil
}
