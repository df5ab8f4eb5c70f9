package odoo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// encodeXML writes a methodCall the way Python's xmlrpc.client does, with the members of a struct in the order of their
// names. It fails on what XML-RPC has no word for.
func encodeXML(method string, params []any) ([]byte, error) {
	e := xmlEncoder{}
	e.WriteString("<?xml version='1.0'?>\n<methodCall>\n<methodName>" + method + "</methodName>\n<params>\n")
	for _, p := range params {
		e.WriteString("<param>\n")
		if err := e.value(p, 0); err != nil {
			return nil, err
		}
		e.WriteString("</param>\n")
	}
	e.WriteString("</params>\n</methodCall>\n")
	return e.Bytes(), nil
}

type xmlEncoder struct{ bytes.Buffer }

func (e *xmlEncoder) value(v any, depth int) error {
	if depth > maxXMLDepth {
		return fmt.Errorf("values nest deeper than %d levels", maxXMLDepth)
	}
	switch x := v.(type) {
	case nil:
		e.WriteString("<value><nil/></value>\n")
	case bool:
		e.scalar("boolean", map[bool]string{false: "0", true: "1"}[x])
	case int:
		e.scalar(intWord(int64(x)), strconv.Itoa(x))
	case float64:
		return e.double(json.Number(strconv.FormatFloat(x, 'f', -1, 64)))
	case json.Number:
		if n, err := strconv.ParseInt(string(x), 10, 64); err == nil {
			e.scalar(intWord(n), strconv.FormatInt(n, 10))
			return nil
		}
		return e.double(x)
	case string:
		e.WriteString("<value><string>")
		if err := e.text(x); err != nil {
			return err
		}
		e.WriteString("</string></value>\n")
	case []any:
		e.WriteString("<value><array><data>\n")
		for _, item := range x {
			if err := e.value(item, depth+1); err != nil {
				return err
			}
		}
		e.WriteString("</data></array></value>\n")
	case map[string]any:
		e.WriteString("<value><struct>\n")
		for _, name := range slices.Sorted(maps.Keys(x)) {
			e.WriteString("<member>\n<name>")
			if err := e.text(name); err != nil {
				return err
			}
			e.WriteString("</name>\n")
			if err := e.value(x[name], depth+1); err != nil {
				return err
			}
			e.WriteString("</member>\n")
		}
		e.WriteString("</struct></value>\n")
	default:
		return fmt.Errorf("a value is of a kind that XML-RPC cannot carry")
	}
	return nil
}

func (e *xmlEncoder) scalar(word, text string) {
	e.WriteString("<value><" + word + ">" + text + "</" + word + "></value>\n")
}

// intWord is int where 32 bits do, as every server takes it, and else the i8 of Apache's extension, which Python reads.
func intWord(n int64) string {
	if n >= -1<<31 && n < 1<<31 {
		return "int"
	}
	return "i8"
}

// double writes the digits as they are, without an exponent.
func (e *xmlEncoder) double(n json.Number) error {
	s := string(n)
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("a number is too large for XML-RPC")
	}
	if strings.ContainsAny(s, "eE") {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	e.scalar("double", s)
	return nil
}

// text escapes what XML would change: a carriage return becomes a line feed in every parser.
func (e *xmlEncoder) text(s string) error {
	for _, r := range s {
		switch {
		case r == '&':
			e.WriteString("&amp;")
		case r == '<':
			e.WriteString("&lt;")
		case r == '>':
			e.WriteString("&gt;")
		case r == '\r':
			e.WriteString("&#13;")
		case r == '\t' || r == '\n' || r >= 0x20 && r != 0xFFFE && r != 0xFFFF:
			e.WriteRune(r)
		default:
			return fmt.Errorf("a text has a control character (U+%04X), which XML cannot carry", r)
		}
	}
	return nil
}
