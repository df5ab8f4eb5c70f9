package adaptertest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// outside is a queue and a store, in memory. Its fault is what the toy adapter does wrong.
type outside struct {
	fault string

	mu     sync.Mutex // guards what follows
	queue  [][]byte
	acked  int
	away   bool
	deny   bool
	slow   bool
	busy   time.Duration
	stored map[string]string
	count  int
}

type toySettings struct {
	Key bind.Secret `yaml:"key,required" doc:"the key"`
}

type undocumented struct {
	Key   bind.Secret `yaml:"key,required" doc:"the key"`
	Other string      `yaml:"other"`
}

type toyFetch struct {
	Every time.Duration `yaml:"every" doc:"how often to look"`
}

type toyStore struct {
	Name string `yaml:"name,required" doc:"name of the record"`
}

// toy is an adapter for o.
func toy(o *outside) *adapter.Definition {
	parts := []adapter.Part[*outside]{
		adapter.Source("fetch", "takes what is queued", "", toyFetch{Every: time.Millisecond}, (*outside).fetch),
		adapter.Operation("store", "stores the body", adapter.Idempotent, toyStore{}, (*outside).store),
	}
	if o.fault == "a setting is not documented" {
		return adapter.Define("toy", "a toy", undocumented{}, func(context.Context, adapter.Env, undocumented) (*outside, error) { return o, nil }, parts...)
	}
	return adapter.Define("toy", "a toy", toySettings{}, func(_ context.Context, env adapter.Env, s toySettings) (*outside, error) {
		if o.fault == "logs a secret" {
			env.Log.Info("opened", "key", s.Key.Reveal())
		}
		return o, nil
	}, parts...)
}

func (o *outside) fetch(ctx context.Context, w toyFetch, in adapter.Inbox) error {
	cursor, err := in.Cursor(ctx)
	if err != nil && ctx.Err() == nil {
		return err
	}
	at, _ := strconv.Atoi(cursor)
	if o.fault == "forgets its cursor" {
		at = 0
	}
	if o.fault == "leaves a goroutine" {
		go func() { time.Sleep(time.Hour) }()
	}
	for {
		o.mu.Lock()
		var body []byte
		more := at < len(o.queue) && !o.away
		if more {
			body = o.queue[at]
		}
		o.mu.Unlock()
		if !more {
			select {
			case <-ctx.Done():
				if o.fault == "ends with an error" {
					return ctx.Err()
				}
				return nil
			case <-time.After(w.Every):
			}
			continue
		}
		at++
		m := message.Message{Body: body, Cursor: strconv.Itoa(at), Headers: map[string]string{"source-id": strconv.Itoa(at)}}
		switch o.fault {
		case "makes ids at random":
			m.Headers["source-id"] = string(message.NewID())
		case "changes bytes":
			m.Body = bytes.ReplaceAll(body, []byte("1.000"), []byte("1"))
		case "acknowledges early":
			o.ack()
		case "ignores its context":
			ctx = context.WithoutCancel(ctx)
		case "has header names in capitals":
			m.Headers["Source"] = "toy"
		}
		for {
			_, err := in.Accept(ctx, m)
			if err == nil {
				o.ack()
				break
			}
			if ctx.Err() != nil {
				return nil //nolint:nilerr // that is how a source ends
			}
			if o.fault == "drops what is refused" {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (o *outside) ack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acked++
}

func (o *outside) store(ctx context.Context, w toyStore, m message.Message) (message.Message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.away && o.fault == "says rejected when away":
		return m, fault.New(fault.Rejected, "away")
	case o.away:
		return m, fault.New(fault.Transient, "the toy is away")
	case o.deny && o.fault == "shows a secret":
		return m, fault.New(fault.Unauthorized, "the key k3y is refused")
	case o.deny && o.fault == "shows its insides":
		return m, fault.New(fault.Unauthorized, "*url.Error: refused")
	case o.deny:
		return m, fault.New(fault.Unauthorized, "the key is refused")
	case o.busy > 0 && o.fault == "drops Retry-After":
		return m, fault.New(fault.Transient, "busy")
	case o.busy > 0:
		return m, &fault.Error{Class: fault.Transient, Text: "busy", RetryAfter: o.busy}
	case o.slow && o.fault == "ignores the deadline":
		time.Sleep(4 * time.Second)
		return m, fault.New(fault.Transient, "late")
	case o.slow:
		<-ctx.Done()
		return m, fault.As(fault.Transient, ctx.Err())
	case w.Name == "bad" && o.fault == "retries what is refused":
		return m, fmt.Errorf("refused")
	case w.Name == "bad":
		return m, fault.New(fault.Rejected, "the toy takes no bad ones")
	}
	if _, there := o.stored[w.Name]; !there || o.fault == "does it twice" {
		o.count++
	}
	if o.stored == nil {
		o.stored = map[string]string{}
	}
	if o.fault != "does nothing" {
		o.stored[w.Name] = string(m.Body)
	}
	return message.Message{}, nil
}

func toyHarness(o *outside) adaptertest.Harness {
	reset := func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.queue, o.acked, o.away, o.deny, o.slow, o.busy, o.stored, o.count = nil, 0, false, false, false, 0, nil, 0
	}
	locked := func(f func()) func() {
		return func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			f()
		}
	}
	h := adaptertest.Harness{
		System:   "key: k3y",
		Secrets:  []string{"k3y"},
		Patience: 700 * time.Millisecond,
		Sources: map[string]adaptertest.Source{"fetch": func(testing.TB) *adaptertest.Way {
			reset()
			return &adaptertest.Way{
				System: "key: k3y",
				Put: func(_ *adaptertest.Inbox, body []byte) error {
					locked(func() { o.queue = append(o.queue, body) })()
					return nil
				},
				Answered: func() (n int) { locked(func() { n = o.acked })(); return n },
				Cut:      locked(func() { o.away = true }),
				Mend:     locked(func() { o.away = false }),
			}
		}},
		Operations: map[string]adaptertest.Operation{"store": func(testing.TB) *adaptertest.Target {
			reset()
			return &adaptertest.Target{
				System: "key: k3y",
				With:   func(n int) string { return fmt.Sprintf("name: record-%d", n) },
				Done: func(n int, _ message.Message) (err error) {
					locked(func() {
						if o.stored[fmt.Sprintf("record-%d", n)] == "" {
							err = fmt.Errorf("it is not there")
						}
					})()
					return err
				},
				Effects: func() (n int) { locked(func() { n = o.count })(); return n },
				Bad:     func() (string, message.Message) { return "name: bad", message.Message{} },
				Cut:     locked(func() { o.away = true }),
				Deny:    locked(func() { o.deny = true }),
				Busy:    func(d time.Duration) { locked(func() { o.busy = d })() },
				Slow:    func() func() { locked(func() { o.slow = true })(); return func() {} },
			}
		}},
	}
	switch o.fault {
	case "leaves out what the harness could not do":
		make := h.Operations["store"]
		h.Operations["store"] = func(t testing.TB) *adaptertest.Target { w := make(t); w.Deny = nil; return w }
	case "excludes a case that is none":
		h.Not = map[string]string{"fetch: does it well": "no reason"}
	case "excludes without a reason":
		h.Not = map[string]string{"reconnects": " "}
	case "forgets a part":
		delete(h.Operations, "store")
	}
	return h
}

// TestToy is the kit on the toy, which does everything right unless the environment says otherwise.
func TestToy(t *testing.T) {
	o := &outside{fault: os.Getenv("NJIA_TOY_FAULT")}
	adaptertest.Run(t, toy(o), toyHarness(o))
}

// TestTheKitFindsFaults runs the kit on toys that each do one thing wrong, in processes of their own: it must fail, and name the
// case.
func TestTheKitFindsFaults(t *testing.T) {
	for wrong, want := range map[string]string{
		"a setting is not documented":              "definition/system/every_setting_is_documented",
		"logs a secret":                            "a log line shows a secret",
		"forgets its cursor":                       "source_fetch/resumes_at_its_cursor",
		"leaves a goroutine":                       "source_fetch/delivers",
		"ends with an error":                       "ended with context canceled when it was cancelled, want nil",
		"makes ids at random":                      "source_fetch/stable_ids",
		"changes bytes":                            "source_fetch/keeps_bytes",
		"acknowledges early":                       "source_fetch/acknowledges_only_after_accept",
		"ignores its context":                      "source_fetch/stops_when_cancelled",
		"has header names in capitals":             "is not lower-case",
		"drops what is refused":                    "source_fetch/refused_is_offered_again",
		"says rejected when away":                  "operation_store/away_is_transient",
		"shows a secret":                           "shows a secret",
		"shows its insides":                        "shows the program's insides",
		"drops Retry-After":                        "operation_store/honours_Retry-After",
		"ignores the deadline":                     "operation_store/honours_the_deadline",
		"retries what is refused":                  "operation_store/refusal_is_rejected",
		"does it twice":                            "operation_store/twice_is_once",
		"does nothing":                             "operation_store/does_it",
		"leaves out what the harness could not do": `the harness has no Deny; give it, or say in Not["store: bad credentials are unauthorized"] why`,
		"excludes a case that is none":             "which is no case",
		"excludes without a reason":                "has no reason",
		"forgets a part":                           "the harness has no entry for the operation store",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			run := "^TestToy$"
			if strings.Contains(want, "/") && !strings.Contains(want, " ") {
				run += "/^" + strings.ReplaceAll(want, "/", "$/^") + "$"
				want = "--- FAIL: TestToy/" + want
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run, "-test.timeout=60s")
			cmd.Env = append(os.Environ(), "NJIA_TOY_FAULT="+wrong)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the kit passes a toy that %s", wrong)
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("the kit fails, but not with %q:\n%s", want, out)
			}
		})
	}
}
