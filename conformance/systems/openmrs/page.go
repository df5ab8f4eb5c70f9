package openmrs

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

const (
	defaultCount = 10  // fhir2.paging.default
	maximumCount = 100 // fhir2.paging.maximum
	keptSearches = 100 // FhirRestServlet: FifoMemoryPagingProvider(100)
)

// pageSet is one search whose pages can be asked for.
type pageSet struct {
	id       string
	typ      string
	query    string
	includes []string
	count    int
	total    int
	rows     []*record // nil when pages are live
	until    time.Time
	summary  string
	self     string
}

func (s *Server) newPageSet(r *http.Request, typ, query string) (*pageSet, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, badRequest("Invalid query: %s", query)
	}
	set := &pageSet{
		id: s.newUUID(), typ: typ, query: query, includes: values["_include"],
		until: s.opts.Now().Add(s.opts.PageTTL), summary: values.Get("_summary"), count: defaultCount,
	}
	for _, include := range set.includes {
		if _, _, err := parseInclude(typ, include); err != nil {
			return nil, err
		}
	}
	if text := values.Get("_count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, badRequest("Invalid _count value: %q", text)
		}
		set.count = min(n, maximumCount)
		if n == 0 {
			set.summary = "count"
		}
	}
	rows, err := s.matching(typ, query)
	if err != nil {
		return nil, err
	}
	set.total = len(rows)
	if !s.opts.LivePages {
		set.rows = rows
	}
	set.self = selfLink(r, typ, query)
	if set.total > set.count {
		s.pages[set.id] = set
		s.pageFIFO = append(s.pageFIFO, set.id)
		if len(s.pageFIFO) > keptSearches {
			delete(s.pages, s.pageFIFO[0])
			s.pageFIFO = s.pageFIFO[1:]
		}
	}
	return set, nil
}

// selfLink is the search as HAPI repeats it, with the _summary that FHIR2 adds.
func selfLink(r *http.Request, typ, query string) string {
	link := base(r) + "/" + typ
	parts := []string{}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, _ = url.QueryUnescape(name)
		value, _ = url.QueryUnescape(value)
		parts = append(parts, escape(name)+"="+escape(value))
	}
	if !strings.Contains(query, "_summary=") {
		parts = append(parts, "_summary=data")
	}
	return link + "?" + strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// page answers GET ?_getpages=ID&_getpagesoffset=N&_count=M.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id := q.Get("_getpages")
	set := s.pages[id]
	if set == nil || s.opts.Now().After(set.until) {
		delete(s.pages, id)
		// HAPI, PageMethodBinding.
		outcome(w, http.StatusGone, "Search ID \""+id+"\" does not exist and may have expired")
		return
	}
	offset, err := strconv.Atoi(q.Get("_getpagesoffset"))
	if err != nil || offset < 0 {
		offset = 0
	}
	count := set.count
	if n, err := strconv.Atoi(q.Get("_count")); err == nil && n > 0 {
		count = min(n, maximumCount)
	}
	s.writePage(w, r, set, offset, count)
}

func (s *Server) writePage(w http.ResponseWriter, r *http.Request, set *pageSet, offset, count int) {
	rows := set.rows
	if s.opts.LivePages {
		rows, _ = s.matching(set.typ, set.query)
	}
	from, to := min(offset, len(rows)), min(offset+count, len(rows))
	self := set.self
	if offset > 0 {
		self = pageLink(r, set, offset, count)
	}
	links := []any{ordered.Of("relation", "self", "url", self)}
	if set.summary != "count" && offset+count < set.total {
		links = append(links, ordered.Of("relation", "next", "url", pageLink(r, set, offset+count, count)))
	}
	if offset > 0 {
		links = append(links, ordered.Of("relation", "previous", "url", pageLink(r, set, max(0, offset-count), count)))
	}
	bundle := ordered.Of(
		"resourceType", "Bundle",
		"id", set.id,
		"meta", ordered.Of("lastUpdated", s.opts.Now().UTC().Format(instant), "tag", []any{summaryTag()}),
		"type", "searchset",
		"total", set.total,
		"link", links)
	if set.summary != "count" {
		if entries := s.entries(r, set, rows[from:to]); len(entries) > 0 {
			bundle.Set("entry", entries)
		}
	}
	writeFHIR(w, http.StatusOK, bundle)
}

func pageLink(r *http.Request, set *pageSet, offset, count int) string {
	link := fmt.Sprintf("%s?_getpages=%s&_getpagesoffset=%d&_count=%d", base(r), set.id, offset, count)
	for _, include := range set.includes {
		link += "&_include=" + escape(include)
	}
	return link + "&_bundletype=searchset"
}

// entries are rows and, behind them, what they include; as recorded, nothing
// in an entry tells the two apart. A row voided since the search is left out.
func (s *Server) entries(r *http.Request, set *pageSet, rows []*record) []any {
	entries := []any{}
	seen := map[*record]bool{}
	add := func(rec *record) {
		if seen[rec] || !rec.visible() {
			return
		}
		seen[rec] = true
		entries = append(entries, ordered.Of("fullUrl", base(r)+"/"+rec.typ+"/"+rec.id, "resource", rec.resource(s.now())))
	}
	for _, rec := range rows {
		add(rec)
	}
	for _, include := range set.includes {
		path, target, _ := parseInclude(set.typ, include)
		for _, rec := range rows {
			for _, v := range values(rec.body, path) {
				if at := s.target(v, target); at != nil {
					add(at)
				}
			}
		}
	}
	return entries
}

// target is the record that a Reference means.
func (s *Server) target(v any, typ string) *record {
	m, _ := v.(*ordered.Map)
	if m == nil {
		return nil
	}
	text, _ := m.Value("reference").(string)
	if t, _, ok := strings.Cut(text, "/"); ok {
		if typ != "" && typ != t {
			return nil
		}
		typ = t
	} else if t, _ := m.Value("type").(string); t != "" {
		typ = t
	}
	return s.records[key{typ, refID(v)}]
}

// parseInclude reads Type:parameter[:Target].
func parseInclude(typ, include string) (path, target string, err error) {
	parts := strings.Split(include, ":")
	if len(parts) < 2 || parts[0] != typ {
		return "", "", badRequest("Invalid _include parameter value: %q", include)
	}
	p, ok := paramOf(typ, parts[1])
	if !ok || p.kind != ref {
		return "", "", badRequest("Invalid _include parameter value: %q", include)
	}
	if len(parts) > 2 {
		target = parts[2]
	}
	if i := slices.Index(p.paths, ""); i >= 0 {
		return "", "", badRequest("Invalid _include parameter value: %q", include)
	}
	return p.paths[0], target, nil
}
