package http

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	nethttp "net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Get is the settings of the operation that only asks.
type Get struct {
	Path    string            `yaml:"path" doc:"path after the system's url"`
	URL     string            `yaml:"url" doc:"a whole address instead; elsewhere than the system's url no credentials are sent"`
	Query   map[string]any    `yaml:"query" doc:"query parameters; a list repeats one, and null leaves it out"`
	Headers map[string]string `yaml:"headers" doc:"headers of this request"`
	Accept  []int             `yaml:"accept" doc:"more statuses that are well, such as 404"`
	As      string            `yaml:"as" enum:"json,text,binary" doc:"what the answer is; by its media type unless said otherwise"`
	Paging  Paging            `yaml:"paging" doc:"how to get the further pages; the answer is then all of them"`
}

// Request is the settings of the operation that sends.
type Request struct {
	Method      string            `yaml:"method" enum:"POST,PUT,PATCH,DELETE,GET,HEAD" doc:"method"`
	Path        string            `yaml:"path" doc:"path after the system's url"`
	URL         string            `yaml:"url" doc:"a whole address instead; elsewhere than the system's url no credentials are sent"`
	Query       map[string]any    `yaml:"query" doc:"query parameters; a list repeats one, and null leaves it out"`
	Headers     map[string]string `yaml:"headers" doc:"headers of this request"`
	Body        string            `yaml:"body" enum:"json,form,text,raw,none" doc:"how the message is sent: as JSON, as a form of its fields, as text, as its bytes with its own media type, or not at all; by its media type unless said otherwise"`
	Accept      []int             `yaml:"accept" doc:"more statuses that are well, such as 409"`
	As          string            `yaml:"as" enum:"json,text,binary" doc:"what the answer is; by its media type unless said otherwise"`
	Paging      Paging            `yaml:"paging" doc:"how to get the further pages of a GET; the answer is then all of them"`
	Idempotency string            `yaml:"idempotency-header" doc:"header that carries the message's id, such as Idempotency-Key, where the system does not do the same twice for one id: then a lost answer is sent again"`
}

// BindNode reads the settings and finds those that do not go together.
func (w *Get) BindNode(n *bind.Node) diag.List {
	type fields Get
	errs := bind.Decode(n, (*fields)(w))
	errs.Add(checkTarget(n)...)
	return errs
}

// BindNode reads the settings and finds those that do not go together.
func (w *Request) BindNode(n *bind.Node) diag.List {
	type fields Request
	errs := bind.Decode(n, (*fields)(w))
	errs.Add(checkTarget(n)...)
	if w.Paging.Next != "" && w.Method != "GET" && !isHole(n, "method") && !isHole(n, "paging") {
		errs.Add(diag.Errorf(placeOf(n, "paging"), "paging is for GET, this is %s", w.Method))
	}
	return errs
}

func isHole(n *bind.Node, key string) bool {
	v := n.Get(key)
	return v != nil && v.Hole
}

func checkTarget(n *bind.Node) (errs diag.List) {
	if n.Get("path") != nil && n.Get("url") != nil {
		errs.Add(diag.Errorf(placeOf(n, "url"), "path and url are both given").WithHint("keep one of them"))
	}
	return errs
}

// call is one request.
type call struct {
	method  string
	url     *url.URL
	headers map[string]string
	body    []byte
	typ     string
	accept  []int
	as      string
	again   bool // sending twice is sending once
	paging  Paging
}

func (c *system) get(ctx context.Context, w Get, _ message.Message) (message.Message, error) {
	u, err := c.target(w.Path, w.URL, w.Query)
	if err != nil {
		return message.Message{}, err
	}
	return c.pages(ctx, call{method: "GET", url: u, headers: w.Headers, accept: w.Accept, as: w.As, again: true, paging: w.Paging})
}

func (c *system) request(ctx context.Context, w Request, m message.Message) (message.Message, error) {
	u, err := c.target(w.Path, w.URL, w.Query)
	if err != nil {
		return message.Message{}, err
	}
	k := call{method: w.Method, url: u, headers: w.Headers, accept: w.Accept, as: w.As, paging: w.Paging}
	k.again = k.method != "POST" && k.method != "PATCH" // RFC 9110 section 9.2.2
	if w.Idempotency != "" {
		k.headers = map[string]string{w.Idempotency: string(m.ID)}
		for name, v := range w.Headers {
			k.headers[name] = v
		}
		k.again = true
	}
	if k.body, k.typ, err = bodyOf(w, m); err != nil {
		return message.Message{}, err
	}
	if k.method == "GET" {
		return c.pages(ctx, k)
	}
	return c.exchange(ctx, k)
}

// target is the address of a request.
func (c *system) target(p, whole string, query map[string]any) (*url.URL, error) {
	var u *url.URL
	switch {
	case whole != "":
		var err error
		if u, err = baseURL(whole); err != nil {
			return nil, fault.New(fault.Rejected, "url is no web address that can be sent to; it needs http:// or https:// and has no password in it")
		}
	case c.base == nil:
		return nil, fault.New(fault.Rejected, "system %s has no url; add it to its document, or give url here", c.env.System)
	default:
		path, q, _ := strings.Cut(p, "?")
		copied := *c.base
		u = &copied
		if path != "" {
			joined, err := url.Parse(strings.TrimSuffix(u.EscapedPath(), "/") + "/" + strings.TrimPrefix(path, "/"))
			if err != nil || slices.Contains(strings.Split(joined.Path, "/"), "..") {
				return nil, fault.New(fault.Rejected, "path is none that can be sent to; it has no .. and its %% are followed by two hex digits")
			}
			u.Path, u.RawPath = joined.Path, joined.RawPath
		}
		if q != "" {
			u.RawQuery = strings.Trim(u.RawQuery+"&"+q, "&")
		}
	}
	if len(query) > 0 {
		q := u.Query()
		for name, v := range query {
			switch v := v.(type) {
			case nil:
			case []any:
				for _, item := range v {
					q.Add(name, scalar(item))
				}
			default:
				q.Set(name, scalar(v))
			}
		}
		u.RawQuery = q.Encode()
	}
	return u, nil
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case map[string]any, []any:
		b, err := message.Encode(v)
		if err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}

// bodyOf gives what is sent of a message.
func bodyOf(w Request, m message.Message) ([]byte, string, error) {
	mode := w.Body
	if mode == "" {
		mode = "raw"
		if w.Method == "GET" || w.Method == "HEAD" || w.Method == "DELETE" {
			mode = "none"
		}
	}
	raw := m.Body
	if raw == nil && m.Value != nil {
		b, err := message.Encode(m.Value)
		if err != nil {
			return nil, "", fault.As(fault.Bug, err)
		}
		raw = b
	}
	switch mode {
	case "none":
		return nil, "", nil
	case "json":
		typ := m.Type
		if !isJSON(typ) {
			typ = "application/json"
		}
		if !json.Valid(raw) {
			v, err := message.Encode(string(raw))
			return v, typ, fault.As(fault.Bug, err)
		}
		return raw, typ, nil
	case "text":
		v, err := m.JSON()
		if s, ok := v.(string); ok && err == nil {
			raw = []byte(s)
		}
		return raw, "text/plain; charset=utf-8", nil
	case "form":
		b, err := form(m)
		return b, "application/x-www-form-urlencoded", err
	}
	typ := m.Type
	if typ == "" {
		typ = "application/octet-stream"
		if json.Valid(raw) {
			typ = "application/json"
		}
	}
	return raw, typ, nil
}

func form(m message.Message) ([]byte, error) {
	v, err := m.JSON()
	tree, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, fault.New(fault.Rejected, "body: form needs an object, whose fields are sent")
	}
	q := url.Values{}
	for name, v := range tree {
		switch v := v.(type) {
		case nil:
		case []any:
			for _, item := range v {
				q.Add(name, scalar(item))
			}
		default:
			q.Set(name, scalar(v))
		}
	}
	return []byte(q.Encode()), nil
}

func isJSON(typ string) bool {
	t, _, err := mime.ParseMediaType(typ)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json") || t == "text/json")
}

// exchange sends a request and judges the answer.
func (c *system) exchange(ctx context.Context, k call) (message.Message, error) {
	m, err := c.roundTrip(ctx, k, int64(c.s.MaxAnswer))
	if err != nil {
		return message.Message{}, err
	}
	return m, valueOf(&m, k)
}

// roundTrip gives the answer with its body not yet read as JSON.
func (c *system) roundTrip(ctx context.Context, k call, limit int64) (message.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.s.Timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	if !k.again {
		ctx = once(ctx)
	}
	req, err := nethttp.NewRequestWithContext(ctx, k.method, k.url.String(), body(k))
	if err != nil {
		return message.Message{}, fault.New(fault.Rejected, "%s cannot be sent: its method or address is not right", what(k))
	}
	if req.ContentLength > 0 && k.typ != "" {
		req.Header.Set("Content-Type", k.typ)
	}
	client := c.plain
	if c.base != nil && k.url.Scheme == c.base.Scheme && k.url.Host == c.base.Host {
		client = c.client
		for name, v := range c.s.Headers {
			req.Header.Set(name, v)
		}
	}
	for name, v := range k.headers {
		if strings.EqualFold(name, "Host") {
			req.Host = v
			continue
		}
		req.Header.Set(name, v)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "njia")
	}
	resp, err := client.Do(req)
	if err != nil {
		return message.Message{}, lost(k, err, sent.Load())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return message.Message{}, lost(k, err, true)
	}
	if err := judge(k, resp, b); err != nil {
		return message.Message{}, err
	}
	if int64(len(b)) > limit {
		f := fault.New(fault.Rejected, "%s: the answer is over the limit of %d bytes (max-answer)", what(k), int64(c.s.MaxAnswer))
		f.Status = resp.StatusCode
		return message.Message{}, f
	}
	return message.Message{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type"), Headers: answerHeaders(resp.Header), Body: b}, nil
}

func body(k call) io.Reader {
	if k.body == nil {
		return nil
	}
	return bytes.NewReader(k.body)
}

func answerHeaders(h nethttp.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		if lower := strings.ToLower(name); lower != "set-cookie" {
			out[lower] = strings.Join(values, ", ")
		}
	}
	return out
}

// valueOf reads the body as the settings say, or its media type.
func valueOf(m *message.Message, k call) error {
	as := k.as
	if as == "" {
		t, _, _ := mime.ParseMediaType(m.Type)
		switch {
		case isJSON(m.Type):
			as = "json"
		case strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "xml"):
			as = "text"
		case len(m.Body) > 0 && (m.Body[0] == '{' || m.Body[0] == '['): // a server that does not say what it sends
			if v, err := message.Decode(m.Body); err == nil {
				m.Value = v
				return nil
			}
			as = "binary"
		default:
			as = "binary"
		}
	}
	if len(m.Body) == 0 {
		return nil
	}
	switch as {
	case "json":
		v, err := message.Decode(m.Body)
		if err != nil {
			f := fault.New(fault.Rejected, "%s: the answer is %s", what(k), err)
			f.Status, f.Answer = m.Status, clip(m.Body)
			return f
		}
		m.Value = v
	case "text":
		m.Value = strings.ToValidUTF8(string(m.Body), string(utf8.RuneError))
	default:
		m.Value = base64.StdEncoding.EncodeToString(m.Body)
	}
	return nil
}

// repeatable says whether sending it twice is as good as sending it once: RFC 9110 section 9.2.2, or the system knows the
// message's id.
func (w Request) repeatable() bool {
	return w.Idempotency != "" || (w.Method != "POST" && w.Method != "PATCH")
}
