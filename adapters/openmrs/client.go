package openmrs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

const fhirJSON = "application/fhir+json"

type client struct {
	env  adapter.Env
	s    Settings
	base *url.URL
	http *http.Client
	// fresh opens a connection for each request: on one that the server has just closed, a create would seem sent and its
	// answer lost.
	fresh *http.Client
}

// Close drops idle connections.
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// request is one request. what names it for an operator: method and path, without values.
type request struct {
	what    string
	method  string
	url     string
	kind    string // of the body
	accept  string
	headers map[string]string
	body    []byte
	writes  bool // a lost answer is fault.Unknown
}

// reply is an answer with a status below 300.
type reply struct {
	status int
	kind   string // media type without parameters
	header http.Header
	body   []byte
}

func (r reply) json() bool { return r.kind == "application/json" || strings.HasSuffix(r.kind, "+json") }

// do sends one request. An answer that is no success is a fault with its class.
func (c *client) do(ctx context.Context, q request) (reply, error) {
	if c.s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.s.Timeout)
		defer cancel()
	}
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return reply{}, fault.New(fault.Invalid, "%s: the address cannot be used", q.what)
	}
	if len(q.body) == 0 {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	req.Header.Set("Accept", q.accept)
	for k, v := range q.headers {
		req.Header.Set(k, v)
	}
	sender := c.http
	if q.writes {
		sender = c.fresh
	}
	resp, err := sender.Do(req)
	if err != nil {
		return reply{}, lost(q, q.writes && sent.Load(), err)
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	out.kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	out.body, err = io.ReadAll(io.LimitReader(resp.Body, int64(c.s.MaxAnswer)+1))
	if err != nil {
		return out, lost(q, q.writes, err)
	}
	if len(out.body) > int(c.s.MaxAnswer) {
		return out, fault.New(fault.Rejected, "%s: the answer is larger than max-answer: raise it, or lower page-size where many are asked for", q.what)
	}
	if out.status >= 300 {
		return out, refusal(q, out)
	}
	return out, nil
}

// lost is the fault of a request without an answer.
func lost(q request, unknown bool, err error) error {
	if own := (*fault.Error)(nil); errors.As(err, &own) { // of the token server
		return own
	}
	why := "no answer"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		why = "no answer in time"
	case errors.Is(err, context.Canceled):
		why = "stopped before the answer"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, whose query may name a patient
	}
	e := &fault.Error{Class: fault.Transient, Err: err}
	if unknown {
		e.Class = fault.Unknown
		why += ", so it is not known whether OpenMRS did it"
	}
	e.Text = fmt.Sprintf("%s: %s: %s", q.what, why, err)
	return e
}

// fhir is the address of a FHIR path, such as Patient/1.
func (c *client) fhir(path string, query url.Values) string {
	return c.address(c.s.FHIRPath, path, query)
}

func (c *client) address(root, path string, query url.Values) string {
	u := *c.base
	u.Path = strings.TrimRight(u.Path, "/") + "/" + strings.Trim(root, "/")
	if path != "" {
		u.Path += "/" + path
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // HAPI takes + for a plus sign in a date
	return u.String()
}

// next is a link that the server gives, on the address in the rules: OpenMRS behind a proxy gives http://localhost.
func (c *client) next(link string) (string, error) { return c.nextUnder(c.s.FHIRPath, link) }

func (c *client) nextUnder(path, link string) (string, error) {
	l, err := url.Parse(link)
	if err != nil {
		return "", fault.New(fault.Rejected, "the link to the next page cannot be read")
	}
	u := *c.base
	root := "/" + strings.Trim(path, "/")
	ours := strings.TrimRight(u.Path, "/") + root
	if i := strings.LastIndex(l.Path, root); i >= 0 {
		u.Path = ours + l.Path[i+len(root):]
	} else {
		u.Path = ours
	}
	u.RawQuery = l.RawQuery
	return u.String(), nil
}

// answer makes the message that carries a reply back.
func answer(r reply) (message.Message, error) {
	m := message.Message{Type: r.kind, Status: r.status, Body: r.body, Headers: map[string]string{}}
	for _, h := range []string{"Location", "ETag", "Last-Modified"} {
		if v := r.header.Get(h); v != "" {
			m.Headers[strings.ToLower(h)] = v
		}
	}
	if r.json() && len(bytes.TrimSpace(r.body)) > 0 {
		v, err := message.Decode(r.body)
		if err != nil {
			return message.Message{}, fault.New(fault.Transient, "the answer is no JSON: %v", err)
		}
		m.Value = v
	}
	return m, nil
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

// health asks REST who we are; a server without REST for its FHIR capabilities.
func (c *client) health(ctx context.Context) error {
	q := request{what: "ask OpenMRS for the session", method: http.MethodGet, url: c.address(c.s.RESTPath, "session", nil), accept: "application/json"}
	r, err := c.do(ctx, q)
	if err == nil && r.json() {
		v, _ := message.Decode(r.body)
		if m, ok := v.(map[string]any); ok && m["authenticated"] == false {
			return &fault.Error{Class: fault.Unauthorized, Status: r.status, Text: "OpenMRS does not take the credentials in auth"}
		}
		return nil
	}
	if e := fault.Of(err); e != nil && e.Status != http.StatusNotFound {
		return err
	}
	_, err = c.do(ctx, request{what: "ask OpenMRS for its FHIR capabilities", method: http.MethodGet, url: c.fhir("metadata", url.Values{"_summary": {"true"}}), accept: fhirJSON})
	return err
}
