package route

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/njia-health/njia/engine/fault"
)

// maxXMLDepth bounds nesting.
const maxXMLDepth = 256

// parseXML gives {"NAME": element}: attributes are "@name", text is "#text" (or the element is just its text when it has
// nothing else), a repeated child is a list. A prefix stays part of the name, as it was written. Entities beyond XML's five
// are refused, and so is a document type with its own.
func parseXML(b []byte) (any, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = true
	for {
		t, err := d.RawToken()
		if err != nil {
			return nil, xmlFault(d, err)
		}
		if start, ok := t.(xml.StartElement); ok {
			v, err := xmlElement(d, start, 0)
			if err != nil {
				return nil, xmlFault(d, err)
			}
			return map[string]any{xmlName(start.Name): v}, nil
		}
	}
}

func xmlElement(d *xml.Decoder, start xml.StartElement, depth int) (any, error) {
	if depth > maxXMLDepth {
		return nil, errors.New("nested too deeply")
	}
	out := map[string]any{}
	for _, a := range start.Attr {
		out["@"+xmlName(a.Name)] = a.Value
	}
	var text strings.Builder
	for {
		t, err := d.RawToken()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			v, err := xmlElement(d, t, depth+1)
			if err != nil {
				return nil, err
			}
			name := xmlName(t.Name)
			switch old := out[name].(type) {
			case nil:
				out[name] = v
			case []any:
				out[name] = append(old, v)
			default:
				out[name] = []any{old, v}
			}
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			if t.Name != start.Name {
				return nil, errors.New("<" + xmlName(start.Name) + "> is closed by </" + xmlName(t.Name) + ">")
			}
			s := strings.TrimSpace(text.String())
			if len(out) == 0 {
				return s, nil
			}
			if s != "" {
				out["#text"] = s
			}
			return out, nil
		}
	}
}

func xmlName(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func xmlFault(d *xml.Decoder, err error) error {
	line, col := d.InputPos()
	reason := "it ends too early"
	if !errors.Is(err, io.EOF) {
		reason = strings.TrimPrefix(err.Error(), "XML syntax error on line ")
		if _, after, ok := strings.Cut(reason, ": "); ok && reason[0] >= '0' && reason[0] <= '9' {
			reason = after
		}
	}
	return fault.New(fault.Invalid, "not XML: line %d, column %d: %s", line, col, reason)
}
