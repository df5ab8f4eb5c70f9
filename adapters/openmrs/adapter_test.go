package openmrs_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/adapters/openmrs"
	"github.com/njia-health/njia/conformance/adaptertest"
	double "github.com/njia-health/njia/conformance/systems/openmrs"
	"github.com/njia-health/njia/engine/message"
)

const secret = "Admin123"

// clinic is a double behind a real address, and the settings to reach it.
func clinic(t testing.TB, opts double.Options) (*double.Server, *httptest.Server, string) {
	s := double.New(opts)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, web, fmt.Sprintf("url: %s/openmrs\nauth: { basic: { username: admin, password: %s } }", web.URL, secret)
}

func TestAdapter(t *testing.T) {
	adaptertest.Run(t, openmrs.Adapter(), adaptertest.Harness{
		System:  "url: http://127.0.0.1:1/openmrs\nauth: { basic: { username: admin, password: " + secret + " } }",
		Secrets: []string{secret},
		Sources: map[string]adaptertest.Source{"changes": offers},
		Operations: map[string]adaptertest.Operation{
			"read":               target(readOne),
			"search":             target(searchOne),
			"create":             target(createOne),
			"update":             target(updateOne),
			"conditional-create": target(conditionalCreate),
			"conditional-update": target(conditionalUpdate),
			"patch":              target(patchOne),
			"delete":             target(deleteOne),
			"rest-get":           target(restGet),
			"rest":               target(restPost),
		},
		Not: map[string]string{
			"changes: acknowledges only after accept": "OpenMRS knows nothing of who has read a change",
			"changes: keeps bytes":                    "the double writes resources in its own way; TestChangesKeepBytes compares with what it sent",
		},
	})
}

// offers puts bodies as the text of a note into orders.
func offers(t testing.TB) *adaptertest.Way {
	s, _, system := clinic(t, double.Options{})
	return &adaptertest.Way{
		System: system,
		With:   "resource: ServiceRequest\nevery: 20ms\nsince: beginning",
		Put: func(_ *adaptertest.Inbox, body []byte) error {
			s.Put(map[string]any{"resourceType": "ServiceRequest", "status": "active", "intent": "order", "note": []any{map[string]any{"text": string(body)}}})
			return nil
		},
		Of: func(m message.Message) []byte {
			var r struct{ Note []struct{ Text string } }
			if err := json.Unmarshal(m.Body, &r); err != nil || len(r.Note) != 1 {
				return []byte(fmt.Sprintf("no note in %q", m.Body))
			}
			return []byte(r.Note[0].Text)
		},
		Cut:  func() { s.Down(true) },
		Mend: func() { s.Down(false) },
	}
}

// target fills in what is the same for all operations.
func target(make func(s *double.Server, w *adaptertest.Target)) adaptertest.Operation {
	return func(t testing.TB) *adaptertest.Target {
		s, web, system := clinic(t, double.Options{})
		w := &adaptertest.Target{System: system,
			Cut:  web.Close,
			Deny: func() { s.Fail(100, http.StatusUnauthorized, "<html>Not authenticated</html>", nil) },
			Busy: func(after time.Duration) {
				s.Fail(1, http.StatusServiceUnavailable, "", http.Header{"Retry-After": {fmt.Sprint(int(after.Seconds()))}})
			},
			Slow: func() func() { s.Delay(time.Minute); return func() { s.Delay(0) } },
			Bad: func() (string, message.Message) {
				s.Fail(1, http.StatusUnprocessableEntity, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}`,
					http.Header{"Content-Type": {"application/fhir+json"}})
				return w0(make), resource("Patient", 0)
			},
		}
		make(s, w)
		return w
	}
}

// w0 is the settings of the first message of an operation.
func w0(make func(*double.Server, *adaptertest.Target)) string {
	var w adaptertest.Target
	make(double.New(double.Options{}), &w)
	return w.With(0)
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func resource(typ string, n int) message.Message {
	return message.Message{Type: "application/fhir+json", Body: []byte(fmt.Sprintf(
		`{"resourceType":%q,"id":%q,"identifier":[{"system":"urn:x","value":"X%d"}],"name":[{"family":"F%d"}],"status":"requested","weight":1.50}`, typ, id(n), n, n))}
}

// seed puts 16 resources.
func seed(s *double.Server, typ string) {
	for n := range 16 {
		s.Put(resource(typ, n).Body)
	}
}

// holds says whether v, as JSON, holds a text.
func holds(v any, text string) error {
	b, err := message.Encode(v)
	if err != nil || !strings.Contains(string(b), text) {
		return fmt.Errorf("%s does not hold %s", b, text)
	}
	return nil
}

func has(s *double.Server, typ, id, text string) error {
	if r := string(s.Resource(typ, id)); !strings.Contains(r, text) {
		return fmt.Errorf("%s/%s is %q, want it to hold %s", typ, id, r, text)
	}
	return nil
}

func readOne(s *double.Server, w *adaptertest.Target) {
	seed(s, "Patient")
	w.With = func(n int) string { return "path: Patient/" + id(n) }
	w.Done = func(n int, a message.Message) error { return holds(a.Value, fmt.Sprintf(`"X%d"`, n)) }
	w.Bad = func() (string, message.Message) { return "path: Patient/" + id(99), message.Message{} }
}

func searchOne(s *double.Server, w *adaptertest.Target) {
	seed(s, "Patient")
	w.With = func(n int) string {
		return fmt.Sprintf("resource: Patient\nquery: { identifier: \"urn:x|X%d\" }", n)
	}
	w.Done = func(n int, a message.Message) error {
		if list, ok := a.Value.([]any); !ok || len(list) != 1 {
			return fmt.Errorf("the answer is %v, want a list of one", a.Value)
		}
		return holds(a.Value, fmt.Sprintf(`"X%d"`, n))
	}
	w.Bad = func() (string, message.Message) {
		return "resource: Patient\nquery: { nonsense: 1 }", message.Message{}
	}
}

func createOne(s *double.Server, w *adaptertest.Target) {
	w.Unknown = true
	w.With = func(int) string { return "" }
	w.Message = func(n int) message.Message { return resource("Patient", n) }
	w.Done = func(n int, a message.Message) error {
		m, _ := a.Value.(map[string]any)
		id, _ := m["id"].(string)
		return has(s, "Patient", id, fmt.Sprintf(`"X%d"`, n))
	}
	w.Bad = func() (string, message.Message) { return "", resource("ServiceRequest", 0) }
}

func updateOne(s *double.Server, w *adaptertest.Target) {
	seed(s, "Patient")
	w.With = func(int) string { return "" }
	w.Message = func(n int) message.Message {
		m := resource("Patient", n)
		m.Body = []byte(strings.Replace(string(m.Body), `"status"`, `"gender":"female","status"`, 1))
		return m
	}
	w.Done = func(n int, _ message.Message) error { return has(s, "Patient", id(n), `"female"`) }
	w.Effects = func() int { return s.Count("Patient") }
	w.Bad = func() (string, message.Message) { return "", resource("Patient", 99) }
}

func conditional(s *double.Server, w *adaptertest.Target) {
	w.With = func(n int) string { return fmt.Sprintf("search: { identifier: \"urn:x|X%d\" }", n) }
	w.Message = func(n int) message.Message { return resource("Patient", n) }
	w.Done = func(n int, a message.Message) error {
		m, _ := a.Value.(map[string]any)
		id, _ := m["id"].(string)
		return has(s, "Patient", id, fmt.Sprintf(`"X%d"`, n))
	}
	w.Effects = func() int { return s.Count("Patient") }
	w.Bad = func() (string, message.Message) {
		s.Put(`{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"X50"}]}`)
		s.Put(`{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"X50"}]}`)
		return w.With(50), w.Message(50)
	}
}

func conditionalCreate(s *double.Server, w *adaptertest.Target) { conditional(s, w) }
func conditionalUpdate(s *double.Server, w *adaptertest.Target) {
	conditional(s, w)
	s.Put(resource("Patient", 1).Body) // one that is there
}

func patchOne(s *double.Server, w *adaptertest.Target) {
	seed(s, "Task")
	w.Unknown = true
	w.With = func(n int) string {
		return "path: Task/" + id(n) + "\npatch: [{ op: replace, path: /status, value: accepted }]"
	}
	w.Done = func(n int, _ message.Message) error { return has(s, "Task", id(n), `"accepted"`) }
	w.Bad = func() (string, message.Message) {
		return "path: Task/" + id(0) + "\npatch: [{ op: remove, path: /nope }]", message.Message{}
	}
}

func deleteOne(s *double.Server, w *adaptertest.Target) {
	seed(s, "Task")
	w.With = func(n int) string { return "path: Task/" + id(n) }
	w.Done = func(int, message.Message) error {
		if s.Count("Task") == 16 {
			return fmt.Errorf("nothing is voided")
		}
		return nil
	}
	w.Effects = func() int { return s.Count("Task") }
}

func restGet(s *double.Server, w *adaptertest.Target) {
	seed(s, "ServiceRequest")
	w.With = func(n int) string { return "path: order/" + id(n) + "\nquery: { v: full }" }
	w.Done = func(n int, a message.Message) error { return holds(a.Value, id(n)) }
	w.Bad = func() (string, message.Message) { return "path: order/" + id(99), message.Message{} }
}

func restPost(s *double.Server, w *adaptertest.Target) {
	seed(s, "Medication")
	w.Unknown = true
	w.With = func(n int) string { return "path: drug/" + id(n) }
	w.Message = func(int) message.Message { return message.Message{Body: []byte(`{"deleted":"false"}`)} }
	w.Done = func(n int, _ message.Message) error { return has(s, "Medication", id(n), `"active"`) }
	w.Bad = func() (string, message.Message) { return "path: drug/" + id(99), w.Message(0) }
}
