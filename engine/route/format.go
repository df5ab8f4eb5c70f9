package route

import (
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// format turns the bytes of a message into the tree that rules see.
type format struct {
	name  string
	parse func([]byte) (any, error)
}

// formats that accept: knows. A source of ndjson or csv gives one message a line or row, already JSON or text.
var formats = []format{
	{"json", parseJSON}, {"ndjson", parseJSON}, {"fhir+json", parseFHIR}, {"csv", parseCSV}, {"xml", parseXML},
	{"form", parseForm}, {"text", parseText}, {"binary", parseBinary},
}

// laterFormats are in the language and not in this program yet.
var laterFormats = []string{"hl7v2", "astm"}

func findFormat(name string) (format, bool) {
	i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
	if i < 0 {
		return format{}, false
	}
	return formats[i], true
}

func formatNames() []string {
	out := make([]string, len(formats))
	for i, f := range formats {
		out[i] = f.name
	}
	return out
}

func parseJSON(b []byte) (any, error) {
	if len(strings.TrimSpace(string(b[:min(len(b), 64)]))) == 0 {
		return nil, fault.New(fault.Invalid, "the body is empty; expected a JSON document")
	}
	v, err := message.Decode(b)
	return v, fault.As(fault.Invalid, err)
}

func parseFHIR(b []byte) (any, error) {
	v, err := parseJSON(b)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if t, _ := m["resourceType"].(string); !ok || t == "" {
		return nil, fault.New(fault.Invalid, "not a FHIR resource: it has no resourceType")
	}
	return v, nil
}

func parseText(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, fault.New(fault.Invalid, "not UTF-8 text; set the source's encoding, or accept: binary")
	}
	return string(b), nil
}

func parseBinary(b []byte) (any, error) { return base64.StdEncoding.EncodeToString(b), nil }

func parseForm(b []byte) (any, error) {
	vs, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, fault.New(fault.Invalid, "not a form: a %%XX escape is broken")
	}
	out := make(map[string]any, len(vs))
	for k, v := range vs {
		if len(v) == 1 {
			out[k] = v[0]
			continue
		}
		out[k] = message.Normal(v)
	}
	return out, nil
}

// parseCSV gives a list of objects by the header's names; a body that is JSON already is a row that the source made.
func parseCSV(b []byte) (any, error) {
	if len(b) > 0 && b[0] == '{' {
		return parseJSON(b)
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(b), "\ufeff")))
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "the CSV is empty; expected a header line")
	}
	rows := []any{}
	for err == nil {
		var rec []string
		if rec, err = r.Read(); err == nil {
			row := make(map[string]any, len(head))
			for i, h := range head {
				row[h] = rec[i]
			}
			rows = append(rows, row)
		}
	}
	if !errors.Is(err, io.EOF) {
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			return nil, fault.New(fault.Invalid, "not CSV: line %d, column %d: %s", pe.Line, pe.Column, pe.Err)
		}
		return nil, fault.As(fault.Invalid, fmt.Errorf("not CSV: %w", err))
	}
	return rows, nil
}

// encode gives the bytes of a body that is sent: JSON, or the text itself of a string.
func encode(v any) (body []byte, mediaType string, err error) {
	if s, ok := v.(string); ok {
		return []byte(s), "text/plain; charset=utf-8", nil
	}
	b, err := message.Encode(v)
	return b, "application/json", err
}
