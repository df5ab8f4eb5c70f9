package rule

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
)

// csv reads a map's entries from a file: a header line, then a row each. Values stay text.
func (r *reader) csv(m *Map, n *bind.Node) {
	src, file, err := r.files(&m.Doc, m.CSV)
	if err != nil {
		r.at(n, "%v", err)
		return
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	rd := csv.NewReader(strings.NewReader(text))
	first, _, _ := strings.Cut(text, "\n")
	switch {
	case strings.Contains(first, ";") && !strings.Contains(first, ","):
		rd.Comma = ';'
	case strings.Contains(first, "\t") && !strings.Contains(first, ","):
		rd.Comma = '\t'
	}
	rd.Comment = '#'
	head, err := rd.Read()
	if errors.Is(err, io.EOF) {
		r.errs.Add(diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "the file is empty, expected a header line").WithHint("write from,to in the first line"))
		return
	}
	if err != nil {
		r.csvError(file, err)
		return
	}
	for i := range head {
		head[i] = strings.TrimSpace(head[i])
	}
	if len(head) < 2 {
		r.errs.Add(diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "a map has two columns, this header has one"))
		return
	}
	column := func(name string, key string, def int) int {
		if name == "" {
			if i := slices.Index(head, key); i >= 0 {
				return i
			}
			return def
		}
		i := slices.Index(head, name)
		if i < 0 {
			r.at(m.Node.Get(key), "%s has no column %q", file, name).Hint = diag.DidYouMean(name, head)
		}
		return i
	}
	from, to := column(m.From, "from", 0), column(m.To, "to", 1)
	if from < 0 || to < 0 {
		return
	}
	lines := map[string]int{}
	for {
		rec, err := rd.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.csvError(file, err)
			return
		}
		line, _ := rd.FieldPos(0)
		key := strings.TrimSpace(rec[from])
		if key == "" {
			continue
		}
		if at, dup := lines[key]; dup {
			r.errs.Add(diag.Errorf(diag.Pos{File: file, Line: line, Col: 1}, "%q stands here twice, first in line %d", key, at))
			continue
		}
		lines[key] = line
		m.Entries[key] = strings.TrimSpace(rec[to])
	}
}

func (r *reader) csvError(file string, err error) {
	var pe *csv.ParseError
	pos := diag.Pos{File: file, Line: 1, Col: 1}
	text := "this is not CSV from here on"
	if errors.As(err, &pe) {
		pos.Line, pos.Col = pe.Line, max(pe.Column, 1)
		switch {
		case errors.Is(pe.Err, csv.ErrFieldCount):
			text = "this row has another number of columns than the header"
		case errors.Is(pe.Err, csv.ErrQuote), errors.Is(pe.Err, csv.ErrBareQuote):
			text = "a quote is not closed, or stands inside a value that is not quoted"
		}
	}
	r.errs.Add(diag.Errorf(pos, "%s", text).WithHint("a value with a comma or a quote in it is quoted, and its quotes are doubled"))
}

// mapped are the equivalences of a ConceptMap that mean: use this one. http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html
var mapped = []string{"", "equal", "equivalent", "relatedto", "wider", "subsumes", "narrower", "specializes"}

// conceptMap reads a map's entries from a FHIR R4 ConceptMap.
func (r *reader) conceptMap(m *Map, n *bind.Node) {
	src, file, err := r.files(&m.Doc, m.ConceptMap)
	if err != nil {
		r.at(n, "%v", err)
		return
	}
	v, err := message.Decode(src)
	if err != nil {
		r.errs.Add(placed(file, err))
		return
	}
	cm, _ := v.(map[string]any)
	if cm["resourceType"] != "ConceptMap" {
		r.errs.Add(diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "this is not a FHIR ConceptMap").WithHint("it has \"resourceType\": \"ConceptMap\""))
		return
	}
	for _, g := range list(cm["group"]) {
		for _, e := range list(g["element"]) {
			code, _ := e["code"].(string)
			for _, t := range list(e["target"]) {
				eq, _ := t["equivalence"].(string)
				to, has := t["code"].(string)
				if code == "" || !has || !slices.Contains(mapped, eq) {
					continue
				}
				if _, dup := m.Entries[code]; !dup {
					m.Entries[code] = to
				}
			}
		}
	}
}

func list(v any) []map[string]any {
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
	return diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "%s", fmt.Sprint(err))
}
