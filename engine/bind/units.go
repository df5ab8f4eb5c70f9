package bind

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var units = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// ParseDuration reads 15s, 500ms, 1h30m, 7d or 2w; 0 needs no unit. A day has 24 hours. The error's text is a hint.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, fmt.Errorf("say which unit: %ss, %sm or %sh", s, s, s)
	}
	bad := errors.New("units are ms, s, m (minutes), h, d and w, as in 1h30m")
	if s == "" {
		return 0, bad
	}
	const most = 100 * 365 * 24 * time.Hour
	var total time.Duration
	for rest := s; rest != ""; {
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		u := n
		for u < len(rest) && rest[u] >= 'a' && rest[u] <= 'z' {
			u++
		}
		x, err := strconv.ParseFloat(rest[:n], 64)
		unit, ok := units[rest[n:u]]
		if err != nil || !ok {
			return 0, bad
		}
		if x*float64(unit) > float64(most) {
			return 0, errors.New("at most 100 years")
		}
		if i, err := strconv.ParseInt(rest[:n], 10, 64); err == nil {
			total += time.Duration(i) * unit
		} else {
			total += time.Duration(math.Round(x * float64(unit)))
		}
		if total > most {
			return 0, errors.New("at most 100 years")
		}
		rest = rest[u:]
	}
	return total, nil
}

// FormatDuration writes d as ParseDuration reads it: 15s, 1h30m, 7d.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []string{"d", "h", "m", "s", "ms"} {
		if n := d / units[u]; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u)
			d -= n * units[u]
		}
	}
	if d > 0 { // below a millisecond
		if b.Len() > 0 {
			return b.String()
		}
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
	}
	return b.String()
}

var sizes = []struct {
	unit  string
	bytes float64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// ParseSize reads 512, 10KB, 10MB or 1GB, in powers of 1024; KiB means the same. The error's text is a hint.
func ParseSize(s string) (Size, error) {
	bad := errors.New("units are KB, MB and GB")
	t := strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	t = strings.Replace(t, "IB", "B", 1)
	factor := 1.0
	for _, u := range sizes {
		if rest, ok := strings.CutSuffix(t, u.unit); ok {
			t, factor = rest, u.bytes
			break
		}
	}
	if t == "" || strings.Trim(t, "0123456789.") != "" {
		return 0, bad
	}
	x, err := strconv.ParseFloat(t, 64)
	if err != nil || x*factor >= math.MaxInt64 {
		return 0, bad
	}
	return Size(math.Round(x * factor)), nil
}

func (s Size) String() string {
	for _, u := range sizes {
		if s > 0 && int64(s)%int64(u.bytes) == 0 && u.unit != "B" {
			return strconv.FormatInt(int64(s)/int64(u.bytes), 10) + u.unit
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// ParseRate reads 20/s, 100/m, 1000/h, 5000/d or 10/15s. The error's text is a hint.
func ParseRate(s string) (Rate, error) {
	bad := errors.New("write how many in what time: 20/s, 100/m or 1000/h")
	a, b, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), "/")
	if !ok || a == "" || b == "" || strings.Trim(a, "0123456789.") != "" {
		return Rate{}, bad
	}
	n, err := strconv.ParseFloat(a, 64)
	per, isUnit := units[b]
	if !isUnit {
		var e error
		if per, e = ParseDuration(b); e != nil {
			return Rate{}, bad
		}
	}
	if err != nil || n <= 0 || math.IsInf(n, 0) || per <= 0 {
		return Rate{}, bad
	}
	return Rate{N: n, Per: per}, nil
}

func (r Rate) String() string {
	if r.N == 0 {
		return ""
	}
	per := FormatDuration(r.Per)
	for name, d := range units {
		if d == r.Per {
			per = name
		}
	}
	return strconv.FormatFloat(r.N, 'f', -1, 64) + "/" + per
}

// ParseRange reads 2s..15m, or one duration as both ends. The error's text is a hint.
func ParseRange(s string) (Range, error) {
	a, b, two := strings.Cut(s, "..")
	if !two {
		b = a
	}
	from, err := ParseDuration(strings.TrimSpace(a))
	if err != nil {
		return Range{}, err
	}
	to, err := ParseDuration(strings.TrimSpace(b))
	if err != nil {
		return Range{}, err
	}
	if from > to {
		return Range{}, errors.New("the shorter one comes first")
	}
	return Range{From: from, To: to}, nil
}

func (r Range) String() string {
	if r.From == r.To {
		return FormatDuration(r.From)
	}
	return FormatDuration(r.From) + ".." + FormatDuration(r.To)
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("RFC 3339: date, T, time, and Z or an offset such as +03:00")
}
