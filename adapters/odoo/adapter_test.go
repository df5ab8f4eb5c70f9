package odoo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/conformance/adaptertest"
	double "github.com/njia-health/njia/conformance/systems/odoo"
	"github.com/njia-health/njia/engine/message"
)

const (
	password = "Kisumu-77"
	key      = "0123456789abcdef0123456789abcdef01234567"
)

// store is a double behind a real address.
type store struct {
	*double.Server
	web  *httptest.Server
	slow atomic.Bool  // calls of methods, not the login, get no answer
	lose atomic.Int64 // the answer of the nth request from now is lost; 0: of none
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if s.slow.Load() && (strings.HasPrefix(r.URL.Path, "/json/2/") || bytes.Contains(body, []byte("execute_kw"))) {
		<-r.Context().Done()
		return
	}
	if s.lose.Add(-1) == 0 {
		s.Server.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	s.Server.ServeHTTP(w, r)
}

// shop is a store and the settings to reach it over a protocol.
func shop(t testing.TB, protocol string) (*store, string) {
	s := &store{Server: double.New(double.Options{Users: []double.User{{Login: "njia", Password: password, Key: key}}})}
	s.web = httptest.NewServer(s)
	t.Cleanup(s.web.Close)
	auth := "auth: { password: { username: njia, password: " + password + " } }"
	if protocol == "json2" {
		auth = "auth: { api-key: { key: " + key + " } }"
	}
	return s, fmt.Sprintf("url: %s\ndatabase: odoo\nprotocol: %s\n%s", s.web.URL, protocol, auth)
}

func TestAdapter(t *testing.T) {
	for _, protocol := range []string{"jsonrpc", "xmlrpc", "json2"} {
		t.Run(protocol, func(t *testing.T) {
			over := func(fill func(*double.Server, *adaptertest.Target)) adaptertest.Operation {
				return func(t testing.TB) *adaptertest.Target { return target(t, protocol, fill) }
			}
			adaptertest.Run(t, odoo.Adapter(), adaptertest.Harness{
				System:  "url: http://127.0.0.1:1\ndatabase: odoo\nauth: { password: { username: njia, password: " + password + " } }",
				Secrets: []string{password, key},
				Operations: map[string]adaptertest.Operation{
					"search_read": over(searchRead),
					"search":      over(searchIDs),
					"read":        over(readOne),
					"create":      over(createOne),
					"write":       over(writeOne),
					"unlink":      over(unlinkOne),
					"upsert":      over(upsertOne),
					"external-id": over(externalID),
					"method":      over(method),
				},
			})
		})
	}
}

func target(t testing.TB, protocol string, fill func(*double.Server, *adaptertest.Target)) *adaptertest.Target {
	s, system := shop(t, protocol)
	w := &adaptertest.Target{System: system,
		Cut:  func() { s.web.Close() },
		Deny: func() { s.Refuse("", "", 100, "odoo.exceptions.AccessDenied", "Access Denied") },
		Busy: func(after time.Duration) {
			s.Fail(1, http.StatusServiceUnavailable, "", http.Header{"Retry-After": {fmt.Sprint(int(after.Seconds()))}})
		},
		Slow: func() func() { s.slow.Store(true); return func() { s.slow.Store(false) } },
	}
	fill(s.Server, w)
	if w.Bad == nil {
		w.Bad = func() (string, message.Message) {
			s.Refuse("", "", 1, "odoo.exceptions.UserError", "You cannot.")
			return w.With(0), w.Message(0)
		}
	}
	if w.Message == nil {
		w.Message = func(int) message.Message { return message.Message{} }
	}
	return w
}

// partners makes 16, and gives the id of the first.
func partners(s *double.Server) (first int) {
	for n := range 16 {
		id := int(s.Create("res.partner", map[string]any{"name": fmt.Sprintf("P%d", n), "ref": fmt.Sprintf("R%d", n)}))
		if n == 0 {
			first = id
		}
	}
	return first
}

func holds(v any, texts ...string) error {
	b, err := message.Encode(v)
	for _, text := range texts {
		if err != nil || !strings.Contains(string(b), text) {
			return fmt.Errorf("%s does not hold %s", b, text)
		}
	}
	return nil
}

// partner is the one record with that ref.
func partner(s *double.Server, ref string) (map[string]any, error) {
	var found map[string]any
	for _, r := range s.Records("res.partner") {
		if r["ref"] == ref {
			if found != nil {
				return nil, fmt.Errorf("there are several partners with ref %s", ref)
			}
			found = r
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no partner with ref %s", ref)
	}
	return found, nil
}

func searchRead(s *double.Server, w *adaptertest.Target) {
	partners(s)
	w.With = func(n int) string {
		return fmt.Sprintf("model: res.partner\ndomain: [[ref, =, R%d]]\nfields: [name, ref]\nlimit: 2", n)
	}
	w.Done = func(n int, a message.Message) error { return holds(a.Value, fmt.Sprintf(`"name":"P%d"`, n)) }
	w.Bad = func() (string, message.Message) {
		return "model: res.partner\ndomain: [[nope, =, 1]]", message.Message{}
	}
}

func searchIDs(s *double.Server, w *adaptertest.Target) {
	first := partners(s)
	w.With = func(n int) string { return fmt.Sprintf("model: res.partner\ndomain: [[ref, =, R%d]]\norder: id", n) }
	w.Done = func(n int, a message.Message) error { return holds(a.Value, fmt.Sprintf("[%d]", first+n)) }
	w.Bad = func() (string, message.Message) { return "model: no.such.model", message.Message{} }
}

func readOne(s *double.Server, w *adaptertest.Target) {
	first := partners(s)
	w.With = func(n int) string { return fmt.Sprintf("model: res.partner\nids: %d\nfields: [name]", first+n) }
	w.Done = func(n int, a message.Message) error { return holds(a.Value, fmt.Sprintf(`"name":"P%d"`, n)) }
	w.Bad = func() (string, message.Message) {
		return "model: res.partner\nids: 1\nfields: [nope]", message.Message{}
	}
}

func createOne(s *double.Server, w *adaptertest.Target) {
	w.Unknown = true
	w.With = func(int) string { return "model: res.partner" }
	w.Message = func(n int) message.Message {
		return message.Message{Body: []byte(fmt.Sprintf(`{"name":"Ünïcode ☃ <%d>","ref":"R%d","street":null}`, n, n))}
	}
	w.Done = func(n int, a message.Message) error {
		r, err := partner(s, fmt.Sprintf("R%d", n))
		if err != nil {
			return err
		}
		return holds(a.Value, fmt.Sprintf(`{"id":%v}`, r["id"]))
	}
	w.Bad = func() (string, message.Message) {
		return "model: res.partner", message.Message{Body: []byte(`{"name":"x","nope":1}`)}
	}
}

func writeOne(s *double.Server, w *adaptertest.Target) {
	first := partners(s)
	w.With = func(n int) string {
		return fmt.Sprintf("model: res.partner\nids: %d\nvalues: { phone: \"+254%d\", street: null }", first+n, n)
	}
	w.Done = func(n int, _ message.Message) error {
		r, err := partner(s, fmt.Sprintf("R%d", n))
		if err == nil && r["phone"] != fmt.Sprintf("+254%d", n) {
			err = fmt.Errorf("the phone is %v", r["phone"])
		}
		return err
	}
	w.Effects = func() int { return len(s.Records("res.partner")) }
	w.Bad = func() (string, message.Message) {
		return "model: res.partner\nids: 99999\nvalues: { phone: x }", message.Message{}
	}
}

func unlinkOne(s *double.Server, w *adaptertest.Target) {
	first := partners(s)
	w.With = func(n int) string { return fmt.Sprintf("model: res.partner\nids: [%d, %d]", first+n, 99999) }
	w.Done = func(n int, _ message.Message) error {
		if r, err := partner(s, fmt.Sprintf("R%d", n)); err == nil {
			return fmt.Errorf("partner %v is still there", r["id"])
		}
		return nil
	}
	w.Effects = func() int { return len(s.Records("res.partner")) }
}

func upsertOne(s *double.Server, w *adaptertest.Target) {
	s.Create("res.partner", map[string]any{"name": "old", "ref": "R1"})
	w.With = func(n int) string {
		return fmt.Sprintf("model: res.partner\nmatch: [[ref, =, R%d]]\nexternal-id: openmrs.p%d", n, n)
	}
	w.Message = func(n int) message.Message {
		return message.Message{Body: []byte(fmt.Sprintf(`{"name":"P%d","ref":"R%d","country_id":1,"comment":"a & b"}`, n, n))}
	}
	w.Done = func(n int, a message.Message) error {
		r, err := partner(s, fmt.Sprintf("R%d", n))
		if err != nil {
			return err
		}
		if id := s.XMLID(fmt.Sprintf("openmrs.p%d", n)); fmt.Sprint(id) != fmt.Sprint(r["id"]) {
			return fmt.Errorf("the external id is of %d, the partner is %v", id, r["id"])
		}
		if r["name"] != fmt.Sprintf("P%d", n) {
			return fmt.Errorf("the name is %v", r["name"])
		}
		return holds(a.Value, fmt.Sprintf(`"id":%v`, r["id"]))
	}
	w.Effects = func() int {
		writes := 0
		for _, q := range s.Requests() {
			if b := string(q.Body) + q.Path; strings.Contains(b, "create") && !strings.Contains(b, "search") || strings.Contains(b, `"write"`) || strings.Contains(b, "/write") || strings.Contains(b, ">write<") {
				writes++
			}
		}
		return writes
	}
	w.Bad = func() (string, message.Message) {
		return "model: res.partner\nmatch: [[ref, =, R50]]\nvalues: { nope: 1 }", message.Message{}
	}
}

func externalID(s *double.Server, w *adaptertest.Target) {
	s.SeedClinic()
	const hepatitisC = "1325AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	w.With = func(int) string { return "model: product.product\nname: " + hepatitisC }
	w.Done = func(_ int, a message.Message) error {
		return holds(a.Value, fmt.Sprintf(`"id":%d`, s.XMLID("__import__."+hepatitisC)))
	}
}

func method(s *double.Server, w *adaptertest.Target) {
	w.Unknown = true
	w.With = func(n int) string {
		return fmt.Sprintf("model: res.partner\nmethod: name_search\nkwargs: { name: P%d, limit: 1 }", n)
	}
	partners(s)
	w.Done = func(n int, a message.Message) error { return holds(a.Value, fmt.Sprintf("P%d", n)) }
	w.Bad = func() (string, message.Message) {
		return "model: res.partner\nmethod: no_such_method\nids: 1", message.Message{}
	}
}
