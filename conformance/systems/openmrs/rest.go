package openmrs

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

func writeREST(w http.ResponseWriter, status int, body *ordered.Map) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	w.Write(ordered.Compact(body))
}

// restTime is REST v1's way to write a date.
const restTime = "2006-01-02T15:04:05.000-0700"

// rest answers REST v1. Shapes: data/encounter-with-voided-order.json; the
// order follows webservices.rest's OrderResource1_10 without a recording. The
// caller holds mu.
func (s *Server) rest(w http.ResponseWriter, r *http.Request, path string) {
	kind, id, _ := strings.Cut(path, "/")
	switch {
	case kind == "session" && r.Method == http.MethodGet:
		token := strings.ReplaceAll(strings.ToUpper(s.newUUID()), "-", "")
		s.session[token] = true
		http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: token, Path: "/openmrs", HttpOnly: true})
		writeREST(w, http.StatusOK, restSession(s))
	case kind == "session" && r.Method == http.MethodDelete:
		if c, err := r.Cookie("JSESSIONID"); err == nil {
			delete(s.session, c.Value)
		}
		w.WriteHeader(http.StatusNoContent)
	case kind == "order" && r.Method == http.MethodGet && id == "":
		s.restOrders(w, r)
	case kind == "order" && r.Method == http.MethodGet && id != "":
		for _, typ := range []string{"ServiceRequest", "MedicationRequest"} {
			if rec := s.records[key{typ, id}]; rec != nil {
				writeREST(w, http.StatusOK, s.restOrder(r, rec))
				return
			}
		}
		restNotFound(w)
	case kind == "encounter" && r.Method == http.MethodGet && id != "":
		rec := s.records[key{"Encounter", id}]
		if rec == nil {
			restNotFound(w)
			return
		}
		writeREST(w, http.StatusOK, s.restEncounter(r, rec))
	case kind == "drug" && id != "":
		s.restDrug(w, r, id)
	default:
		restNotFound(w)
	}
}

// restDrug retires a drug (DELETE) or brings it back (POST {"deleted": false}),
// as the product synchronisation of Ozone does.
func (s *Server) restDrug(w http.ResponseWriter, r *http.Request, id string) {
	rec := s.records[key{"Medication", id}]
	if rec == nil {
		restNotFound(w)
		return
	}
	name, _ := first(values(rec.body, "code.text")).(string)
	switch r.Method {
	case http.MethodDelete:
		rec.body.Set("status", "inactive")
		rec.changed = s.now()
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		rec.body.Set("status", "active")
		rec.changed = s.now()
		fallthrough
	default:
		writeREST(w, http.StatusOK, ordered.Of("uuid", id, "display", name, "name", name,
			"retired", rec.body.Value("status") == "inactive"))
	}
}

// orderTypes are OpenMRS's own, OrderType.TEST_ORDER_TYPE_UUID and
// DRUG_ORDER_TYPE_UUID.
var orderTypes = map[string]string{
	"52a447d3-a64a-11e3-9aeb-50e549534c5e": "ServiceRequest",
	"131168f4-15f5-102d-96e4-000c29c2a5d7": "MedicationRequest",
}

// restOrders searches for orders as OrderSearchHandler2_3 does, by order type
// and date of activation, and with voided ones on request. It gives pages of
// limit, by default 50.
func (s *Server) restOrders(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	types := map[string]bool{}
	for uuid := range strings.SplitSeq(q.Get("orderTypes"), ",") {
		types[orderTypes[uuid]] = true
	}
	from, _ := parseDate(q.Get("activatedOnOrAfterDate"))
	all := []any{}
	for _, o := range s.order {
		if (o.typ == "ServiceRequest" || o.typ == "MedicationRequest") && (types[o.typ] || q.Get("orderTypes") == "") &&
			(!o.voided || q.Get("includeVoided") == "true") && !o.created.Before(from.from) {
			all = append(all, s.restOrder(r, o))
		}
	}
	limit, start := 50, 0
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		limit = n
	}
	if n, err := strconv.Atoi(q.Get("startIndex")); err == nil && n > 0 {
		start = min(n, len(all))
	}
	out := ordered.Of("results", all[start:min(start+limit, len(all))])
	if start+limit < len(all) {
		q.Set("startIndex", strconv.Itoa(start+limit))
		out.Set("links", []any{ordered.Of("rel", "next", "uri", strings.TrimSuffix(base(r), fhirPath)+restPath+"/order?"+q.Encode())})
	}
	writeREST(w, http.StatusOK, out)
}

func restSession(s *Server) *ordered.Map {
	if s == nil {
		return ordered.Of("authenticated", false)
	}
	return ordered.Of(
		"authenticated", true,
		"user", ordered.Of("uuid", uuidOf("user/"+s.opts.User), "display", s.opts.User, "username", s.opts.User, "systemId", s.opts.User),
		"locale", "en_GB", "allowedLocales", []any{"en", "en_GB", "fr"})
}

func restNotFound(w http.ResponseWriter) {
	writeREST(w, http.StatusNotFound, ordered.Of("error", ordered.Of(
		"message", "[Object with given uuid doesn't exist]",
		"code", "org.openmrs.module.webservices.rest.web.v1_0.controller.MainResourceController:getObject",
		"detail", "")))
}

func (s *Server) restRef(r *http.Request, kind, id, display string) *ordered.Map {
	return ordered.Of("uuid", id, "display", display, "links", []any{ordered.Of("rel", "self", "uri", restURI(r, kind, id))})
}

func restURI(r *http.Request, kind, id string) string {
	return strings.TrimSuffix(base(r), fhirPath) + restPath + "/" + kind + "/" + id
}

// restLinked is the REST reference for a FHIR Reference at path; nil for none.
func (s *Server) restLinked(r *http.Request, rec *record, path, kind string) any {
	for _, v := range values(rec.body, path) {
		if m, ok := v.(*ordered.Map); ok {
			display, _ := m.Value("display").(string)
			return s.restRef(r, kind, refID(v), display)
		}
	}
	return nil
}

func orderDisplay(rec *record) string {
	for _, path := range []string{"code.text", "code.coding.display", "medicationReference.display", "medicationCodeableConcept.text"} {
		if s, ok := first(values(rec.body, path)).(string); ok {
			return s
		}
	}
	return ""
}

func orderKind(rec *record) string {
	if rec.typ == "ServiceRequest" {
		return "testorder"
	}
	return "drugorder"
}

func date3(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(restTime)
}

func fulfillerStatus(rec *record) any {
	if rec.fulfilled {
		return "COMPLETED"
	}
	return nil
}

func (s *Server) restOrder(r *http.Request, rec *record) *ordered.Map {
	var previous any
	if rec.previous != "" {
		previous = s.restRef(r, "order", rec.previous, "")
	}
	concept := ordered.Of("uuid", nil, "display", orderDisplay(rec))
	for _, v := range values(rec.body, "code.coding.code") {
		concept.Set("uuid", v)
		break
	}
	out := ordered.Of(
		"uuid", rec.id,
		"orderNumber", "ORD-"+rec.id[:min(8, len(rec.id))],
		"patient", s.restLinked(r, rec, "subject", "patient"),
		"concept", concept,
		"action", rec.action,
		"previousOrder", previous,
		"dateActivated", rec.created.Format(restTime),
		"dateStopped", date3(rec.stopped),
		"autoExpireDate", date3(rec.expired),
		"fulfillerStatus", fulfillerStatus(rec),
		"encounter", s.restLinked(r, rec, "encounter", "encounter"),
		"orderer", s.restLinked(r, rec, "requester", "provider"),
		"voided", rec.voided,
		"display", orderDisplay(rec),
		"type", orderKind(rec))
	if rec.typ == "MedicationRequest" {
		out.Set("drug", s.restLinked(r, rec, "medicationReference", "drug"))
		out.Set("drugNonCoded", first(values(rec.body, "medicationCodeableConcept.text")))
		out.Set("quantity", first(values(rec.body, "dispenseRequest.quantity.value")))
	}
	return out
}

func first(vs []any) any {
	if len(vs) == 0 {
		return nil
	}
	return vs[0]
}

func (s *Server) restEncounter(r *http.Request, rec *record) *ordered.Map {
	orders := []any{}
	for _, o := range s.order {
		if slices.ContainsFunc(values(o.body, "encounter"), func(v any) bool { return refID(v) == rec.id }) &&
			(o.typ == "ServiceRequest" || o.typ == "MedicationRequest") {
			orders = append(orders, ordered.Of(
				"uuid", o.id, "display", orderDisplay(o), "voided", o.voided,
				"links", []any{ordered.Of("rel", "self", "uri", restURI(r, "order", o.id))},
				"type", orderKind(o)))
		}
	}
	name, _ := first(values(rec.body, "type.coding.display")).(string)
	return ordered.Of(
		"uuid", rec.id,
		"display", name+" "+rec.created.Format("02/01/2006"),
		"encounterDatetime", rec.created.Format(restTime),
		"patient", s.restLinked(r, rec, "subject", "patient"),
		"location", s.restLinked(r, rec, "location.location", "location"),
		"form", nil,
		"encounterType", ordered.Of("uuid", first(values(rec.body, "type.coding.code")), "display", name),
		"obs", []any{},
		"orders", orders,
		"voided", rec.voided,
		"visit", s.restLinked(r, rec, "partOf", "visit"),
		"encounterProviders", []any{},
		"links", []any{ordered.Of("rel", "self", "uri", restURI(r, "encounter", rec.id))},
		"resourceVersion", "1.9")
}
