package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Windows and slim containers have no zones of their own

	"github.com/robfig/cron/v3"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Line is a cron line that is checked when it is read.
type Line struct {
	Text   string
	sched  cron.Schedule // runs on a clock that is never put forward or back; see Plan
	hourly bool          // runs in every hour
	every  time.Duration // of @every
}

// BindNode implements bind.Unmarshaler.
func (l *Line) BindNode(n *bind.Node) diag.List {
	if n.Hole {
		return nil
	}
	if n.Kind != bind.String {
		return diag.List{diag.Errorf(n.Pos, "a cron line is text such as \"0 18 * * *\", this is %s", n.Kind).WithHint("put it in quotes")}
	}
	line, err := ParseLine(n.Text)
	if err != nil {
		e := diag.Errorf(n.Pos, "%s", err)
		var h hinted
		if errors.As(err, &h) {
			e.Text, e.Hint = h.text, h.hint
		}
		e.Len = len([]rune(n.Text))
		return diag.List{e}
	}
	*l = line
	return nil
}

// hinted is an error with a hint.
type hinted struct{ text, hint string }

func (h hinted) Error() string { return h.text + "; " + h.hint }

// field is what a place of a cron line may hold.
type field struct {
	name     string
	min, max int
	words    []string
}

func fields() []field {
	return []field{
		{"second", 0, 59, nil}, {"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"weekday", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// ParseLine reads five or six fields, or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, @every.
func ParseLine(text string) (Line, error) {
	s := strings.TrimSpace(text)
	if d, ok := strings.CutPrefix(s, "@every"); ok {
		every, err := time.ParseDuration(strings.TrimSpace(d))
		if err != nil || every < time.Second {
			return Line{}, hinted{"@every needs a length of time of a second or more", "such as @every 15m"}
		}
		return Line{Text: text, every: every}, nil
	}
	if err := check(s); err != nil {
		return Line{}, err
	}
	sched, err := parse(s)
	if err != nil {
		return Line{}, err
	}
	l := Line{Text: text, sched: sched}
	if spec, ok := sched.(*cron.SpecSchedule); ok {
		l.hourly = bits.OnesCount64(spec.Hour&(1<<24-1)) == 24
	}
	// The days of four years and a leap day repeat: what does not fire within them never does.
	if sched.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Second)).IsZero() {
		return Line{}, hinted{"this cron line never comes true", "no such month has that day, as in 31 February"}
	}
	return l, nil
}

// In gives the times of the line in a zone.
func (l Line) In(zone *time.Location) Plan {
	return Plan{sched: l.sched, hourly: l.hourly, zone: zone, every: l.every}
}

// parse keeps a panic of the library from its callers.
func parse(s string) (sched cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			err = hinted{"this is no cron line", `such as "0 18 * * *": minute hour day month weekday`}
		}
	}()
	sched, err = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse("TZ=UTC " + s)
	if err != nil {
		err = hinted{"this is no cron line", `such as "0 18 * * *": minute hour day month weekday`}
	}
	return sched, err
}

// check finds what is wrong field by field; the library's texts are for programmers.
func check(s string) error {
	if strings.HasPrefix(s, "@") {
		words := []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@every"}
		if !slices.Contains(words, s) {
			return hinted{fmt.Sprintf("%s is not known", s), diag.DidYouMean(s, words)}
		}
		return nil
	}
	if strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "CRON_TZ=") {
		return hinted{"the time zone does not stand in the cron line", "write zone: Africa/Nairobi beside it"}
	}
	parts := strings.Fields(s)
	if len(parts) != 5 && len(parts) != 6 {
		return hinted{fmt.Sprintf("a cron line has 5 fields, or 6 with seconds in front, this has %d", len(parts)), "minute hour day month weekday, as in 0 18 * * 1-5"}
	}
	fs := fields()[6-len(parts):]
	for i, p := range parts {
		for item := range strings.SplitSeq(p, ",") {
			if err := fs[i].check(item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f field) check(item string) error {
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		if n, err := strconv.Atoi(step); err != nil || n < 1 {
			return hinted{fmt.Sprintf("the step of %s in %q is no number from 1", f.name, item), "as in */15"}
		}
	}
	if span == "*" || span == "?" {
		return nil
	}
	low, high, ranged := strings.Cut(span, "-")
	from, err := f.number(low, item)
	if err != nil || !ranged {
		return err
	}
	to, err := f.number(high, item)
	if err == nil && to < from {
		return hinted{fmt.Sprintf("%s %q runs backwards", f.name, item), fmt.Sprintf("write it as two: %d-%d,%d-%d", from, f.max, f.min, to)}
	}
	return err
}

func (f field) number(s, item string) (int, error) {
	if i := slices.Index(f.words, strings.ToLower(s)); i >= 0 {
		return i + f.min, nil
	}
	n, err := strconv.Atoi(s)
	if err == nil && n >= f.min && n <= f.max {
		return n, nil
	}
	h := hinted{fmt.Sprintf("%s is from %d to %d, this is %q", f.name, f.min, f.max, item), ""}
	switch {
	case f.name == "weekday" && s == "7":
		h.hint = "Sunday is 0, or sun"
	case strings.ContainsAny(item, "LW#"):
		h.hint = "L, W and # are not known here; run on more days and use when: to choose"
	case f.words != nil:
		h.hint = "or a name: " + strings.Join(f.words, ", ")
	default:
		h.hint = "a number, a list 1,2, a range 1-5, or */15"
	}
	return 0, h
}

// Zone is a time zone that is checked when it is read.
type Zone struct{ loc *time.Location }

// BindNode implements bind.Unmarshaler.
func (z *Zone) BindNode(n *bind.Node) diag.List {
	if n.Hole {
		return nil
	}
	loc, err := time.LoadLocation(n.Text)
	if n.Kind != bind.String || err != nil || n.Text == "" {
		e := diag.Errorf(n.Pos, "%q is no time zone", n.Text).WithHint("a name of the IANA list, such as Africa/Nairobi, Europe/Paris or UTC")
		e.Len = len([]rune(n.Text))
		return diag.List{e}
	}
	z.loc = loc
	return nil
}

func (z Zone) location() *time.Location {
	if z.loc == nil {
		return time.Local
	}
	return z.loc
}
