package journaltest

import (
	"fmt"
	"slices"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
)

func searchCases() map[string]func(*kit) {
	return map[string]func(*kit){
		"search by each field":               searchFields,
		"search in pages, both ways":         searchPages,
		"search by words of the error":       searchText,
		"search by time":                     searchTime,
		"search by key finds many and few":   searchKeys,
		"counts follow every change":         counts,
		"rule sets are kept with their text": ruleSets,
	}
}

func searchFields(k *kit) {
	a := k.put(func(e *journal.Entry) {
		e.Key, e.Keys = "Patient/1", map[string]string{"patient": "100GEJ", "order": "ORD-1"}
	}, named("sr/1"))
	b := k.put(func(e *journal.Entry) { e.Route, e.Key = "q", "Patient/1" })
	c := k.put(func(e *journal.Entry) {
		e.Route, e.Keys = "q", map[string]string{"order": "Patient/1"}
	})
	dup := k.put(named("sr/1"))
	k.resolve(journal.Resolution{Seq: b, Status: journal.Retrying, Failure: fault.New(fault.Transient, "connection refused"), System: "odoo", Due: k.now})
	k.resolve(journal.Resolution{Seq: c, Status: journal.Held, Failure: &fault.Error{Class: fault.Unmapped, Text: "no entry for 718-7", Map: "loinc", Code: "718-7"}, System: "odoo"})
	id := string(k.story(a).ID)
	st := func(s ...journal.Status) []journal.Status { return s }
	for range 2 {
		for name, s := range map[string]struct {
			q    journal.Query
			want []journal.Seq
		}{
			"all":                      {journal.Query{}, []journal.Seq{dup, c, b, a}},
			"route":                    {journal.Query{Route: "q"}, []journal.Seq{c, b}},
			"no such route":            {journal.Query{Route: "z"}, nil},
			"status":                   {journal.Query{Statuses: st(journal.Held)}, []journal.Seq{c}},
			"statuses":                 {journal.Query{Statuses: st(journal.Held, journal.Received, journal.Duplicate)}, []journal.Seq{dup, c, a}},
			"route and status":         {journal.Query{Route: "q", Statuses: st(journal.Retrying, journal.Received)}, []journal.Seq{b}},
			"system":                   {journal.Query{System: "odoo"}, []journal.Seq{c, b}},
			"no such system":           {journal.Query{System: "erpnext"}, nil},
			"class":                    {journal.Query{Class: fault.Unmapped}, []journal.Seq{c}},
			"map":                      {journal.Query{Map: "loinc"}, []journal.Seq{c}},
			"ordering or business key": {journal.Query{Key: "Patient/1"}, []journal.Seq{c, b, a}},
			"business key":             {journal.Query{Key: "ORD-1"}, []journal.Seq{a}},
			"half a key":               {journal.Query{Key: "ORD"}, nil},
			"id":                       {journal.Query{ID: id}, []journal.Seq{a}},
			"number":                   {journal.Query{ID: fmt.Sprint(b)}, []journal.Seq{b}},
			"dedupe id":                {journal.Query{ID: "sr/1"}, []journal.Seq{dup, a}},
			"no such id":               {journal.Query{ID: "sr/2"}, nil},
			"all that must hold":       {journal.Query{Key: "Patient/1", Route: "q", System: "odoo", Class: fault.Transient}, []journal.Seq{b}},
			"limit":                    {journal.Query{Limit: 2}, []journal.Seq{dup, c}},
			"no such parent":           {journal.Query{Parent: a}, nil},
		} {
			k.same(name, k.found(s.q), s.want)
		}
		k.reopen()
	}
	k.end(b, journal.Delivered)
	k.same("system, after the trouble is over", k.found(journal.Query{System: "odoo"}), []journal.Seq{c})
}

func searchPages(k *kit) {
	var all []journal.Seq
	for i := range 45 {
		all = append(all, k.put(func(e *journal.Entry) {
			e.Route, e.Key = fmt.Sprint("route ", i%3), "k"
			if i%5 == 0 {
				e.Status = journal.Filtered
			}
		}))
	}
	for name, q := range map[string]journal.Query{"all": {}, "key": {Key: "k"}, "statuses": {Statuses: []journal.Status{journal.Received, journal.Filtered}}} {
		var down, up []journal.Seq
		q.Limit = 7
		for {
			page := k.found(q)
			down = append(down, page...)
			if len(page) < q.Limit {
				break
			}
			q.Before = page[len(page)-1]
		}
		slices.Reverse(down)
		k.same(name+", newest first", down, all)
		q.Before, q.After = 0, all[4]
		for {
			page := k.found(q)
			up = append(up, page...)
			if len(page) < q.Limit {
				break
			}
			q.After = page[len(page)-1]
		}
		k.same(name+", oldest first", up, all[5:])
	}
	k.same("between", k.found(journal.Query{After: all[3], Before: all[6]}), all[4:6])
}

func searchText(k *kit) {
	failed := func(text string) journal.Seq {
		seq := k.put()
		k.resolve(journal.Resolution{Seq: seq, Status: journal.Held, Failure: fault.New(fault.Bug, "%s", text)})
		return seq
	}
	a := failed("odoo.upsert: product 718-7 is unknown (res.partner)")
	b := failed("connection to odoo refused")
	for text, want := range map[string][]journal.Seq{
		"odoo":                 {b, a},
		"ODOO unknown":         {a},
		"718-7":                {a},
		"refu":                 {b}, // the beginning of a word
		"odoo nothing":         {},
		`"odoo" OR (NEAR * ":`: {},
		"res.partner":          {a},
		" ":                    {},
	} {
		k.same("words "+text, k.found(journal.Query{Text: text}), want)
	}
	k.attempt(journal.Attempt{Seq: b, N: -1, Number: 2, Time: k.now, Status: journal.Retrying, Class: fault.Transient, Error: "the name was not resolved", Message: journal.Retrying, Due: k.now})
	k.same("words of an error that is over", k.found(journal.Query{Text: "refused"}), []journal.Seq{})
	k.same("words of the next error", k.found(journal.Query{Text: "resolved"}), []journal.Seq{b})
	k.end(b, journal.Delivered)
	k.same("words after the trouble", k.found(journal.Query{Text: "resolved"}), []journal.Seq{})
}

func searchTime(k *kit) {
	at := func(h int) func(*journal.Entry) {
		return func(e *journal.Entry) { e.Message.Time = k.now.Add(time.Duration(h) * time.Hour) }
	}
	a, b, c := k.put(at(-48)), k.put(at(-24)), k.put(at(-1))
	d := k.put(at(-30)) // the clock was set back
	hours := func(h int) time.Time { return k.now.Add(time.Duration(h) * time.Hour) }
	for name, s := range map[string]struct {
		q    journal.Query
		want []journal.Seq
	}{
		"from":            {journal.Query{From: hours(-24)}, []journal.Seq{c, b}},
		"to":              {journal.Query{To: hours(-24)}, []journal.Seq{d, a}},
		"from and to":     {journal.Query{From: hours(-31), To: hours(-2)}, []journal.Seq{d, b}},
		"nothing then":    {journal.Query{From: hours(1)}, nil},
		"from, and route": {journal.Query{From: hours(-24), Route: "r"}, []journal.Seq{c, b}},
	} {
		k.same(name, k.found(s.q), s.want)
	}
}

func searchKeys(k *kit) {
	const n = 3000
	var es []journal.Entry
	for i := range n {
		es = append(es, k.entry(func(e *journal.Entry) {
			e.Key, e.Keys = "common", map[string]string{"one": fmt.Sprint("one ", i), "ten": fmt.Sprint("ten ", i/10)}
		}))
	}
	rs := k.append(es...)
	for range 2 {
		for _, i := range []int{0, 1, 1234, n - 1} {
			k.same("one", k.found(journal.Query{Key: fmt.Sprint("one ", i)}), []journal.Seq{rs[i].Seq})
			if got := k.found(journal.Query{Key: fmt.Sprint("ten ", i/10)}); len(got) != 10 || !slices.Contains(got, rs[i].Seq) {
				k.Errorf("ten %d: found %v", i/10, got)
			}
		}
		if got := k.found(journal.Query{Key: "common", Limit: 100}); len(got) != 100 || got[0] != rs[n-1].Seq || got[99] != rs[n-100].Seq {
			k.Errorf("common: %d found", len(got))
		}
		k.reopen()
	}
}

// counted gives the counts of a store by route and status.
func (k *kit) counted() map[string]int64 {
	k.Helper()
	cs, err := k.j.Counts(k.ctx)
	if err != nil {
		k.Fatalf("Counts() = %v", err)
	}
	out := map[string]int64{}
	for _, c := range cs {
		if c.N != 0 {
			out[c.Route+" "+string(c.Status)] = c.N
		}
		if c.N > 0 && c.Oldest.IsZero() {
			k.Errorf("%s %s: %d messages, but no oldest", c.Route, c.Status, c.N)
		}
	}
	return out
}

func counts(k *kit) {
	var all []journal.Seq
	for i := range 6 {
		all = append(all, k.put(func(e *journal.Entry) { e.Message.Time = k.now.Add(time.Duration(i) * time.Minute) }))
	}
	k.put(func(e *journal.Entry) { e.Route, e.Status = "q", journal.Filtered })
	k.end(all[0], journal.Delivered)
	k.end(all[1], journal.Dead)
	k.resolve(journal.Resolution{Seq: all[2], Status: journal.Retrying, Failure: fault.New(fault.Transient, "x"), Due: k.now})
	_, _ = k.j.Resolve(k.ctx, journal.Resolution{Seq: all[0], Status: journal.Dead}) // refused
	want := map[string]int64{"r received": 3, "r delivered": 1, "r dead": 1, "r retrying": 1, "q filtered": 1}
	for range 2 {
		k.same("Counts", k.counted(), want)
		k.reopen()
	}
	cs, err := k.j.Counts(k.ctx)
	if err != nil {
		k.Fatal(err)
	}
	for _, c := range cs {
		if c.Route == "r" && c.Status == journal.Received && !c.Oldest.Equal(k.now.Add(3*time.Minute)) {
			k.Errorf("the oldest received is of %s, want %s", c.Oldest, k.now.Add(3*time.Minute))
		}
	}
}

func ruleSets(k *kit) {
	old := journal.RuleSet{Version: "v1", Time: k.now, Files: map[string][]byte{"a.yaml": []byte("route: a"), "maps/b.csv": []byte("x,y\n"), "empty": {}}}
	young := journal.RuleSet{Version: "v2", Time: k.now.Add(time.Hour), Files: map[string][]byte{"a.yaml": []byte("route: b")}}
	for _, rs := range []journal.RuleSet{old, young, {Version: "v1", Time: k.now.Add(2 * time.Hour), Files: map[string][]byte{"a.yaml": []byte("other")}}} {
		if err := k.j.SaveRules(k.ctx, rs); err != nil {
			k.Fatalf("SaveRules(%s) = %v", rs.Version, err)
		}
	}
	k.reopen()
	got, err := k.j.Rules(k.ctx, "v1")
	if err != nil {
		k.Fatal(err)
	}
	k.same("Rules(v1)", got, old)
	_, err = k.j.Rules(k.ctx, "v3")
	k.is("Rules(v3)", err, journal.ErrNotFound)
	list, err := k.j.RuleSets(k.ctx)
	if err != nil {
		k.Fatal(err)
	}
	k.same("RuleSets", list, []journal.RuleSet{{Version: "v2", Time: young.Time}, {Version: "v1", Time: old.Time}})
}
