package script_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/conformance/systems/script"
)

// double is a server that counts what it did.
type double struct {
	script.Script
	done atomic.Int32
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.Serve(w, r, func(w http.ResponseWriter, r *http.Request) {
		d.done.Add(1)
		w.WriteHeader(http.StatusCreated)
		io.Copy(w, r.Body)
	})
}

func start(t *testing.T) (*double, func(body string) (int, string, error)) {
	d := &double{}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	client := server.Client()
	return d, func(body string) (int, string, error) {
		resp, err := client.Post(server.URL+"/x?y=z", "text/plain", strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), err
	}
}

func TestFail(t *testing.T) {
	d, post := start(t)
	d.Fail(2, 503, "later", http.Header{"Retry-After": {"7"}})
	d.FailWhen(func(r script.Request) bool { return string(r.Body) == "bad" }, 1, 422, "no", nil)
	for i, want := range []struct {
		send   string
		status int
		body   string
	}{{"a", 503, "later"}, {"b", 503, "later"}, {"c", 201, "c"}, {"bad", 422, "no"}, {"bad", 201, "bad"}} {
		status, body, err := post(want.send)
		if err != nil || status != want.status || body != want.body {
			t.Errorf("request %d: %d %q %v, want %d %q", i, status, body, err, want.status, want.body)
		}
	}
	if d.done.Load() != 2 {
		t.Errorf("the double did %d, want 2", d.done.Load())
	}
	requests := d.Requests()
	if r := requests[3]; len(requests) != 5 || r.Method != "POST" || r.Path != "/x" || r.Query != "y=z" || string(r.Body) != "bad" || r.Status != 422 {
		t.Errorf("requests = %+v", requests)
	}
	d.ForgetRequests()
	if n := len(d.Requests()); n != 0 {
		t.Errorf("%d requests after ForgetRequests", n)
	}
}

func TestLostAnswer(t *testing.T) {
	d, post := start(t)
	d.LoseAnswers(1)
	if status, _, err := post("a"); err == nil {
		t.Errorf("answered %d", status)
	}
	if d.done.Load() != 1 {
		t.Error("the double did not do what it was asked")
	}
	if status, _, err := post("b"); status != 201 {
		t.Errorf("after it: %d %v", status, err)
	}
}

func TestDown(t *testing.T) {
	d, post := start(t)
	d.Down(true)
	if status, _, err := post("a"); err == nil {
		t.Errorf("answered %d while down", status)
	}
	d.Down(false)
	if status, _, err := post("a"); status != 201 {
		t.Errorf("up again: %d %v", status, err)
	}
}

func TestDelayEndsWithTheRequest(t *testing.T) {
	d := &double{}
	d.Delay(time.Hour)
	server := httptest.NewServer(d)
	client := server.Client()
	client.Timeout = 50 * time.Millisecond
	_, err := client.Get(server.URL)
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("err = %v, want a timeout", err)
	}
	server.Close() // waits for the handler
}
