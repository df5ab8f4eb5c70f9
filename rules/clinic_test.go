package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/conformance/systems/odoo"
	"github.com/njia-health/njia/conformance/systems/openmrs"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/rules"
)

// site is a clinic: OpenMRS and Odoo as doubles, and a rule set that uses the pack.
type site struct {
	t       *testing.T
	emr     *openmrs.Server
	emrURL  string
	erp     *odoo.Server
	dir     string
	opts    engine.LoadOptions
	known   openmrs.Clinic
	stop    func()
	recheck time.Duration // 0: the engine's own
	j       journal.Store
	e       *engine.Engine
}

func newSite(t *testing.T, patients int, settings string, fields ...odoo.Field) *site {
	s := &site{t: t, emr: openmrs.New(openmrs.Options{Shuffle: 7}), dir: t.TempDir(), stop: func() {}}
	fields = append(fields,
		odoo.Field{Model: "res.partner", Name: "x_external_identifier"}, odoo.Field{Model: "res.partner", Name: "x_customer_dob"},
		odoo.Field{Model: "sale.order", Name: "x_external_identifier"}, odoo.Field{Model: "sale.order", Name: "x_customer_dob"})
	s.erp = odoo.New(odoo.Options{Database: "clinic", Fields: fields})
	s.known = s.emr.Seed(patients)
	s.erp.SeedClinic()
	emr, erp := httptest.NewServer(s.emr), httptest.NewServer(s.erp)
	t.Cleanup(emr.Close)
	t.Cleanup(erp.Close)
	s.emrURL = emr.URL + "/openmrs"
	rules := `engine: clinic
retry: { backoff: 20ms..200ms }
packs:
  openmrs-odoo: { since: beginning, every: 50ms, sweep-every: 200ms, patient-sweep-every: 200ms, sweep-for: 87600h, patient-sweep-for: 87600h` + settings + ` }
---
system: openmrs
override: true
url: ` + s.emrURL + `
auth: { basic: { username: admin, password: Admin123 } }
limits: { rate: 100000/s, concurrency: 16 }
breaker: { after: 5, probe: 20ms..50ms }
---
system: odoo
override: true
url: ` + erp.URL + `
database: clinic
auth: { password: { username: admin, password: admin } }
limits: { rate: 100000/s, concurrency: 16 }
breaker: { after: 5, probe: 20ms..50ms }
`
	s.write("clinic.yaml", rules)
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the engine on the site's journal, until stop.
func (s *site) start() {
	s.t.Helper()
	s.opts = engine.LoadOptions{Root: s.dir, Shipped: rules.FS, Adapters: adapters.All(),
		Env:    func(name string) (string, bool) { return "http://127.0.0.1:1", true },
		Secret: func(string) (string, bool) { return "none", true }}
	set, _, errs := engine.Load(os.DirFS(s.dir), s.opts)
	for _, e := range errs {
		if !e.Warning {
			s.t.Error(e.Error())
		}
	}
	if set == nil {
		s.t.FailNow()
	}
	j, err := journal.OpenDisk(filepath.Join(s.dir, "data"), journal.DiskOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.j, s.e = j, engine.New(j, engine.Options{Load: s.opts, Recheck: s.recheck})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.e.Run(ctx, set) }()
	s.stop = func() {
		s.stop = func() {}
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // stopped before it had begun
			s.t.Error(err)
		}
		if err := j.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// line is what is billed for one order.
type line struct {
	Product, Unit string
	Quantity      float64
	Visit         string // client_order_ref
	State         string
	Patient       string // ref of the contact
}

// bill is what Odoo has: the lines by the uuid of their order.
func (s *site) bill(key string) (map[string]line, error) {
	byID := func(model string) map[int64]map[string]any {
		out := map[int64]map[string]any{}
		for _, r := range s.erp.Records(model) {
			out[id(r["id"])] = r
		}
		return out
	}
	sales, partners, products := byID("sale.order"), byID("res.partner"), byID("product.product")
	keys := map[int64]string{}
	for _, r := range s.erp.Records("ir.model.data") {
		if r["module"] == "njia" && r["model"] == "sale.order.line" {
			keys[id(r["res_id"])] = r["name"].(string)
		}
	}
	out := map[string]line{}
	filled := map[int64]bool{}
	for n, r := range byID("sale.order.line") {
		sale := sales[ref(r["order_id"])]
		filled[ref(r["order_id"])] = true
		order := keys[n]
		if key != "" {
			order, _ = r[key].(string)
		}
		if _, twice := out[order]; twice || order == "" {
			return nil, fmt.Errorf("line %d has the order %q, which another one has or which is none", n, order)
		}
		out[order] = line{
			Product: products[ref(r["product_id"])]["name"].(string), Quantity: number(r["product_uom_qty"]), Unit: r["product_uom"].([]any)[1].(string),
			Visit: sale["client_order_ref"].(string), State: sale["state"].(string), Patient: partners[ref(sale["partner_id"])]["ref"].(string),
		}
	}
	open := map[string]int64{}
	for n, r := range sales {
		if r["state"] == "draft" {
			visit := r["client_order_ref"].(string)
			if open[visit] != 0 {
				return nil, fmt.Errorf("visit %s has the open quotations %d and %d", visit, open[visit], n)
			}
			if open[visit] = n; !filled[n] {
				return nil, fmt.Errorf("quotation %d is open and has no line", n)
			}
		}
	}
	seen := map[string]bool{}
	for _, p := range partners {
		if r, _ := p["ref"].(string); r != "" && seen[r] {
			return nil, fmt.Errorf("patient %s is two contacts", r)
		} else if r != "" {
			seen[r] = true
		}
	}
	return out, nil
}

func id(v any) int64 {
	n, _ := v.(int64)
	return n
}

func ref(v any) int64 {
	if l, ok := v.([]any); ok && len(l) == 2 {
		return id(l[0])
	}
	return 0
}

func number(v any) float64 {
	f, _ := v.(float64)
	return f
}

// due is what the bill has to be: all orders that are active in OpenMRS and whose product Odoo has. It knows nothing of the rules.
func (s *site) due() map[string]line {
	s.t.Helper()
	external := map[string]int64{}
	for _, r := range s.erp.Records("ir.model.data") {
		external[r["model"].(string)+"/"+r["name"].(string)] = id(r["res_id"])
	}
	names := map[string]map[int64]string{"product.product": {}, "uom.uom": {}}
	unitOf := map[int64]string{}
	for model := range names {
		for _, r := range s.erp.Records(model) {
			names[model][id(r["id"])] = r["name"].(string)
			if model == "product.product" {
				unitOf[id(r["id"])] = r["uom_id"].([]any)[1].(string)
			}
		}
	}
	visits := map[string]string{}
	for _, e := range s.all("Encounter") {
		visits[e["id"].(string)] = e["id"].(string)
		if of, ok := e["partOf"].(map[string]any); ok {
			visits[e["id"].(string)] = last(of)
		}
	}
	out := map[string]line{}
	for _, o := range append(s.all("ServiceRequest"), s.all("MedicationRequest")...) {
		if o["status"] != "active" {
			continue
		}
		l := line{Quantity: 1, Visit: visits[last(o["encounter"])], State: "draft", Patient: last(o["subject"])}
		code := ""
		if o["resourceType"] == "ServiceRequest" {
			code = o["code"].(map[string]any)["coding"].([]any)[0].(map[string]any)["code"].(string)
		} else if m := o["medicationReference"]; m != nil {
			code = last(m)
			q := o["dispenseRequest"].(map[string]any)["quantity"].(map[string]any)
			l.Quantity = q["value"].(float64)
			l.Unit = names["uom.uom"][external["uom.uom/"+q["code"].(string)]]
		}
		product := external["product.product/"+code]
		if product == 0 {
			continue
		}
		if l.Product = names["product.product"][product]; l.Unit == "" {
			l.Unit = unitOf[product]
		}
		out[o["id"].(string)] = l
	}
	return out
}

func last(reference any) string {
	m, _ := reference.(map[string]any)
	s, _ := m["reference"].(string)
	return s[strings.LastIndexByte(s, '/')+1:]
}

// all reads every resource of a type that OpenMRS shows, as anybody with a browser would.
func (s *site) all(typ string) []map[string]any {
	s.t.Helper()
	var out []map[string]any
	for at := s.emrURL + "/ws/fhir2/R4/" + typ + "?_count=100"; at != ""; {
		req, err := http.NewRequest(http.MethodGet, at, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		req.SetBasicAuth("admin", "Admin123")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var b struct {
			Entry []struct{ Resource map[string]any }
			Link  []struct{ Relation, URL string }
		}
		if err == nil {
			err = json.Unmarshal(body, &b)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		at = ""
		for _, l := range b.Link {
			if l.Relation == "next" {
				at = l.URL
			}
		}
		for _, e := range b.Entry {
			out = append(out, e.Resource)
		}
	}
	return out
}

// until waits for ok to be true, and says what was wrong last where it takes too long.
func (s *site) until(what string, ok func() error) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %v\n%s", what, err, s.troubles())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// settled waits until Odoo has what is due, no more and no less, and nothing is under way.
func (s *site) settled(what, key string) {
	s.t.Helper()
	s.until(what, func() error {
		want := s.due()
		got, err := s.bill(key)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("the bill (-due +billed)\n%s", diff)
		}
		recs, err := s.j.Search(s.t.Context(), journal.Query{Statuses: []journal.Status{journal.Received, journal.Processing, journal.Retrying}})
		if err == nil && len(recs) > 0 {
			err = fmt.Errorf("%d messages are under way", len(recs))
		}
		return err
	})
}

// held are the messages that wait for a person, by the order they are about.
func (s *site) held() map[string]journal.Record {
	s.t.Helper()
	recs, err := s.j.Search(s.t.Context(), journal.Query{Statuses: []journal.Status{journal.Held}, Limit: 500})
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]journal.Record{}
	for _, r := range recs {
		out[r.Keys["order"]] = r
	}
	return out
}

// dead are the dead letters.
func (s *site) dead() []journal.Record {
	s.t.Helper()
	recs, err := s.j.Search(s.t.Context(), journal.Query{Statuses: []journal.Status{journal.Dead}, Limit: 500})
	if err != nil {
		s.t.Fatal(err)
	}
	return recs
}

func (s *site) troubles() string {
	var b strings.Builder
	recs, _ := s.j.Search(context.Background(), journal.Query{Limit: 500})
	for _, r := range recs {
		if r.Status != journal.Delivered && r.Status != journal.Filtered && r.Status != journal.Duplicate {
			fmt.Fprintf(&b, "message %d of %s is %s: %s %s\n", r.Seq, r.Route, r.Status, r.Class, r.Error)
		}
	}
	return b.String()
}

// states are how many sales orders are in each state.
func (s *site) states() map[string]int {
	out := map[string]int{}
	for _, r := range s.erp.Records("sale.order") {
		out[r["state"].(string)]++
	}
	return out
}

// addMissingProduct adds the product of the test that Odoo does not have.
func (s *site) addMissingProduct() {
	product := s.erp.Create("product.product", map[string]any{"name": "HIV DNA PCR", "uom_id": 1, "uom_po_id": 1})
	s.erp.Create("ir.model.data", map[string]any{"module": "__import__", "name": "1030" + strings.Repeat("A", 32), "model": "product.product", "res_id": product})
}

func TestClinicIsBilled(t *testing.T) {
	s := newSite(t, 12, "")
	s.start()
	s.settled("the orders that are there", "")

	// What nobody can bill waits for a person, and nothing else does.
	held := s.held()
	if want := []string{s.known.TextDrug, s.known.UnknownProduct}; !slices.Equal(slices.Sorted(maps.Keys(held)), slices.Sorted(slices.Values(want))) {
		t.Errorf("held: %v, want %v", slices.Sorted(maps.Keys(held)), want)
	}
	if dead := s.dead(); len(dead) != 0 {
		t.Errorf("dead letters: %s", s.troubles())
	}
	bill, err := s.bill("")
	if err != nil {
		t.Fatal(err)
	}
	for what, order := range map[string]string{"revised": s.known.Revised, "discontinued": s.known.Discontinued, "discontinuation": s.known.Discontinuation, "voided": s.known.Voided} {
		if _, billed := bill[order]; billed {
			t.Errorf("the %s order is billed", what)
		}
	}
	if q := bill[s.known.Revision].Quantity; q != 30 {
		t.Errorf("the revision is billed with %v, want 30", q)
	}
	for _, p := range s.erp.Records("res.partner") {
		if p["ref"] == s.known.PartialDate && (len(p["x_customer_dob"].(string)) != 4 || p["city"] != false) {
			t.Errorf("the patient of whom only the year of birth is known: %v, %v", p["x_customer_dob"], p["city"])
		}
	}

	// What happens in OpenMRS afterwards, and shows in no search there.
	s.emr.Void("ServiceRequest", s.known.TestTwice[0])
	revision := s.emr.Revise(s.known.Revision, func(r map[string]any) {
		r["dispenseRequest"].(map[string]any)["quantity"].(map[string]any)["value"] = 45.0
	})
	s.emr.Discontinue(s.known.NoVisit)
	s.settled("a void, a revision and a discontinuation", "")
	if bill, err = s.bill(""); err != nil || bill[revision].Quantity != 45 {
		t.Errorf("the second revision: %v, %v", bill[revision], err)
	}
	if got := s.states(); got["cancel"] != 1 {
		t.Errorf("sales orders are %v; the one of the encounter without visit lost its last line and should be cancelled", got)
	}

	// OpenMRS makes an order active again when the one that discontinued it is voided.
	again := s.known.TestTwice[1]
	dc := s.emr.Discontinue(again)
	s.settled("another discontinuation", "")
	s.emr.Void("ServiceRequest", dc)
	s.emr.Change("ServiceRequest", again, func(r map[string]any) { r["status"] = "active" })
	s.settled("a discontinuation that was voided", "")

	// The product list gains what was missing: the held order is billed.
	s.addMissingProduct()
	if err := s.e.Retry(t.Context(), held[s.known.UnknownProduct].Seq, "a test", "the product is there now"); err != nil {
		t.Fatal(err)
	}
	s.settled("a product that came later", "")

	// After confirmation nothing is touched; the next order of the visit has a quotation of its own.
	var confirmed int64
	for _, r := range s.erp.Records("sale.order") {
		if r["client_order_ref"] == bill[revision].Visit && r["state"] == "draft" {
			confirmed = id(r["id"])
		}
	}
	s.erp.Call("sale.order", "action_confirm", confirmed)
	s.emr.Void("MedicationRequest", revision)
	s.until("a void after confirmation is a dead letter", func() error {
		for _, r := range s.dead() {
			if r.Keys["order"] == revision && strings.Contains(r.Error, "is confirmed") {
				return nil
			}
		}
		return fmt.Errorf("there is none")
	})
	if bill, err = s.bill(""); err != nil || bill[revision].State != "sale" {
		t.Errorf("the line on the confirmed order: %+v, %v", bill[revision], err)
	}
}

// An expired test stays on the bill, a fulfilled one too, and one that was stopped does not.
func TestExpiredStaysStoppedGoes(t *testing.T) {
	s := newSite(t, 0, "")
	s.start()
	s.settled("the orders that are there", "")
	expired, stopped := s.known.TestTwice[0], s.known.TestTwice[1]
	want, err := s.bill("")
	if err != nil {
		t.Fatal(err)
	}
	s.emr.Expire("ServiceRequest", expired)
	s.emr.Stop("ServiceRequest", stopped)
	s.emr.Fulfil("ServiceRequest", s.known.NoVisit)
	s.emr.Stop("ServiceRequest", s.known.NoVisit)
	delete(want, stopped)
	s.until("the stopped test leaves the bill", func() error {
		got, err := s.bill("")
		if err == nil && !cmp.Equal(want, got) {
			err = fmt.Errorf("the bill (-want +billed)\n%s", cmp.Diff(want, got))
		}
		return err
	})
	s.until("all three changes are seen", func() error {
		recs, err := s.j.Search(t.Context(), journal.Query{Route: "orders", Statuses: []journal.Status{journal.Filtered, journal.Delivered}, Limit: 500})
		seen := map[string]bool{}
		for _, r := range recs {
			if r.Event == "update" {
				seen[r.Keys["order"]] = true
			}
		}
		if err == nil && (!seen[expired] || !seen[stopped] || !seen[s.known.NoVisit]) {
			err = fmt.Errorf("seen %v", seen)
		}
		return err
	})
	if got, err := s.bill(""); err != nil || !cmp.Equal(want, got) {
		t.Errorf("the bill (-want +billed)\n%s %v", cmp.Diff(want, got), err)
	}
}

// The engine stops and starts while a crowd is coming in: nothing is lost, nothing is made twice.
func TestRestartRepeatsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		settings, key string
		fields        []odoo.Field
	}{
		"external ids": {},
		"a field":      {", line-key-field: x_njia_order", "x_njia_order", []odoo.Field{{Model: "sale.order.line", Name: "x_njia_order"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 8, c.settings+", patients-without-orders: true", c.fields...)
			for round := range 3 {
				for i := range 5 {
					s.emr.Visit(round*5 + i)
				}
				lines := len(s.erp.Records("sale.order.line"))
				s.start()
				s.until("some of the crowd are billed", func() error {
					if n := len(s.erp.Records("sale.order.line")); n < lines+3 {
						return fmt.Errorf("%d lines", n)
					}
					return nil
				})
				s.stop()
			}
			s.start()
			s.settled("the crowd", c.key)
			if got := s.states(); got["cancel"] != 0 || got["sale"] != 0 {
				t.Errorf("sales orders are %v, want drafts only", got)
			}
			if dead := s.dead(); len(dead) > 0 {
				t.Errorf("dead letters:\n%s", s.troubles())
			}
		})
	}
}

// Odoo does what it is asked, and the answer is lost, again and again.
func TestLostAnswersMakeNothingTwice(t *testing.T) {
	for name, c := range map[string]struct {
		settings, key string
		fields        []odoo.Field
	}{
		"external ids": {},
		"a field":      {", line-key-field: x_njia_order", "x_njia_order", []odoo.Field{{Model: "sale.order.line", Name: "x_njia_order"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 20, c.settings+", patients-without-orders: true", c.fields...)
			s.start()
			looks := 0
			s.until("answers are lost all the time", func() error {
				if looks++; looks%4 == 0 { // in between, a message that tries whether Odoo is back has a chance
					s.erp.LoseAnswers(1)
				}
				if n := len(s.erp.Records("sale.order.line")); n < 25 {
					return fmt.Errorf("%d lines", n)
				}
				return nil
			})
			s.erp.LoseAnswers(0)
			s.settled("Odoo answers again", c.key)
			if dead := s.dead(); len(dead) > 0 {
				t.Errorf("dead letters:\n%s", s.troubles())
			}
		})
	}
}

// Orders that FHIR2 does not have come over REST. The double knows tests and drugs only, so tests stand for procedures here.
func TestProceduresOverREST(t *testing.T) {
	s := newSite(t, 4, ", order-types: [MedicationRequest], procedures-every: 1s, procedure-days: 10000, procedure-order-types: 52a447d3-a64a-11e3-9aeb-50e549534c5e")
	s.write("procedures.yaml", "route: procedure-orders\noverride: true\nenabled: true\n")
	s.start()
	s.settled("the orders that are there", "")
	s.emr.Void("ServiceRequest", s.known.TestTwice[0])
	s.emr.Discontinue(s.known.TestTwice[1])
	s.emr.Visit(0)
	s.settled("a void, a discontinuation and a visit", "")
	if held := s.held(); len(held) > 2 {
		t.Errorf("a held order is found anew by every look: %d messages are held", len(held))
	}
}

// Whoever adds the product to Odoo need not know of the order that waits for it.
func TestMissingProductReleasesItself(t *testing.T) {
	s := newSite(t, 0, "")
	s.recheck = 100 * time.Millisecond
	s.start()
	s.settled("the orders that are there", "")
	s.addMissingProduct()
	s.settled("a product that came later", "")
	if _, held := s.held()[s.known.UnknownProduct]; held {
		t.Error("the order is held still")
	}
}

// A patient who was voided is archived with the open quotations, and comes back.
func TestVoidedPatientIsArchived(t *testing.T) {
	s := newSite(t, 2, ", patients-without-orders: true")
	s.start()
	s.settled("the orders that are there", "")
	who := s.known.Patients[0]
	active := func(want bool) func() error {
		return func() error {
			for _, p := range s.erp.Records("res.partner") {
				if p["ref"] == who && p["active"] == want {
					return nil
				}
			}
			return fmt.Errorf("active is not %v", want)
		}
	}
	s.until("the patient is a contact", active(true))
	s.emr.Void("Patient", who)
	s.until("the contact is archived", active(false))
	if got := s.states(); got["cancel"] == 0 {
		t.Errorf("sales orders are %v, want one cancelled", got)
	}
	s.emr.Unvoid("Patient", who)
	s.until("the contact is back", active(true))
}
