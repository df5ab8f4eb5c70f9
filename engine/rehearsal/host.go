package rehearsal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/route"
	"github.com/njia-health/njia/engine/rule"
)

// made is a call or delivery that a rehearsal made.
type made struct {
	operation string
	label     string
	with      any
	body      any
	delivery  bool
}

// host answers from what is given.
type host struct {
	now     time.Time
	given   []rule.GivenCall
	used    []int
	made    []made
	seen    map[string]bool
	record  map[string]message.Message // answers of writing calls of one message, by label and content
	writes  func(operation string) bool
	missing []string
	// stop makes a call without an answer end the run; otherwise it is answered with null.
	errMissing bool
}

func (h *host) Now() time.Time { return h.now }

func (h *host) Seen(_ context.Context, scope, id string) (bool, error) {
	return h.seen[scope+"\x00"+id], nil
}

// Call finds the first given answer that fits.
func (h *host) Call(_ context.Context, c route.Call) (message.Message, error) {
	body, _ := c.Message.JSON()
	key := c.Label + "\x00" + c.Operation + "\x00" + show(c.With) + string(c.Message.Body)
	if h.writes(c.Operation) {
		if m, ok := h.record[key]; ok {
			return m, nil
		}
	}
	h.made = append(h.made, made{operation: c.Operation, label: c.Label, with: c.With, body: body})
	m, ok, err := h.answer(c.Operation, c.With, body)
	if !ok {
		text := fmt.Sprintf("no answer is given for call %s with %s", c.Operation, show(c.With))
		h.missing = append(h.missing, text)
		if h.errMissing {
			return m, fault.New(fault.Bug, "%s", text)
		}
		return m, nil
	}
	if err == nil && h.writes(c.Operation) && h.record != nil {
		h.record[key] = m
	}
	return m, err
}

// answer gives what is stubbed for an operation; ok false: nothing is.
func (h *host) answer(operation string, with, body any) (m message.Message, ok bool, err error) {
	for i := range h.given {
		g := &h.given[i]
		if g.Call != operation || g.Times > 0 && h.used[i] >= g.Times {
			continue
		}
		if g.With != nil && len(subset(g.With, with, "with", false)) > 0 || g.Body != nil && len(subset(g.Body, body, "body", false)) > 0 {
			continue
		}
		h.used[i]++
		if f := g.Fails; f != nil {
			e := &fault.Error{Class: fault.Class(f.Class), Text: f.Message, Status: f.Status}
			if e.Text == "" {
				e.Text = operation + " failed, as the test says"
			}
			if f.Body != nil {
				e.Answer, _ = message.Encode(f.Body)
			}
			return message.Message{}, true, e
		}
		b, err := message.Encode(g.Returns)
		if err != nil {
			return message.Message{}, true, fault.As(fault.Bug, err)
		}
		return message.Message{Status: g.Status, Body: b, Value: g.Returns}, true, nil
	}
	return message.Message{}, false, nil
}

func systemOf(operation string) string {
	s, _, _ := strings.Cut(operation, ".")
	return s
}
