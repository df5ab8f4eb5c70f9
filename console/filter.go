package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
)

// Filter says which messages are meant. Fields that are not set do not narrow it.
type Filter struct {
	Route  string   `json:"route,omitempty"`
	Status []string `json:"status,omitempty"`
	System string   `json:"system,omitempty"`
	Class  string   `json:"class,omitempty"`
	Key    string   `json:"key,omitempty"`   // ordering key, or the value of a business key
	ID     string   `json:"id,omitempty"`    // message id, id at the source, or a number
	Text   string   `json:"text,omitempty"`  // words of the error
	Map    string   `json:"map,omitempty"`   // the map that lacks a code
	Since  string   `json:"since,omitempty"` // a time, a date, or how long ago, such as 2h or 7d
	Until  string   `json:"until,omitempty"`
	Parent int64    `json:"parent,omitempty"`
	Before int64    `json:"before,omitempty"` // only those with a smaller number
	After  int64    `json:"after,omitempty"`  // oldest first, those with a greater number
	Limit  int      `json:"limit,omitempty"`
}

// Limits of one page.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// Statuses in the order of a message's life.
var statuses = []journal.Status{journal.Received, journal.Processing, journal.Retrying, journal.Held, journal.Delivered, journal.Filtered, journal.Duplicate, journal.Dead, journal.Discarded}

var filterNames = []string{"route", "status", "system", "class", "key", "id", "text", "map", "since", "until", "parent", "before", "after", "limit"}

// Values is f as the parameters of a URL.
func (f Filter) Values() url.Values {
	v := url.Values{}
	put := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	put("route", f.Route)
	put("status", strings.Join(f.Status, ","))
	put("system", f.System)
	put("class", f.Class)
	put("key", f.Key)
	put("id", f.ID)
	put("text", f.Text)
	put("map", f.Map)
	put("since", f.Since)
	put("until", f.Until)
	for name, n := range map[string]int64{"parent": f.Parent, "before": f.Before, "after": f.After, "limit": int64(f.Limit)} {
		if n != 0 {
			v.Set(name, strconv.FormatInt(n, 10))
		}
	}
	return v
}

// filterOf reads the parameters of a URL.
func filterOf(v url.Values, also ...string) (Filter, error) {
	var f Filter
	for _, name := range slices.Sorted(keys(v)) {
		if !slices.Contains(filterNames, name) && !slices.Contains(also, name) {
			return f, badRequest(diag.DidYouMean(name, append(slices.Clone(filterNames), also...)), "there is no parameter %q", name)
		}
		if len(v[name]) > 1 && name != "status" {
			return f, badRequest("", "the parameter %s stands there twice", name)
		}
	}
	f.Route, f.System, f.Class, f.Key, f.ID, f.Text, f.Map = v.Get("route"), v.Get("system"), v.Get("class"), v.Get("key"), v.Get("id"), v.Get("text"), v.Get("map")
	f.Since, f.Until = v.Get("since"), v.Get("until")
	for _, s := range v["status"] {
		for one := range strings.SplitSeq(s, ",") {
			if one = strings.TrimSpace(one); one != "" {
				f.Status = append(f.Status, one)
			}
		}
	}
	number := func(name string) (n int64, err error) {
		s := v.Get(name)
		if s == "" {
			return 0, nil
		}
		n, err = strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return 0, badRequest("", "%s is a number from 0 on, this is %q", name, s)
		}
		return n, nil
	}
	var e1, e2, e3, e4 error
	var limit int64
	f.Parent, e1 = number("parent")
	f.Before, e2 = number("before")
	f.After, e3 = number("after")
	limit, e4 = number("limit")
	f.Limit = int(min(limit, 1<<31-1))
	return f, cmp.Or(e1, e2, e3, e4)
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range v {
			if !yield(k) {
				return
			}
		}
	}
}

// Query is f as a search of the journal, times that count back counting from now.
func (f Filter) Query(now time.Time) (journal.Query, error) {
	q := journal.Query{Route: f.Route, System: f.System, Key: f.Key, ID: f.ID, Text: f.Text, Map: f.Map,
		Parent: journal.Seq(f.Parent), Before: journal.Seq(f.Before), After: journal.Seq(f.After), Limit: f.Limit}
	for _, s := range f.Status {
		if !slices.Contains(statuses, journal.Status(s)) {
			return q, badRequest(diag.DidYouMean(s, words(statuses)), "there is no status %q", s)
		}
		q.Statuses = append(q.Statuses, journal.Status(s))
	}
	if f.Class != "" && !slices.Contains(fault.Classes, fault.Class(f.Class)) {
		return q, badRequest(diag.DidYouMean(f.Class, words(fault.Classes)), "there is no class %q", f.Class)
	}
	q.Class = fault.Class(f.Class)
	var err error
	if q.From, err = moment(f.Since, now); err != nil {
		return q, err
	}
	if q.To, err = moment(f.Until, now); err != nil {
		return q, err
	}
	switch {
	case f.Parent < 0 || f.Before < 0 || f.After < 0 || f.Limit < 0:
		return q, badRequest("", "parent, before, after and limit are numbers from 0 on")
	case f.Limit == 0:
		q.Limit = defaultLimit
	case f.Limit > maxLimit:
		q.Limit = maxLimit
	}
	return q, nil
}

// narrows says whether f leaves anything out, apart from paging.
func (f Filter) narrows() bool {
	return f.Route+f.System+f.Class+f.Key+f.ID+f.Text+f.Map+f.Since+f.Until != "" || len(f.Status) > 0 || f.Parent != 0
}

func words[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// moment reads a time (RFC 3339), a date or minute in this machine's zone, or how long ago: 90s, 15m, 2h, 7d, 2w.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	ago := s
	for unit, hours := range map[string]int{"d": 24, "w": 7 * 24} {
		if n, err := strconv.Atoi(strings.TrimSuffix(s, unit)); err == nil && strings.HasSuffix(s, unit) && n >= 0 && n < 100000 {
			ago = strconv.Itoa(n*hours) + "h"
		}
	}
	if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, badRequest("write 2026-01-05, 2026-01-05T08:00:00Z, or how long ago, such as 90m or 7d", "%q is no time", s)
}
