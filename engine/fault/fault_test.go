package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/njia-health/njia/engine/fault"
)

func TestWhatNobodyClassifiedIsTransient(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want fault.Class
	}{
		"nothing":           {nil, ""},
		"any error":         {errors.New("x"), fault.Transient},
		"no answer in time": {fmt.Errorf("ask: %w", context.DeadlineExceeded), fault.Transient},
		"a fault":           {fault.New(fault.Rejected, "no"), fault.Rejected},
		"a fault inside":    {fmt.Errorf("upsert: %w", fault.New(fault.Conflict, "no")), fault.Conflict},
		"given a class":     {fault.As(fault.Invalid, errors.New("x")), fault.Invalid},
	} {
		if got := fault.ClassOf(c.err); got != c.want {
			t.Errorf("%s: ClassOf = %q, want %q", name, got, c.want)
		}
	}
	if fault.As(fault.Bug, nil) != nil {
		t.Error("As(nil) must stay nil")
	}
}

func TestTheOuterTextSaysMore(t *testing.T) {
	inner := &fault.Error{Class: fault.Rejected, Text: "no", Status: 422, Answer: []byte("{}"), Place: "a.yaml:1:1"}
	f := fault.Of(fmt.Errorf("write partner: %w", inner))
	if f.Error() != "write partner: a.yaml:1:1: no" || f.Status != 422 || string(f.Answer) != "{}" {
		t.Errorf("Of = %q, status %d, answer %s", f, f.Status, f.Answer)
	}
	if inner.Error() != "a.yaml:1:1: no" {
		t.Errorf("the inner one was changed: %q", inner)
	}
}

func TestFromHTTP(t *testing.T) {
	for status, want := range map[int]fault.Class{200: "", 204: "", 301: fault.Rejected, 400: fault.Rejected, 401: fault.Unauthorized, 403: fault.Rejected, 404: fault.Rejected,
		408: fault.Transient, 409: fault.Conflict, 410: fault.Rejected, 412: fault.Conflict, 422: fault.Rejected, 423: fault.Transient, 425: fault.Transient, 429: fault.Transient, 500: fault.Transient, 503: fault.Transient} {
		if got := fault.FromHTTP(status); got != want {
			t.Errorf("FromHTTP(%d) = %q, want %q", status, got, want)
		}
	}
}
