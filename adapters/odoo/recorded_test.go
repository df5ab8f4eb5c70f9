package odoo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/engine/fault"
)

// recorded is where the exchanges with a running Odoo 18 are kept, with the double that answers like it.
const recorded = "../../conformance/systems/odoo/testdata/real"

// exchange is one of them.
type exchange struct {
	name              string
	method, path      string
	status            int
	kind              string
	request, response []byte
}

func exchanges(t *testing.T) []exchange {
	t.Helper()
	metas, err := filepath.Glob(filepath.Join(recorded, "*.meta.json"))
	if err != nil || len(metas) < 60 {
		t.Fatalf("%d recorded exchanges (%v), want all of them", len(metas), err)
	}
	var out []exchange
	for _, meta := range metas {
		stem := strings.TrimSuffix(meta, ".meta.json")
		x := exchange{name: filepath.Base(stem)}
		text, err := os.ReadFile(meta)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Method, Path    string
			Status          int
			ResponseHeaders map[string]string `json:"response_headers"`
		}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", meta, err)
		}
		x.method, x.path, x.status = m.Method, m.Path, m.Status
		x.kind, _, _ = mime.ParseMediaType(m.ResponseHeaders["Content-Type"])
		for suffix, into := range map[string]*[]byte{"request": &x.request, "response": &x.response} {
			names, _ := filepath.Glob(stem + "." + suffix + ".*")
			if len(names) != 1 {
				t.Fatalf("%s has %d %s files", stem, len(names), suffix)
			}
			if *into, err = os.ReadFile(names[0]); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, x)
	}
	return out
}

// refusals are the recorded answers that are faults: the class and what an operator reads, by the number of the exchange.
var refusals = map[string]struct {
	class fault.Class
	says  string
}{
	"04": {fault.Unauthorized, "Odoo does not have this database"},
	"15": {fault.Rejected, "Some orders are not in a state requiring confirmation."},
	"16": {fault.Rejected, "You can not delete a sent quotation or a confirmed sales order. You must first cancel it."},
	"21": {fault.Unauthorized, "Odoo refuses the credentials"},
	"22": {fault.Rejected, "a mandatory field is not set."},
	"23": {fault.Rejected, "Field: Name (name)"},
	"24": {fault.Rejected, "Invalid field 'no_such_field' on model 'res.partner'"},
	"25": {fault.Rejected, "Invalid field 'no_such_field' on model 'res.partner'"},
	"26": {fault.Rejected, "Invalid field res.partner.no_such_field in the domain"},
	"27": {fault.Rejected, "Wrong value for res.partner.type"},
	"28": {fault.Rejected, "Record does not exist or has been deleted."},
	"29": {fault.Rejected, "could not convert string to float"},
	"31": {fault.Rejected, "Record does not exist or has been deleted."},
	"32": {fault.Rejected, "Object no.such.model doesn't exist"},
	"33": {fault.Rejected, "The method 'no_such_method' does not exist on the model 'res.partner'"},
	"34": {fault.Rejected, "Private methods (such as _compute_display_name) cannot be called remotely."},
	"35": {fault.Rejected, "Invalid leaf in the domain"},
	"36": {fault.Rejected, "a date or time does not match format '%Y-%m-%d %H:%M:%S'"},
	"37": {fault.Rejected, "a date or time does not match format '%Y-%m-%d %H:%M:%S'"},
	"38": {fault.Rejected, "You can not have two users with the same login!"},
	"39": {fault.Rejected, "another model requires the record being deleted."},
	"43": {fault.Rejected, "the Odoo user may not do this: You are not allowed to create 'Sales Order' (sale.order) records."},
	"44": {fault.Rejected, "the Odoo user may not do this: You are not allowed to access 'Sales Order' (sale.order) records."},
	"45": {fault.Rejected, "the Odoo user may not do this:"},
	"46": {fault.Rejected, "Invalid field 'no_such_field' on model 'res.partner'"},
	"47": {fault.Unauthorized, "Odoo refuses the credentials"},
	"48": {fault.Rejected, "no element found"},
	"49": {fault.Rejected, "'nonsense'"},
	"53": {fault.Unauthorized, "Odoo does not have this database"},
	"57": {fault.Unauthorized, "Odoo refuses the credentials"},
	"58": {fault.Rejected, "a mandatory field is not set."},
	"59": {fault.Rejected, "Invalid field 'no_such_field' on model 'res.partner'"},
	"61": {fault.Rejected, "the Odoo user may not do this: You are not allowed to create"},
	"62": {fault.Rejected, "Object no.such.model doesn't exist"},
	"63": {fault.Rejected, "refused with status 400"},
	"64": {fault.Rejected, "missing 3 required positional arguments"},
	"65": {fault.Unauthorized, "Odoo refuses the credentials"},
	"68": {fault.Rejected, "Invalid field 'nope' on model 'res.partner'"},
	"69": {fault.Unauthorized, "Odoo no longer knows the session"},
	"70": {fault.Transient, "nothing answers at Odoo's address"},
}

func TestRecordedAnswers(t *testing.T) {
	for _, x := range exchanges(t) {
		protocol := "jsonrpc"
		if strings.Contains(x.path, "xmlrpc") {
			protocol = "xmlrpc"
		}
		v, err := odoo.Judge(protocol, x.status, x.kind, x.response)
		want, refused := refusals[x.name[:2]]
		if !refused {
			if err != nil {
				t.Errorf("%s: %v", x.name, err)
			} else if v == nil {
				t.Errorf("%s: the answer has no value", x.name)
			}
			continue
		}
		var e *fault.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: gave %v, want a fault of class %s", x.name, v, want.class)
			continue
		}
		if e.Class != want.class || !strings.Contains(e.Text, want.says) {
			t.Errorf("%s: class %s, text %q\nwant %s with %q", x.name, e.Class, e.Text, want.class, want.says)
		}
		if strings.Contains(e.Text, "Traceback") || strings.Contains(e.Text, "\n") {
			t.Errorf("%s: the text shows a traceback: %q", x.name, e.Text)
		}
		if !bytes.Equal(e.Answer, x.response) {
			t.Errorf("%s: the answer is not kept", x.name)
		}
		for _, value := range []string{"'abc'", "nonsense'", "2024-13-45", "2024-05-01T10"} {
			if strings.Contains(e.Text, value) && x.name[:2] != "49" {
				t.Errorf("%s: the text shows a value: %q", x.name, e.Text)
			}
		}
	}
}

// TestConstructedAnswers has what was not recorded: shapes from Odoo's sources.
func TestConstructedAnswers(t *testing.T) {
	jsonrpc := func(code int, name, text string) []byte {
		b, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "error": map[string]any{"code": code, "message": "Odoo Server Error",
			"data": map[string]any{"name": name, "message": text, "debug": "Traceback (most recent call last):\n  secret"}}})
		return b
	}
	json2 := func(name, text string) []byte {
		b, _ := json.Marshal(map[string]any{"name": name, "message": text, "arguments": []any{text}, "context": map[string]any{}, "debug": "Traceback"})
		return b
	}
	xml := func(code, text string) []byte {
		return []byte("<?xml version='1.0'?>\n<methodResponse><fault><value><struct><member><name>faultCode</name><value>" + code +
			"</value></member><member><name>faultString</name><value><string>" + text + "</string></value></member></struct></value></fault></methodResponse>")
	}
	const js, xm = "application/json", "text/xml"
	for name, c := range map[string]struct {
		protocol string
		status   int
		kind     string
		body     []byte
		class    fault.Class
		says     string
	}{
		"serialization":        {"jsonrpc", 200, js, jsonrpc(200, "psycopg2.errors.SerializationFailure", "could not serialize access due to concurrent update"), fault.Transient, "busy"},
		"lock":                 {"jsonrpc", 200, js, jsonrpc(200, "psycopg2.errors.LockNotAvailable", "could not obtain lock on row"), fault.Transient, "busy"},
		"old rollback":         {"jsonrpc", 200, js, jsonrpc(200, "psycopg2.extensions.TransactionRollbackError", "x"), fault.Transient, "busy"},
		"database away":        {"jsonrpc", 200, js, jsonrpc(200, "psycopg2.OperationalError", "connection to server failed: Connection refused"), fault.Transient, "busy"},
		"pool":                 {"jsonrpc", 200, js, jsonrpc(200, "psycopg2.pool.PoolError", "The Connection Pool Is Full"), fault.Transient, "busy"},
		"time limit":           {"jsonrpc", 200, js, jsonrpc(200, "builtins.Exception", "CPU time limit exceeded."), fault.Transient, "busy"},
		"unique":               {"jsonrpc", 200, js, jsonrpc(200, "psycopg2.errors.UniqueViolation", "duplicate key value violates unique constraint \"res_partner_ref\"\nDETAIL:  Key (ref)=(OMRS-1) already exists.\n"), fault.Rejected, "unique constraint \"res_partner_ref\""},
		"old user error":       {"jsonrpc", 200, js, jsonrpc(200, "openerp.exceptions.UserError", "no"), fault.Rejected, "no"},
		"missing":              {"jsonrpc", 200, js, jsonrpc(200, "odoo.exceptions.MissingError", "Record does not exist"), fault.Rejected, "Record"},
		"session":              {"jsonrpc", 200, js, jsonrpc(100, "werkzeug.exceptions.Forbidden", "Session Expired"), fault.Unauthorized, "credentials"},
		"login page":           {"jsonrpc", 200, "text/html", []byte("<html>Sign in</html>"), fault.Transient, "not Odoo's"},
		"other JSON":           {"jsonrpc", 200, js, []byte(`{"hello":"world"}`), fault.Transient, "not Odoo's"},
		"cut off":              {"jsonrpc", 200, js, []byte(`{"jsonrpc":"2.0","id":1,"res`), fault.Transient, "no answer"},
		"bad gateway":          {"jsonrpc", 502, "text/html", nil, fault.Transient, "proxy"},
		"redirect":             {"jsonrpc", 301, "text/html", nil, fault.Transient, "another address"},
		"forbidden":            {"jsonrpc", 403, "text/html", nil, fault.Unauthorized, "before Odoo saw it"},
		"too large":            {"jsonrpc", 413, "text/html", nil, fault.Rejected, "413"},
		"XML lock":             {"xmlrpc", 200, xm, xml("<int>1</int>", "Traceback (most recent call last):\n  File &quot;x&quot;, line 1\npsycopg2.errors.SerializationFailure: could not serialize access due to concurrent update\n"), fault.Transient, "busy"},
		"XML old warning":      {"xmlrpc", 200, xm, xml("<string>warning -- UserError\n\nYou cannot.</string>", ""), fault.Rejected, "You cannot."},
		"XML no document":      {"xmlrpc", 200, "text/html", []byte("<html></html>"), fault.Transient, "not Odoo's"},
		"XML document type":    {"xmlrpc", 200, xm, []byte("<!DOCTYPE x><methodResponse><params/></methodResponse>"), fault.Transient, "document type"},
		"key":                  {"json2", 401, js, json2("werkzeug.exceptions.Unauthorized", "Invalid apikey"), fault.Unauthorized, "credentials"},
		"right":                {"json2", 403, js, json2("odoo.exceptions.AccessError", "You are not allowed"), fault.Rejected, "may not do this"},
		"denied":               {"json2", 403, js, json2("odoo.exceptions.AccessDenied", "Access Denied"), fault.Unauthorized, "credentials"},
		"gone":                 {"json2", 404, js, json2("odoo.exceptions.MissingError", "Record does not exist"), fault.Rejected, "Record"},
		"model":                {"json2", 404, js, json2("werkzeug.exceptions.NotFound", "the model 'x' does not exist"), fault.Rejected, "the model"},
		"no JSON-2":            {"json2", 404, "text/html", nil, fault.Transient, "nothing answers"},
		"validation":           {"json2", 422, js, json2("odoo.exceptions.ValidationError", "mandatory"), fault.Rejected, "mandatory"},
		"program":              {"json2", 500, js, json2("builtins.ValueError", "Invalid field 'x' on model 'y'"), fault.Rejected, "Invalid field"},
		"JSON-2 serialization": {"json2", 500, js, json2("psycopg2.errors.SerializationFailure", "could not serialize access"), fault.Transient, "busy"},
		"busy":                 {"json2", 429, js, json2("werkzeug.exceptions.TooManyRequests", "slow down"), fault.Transient, "not available"},
		"down":                 {"json2", 503, "text/html", nil, fault.Transient, "not available"},
	} {
		v, err := odoo.Judge(c.protocol, c.status, c.kind, c.body)
		var e *fault.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: gave %v, want a fault", name, v)
			continue
		}
		if e.Class != c.class || !strings.Contains(e.Text, c.says) {
			t.Errorf("%s: class %s, text %q\nwant %s with %q", name, e.Class, e.Text, c.class, c.says)
		}
		if strings.Contains(e.Text, "OMRS-1") || strings.Contains(e.Text, "Traceback") {
			t.Errorf("%s: the text shows too much: %q", name, e.Text)
		}
	}
}
