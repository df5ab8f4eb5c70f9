package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters/http"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// caller sends to a server of the test.
type caller struct {
	testing.TB
	d    *adapter.Definition
	conn any
	srv  *httptest.Server
}

// serve starts a server and a system whose url it is; %s in settings is that.
func serve(t testing.TB, settings string, h nethttp.HandlerFunc) *caller {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &caller{t, http.Adapter(), openAt(t, strings.ReplaceAll(settings, "URL", srv.URL)), srv}
}

func openAt(t testing.TB, settings string) any {
	t.Helper()
	d := http.Adapter()
	node := adaptertest.Node(t, settings, t.TempDir())
	if errs := d.Check(node); errs.Failed() {
		t.Fatalf("%s: %v", settings, errs)
	}
	conn, err := d.Open(t.Context(), adapter.Env{System: "to", Log: slog.New(slog.DiscardHandler)}, node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.(io.Closer).Close() })
	return conn
}

func (c *caller) do(op, with string, m message.Message) (message.Message, error) {
	c.Helper()
	return c.doCtx(c.Context(), op, with, m)
}

func (c *caller) doCtx(ctx context.Context, op, with string, m message.Message) (message.Message, error) {
	c.Helper()
	n := adaptertest.Node(c, strings.ReplaceAll(with, "URL", c.srv.URL), "")
	if errs := c.d.Operation(op).Check(n); errs.Failed() {
		c.Fatalf("%s: %v", with, errs)
	}
	return c.d.Operation(op).Do(ctx, c.conn, n, m)
}

func js(s string) message.Message {
	return message.Message{ID: "m-1", Type: "application/json", Body: []byte(s)}
}

func TestWhatIsSent(t *testing.T) {
	var got string
	c := serve(t, "{url: URL/api/, headers: {X-Site: kisumu}, auth: {header: {name: X-Api-Key, value: k}}}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		b, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s type=%s site=%s key=%s id=%s accept=%s body=%s", r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("X-Site"),
			r.Header.Get("X-Api-Key"), r.Header.Get("Idempotency-Key"), r.Header.Get("Accept"), b)
	})
	form := message.Message{Body: []byte(`{"a":"x y","b":[1,2],"c":null,"d":1.50}`)}
	for _, k := range []struct {
		op, with string
		m        message.Message
		want     string
	}{
		{"request", "{path: /orders}", js(`{"n":1.0}`), `POST /api/orders type=application/json site=kisumu key=k id= accept= body={"n":1.0}`},
		{"request", "{path: orders, method: PUT, body: json}", message.Message{Type: "application/fhir+json", Body: []byte(`{}`)}, `PUT /api/orders type=application/fhir+json site=kisumu key=k id= accept= body={}`},
		{"request", "{body: form, idempotency-header: Idempotency-Key}", message.Message{ID: "m-1", Body: form.Body}, `POST /api/ type=application/x-www-form-urlencoded site=kisumu key=k id=m-1 accept= body=a=x+y&b=1&b=2&d=1.50`},
		{"request", "{body: text}", js(`"two\nlines"`), "POST /api/ type=text/plain; charset=utf-8 site=kisumu key=k id= accept= body=two\nlines"},
		{"request", "{path: '/Patient/a%2Fb?x=1', method: DELETE, query: {y: [1, 'ä&'], z: null, t: true}}", js(`{}`), `DELETE /api/Patient/a%2Fb?t=true&x=1&y=1&y=%C3%A4%26 type= site=kisumu key=k id= accept= body=`},
		{"request", "{}", message.Message{Value: map[string]any{"a": 1}}, `POST /api/ type=application/json site=kisumu key=k id= accept= body={"a":1}`},
		{"request", "{}", message.Message{Body: []byte("\x00")}, "POST /api/ type=application/octet-stream site=kisumu key=k id= accept= body=\x00"},
		{"get", "{path: /x, headers: {Accept: application/fhir+json}}", js(`{}`), `GET /api/x type= site=kisumu key=k id= accept=application/fhir+json body=`},
		{"get", "{url: URL/other}", js(`{}`), `GET /other type= site=kisumu key=k id= accept= body=`},
	} {
		got = ""
		if _, err := c.do(k.op, k.with, k.m); err != nil || got != k.want {
			t.Errorf("%s %s: %v\n got %s\nwant %s", k.op, k.with, err, got, k.want)
		}
	}
	// Elsewhere no credentials are sent.
	other := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		got = r.Header.Get("X-Api-Key") + r.Header.Get("X-Site")
	}))
	defer other.Close()
	if _, err := c.do("get", "{url: "+other.URL+"}", js(`{}`)); err != nil || got != "" {
		t.Errorf("another host was sent %q, %v", got, err)
	}
	for with, want := range map[string]string{
		"{path: ../up}":         "path is none that can be sent to; it has no .. and its % are followed by two hex digits",
		"{path: 'a/%2e%2e/up'}": "path is none that can be sent to; it has no .. and its % are followed by two hex digits",
		"{path: '%zz'}":         "path is none that can be sent to; it has no .. and its % are followed by two hex digits",
		"{url: 'file:///x'}":    "url is no web address that can be sent to; it needs http:// or https:// and has no password in it",
	} {
		if _, err := c.do("get", with, js("1")); fault.ClassOf(err) != fault.Rejected || err.Error() != want {
			t.Errorf("get %s = %v, want it rejected: %s", with, err, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	c := serve(t, "{url: URL, max-answer: 30}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		w.Header().Set("ETag", `W/"3"`)
		w.Header().Set("Set-Cookie", "session=1")
		if s := r.URL.Query().Get("status"); s != "" {
			var n int
			fmt.Sscan(s, &n)
			w.WriteHeader(n)
		}
		io.WriteString(w, r.URL.Query().Get("body"))
	})
	for _, k := range []struct {
		with  string
		value any
		err   string
	}{
		{`{query: {type: application/fhir+json, body: '{"a":1.50}'}}`, map[string]any{"a": message.Number("1.50")}, ""},
		{`{query: {type: text/plain, body: 'é'}}`, "é", ""},
		{`{query: {type: application/xml, body: '<a/>'}}`, "<a/>", ""},
		{`{query: {type: image/png, body: 'ab'}}`, "YWI=", ""},
		{`{query: {type: text/html, body: '{"a":1}'}, as: json}`, map[string]any{"a": 1}, ""},
		{`{query: {type: '', body: '{"a":1}'}}`, map[string]any{"a": 1}, ""},
		{`{query: {type: application/json, body: '<html>'}}`, nil, "GET URL: the answer is not JSON: line 1, column 1: invalid character '<' looking for beginning of value"},
		{`{query: {type: application/json, body: ''}}`, nil, ""},
		{`{query: {type: text/plain, body: '` + strings.Repeat("x", 31) + `'}}`, nil, "GET URL: the answer is over the limit of 30 bytes (max-answer)"},
		{`{query: {type: text/plain, body: 'no', status: 404}}`, nil, "GET URL: answered 404 Not Found"},
		{`{query: {type: text/plain, body: 'no', status: 404}, accept: [404]}`, "no", ""},
	} {
		a, err := c.do("get", k.with, message.Message{})
		want := strings.ReplaceAll(k.err, "URL", c.srv.URL)
		if k.err != "" {
			if fault.ClassOf(err) != fault.Rejected || err.Error() != want {
				t.Errorf("get %s: %v, want it rejected: %s", k.with, err, want)
			}
			continue
		}
		if err != nil || !cmp.Equal(a.Value, k.value) || a.Headers["etag"] != `W/"3"` || a.Headers["set-cookie"] != "" {
			t.Errorf("get %s: %#v %v, %v, want %#v", k.with, a.Value, a.Headers, err, k.value)
		}
	}
	if f := fault.Of(second(c.do("get", `{query: {body: why, status: 404}}`, message.Message{}))); f.Status != 404 || string(f.Answer) != "why" {
		t.Errorf("the fault keeps status %d and answer %q, want 404 and why", f.Status, f.Answer)
	}
}

func second(_ message.Message, err error) error { return err }

// Whether a lost answer may be sent again depends on how far the request came, and on what it does.
func TestLostAnswers(t *testing.T) {
	c := serve(t, "{url: URL}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/slow":
			<-r.Context().Done()
		case "/504":
			w.WriteHeader(504)
		case "/half":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			panic(nethttp.ErrAbortHandler)
		default:
			panic(nethttp.ErrAbortHandler)
		}
	})
	for _, k := range []struct {
		op, with string
		class    fault.Class
		want     string
	}{
		{"request", "{path: /cut}", fault.Unknown, "POST URL/cut: the connection broke; it may have been done"},
		{"request", "{path: /half}", fault.Unknown, "POST URL/half: the connection broke; it may have been done"},
		{"request", "{path: /slow}", fault.Unknown, "POST URL/slow: no answer in time; it may have been done"},
		{"request", "{path: /504}", fault.Unknown, "POST URL/504: answered 504 Gateway Timeout"},
		{"request", "{path: /cut, method: PATCH}", fault.Unknown, "PATCH URL/cut: the connection broke; it may have been done"},
		{"request", "{path: /cut, method: PUT}", fault.Transient, "PUT URL/cut: the connection broke"},
		{"request", "{path: /slow, method: DELETE}", fault.Transient, "DELETE URL/slow: no answer in time"},
		{"request", "{path: /504, method: PUT}", fault.Transient, "PUT URL/504: answered 504 Gateway Timeout"},
		{"request", "{path: /cut, idempotency-header: Idempotency-Key}", fault.Transient, "POST URL/cut: the connection broke"},
		{"get", "{path: /cut}", fault.Transient, "GET URL/cut: the connection broke"},
		{"get", "{path: /slow, query: {token: s3cret}}", fault.Transient, "GET URL/slow: no answer in time"},
		{"request", "{url: 'http://127.0.0.1:1/x?token=s3cret'}", fault.Transient, "POST http://127.0.0.1:1/x: nothing answers at 127.0.0.1:1"},
		{"request", "{url: 'http://no-such-host.invalid/'}", fault.Transient, "POST http://no-such-host.invalid/: the name no-such-host.invalid is not known; check url, or the name server"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := c.doCtx(ctx, k.op, k.with, js(`{}`))
		cancel()
		if want := strings.ReplaceAll(k.want, "URL", c.srv.URL); fault.ClassOf(err) != k.class || err.Error() != want {
			t.Errorf("%s %s: %s %v\nwant %s %s", k.op, k.with, fault.ClassOf(err), err, k.class, want)
		}
	}
}

// A connection that the server closes while nobody uses it is no lost answer.
func TestAStaleConnectionIsNotALostAnswer(t *testing.T) {
	var n atomic.Int64
	c := serve(t, "{url: URL}", func(nethttp.ResponseWriter, *nethttp.Request) { n.Add(1) })
	for i := range 4 {
		if _, err := c.do("request", "{}", js(`{}`)); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		time.Sleep(600 * time.Millisecond) // longer than a connection for a POST is kept
		c.srv.CloseClientConnections()
	}
	if n.Load() != 4 {
		t.Errorf("asked %d times, want 4", n.Load())
	}
}

func TestTimeoutOfTheSystem(t *testing.T) {
	c := serve(t, "{url: URL, timeout: 50ms}", func(_ nethttp.ResponseWriter, r *nethttp.Request) { <-r.Context().Done() })
	begun := time.Now()
	if _, err := c.do("get", "{}", message.Message{}); fault.ClassOf(err) != fault.Transient || time.Since(begun) > 5*time.Second {
		t.Errorf("get = %v after %s", err, time.Since(begun))
	}
}

func TestRedirects(t *testing.T) {
	var other atomic.Int64
	elsewhere := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) { other.Add(1) }))
	defer elsewhere.Close()
	for _, auth := range []string{"", ", auth: {bearer: {token: x}}"} {
		c := serve(t, "{url: URL"+auth+"}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
			switch r.URL.Path {
			case "/away":
				nethttp.Redirect(w, r, elsewhere.URL+"/x?secret=1", nethttp.StatusTemporaryRedirect)
			case "/near":
				nethttp.Redirect(w, r, "/end", nethttp.StatusTemporaryRedirect)
			case "/get":
				nethttp.Redirect(w, r, "/end", nethttp.StatusFound)
			case "/loop":
				nethttp.Redirect(w, r, "/loop", nethttp.StatusTemporaryRedirect)
			default:
				fmt.Fprint(w, r.Method)
			}
		})
		if a, err := c.do("request", "{path: /near, as: text}", js("1")); err != nil || a.Value != "POST" {
			t.Errorf("a redirect within the host: %v, %v", a.Value, err)
		}
		for path, want := range map[string]string{
			"/away": "answered 307 Temporary Redirect; it leads to " + elsewhere.URL + ", another host, which is not followed",
			"/get":  "answered 302 Found; it leads to URL/end; ask there",
			"/loop": "answered 307 Temporary Redirect; it leads to URL/loop; ask there",
		} {
			want = strings.ReplaceAll("POST URL"+path+": "+want, "URL", c.srv.URL)
			if _, err := c.do("request", "{path: "+path+"}", js("1")); fault.ClassOf(err) != fault.Rejected || err.Error() != want {
				t.Errorf("%s: %v\nwant it rejected: %s", path, err, want)
			}
		}
	}
	if other.Load() != 0 {
		t.Errorf("the other host was asked %d times", other.Load())
	}
}

func TestPaging(t *testing.T) {
	c := serve(t, "{url: URL, max-answer: 2KB}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		n := 0
		fmt.Sscan(r.URL.Query().Get("p"), &n)
		next := fmt.Sprintf("http://%s%s?p=%d", r.Host, r.URL.Path, n+1)
		last := n == 2
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/link":
			w.Header().Add("Link", `</other>; rel="first"`)
			if !last {
				w.Header().Add("Link", fmt.Sprintf(`<%s>; title="a;b"; rel="last next"`, next))
			}
			fmt.Fprintf(w, `[%d]`, n)
		case "/pointer":
			if last {
				fmt.Fprintf(w, `{"data":{"items":[%d]},"meta":{"next":null}}`, n)
				return
			}
			fmt.Fprintf(w, `{"data":{"items":[%d]},"meta":{"next":"?p=%d"}}`, n, n+1)
		case "/Patient":
			link := fmt.Sprintf(`{"relation":"next","url":%q}`, next)
			if last {
				link = `{"relation":"self","url":"x"}`
			}
			fmt.Fprintf(w, `{"resourceType":"Bundle","total":3,"link":[%s],"entry":[{"n":%d}]}`, link, n)
		case "/none":
			fmt.Fprint(w, `{"resourceType":"Bundle","total":0}`)
		case "/endless":
			fmt.Fprintf(w, `{"meta":{"next":"?p=%d"},"x":[]}`, n+1)
		case "/back":
			fmt.Fprint(w, `{"meta":{"next":"/back"},"x":[]}`)
		case "/away":
			fmt.Fprint(w, `{"meta":{"next":"http://elsewhere.example/x?secret=1"},"x":[]}`)
		case "/large":
			fmt.Fprintf(w, `{"meta":{"next":"?p=%d"},"x":[%q]}`, n+1, strings.Repeat("x", 900))
		}
	})
	for _, k := range []struct {
		with, want string
	}{
		{"{path: /link, paging: {next: link}}", `[0,1,2]`},
		{"{path: /pointer, paging: {next: /meta/next, items: /data/items}}", `[0,1,2]`},
		{"{path: /Patient, paging: {next: bundle}}", `{"entry":[{"n":0},{"n":1},{"n":2}],"resourceType":"Bundle","total":3}`},
		{"{path: /none, paging: {next: bundle}}", `{"resourceType":"Bundle","total":0}`},
		{"{path: /endless, paging: {next: /meta/next, items: /x, max-pages: 5}}", "rejected: GET URL/endless: more than 5 pages (max-pages); narrow the question"},
		{"{path: /back, paging: {next: /meta/next, items: /x}}", "rejected: GET URL/back: page 2 leads back to an earlier one"},
		{"{path: /away, paging: {next: /meta/next, items: /x}}", "rejected: GET URL/away: page 2 is at http://elsewhere.example, another host, which is not followed; does the system know its own address?"},
		{"{path: /large, paging: {next: /meta/next, items: /x}}", "rejected: GET URL/large: the answer is over the limit of 2048 bytes (max-answer)"},
		{"{path: /pointer, paging: {next: /meta/next}}", "rejected: GET URL/pointer: the answer itself is no list; say in paging: { items: /… } where it stands"},
	} {
		a, err := c.do("get", k.with, message.Message{})
		var got string
		if err != nil {
			got = string(fault.ClassOf(err)) + ": " + err.Error()
		} else {
			b, err := message.Encode(a.Value)
			if err != nil {
				t.Fatal(err)
			}
			got = string(b)
		}
		if want := strings.ReplaceAll(k.want, "URL", c.srv.URL); got != want {
			t.Errorf("get %s\n got %s\nwant %s", k.with, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0, "Mon, 05 Jan 2026 08:00:30 GMT": 30 * time.Second,
		"Mon, 05 Jan 2026 07:00:00 GMT": 0, "99999999999999999999": 0} {
		if got := http.RetryAfter(nethttp.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("RetryAfter(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestOAuth2(t *testing.T) {
	var tokens, refused atomic.Int64
	var valid atomic.Value
	valid.Store("")
	issue := nethttp.StatusOK
	ids := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		user, pass, _ := r.BasicAuth()
		if issue != nethttp.StatusOK || user != "njia" || pass != secret || r.FormValue("audience") != "lab" || r.FormValue("scope") != "a b" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(max(issue, 400))
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"`+secret+`"}`)
			return
		}
		token := fmt.Sprintf("token-%d", tokens.Add(1))
		valid.Store(token)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3600}`, token)
	}))
	defer ids.Close()
	settings := "{url: URL, auth: {oauth2: {token-url: '" + ids.URL + "', client-id: njia, client-secret: " + secret + ", scopes: [a, b], params: {audience: lab}}}}"
	c := serve(t, settings, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer "+valid.Load().(string) {
			refused.Add(1)
			w.WriteHeader(401)
			return
		}
		w.Write(b)
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.do("request", "{}", js(`{}`)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := tokens.Load(); n != 1 {
		t.Errorf("%d tokens for 8 requests at once, want 1", n)
	}
	valid.Store("another") // the server has forgotten it
	if a, err := c.do("request", "{}", js(`{"n":1}`)); err != nil || string(a.Body) != `{"n":1}` || tokens.Load() != 2 || refused.Load() != 1 {
		t.Errorf("after the token was withdrawn: %s, %v, %d tokens, %d refusals; want one more of each", a.Body, err, tokens.Load(), refused.Load())
	}
	for status, want := range map[int]fault.Class{400: fault.Unauthorized, 401: fault.Unauthorized, 503: fault.Transient} {
		issue = status
		valid.Store("gone")
		c := &caller{t, http.Adapter(), openAt(t, strings.ReplaceAll(settings, "URL", c.srv.URL)), c.srv}
		_, err := c.do("request", "{}", js(`{}`))
		if text := fmt.Sprintf("POST %s: the token server answered %d invalid_client", c.srv.URL, status); fault.ClassOf(err) != want || err.Error() != text {
			t.Errorf("the token server answers %d: %s %v, want %s %s", status, fault.ClassOf(err), err, want, text)
		}
	}
}

func TestHMACOfRequests(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{}
	start(t, "{listen: '"+addr+"', clients: {me: {hmac: {key: k, timestamp: X-Time, algorithm: sha512, encoding: base64}}}}", in, "{path: /a}")
	conn := openAt(t, "{url: 'http://"+addr+"', auth: {hmac: {key: k, timestamp: X-Time, algorithm: sha512, encoding: base64}}}")
	op := http.Adapter().Operation("request")
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := op.Do(t.Context(), conn, adaptertest.Node(t, "{path: /a}", ""), js(`{"n":1}`))
		if fault.ClassOf(err) == fault.Transient && time.Now().Before(end) {
			continue
		}
		if err != nil || in.Taken()[0].Headers["http-client"] != "me" {
			t.Errorf("a signed request: %v, taken %v", err, in.Taken())
		}
		break
	}
}

func TestHealth(t *testing.T) {
	status := 404
	c := serve(t, "{url: URL}", func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(status) })
	for s, want := range map[int]fault.Class{200: "", 404: "", 401: fault.Unauthorized, 503: fault.Transient} {
		status = s
		if err := c.d.Health(t.Context(), c.conn); fault.ClassOf(err) != want {
			t.Errorf("Health at %d = %v, want class %q", s, err, want)
		}
	}
}

func TestOperationSettings(t *testing.T) {
	for with, want := range map[string]string{
		"{path: /a, url: 'http://x'}":          "settings.yaml:1:17: path and url are both given",
		"{method: POST, paging: {next: link}}": "settings.yaml:1:24: paging is for GET, this is POST",
		"{method: post}":                       "settings.yaml:1:10: method is POST, PUT, PATCH, DELETE, GET or HEAD, this is text",
	} {
		if got := http.Adapter().Operation("request").Check(adaptertest.Node(t, with, "")).Error(); got != want {
			t.Errorf("Check(%s) =\n%s\nwant\n%s", with, got, want)
		}
	}
}

// A server that takes the connection and then says nothing at all, not even to the end of it.
func TestASilentServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn := openAt(t, "{url: 'http://"+ln.Addr().String()+"', timeout: 100ms}")
	_, err = http.Adapter().Operation("request").Do(t.Context(), conn, adaptertest.Node(t, "{}", ""), js("1"))
	if f := fault.Of(err); f == nil || f.Class != fault.Unknown || !errors.As(err, &f) {
		t.Errorf("request = %v, want it unknown", err)
	}
}
