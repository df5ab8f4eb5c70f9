package openmrs_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/conformance/adaptertest"
	double "github.com/njia-health/njia/conformance/systems/openmrs"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

// direct sends requests to a handler without a network, and does something of its own before some of them.
type direct struct {
	http.Handler
	mu     sync.Mutex // guards what follows, and the clinic's lists
	before []func()   // one for each coming request; nil does nothing
	fail   int        // so many requests get a 503
	cut    int        // so many answers are lost
}

// begin does what is to be done before a request, and says what is to become of it.
func (d *direct) begin() (failed, cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.before) > 0 {
		do := d.before[0]
		d.before = d.before[1:]
		if do != nil {
			do()
		}
	}
	if d.fail > 0 {
		d.fail--
		return true, false
	}
	if d.cut > 0 {
		d.cut--
		return false, true
	}
	return false, false
}

func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	failed, cut := d.begin()
	if t := httptrace.ContextClientTrace(r.Context()); t != nil && t.WroteHeaders != nil {
		t.WroteHeaders()
	}
	if failed {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	in := r.Clone(r.Context())
	in.Host = r.URL.Host
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, in)
	if cut {
		return nil, io.ErrUnexpectedEOF
	}
	return w.Result(), nil
}

// act is one thing that happens to the clinic, its server, or the engine.
type act struct {
	Do string
	N  int
	S  time.Duration
}

var acts = []string{"patient", "patient", "order", "order", "edit", "edit", "stop", "void", "revise", "wait", "wait", "wait",
	"fail", "cut", "expire", "refuse", "restart", "meanwhile", "future", "clock"}

func genAct(t *rapid.T) act {
	return act{
		Do: rapid.SampledFrom(acts).Draw(t, "do"), N: rapid.IntRange(0, 7).Draw(t, "n"),
		S: rapid.SampledFrom([]time.Duration{0, 300 * time.Millisecond, time.Second, 5 * time.Second, 20 * time.Second, 3 * time.Minute}).Draw(t, "s"),
	}
}

// world is a clinic and a running source.
type world struct {
	s        *double.Server
	rt       *direct
	in       *adaptertest.Inbox
	patients []string
	orders   []string
	voided   map[string]bool
	taken    []message.Message // by inboxes before in
	n        int
	log      bytes.Buffer
	gaveUp   error         // the last error that the source ended with
	back     time.Duration // so far it was set back
	bare     bool
	skew     atomic.Int64 // of the server's clock, a time.Duration
	stop     func()
	run      func()
}

func (w *world) all() []message.Message {
	return append(w.taken[:len(w.taken):len(w.taken)], w.in.Taken()...)
}

func (w *world) mutate(a act) {
	w.n++
	switch a.Do {
	case "patient":
		for range a.N + 1 {
			w.n++
			w.patients = append(w.patients, w.s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","name":[{"family":"F%d"}]}`, w.n, w.n)))
		}
	case "order":
		for range a.N + 1 {
			w.n++
			w.orders = append(w.orders, w.s.Put(fmt.Sprintf(`{"resourceType":"ServiceRequest","id":"o%d","status":"active","intent":"order"}`, w.n)))
		}
	case "future": // a row from a time when the clock was wrong
		at := time.Now().Add(time.Duration(w.skew.Load()) + time.Duration(a.N+1)*time.Hour).UTC().Format(time.RFC3339)
		w.patients = append(w.patients, w.s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","meta":{"lastUpdated":%q}}`, w.n, at)))
	case "edit":
		if len(w.patients) > 0 {
			id := w.patients[a.N%len(w.patients)]
			w.s.Change("Patient", id, func(r map[string]any) { r["gender"] = fmt.Sprint("g", w.n) })
		}
	case "stop":
		if id, ok := w.order(a.N); ok {
			w.s.Stop("ServiceRequest", id)
		}
	case "void":
		if id, ok := w.order(a.N); ok {
			w.s.Void("ServiceRequest", id)
			w.voided[id] = true
		}
	case "revise":
		if id, ok := w.order(a.N); ok {
			w.orders = append(w.orders, w.s.Revise(id, nil))
		}
	}
}

func (w *world) order(n int) (string, bool) {
	if len(w.orders) == 0 {
		return "", false
	}
	id := w.orders[n%len(w.orders)]
	return id, !w.voided[id]
}

func (w *world) apply(script []act, i int) {
	a := script[i]
	if a.Do == "restart" {
		w.stop()
		w.taken = w.all()
		w.in = w.in.Again()
		w.run()
	}
	w.rt.mu.Lock()
	switch a.Do {
	case "wait", "restart":
	case "fail":
		w.rt.fail += a.N%3 + 1
	case "cut":
		w.rt.cut += a.N%3 + 1
	case "expire":
		w.s.ExpirePages()
	case "clock": // set back
		if step := time.Duration(a.N+1) * 6 * time.Minute; w.back+step < 55*time.Minute {
			w.back += step
			w.skew.Add(-int64(step))
		}
	case "refuse":
		w.in.Refuse(a.N+1, nil)
	case "meanwhile": // the acts that follow happen between requests
		for range a.N {
			w.rt.before = append(w.rt.before, nil)
		}
		if i+1 < len(script) {
			next := script[i+1]
			w.rt.before = append(w.rt.before, func() { w.mutate(next) })
		}
	default:
		w.mutate(a)
	}
	w.rt.mu.Unlock()
	time.Sleep(a.S)
}

// kind is a server and how it is asked.
type kind struct {
	Options double.Options
	Skew    time.Duration
	Size    int
	Since   string
	Bare    bool // resources have no meta, as before FHIR2 1.3
	Unsort  bool // _sort does nothing
	Cap     bool // no page has more than three rows, whatever is asked for
}

func genKind(t *rapid.T) kind {
	k := kind{
		Options: double.Options{Open: true, Shuffle: uint64(rapid.IntRange(0, 3).Draw(t, "shuffle")), LivePages: rapid.Bool().Draw(t, "live")},
		Skew:    rapid.SampledFrom([]time.Duration{0, -time.Hour, 26 * time.Hour}).Draw(t, "skew"),
		Size:    rapid.IntRange(1, 5).Draw(t, "page-size"),
		Since:   rapid.SampledFrom([]string{"now", "beginning"}).Draw(t, "since"),
		Bare:    rapid.IntRange(0, 4).Draw(t, "bare") == 4,
		Unsort:  rapid.IntRange(0, 4).Draw(t, "unsort") == 4,
	}
	k.Cap = rapid.IntRange(0, 2).Draw(t, "cap") == 2
	if k.Unsort || k.Cap {
		k.Options.Shuffle = 0 // a table without an order gives its rows in one, and FHIR2 4 orders rows of a second by id
	}
	return k
}

// TestChangesLosesAndRepeatsNothing plays clinics in which anything happens at any time, and then compares.
func TestChangesLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.Custom(genKind).Draw(rt, "kind")
		script := rapid.SliceOfN(rapid.Custom(genAct), 1, 40).Draw(rt, "script")
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = play(t, k, script) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// bare takes meta out of a resource, or out of all in a Bundle.
func bare(text []byte) []byte {
	v, err := message.Decode(text)
	m, ok := v.(map[string]any)
	if err != nil || !ok {
		return text
	}
	if m["resourceType"] != "Bundle" {
		delete(m, "meta")
	}
	entries, _ := m["entry"].([]any)
	for _, e := range entries {
		delete(e.(map[string]any)["resource"].(map[string]any), "meta")
	}
	b, _ := message.Encode(v)
	return b
}

// altered is a handler that answers as an older or simpler server does.
func (k kind) altered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); k.Unsort && q.Has("_sort") {
			q.Del("_sort")
			r.URL.RawQuery = q.Encode()
		}
		if q := r.URL.Query(); k.Cap && q.Get("_count") > "3" {
			q.Set("_count", "3")
			r.URL.RawQuery = q.Encode()
		}
		if !k.Bare {
			h.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		w.Write(bare(rec.Body.Bytes()))
	})
}

// newWorld is an empty clinic with a source that is ready to run.
func newWorld(t *testing.T, k kind, change func(*openmrs.Changes)) *world {
	w := &world{in: &adaptertest.Inbox{}, voided: map[string]bool{}, bare: k.Bare}
	w.skew.Store(int64(k.Skew))
	k.Options.Open, k.Options.Now = true, func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }
	w.s = double.New(k.Options)
	w.rt = &direct{Handler: k.altered(w.s)}
	with := openmrs.DefaultChanges()
	with.Resource, with.Since, with.Every = []string{"Patient", "ServiceRequest"}, k.Since, 30*time.Second
	with.Sweep.Every, with.Sweep.Per = time.Minute, 80
	if change != nil {
		change(&with)
	}
	c, err := openmrs.OpenOver(adapter.Env{System: "openmrs", Log: slog.New(slog.NewTextHandler(&w.log, nil))},
		openmrs.Settings{URL: "http://emr.example/openmrs", PageSize: k.Size}, w.rt)
	if err != nil {
		t.Fatal(err)
	}
	w.run = func() {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		in := w.in
		go func() {
			defer close(ended)
			for ctx.Err() == nil { // the engine starts a source again that gave up
				if err := c.Changes(ctx, with, in); err != nil {
					w.gaveUp = err
					time.Sleep(time.Second)
				}
			}
		}()
		w.stop = func() { cancel(); <-ended }
	}
	return w
}

func play(t *testing.T, k kind, script []act) string {
	w := newWorld(t, k, nil)
	w.run()
	time.Sleep(2 * time.Second) // past the second that since: now means
	for i := range script {
		w.apply(script, i)
	}
	w.rt.mu.Lock()
	w.rt.before, w.rt.fail, w.rt.cut = nil, 0, 0
	w.rt.mu.Unlock()
	w.in.Refuse(0, nil)
	time.Sleep(10 * time.Minute) // the longest wait after failures, and sweeps of all there is
	w.stop()
	return w.compare()
}

// compare says what was lost or repeated.
func (w *world) compare() string {
	last := map[string]message.Message{}
	ids := map[message.ID]bool{}
	for _, m := range w.all() {
		name := m.Headers["resource"] + "/" + m.Headers["id"]
		if ids[m.ID] {
			return fmt.Sprintf("message %s of %s came twice", m.ID, name)
		}
		ids[m.ID] = true
		if old, ok := last[name]; ok {
			if m.Event == message.Create {
				return fmt.Sprintf("%s is created twice", name)
			}
			if m.Event == old.Event && string(m.Body) == string(old.Body) && m.Headers["version"] == old.Headers["version"] {
				return fmt.Sprintf("%s is repeated:\n%s", name, m.Body)
			}
		} else if m.Event != message.Create {
			return fmt.Sprintf("%s begins with %q", name, m.Event)
		}
		last[name] = m
	}
	for _, id := range w.patients {
		if wrong := same(last["Patient/"+id], w.now("Patient", id)); wrong != "" {
			return "Patient " + id + ": " + wrong
		}
	}
	for _, id := range w.orders {
		m, ok := last["ServiceRequest/"+id]
		if w.voided[id] {
			if ok && m.Event != message.Delete && !strings.Contains(string(m.Body), `"completed"`) {
				return fmt.Sprintf("ServiceRequest %s was voided; its last event is %q: %s", id, m.Event, m.Body)
			}
			continue
		}
		if wrong := same(m, w.now("ServiceRequest", id)); wrong != "" {
			return "ServiceRequest " + id + ": " + wrong
		}
	}
	return ""
}

func (w *world) now(typ, id string) []byte {
	if w.bare {
		return bare(w.s.Resource(typ, id))
	}
	return w.s.Resource(typ, id)
}

func same(m message.Message, want []byte) string {
	if string(m.Body) == string(want) {
		return ""
	}
	return fmt.Sprintf("the last event is %q %s, and it is now\n%s", m.Event, cmp.Or(string(m.Body), "none"), want)
}
