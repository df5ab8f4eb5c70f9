package openmrs

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// sweep reads open items one by one. One that fails does not stop the rest, but several in a row do: then OpenMRS is away.
func (f *feed) sweep(ctx context.Context) error {
	for _, typ := range f.w.Resource {
		if err := f.sweepType(ctx, typ); err != nil {
			return err
		}
	}
	return nil
}

const awayAfter = 5 // failures in a row

func (f *feed) sweepType(ctx context.Context, typ string) error {
	names := f.turn(typ)
	failed := 0
	var last error
	for _, name := range names {
		e, ok, err := f.again(ctx, typ, name)
		if err == nil {
			failed = 0
			if ok {
				if err := f.hand(ctx, typ, []event{e}, f.low[typ]); err != nil {
					return err
				}
			}
			continue
		}
		if fault.ClassOf(err) == fault.Unauthorized || ctx.Err() != nil {
			return err
		}
		last = err
		if failed++; failed >= awayAfter {
			return fault.New(fault.Transient, "look at open items of %s again: %d in a row failed: %v", typ, failed, last)
		}
	}
	if last != nil {
		f.c.env.Log.Warn("some open items could not be read; the next sweep tries again", "resource", typ, "error", last.Error())
	}
	if len(names) > 0 {
		f.swept[typ] = names[len(names)-1]
		f.extra[".sweep/"+typ] = f.swept[typ] // saved with what comes next; lost, the sweep only begins elsewhere
		return f.forget(ctx, typ)
	}
	return nil
}

// turn gives the names of the items to look at in this sweep: those after where the last one ended.
func (f *feed) turn(typ string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f.items)) {
		if strings.HasPrefix(name, typ+"/") && f.items[name].Open {
			all = append(all, name)
		}
	}
	if f.w.Sweep.Per <= 0 || len(all) <= f.w.Sweep.Per {
		return all
	}
	after, _ := slices.BinarySearch(all, f.swept[typ]+"\x00")
	return slices.Concat(all[after:], all[:after])[:f.w.Sweep.Per]
}

// again reads an item and says what has become of it.
func (f *feed) again(ctx context.Context, typ, name string) (event, bool, error) {
	r, err := f.c.do(ctx, request{what: "look at an open " + typ + " again", method: http.MethodGet, url: f.c.fhir(name, nil), accept: fhirJSON})
	if e := fault.Of(err); e != nil {
		// 404 in OpenMRS's own words is a purged record. A proxy's 404 is no such thing, and is transient.
		if e.Class == fault.Rejected && (e.Status == http.StatusGone || e.Status == http.StatusNotFound) {
			return f.end(typ, name), true, nil
		}
		return event{}, false, err
	}
	found, err := readRow(r.body)
	if err != nil || found.name() != name {
		return event{}, false, fault.New(fault.Transient, "look at an open %s again: the answer is another resource or none", typ)
	}
	if found.updated.IsZero() {
		found.updated = unix(f.items[name].Updated)
	}
	e, ok := f.judge(found)
	return e, ok, nil
}

func unix(sec int64) time.Time { return time.Unix(sec, 0) }

// end is the event of an item that is gone: its last known state, or what names it.
func (f *feed) end(typ, name string) event {
	old := f.items[name]
	id := strings.TrimPrefix(name, typ+"/")
	body := []byte(old.Body)
	if len(body) == 0 {
		body, _ = json.Marshal(map[string]string{"resourceType": typ, "id": id})
	}
	version, _, _ := strings.Cut(old.State, ".")
	return f.event(typ, id, version, message.Delete, item{Updated: old.Updated, State: gone, Events: old.Events + 1}, body)
}
