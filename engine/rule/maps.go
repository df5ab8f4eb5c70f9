package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
)

// mapDoc decodes a map. Entries come from a ConceptMap, a CSV file and inline:, each over those before it.
func (r *reader) mapDoc(d Doc) *Map {
	n := d.Node
	m := &Map{Doc: d, Entries: map[string]any{}, Default: n.Get("default")}
	r.known(n, "a map", "map", "about", "csv", "from", "to", "inline", "concept-map", "default", "override")
	m.CSV, m.ConceptMap = r.text(n.Get("csv"), "csv"), r.text(n.Get("concept-map"), "concept-map")
	m.From, m.To = r.text(n.Get("from"), "from"), r.text(n.Get("to"), "to")
	if m.CSV == "" {
		for _, key := range []string{"from", "to"} {
			if c := n.Get(key); c != nil {
				r.at(c, "%s names a column of a CSV file, and this map has none", key).Hint = "add csv: FILE"
			}
		}
	}
	if m.ConceptMap != "" {
		r.conceptMap(m, n.Get("concept-map"))
	}
	if m.CSV != "" {
		r.csv(m, n.Get("csv"))
	}
	in := n.Get("inline")
	switch {
	case in == nil:
	case in.Kind == bind.Map:
		m.Inline = map[string]any{}
		for i, k := range in.Keys {
			m.Inline[k.Name] = in.Items[i].Value()
		}
		maps.Copy(m.Entries, m.Inline)
	case in.Kind != bind.Null:
		r.at(in, "inline is a map of codes to values, this is %s", in.Kind)
	}
	if m.CSV == "" && m.ConceptMap == "" && in == nil && m.Default == nil {
		r.errs.Add(diag.Errorf(d.Pos, "map %s has no entries", d.Name).WithHint("add csv: FILE, inline: { CODE: VALUE } or concept-map: FILE"))
	}
	return m
}

// relations of a ConceptMap's target to its element that let it be used, the best first. Where an element has several targets,
// the best one is taken, and of equal ones the first. The others (unmatched, disjoint, not-related-to) give no entry.
// http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html, http://hl7.org/fhir/R5/valueset-concept-map-relationship.html
var relations = []string{
	"equal", "equivalent", "wider", "subsumes", "source-is-narrower-than-target", "relatedto", "related-to",
	"narrower", "specializes", "source-is-broader-than-target", "inexact",
}

// conceptMap reads a map's entries from a FHIR ConceptMap, R4 or R5.
func (r *reader) conceptMap(m *Map, n *bind.Node) {
	src, file, err := r.open(&m.Doc, n.Pos.File, m.ConceptMap)
	if err != nil {
		r.at(n, "%v", err)
		return
	}
	v, err := message.Decode(src)
	if err != nil {
		r.errs.Add(placed(file, err))
		return
	}
	start := diag.Pos{File: file, Line: 1, Col: 1}
	cm, _ := v.(map[string]any)
	if cm["resourceType"] != "ConceptMap" {
		r.errs.Add(diag.Errorf(start, "this is no FHIR ConceptMap").WithHint(`it begins with { "resourceType": "ConceptMap"`))
		return
	}
	from := map[string]string{} // code → the system it was mapped in
	faults := 0
	for _, g := range objects(cm["group"]) {
		system, _ := g["source"].(string)
		for _, e := range objects(g["element"]) {
			code, _ := e["code"].(string)
			to := best(objects(e["target"]))
			if code == "" || to == "" {
				continue
			}
			if other, twice := from[code]; twice && m.Entries[code] != to {
				if faults++; faults <= maxFaults {
					r.errs.Add(diag.Errorf(start, "the code %s is mapped to both %s and %s%s", code, m.Entries[code], to, ofSystems(other, system)).
						WithHint("make a map document with a file of its own for each code system"))
				}
				continue
			}
			from[code] = system
			m.Entries[code] = to
		}
	}
	if len(m.Entries) == 0 {
		w := diag.Errorf(start, "this ConceptMap maps no code")
		w.Warning = true
		r.errs.Add(w)
	}
}

func ofSystems(a, b string) string {
	if a == b {
		return ""
	}
	return fmt.Sprintf(" (of %s and %s)", a, b)
}

// best gives the code of the target that fits best; "" where none can be used.
func best(targets []map[string]any) string {
	code, rank := "", len(relations)
	for _, t := range targets {
		c, _ := t["code"].(string)
		relation, _ := t["equivalence"].(string)
		if r5, ok := t["relationship"].(string); ok {
			relation = r5
		}
		if relation == "" {
			relation = "equivalent"
		}
		if i := slices.Index(relations, relation); c != "" && i >= 0 && i < rank {
			code, rank = c, i
		}
	}
	return code
}

func objects(v any) []map[string]any {
	var out []map[string]any
	l, _ := v.([]any)
	for _, e := range l {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// placed gives a JSON fault its place in the file.
func placed(file string, err error) diag.Error {
	var se *message.SyntaxError
	if errors.As(err, &se) {
		return diag.Errorf(diag.Pos{File: file, Line: se.Line, Col: se.Column}, "this is not JSON: %s", se.Reason)
	}
	return diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "this is not JSON: %v", err)
}
