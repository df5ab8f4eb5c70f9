package console

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/journal"
)

// Options is what the API needs beside the engine. The zero value works, without reload.
type Options struct {
	// Reload reads the rule set again and swaps to it if it is sound. nil: the API has no reload.
	Reload func(ctx context.Context) Reload
	Log    *slog.Logger
}

// Handler is the management API of a running engine. Who may reach it may do everything: it belongs on a socket that
// only the operator can open.
func Handler(e *engine.Engine, o Options) http.Handler {
	a := &api{j: e.Journal(), c: e, e: e, o: o}
	mux := http.NewServeMux()
	a.messages(mux)
	mux.HandleFunc("GET /api/v1/status", a.status)
	mux.HandleFunc("POST /api/v1/reload", a.reload)
	mux.HandleFunc("POST /api/v1/routes/{name}/run-now", a.runNow)
	mux.HandleFunc("POST /api/v1/systems/{name}/pause", a.pause)
	mux.HandleFunc("POST /api/v1/systems/{name}/resume", a.resume)
	return a.wrap(mux)
}

// Stopped is the part of the API that needs no engine: the messages in its journal. A message that is retried or edited
// runs at the next start, under the rules of that version; "" leaves it the one it has.
func Stopped(j journal.Store, rules string) http.Handler {
	a := &api{j: j, c: stopped{j, rules}}
	mux := http.NewServeMux()
	a.messages(mux)
	return a.wrap(mux)
}

// control is what can be done to a message: by the engine, or in the journal of one that does not run.
type control interface {
	Retry(ctx context.Context, seq journal.Seq, who, reason string) error
	Edit(ctx context.Context, seq journal.Seq, body []byte, who, reason string) error
	Discard(ctx context.Context, seq journal.Seq, who, reason string) error
}

type api struct {
	j journal.Store
	c control
	e *engine.Engine // nil: it does not run
	o Options
}

func (a *api) messages(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/messages", a.list)
	mux.HandleFunc("GET /api/v1/messages/{ref}", a.show)
	mux.HandleFunc("POST /api/v1/messages/{ref}/retry", a.retry)
	mux.HandleFunc("POST /api/v1/messages/{ref}/edit", a.edit)
	mux.HandleFunc("POST /api/v1/messages/{ref}/discard", a.discard)
	mux.HandleFunc("POST /api/v1/messages/actions", a.bulk)
	mux.HandleFunc("GET /api/v1/actions", a.actions)
}

// wrap answers in the API's own way what no route takes, and what a fault in the program leaves unanswered.
func (a *api) wrap(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if a.o.Log != nil {
					a.o.Log.ErrorContext(r.Context(), "the management API failed", "err", p, "path", r.URL.Path)
				}
				writeProblem(w, &Problem{Status: 500, Title: "the program failed", Detail: "the log says more"})
			}
		}()
		w.Header().Set("Cache-Control", "no-store")
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		miss := &onlyStatus{header: http.Header{}}
		h.ServeHTTP(miss, r)
		if miss.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", miss.header.Get("Allow"))
			writeProblem(w, &Problem{Status: 405, Title: "not with this method", Detail: r.Method + " is not possible here", Hint: "use " + miss.header.Get("Allow")})
			return
		}
		p := &Problem{Status: 404, Title: "no such page", Detail: r.URL.Path + " is not part of this API"}
		if a.e == nil {
			p.Hint = "no engine is running; only messages can be looked at and changed"
		}
		writeProblem(w, p)
	})
}

// onlyStatus keeps what the mux would have said, and throws its text away.
type onlyStatus struct {
	header http.Header
	status int
}

func (o *onlyStatus) Header() http.Header         { return o.header }
func (o *onlyStatus) Write(b []byte) (int, error) { return len(b), nil }
func (o *onlyStatus) WriteHeader(status int)      { o.status = status }
