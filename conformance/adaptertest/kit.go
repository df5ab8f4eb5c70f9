// Package adaptertest is the kit that every adapter passes.
//
//	Run(t, Adapter(), Harness{…}) ── for each source and operation, the cases below ──> a fresh outside system of the harness
//
// A harness says how to make that system and how to look into it. What it leaves out must be excluded in Not, with a
// reason: a case is never left out silently.
package adaptertest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Harness is what the kit needs to know about an adapter.
type Harness struct {
	// System is settings, in YAML, that an adapter can be checked with; it may not be opened with them.
	System string
	// Sources has one entry for each source.
	Sources map[string]Source
	// Operations has one entry for each operation.
	Operations map[string]Operation
	// Secrets are texts that stand in the settings and must not show in an error or a log line.
	Secrets []string
	// Not excludes cases, with the reason. A key is a case ("reconnects"), or one of a part ("files: reconnects").
	Not map[string]string
	// Patience is how long a case waits for what must happen; 0 is 20 s.
	Patience time.Duration
}

// Source makes a fresh outside system with something to offer.
type Source func(t testing.TB) *Way

// Way is an outside system that offers messages. The functions that are nil exclude cases, which Not must give reasons for.
type Way struct {
	System, With string // settings, in YAML
	// Put makes the outside system offer a message with that body. It may block until the source has answered,
	// and is called concurrently.
	Put func(in *Inbox, body []byte) error
	// Body gives the nth body to offer; nil is a JSON document with text in several scripts.
	Body func(n int) []byte
	// Of gives what must be equal to the body that was put; nil is the message's Body.
	Of func(m message.Message) []byte
	// Answered is how many messages the outside system knows to be taken: moved files, HTTP answers, commits.
	Answered func() int
	// Cut makes the outside system unreachable, or breaks its connections; Mend ends that.
	Cut, Mend func()
	// Edges are bodies to keep byte for byte beside the usual ones; nil are the kit's own.
	Edges [][]byte
}

// Operation makes a fresh outside system that takes messages.
type Operation func(t testing.TB) *Target

// Target is an outside system that takes messages. The functions that are nil exclude cases.
type Target struct {
	System string
	With   func(n int) string // settings of the nth message, in YAML
	// Message gives the nth one to send; nil is a JSON document.
	Message func(n int) message.Message
	// Done says whether the nth message had its effect; of a read, whether the answer is right.
	Done func(n int, answer message.Message) error
	// Effects counts what the outside system has done or keeps. It is needed of Idempotent operations.
	Effects func() int
	// Bad gives settings and a message that the system refuses for its content.
	Bad func() (with string, m message.Message)
	// Cut makes the system unreachable.
	Cut func()
	// Deny makes it refuse the credentials.
	Deny func()
	// Busy makes it ask to come back after that time.
	Busy func(after time.Duration)
	// Slow makes it answer later than any deadline, until the returned function is called.
	Slow func() (end func())
	// Unknown says that a lost answer is fault.Unknown, as it is for what is not idempotent.
	Unknown bool
}

// kit is one run of Run.
type kit struct {
	d    *adapter.Definition
	h    Harness
	mu   sync.Mutex // guards what follows
	logs strings.Builder
}

// Run runs every case for every part of the adapter.
func Run(t *testing.T, d *adapter.Definition, h Harness) {
	if h.Patience == 0 {
		h.Patience = 20 * time.Second
	}
	k := &kit{d: d, h: h}
	t.Run("definition", k.definition)
	for _, s := range d.Sources {
		make, ok := h.Sources[s.Name]
		if !ok {
			t.Errorf("the harness has no entry for the source %s", s.Name)
			continue
		}
		t.Run("source "+s.Name, func(t *testing.T) { k.source(t, s, make) })
	}
	for _, o := range d.Operations {
		make, ok := h.Operations[o.Name]
		if !ok {
			t.Errorf("the harness has no entry for the operation %s", o.Name)
			continue
		}
		t.Run("operation "+o.Name, func(t *testing.T) { k.operation(t, o, make) })
	}
	for name := range h.Sources {
		if d.Source(name) == nil {
			t.Errorf("the harness has an entry for a source %q that is not there", name)
		}
	}
	for name := range h.Operations {
		if d.Operation(name) == nil {
			t.Errorf("the harness has an entry for an operation %q that is not there", name)
		}
	}
	for name := range h.Not {
		if part, c, ok := strings.Cut(name, ": "); !slices.Contains(k.names(), c) && !slices.Contains(k.names(), name) || ok && !k.hasPart(part) {
			t.Errorf("Not has %q, which is no case; the cases are: %s", name, strings.Join(k.names(), ", "))
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secretFree(t, "a log line", k.logs.String())
}

func (k *kit) hasPart(name string) bool {
	return k.d.Source(name) != nil || k.d.Operation(name) != nil || name == "system" ||
		strings.HasPrefix(name, "source ") || strings.HasPrefix(name, "operation ")
}

func (k *kit) names() []string {
	return append(append(definitionCaseNames(), sourceCaseNames()...), operationCaseNames()...)
}

// excluded says whether the case of a part is excluded, and skips it with its reason.
func (k *kit) excluded(t *testing.T, part, name string) {
	t.Helper()
	for _, key := range []string{part + ": " + name, name} {
		if reason, ok := k.h.Not[key]; ok {
			if strings.TrimSpace(reason) == "" {
				t.Fatalf("Not[%q] has no reason", key)
			}
			t.Skipf("excluded: %s", reason)
		}
	}
}

// need fails the case when the harness cannot do it and has not said why.
func need(t *testing.T, part, name, what string, has bool) {
	t.Helper()
	if !has {
		t.Fatalf("the harness has no %s; give it, or say in Not[%q] why the case cannot be had", what, part+": "+name)
	}
}

func (k *kit) env(t testing.TB) adapter.Env {
	return adapter.Env{System: "under-test", Log: slog.New(slog.NewTextHandler(lockedWriter{k}, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

type lockedWriter struct{ k *kit }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.k.mu.Lock()
	defer w.k.mu.Unlock()
	return w.k.logs.Write(p)
}

// open opens the system and closes it at the end of the case, when no goroutine may be left.
func (k *kit) open(t *testing.T, system string) any {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	conn, err := k.d.Open(t.Context(), k.env(t), Node(t, system, t.TempDir()))
	if err != nil {
		t.Fatalf("the system cannot be opened: %v", err)
	}
	t.Cleanup(func() {
		k.close(t, conn)
		if !t.Failed() {
			goleak.VerifyNone(t, ignore)
		}
	})
	return conn
}

func (k *kit) close(t *testing.T, conn any) {
	t.Helper()
	if c, ok := conn.(interface{ Close() error }); ok {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// secretFree fails when a secret of the harness stands in text.
func (k *kit) secretFree(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range k.h.Secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("%s shows a secret", what)
		}
	}
}

// refusal checks an error's class, and that it shows no secret and no Go type.
func (k *kit) refusal(t testing.TB, doing string, err error, want ...fault.Class) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want class %v", doing, want)
		return
	}
	got := fault.ClassOf(err)
	ok := false
	for _, c := range want {
		ok = ok || c == got
	}
	if !ok {
		t.Errorf("%s: class %s, want %v: %v", doing, got, want, err)
	}
	k.teaches(t, doing, err)
}

func (k *kit) teaches(t testing.TB, doing string, err error) {
	t.Helper()
	k.secretFree(t, "the error of "+doing, fmt.Sprint(err))
	for _, word := range []string{"*errors.", "*url.", "*fs.", "json: cannot unmarshal", "interface {}", "nil pointer"} {
		if strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error shows the program's insides (%s): %v", doing, word, err)
		}
	}
}

func message_(n int) message.Message {
	return message.Message{ID: message.ID("0193a5b0-0000-7000-8000-000000000000").Child(fmt.Sprint(n)), Time: time.Now(),
		Type: "application/json", Body: body(n)}
}

func body(n int) []byte {
	return fmt.Appendf(nil, `{"n":%d,"text":"Zürich 患者 🏥 مريض","dose":1.000}`, n)
}

func (k *kit) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, k.h.Patience)
}
