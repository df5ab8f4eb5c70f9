package odoo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/conformance/adaptertest"
	double "github.com/njia-health/njia/conformance/systems/odoo"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// link is an open connection.
type link struct {
	t    testing.TB
	conn any
}

func open(t testing.TB, system string) link {
	t.Helper()
	conn, err := odoo.Adapter().Open(t.Context(), adapter.Env{System: "odoo", Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, system, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.(io.Closer).Close() })
	return link{t, conn}
}

func (l link) do(operation, with string, body string) (message.Message, error) {
	l.t.Helper()
	return odoo.Adapter().Operation(operation).Do(context.Background(), l.conn, adaptertest.Node(l.t, with, ""), message.Message{Body: []byte(body)})
}

func (l link) well(operation, with, body, want string) {
	l.t.Helper()
	a, err := l.do(operation, with, body)
	if err != nil || string(a.Body) != want {
		l.t.Errorf("%s gives %s, %v; want %s", operation, a.Body, err, want)
	}
}

func (l link) fails(operation, with, body string, class fault.Class, says string) {
	l.t.Helper()
	a, err := l.do(operation, with, body)
	if e := fault.Of(err); e == nil || e.Class != class || !strings.Contains(e.Text, says) {
		l.t.Errorf("%s gives %s, %v; want %s with %q", operation, a.Body, err, class, says)
	}
}

// sent are the bodies of the calls since ForgetRequests, without log-ins.
func sent(s *double.Server) []string {
	var out []string
	for _, r := range s.Requests() {
		if !strings.Contains(string(r.Body), "authenticate") {
			out = append(out, string(r.Body))
		}
	}
	return out
}

// TestRecordedCalls sends by our operations what was recorded, and compares: the JSON as values, the XML as lines.
func TestRecordedCalls(t *testing.T) {
	calls := map[string]struct{ operation, with, body string }{
		"05": {"search_read", "model: res.partner\ndomain: [[ref, =, NO-SUCH-REF]]\nfields: [id, name]\nlimit: 1", ""},
		"06": {"create", "model: res.partner", `{"name":"Betty Wanjiku","ref":"OMRS-100GEJ","type":"contact","phone":"+254700000001","street":"Kenyatta Avenue 1","city":"Nairobi","comment":"uuid 1c8f2c2e-0000-4000-8000-000000000001"}`},
		"08": {"write", "model: res.partner\nids: 7\nvalues: { phone: \"+254700000002\" }", ""},
		"09": {"read", "model: res.partner\nids: [7]\nfields: [name, ref, phone, country_id, write_date, active, street2]", ""},
		"14": {"method", "model: sale.order\nmethod: action_confirm\nids: 1", ""},
		"15": {"method", "model: sale.order\nmethod: action_confirm\nids: [{ id: 1, name: S00001 }]", ""},
		"16": {"unlink", "model: sale.order\nids: 1", ""},
		"18": {"search_read", "model: res.partner\ndomain: [[write_date, \">=\", \"2020-01-01 00:00:00\"]]\nfields: [id, write_date]\norder: write_date asc, id asc\nlimit: 3", ""},
		"54": {"create", "model: res.partner", `{"name": "Json Partner", "ref": "OMRS-2"}`},
		"55": {"search_read", "model: res.partner\ndomain: [[ref, =, OMRS-2]]\nfields: [name, ref, phone, country_id, write_date]", ""},
		"56": {"create", "model: sale.order", `{"partner_id": 7, "order_line": [[0, 0, {"product_id": 1, "product_uom_qty": 1}]]}`},
		"58": {"create", "model: sale.order", `{"client_order_ref": "X"}`},
		"59": {"create", "model: res.partner", `{"name": "X", "no_such_field": 1}`},
		"60": {"read", "model: res.partner\nids: 99999999\nfields: [name]", ""},
		"62": {"method", "model: no.such.model\nmethod: search\nargs: [[]]", ""},
	}
	tried := 0
	for _, x := range exchanges(t) {
		c, ok := calls[x.name[:2]]
		if !ok {
			continue
		}
		tried++
		var got []byte
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", x.kind)
			switch {
			case strings.Contains(string(body), "authenticate") && strings.Contains(r.URL.Path, "xmlrpc"):
				io.WriteString(w, "<methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>")
			case strings.Contains(string(body), "authenticate"):
				io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":2}`)
			default:
				if r.URL.Path != x.path || r.Method != x.method {
					t.Errorf("%s: asks %s %s, want %s %s", x.name, r.Method, r.URL.Path, x.method, x.path)
				}
				got = body
				w.WriteHeader(x.status)
				w.Write(x.response)
			}
		}))
		protocol := "jsonrpc"
		if strings.Contains(x.path, "xmlrpc") {
			protocol = "xmlrpc"
		}
		l := open(t, "url: "+web.URL+"\ndatabase: odoo\nprotocol: "+protocol+"\nauth: { password: { username: admin, password: admin } }")
		_, err := l.do(c.operation, c.with, c.body)
		web.Close()
		if want := refusals[x.name[:2]]; fault.ClassOf(err) != want.class {
			t.Errorf("%s: %v, want class %q", x.name, err, want.class)
		}
		if protocol == "xmlrpc" {
			if d := cmp.Diff(sortedLines(string(x.request)), sortedLines(string(got))); d != "" {
				t.Errorf("%s: %s", x.name, d)
			}
			continue
		}
		want, _ := message.Decode(x.request)
		sent, err := message.Decode(got)
		if d := cmp.Diff(want, sent); err != nil || d != "" {
			t.Errorf("%s: %v %s", x.name, err, d)
		}
	}
	if tried != len(calls) {
		t.Errorf("%d of %d exchanges are recorded", tried, len(calls))
	}
}

func TestUpsert(t *testing.T) {
	for _, protocol := range []string{"jsonrpc", "xmlrpc", "json2"} {
		s, system := shop(t, protocol)
		l := open(t, system)
		const one = "model: res.partner\nmatch: [[ref, =, R1]]"
		l.well("upsert", one, `{"name":"A","ref":"R1","phone":"1","country_id":1,"comment":"x & y"}`,
			`{"changed":["comment","country_id","name","phone","ref"],"created":true,"id":8}`)
		l.well("upsert", one, `{"name":"A","ref":"R1","phone":"1","country_id":1,"comment":"x & y"}`, `{"changed":[],"created":false,"id":8}`)
		s.ForgetRequests()
		l.well("upsert", one, `{"name":"B","ref":"R1","phone":null,"country_id":2}`, `{"changed":["country_id","name","phone"],"created":false,"id":8}`)
		if calls := sent(s.Server); len(calls) != 2 || strings.Contains(calls[1], "R1") {
			t.Errorf("%s: not the fields that differ alone are written: %s", protocol, calls)
		}
		l.well("upsert", one+"\ncreate-only: [name]", `{"name":"C","ref":"R1"}`, `{"changed":[],"created":false,"id":8}`)
		l.well("upsert", one+"\nonly-changed: false", `{"name":"B"}`, `{"changed":["name"],"created":false,"id":8}`)
		l.fails("upsert", "model: res.partner\nmatch: [[ref, =, R2]]\ncreate: false", `{"name":"B"}`, fault.Rejected, "no such record")
		l.fails("upsert", "model: res.partner\nmatch: [[ref, =, null]]", `{"name":"B"}`, fault.Invalid, "match on ref has no value")
		l.fails("upsert", "model: res.partner\nmatch: [[ref, =, \"\"]]", `{"name":"B"}`, fault.Invalid, "match on ref has no value")
		l.fails("upsert", "model: res.partner\nmatch: []", `{"name":"B"}`, fault.Invalid, "would find any record")
		l.fails("upsert", "model: res.partner", `{"name":"B"}`, fault.Invalid, "give match or external-id")
		l.fails("upsert", "model: res.partner\nmatch: [[ref, R1]]", `{"name":"B"}`, fault.Invalid, "condition 1")
		l.fails("upsert", one, `[1]`, fault.Invalid, "no object")
		s.Create("res.partner", map[string]any{"name": "twin", "ref": "R1", "active": false})
		l.fails("upsert", one, `{"name":"B"}`, fault.Rejected, "several records")
		l.well("upsert", one+"\nseveral: first", `{"name":"B"}`, `{"changed":[],"created":false,"id":8}`)
	}
}

func TestUpsertWithExternalID(t *testing.T) {
	s, system := shop(t, "jsonrpc")
	l := open(t, system)
	const one = "model: res.partner\nexternal-id: openmrs.p1"
	l.well("upsert", one, `{"name":"A"}`, `{"changed":["name"],"created":true,"id":8}`)
	l.well("upsert", one, `{"name":"A"}`, `{"changed":[],"created":false,"id":8}`)
	if s.XMLID("openmrs.p1") != 8 {
		t.Errorf("the external id is of %d", s.XMLID("openmrs.p1"))
	}
	l.well("external-id", "model: res.partner\nname: p1", "", `{"id":8,"model":"res.partner"}`)
	l.well("external-id", "model: res.partner\nname: openmrs.p1", "", `{"id":8,"model":"res.partner"}`)
	l.fails("upsert", "model: product.product\nexternal-id: openmrs.p1", `{"name":"A"}`, fault.Rejected, "res.partner")
	l.fails("upsert", "model: res.partner\nexternal-id: p1", `{"name":"A"}`, fault.Invalid, "module.name")

	// A record that was there before is found by match and gets the external id.
	id := s.Create("res.partner", map[string]any{"name": "B", "ref": "R2"})
	l.well("upsert", "model: res.partner\nexternal-id: openmrs.p2\nmatch: [[ref, =, R2]]", `{"name":"B"}`, fmt.Sprintf(`{"changed":[],"created":false,"id":%d}`, id))
	if s.XMLID("openmrs.p2") != id {
		t.Errorf("the external id is of %d, want %d", s.XMLID("openmrs.p2"), id)
	}
	// One whose record was deleted is made again.
	s.Unlink("res.partner", id)
	if a, err := l.do("upsert", "model: res.partner\nexternal-id: openmrs.p2", `{"name":"B"}`); err != nil || !strings.Contains(string(a.Body), `"created":true`) {
		t.Errorf("%s %v", a.Body, err)
	}
	// What Odoo refuses leaves no claim behind.
	l.fails("upsert", "model: res.partner\nexternal-id: openmrs.p3", `{"nope":1}`, fault.Rejected, "Invalid field")
	l.well("upsert", "model: res.partner\nexternal-id: openmrs.p3", `{"name":"C"}`, `{"changed":["name"],"created":true,"id":11}`)

	_, err := l.do("external-id", "model: product.product\nname: 92ab", "")
	var e *fault.Error
	if !errors.As(err, &e) || e.Class != fault.Unmapped || e.Map != "odoo:product.product" || e.Code != "92ab" {
		t.Errorf("a missing external id is %+v", err)
	}
	if !strings.HasSuffix(e.Text, "then retry the message") { // as njia messages calls it
		t.Errorf("the text is %q", e.Text)
	}
}

// TestUpsertMakesOne lets answers get lost anywhere: there is never a second record, and a person is asked only where
// nothing tells whether there is one.
func TestUpsertMakesOne(t *testing.T) {
	s, system := shop(t, "jsonrpc")
	l := open(t, system)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		ref := fmt.Sprintf("N%d", n)
		withID := rapid.Bool().Draw(t, "external id")
		with := "model: res.partner\nmatch: [[ref, =, " + ref + "]]"
		if withID {
			with += "\nexternal-id: openmrs." + ref
		}
		for try := 0; ; try++ {
			lost := rapid.IntRange(1, 8).Draw(t, "lost")
			if try >= 4 {
				lost = 0
			}
			s.lose.Store(int64(lost))
			_, err := l.do("upsert", with, fmt.Sprintf(`{"name":"x","ref":%q}`, ref))
			s.lose.Store(0)
			if err == nil {
				break
			}
			if c := fault.ClassOf(err); c != fault.Transient {
				t.Fatalf("try %d: %s: %v", try, c, err)
			}
		}
		r, err := partner(s.Server, ref)
		if err != nil {
			t.Fatal(err)
		}
		if withID && fmt.Sprint(s.XMLID("openmrs."+ref)) != fmt.Sprint(r["id"]) {
			t.Fatalf("the external id is of %d, the partner is %v", s.XMLID("openmrs."+ref), r["id"])
		}
	})
}

// TestUpsertAsksAPerson has an external id and nothing to find the record by: a claim whose record may or may not be there.
func TestUpsertAsksAPerson(t *testing.T) {
	s, system := shop(t, "jsonrpc")
	l := open(t, system)
	const one = "model: res.partner\nexternal-id: openmrs.p1"
	s.lose.Store(4) // log in, look up, claim, create
	l.fails("upsert", one, `{"name":"A"}`, fault.Unknown, "not known whether Odoo did it")
	l.fails("upsert", one, `{"name":"A"}`, fault.Unknown, "look in Odoo")
	if n := len(s.Records("res.partner")); n != 8 {
		t.Errorf("there are %d partners, want one more than the 7 of a fresh database", n)
	}
}

// TestUpsertsAtOnce has the same record in many deliveries at once.
func TestUpsertsAtOnce(t *testing.T) {
	s, system := shop(t, "jsonrpc")
	l := open(t, system)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := l.do("upsert", "model: res.partner\nmatch: [[ref, =, R1]]", `{"name":"A","ref":"R1"}`); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, err := partner(s.Server, "R1"); err != nil {
		t.Error(err)
	}
}

func TestLogsInAgain(t *testing.T) {
	for _, protocol := range []string{"jsonrpc", "xmlrpc"} {
		s, system := shop(t, protocol)
		l := open(t, system)
		l.well("search", "model: res.partner\ndomain: [[id, =, 1]]", "", "[1]")
		s.Refuse("", "", 1, "odoo.exceptions.AccessDenied", "Access Denied")
		l.well("search", "model: res.partner\ndomain: [[id, =, 1]]", "", "[1]")
		logins := 0
		for _, r := range s.Requests() {
			if strings.Contains(string(r.Body), "authenticate") {
				logins++
			}
		}
		if logins != 2 {
			t.Errorf("%s: %d log-ins, want 2", protocol, logins)
		}
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct{ system, says string }{
		"no address":  {"url: odoo\ndatabase: x\nauth: { password: { username: a, password: s3cr3t } }", "no web address"},
		"no auth":     {"url: http://odoo\ndatabase: x\nauth: {}", "either password or api-key"},
		"two":         {"url: http://odoo\ndatabase: x\nauth: { password: { username: a, password: s3cr3t }, api-key: { key: s3cr3t } }", "either password or api-key"},
		"json2":       {"url: http://odoo\ndatabase: x\nprotocol: json2\nauth: { password: { username: a, password: s3cr3t } }", "api-key"},
		"key's user":  {"url: http://odoo\ndatabase: x\nauth: { api-key: { key: s3cr3t } }", "username"},
		"password in": {"url: ftp://a:s3cr3t@odoo\ndatabase: x\nauth: { api-key: { key: s3cr3t } }", "no web address"},
	} {
		_, err := odoo.Adapter().Open(t.Context(), adapter.Env{Log: slog.New(slog.DiscardHandler)}, adaptertest.Node(t, c.system, ""))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func TestAuto(t *testing.T) {
	for version, path := range map[string]string{"18.0": "/jsonrpc", "19.0": "/json/2/res.partner/search"} {
		s := double.New(double.Options{Version: version, Users: []double.User{{Login: "njia", Password: password, Key: key}}})
		web := httptest.NewServer(s)
		defer web.Close()
		l := open(t, fmt.Sprintf("url: %s\ndatabase: odoo\nprotocol: auto\nauth: { api-key: { username: njia, key: %s } }", web.URL, key))
		l.well("search", "model: res.partner\ndomain: [[id, =, 1]]", "", "[1]")
		rs := s.Requests()
		if got := rs[len(rs)-1].Path; got != path {
			t.Errorf("version %s is asked at %s, want %s", version, got, path)
		}
		if err := odoo.Adapter().Health(t.Context(), l.conn); err != nil {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

func TestContextAndCompany(t *testing.T) {
	s, system := shop(t, "jsonrpc")
	l := open(t, system+"\ncontext: { lang: fr_FR, tz: Africa/Nairobi }\ncompany: 3")
	l.do("search", "model: res.partner\ncontext: { lang: en_US, active_test: false }", "")
	l.do("search", "model: res.partner", "")
	calls := sent(s.Server)
	for i, want := range []string{
		`"context":{"active_test":false,"allowed_company_ids":[3],"lang":"en_US","tz":"Africa/Nairobi"}`,
		`"context":{"allowed_company_ids":[3],"lang":"fr_FR","tz":"Africa/Nairobi"}`,
	} {
		if !strings.Contains(calls[i], want) {
			t.Errorf("call %d is %s, want %s", i, calls[i], want)
		}
	}
}

func TestWrites(t *testing.T) {
	s, system := shop(t, "jsonrpc")
	l := open(t, system)
	l.fails("write", "model: res.partner\nids: null\nvalues: { name: x }", "", fault.Invalid, "ids is empty")
	l.fails("write", "model: res.partner\nids: []\nvalues: { name: x }", "", fault.Invalid, "ids is empty")
	l.fails("write", "model: res.partner\nids: x\nvalues: { name: x }", "", fault.Invalid, "no record id")
	l.fails("write", "model: res.partner\nids: 1\nvalues: {}", "", fault.Invalid, "no values")
	l.fails("unlink", "model: res.partner\nids: null", "", fault.Invalid, "ids is empty")
	l.well("unlink", "model: res.partner\nids: []", "", `{"ids":[]}`)
	l.well("unlink", "model: res.partner\nids: 4711", "", `{"ids":[4711]}`)
	l.well("read", "model: res.partner\nids: []", "", `[]`)
	l.well("read", "model: res.partner\nids: 4711", "", `[]`)
	l.fails("search", "model: res.partner\ndomain: x", "", fault.Invalid, "list of conditions")

	// Digits stay.
	l.do("create", "model: res.partner", `{"name":"x","color":1.0,"credit_limit":0.10}`)
	calls := sent(s.Server)
	if last := calls[len(calls)-1]; !strings.Contains(last, `0.10`) || !strings.Contains(last, `1.0`) {
		t.Errorf("digits are lost: %s", last)
	}

	// A lost answer: a create is unknown, a write of values is not, one that makes lines is.
	for with, want := range map[string]fault.Class{
		"create: model: res.partner\nvalues: { name: x }":                                     fault.Unknown,
		"write: model: res.partner\nids: 1\nvalues: { phone: x }":                             fault.Transient,
		"write: model: res.partner\nids: 1\nvalues: { child_ids: [[0, 0, { name: x }]] }":     fault.Unknown,
		"method: model: res.partner\nmethod: name_search\nkwargs: { name: x }":                fault.Unknown,
		"method: model: res.partner\nmethod: name_search\nkwargs: { name: x }\nwrites: false": fault.Transient,
		"unlink: model: res.partner\nids: 4711":                                               fault.Transient,
		"search: model: res.partner":                                                          fault.Transient,
		"upsert: model: res.partner\nmatch: [[ref, =, Z]]\nvalues: { name: x }":               fault.Transient,
	} {
		operation, with, _ := strings.Cut(with, ": ")
		s.LoseAnswers(1)
		_, err := l.do(operation, with, "")
		if c := fault.ClassOf(err); c != want {
			t.Errorf("%s %q: class %s, want %s: %v", operation, with, c, want, err)
		}
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		want, have string
		same       bool
	}{
		{`null`, `false`, true}, {`false`, `false`, true}, {`""`, `false`, true}, {`0`, `0`, true}, {`false`, `0`, true}, {`false`, `0.0`, true},
		{`null`, `"x"`, false}, {`null`, `7`, false}, {`null`, `[7,"Kenya"]`, false}, {`[]`, `[]`, true}, {`null`, `[]`, true},
		{`"x"`, `"x"`, true}, {`"x"`, `"y"`, false}, {`"x"`, `false`, false}, {`true`, `true`, true}, {`true`, `false`, false}, {`true`, `1`, false},
		{`"a & b"`, `"<p>a &amp; b</p>"`, true}, {`"<p>a</p>"`, `"<p>a</p>"`, true}, {`"a"`, `"<p>b</p>"`, false},
		{`1`, `1.0`, true}, {`1.50`, `1.5`, true}, {`1.5`, `1.4`, false}, {`0.1`, `0.1`, true}, {`1e2`, `100`, true}, {`1e999999999`, `1`, false},
		{`7`, `[7,"Kenya"]`, true}, {`8`, `[7,"Kenya"]`, false}, {`[7,"Kenya"]`, `[7,"Kenya, again"]`, true}, {`7`, `false`, false}, {`"7"`, `[7,"Kenya"]`, false},
		{`[3,1,2]`, `[1,2,3]`, true}, {`[1,2]`, `[1,2,3]`, false}, {`[1,2,4]`, `[1,2,3]`, false}, {`[1,1,2]`, `[1,2]`, true},
		{`[[6,0,[2,1]]]`, `[1,2]`, true}, {`[[6,0,[2]]]`, `[1,2]`, false}, {`[[6,0,[]]]`, `[]`, true}, {`[[5,0,0]]`, `[]`, true}, {`[[5]]`, `[1]`, false},
		{`[[4,1,0],[4,2]]`, `[1,2]`, true}, {`[[4,3,0]]`, `[1,2]`, false}, {`[[3,9,0],[2,8,0]]`, `[1,2]`, true}, {`[[3,1,0]]`, `[1,2]`, false},
		{`[[0,0,{"name":"x"}]]`, `[1]`, false}, {`[[1,1,{"name":"x"}]]`, `[1]`, false}, {`[1]`, `["x"]`, false},
		{`"2026-01-05"`, `"2026-01-05"`, true},
	} {
		want, _ := message.Decode([]byte(c.want))
		have, _ := message.Decode([]byte(c.have))
		if got := odoo.Same(want, have); got != c.same {
			t.Errorf("%s, being %s: same is %v", c.want, c.have, got)
		}
	}
}
