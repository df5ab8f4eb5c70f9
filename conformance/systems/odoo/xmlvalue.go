package odoo

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// appendXML writes a value as Python's xmlrpc.client does. nil has no form.
func appendXML(b *strings.Builder, v any) error {
	switch v := v.(type) {
	case bool:
		fmt.Fprintf(b, "<value><boolean>%d</boolean></value>\n", map[bool]int{true: 1}[v])
	case int64:
		if v > 1<<31-1 || v < -1<<31 {
			return &fault{"builtins.OverflowError", "int exceeds XML-RPC limits"}
		}
		fmt.Fprintf(b, "<value><int>%d</int></value>\n", v)
	case float64:
		fmt.Fprintf(b, "<value><double>%s</double></value>\n", ordered.Float(v))
	case string:
		fmt.Fprintf(b, "<value><string>%s</string></value>\n", xmlEscape(v))
	case []any:
		b.WriteString("<value><array><data>\n")
		for _, e := range v {
			if err := appendXML(b, e); err != nil {
				return err
			}
		}
		b.WriteString("</data></array></value>\n")
	case *ordered.Map:
		b.WriteString("<value><struct>\n")
		for _, k := range v.Keys() {
			fmt.Fprintf(b, "<member>\n<name>%s</name>\n", xmlEscape(k))
			if err := appendXML(b, v.Value(k)); err != nil {
				return err
			}
			b.WriteString("</member>\n")
		}
		b.WriteString("</struct></value>\n")
	default:
		return typeError("cannot marshal None unless allow_none is enabled")
	}
	return nil
}

func xmlEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// expat is a parse error in the words of Python's parser. Its places are exact
// for a document that ends too soon, about right for others.
func expat(text []byte, err error) *fault {
	line := bytes.Count(text, []byte("\n")) + 1
	column := len(text) - (bytes.LastIndexByte(text, '\n') + 1)
	problem := "no element found"
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok && !strings.Contains(syntax.Msg, "unexpected EOF") {
		problem, line, column = "not well-formed (invalid token)", syntax.Line, 0
		if strings.Contains(syntax.Msg, "closed by") {
			problem = "mismatched tag"
		}
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] != '<' {
		problem, line, column = "syntax error", 1, 0
	}
	return &fault{"xml.parsers.expat.ExpatError", fmt.Sprintf("%s: line %d, column %d", problem, line, column)}
}

// parseCall reads a methodCall.
func parseCall(text []byte) (method string, args []any, err error) {
	dec := xml.NewDecoder(bytes.NewReader(text))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if method == "" && !bytes.Contains(text, []byte("<methodName>")) {
				return "", nil, expat(text, io.ErrUnexpectedEOF)
			}
			return method, args, nil
		}
		if err != nil {
			return "", nil, expat(text, err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "methodName":
			if method, err = textOf(dec); err != nil {
				return "", nil, expat(text, err)
			}
		case "value":
			v, err := parseValue(dec)
			if err != nil {
				if f, ok := errors.AsType[*fault](err); ok {
					return "", nil, f
				}
				return "", nil, expat(text, err)
			}
			args = append(args, v)
		}
	}
}

// textOf reads up to the end of the element that has begun.
func textOf(dec *xml.Decoder) (string, error) {
	var b strings.Builder
	for {
		tok, err := dec.Token()
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			b.Write(tok)
		case xml.StartElement:
			if err := dec.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return b.String(), nil
		}
	}
}

// parseValue reads what is in a value element, which has begun.
func parseValue(dec *xml.Decoder) (any, error) {
	var bare strings.Builder
	var v any
	typed := false
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			bare.Write(tok)
		case xml.StartElement:
			typed = true
			if v, err = parseTyped(dec, tok.Name.Local); err != nil {
				return nil, err
			}
		case xml.EndElement:
			if !typed {
				return bare.String(), nil
			}
			return v, nil
		}
	}
}

func parseTyped(dec *xml.Decoder, typ string) (any, error) {
	switch typ {
	case "array":
		return parseArray(dec)
	case "struct":
		return parseStruct(dec)
	}
	text, err := textOf(dec)
	if err != nil {
		return nil, err
	}
	switch typ {
	case "string":
		return text, nil
	case "int", "i4", "i8", "i2", "i1":
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, valueError("invalid literal for int() with base 10: %s", repr(text))
		}
		return n, nil
	case "double":
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil, valueError("could not convert string to float: %s", repr(text))
		}
		return f, nil
	case "boolean":
		return strings.TrimSpace(text) == "1", nil
	case "nil":
		return nil, nil
	case "base64":
		raw, _ := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		return string(raw), nil
	case "dateTime.iso8601": // 20261122T07:01:00, which Odoo takes as a datetime
		t, err := strptime(strings.TrimSpace(text), "%Y%m%dT%H:%M:%S")
		if err != nil {
			return nil, err
		}
		return t.Format(datetime), nil
	}
	return nil, &fault{"xmlrpc.client.ResponseError", "unknown type " + repr(typ)}
}

func parseArray(dec *xml.Decoder) (any, error) {
	list := []any{}
	depth := 1
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if tok.Name.Local != "value" {
				depth++
				continue
			}
			v, err := parseValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		case xml.EndElement:
			if depth--; depth == 0 {
				return list, nil
			}
		}
	}
}

func parseStruct(dec *xml.Decoder) (any, error) {
	m, name, depth := &ordered.Map{}, "", 1
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			switch tok.Name.Local {
			case "name":
				if name, err = textOf(dec); err != nil {
					return nil, err
				}
			case "value":
				v, err := parseValue(dec)
				if err != nil {
					return nil, err
				}
				m.Set(name, v)
			default:
				depth++
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				return m, nil
			}
		}
	}
}
