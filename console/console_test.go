package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

const siteRules = `
engine: clinic
---
system: desk
adapter: desk
---
route: orders
from: desk.letters
id: ${body.id}
key: ${body.patient}
order: none
when: body.status == "active"
steps:
  - translate: { map: tests, from: .test }
to: desk.send
---
route: nightly
from: desk.letters
enabled: false
to: desk.send
---
map: tests
inline: { hb: LAB-HB }
`

// desk is an adapter whose letters come from the test, and whose operation refuses what says so.
type desk struct {
	letters chan message.Message
	mu      sync.Mutex // guards sent
	sent    []string
}

type none struct{}

func (d *desk) definition() *adapter.Definition {
	return adapter.Define("desk", "letters on a desk", none{}, func(context.Context, adapter.Env, none) (*desk, error) { return d, nil },
		adapter.Source("letters", "what the test puts there", "json", none{}, func(d *desk, ctx context.Context, _ none, in adapter.Inbox) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case m := <-d.letters:
					if _, err := in.Accept(ctx, m); err != nil {
						return err
					}
				case <-in.Nudged():
				}
			}
		}),
		adapter.Operation("send", "keeps it", adapter.Idempotent, none{}, func(d *desk, ctx context.Context, _ none, m message.Message) (message.Message, error) {
			if strings.Contains(string(m.Body), "refuse") {
				return m, &fault.Error{Class: fault.Rejected, Text: "not like this", Status: 422, Answer: []byte("field note is not allowed")}
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.sent = append(d.sent, string(m.Body))
			return message.Message{Body: []byte(`{"ok":true}`)}, nil
		}),
	)
}

// house is an engine that runs, its API and a client of it.
type house struct {
	desk   *desk
	e      *engine.Engine
	j      *journal.Disk
	h      http.Handler
	client *console.Client
	stop   func()
	dir    string
}

func start(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(siteRules), 0o644); err != nil {
		t.Fatal(err)
	}
	d := &desk{letters: make(chan message.Message)}
	o := engine.LoadOptions{Root: dir, Adapters: adapter.NewRegistry(d.definition())}
	set, rs, errs := engine.Load(os.DirFS(dir), o)
	if set == nil {
		t.Fatalf("%v: %v", rs, errs)
	}
	j, err := journal.OpenDisk(filepath.Join(dir, "data"), journal.DiskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(j, engine.Options{Load: o})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, set) }()
	h := &house{desk: d, e: e, j: j, dir: dir, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})}
	h.h = console.Handler(e, console.Options{Reload: func(context.Context) console.Reload {
		return console.Reload{ReloadResult: engine.ReloadResult{Version: "next"}, Findings: []console.Finding{{File: "rules.yaml", Line: 3, Text: "no"}}}
	}})
	h.client = console.Inside(h.h, "amina")
	t.Cleanup(func() {
		h.stop()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	h.wait(t, "the engine is ready", func() bool { return e.Ready() == nil })
	return h
}

// wait waits for the thing itself.
func (h *house) wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for since := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(since) > 20*time.Second {
			t.Fatalf("%s: did not come about", what)
		}
	}
}

// put hands a letter in, and waits until its message has that status.
func (h *house) put(t *testing.T, seq int, body string, status journal.Status) {
	t.Helper()
	h.desk.letters <- message.Message{Body: []byte(body)}
	h.stands(t, seq, status)
}

func (h *house) stands(t *testing.T, seq int, status journal.Status) {
	t.Helper()
	h.wait(t, fmt.Sprintf("message %d is %s", seq, status), func() bool {
		s, err := h.client.Message(t.Context(), fmt.Sprint(seq), false)
		return err == nil && s.Status == status
	})
}

func TestWhatAnOperatorDoes(t *testing.T) {
	h, ctx := start(t), t.Context()
	h.put(t, 1, `{"id":"a","patient":"p1","status":"active","test":"hb"}`, journal.Delivered)
	h.put(t, 2, `{"id":"b","patient":"p1","status":"draft","test":"hb"}`, journal.Filtered)
	h.put(t, 3, `{"id":"c","patient":"p2","status":"active","test":"malaria"}`, journal.Held)
	h.put(t, 4, `{"id":"d","patient":"p3","status":"active","test":"hb","note":"refuse"}`, journal.Dead)

	st, err := h.client.Status(ctx)
	if err != nil || !st.Ready || st.Name != "clinic" || len(st.Systems) != 1 || st.Systems[0].State != "up" {
		t.Errorf("Status() = %+v, %v", st, err)
	}

	t.Run("pages", func(t *testing.T) {
		var seen []journal.Seq
		f := console.Filter{Limit: 3}
		for {
			p, err := h.client.Messages(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range p.Messages {
				seen = append(seen, m.Seq)
			}
			if p.Next == nil {
				break
			}
			f.Before = int64(p.Next.Before)
		}
		if fmt.Sprint(seen) != "[4 3 2 1]" {
			t.Errorf("pages of three give %v", seen)
		}
	})
	t.Run("searches", func(t *testing.T) {
		for name, c := range map[string]struct {
			f    console.Filter
			want string
		}{
			"by status":          {console.Filter{Status: []string{"held", "dead"}}, "[4 3]"},
			"by class":           {console.Filter{Class: "unmapped"}, "[3]"},
			"by key":             {console.Filter{Key: "p1"}, "[2 1]"},
			"by map":             {console.Filter{Map: "tests"}, "[3]"},
			"by words":           {console.Filter{Text: "like this"}, "[4]"},
			"by the source's id": {console.Filter{ID: "c"}, "[3]"},
			"by route":           {console.Filter{Route: "nightly"}, "[]"},
			"by time":            {console.Filter{Until: "2020-01-01"}, "[]"},
		} {
			h.wait(t, name, func() bool {
				p, err := h.client.Messages(ctx, c.f)
				got := []journal.Seq{}
				for _, m := range p.Messages {
					got = append(got, m.Seq)
				}
				return err == nil && fmt.Sprint(got) == c.want
			})
		}
	})
	t.Run("a story holds no patient data unless it is asked for", func(t *testing.T) {
		s, err := h.client.Message(ctx, "4", false)
		if err != nil || len(s.Body) > 0 || len(s.Deliveries) != 1 || len(s.Deliveries[0].Body) > 0 {
			t.Errorf("Message(4) = %+v, %v", s, err)
		}
		if len(s.Attempts) != 1 || string(s.Attempts[0].Answer) != "field note is not allowed" {
			t.Errorf("the answer of a failed attempt is missing: %+v", s.Attempts)
		}
		b, _ := json.Marshal(s)
		if strings.Contains(string(b), `"note":"refuse"`) || strings.Contains(string(b), "refuse\\\"") {
			t.Errorf("without bodies it has one: %s", b)
		}
		s, err = h.client.Message(ctx, string(s.ID), true)
		if err != nil || !strings.Contains(string(s.Body), "refuse") || !strings.Contains(string(s.Deliveries[0].Body), "refuse") {
			t.Errorf("Message(by id, with bodies) = %+v, %v", s, err)
		}
	})
	t.Run("edit, retry, discard", func(t *testing.T) {
		if _, err := h.client.Edit(ctx, "3", []byte(`{"id":"c","patient":"p2","status":"active","test":"hb"}`), "wrong test"); err != nil {
			t.Fatal(err)
		}
		h.stands(t, 3, journal.Delivered)
		if _, err := h.client.Retry(ctx, "4", "again"); err != nil {
			t.Fatal(err)
		}
		h.stands(t, 4, journal.Dead)
		if m, err := h.client.Discard(ctx, "4", "sent by hand"); err != nil || m.Status != journal.Discarded {
			t.Fatalf("Discard(4) = %+v, %v", m, err)
		}
		s, err := h.client.Message(ctx, "3", true)
		if err != nil || !strings.Contains(string(s.Original), "malaria") || len(s.Actions) == 0 || s.Actions[0].Who != "amina" || s.Actions[0].Reason != "wrong test" {
			t.Errorf("after the edit: %+v, %v", s, err)
		}
		list, err := h.client.Actions(ctx, 10)
		if err != nil || len(list) < 3 {
			t.Errorf("Actions() = %v, %v", list, err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		for i := 5; i < 10; i++ {
			h.put(t, i, fmt.Sprintf(`{"id":"m%d","patient":"p%d","status":"active","test":"malaria"}`, i, i), journal.Held)
		}
		b := console.Bulk{Action: "discard", Query: console.Filter{Class: "unmapped"}, DryRun: true}
		r, err := h.client.Bulk(ctx, b)
		if err != nil || r.Matched != 5 || r.Done != 0 {
			t.Fatalf("counting: %+v, %v", r, err)
		}
		b.DryRun, b.Reason = false, "not done here"
		if r, err = h.client.Bulk(ctx, b); err != nil || r.Done != 5 || len(r.Failed) > 0 {
			t.Fatalf("Bulk() = %+v, %v", r, err)
		}
		if r, err = h.client.Bulk(ctx, console.Bulk{Action: "retry", All: true, DryRun: true}); err != nil || r.Matched != 0 {
			t.Errorf("what ended well or was discarded is not meant: %+v, %v", r, err)
		}
	})
	t.Run("systems and routes", func(t *testing.T) {
		if s, err := h.client.Pause(ctx, "desk", "cleaning"); err != nil || s.State != "paused" {
			t.Errorf("Pause() = %+v, %v", s, err)
		}
		if s, err := h.client.Resume(ctx, "desk"); err != nil || s.State != "up" {
			t.Errorf("Resume() = %+v, %v", s, err)
		}
		if err := h.client.RunNow(ctx, "orders"); err != nil {
			t.Errorf("RunNow() = %v", err)
		}
		r, err := h.client.Reload(ctx)
		if err != nil || r.OK || len(r.Findings) != 1 || r.Findings[0].Line != 3 {
			t.Errorf("Reload() = %+v, %v", r, err)
		}
	})
	t.Run("once it has stopped, the journal is still there", func(t *testing.T) {
		h.stop()
		c := console.Inside(console.Stopped(h.j, ""), "amina")
		if m, err := c.Retry(ctx, "4", "at the next start"); err != nil || m.Status != journal.Received {
			t.Errorf("Retry(4) = %+v, %v", m, err)
		}
		if p, err := c.Messages(ctx, console.Filter{Status: []string{"received"}}); err != nil || len(p.Messages) != 1 {
			t.Errorf("Messages() = %+v, %v", p, err)
		}
		_, err := c.Status(ctx)
		if p, ok := errors.AsType[*console.Problem](err); !ok || p.Status != 404 || !strings.Contains(p.Hint, "no engine is running") {
			t.Errorf("Status() = %v", err)
		}
	})
}

func TestMalformedRequests(t *testing.T) {
	h := start(t)
	h.put(t, 1, `{"id":"a","patient":"p1","status":"active","test":"hb"}`, journal.Delivered)
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
		says                           string
	}{
		{"a page that does not exist", "GET", "/api/v1/nothing", "", "", 404, "is not part of this API"},
		{"another method", "DELETE", "/api/v1/messages/1", "", "", 405, `"use GET, HEAD"`},
		{"a parameter that does not exist", "GET", "/api/v1/messages?stats=held", "", "", 400, `did you mean \"status\"?`},
		{"a parameter twice", "GET", "/api/v1/messages?route=a&route=b", "", "", 400, "stands there twice"},
		{"a status that does not exist", "GET", "/api/v1/messages?status=hold", "", "", 400, `did you mean \"held\"?`},
		{"a class that does not exist", "GET", "/api/v1/messages?class=rejectd", "", "", 400, `did you mean \"rejected\"?`},
		{"a limit that is no number", "GET", "/api/v1/messages?limit=all", "", "", 400, "limit is a number"},
		{"a negative limit", "GET", "/api/v1/messages?limit=-1", "", "", 400, "limit is a number"},
		{"a number that is too large", "GET", "/api/v1/messages?before=99999999999999999999", "", "", 400, "before is a number"},
		{"no time", "GET", "/api/v1/messages?since=soon", "", "", 400, "is no time"},
		{"a message that does not exist", "GET", "/api/v1/messages/77", "", "", 404, "there is no message 77"},
		{"number zero", "GET", "/api/v1/messages/0", "", "", 404, "there is no message 0"},
		{"an id with odd letters", "GET", "/api/v1/messages/%27%3B--", "", "", 404, "there is no message ';--"},
		{"bodies that are neither", "GET", "/api/v1/messages/1?bodies=perhaps", "", "", 400, "bodies is true or false"},
		{"no JSON", "POST", "/api/v1/messages/1/retry", "application/json", "{", 400, "ends too early"},
		{"broken JSON", "POST", "/api/v1/messages/1/retry", "application/json", "{]", 400, "goes wrong at byte 2"},
		{"a list", "POST", "/api/v1/messages/1/retry", "application/json", "[]", 400, "the request is a list"},
		{"two documents", "POST", "/api/v1/messages/1/retry", "application/json", "{}{}", 400, "something follows"},
		{"a form of a browser", "POST", "/api/v1/messages/1/retry", "application/x-www-form-urlencoded", "reason=x", 415, "must be JSON"},
		{"a field that does not exist", "POST", "/api/v1/messages/1/retry", "application/json", `{"reasn":"x"}`, 400, `did you mean \"reason\"?`},
		{"a reason that is a number", "POST", "/api/v1/messages/1/retry", "application/json", `{"reason":7}`, 400, "reason is a number"},
		{"edit without a body", "POST", "/api/v1/messages/1/edit", "application/json", `{"reason":"x"}`, 400, "edit needs a body"},
		{"edit with a body that is a tree", "POST", "/api/v1/messages/1/edit", "application/json", `{"body":{"a":1}}`, 400, "a body is text"},
		{"retry with a body", "POST", "/api/v1/messages/1/retry", "application/json", `{"body":"x"}`, 400, "retry takes no body"},
		{"discard without a reason", "POST", "/api/v1/messages/1/discard", "application/json", `{"reason":"  "}`, 400, "discard needs a reason"},
		{"an action that does not exist", "POST", "/api/v1/messages/actions", "application/json", `{"action":"delete","query":{"route":"x"}}`, 400, "there is no action"},
		{"an action on everything", "POST", "/api/v1/messages/actions", "application/json", `{"action":"retry"}`, 400, "every message"},
		{"an action on a page", "POST", "/api/v1/messages/actions", "application/json", `{"action":"retry","query":{"route":"x","limit":3}}`, 400, "all messages of its query"},
		{"a mass discard without a reason", "POST", "/api/v1/messages/actions", "application/json", `{"action":"discard","query":{"route":"x"}}`, 400, "needs a reason"},
		{"a route that does not exist", "POST", "/api/v1/routes/ordrs/run-now", "", "", 404, `did you mean \"orders\"?`},
		{"a route that is off", "POST", "/api/v1/routes/nightly/run-now", "", "", 409, "is not enabled"},
		{"a system that does not exist", "POST", "/api/v1/systems/dsk/pause", "", "", 404, `did you mean \"desk\"?`},
		{"a request of two megabytes", "POST", "/api/v1/messages/1/retry", "application/json", `{"reason":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "larger than"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		w := httptest.NewRecorder()
		h.h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s %s = %d %s %s, want %d with %s", c.name, c.method, c.path, w.Code, w.Header().Get("Content-Type"), w.Body, c.status, c.says)
		}
		if strings.Contains(w.Body.String(), "console.") || strings.Contains(w.Body.String(), "journal.") {
			t.Errorf("%s: the answer names a type of the program: %s", c.name, w.Body)
		}
	}
}

func TestProbe(t *testing.T) {
	h := start(t)
	h.put(t, 1, `{"id":"a","patient":"p1","status":"active","test":"hb"}`, journal.Delivered)
	p := console.Probe(h.e)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		b, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(b)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := get(path); code != 200 || text != "ok\n" {
			t.Errorf("GET %s = %d %q", path, code, text)
		}
	}
	code, text := get("/metrics")
	for _, want := range []string{`njia_messages_received_total{route="orders"} 1`, `njia_messages{route="orders",status="delivered"} 1`, "go_goroutines", "process_resident_memory_bytes", "njia_rules_info"} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("GET /metrics = %d without %s", code, want)
		}
	}
	if code, _ := get("/api/v1/status"); code != 404 {
		t.Errorf("the probes serve the management API: %d", code)
	}
	h.stop()
	if code, text := get("/readyz"); code != 503 || !strings.Contains(text, "stopping") {
		t.Errorf("GET /readyz of a stopped engine = %d %q", code, text)
	}
}

// FuzzRequest: whatever is sent, the API answers, and never that the program failed.
func FuzzRequest(f *testing.F) {
	for _, s := range [][2]string{{"status=held", `{"action":"retry","query":{"status":["held"]}}`}, {"since=7d&limit=3", `{"reason":"x","body":"y"}`}, {"id='%00", `{"body":{"base64":"AA=="}}`}, {"text=\"*", `[`}} {
		f.Add(s[0], s[1])
	}
	dir := f.TempDir()
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { j.Close() })
	h := console.Stopped(j, "")
	f.Fuzz(func(t *testing.T, query, body string) {
		for _, path := range []string{"/api/v1/messages", "/api/v1/messages/1", "/api/v1/actions"} {
			r := httptest.NewRequest("GET", path, nil)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == 500 {
				t.Errorf("GET %s?%q = %d %s", path, query, w.Code, w.Body)
			}
		}
		for _, path := range []string{"/api/v1/messages/1/edit", "/api/v1/messages/1/retry", "/api/v1/messages/1/discard", "/api/v1/messages/actions"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == 500 {
				t.Errorf("POST %s %q = %d %s", path, body, w.Code, w.Body)
			}
		}
	})
}
