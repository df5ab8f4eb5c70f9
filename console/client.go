package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/njia-health/njia/engine/journal"
)

// ErrUnreachable says that nobody answers at the socket.
var ErrUnreachable = errors.New("no engine answers")

// Client asks the management API. Its errors are a *Problem where the API answered, and ErrUnreachable where nobody did.
type Client struct {
	http http.Client
	who  string
}

// Dial is a client of the engine whose socket that is. It connects when it is used.
func Dial(socket, who string) *Client {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, fmt.Errorf("%w at %s", ErrUnreachable, socket)
		}
		return c, nil
	}}
	return &Client{http: http.Client{Transport: t}, who: who}
}

// Inside is a client of an API in this process, such as Stopped.
func Inside(h http.Handler, who string) *Client {
	return &Client{http: http.Client{Transport: inside{h}}, who: who}
}

// inside hands a request to a handler and keeps its answer in memory.
type inside struct{ h http.Handler }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	i.h.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }
func (w *recorder) WriteHeader(status int)      { w.status = status }

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how the engine stands.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, "GET", "/status", nil)
}

// Messages gives one page of the messages that f means.
func (c *Client) Messages(ctx context.Context, f Filter) (Page, error) {
	return ask[Page](ctx, c, "GET", "/messages?"+f.Values().Encode(), nil)
}

// Message tells the story of the message with that number or id.
func (c *Client) Message(ctx context.Context, ref string, bodies bool) (Story, error) {
	return ask[Story](ctx, c, "GET", "/messages/"+url.PathEscape(ref)+"?bodies="+strconv.FormatBool(bodies), nil)
}

// Retry runs a message again.
func (c *Client) Retry(ctx context.Context, ref, reason string) (journal.Record, error) {
	return ask[journal.Record](ctx, c, "POST", "/messages/"+url.PathEscape(ref)+"/retry", map[string]string{"reason": reason})
}

// Edit gives a message another body and runs it again.
func (c *Client) Edit(ctx context.Context, ref string, body []byte, reason string) (journal.Record, error) {
	return ask[journal.Record](ctx, c, "POST", "/messages/"+url.PathEscape(ref)+"/edit", map[string]any{"body": Text(body), "reason": reason})
}

// Discard ends a message for good.
func (c *Client) Discard(ctx context.Context, ref, reason string) (journal.Record, error) {
	return ask[journal.Record](ctx, c, "POST", "/messages/"+url.PathEscape(ref)+"/discard", map[string]string{"reason": reason})
}

// Bulk does one thing to many messages.
func (c *Client) Bulk(ctx context.Context, b Bulk) (Result, error) {
	return ask[Result](ctx, c, "POST", "/messages/actions", b)
}

// Actions is the audit trail, newest first.
func (c *Client) Actions(ctx context.Context, limit int) ([]journal.Action, error) {
	out, err := ask[struct{ Actions []journal.Action }](ctx, c, "GET", "/actions?limit="+strconv.Itoa(limit), nil)
	return out.Actions, err
}

// Reload makes the engine read its rules again.
func (c *Client) Reload(ctx context.Context) (Reload, error) {
	return ask[Reload](ctx, c, "POST", "/reload", struct{}{})
}

// RunNow makes a route's source look now.
func (c *Client) RunNow(ctx context.Context, route string) error {
	_, err := ask[struct{}](ctx, c, "POST", "/routes/"+url.PathEscape(route)+"/run-now", struct{}{})
	return err
}

// Pause lets nothing go to a system until Resume.
func (c *Client) Pause(ctx context.Context, system, reason string) (System, error) {
	return ask[System](ctx, c, "POST", "/systems/"+url.PathEscape(system)+"/pause", systemChange{Reason: reason})
}

// Resume takes a pause back.
func (c *Client) Resume(ctx context.Context, system string) (System, error) {
	return ask[System](ctx, c, "POST", "/systems/"+url.PathEscape(system)+"/resume", systemChange{})
}

func ask[T any](ctx context.Context, c *Client, method, path string, in any) (out T, err error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://njia/api/v1"+path, body)
	if err != nil {
		return out, err
	}
	r.Header.Set(UserHeader, c.who)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err
		}
		if ctx.Err() == nil && !errors.Is(err, ErrUnreachable) {
			err = fmt.Errorf("%w: the connection broke off", ErrUnreachable)
		}
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
		_ = json.NewDecoder(io.LimitReader(resp.Body, maxRequest)).Decode(p)
		return out, p
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("%w: its answer broke off", ErrUnreachable)
	}
	return out, nil
}
