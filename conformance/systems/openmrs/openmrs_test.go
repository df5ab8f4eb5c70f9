package openmrs_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/njia-health/njia/conformance/systems/openmrs"
)

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)} }

type dict = map[string]any

// reply is an answer with its body as plain JSON.
type reply struct {
	*httptest.ResponseRecorder
	body map[string]any
}

// ask sends one request below the FHIR endpoint, or to a whole path.
func ask(t testing.TB, s http.Handler, method, path string, body any, header ...string) reply {
	t.Helper()
	text := []byte{}
	switch b := body.(type) {
	case string:
		text = []byte(b)
	case []byte:
		text = b
	case nil:
	default:
		text, _ = json.Marshal(b)
	}
	if i := strings.Index(path, "/openmrs/ws/"); i >= 0 {
		path = path[i:]
	} else {
		path = "/openmrs/ws/fhir2/R4/" + path
	}
	r := httptest.NewRequest(method, "http://localhost"+path, bytes.NewReader(text))
	r.SetBasicAuth("admin", "Admin123")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	out := reply{w, map[string]any{}}
	json.Unmarshal(w.Body.Bytes(), &out.body)
	return out
}

func get(t testing.TB, s http.Handler, path string) reply { return ask(t, s, "GET", path, nil) }

// ids are the resources of a bundle as Type/id, in order.
func (r reply) ids() []string {
	out := []string{}
	entries, _ := r.body["entry"].([]any)
	for _, e := range entries {
		res := e.(map[string]any)["resource"].(map[string]any)
		out = append(out, res["resourceType"].(string)+"/"+res["id"].(string))
	}
	return out
}

// next is the address of the next page, "" for none.
func (r reply) next() string {
	for _, l := range r.body["link"].([]any) {
		if link := l.(map[string]any); link["relation"] == "next" {
			return link["url"].(string)
		}
	}
	return ""
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func plain(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func task(id, status string) map[string]any {
	return map[string]any{"resourceType": "Task", "id": id, "status": status, "intent": "order"}
}

func order(id string) map[string]any {
	return map[string]any{"resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order",
		"subject": map[string]any{"reference": "Patient/p1", "type": "Patient"}}
}

func TestRecordedBundles(t *testing.T) {
	for name, query := range map[string]string{
		"bundle-servicerequest-encounter-patient":               "ServiceRequest?_include=ServiceRequest%3Apatient&_include=ServiceRequest%3Aencounter",
		"bundle-medicationrequest-medication-encounter-patient": "MedicationRequest?_include=MedicationRequest%3Aencounter&_include=MedicationRequest%3Amedication&_include=MedicationRequest%3Apatient",
	} {
		recorded := file(t, "data/"+name+".json")
		s := openmrs.New(openmrs.Options{})
		if err := s.LoadBundle(recorded); err != nil {
			t.Fatal(err)
		}
		got, want := get(t, s, query).body, plain(t, recorded)
		for _, b := range []map[string]any{got, want} {
			b["id"] = "ID"
			b["meta"].(map[string]any)["lastUpdated"] = "DATE"
			slices.SortFunc(b["entry"].([]any), func(a, b any) int { // HAPI's includes come in no order
				return strings.Compare(a.(map[string]any)["fullUrl"].(string), b.(map[string]any)["fullUrl"].(string))
			})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("GET %s: recorded (-), double's (+):\n%s", query, diff)
		}
	}
}

func TestVoidedIsGone(t *testing.T) {
	const id = "6533a4ab-9a03-4c81-af0d-f9b3fc7a4ef3"
	s := openmrs.New(openmrs.Options{})
	s.Put(order(id))
	s.Void("ServiceRequest", id)
	r := get(t, s, "ServiceRequest/"+id)
	if r.Code != http.StatusGone {
		t.Errorf("status %d, want 410", r.Code)
	}
	if diff := cmp.Diff(plain(t, file(t, "testdata/operationoutcome-gone.json")), r.body); diff != "" {
		t.Errorf("recorded (-), double's (+):\n%s", diff)
	}
	if got := get(t, s, "ServiceRequest").body["total"]; got != 0.0 {
		t.Errorf("search finds %v voided orders", got)
	}
	if got := get(t, s, "ServiceRequest/unknown").Code; got != http.StatusNotFound {
		t.Errorf("unknown id: %d, want 404", got)
	}
}

// What happens to an order does not move its _lastUpdated; what happens to a
// Task or Patient does.
func TestLastUpdated(t *testing.T) {
	c := newClock()
	s := openmrs.New(openmrs.Options{Now: c.now})
	for _, id := range []string{"stopped", "discontinued", "expired", "changed"} {
		s.Put(order(id))
	}
	s.Put(task("t1", "requested"))
	c.at = c.at.Add(time.Hour)
	s.Stop("ServiceRequest", "stopped")
	dc := s.Discontinue("discontinued")
	s.Expire("ServiceRequest", "expired")
	s.Change("ServiceRequest", "changed", func(r map[string]any) { r["priority"] = "stat" })
	s.Change("Task", "t1", func(r map[string]any) { r["status"] = "accepted" })

	since := "?_lastUpdated=ge2026-11-22T08:00:00Z"
	if got := get(t, s, "ServiceRequest"+since).ids(); !slices.Equal(got, []string{"ServiceRequest/" + dc}) {
		t.Errorf("orders since = %v, want only the new %s", got, dc)
	}
	if got := get(t, s, "Task"+since).ids(); !slices.Equal(got, []string{"Task/t1"}) {
		t.Errorf("tasks since = %v, want the changed one", got)
	}
	for id, want := range map[string]string{"stopped": "completed", "discontinued": "completed", "expired": "completed", dc: "revoked"} {
		if got := get(t, s, "ServiceRequest/"+id).body["status"]; got != want {
			t.Errorf("status of %s = %v, want %s", id, got, want)
		}
	}
	meta := get(t, s, "Task/t1").body["meta"].(map[string]any)
	if meta["lastUpdated"] != "2026-11-22T08:00:00.000+00:00" || meta["versionId"] != "1795334400000" {
		t.Errorf("meta = %v", meta)
	}
}

// What a test read, altered and put back is changed now, whatever its meta says.
func TestPutAgain(t *testing.T) {
	c := newClock()
	s := openmrs.New(openmrs.Options{Now: c.now})
	s.Put(task("t1", "requested"))
	read := get(t, s, "Task/t1").body
	c.at = c.at.Add(time.Hour)
	s.Put(read)
	if got := get(t, s, "Task/t1").body["meta"].(map[string]any)["lastUpdated"]; got != "2026-11-22T08:00:00.000+00:00" {
		t.Errorf("lastUpdated = %v", got)
	}
}

func TestDrugOrders(t *testing.T) {
	s := openmrs.New(openmrs.Options{Now: newClock().now})
	clinic := s.Seed(0)
	revised := get(t, s, "MedicationRequest/"+clinic.Revision).body
	if got := revised["priorPrescription"].(map[string]any)["reference"]; got != "MedicationRequest/"+clinic.Revised {
		t.Errorf("priorPrescription = %v", got)
	}
	if got := get(t, s, "MedicationRequest/"+clinic.Revised).body["status"]; got != "cancelled" {
		t.Errorf("status of the revised order = %v, want cancelled", got)
	}
	dc := s.Discontinue(clinic.Revision)
	if got := get(t, s, "MedicationRequest/"+dc).Code; got != http.StatusNotFound {
		t.Errorf("FHIR shows the discontinuation of a drug: %d", got)
	}
	rest := get(t, s, "/openmrs/ws/rest/v1/order/"+dc).body
	if rest["action"] != "DISCONTINUE" || rest["previousOrder"].(map[string]any)["uuid"] != clinic.Revision {
		t.Errorf("REST order = %v", rest)
	}
}

func TestSearch(t *testing.T) {
	s := openmrs.New(openmrs.Options{Now: newClock().now})
	clinic := s.Seed(3)
	patient := clinic.Patients[1]
	identifier := get(t, s, "Patient/"+patient).body["identifier"].([]any)[0].(map[string]any)["value"].(string)
	for _, c := range []struct {
		query string
		total int
	}{
		{"Patient", 3 + 8 + 2},
		{"Patient?_id=" + patient, 1},
		{"Patient?identifier=" + identifier, 1},
		{"Patient?identifier=http://x|" + identifier, 0},
		{"Patient?family=DO", 1},
		{"ServiceRequest?patient=" + patient, 1},
		{"ServiceRequest?subject=Patient/" + patient, 1},
		{"ServiceRequest?patient.identifier=" + identifier, 1},
		{"MedicationRequest?patient=" + patient, 1},
		{"ServiceRequest?_id=" + clinic.TestTwice[0] + "," + clinic.TestTwice[1], 2},
		{"ServiceRequest?code=32AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 2},
		{"ServiceRequest?code=http://loinc.org|32700-7", 2},
		{"ServiceRequest?status=revoked,completed", 2},
		{"ServiceRequest?status=revoked&code=1325AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1},
		{"ServiceRequest?_lastUpdated=lt2024-04-13", 1},
		{"ServiceRequest?_lastUpdated=2024-04-12", 1},
		{"ServiceRequest?_lastUpdated=ge2024-04-12T11:08:34Z&_lastUpdated=le2024-04-12T11:08:34%2B00:00", 1},
		{"ServiceRequest?_lastUpdated=gt2024-04-12T11:08:34Z&_lastUpdated=lt2024-04-15T00:00:00Z", 0},
		{"Encounter?_tag=visit&_summary=count", 3 + 7},
		{"Medication?status=active", 4},
	} {
		r := get(t, s, c.query)
		if r.body["total"] != float64(c.total) {
			t.Errorf("GET %s: total %v, want %d: %s", c.query, r.body["total"], c.total, r.Body)
		}
	}
	for query, status := range map[string]int{
		"Patient?nonsense=1": 400,
		"ServiceRequest?_lastUpdated=ge2024-04-12T11:08:34+00:00": 400, // the plus is a blank
		"ServiceRequest?_include=Patient:organization":            400,
		"Appointment": 404,
	} {
		if got := get(t, s, query).Code; got != status {
			t.Errorf("GET %s: %d, want %d", query, got, status)
		}
	}
}

func TestPages(t *testing.T) {
	c := newClock()
	s := openmrs.New(openmrs.Options{Now: c.now, Shuffle: 7})
	want := []string{}
	for range 25 {
		want = append(want, "Task/"+s.Put(map[string]any{"resourceType": "Task", "status": "requested", "intent": "order"}))
	}
	first := get(t, s, "Task?_sort=_lastUpdated")
	got, pages := first.ids(), 1
	s.Put(task("late", "requested")) // a fixed page set does not see it
	for r := first; r.next() != ""; pages++ {
		r = get(t, s, r.next())
		got = append(got, r.ids()...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if pages != 3 || !slices.Equal(got, want) {
		t.Errorf("%d pages with %d rows, want 3 with the 25 there were", pages, len(got))
	}
	if slices.Equal(get(t, s, "Task?_sort=_lastUpdated").ids(), first.ids()) {
		t.Error("rows of one second have the same order in two searches in spite of Shuffle")
	}
	if got := len(get(t, s, "Task?_count=1000").ids()); got != 26 {
		t.Errorf("_count=1000 gives %d", got)
	}
	c.at = c.at.Add(16 * time.Minute)
	if r := get(t, s, first.next()); r.Code != http.StatusGone {
		t.Errorf("expired page: %d, want 410", r.Code)
	}
}

func TestLivePages(t *testing.T) {
	c := newClock()
	s := openmrs.New(openmrs.Options{Now: c.now, LivePages: true})
	for _, id := range strings.Split("abcdefghijkl", "") {
		s.Put(task(id, "requested"))
	}
	first := get(t, s, "Task")
	s.Void("Task", "a")
	if got := get(t, s, first.next()).ids(); !slices.Equal(got, []string{"Task/l"}) {
		t.Errorf("second page = %v, want l alone: k moved to the first", got)
	}
}

func TestWrites(t *testing.T) {
	c := newClock()
	s := openmrs.New(openmrs.Options{Now: c.now})
	made := ask(t, s, "POST", "Task", file(t, "testdata/task-post-body.json"))
	if made.Code != http.StatusCreated {
		t.Fatalf("POST Task: %d %s", made.Code, made.Body)
	}
	id := made.body["id"].(string)
	want := plain(t, file(t, "testdata/task-searchset-requested-accepted.json"))["entry"].([]any)[0].(map[string]any)["resource"].(map[string]any)
	for _, k := range []string{"identifier", "authoredOn", "lastModified", "basedOn", "status", "intent"} {
		if made.body[k] == nil || want[k] == nil {
			t.Errorf("new Task lacks %s, which the recorded has", k)
		}
	}
	c.at = c.at.Add(time.Minute)
	r := ask(t, s, "PATCH", "Task/"+id, `[{"op":"replace","path":"/status","value":"accepted"},{"op":"add","path":"/note","value":[{"text":"x"}]}]`, "Content-Type", "application/json-patch+json")
	if r.Code != 200 || r.body["status"] != "accepted" || r.body["lastModified"] != "2026-11-22T07:01:00+00:00" {
		t.Errorf("PATCH: %d %s", r.Code, r.Body)
	}
	for _, q := range []struct {
		what, method, path string
		body               any
		header             []string
		status             int
	}{
		{"upsert of a Task", "PUT", "Task/new-1", task("new-1", "requested"), nil, 201},
		{"update", "PUT", "Task/new-1", task("new-1", "accepted"), nil, 200},
		{"update with a stale version", "PUT", "Task/new-1", task("new-1", "accepted"), []string{"If-Match", `W/"1"`}, 412},
		{"update with another id in the body", "PUT", "Task/new-1", task("new-2", "accepted"), nil, 400},
		{"upsert of a Patient", "PUT", "Patient/p9", map[string]any{"resourceType": "Patient", "id": "p9"}, nil, 404},
		{"recorded upsert of a Medication", "PUT", "Medication/105bf9c4-8fef-11f0-b303-0242ac180002", file(t, "testdata/medication-upsert.json"), nil, 201},
		{"recorded create of a Patient", "POST", "Patient", file(t, "testdata/patient-create.json"), nil, 201},
		{"ServiceRequest", "POST", "ServiceRequest", file(t, "testdata/servicerequest-create-unsupported.json"), nil, 405},
		{"no JSON", "POST", "Task", `{"resourceType": `, nil, 400},
		{"another type", "POST", "Task", map[string]any{"resourceType": "Patient"}, nil, 400},
		{"delete", "DELETE", "Task/new-1", nil, nil, 200},
		{"read of the deleted", "GET", "Task/new-1", nil, nil, 410},
		{"wrong patch", "PATCH", "Task/" + id, `[{"op":"replace","path":"/nothing/there","value":1}]`, []string{"Content-Type", "application/json-patch+json"}, 400},
	} {
		if r := ask(t, s, q.method, q.path, q.body, q.header...); r.Code != q.status {
			t.Errorf("%s: %d, want %d: %s", q.what, r.Code, q.status, r.Body)
		}
	}
}

// The recorded conditional requests, in order, have the recorded status and,
// when refused, the recorded outcome. Two patients of one identifier appear
// between 10 and 11 as they did when they were recorded.
func TestConditional(t *testing.T) {
	c := newClock()
	s := openmrs.New(openmrs.Options{Now: c.now})
	names, _ := filepath.Glob("testdata/conditional/*.json")
	id := ""
	for _, name := range names {
		var e struct {
			Request struct {
				Method, Path string
				Headers      map[string]string
				Body         dict
			}
			Response struct {
				Status int
				Body   dict
			}
		}
		if err := json.Unmarshal(file(t, name), &e); err != nil {
			t.Fatal(err)
		}
		switch filepath.Base(name)[:2] {
		case "07":
			id = s.Put(e.Response.Body)
		case "11":
			delete(e.Request.Body, "id")
			s.Put(e.Request.Body)
		}
		header := []string{}
		for k, v := range e.Request.Headers {
			header = append(header, k, v)
		}
		path := strings.TrimPrefix(strings.Replace(e.Request.Path, "|", "%7C", 1), "/fhir/R4/")
		c.at = c.at.Add(time.Second)
		r := ask(t, s, e.Request.Method, path, e.Request.Body, header...)
		if r.Code != e.Response.Status {
			t.Errorf("%s: %d, want %d", name, r.Code, e.Response.Status)
		}
		for _, part := range []string{"resourceType", "issue", "identifier", "birthDate"} {
			if diff := cmp.Diff(e.Response.Body[part], r.body[part]); diff != "" {
				t.Errorf("%s: %s: recorded (-), double's (+):\n%s", name, part, diff)
			}
		}
		if r.Code < 300 && e.Response.Body["id"] == id && r.body["id"] != id {
			t.Errorf("%s: answers %v, want the one there was", name, r.body["id"])
		}
	}
	if len(names) != 7 {
		t.Errorf("%d recorded exchanges, want 7", len(names))
	}
}

func TestAuthentication(t *testing.T) {
	s := openmrs.New(openmrs.Options{})
	r := httptest.NewRequest("GET", "/openmrs/ws/fhir2/R4/Patient", nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), "Basic realm=") {
		t.Errorf("without credentials: %d %v", w.Code, w.Header())
	}
	session := get(t, s, "/openmrs/ws/rest/v1/session")
	if session.body["authenticated"] != true {
		t.Fatalf("session = %v", session.body)
	}
	r.Header.Set("Cookie", session.Header().Get("Set-Cookie"))
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("with the session's cookie: %d", w.Code)
	}
}

// The keys of a REST encounter are those of the recorded one.
func TestRESTEncounter(t *testing.T) {
	s := openmrs.New(openmrs.Options{})
	c := s.Seed(0)
	encounter := get(t, s, "ServiceRequest?_id="+c.TestTwice[0]).body["entry"].([]any)[0].(map[string]any)["resource"].(map[string]any)["encounter"].(map[string]any)["reference"].(string)
	s.Void("ServiceRequest", c.TestTwice[1])
	got := get(t, s, "/openmrs/ws/rest/v1/encounter/"+strings.TrimPrefix(encounter, "Encounter/")).body
	want := plain(t, file(t, "testdata/encounter-with-voided-order.json"))
	for k := range want {
		if _, ok := got[k]; !ok {
			t.Errorf("no %s", k)
		}
	}
	voided := []any{}
	for _, o := range got["orders"].([]any) {
		voided = append(voided, o.(map[string]any)["voided"])
	}
	if !cmp.Equal(voided, []any{false, true}) {
		t.Errorf("voided of the orders = %v", voided)
	}
}

func TestSeedIsTheSameEveryTime(t *testing.T) {
	c := newClock()
	a, b := openmrs.New(openmrs.Options{Now: c.now}), openmrs.New(openmrs.Options{Now: c.now})
	if diff := cmp.Diff(a.Seed(20), b.Seed(20)); diff != "" {
		t.Error(diff)
	}
	for _, typ := range []string{"Patient", "ServiceRequest", "MedicationRequest", "Encounter"} {
		one, two := get(t, a, typ+"?_count=100"), get(t, b, typ+"?_count=100")
		if diff := cmp.Diff(one.body["entry"], two.body["entry"]); diff != "" {
			t.Error(diff)
		}
	}
	seen := map[string]bool{}
	for r := get(t, a, "Patient?_count=100"); ; r = get(t, a, r.next()) {
		for _, e := range r.body["entry"].([]any) {
			value := e.(map[string]any)["resource"].(map[string]any)["identifier"].([]any)[0].(map[string]any)["value"].(string)
			if seen[value] {
				t.Errorf("identifier %s twice", value)
			}
			seen[value] = true
		}
		if r.next() == "" {
			break
		}
	}
	if len(a.Visit(3)) == 0 || a.Count("Patient") != b.Count("Patient") {
		t.Error("a known patient's visit makes no orders, or another patient")
	}
}

// The end of an order's time completes it without any event: the recorded
// order is the same before and after.
func TestExpiryIsNoEvent(t *testing.T) {
	c := &clock{time.Date(2021, 11, 29, 13, 14, 0, 0, time.UTC)}
	s := openmrs.New(openmrs.Options{Now: c.now})
	id := s.Put(file(t, "testdata/servicerequest-active.json"))
	for _, want := range []string{"active", "completed"} {
		recorded := plain(t, file(t, "testdata/servicerequest-"+want+".json"))
		got := get(t, s, "ServiceRequest/"+id).body
		delete(got, "meta")
		delete(recorded, "text") // FHIR2 leaves it out since it asks for _summary=data
		if diff := cmp.Diff(recorded, got); diff != "" {
			t.Errorf("recorded (-), double's (+):\n%s", diff)
		}
		if n := get(t, s, "ServiceRequest?status="+want).body["total"]; n != 1.0 {
			t.Errorf("search for %s finds %v", want, n)
		}
		c.at = c.at.Add(time.Hour)
	}
}

func TestDrugIsRetired(t *testing.T) {
	s := openmrs.New(openmrs.Options{})
	s.Seed(0)
	const id = "09e58895-e7f0-4649-b7c0-e665c5c08e93"
	for _, c := range []struct{ method, status string }{{"DELETE", "inactive"}, {"POST", "active"}} {
		ask(t, s, c.method, "/openmrs/ws/rest/v1/drug/"+id, `{"deleted":"false"}`)
		if got := get(t, s, "Medication/"+id).body["status"]; got != c.status {
			t.Errorf("status after %s = %v, want %s", c.method, got, c.status)
		}
	}
}

// Whatever is sent is answered.
func FuzzWrite(f *testing.F) {
	for _, name := range []string{"testdata/task-post-body.json", "testdata/task-jsonpatch.json", "testdata/patient-create.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "status=accepted&_sort=-_lastUpdated&_include=Task:owner")
	}
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		s := openmrs.New(openmrs.Options{Open: true})
		s.Put(task("t1", "requested"))
		for _, q := range []struct{ method, path string }{{"POST", "Task"}, {"PUT", "Task/t1"}, {"PATCH", "Task/t1"}, {"POST", "Patient"}} {
			ask(t, s, q.method, q.path, body, "Content-Type", "application/json-patch+json")
		}
		r := httptest.NewRequest("GET", "/openmrs/ws/fhir2/R4/Task", nil)
		r.URL.RawQuery = query
		s.ServeHTTP(httptest.NewRecorder(), r)
	})
}
