package openmrs_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters/openmrs"
	double "github.com/njia-health/njia/conformance/systems/openmrs"
	"github.com/njia-health/njia/conformance/systems/script"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// told gives what was handed over, as "event Type/id status".
func (w *world) told() []string {
	var out []string
	for _, m := range w.all() {
		_, status, _ := strings.Cut(string(m.Body), `"status":"`)
		status, _, _ = strings.Cut(status, `"`)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", m.Event, m.Headers["resource"], m.Headers["id"], status)))
	}
	return out
}

func order(id string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","id":%q,"status":"active","intent":"order"}`, id)
}

// scene runs a story and compares what was handed over.
func scene(t *testing.T, k kind, change func(*openmrs.Changes), story func(w *world), want ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if k.Since == "" {
			k.Since = "now"
		}
		w := newWorld(t, k, change)
		w.run()
		time.Sleep(2 * time.Second)
		story(w)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		w.stop()
		if d := cmp.Diff(want, w.told()); d != "" {
			t.Errorf("handed over, - wanted + got:\n%s\n%s", d, w.log.String())
		}
		ids := map[message.ID]bool{}
		for _, m := range w.all() {
			if ids[m.ID] {
				t.Errorf("two events have the id %s", m.ID)
			}
			ids[m.ID] = true
		}
	})
}

func wait() { time.Sleep(2 * time.Minute) }

func TestChangesOfOrders(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*openmrs.Changes)
		story  func(w *world)
		want   []string
	}{
		"stopped": {nil, func(w *world) { w.s.Put(order("a")); wait(); w.s.Stop("ServiceRequest", "a") },
			[]string{"create ServiceRequest/a active", "update ServiceRequest/a completed"}},
		"voided: the last known state": {nil, func(w *world) { w.s.Put(order("a")); wait(); w.s.Void("ServiceRequest", "a") },
			[]string{"create ServiceRequest/a active", "delete ServiceRequest/a active"}},
		"purged": {nil, func(w *world) { w.s.Put(order("a")); wait(); w.s.Purge("ServiceRequest", "a") },
			[]string{"create ServiceRequest/a active", "delete ServiceRequest/a active"}},
		"voided before it was seen": {nil, func(w *world) { w.s.Put(order("a")); w.s.Void("ServiceRequest", "a") }, nil},
		"voided, brought back, voided": {func(c *openmrs.Changes) { c.Overlap = time.Hour }, func(w *world) {
			w.s.Put(order("a"))
			for range 2 {
				wait()
				w.s.Void("ServiceRequest", "a")
				wait()
				w.s.Unvoid("ServiceRequest", "a") // an order keeps its time: only a search within the overlap shows it again
			}
		}, []string{"create ServiceRequest/a active", "delete ServiceRequest/a active", "update ServiceRequest/a active",
			"delete ServiceRequest/a active", "update ServiceRequest/a active"}},
		"finished: looked at no more": {nil, func(w *world) {
			w.s.Put(order("a"))
			w.s.Stop("ServiceRequest", "a")
			wait()
			w.s.Void("ServiceRequest", "a")
		}, []string{"create ServiceRequest/a completed"}},
		"finished is what the rules say": {func(c *openmrs.Changes) { c.Sweep.Finished = []string{"revoked"} }, func(w *world) {
			w.s.Put(order("a"))
			w.s.Stop("ServiceRequest", "a")
			wait()
			w.s.Void("ServiceRequest", "a")
		}, []string{"create ServiceRequest/a completed", "delete ServiceRequest/a completed"}},
		"no sweep": {func(c *openmrs.Changes) { c.Sweep.Every = 0 }, func(w *world) {
			w.s.Put(order("a"))
			wait()
			w.s.Void("ServiceRequest", "a")
		}, []string{"create ServiceRequest/a active"}},
		"too old": {func(c *openmrs.Changes) { c.Sweep.MaxAge = 3 * time.Hour }, func(w *world) {
			w.s.Put(order("a"))
			time.Sleep(4 * time.Hour)
			w.s.Void("ServiceRequest", "a")
		}, []string{"create ServiceRequest/a active"}},
		"after a restart": {nil, func(w *world) {
			w.s.Put(order("a"))
			wait()
			w.stop()
			w.taken, w.in = w.all(), w.in.Again()
			w.s.Void("ServiceRequest", "a")
			w.run()
		}, []string{"create ServiceRequest/a active", "delete ServiceRequest/a active"}},
		"a patient without a status": {func(c *openmrs.Changes) { c.Sweep.Without = true }, func(w *world) {
			w.s.Put(`{"resourceType":"Patient","id":"p"}`)
			wait()
			w.s.Void("Patient", "p")
		}, []string{"create Patient/p", "delete Patient/p"}},
		"a few at a time": {func(c *openmrs.Changes) { c.Sweep.Per = 2 }, func(w *world) {
			for _, id := range []string{"a", "b", "c", "d", "e"} {
				w.s.Put(order(id))
				time.Sleep(time.Second)
			}
			wait()
			w.s.Void("ServiceRequest", "e")
		}, []string{"create ServiceRequest/a active", "create ServiceRequest/b active", "create ServiceRequest/c active",
			"create ServiceRequest/d active", "create ServiceRequest/e active", "delete ServiceRequest/e active"}},
		"one that fails does not stop the rest": {nil, func(w *world) {
			for _, id := range []string{"a", "b", "c"} {
				w.s.Put(order(id))
				time.Sleep(time.Second)
			}
			wait()
			w.s.FailWhen(on("/ServiceRequest/a"), 1000, http.StatusInternalServerError, "", nil)
			w.s.Void("ServiceRequest", "c")
		}, []string{"create ServiceRequest/a active", "create ServiceRequest/b active", "create ServiceRequest/c active", "delete ServiceRequest/c active"}},
		"a proxy's 404 is no purge": {nil, func(w *world) {
			w.s.Put(order("a"))
			wait()
			w.s.FailWhen(on("/ServiceRequest/a"), 3, http.StatusNotFound, "<html>nginx</html>", http.Header{"Content-Type": {"text/html"}})
		}, []string{"create ServiceRequest/a active"}},
		"only so many are remembered": {func(c *openmrs.Changes) { c.Sweep.Most = 1 }, func(w *world) {
			w.s.Put(order("a"))
			time.Sleep(2 * time.Hour)
			w.s.Put(order("b"))
			time.Sleep(2 * time.Hour)
			w.s.Void("ServiceRequest", "a")
			w.s.Void("ServiceRequest", "b")
		}, []string{"create ServiceRequest/a active", "create ServiceRequest/b active", "delete ServiceRequest/b active"}},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, kind{}, c.change, c.story, c.want...)
		})
	}
}

func on(end string) func(script.Request) bool {
	return func(r script.Request) bool { return strings.HasSuffix(r.Path, end) }
}

func TestChangesOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		k      kind
		change func(*openmrs.Changes)
		story  func(w *world)
		want   []string
	}{
		"a patient": {kind{}, nil, func(w *world) {
			w.s.Put(`{"resourceType":"Patient","id":"p"}`)
			time.Sleep(48 * time.Hour)
			w.s.Change("Patient", "p", func(r map[string]any) { r["gender"] = "female" })
		}, []string{"create Patient/p", "update Patient/p"}},
		"a patient that is not remembered": {kind{}, func(c *openmrs.Changes) { c.Remember = time.Hour }, func(w *world) {
			w.s.Put(`{"resourceType":"Patient","id":"p"}`)
			time.Sleep(48 * time.Hour)
			w.s.Change("Patient", "p", func(r map[string]any) { r["gender"] = "female" })
		}, []string{"create Patient/p", "create Patient/p"}},
		"a task that says when it was made": {kind{}, func(c *openmrs.Changes) { c.Resource, c.Remember = []string{"Task"}, 0 }, func(w *world) {
			w.s.Put(`{"resourceType":"Task","id":"t","status":"completed","authoredOn":"` + time.Now().UTC().Format(time.RFC3339) + `"}`)
			time.Sleep(48 * time.Hour)
			w.s.Change("Task", "t", func(r map[string]any) { r["note"] = "x" })
		}, []string{"create Task/t completed", "update Task/t completed"}},
		"older than what was seen": {kind{Since: "1999-06-01"}, nil, func(w *world) {
			w.s.Put(`{"resourceType":"Patient","id":"p","meta":{"lastUpdated":"1999-01-01T00:00:00Z"}}`)
			w.s.Put(`{"resourceType":"Patient","id":"q","meta":{"lastUpdated":"1999-07-01T00:00:00Z"}}`)
		}, nil},
		"only what the query finds": {kind{}, func(c *openmrs.Changes) { c.Query = map[string]any{"gender": "female"} }, func(w *world) {
			w.s.Put(`{"resourceType":"Patient","id":"p","gender":"male"}`)
			w.s.Put(`{"resourceType":"Patient","id":"q","gender":"female"}`)
		}, []string{"create Patient/q"}},
		"saved late, within the overlap": {kind{}, nil, func(w *world) {
			wait()
			w.s.Put(`{"resourceType":"Patient","id":"p","meta":{"lastUpdated":"` + time.Now().Add(-50*time.Second).UTC().Format(time.RFC3339) + `"}}`)
		}, []string{"create Patient/p"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "only what the query finds" {
				inner := c.change
				c.change = func(w *openmrs.Changes) { inner(w); w.Resource = []string{"Patient"} }
			}
			scene(t, c.k, c.change, c.story, c.want...)
		})
	}
}

// TestChangesSinceADay has rows from before the source begins.
func TestChangesSinceADay(t *testing.T) {
	for since, want := range map[string]int{"1999-06-01": 4, "1999-06-01T00:00:01Z": 3, "beginning": 6, "now": 0} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, kind{Since: since, Size: 2}, nil)
			for _, day := range []string{"01-01", "05-31", "06-01", "07-01", "08-01", "09-01"} {
				w.s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p%s","meta":{"lastUpdated":"1999-%sT00:00:00Z"}}`, day, day))
			}
			w.run()
			wait()
			w.stop()
			if got := w.told(); len(got) != want {
				t.Errorf("since %s: %v, want the last %d", since, got, want)
			}
		})
	}
}

// TestChangesOfOneSecond has more rows in a second than a page may hold, as after an import.
func TestChangesOfOneSecond(t *testing.T) {
	for _, live := range []bool{false, true} {
		for _, bare := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, kind{Options: double.Options{LivePages: live}, Since: "now", Size: 100, Bare: bare}, nil)
				w.run()
				time.Sleep(2 * time.Second)
				for n := range 730 {
					w.s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p%d"}`, n))
				}
				w.rt.mu.Lock()
				w.rt.before = []func(){nil, nil, nil, nil, nil, w.s.ExpirePages, nil, nil, func() { w.s.Void("Patient", "p1") }}
				w.rt.mu.Unlock()
				time.Sleep(10 * time.Minute)
				w.stop()
				seen := map[string]int{}
				for _, s := range w.told() {
					seen[s]++
				}
				for n := range 730 {
					if name := fmt.Sprintf("create Patient/p%d", n); seen[name] != 1 && n != 1 {
						t.Fatalf("live %v, bare %v: %s came %d times", live, bare, name, seen[name])
					}
				}
			})
		}
	}
}

// TestChangesBehindAStaleCount has a server that counts too few and so gives no link to the next page.
func TestChangesBehindAStaleCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind{Since: "now", Size: 3}, nil)
		inner := w.rt.Handler
		w.rt.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rec := &recorder{header: http.Header{}}
			inner.ServeHTTP(rec, r)
			for k, v := range rec.header {
				rw.Header()[k] = v
			}
			rw.WriteHeader(rec.status)
			rw.Write(bytes.ReplaceAll(rec.body.Bytes(), []byte(`"relation":"next"`), []byte(`"relation":"none"`)))
		})
		w.run()
		time.Sleep(2 * time.Second)
		for n := range 10 {
			w.s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p%d"}`, n))
			time.Sleep(time.Second)
		}
		wait()
		w.stop()
		if n := len(w.told()); n != 10 {
			t.Errorf("%d of 10 came", n)
		}
	})
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestChangesKeepBytes(t *testing.T) {
	resource := `{ "resourceType":"ServiceRequest", "id":"a","status":"active",
  "big":123456789012345678901234567890, "dec":1.000, "esc":"\u00e9\/<", "meta":{"versionId":"7","lastUpdated":"2000-01-01T00:00:03Z"} }`
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind{Since: "beginning", Size: 100}, func(c *openmrs.Changes) { c.Resource = []string{"ServiceRequest"} })
		var gone atomic.Bool
		w.rt.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/fhir+json")
			switch {
			case gone.Load() && !r.URL.Query().Has("_sort"):
				rw.WriteHeader(http.StatusGone)
			case gone.Load():
				fmt.Fprint(rw, `{"resourceType":"Bundle"}`)
			default:
				fmt.Fprint(rw, `{"resourceType":"Bundle","entry":[{"resource":`+resource+`}]}`)
			}
		})
		w.run()
		wait()
		gone.Store(true)
		wait()
		w.stop()
		ms := w.all()
		if len(ms) != 2 {
			t.Fatalf("%v", w.told())
		}
		if string(ms[0].Body) != resource {
			t.Errorf("the body is\n%s\nwant\n%s", ms[0].Body, resource)
		}
		for _, digits := range []string{"123456789012345678901234567890", "1.000"} {
			if !strings.Contains(string(ms[1].Body), digits) {
				t.Errorf("the last known state lost %s: %s", digits, ms[1].Body)
			}
		}
		h := ms[0].Headers
		if h["resource"] != "ServiceRequest" || h["id"] != "a" || h["version"] != "7" || ms[0].Type != "application/fhir+json" {
			t.Errorf("headers %v, type %s", h, ms[0].Type)
		}
		if ms[0].ID == ms[1].ID || h["change"] == ms[1].Headers["change"] {
			t.Error("two events have one id")
		}
	})
}

func TestChangesTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind{Since: "now", Size: 100}, nil)
		w.in.Limit = 400
		w.run()
		time.Sleep(2 * time.Second)
		w.s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p","text":"%s","note":"%s"}`, strings.Repeat("x", 500), strings.Repeat("x", 500)))
		wait()
		w.stop()
		if ms := w.all(); len(ms) != 1 || fault.ClassOf(ms[0].Fault) != fault.Invalid || len(ms[0].Body) != 400 {
			t.Errorf("got %d messages: %v", len(ms), ms)
		}
	})
}

func TestChangesNudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind{Since: "now", Size: 100}, func(c *openmrs.Changes) { c.Every, c.Sweep.Every = time.Hour, 100*time.Hour })
		w.run()
		time.Sleep(2 * time.Second)
		w.s.Put(order("a"))
		w.in.Nudge()
		time.Sleep(time.Second)
		w.s.Void("ServiceRequest", "a")
		w.in.Nudge()
		time.Sleep(time.Second)
		w.stop()
		if d := cmp.Diff([]string{"create ServiceRequest/a active", "delete ServiceRequest/a active"}, w.told()); d != "" {
			t.Error(d)
		}
	})
}

// TestChangesGivesUp has what asking again does not mend: the engine is told.
func TestChangesGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*openmrs.Changes)
		status int
		class  fault.Class
		says   string
	}{
		"credentials":     {nil, http.StatusUnauthorized, fault.Unauthorized, "does not take the credentials"},
		"a bad parameter": {func(w *openmrs.Changes) { w.Query = map[string]any{"nope": "1"} }, 0, fault.Rejected, "status 400"},
		"no type":         {func(w *openmrs.Changes) { w.Resource = []string{"Service/Request"} }, 0, fault.Bug, "no resource type"},
		"no such day":     {func(w *openmrs.Changes) { w.Since = "yesterday" }, 0, fault.Bug, "yesterday"},
		"no value":        {func(w *openmrs.Changes) { w.Query = map[string]any{"code": nil} }, 0, fault.Bug, "has no value"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, kind{Since: "now", Size: 100}, c.change)
				if c.status != 0 {
					w.s.Fail(1000, c.status, "<html>", nil)
				}
				w.run()
				wait()
				w.stop()
				if e := fault.Of(w.gaveUp); e == nil || e.Class != c.class || !strings.Contains(e.Text, c.says) {
					t.Errorf("ended with %v, want %s with %q", w.gaveUp, c.class, c.says)
				}
			})
		})
	}
}

// fail makes the next n requests fail, and gives how many were still to.
func (w *world) fail(n int) (left int) {
	w.rt.mu.Lock()
	defer w.rt.mu.Unlock()
	left, w.rt.fail = w.rt.fail, n
	return left
}

// TestChangesBacksOff counts requests of a server that is away for a day.
func TestChangesBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, kind{Since: "now", Size: 100}, nil)
		w.run()
		time.Sleep(2 * time.Second)
		w.fail(1 << 30)
		time.Sleep(24 * time.Hour)
		if n := 1<<30 - w.fail(0); n < 250 || n > 700 {
			t.Errorf("%d requests in a day of failures", n)
		}
		w.s.Put(order("a"))
		time.Sleep(6 * time.Minute)
		w.stop()
		if d := cmp.Diff([]string{"create ServiceRequest/a active"}, w.told()); d != "" {
			t.Error(d)
		}
		if !strings.Contains(w.log.String(), "works again") {
			t.Error("the log does not say that it works again")
		}
	})
}
