package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/journal"
)

// Problem is why a request was not done, for a person (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"` // what to do next
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// fail turns what went wrong with a message into a Problem.
func fail(w http.ResponseWriter, ref string, err error) {
	var p *Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, journal.ErrNotFound):
		p = &Problem{Status: 404, Title: "no such message", Detail: "there is no message " + ref, Hint: "njia messages list shows what there is; old messages go as the engine document's retention says"}
	case errors.Is(err, engine.ErrBusy):
		w.Header().Set("Retry-After", "2")
		p = &Problem{Status: 409, Title: "busy", Detail: fmt.Sprintf("message %s is being worked on at this moment", ref), Hint: "try again in a few seconds"}
	case errors.Is(err, journal.ErrState):
		p = &Problem{Status: 409, Title: "the message has moved on", Detail: moved(err), Hint: "look at it again with njia messages show " + ref}
	case errors.Is(err, journal.ErrFull):
		p = &Problem{Status: 507, Title: "the disk is full", Detail: "the journal takes nothing: the disk is full", Hint: "free disk space; the engine goes on by itself"}
	case errors.Is(err, journal.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = &Problem{Status: 503, Title: "stopping", Detail: "the engine is stopping", Hint: "try again once it has started"}
	default:
		p = &Problem{Status: 500, Title: "not done", Detail: err.Error(), Hint: "the engine's log says more"}
	}
	writeProblem(w, p)
}

// moved says why a message can not be acted on as asked, without the words that are for programs.
func moved(err error) string {
	text := strings.TrimSuffix(err.Error(), ": "+journal.ErrState.Error())
	for _, op := range []string{"discard", "release", "edit"} {
		text = strings.TrimPrefix(text, "journal: "+op+": ")
	}
	return text + ", so nothing was done"
}

func badRequest(hint, format string, args ...any) *Problem {
	return &Problem{Status: 400, Title: "the request is not right", Detail: fmt.Sprintf(format, args...), Hint: hint}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Sizes of request bodies, in bytes.
const (
	maxRequest = 1 << 20
	maxEdit    = 192 << 20 // a body of 128 MB and its escapes
)

// read takes the JSON body of a request into v. No body leaves v as it is. Anything but JSON is refused, so that a page
// in a browser cannot send it.
func read(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return &Problem{Status: 413, Title: "too large", Detail: fmt.Sprintf("the request is larger than %d bytes", big.Limit)}
	case err != nil:
		return badRequest("", "the request broke off")
	case len(b) == 0:
		return nil
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/json" {
		return &Problem{Status: 415, Title: "not JSON", Detail: "the request must be JSON", Hint: "send the header Content-Type: application/json"}
	}
	return decode(b, v)
}
