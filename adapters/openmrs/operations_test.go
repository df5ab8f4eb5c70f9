package openmrs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/conformance/adaptertest"
	double "github.com/njia-health/njia/conformance/systems/openmrs"
	"github.com/njia-health/njia/conformance/systems/script"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// link is an open connection.
type link struct {
	t    testing.TB
	conn any
}

func connect(t testing.TB, system string) link {
	t.Helper()
	conn, err := openmrs.Adapter().Open(t.Context(), adapter.Env{System: "openmrs", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, system, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.(io.Closer).Close() })
	return link{t, conn}
}

func (l link) do(operation, with, body string) (message.Message, error) {
	l.t.Helper()
	return openmrs.Adapter().Operation(operation).Do(context.Background(), l.conn, adaptertest.Node(l.t, with, ""), message.Message{Body: []byte(body)})
}

func (l link) fails(operation, with, body string, class fault.Class, says string) *fault.Error {
	l.t.Helper()
	a, err := l.do(operation, with, body)
	e := fault.Of(err)
	if e == nil {
		l.t.Errorf("%s %q gives %s, want %s", operation, with, a.Body, class)
		return &fault.Error{}
	}
	if e.Class != class || !strings.Contains(e.Text, says) {
		l.t.Errorf("%s %q: class %s, text %q; want %s with %q", operation, with, e.Class, e.Text, class, says)
	}
	return e
}

// answering is a server that gives one answer, and the settings to reach it.
func answering(t testing.TB, status int, kind, body string, see func(r *http.Request, body []byte)) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if see != nil {
			see(r, b)
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(web.Close)
	return "url: " + web.URL
}

// TestRecordedFHIR sends what was recorded from another FHIR server by our operations, and judges what it answered.
func TestRecordedFHIR(t *testing.T) {
	const patient = "Patient/ea435329-4be4-47c8-97c6-460094f15d4d"
	for number, c := range map[string]struct {
		operation, with string
		class           fault.Class
		says            string
	}{
		"02": {"search", "resource: Patient", fault.Unauthorized, "credentials"},
		"03": {"create", "", "", ""},
		"04": {"read", "path: " + patient, "", ""},
		"05": {"search", "resource: Patient\nquery: { identifier: \"http://openmrs/id|OMRS-1795330863\" }", "", ""},
		"11": {"create", "", fault.Rejected, "the search finds several resources"},
		"12": {"create", "", fault.Rejected, "the search finds several resources"},
		"13": {"update", "if-match: stale", fault.Conflict, "status 412"},
		"14": {"update", "", "", ""},
		"15": {"update", "", "", ""},
		"16": {"patch", "path: " + patient, "", ""},
		"24": {"create", "", fault.Rejected, "structure at Observation.status: Missing required property (and 1 more) (status 400)"},
		"25": {"create", "", fault.Rejected, "structure at Patient.birthDate: Invalid date format"},
		"26": {"create", "", fault.Rejected, `Patient.colour: Invalid additional property "…"`},
		"28": {"read", "path: Patient/22222222-2222-4222-8222-222222222222", fault.Rejected, "status 404"},
		"29": {"read", "path: Patient/not-a-uuid", fault.Rejected, "status 404"},
		"30": {"search", "resource: Nonsense", fault.Rejected, "Unknown resource type"},
		"31": {"search", "resource: Patient\nquery: { nonsense: 1 }", fault.Rejected, "Unknown search parameter"},
		"36": {"delete", "path: " + patient, "", ""},
		"37": {"read", "path: " + patient, fault.Rejected, "deleted: Gone (status 410)"},
	} {
		names, _ := filepath.Glob("testdata/fhir/" + number + "-*.json")
		if len(names) != 1 {
			t.Fatalf("%d exchanges are %s", len(names), number)
		}
		text, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		var x struct {
			Request struct {
				Method, Path string
				Headers      map[string]string
				Body         json.RawMessage
			}
			Response struct {
				Status int
				Body   json.RawMessage
			}
		}
		if err := json.Unmarshal(text, &x); err != nil {
			t.Fatalf("%s: %v", names[0], err)
		}
		system := answering(t, x.Response.Status, "application/fhir+json", string(x.Response.Body), func(r *http.Request, body []byte) {
			want, _ := url.Parse(x.Request.Path)
			if number == "11" || number == "12" { // we search first, and then send no condition in the address
				return
			}
			if r.Method != x.Request.Method || r.URL.Path != want.Path {
				t.Errorf("%s: asks %s %s, want %s %s", number, r.Method, r.URL.Path, x.Request.Method, want.Path)
			}
			for k, v := range want.Query() {
				if d := cmp.Diff(v, r.URL.Query()[k]); d != "" {
					t.Errorf("%s: %s: %s", number, k, d)
				}
			}
			if kind := x.Request.Headers["Content-Type"]; kind != r.Header.Get("Content-Type") {
				t.Errorf("%s: sends %q, want %q", number, r.Header.Get("Content-Type"), kind)
			}
			if len(body) > 0 {
				want, _ := message.Decode(x.Request.Body)
				sent, err := message.Decode(body)
				if d := cmp.Diff(want, sent); err != nil || d != "" {
					t.Errorf("%s: %v %s", number, err, d)
				}
			}
		}) + "\nfhir-path: /fhir/R4"
		l := connect(t, system)
		body := string(x.Request.Body)
		if body == "null" {
			body = ""
		}
		a, err := l.do(c.operation, c.with, body)
		if c.class == "" {
			if err != nil || a.Value == nil {
				t.Errorf("%s: %v, value %v", number, err, a.Value)
			}
			continue
		}
		var e *fault.Error
		if !errors.As(err, &e) || e.Class != c.class || !strings.Contains(e.Text, c.says) || e.Status != x.Response.Status || len(e.Answer) == 0 {
			t.Errorf("%s: %+v, want %s with %q", number, err, c.class, c.says)
		}
		if e != nil && (strings.Contains(e.Text, "Wanjiku") || strings.Contains(e.Text, "OMRS-")) {
			t.Errorf("%s: the text shows a patient: %q", number, e.Text)
		}
	}
}

func TestAnswers(t *testing.T) {
	const oo = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"%s"}]}`
	for name, c := range map[string]struct {
		status     int
		kind, body string
		operation  string
		class      fault.Class
		says       string
	}{
		"starting":         {302, "text/html", "", "read", fault.Transient, "another address"},
		"login page":       {200, "text/html", "<html>", "read", fault.Transient, "no resource"},
		"not deployed":     {404, "text/html", "<html>", "read", fault.Transient, "nothing answers"},
		"unknown":          {404, "application/fhir+json", fmt.Sprintf(oo, "Resource of type Patient with ID 1 is not known"), "read", fault.Rejected, "is not known"},
		"privilege":        {403, "application/fhir+json", fmt.Sprintf(oo, "x"), "read", fault.Rejected, "lacks a privilege"},
		"wall":             {403, "text/html", "", "read", fault.Unauthorized, "before OpenMRS saw it"},
		"bad gateway":      {502, "text/html", "", "read", fault.Transient, "502"},
		"bad gateway, new": {502, "text/html", "", "create", fault.Unknown, "not known whether"},
		"broken":           {500, "application/fhir+json", fmt.Sprintf(oo, "Failed to call access method"), "create", fault.Transient, "500"},
		"validation":       {500, "application/fhir+json", fmt.Sprintf(oo, "org.openmrs.api.ValidationException: 'Jane' failed to validate"), "create", fault.Rejected, `"…" failed`},
		"not writable":     {405, "application/fhir+json", fmt.Sprintf(oo, "x"), "create", fault.Rejected, "405"},
		"too many":         {429, "text/html", "", "read", fault.Transient, "429"},
		"cut off":          {200, "application/fhir+json", `{"resourceType":`, "read", fault.Transient, "no JSON"},
		"REST":             {400, "application/json", `{"error":{"message":"[Invalid Submission]","code":"webservices.rest.error.invalid.submission"}}`, "rest", fault.Rejected, "Invalid Submission"},
		"REST unknown":     {404, "application/json", `{"error":{"message":"[Object with given uuid doesn't exist]"}}`, "rest-get", fault.Rejected, "doesn't exist"},
	} {
		l := connect(t, answering(t, c.status, c.kind, c.body, nil))
		with, body := "path: Patient/1", ""
		if c.operation == "create" {
			with, body = "", `{"resourceType":"Patient"}`
		}
		if e := l.fails(c.operation, with, body, c.class, c.says); strings.Contains(e.Text, "Jane") {
			t.Errorf("%s: the text shows a patient: %q", name, e.Text)
		}
	}
}

func TestPaths(t *testing.T) {
	l := connect(t, "url: http://127.0.0.1:1/openmrs")
	for path, says := range map[string]string{
		"\"\"": "reference is not there", "null": "", "92ab": "a bare id needs its type", "Patient/": "type and an id", "Patient/../x": "type and an id", "Patient/a?b": "type and an id",
		"Patient/a b": "type and an id", "1/2": "type and an id", "Patient/1/2": "type and an id", "Patient/1/_history/..": "type and an id",
	} {
		class := fault.Invalid
		if says == "" {
			class = fault.Bug // required, and not written
		}
		l.fails("read", "path: "+path, "", class, says)
	}
	for path, want := range map[string]string{
		"Patient/1": "/openmrs/ws/fhir2/R4/Patient/1", "/Patient/1/": "/openmrs/ws/fhir2/R4/Patient/1", "Patient/1/_history/2": "/openmrs/ws/fhir2/R4/Patient/1/_history/2",
		"http://localhost/openmrs/ws/fhir2/R4/Patient/1": "/openmrs/ws/fhir2/R4/Patient/1",
	} {
		got := ""
		system := answering(t, 200, "application/fhir+json", `{}`, func(r *http.Request, _ []byte) { got = r.URL.Path })
		if _, err := connect(t, system+"/openmrs").do("read", "path: "+path, ""); err != nil || got != want {
			t.Errorf("%s asks %s, %v; want %s", path, got, err, want)
		}
	}
	l.fails("rest-get", "path: ../admin", "", fault.Invalid, "cannot be used")
	l.fails("search", "resource: Patient\nquery: { name: null }", "", fault.Invalid, "would find more")
	l.fails("search", "resource: Patient\nquery: { name: \"\" }", "", fault.Invalid, "would find more")
	l.fails("search", "resource: Patient/1", "", fault.Invalid, "type such as Patient")
	l.fails("conditional-create", "search: {}", `{"resourceType":"Patient"}`, fault.Invalid, "would find any")
	l.fails("create", "resource: Task", `{"resourceType":"Patient"}`, fault.Invalid, "is a Patient")
	l.fails("create", "", `[]`, fault.Invalid, "no resource")
	l.fails("update", "path: Task/1", `{"resourceType":"Patient"}`, fault.Invalid, "is a Patient")
	l.fails("patch", "path: Task/1", `{}`, fault.Invalid, "list of operations")
}

// TestSearchBehindAProxy has a server that gives links to http://localhost.
func TestSearchBehindAProxy(t *testing.T) {
	s := double.New(double.Options{Open: true})
	for n := range 25 {
		s.Put(fmt.Sprintf(`{"resourceType":"Patient","id":"p%02d","name":[{"family":"O'Brien & \"Sons\""}],"weight":1.50}`, n))
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/openmrs" + strings.TrimPrefix(r.URL.Path, "/emr")
		r.Host = "localhost"
		s.ServeHTTP(w, r)
	}))
	defer web.Close()
	l := connect(t, "url: "+web.URL+"/emr\npage-size: 10")
	for with, want := range map[string]int{
		"resource: Patient":                                            25,
		"resource: Patient\nmax: 12":                                   12,
		"resource: Patient\nmax: 3":                                    3,
		"resource: Patient\nquery: { _id: \"p01,p02\" }":               2,
		"resource: Patient\nquery: { _id: nope }":                      0,
		"path: \"Patient?_id=p03\"":                                    1,
		"resource: Patient\nquery: { family: \"O'Brien & \\\"Sons\" }": 25,
	} {
		a, err := l.do("search", with, "")
		list, _ := a.Value.([]any)
		if err != nil || len(list) != want {
			t.Errorf("%q finds %d, %v; want %d", with, len(list), err, want)
		}
		if want > 0 && !strings.Contains(string(a.Body), "1.50") {
			t.Errorf("%q: the digits are lost", with)
		}
	}
	// Pages that expire on the way are begun again.
	expired := false
	s.FailWhen(func(r script.Request) bool {
		ok := !expired && strings.Contains(r.Query, "_getpagesoffset=20")
		expired = expired || ok
		return ok
	}, 1,
		http.StatusGone, `{"resourceType":"OperationOutcome"}`, http.Header{"Content-Type": {"application/fhir+json"}})
	if a, err := l.do("search", "resource: Patient", ""); err != nil || len(a.Value.([]any)) != 25 {
		t.Errorf("after pages expired: %v", err)
	}
	if !expired {
		t.Error("no page expired")
	}
}

func TestSearchIncludes(t *testing.T) {
	s := double.New(double.Options{Open: true})
	s.Put(`{"resourceType":"Patient","id":"p"}`)
	s.Put(`{"resourceType":"ServiceRequest","id":"o","status":"active","subject":{"reference":"Patient/p"}}`)
	web := httptest.NewServer(s)
	defer web.Close()
	l := connect(t, "url: "+web.URL+"/openmrs")
	const with = "resource: ServiceRequest\ninclude: ServiceRequest:patient\nquery: { status: active }"
	a, err := l.do("search", with, "")
	if list, _ := a.Value.([]any); err != nil || len(list) != 1 {
		t.Errorf("the list is %s, %v; want the order alone", a.Body, err)
	}
	a, err = l.do("search", with+"\nanswer: bundle", "")
	var b struct {
		Entry []struct {
			Search   struct{ Mode string }
			Resource struct{ ResourceType string }
		}
	}
	if err == nil {
		err = json.Unmarshal(a.Body, &b)
	}
	if err != nil || len(b.Entry) != 2 || b.Entry[0].Search.Mode != "match" || b.Entry[1].Search.Mode != "include" || b.Entry[1].Resource.ResourceType != "Patient" {
		t.Errorf("the bundle is %s, %v", a.Body, err)
	}
}

// TestConditionalCreateAfterALostAnswer makes one resource, whatever is lost.
func TestConditionalCreateAfterALostAnswer(t *testing.T) {
	s := double.New(double.Options{Open: true})
	lost := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && lost == 0 {
			lost++
			s.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		s.ServeHTTP(w, r)
	}))
	defer web.Close()
	l := connect(t, "url: "+web.URL+"/openmrs")
	const with, body = "search: { identifier: \"urn:x|1\" }", `{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]}`
	for _, operation := range []string{"conditional-create", "conditional-create", "conditional-update", "conditional-create"} {
		if _, err := l.do(operation, with, body); lost == 1 && fault.ClassOf(err) != fault.Transient || lost != 1 && err != nil {
			t.Errorf("%s: %v", operation, err)
		}
		lost++
	}
	if n := s.Count("Patient"); n != 1 {
		t.Errorf("there are %d patients", n)
	}
}

func TestHealth(t *testing.T) {
	_, _, system := clinic(t, double.Options{})
	if err := openmrs.Adapter().Health(t.Context(), connect(t, system).conn); err != nil {
		t.Error(err)
	}
	wrong := strings.Replace(system, secret, "wrong", 1)
	err := openmrs.Adapter().Health(t.Context(), connect(t, wrong).conn)
	if fault.ClassOf(err) != fault.Unauthorized || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	err = openmrs.Adapter().Health(t.Context(), connect(t, "url: http://127.0.0.1:1").conn)
	if fault.ClassOf(err) != fault.Transient {
		t.Errorf("with nothing there: %v", err)
	}
}

func TestOpen(t *testing.T) {
	for name, system := range map[string]string{
		"no address":         "url: openmrs",
		"a password in it":   "url: http://admin:Admin123@openmrs/openmrs",
		"two kinds of login": "url: http://openmrs\nauth: { basic: { username: a, password: Admin123 }, bearer: { token: Admin123 } }",
		"no page":            "url: http://openmrs\npage-size: 0",
	} {
		_, err := openmrs.Adapter().Open(t.Context(), adapter.Env{Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, system, ""))
		if err == nil || strings.Contains(err.Error(), "Admin123") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
