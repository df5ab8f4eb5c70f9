package odoo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/njia-health/njia/engine/fault"
)

// wire posts a body and gives the answer's.
type wire struct {
	http *http.Client
	// fresh opens a connection for each request: on one that the server has just closed, a create would seem sent and its
	// answer lost.
	fresh   *http.Client
	max     int64
	timeout time.Duration
}

// reply is an HTTP answer.
type reply struct {
	status int
	kind   string // media type without parameters
	header http.Header
	body   []byte
}

// post sends one request. An answer that cannot be had after the request has left is fault.Unknown where writes says so.
func (w wire) post(ctx context.Context, what string, writes bool, url, kind string, headers map[string]string, body []byte) (reply, error) {
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, fault.New(fault.Bug, "%s: the address cannot be used", what)
	}
	req.Header.Set("Content-Type", kind)
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	sender := w.http
	if writes {
		sender = w.fresh
	}
	resp, err := sender.Do(req)
	if err != nil {
		return reply{}, lost(what, writes && sent.Load(), err)
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	out.kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	out.body, err = io.ReadAll(io.LimitReader(resp.Body, w.max+1))
	if err != nil {
		return out, lost(what, writes, err)
	}
	if int64(len(out.body)) > w.max {
		if writes {
			return out, fault.New(fault.Unknown, "%s: Odoo's answer is larger than max-answer, so it is not known what it did", what)
		}
		return out, fault.New(fault.Rejected, "%s: the answer is larger than max-answer; ask for fewer fields or set a limit", what)
	}
	return out, nil
}

// lost is the fault of a request without an answer.
func lost(what string, unknown bool, err error) error {
	why := "no answer"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		why = "no answer in time"
	case errors.Is(err, context.Canceled):
		why = "stopped before the answer"
	}
	e := &fault.Error{Class: fault.Transient, Err: err}
	if unknown {
		e.Class = fault.Unknown
		why += ", so it is not known whether Odoo did it"
	}
	e.Text = fmt.Sprintf("%s: %s: %s", what, why, bare(err))
	return e
}

// bare is err without the address, which may hold a secret, and without what the HTTP client puts around it.
func bare(err error) string {
	var u interface{ Unwrap() error }
	if errors.As(err, &u) && u.Unwrap() != nil {
		if _, ok := err.(interface{ Timeout() bool }); ok {
			return u.Unwrap().Error()
		}
	}
	return err.Error()
}

// odd is the fault of an answer that is not Odoo's, such as a proxy's page or a login form.
func (r reply) odd(what string, writes bool) error {
	e := &fault.Error{Class: fault.Transient, Status: r.status, Answer: r.body, RetryAfter: retryAfter(r.header)}
	switch {
	case r.status >= 300 && r.status < 400:
		e.Text = fmt.Sprintf("%s: Odoo sends us to another address (status %d): set url to the address that answers itself", what, r.status)
	case r.status == http.StatusNotFound:
		e.Text = fmt.Sprintf("%s: nothing answers at Odoo's address for calls (status 404): check url, protocol and database", what)
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		e.Class = fault.Unauthorized
		e.Text = fmt.Sprintf("%s: refused with status %d before Odoo saw it", what, r.status)
	case r.status == http.StatusBadGateway || r.status == http.StatusGatewayTimeout:
		e.Text = fmt.Sprintf("%s: the proxy got no answer from Odoo (status %d)", what, r.status)
		if writes {
			e.Class = fault.Unknown
			e.Text += ", so it is not known whether Odoo did it"
		}
	case fault.FromHTTP(r.status) == fault.Transient:
		e.Text = fmt.Sprintf("%s: Odoo is not available (status %d)", what, r.status)
	case r.status >= 400:
		e.Class = fault.Rejected
		e.Text = fmt.Sprintf("%s: refused with status %d", what, r.status)
	default:
		e.Text = fmt.Sprintf("%s: the answer (status %d, %s) is not Odoo's: does url lead to a proxy or login page?", what, r.status, cmpKind(r.kind))
	}
	return e
}

func cmpKind(kind string) string {
	if kind == "" {
		return "no media type"
	}
	return kind
}

// retryAfter reads RFC 9110 section 10.2.3: seconds or a date; 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		if d := time.Until(t); d > 0 {
			return d
		}
	}
	return 0
}
