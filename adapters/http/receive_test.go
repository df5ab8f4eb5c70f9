package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"encoding/pem"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters/http"
	"github.com/njia-health/njia/adapters/http/auth"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// ask sends a request and gives status, headers and body. It asks again while the source is starting.
func ask(t testing.TB, method, url string, headers map[string]string, body io.Reader) (int, nethttp.Header, string) {
	t.Helper()
	var content []byte
	if body != nil {
		content, _ = io.ReadAll(body)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		req, err := nethttp.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range headers {
			req.Header.Set(k, v)
		}
		resp, err := nethttp.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode == 503 && strings.Contains(string(b), "starting") && time.Now().Before(end) {
			continue
		}
		return resp.StatusCode, resp.Header, string(b)
	}
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestWhatAMessageHolds(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{}
	start(t, "listen: "+addr, in, `{path: "/lab/{id}/files/{rest...}", methods: [post, PUT], headers: [X-Site]}`)
	status, _, body := ask(t, "PUT", "http://"+addr+"/lab/7%2F8/files/a/b?status=final&status=x&Q=1", map[string]string{
		"Content-Type": "application/fhir+json; charset=utf-8", "X-Site": "kisumu", "Authorization": "Bearer x", "Cookie": "c=1", "Idempotency-Key": "k-1",
		"Path-Id": "made-up", "Http-Client": "made-up", "User-Agent": "lab/1", "X-Other": "no"}, strings.NewReader(`{"a":1.0}`))
	if status != 202 || !strings.Contains(body, `"outcome":"accepted"`) {
		t.Fatalf("%d %s", status, body)
	}
	m := in.Taken()[0]
	want := message.Message{Type: "application/fhir+json; charset=utf-8", Body: []byte(`{"a":1.0}`), Headers: map[string]string{
		"http-method": "PUT", "http-path": "/lab/7/8/files/a/b", "path-id": "7/8", "path-rest": "a/b", "query-status": "final,x", "query-q": "1",
		"x-site": "kisumu", "idempotency-key": "k-1", "user-agent": "lab/1"}}
	if d := cmp.Diff(want, m); d != "" {
		t.Errorf("message (-want +got):\n%s", d)
	}
}

func TestRefusedRequests(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{Limit: 10}
	start(t, "listen: "+addr, in, "{path: /a}", "{path: /a, methods: [DELETE]}", "{path: /small, max-body: 3}")
	base := "http://" + addr
	ask(t, "POST", base+"/a", nil, nil)
	ask(t, "DELETE", base+"/a", nil, nil)
	ask(t, "POST", base+"/small", nil, nil)
	before := in.Count()
	for name, c := range map[string]struct {
		method, path string
		headers      map[string]string
		body         io.Reader
		status       int
		header, want string
	}{
		"another path":            {"POST", "/b", nil, nil, 404, "", "there is nothing at this path"},
		"another method":          {"PUT", "/a", nil, nil, 405, "Allow: DELETE, POST", "this path takes DELETE, POST"},
		"too large":               {"POST", "/a", nil, strings.NewReader("12345678901"), 413, "", "the body is over the limit of 10 bytes"},
		"too large in parts":      {"POST", "/a", nil, io.MultiReader(strings.NewReader("123456"), strings.NewReader("78901")), 413, "", "the body is over the limit of 10 bytes"},
		"too large for the path":  {"POST", "/small", nil, strings.NewReader("1234"), 413, "", "the body is over the limit of 3 bytes"},
		"too large when unpacked": {"POST", "/a", map[string]string{"Content-Encoding": "gzip"}, strings.NewReader(gz(strings.Repeat("x", 100))), 413, "", "over the limit of 10 bytes"},
		"a page of another site":  {"POST", "/a", map[string]string{"Sec-Fetch-Site": "cross-site"}, strings.NewReader("1"), 403, "", "pages of other sites may not send here"},
		"packed in another way":   {"POST", "/a", map[string]string{"Content-Encoding": "br"}, strings.NewReader("x"), 415, "Accept-Encoding: gzip", "the body may be packed with gzip only"},
		"not packed as it says":   {"POST", "/a", map[string]string{"Content-Encoding": "gzip"}, strings.NewReader("x"), 400, "", "the body is not packed with gzip, as its Content-Encoding says"},
	} {
		status, h, body := ask(t, c.method, base+c.path, c.headers, c.body)
		k, v, _ := strings.Cut(c.header, ": ")
		if status != c.status || !strings.Contains(body, c.want) || c.header != "" && h.Get(k) != v {
			t.Errorf("%s: %d %s %q, want %d %s %q", name, status, h, body, c.status, c.header, c.want)
		}
	}
	if in.Count() != before {
		t.Errorf("%d messages were made of refused requests", in.Count()-before)
	}
	in.Refuse(1, nil)
	if status, h, _ := ask(t, "POST", base+"/a", nil, nil); status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("not taken: %d, Retry-After %q, want 503 with one", status, h.Get("Retry-After"))
	}
}

func TestAPackedBody(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{}
	start(t, "listen: "+addr, in, "{path: /a}")
	ask(t, "POST", "http://"+addr+"/a", map[string]string{"Content-Encoding": "gzip"}, strings.NewReader(gz(`{"n":1}`)))
	if got := string(in.Taken()[0].Body); got != `{"n":1}` {
		t.Errorf("body = %q", got)
	}
}

func TestReplies(t *testing.T) {
	for name, c := range map[string]struct {
		reply  adapter.Reply
		status int
		want   string
		header string
	}{
		"accepted":  {adapter.Reply{ID: "7", Outcome: "accepted"}, 202, `{"id":"7","outcome":"accepted"}` + "\n", "Content-Type: application/json"},
		"duplicate": {adapter.Reply{ID: "7", Outcome: "duplicate"}, 202, `{"id":"7","outcome":"duplicate"}` + "\n", ""},
		"invalid":   {adapter.Reply{ID: "7", Outcome: "invalid", Err: fault.New(fault.Invalid, "status is missing")}, 400, `{"error":"status is missing","id":"7","outcome":"invalid"}` + "\n", ""},
		"held":      {adapter.Reply{ID: "7", Outcome: "held", Err: fault.New(fault.Unmapped, "no entry")}, 202, `{"error":"no entry","id":"7","outcome":"held"}` + "\n", ""},
		"custom":    {adapter.Reply{Custom: true, Status: 201, Type: "application/fhir+json", Headers: map[string]string{"Location": "/x", "Content-Length": "1"}, Body: []byte(`{"resourceType":"Task"}`)}, 201, `{"resourceType":"Task"}`, "Location: /x"},
		"usual":     {adapter.Reply{Custom: true, Body: []byte("ok")}, 200, "ok", ""},
		"empty":     {adapter.Reply{Custom: true, Status: 204, Body: []byte("ignored")}, 204, "", ""},
	} {
		addr := free(t)
		start(t, "listen: "+addr, &adaptertest.Inbox{Answer: func(message.Message) adapter.Reply { return c.reply }}, "{path: /a}")
		status, h, body := ask(t, "POST", "http://"+addr+"/a", nil, nil)
		k, v, _ := strings.Cut(c.header, ": ")
		if status != c.status || body != c.want || c.header != "" && h.Get(k) != v {
			t.Errorf("%s: %d %v %q, want %d %q", name, status, h, body, c.status, c.want)
		}
	}
}

func TestClients(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{}
	start(t, `
listen: `+addr+`
clients:
  clinic: { basic: { username: "é", password: p:w } }
  lab: { bearer: { token: tok } }
  erp: { header: { name: X-Api-Key, value: key } }
  github: { hmac: { key: k, header: X-Hub-Signature-256, prefix: "sha256=", timestamp: X-Time, tolerance: 1m } }
`, in, "{path: /all, headers: [x-hub-signature-256]}", "{path: /lab, clients: [lab]}")
	base := "http://" + addr
	h := auth.HMAC{Key: "k", Prefix: "sha256=", Timestamp: "X-Time"}
	now, old := time.Now(), time.Now().Add(-2*time.Minute)
	signed := func(body string, at time.Time) map[string]string {
		return map[string]string{"X-Hub-Signature-256": h.Signature([]byte(body), at), "X-Time": fmt.Sprint(at.Unix())}
	}
	ask(t, "POST", base+"/lab", map[string]string{"Authorization": "Bearer tok"}, nil) // both are there from now on
	for name, c := range map[string]struct {
		path    string
		headers map[string]string
		status  int
		client  string
	}{
		"nothing":                   {"/all", nil, 401, ""},
		"a password":                {"/all", map[string]string{"Authorization": "Basic w6k6cDp3"}, 202, "clinic"},
		"a wrong password":          {"/all", map[string]string{"Authorization": "Basic w6k6cDp4"}, 401, ""},
		"a token":                   {"/all", map[string]string{"Authorization": "bearer tok"}, 202, "lab"},
		"a wrong token":             {"/all", map[string]string{"Authorization": "Bearer to"}, 401, ""},
		"a key":                     {"/all", map[string]string{"X-Api-Key": "key"}, 202, "erp"},
		"an empty key":              {"/all", map[string]string{"X-Api-Key": ""}, 401, ""},
		"a signature":               {"/all", signed("body", now), 202, "github"},
		"a signature of other text": {"/all", signed("other", now), 401, ""},
		"an old signature":          {"/all", signed("body", old), 401, ""},
		"no signature of it":        {"/all", map[string]string{"X-Hub-Signature-256": "sha256=zz", "X-Time": fmt.Sprint(now.Unix())}, 401, ""},
		"another client's path":     {"/lab", map[string]string{"X-Api-Key": "key"}, 401, ""},
	} {
		before := in.Count()
		status, head, body := ask(t, "POST", base+c.path, c.headers, strings.NewReader("body"))
		if status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
			continue
		}
		if status == 401 {
			if head.Get("WWW-Authenticate") == "" || in.Count() != before {
				t.Errorf("%s: WWW-Authenticate %q, and %d messages taken", name, head.Values("WWW-Authenticate"), in.Count()-before)
			}
			continue
		}
		m := in.Taken()[before]
		if m.Headers["http-client"] != c.client || m.Headers["x-hub-signature-256"] != "" {
			t.Errorf("%s: headers %v, want http-client %s and no signature", name, m.Headers, c.client)
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for system, want := range map[string]string{
		"listen: " + taken.Addr().String():                                     "listen: another program listens at " + taken.Addr().String() + " already; stop it, or choose another port",
		"{listen: '127.0.0.1:0', tls: {cert: /no/cert.pem, key: /no/key.pem}}": "tls: the certificate cert.pem and key key.pem cannot be used: they are missing, not PEM, or do not belong together",
		"{url: 'https://x', tls: {ca: /no/ca.pem}}":                            "tls: ca: ca.pem cannot be read",
	} {
		_, err := http.Adapter().Open(t.Context(), adapter.Env{System: "web", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, system, ""))
		if err == nil || err.Error() != want {
			t.Errorf("Open(%s) = %v, want %s", system, err, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for system, want := range map[string]string{
		"{}":                   "settings.yaml:1:1: give url or listen",
		"url: lab.example.org": "settings.yaml:1:6: url is no web address",
		"url: http://u:p@lab":  "settings.yaml:1:6: url is no web address",
		"listen: '8080'":       `settings.yaml:1:9: "8080" is no address to listen at`,
		"listen: ':8080'":      "settings.yaml:1:9: other computers reach :8080, so it needs tls\nsettings.yaml:1:9: other computers reach :8080, so it needs to know its clients",
		"{listen: '10.0.0.1:80', clients: {a: {bearer: {token: x}}}}":                "settings.yaml:1:10: other computers reach 10.0.0.1:80, so it needs tls",
		"{listen: 'localhost:80', tls: {cert: a}}":                                   "settings.yaml:1:31: a certificate and its key go together",
		"{listen: ':80', insecure: true}":                                            "",
		"{listen: ':80', insecure: true, clients: {a: {}}}":                          "settings.yaml:1:42: client a shows nothing",
		"{listen: '[::1]:80', auth: {bearer: {token: x}}}":                           "settings.yaml:1:28: auth and headers need url",
		"{url: 'http://x', auth: {bearer: {token: x}, header: {name: a, value: b}}}": "settings.yaml:1:25: auth: several ways to log in are given; keep one of basic, bearer, oauth2, header and hmac",
		"{url: 'http://x', timeout: 0s, max-answer: 0}":                              "settings.yaml:1:28: timeout is a length of time, and not nothing\nsettings.yaml:1:44: max-answer is a size, and not nothing",
	} {
		if got := http.Adapter().Check(adaptertest.Node(t, system, "")).Error(); got != want {
			t.Errorf("Check(%s) =\n%s\nwant\n%s", system, got, want)
		}
	}
	for with, want := range map[string]string{
		"{path: lab}":                   `settings.yaml:1:8: "lab" is no path; it begins with / and has no query`,
		"{path: '/lab/{id'}":            `settings.yaml:1:8: "/lab/{id" is no path`,
		"{path: /a, methods: [FETCH]}":  `settings.yaml:1:21: "FETCH" is no method`,
		"{path: /a, methods: []}":       "settings.yaml:1:21: methods is empty, so nothing would be taken",
		"{path: /a, headers: [Cookie]}": "settings.yaml:1:21: Cookie holds credentials, which rules do not see",
	} {
		if got := http.Adapter().Source("receive").Check(adaptertest.Node(t, with, "")).Error(); got != want {
			t.Errorf("Check(%s) =\n%s\nwant\n%s", with, got, want)
		}
	}
}

func TestSourcesThatCannotRun(t *testing.T) {
	d := http.Adapter()
	env := adapter.Env{System: "web", Log: slog.New(slog.DiscardHandler)}
	run := func(system, with string) error {
		conn, err := d.Open(t.Context(), env, adaptertest.Node(t, system, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.(io.Closer).Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var others sync.WaitGroup
		defer others.Wait()
		defer cancel()
		others.Go(func() {
			_ = d.Source("receive").Run(ctx, conn, adaptertest.Node(t, "{path: '/lab/{id}/x'}", ""), &adaptertest.Inbox{})
		})
		if strings.Contains(system, "listen") {
			ask(t, "POST", "http://"+strings.TrimPrefix(system, "listen: ")+"/lab/1/x", nil, nil)
		}
		return d.Source("receive").Run(ctx, conn, adaptertest.Node(t, with, ""), &adaptertest.Inbox{})
	}
	for with, want := range map[string]string{
		"{path: '/lab/{id}/x'}":         "another route takes POST /lab/{id}/x at system web already; choose another path or method",
		"{path: '/lab/new/{id}'}":       "the path /lab/new/{id} overlaps with another route's at system web, and it cannot be told which is meant; choose another",
		"{path: /b, clients: [nobody]}": `clients: system web has no client "nobody"`,
	} {
		if err := run("listen: "+free(t), with); fault.ClassOf(err) != fault.Bug || err.Error() != want {
			t.Errorf("Run(%s) = %v, want %s", with, err, want)
		}
	}
	if err := run("url: http://127.0.0.1:1", "{path: /a}"); err == nil || !strings.Contains(err.Error(), "does not listen") {
		t.Errorf("a source of a system without a listener: %v", err)
	}
}

// A reload opens the changed system before it closes the old one, and swaps routes one by one: no request may fail for it.
func TestReloadLosesNoRequest(t *testing.T) {
	addr := free(t)
	d := http.Adapter()
	in := &adaptertest.Inbox{}
	stop := startOn(t, d, "web", "listen: "+addr, in, "{path: /a}")
	ask(t, "POST", "http://"+addr+"/a", nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	sent := make([]int, 4)
	for c := range sent {
		clients.Go(func() {
			client := &nethttp.Client{Transport: &nethttp.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				resp, err := client.Post("http://"+addr+"/a", "application/json", strings.NewReader("1"))
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				switch resp.StatusCode {
				case 202:
					sent[c]++
				case 503:
					if resp.Header.Get("Retry-After") == "" {
						t.Error("503 without Retry-After")
					}
				default:
					t.Errorf("answered %s", resp.Status)
				}
			}
		})
	}
	for n := range 5 {
		next := startOn(t, d, "web", fmt.Sprintf("{listen: '%s', timeout: %ds}", addr, n+1), in, "{path: /a}")
		stop()
		stop = next
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	clients.Wait()
	total := 1
	for _, n := range sent {
		total += n
	}
	if in.Count() != total || total < 10 {
		t.Errorf("%d messages, and %d requests were answered with 202", in.Count(), total)
	}
	stop()
	if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		t.Error("the listener is open after the last system has closed")
	}
}

func TestTwoSystemsOfOneAddress(t *testing.T) {
	addr := free(t)
	d := http.Adapter()
	startOn(t, d, "web", "listen: "+addr, &adaptertest.Inbox{})
	_, err := d.Open(t.Context(), adapter.Env{System: "other", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, "listen: "+addr, ""))
	if want := "listen: system web listens at " + addr + " already; give each system its own address, or put the routes on one system"; err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}
}

func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	addr := free(t)
	in := &adaptertest.Inbox{}
	start(t, fmt.Sprintf("{listen: '%s', tls: {cert: %s, key: %s}}", addr, cert, key), in, "{path: /a}")
	for _, h2 := range []bool{false, true} {
		tr := &nethttp.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "example.com"}, ForceAttemptHTTP2: h2}
		c := &nethttp.Client{Transport: tr}
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			resp, err := c.Post("https://"+addr+"/a", "application/json", strings.NewReader("1"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == 503 && time.Now().Before(end) {
				continue
			}
			if resp.StatusCode != 202 || resp.TLS == nil || (resp.ProtoMajor == 2) != h2 {
				t.Errorf("%s %s, TLS %v, want 202 and HTTP/2 %v", resp.Proto, resp.Status, resp.TLS != nil, h2)
			}
			break
		}
		tr.CloseIdleConnections()
	}
	// and the other side of it
	d := http.Adapter()
	for _, c := range []struct{ system, want string }{
		{fmt.Sprintf("{url: 'https://%s', tls: {insecure: true}}", addr), ""},
		{fmt.Sprintf("{url: 'https://%s'}", addr), "its certificate comes from an authority that is not known; give it in tls: { ca: … }"},
		{fmt.Sprintf("{url: 'http://%s'}", addr), "answered 400"},
	} {
		conn, err := d.Open(t.Context(), adapter.Env{System: "to", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, c.system, ""))
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Operation("request").Do(t.Context(), conn, adaptertest.Node(t, "{path: /a}", ""), message.Message{Body: []byte("1")})
		if fmt.Sprint(err) != "<nil>" && c.want == "" || c.want != "" && !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v, want %q", c.system, err, c.want)
		}
		conn.(io.Closer).Close()
	}
}

// certificate writes the one of httptest, which is for example.com, to files.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err = errors.Join(err,
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return cert, key, pool
}

// A client that is told no before its body is read must not have sent it all.
func TestATooLargeBodyIsNotRead(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{Limit: 1000}
	start(t, "listen: "+addr, in, "{path: /a}")
	ask(t, "POST", "http://"+addr+"/a", nil, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 64)
	n, err := c.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.1 413 ") {
		t.Errorf("answered %q, %v, before the body is sent; want 413", b[:n], err)
	}
}

func TestManyBodiesUnderWayAreBounded(t *testing.T) {
	addr := free(t)
	in := &adaptertest.Inbox{}
	start(t, "{listen: '"+addr+"', max-in-flight: 10KB}", in, "{path: /a}")
	ask(t, "POST", "http://"+addr+"/a", nil, nil)
	in.Block()
	var all sync.WaitGroup
	statuses := make(chan int, 3)
	body := strings.Repeat("x", 6<<10)
	all.Go(func() { s, _, _ := ask(t, "POST", "http://"+addr+"/a", nil, strings.NewReader(body)); statuses <- s })
	if err := in.Until(t.Context(), func() bool { return in.Waiting() == 1 }); err != nil {
		t.Fatal(err)
	}
	status, h, _ := ask(t, "POST", "http://"+addr+"/a", nil, strings.NewReader(body))
	if status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("a second body over the bound: %d, Retry-After %q, want 503 with one", status, h.Get("Retry-After"))
	}
	in.Unblock()
	all.Wait()
	if s := <-statuses; s != 202 {
		t.Errorf("the first body: %d, want 202", s)
	}
	if status, _, _ := ask(t, "POST", "http://"+addr+"/a", nil, strings.NewReader(body)); status != 202 {
		t.Errorf("a body after that: %d, want 202", status)
	}
}

func TestAnnouncedBodiesTakeNoMemory(t *testing.T) {
	// 64 clients announce bodies that they do not send: nothing is set aside for them.
	addr := free(t)
	in := &adaptertest.Inbox{Limit: 64 << 20}
	start(t, "listen: "+addr, in, "{path: /a}")
	ask(t, "POST", "http://"+addr+"/a", nil, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 64 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\nx")
	}
	time.Sleep(100 * time.Millisecond) // long enough to be read
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 128<<20 {
		t.Errorf("%d MB are set aside for bodies that did not come", grown>>20)
	}
}

func BenchmarkReceive(b *testing.B) {
	addr := free(b)
	in := &adaptertest.Inbox{Forget: true}
	start(b, "{listen: '"+addr+"', clients: {lab: {bearer: {token: x}}}}", in, "{path: /a}")
	h := map[string]string{"Authorization": "Bearer x"}
	ask(b, "POST", "http://"+addr+"/a", h, nil)
	body := bytes.Repeat([]byte("x"), 2000)
	tr := &nethttp.Transport{MaxIdleConnsPerHost: 64}
	client := &nethttp.Client{Transport: tr}
	defer tr.CloseIdleConnections()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := nethttp.NewRequest("POST", "http://"+addr+"/a", bytes.NewReader(body))
			req.Header.Set("Authorization", "Bearer x")
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}
