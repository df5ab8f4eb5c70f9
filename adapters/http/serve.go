package http

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

// take makes a message of a request and answers it.
func (sv *server) take(w nethttp.ResponseWriter, r *nethttp.Request, p *path, t *taker) {
	if !t.enter() {
		later(w, "the route of this path is being changed", 1)
		return
	}
	defer t.leave()
	limit := t.in.MaxBody()
	if m := int64(t.w.MaxBody); m > 0 && m < limit {
		limit = m
	}
	who, need := identify(t.clients, r.Header)
	if who == "" && !need {
		refuse(w, t.clients)
		return
	}
	hold := &held{sv: sv}
	defer hold.release()
	raw, body, status, why := readBody(w, r, limit, hold)
	if status == nethttp.StatusServiceUnavailable {
		w.Header().Set("Connection", "close")
		later(w, why, 5)
		return
	}
	if status != 0 {
		problem(w, status, why)
		return
	}
	if who == "" {
		if who = verify(t.clients, r.Header, raw, time.Now()); who == "" {
			refuse(w, t.clients)
			return
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(t.ctx, cancel)
	defer stop()
	reply, err := t.in.Accept(ctx, message.Message{Type: r.Header.Get("Content-Type"), Headers: t.headers(r, p, who), Body: body})
	if err != nil {
		later(w, "the message is not taken now; send it again", 5)
		return
	}
	answer(w, reply)
}

// headers are what rules see of a request.
func (t *taker) headers(r *nethttp.Request, p *path, who string) map[string]string {
	out := map[string]string{"http-method": r.Method, "http-path": r.URL.Path}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); t.allowed[lower] {
			out[lower] = strings.Join(values, ", ")
		}
	}
	for name, values := range r.URL.Query() {
		out["query-"+strings.ToLower(name)] = strings.Join(values, ",")
	}
	for _, name := range p.names {
		out["path-"+strings.ToLower(name)] = r.PathValue(name)
	}
	if who != anyone {
		out["http-client"] = who
	}
	return out
}

// allowedHeaders are the headers that rules see.
func allowedHeaders(w Receive, clients map[string]Client) map[string]bool {
	out := map[string]bool{}
	for _, h := range append([]string{"accept", "content-language", "date", "idempotency-key", "if-match", "if-none-match", "prefer",
		"traceparent", "user-agent", "x-correlation-id", "x-request-id"}, w.Headers...) {
		out[strings.ToLower(h)] = true
	}
	for name := range out {
		// names that a client must not be able to make up
		if secretHeader(name) || strings.HasPrefix(name, "http-") || strings.HasPrefix(name, "path-") || strings.HasPrefix(name, "query-") {
			delete(out, name)
		}
	}
	for _, c := range clients {
		if c.Header != nil {
			delete(out, strings.ToLower(c.Header.Name))
		}
		if c.HMAC != nil {
			delete(out, strings.ToLower(c.HMAC.SignatureHeader()))
		}
	}
	return out
}

func secretHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key":
		return true
	}
	return false
}

// The slowest body that is waited for: this long for its beginning, and this many bytes a second from then on.
const (
	bodyTime = 30 * time.Second
	bodyRate = 512
)

// readBody reads no more than limit. raw is as it was sent, body unpacked. A status says what to answer instead.
func readBody(w nethttp.ResponseWriter, r *nethttp.Request, limit int64, hold *held) (raw, body []byte, status int, why string) {
	tooLarge := "the body is over the limit of " + strconv.FormatInt(limit, 10) + " bytes"
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, nil, nethttp.StatusRequestEntityTooLarge, tooLarge
	}
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	if encoding != "" && encoding != "identity" && encoding != "gzip" && encoding != "x-gzip" {
		w.Header().Set("Accept-Encoding", "gzip")
		return nil, nil, nethttp.StatusUnsupportedMediaType, "the body may be packed with gzip only"
	}
	raw, err := readPaced(w, nethttp.MaxBytesReader(w, r.Body, limit), r.ContentLength, hold)
	var large *nethttp.MaxBytesError
	switch {
	case errors.Is(err, errCrowded):
		return nil, nil, nethttp.StatusServiceUnavailable, err.Error()
	case errors.As(err, &large):
		return nil, nil, nethttp.StatusRequestEntityTooLarge, tooLarge
	case isTimeout(err):
		w.Header().Set("Connection", "close")
		return nil, nil, nethttp.StatusRequestTimeout, "the body came too slowly"
	case err != nil:
		return nil, nil, nethttp.StatusBadRequest, "the body did not come whole"
	}
	if encoding != "gzip" && encoding != "x-gzip" {
		return raw, raw, 0, ""
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(z, limit+1))
	}
	if !hold.take(len(body)) {
		return nil, nil, nethttp.StatusServiceUnavailable, errCrowded.Error()
	}
	if err != nil {
		return nil, nil, nethttp.StatusBadRequest, "the body is not packed with gzip, as its Content-Encoding says"
	}
	if int64(len(body)) > limit {
		return nil, nil, nethttp.StatusRequestEntityTooLarge, tooLarge + " when unpacked"
	}
	return raw, body, 0, ""
}

// errCrowded is for a client that has to come back.
var errCrowded = errors.New("too much is being received just now; send it again")

// held is the bytes of one request under way.
type held struct {
	sv *server
	n  int64
}

// take counts n bytes more; false when the server holds too many, and not for this one alone.
func (h *held) take(n int) bool {
	h.n += int64(n)
	all := h.sv.flight.Add(int64(n))
	return all <= int64(h.sv.s.InFlight) || all == h.n
}

func (h *held) release() { h.sv.flight.Add(-h.n) }

// readPaced gives up on who sends slower than bodyRate.
func readPaced(w nethttp.ResponseWriter, r io.Reader, length int64, hold *held) ([]byte, error) {
	rc := nethttp.NewResponseController(w)
	start := time.Now()
	pace := func(n int) { // not all connections can: they have the time-outs of the server
		_ = rc.SetReadDeadline(start.Add(bodyTime + time.Duration(n)*time.Second/bodyRate))
	}
	defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	if length == 0 {
		return nil, nil
	}
	b := make([]byte, 0, min(max(length, 0)+bytes.MinRead, 1<<20))
	paced := 0
	pace(0)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if !hold.take(n) {
			return nil, errCrowded
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b)-paced > 16<<10 {
			paced = len(b)
			pace(paced)
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// answer tells the client what became of its message.
func answer(w nethttp.ResponseWriter, r adapter.Reply) {
	if r.Custom {
		for k, v := range r.Headers {
			switch strings.ToLower(k) {
			case "content-length", "transfer-encoding", "connection", "upgrade", "trailer": // those of the connection are not the route's
			default:
				w.Header().Set(k, v)
			}
		}
		if r.Type != "" {
			w.Header().Set("Content-Type", r.Type)
		}
		status := r.Status
		if status < 200 || status > 599 {
			status = nethttp.StatusOK
		}
		send(w, status, r.Body)
		return
	}
	status := nethttp.StatusAccepted
	out := map[string]any{"id": string(r.ID), "outcome": r.Outcome}
	if r.Outcome == "invalid" {
		status = nethttp.StatusBadRequest
	}
	if r.Err != nil && (r.Outcome == "invalid" || r.Outcome == "dead" || r.Outcome == "held") {
		out["error"] = r.Err.Error()
	}
	sendJSON(w, status, out)
}

// problem is an answer to a request that did not become a message.
func problem(w nethttp.ResponseWriter, status int, why string) {
	sendJSON(w, status, map[string]any{"error": why})
}

// later asks the client to send it again.
func later(w nethttp.ResponseWriter, why string, seconds int) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	problem(w, nethttp.StatusServiceUnavailable, why)
}

func sendJSON(w nethttp.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	b, _ := json.Marshal(v) // text alone: it cannot fail
	send(w, status, append(b, '\n'))
}

func send(w nethttp.ResponseWriter, status int, body []byte) {
	_ = nethttp.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // not all connections can
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if status != nethttp.StatusNoContent && status != nethttp.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	} else {
		body = nil
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone asks again
}
