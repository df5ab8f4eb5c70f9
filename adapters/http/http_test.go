package http_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/adapters/http"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

const secret = "s3cret-t0ken"

func TestAdapter(t *testing.T) {
	adaptertest.Run(t, http.Adapter(), adaptertest.Harness{
		System:  "{url: 'https://lab.example.org/api', auth: {bearer: {token: " + secret + "}}}",
		Sources: map[string]adaptertest.Source{"receive": client},
		Operations: map[string]adaptertest.Operation{
			"get":     func(t testing.TB) *adaptertest.Target { return target(t, false) },
			"request": func(t testing.TB) *adaptertest.Target { return target(t, true) },
		},
		Secrets: []string{secret},
		Not: map[string]string{
			"stable ids": "a request has no name of its own; the client's Idempotency-Key is the header idempotency-key, for the route's id:",
		},
	})
}

// client sends each body until it is taken, as clients of a listener must.
func client(t testing.TB) *adaptertest.Way {
	addr := free(t)
	var taken atomic.Int64
	c := &nethttp.Client{Transport: &nethttp.Transport{}}
	t.Cleanup(c.CloseIdleConnections)
	return &adaptertest.Way{
		System: "{listen: '" + addr + "', clients: {lab: {bearer: {token: " + secret + "}}}}",
		With:   "{path: /lab/orders}",
		Put: func(_ *adaptertest.Inbox, body []byte) error {
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && t.Context().Err() == nil; time.Sleep(5 * time.Millisecond) {
				req, err := nethttp.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/lab/orders", bytes.NewReader(body))
				if err != nil {
					return err
				}
				req.Header.Set("Authorization", "Bearer "+secret)
				req.Header.Set("Content-Type", "application/json")
				resp, err := c.Do(req)
				if err != nil {
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				switch resp.StatusCode {
				case nethttp.StatusAccepted:
					taken.Add(1)
					return nil
				case nethttp.StatusServiceUnavailable:
					if resp.Header.Get("Retry-After") == "" {
						return errors.New("503 without Retry-After")
					}
				default:
					return fmt.Errorf("answered %s", resp.Status)
				}
			}
			return errors.New("not taken in 10s")
		},
		Answered: func() int { return int(taken.Load()) },
		Cut:      c.CloseIdleConnections,
		Mend:     func() {},
	}
}

// free gives an address that nothing listens at.
func free(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// target is a server that keeps what it is sent.
func target(t testing.TB, writes bool) *adaptertest.Target {
	var mu sync.Mutex
	got := map[string]int{}
	var deny, bad atomic.Bool
	var busy atomic.Int64
	slow := make(chan struct{})
	var hang atomic.Bool
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		b, _ := io.ReadAll(r.Body)
		if hang.Load() {
			select {
			case <-slow:
			case <-r.Context().Done():
			}
			return
		}
		switch {
		case deny.Load() || r.Header.Get("Authorization") != "Bearer "+secret:
			w.WriteHeader(nethttp.StatusUnauthorized)
			fmt.Fprint(w, "who is ", r.Header.Get("Authorization"))
		case busy.Load() > 0:
			w.Header().Set("Retry-After", strconv.FormatInt(busy.Load(), 10))
			w.WriteHeader(nethttp.StatusTooManyRequests)
		case bad.Load():
			w.WriteHeader(nethttp.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"error":"quantity is negative"}`)
		default:
			mu.Lock()
			got[r.URL.Query().Get("n")+string(b)]++
			mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"n":%s}`, r.URL.Query().Get("n"))
		}
	}))
	t.Cleanup(func() { srv.Close() })
	message_ := func(n int) message.Message {
		return message.Message{ID: message.ID("m").Child(fmt.Sprint(n)), Type: "application/json", Body: fmt.Appendf(nil, `{"order":%d}`, n)}
	}
	return &adaptertest.Target{
		System:  "{url: '" + srv.URL + "/api', auth: {bearer: {token: " + secret + "}}}",
		With:    func(n int) string { return fmt.Sprintf("{path: /orders, query: {n: %d, key: %s}}", n, secret) },
		Message: message_,
		Done: func(n int, a message.Message) error {
			if v, err := a.JSON(); err != nil || v.(map[string]any)["n"] != n || a.Status != 200 {
				return fmt.Errorf("answer %v, status %d, %w", v, a.Status, err)
			}
			key := strconv.Itoa(n)
			if writes {
				key += fmt.Sprintf(`{"order":%d}`, n)
			}
			mu.Lock()
			defer mu.Unlock()
			if got[key] != 1 {
				return fmt.Errorf("it was asked %d times, want once: %v", got[key], got)
			}
			return nil
		},
		Bad: func() (string, message.Message) {
			bad.Store(true)
			return "{path: /orders}", message_(0)
		},
		Cut:  srv.Close,
		Deny: func() { deny.Store(true) },
		Busy: func(after time.Duration) { busy.Store(int64(after / time.Second)) },
		Slow: func() func() {
			hang.Store(true)
			return sync.OnceFunc(func() { close(slow) })
		},
		Unknown: writes,
	}
}

// start opens a system and runs a source of it. The returned function stops both.
func start(t testing.TB, system string, in adapter.Inbox, withs ...string) {
	t.Helper()
	startOn(t, http.Adapter(), "web", system, in, withs...)
}

func startOn(t testing.TB, d *adapter.Definition, name, system string, in adapter.Inbox, withs ...string) (stop func()) {
	t.Helper()
	conn, err := d.Open(t.Context(), adapter.Env{System: name, Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, system, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	for _, with := range withs {
		running.Go(func() {
			if err := d.Source("receive").Run(ctx, conn, adaptertest.Node(t, with, ""), in); err != nil {
				t.Errorf("receive %s: %v", with, err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := conn.(io.Closer).Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
