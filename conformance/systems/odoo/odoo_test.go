package odoo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/njia-health/njia/conformance/systems/odoo"
	"github.com/njia-health/njia/conformance/systems/openmrs"
)

type dict = map[string]any
type list = []any

// answer is what a call gave: a result or an error's class and text.
type answer struct {
	Result  any
	Class   string
	Message string
}

// rpc does execute_kw over /jsonrpc as admin.
func rpc(t testing.TB, s http.Handler, model, method string, args list, kwargs dict) answer {
	t.Helper()
	if kwargs == nil {
		kwargs = dict{}
	}
	w := post(t, s, "/jsonrpc", dict{"jsonrpc": "2.0", "method": "call", "id": 1, "params": dict{
		"service": "object", "method": "execute_kw", "args": list{"odoo", 2, "admin", model, method, args, kwargs}}})
	return jsonAnswer(t, w)
}

func jsonAnswer(t testing.TB, w *httptest.ResponseRecorder) answer {
	t.Helper()
	var body struct {
		Result any
		Error  *struct {
			Data struct{ Name, Message string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if body.Error != nil {
		return answer{Class: body.Error.Data.Name, Message: body.Error.Data.Message}
	}
	return answer{Result: body.Result}
}

func post(t testing.TB, s http.Handler, path string, body any, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(string(text)))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// order makes a draft order with two lines of products 1 and 2.
func order(t *testing.T, s *odoo.Server) (id int64, lines []int64) {
	t.Helper()
	partner := s.Create("res.partner", dict{"name": "P", "ref": "p"})
	id = s.Create("sale.order", dict{"partner_id": partner, "client_order_ref": "visit-1", "order_line": list{
		list{0, 0, dict{"product_id": 1, "product_uom_qty": 2}}, list{0, 0, dict{"product_id": 2}}}})
	for _, r := range s.Records("sale.order.line") {
		lines = append(lines, r["id"].(int64))
	}
	return id, lines
}

func clinic() *odoo.Server {
	s := odoo.New(odoo.Options{Fields: []odoo.Field{
		{Model: "res.partner", Name: "x_customer_dob", Type: "date"},
		{Model: "sale.order.line", Name: "x_njia_order", Unique: "There is a line for this order already."},
	}})
	s.SeedClinic()
	return s
}

func TestDomains(t *testing.T) {
	s := odoo.New(odoo.Options{})
	ke := s.XMLID("base.ke")
	for _, p := range []dict{
		{"name": "Ann", "ref": "A1", "city": "Embu", "country_id": ke},
		{"name": "Ben", "ref": "B_2", "active": false},
		{"name": "Cyd", "ref": "Bx2", "customer_rank": 3},
	} {
		s.Create("res.partner", p)
	}
	for _, c := range []struct {
		domain list
		names  []string
	}{
		{list{list{"ref", "=", "A1"}}, []string{"Ann"}},
		{list{list{"ref", "in", list{"A1", "Bx2"}}}, []string{"Ann", "Cyd"}},
		{list{list{"ref", "!=", false}}, []string{"Ann", "Cyd"}},
		{list{list{"ref", "=", "B_2"}}, []string{}},
		{list{list{"active", "in", list{true, false}}, list{"ref", "=", "B_2"}}, []string{"Ben"}},
		{list{"|", list{"city", "ilike", "EMB"}, list{"customer_rank", ">=", 3}}, []string{"Ann", "Cyd"}},
		{list{"&", list{"ref", "like", "B"}, "!", list{"customer_rank", "<", 3}}, []string{"Cyd"}},
		{list{list{"ref", "=like", "B%2"}}, []string{"Cyd"}},
		{list{list{"country_id", "=", ke}}, []string{"Ann"}},
		{list{list{"country_id", "=", "Kenya"}}, []string{"Ann"}},
		{list{list{"country_id.code", "=", "KE"}}, []string{"Ann"}},
		{list{list{"country_id", "=", false}, list{"ref", "like", "x"}}, []string{"Cyd"}},
		{list{list{"ref", "not in", list{"A1"}}, list{"customer_rank", "=", 3}}, []string{"Cyd"}},
		{list{list{"city", "=?", false}, list{"ref", "ilike", "bX"}}, []string{"Cyd"}},
		{list{list{"write_date", ">", "2000-01-01"}, list{"name", "ilike", "a"}, list{"ref", "!=", false}}, []string{"Ann"}},
		{list{list{1, "=", 1}, list{"name", "=", "Cyd"}}, []string{"Cyd"}},
	} {
		a := rpc(t, s, "res.partner", "search_read", list{c.domain}, dict{"fields": list{"name"}, "order": "name"})
		got := []string{}
		rows, _ := a.Result.([]any)
		for _, r := range rows {
			got = append(got, r.(dict)["name"].(string))
		}
		if !slices.Equal(got, c.names) {
			t.Errorf("search %v = %v %s, want %v", c.domain, got, a.Message, c.names)
		}
	}
}

func TestCommands(t *testing.T) {
	s := clinic()
	id, lines := order(t, s)
	write := func(commands ...any) answer {
		return rpc(t, s, "sale.order", "write", list{list{id}, dict{"order_line": commands}}, nil)
	}
	write(list{1, lines[0], dict{"product_uom_qty": 5}}, list{2, lines[1]}, list{0, 0, dict{"product_id": 3, "name": "text"}})
	got := []string{}
	for _, r := range s.Records("sale.order.line") {
		got = append(got, fmt.Sprintf("%v %v", r["name"], r["product_uom_qty"]))
	}
	if want := []string{"[HCV] Hepatitis C test - qualitative 5", "text 1"}; !slices.Equal(got, want) {
		t.Errorf("lines = %q, want %q", got, want)
	}
	write(list{6, 0, list{lines[0]}})
	if n := len(s.Records("sale.order.line")); n != 1 {
		t.Errorf("%d lines after (6, 0, ids)", n)
	}
	write(list{5})
	if n := len(s.Records("sale.order.line")); n != 0 {
		t.Errorf("%d lines after (5)", n)
	}
}

func TestSaleOrder(t *testing.T) {
	s := clinic()
	id, lines := order(t, s)
	ids := list{list{id}}
	for _, c := range []struct {
		what, model, method string
		args                list
		kwargs              dict
		want                answer
	}{
		{"confirm", "sale.order", "action_confirm", ids, nil, answer{Result: true}},
		{"unlink of a line", "sale.order.line", "unlink", list{list{lines[0]}}, nil, answer{Class: "odoo.exceptions.UserError",
			Message: "Once a sales order is confirmed, you can't remove one of its lines (we need to track if something gets invoiced or delivered).\n                Set the quantity to 0 instead."}},
		{"quantity of a line", "sale.order.line", "write", list{list{lines[0]}, dict{"product_uom_qty": 0}}, nil, answer{Result: true}},
		{"raw write of the state", "sale.order", "write", list{list{id}, dict{"state": "sent"}}, nil, answer{Result: true}},
		{"cancel without a form", "sale.order", "action_cancel", ids, dict{"context": dict{"disable_cancel_warning": true}}, answer{Result: true}},
		{"draft again", "sale.order", "action_draft", ids, nil, answer{Result: true}},
		{"cancel of a draft", "sale.order", "action_cancel", ids, nil, answer{Result: true}},
		{"unlink", "sale.order", "unlink", ids, nil, answer{Result: true}},
		{"confirm of none", "sale.order", "action_confirm", ids, nil, answer{Class: "odoo.exceptions.MissingError",
			Message: fmt.Sprintf("Record does not exist or has been deleted.\n(Record: sale.order(%d,), User: 2)", id)}},
	} {
		if diff := cmp.Diff(c.want, rpc(t, s, c.model, c.method, c.args, c.kwargs)); diff != "" {
			t.Errorf("%s:\n%s", c.what, diff)
		}
	}
	if n := len(s.Records("sale.order.line")); n != 0 {
		t.Errorf("%d lines left of an order that is gone", n)
	}
}

// action_cancel of a confirmed order opens a form and cancels nothing.
func TestCancelOpensForm(t *testing.T) {
	s := clinic()
	id, _ := order(t, s)
	s.Call("sale.order", "action_confirm", id)
	a := rpc(t, s, "sale.order", "action_cancel", list{list{id}}, nil)
	if form, _ := a.Result.(dict); form["res_model"] != "sale.order.cancel" {
		t.Errorf("action_cancel = %v", a)
	}
	if state := s.Records("sale.order")[0]["state"]; state != "sale" {
		t.Errorf("state = %v", state)
	}
}

func TestFaults(t *testing.T) {
	s := clinic()
	s.Create("res.partner", dict{"name": "P"})
	for _, c := range []struct {
		what, model, method string
		args                list
		class, text         string
	}{
		{"no name", "res.partner", "create", list{dict{"ref": "x"}}, "odoo.exceptions.ValidationError", "The operation cannot be completed: Contacts require a name"},
		{"bad date", "res.partner", "create", list{dict{"name": "x", "x_customer_dob": "2001"}}, "builtins.ValueError", "time data '2001' does not match format '%Y-%m-%d'"},
		{"date with more", "sale.order", "create", list{dict{"partner_id": 1, "date_order": "2024-05-01 10:00:00Z"}}, "builtins.ValueError", "unconverted data remains: Z"},
		{"many2one by name", "res.partner", "create", list{dict{"name": "x", "country_id": "Kenya"}}, "builtins.ValueError", "Wrong value for res.partner.country_id: 'Kenya'"},
		{"many2one to nothing", "res.partner", "create", list{dict{"name": "x", "country_id": 9999}}, "odoo.exceptions.ValidationError",
			"The operation cannot be completed: another model requires the record being deleted. If possible, archive it instead.\n\nModel: Contact (res.partner)\nConstraint: res_partner_country_id_fkey\n"},
		{"line without product", "sale.order.line", "create", list{dict{"order_id": 1, "name": "x"}}, "odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: sale.order(1,), User: 2)"},
		{"unknown keyword", "res.partner", "search", list{list{}, 0, 0, "id", 5}, "builtins.TypeError", "BaseModel.search() takes 5 positional arguments but 6 were given"},
		{"no domain", "res.partner", "search", list{}, "builtins.TypeError", "BaseModel.search() missing 1 required positional argument: 'domain'"},
		{"external id twice", "ir.model.data", "create", list{dict{"module": "base", "name": "ke", "model": "res.country", "res_id": 1}}, "odoo.exceptions.ValidationError",
			"The operation cannot be completed: duplicate key value violates unique constraint \"ir_model_data_module_name_uniq_index\"\nDETAIL:  Key (module, name)=(base, ke) already exists.\n"},
	} {
		a := rpc(t, s, c.model, c.method, c.args, nil)
		if a.Class != c.class || a.Message != c.text {
			t.Errorf("%s: %s: %q", c.what, a.Class, a.Message)
		}
	}
}

// A refused line takes its whole order with it, but not the order's number.
func TestRefusedCreateLeavesNothing(t *testing.T) {
	s := clinic()
	args := list{dict{"partner_id": 3, "order_line": list{
		list{0, 0, dict{"product_id": 1, "x_njia_order": "o1"}}, list{0, 0, dict{"product_id": 1, "x_njia_order": "o1"}}}}}
	a := rpc(t, s, "sale.order", "create", args, nil)
	if a.Message != "The operation cannot be completed: There is a line for this order already." {
		t.Errorf("create = %v", a)
	}
	if n, m := len(s.Records("sale.order")), len(s.Records("sale.order.line")); n != 0 || m != 0 {
		t.Errorf("left: %d orders, %d lines", n, m)
	}
	rpc(t, s, "sale.order", "create", list{dict{"partner_id": 3}}, nil)
	if r := s.Records("sale.order")[0]; r["id"] != int64(2) || r["name"] != "S00002" {
		t.Errorf("next order is %v %v", r["id"], r["name"])
	}
}

func TestHTMLIsNotWhatWasWritten(t *testing.T) {
	s := odoo.New(odoo.Options{})
	id := s.Create("res.partner", dict{"name": "x", "comment": "a < b"})
	a := rpc(t, s, "res.partner", "read", list{list{id}, list{"comment"}}, nil)
	if got := a.Result.([]any)[0].(dict)["comment"]; got != "<p>a &lt; b</p>" {
		t.Errorf("comment = %v", got)
	}
}

func TestRights(t *testing.T) {
	s := odoo.New(odoo.Options{Users: []odoo.User{
		{Login: "clerk", Password: "pw", Key: "key", Rights: map[string]string{"res.partner": "cr"}}}})
	call := func(password, method string, args list) answer {
		return jsonAnswer(t, post(t, s, "/jsonrpc", dict{"params": dict{"service": "object", "method": "execute_kw",
			"args": list{"odoo", 6, password, "res.partner", method, args, dict{}}}}))
	}
	id := call("pw", "create", list{dict{"name": "x"}})
	if id.Result == nil {
		t.Errorf("create: %v", id)
	}
	if a := call("key", "write", list{list{id.Result}, dict{"name": "y"}}); a.Class != "odoo.exceptions.AccessError" ||
		!strings.HasPrefix(a.Message, "You are not allowed to modify 'Contact' (res.partner) records.") {
		t.Errorf("write: %v", a)
	}
	if a := call("", "search", list{list{}}); a.Class != "odoo.exceptions.AccessDenied" {
		t.Errorf("empty password: %v", a)
	}
}

func TestSession(t *testing.T) {
	s := odoo.New(odoo.Options{})
	w := post(t, s, "/web/session/authenticate", dict{"params": dict{"db": "odoo", "login": "admin", "password": "admin"}})
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	call := func() *httptest.ResponseRecorder {
		return post(t, s, "/web/dataset/call_kw/res.partner/search_count", dict{"id": 4, "params": dict{
			"model": "res.partner", "method": "search_count", "args": list{list{}}, "kwargs": dict{}}}, "Cookie", cookie)
	}
	if got := call().Body.String(); got != `{"jsonrpc": "2.0", "id": 4, "result": 2}` {
		t.Errorf("call_kw = %s", got)
	}
	s.ExpireSessions()
	if got := call().Body.String(); !strings.HasPrefix(got, `{"jsonrpc": "2.0", "id": null, "error": {"code": 100,`) {
		t.Errorf("call_kw after the session = %s", got)
	}
}

func TestJSON2(t *testing.T) {
	s := odoo.New(odoo.Options{Version: "19.0"})
	do := func(key, path string, body any) (int, string) {
		w := post(t, s, "/json/2/"+path, body, "Authorization", "bearer "+key)
		return w.Code, w.Body.String()
	}
	const key = "admin-api-key"
	for _, c := range []struct {
		what, key, path string
		body            any
		status          int
		starts          string
	}{
		{"create", key, "res.partner/create", dict{"vals_list": list{dict{"name": "Ann", "ref": "r"}}}, 200, "[7]"},
		{"search_read", key, "res.partner/search_read", dict{"domain": list{list{"ref", "=", "r"}}, "fields": list{"name"}}, 200, `[{"id": 7, "name": "Ann"}]`},
		{"read", key, "res.partner/read", dict{"ids": list{7}, "fields": list{"country_id"}, "load": nil}, 200, `[{"id": 7, "country_id": false}]`},
		{"write", key, "res.partner/write", dict{"ids": list{7}, "vals": dict{"name": "Bea"}}, 200, "true"},
		{"bad key", "no", "res.partner/read", dict{}, 401, `{"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey", "arguments": ["Invalid apikey", 401], "context": {}, "debug": "`},
		{"unknown model", key, "no.model/read", dict{}, 404, `{"name": "werkzeug.exceptions.NotFound", "message": "the model 'no.model' does not exist"`},
		{"unknown method", key, "res.partner/fly", dict{}, 404, `{"name": "werkzeug.exceptions.NotFound", "message": "The method 'fly' does not exist on the model 'res.partner'"`},
		{"unknown argument", key, "res.partner/search", dict{"domain": list{}, "x": 1}, 422, `{"name": "werkzeug.exceptions.UnprocessableEntity", "message": "got an unexpected keyword argument 'x'"`},
		{"ids on a model method", key, "res.partner/search", dict{"ids": list{1}, "domain": list{}}, 422, `{"name": "werkzeug.exceptions.UnprocessableEntity", "message": "cannot call res.partner.search with ids"`},
		{"missing record", key, "res.partner/write", dict{"ids": list{99}, "vals": dict{"name": "x"}}, 404, `{"name": "odoo.exceptions.MissingError"`},
		{"missing required", key, "sale.order/create", dict{"vals_list": list{dict{}}}, 422, `{"name": "odoo.exceptions.ValidationError"`},
		{"unknown field", key, "res.partner/create", dict{"vals_list": list{dict{"x": 1}}}, 500, `{"name": "builtins.ValueError", "message": "Invalid field 'x' on model 'res.partner'"`},
	} {
		if status, got := do(c.key, c.path, c.body); status != c.status || !strings.HasPrefix(got, c.starts) {
			t.Errorf("%s: %d %s", c.what, status, got)
		}
	}
}

// Every product and unit that the clinic orders is in Odoo but the one that
// is not there on purpose.
func TestClinicFits(t *testing.T) {
	s := clinic()
	mrs := openmrs.New(openmrs.Options{Open: true})
	c := mrs.Seed(30)
	known := map[string]bool{}
	for _, r := range s.Records("ir.model.data") {
		known[fmt.Sprint(r["model"], " ", r["name"])] = true
	}
	unknown := map[string]bool{}
	check := func(order dict, what string, code any) {
		if !known[fmt.Sprint(what, " ", code)] {
			unknown[order["id"].(string)] = true
		}
	}
	for _, o := range orders(t, mrs, "ServiceRequest") {
		check(o, "product.product", o["code"].(dict)["coding"].([]any)[0].(dict)["code"])
	}
	for _, o := range orders(t, mrs, "MedicationRequest") {
		if ref, ok := o["medicationReference"].(dict); ok {
			check(o, "product.product", strings.TrimPrefix(ref["reference"].(string), "Medication/"))
		}
		check(o, "uom.uom", o["dispenseRequest"].(dict)["quantity"].(dict)["code"])
	}
	if diff := cmp.Diff(map[string]bool{c.UnknownProduct: true}, unknown); diff != "" {
		t.Error(diff)
	}
}

func orders(t *testing.T, s http.Handler, typ string) []dict {
	out := []dict{}
	for url := "http://x/openmrs/ws/fhir2/R4/" + typ; url != ""; {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
		var bundle struct {
			Entry []struct{ Resource dict }
			Link  []struct{ Relation, URL string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &bundle); err != nil {
			t.Fatal(err)
		}
		for _, e := range bundle.Entry {
			out = append(out, e.Resource)
		}
		url = ""
		for _, l := range bundle.Link {
			if l.Relation == "next" {
				url = l.URL
			}
		}
	}
	return out
}

func TestConcurrent(t *testing.T) {
	s := clinic()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				rpc(t, s, "sale.order", "create", list{dict{"partner_id": 3, "order_line": list{list{0, 0, dict{"product_id": 1}}}}}, nil)
				rpc(t, s, "sale.order", "search_read", list{list{list{"partner_id", "=", 3}}}, dict{"fields": list{"amount_total"}, "limit": 1})
			}
		})
	}
	wg.Wait()
	if n := len(s.Records("sale.order")); n != 160 {
		t.Errorf("%d orders, want 160", n)
	}
}

func TestRefuse(t *testing.T) {
	s := odoo.New(odoo.Options{})
	s.Refuse("res.partner", "create", 1, "psycopg2.errors.SerializationFailure", "could not serialize access due to concurrent update")
	args := list{dict{"name": "x"}}
	if a := rpc(t, s, "res.partner", "create", args, nil); a.Class != "psycopg2.errors.SerializationFailure" {
		t.Errorf("refused create = %v", a)
	}
	if a := rpc(t, s, "res.partner", "create", args, nil); a.Result != 7.0 {
		t.Errorf("next create = %v", a)
	}
}

// A datetime is stored to the microsecond and shown to the second, so what was
// changed last is found again by a search for what is later.
func TestWriteDateHasMicroseconds(t *testing.T) {
	s := odoo.New(odoo.Options{Now: func() time.Time { return time.Date(2026, 11, 22, 7, 0, 53, 250_000_000, time.UTC) }})
	s.Create("res.partner", dict{"name": "x", "ref": "r"})
	shown := s.Records("res.partner")[6]["write_date"]
	a := rpc(t, s, "res.partner", "search", list{list{list{"write_date", ">", shown}}}, nil)
	if !cmp.Equal(a.Result, any(list{7.0})) {
		t.Errorf("later than %v: %v", shown, a)
	}
}

// Whatever is sent is answered.
func FuzzRequest(f *testing.F) {
	for _, pattern := range []string{"*.request.xml", "*.request.json"} {
		files, _ := filepath.Glob("testdata/real/" + pattern)
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	s := odoo.New(odoo.Options{})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/jsonrpc", "/xmlrpc/2/object", "/xmlrpc/common"} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("POST", path, bytes.NewReader(body)))
		}
	})
}
