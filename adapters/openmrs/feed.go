package openmrs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// feed is the state of one running source. All of it that must last is in the inbox: the cursor, and a mark for each item.
//
//	cursor   ServiceRequest=2026-01-05T08:00:00Z …     everything that last changed before is delivered
//	marks    ServiceRequest/92ab… = item               seen since cursor - overlap, or still open
//	         .since/ServiceRequest = time              where the source began
//	         .clock/ServiceRequest = duration         how far the server's clock is ahead of ours
//	         .sweep/ServiceRequest = name              the item that the last sweep ended with
type feed struct {
	c      *client
	w      Changes
	in     adapter.Inbox
	low    map[string]time.Time // by type: everything before is delivered
	since  map[string]time.Time // by type: nothing before is wanted
	begun  map[string]bool
	sorts  map[string]sorting       // by type
	behind map[string]bool          // by type: the server's clock was set back
	clock  map[string]time.Duration // by type: how far it is ahead of ours
	items  map[string]item
	swept  map[string]string // by type: the item that the last sweep ended with
	cursor string            // as last saved
	extra  map[string]string // marks to save with the next message
}

// item is what is remembered of a resource.
type item struct {
	Updated int64  `json:"t"`           // meta.lastUpdated, or when it was first seen, in Unix seconds
	State   string `json:"v"`           // row.state of the last event, or gone
	Events  int    `json:"n,omitempty"` // how many there were before the last one
	Open    bool   `json:"o,omitempty"` // looked at by the sweep
	// Body is the last known state of an open item, for the event of its end; absent where it is large.
	Body json.RawMessage `json:"b,omitempty"`
}

// gone is the State of an item that was voided or deleted.
const gone = "gone"

// keptBody is the largest last known state that is kept, in bytes. A ServiceRequest has about 1,500.
const keptBody = 8 << 10

func newFeed(ctx context.Context, c *client, w Changes, in adapter.Inbox) (*feed, error) {
	for _, typ := range w.Resource {
		if !isType(typ) {
			return nil, fault.New(fault.Bug, "resource: %q is no resource type", typ)
		}
	}
	if _, err := w.begin(time.Time{}); err != nil {
		return nil, err
	}
	f := &feed{c: c, w: w, in: in, low: map[string]time.Time{}, since: map[string]time.Time{}, begun: map[string]bool{}, behind: map[string]bool{}, clock: map[string]time.Duration{}, sorts: map[string]sorting{},
		items: map[string]item{}, swept: map[string]string{}, extra: map[string]string{}}
	cursor, err := in.Cursor(ctx)
	if err != nil {
		return nil, err
	}
	f.cursor = cursor
	for field := range strings.FieldsSeq(cursor) {
		typ, at, _ := strings.Cut(field, "=")
		if t, err := time.Parse(time.RFC3339, at); err == nil {
			f.low[typ], f.begun[typ] = t, true
		}
	}
	marks, err := in.Marks(ctx)
	if err != nil {
		return nil, err
	}
	for name, v := range marks {
		if typ, ok := strings.CutPrefix(name, ".since/"); ok {
			f.since[typ], _ = time.Parse(time.RFC3339, v)
		} else if typ, ok := strings.CutPrefix(name, ".sweep/"); ok {
			f.swept[typ] = v
		} else if typ, ok := strings.CutPrefix(name, ".clock/"); ok {
			f.clock[typ], _ = time.ParseDuration(v)
		} else {
			var it item
			if json.Unmarshal([]byte(v), &it) == nil {
				f.items[name] = it
			}
		}
	}
	return f, nil
}

// at is the cursor's text.
func (f *feed) at() string {
	out := make([]string, 0, len(f.low))
	for _, typ := range slices.Sorted(maps.Keys(f.low)) {
		out = append(out, typ+"="+f.low[typ].UTC().Format(time.RFC3339))
	}
	return strings.Join(out, " ")
}

// event is one thing to hand over, and what is to be remembered once it is.
type event struct {
	name string
	it   item
	m    message.Message
}

// judge says what a row that was found or read is: an event, or nothing new.
func (f *feed) judge(r row) (event, bool) {
	old, known := f.items[r.name()]
	it := item{Updated: r.updated.Unix(), State: r.state(), Open: f.open(r)}
	kind := message.Update
	if known {
		if sameState(old.State, it.State) {
			return event{}, false
		}
		it.Events = old.Events + 1
	} else if isNew(r) {
		kind = message.Create
	}
	if it.Open && len(r.raw) <= keptBody {
		it.Body = compact(r.raw)
	}
	return f.event(r.typ, r.id, r.version, kind, it, r.raw), true
}

// sameState compares version.hash with another. A version that one of them lacks says nothing.
func sameState(a, b string) bool {
	i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
	if i < 0 || j < 0 {
		return a == b
	}
	return a[i:] == b[j:] && (a[:i] == b[:j] || i == 0 || j == 0)
}

// compact is a copy without white space, so that it does not hold on to the page that it came in.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// isNew guesses whether an item that is not remembered was made rather than changed. OpenMRS does not say when a resource
// was made; where the resource does (authoredOn of an order or task), a later change is a change. A version 2 and up of
// servers that count is one too.
func isNew(r row) bool {
	if len(r.version) < 10 && strings.Trim(r.version, "0123456789") == "" && r.version != "" && r.version != "1" && r.version != "0" {
		return false
	}
	if immutable(r.typ) || r.made == "" || r.updated.IsZero() {
		return true
	}
	made, err := time.Parse(time.RFC3339, r.made)
	return err != nil || r.updated.Sub(made) < 2*time.Second
}

// immutable are the types whose lastUpdated is when they were made, whatever happens to them. [openmrs-module-fhir2: BaseFhirDao]
func immutable(typ string) bool {
	switch typ {
	case "ServiceRequest", "MedicationRequest", "Observation", "DiagnosticReport", "MedicationDispense":
		return true
	}
	return false
}

// open says whether the sweep is to look at the item again.
func (f *feed) open(r row) bool {
	if f.w.Sweep.Every <= 0 || r.id[0] == '#' {
		return false
	}
	if r.status == "" {
		return f.w.Sweep.Without
	}
	return !slices.Contains(f.w.Sweep.Finished, r.status)
}

func (f *feed) event(typ, id, version, kind string, it item, body []byte) event {
	name := typ + "/" + id
	change := fmt.Sprintf("%s/%s/%s/%d", name, it.State, kind, it.Events)
	m := message.Message{
		ID: message.ID("openmrs/" + f.c.env.System).Child(change), Event: kind, Type: fhirJSON, Body: body,
		Headers: map[string]string{"resource": typ, "id": id, "version": version, "change": change},
	}
	if most := f.in.MaxBody(); most > 0 && int64(len(body)) > most {
		m.Fault = fault.New(fault.Invalid, "%s is larger than the route takes", typ)
		m.Body = body[:most]
	}
	return event{name, it, m}
}

// hand gives events to the inbox, in order. What was taken is remembered; low, if it is later, is where the type stands once
// the last of them is taken.
func (f *feed) hand(ctx context.Context, typ string, events []event, low time.Time) error {
	if len(events) == 0 {
		f.raise(typ, low)
		return nil
	}
	ms := make([]message.Message, len(events))
	for i, e := range events {
		b, err := json.Marshal(e.it)
		if err != nil {
			return fault.As(fault.Bug, err)
		}
		m := e.m
		m.Cursor, m.Marks = f.at(), map[string]string{e.name: string(b)}
		if i == len(events)-1 {
			before := f.low[typ]
			f.raise(typ, low)
			m.Cursor = f.at()
			f.low[typ] = before
		}
		ms[i] = m
	}
	maps.Copy(ms[0].Marks, f.extra)
	n, err := f.in.AcceptAll(ctx, ms)
	for i, e := range events[:n] {
		f.items[e.name], f.cursor = e.it, ms[i].Cursor
	}
	if n > 0 {
		clear(f.extra)
	}
	if err != nil {
		return err
	}
	if n < len(events) {
		return fault.New(fault.Transient, "the engine took %d of %d changes", n, len(events))
	}
	f.raise(typ, low)
	return nil
}

func (f *feed) raise(typ string, low time.Time) {
	if low.After(f.low[typ]) {
		f.low[typ] = low
	}
}

// forget drops the items that no search gives again, no sweep looks at and nobody need know, and saves where the source stands.
func (f *feed) forget(ctx context.Context, typ string) error {
	edge := f.low[typ].Add(-f.w.Overlap - allowance).Unix()
	dropped := map[string]string{}
	var kept []string // not because a search may give them again
	for name, it := range f.items {
		if it.Updated >= edge || !strings.HasPrefix(name, typ+"/") {
			continue
		}
		if it.Updated >= f.horizon(it, typ) {
			kept = append(kept, name)
		} else {
			dropped[name] = ""
		}
	}
	if over := len(kept) - f.w.Sweep.Most; over > 0 {
		// Closed ones first, then the oldest.
		slices.SortFunc(kept, func(a, b string) int {
			x, y := f.items[a], f.items[b]
			if x.Open != y.Open {
				return map[bool]int{false: -1, true: 1}[x.Open]
			}
			return cmp.Compare(x.Updated, y.Updated)
		})
		if f.items[kept[over-1]].Open {
			f.c.env.Log.Warn("more items are open than are remembered: the oldest are not looked at any more", "resource", typ, "remembered", f.w.Sweep.Most)
		}
		for _, name := range kept[:over] {
			dropped[name] = ""
		}
	}
	if len(dropped) == 0 && !f.due(typ) {
		return nil
	}
	maps.Copy(dropped, f.extra)
	at := f.at()
	if err := f.in.Save(ctx, at, dropped); err != nil {
		return err
	}
	for name := range dropped {
		delete(f.items, name)
	}
	clear(f.extra)
	f.cursor = at
	return nil
}

// horizon is how old an item may be that is looked at again or must be known.
func (f *feed) horizon(it item, typ string) int64 {
	age := time.Duration(0)
	if it.Open {
		age = f.w.Sweep.MaxAge
	}
	if !immutable(typ) && it.State != gone {
		age = max(age, f.w.Remember)
	}
	return time.Now().Add(-age).Unix()
}

// due says that the saved cursor has fallen so far behind that a restart would read much again.
func (f *feed) due(typ string) bool {
	for field := range strings.FieldsSeq(f.cursor) {
		if at, ok := strings.CutPrefix(field, typ+"="); ok {
			t, err := time.Parse(time.RFC3339, at)
			return err != nil || f.low[typ].Sub(t) > time.Hour
		}
	}
	return true
}
