package odoo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/message"
)

const maxXMLDepth = 64 // arrays and structs within each other; Odoo stays under 10

// decodeXML reads a methodResponse: its value, or the members of its fault. It takes nothing but what XML-RPC and the two
// extensions that Odoo uses (nil, i8) allow.
func decodeXML(b []byte) (value any, flt map[string]any, err error) {
	d := xmlDecoder{xml.NewDecoder(bytes.NewReader(b))}
	if err := d.open("methodResponse"); err != nil {
		return nil, nil, err
	}
	word, err := d.next()
	if err != nil {
		return nil, nil, err
	}
	switch word {
	case "params":
		if err := d.open("param"); err != nil {
			return nil, nil, err
		}
		if value, err = d.member(0); err != nil {
			return nil, nil, err
		}
		if err := d.close("param", "params", "methodResponse"); err != nil {
			return nil, nil, err
		}
		return value, nil, d.end()
	case "fault":
		v, err := d.member(0)
		if err != nil {
			return nil, nil, err
		}
		flt, ok := v.(map[string]any)
		if !ok || flt["faultCode"] == nil {
			return nil, nil, errors.New("a fault without a code")
		}
		if err := d.close("fault", "methodResponse"); err != nil {
			return nil, nil, err
		}
		return nil, flt, d.end()
	}
	return nil, nil, fmt.Errorf("found <%s> where params or fault is expected", word)
}

type xmlDecoder struct{ *xml.Decoder }

// token gives the next tag; white space, comments and processing instructions between tags are left out.
func (d xmlDecoder) token() (xml.Token, error) {
	for {
		t, err := d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		switch x := t.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(x)) > 0 {
				return nil, errors.New("found text where a tag is expected")
			}
		case xml.Directive:
			return nil, errors.New("a document type is not allowed")
		case xml.StartElement, xml.EndElement:
			return t, nil
		}
	}
}

// next gives the name of the tag that opens here.
func (d xmlDecoder) next() (string, error) {
	t, err := d.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(xml.StartElement)
	if !ok {
		return "", fmt.Errorf("found </%s> where a tag should open", t.(xml.EndElement).Name.Local)
	}
	return s.Name.Local, nil
}

func (d xmlDecoder) open(want string) error {
	got, err := d.next()
	if err == nil && got != want {
		err = fmt.Errorf("found <%s> where <%s> is expected", got, want)
	}
	return err
}

func (d xmlDecoder) close(want ...string) error {
	for _, w := range want {
		t, err := d.token()
		if err != nil {
			return err
		}
		if e, ok := t.(xml.EndElement); !ok || e.Name.Local != w {
			return fmt.Errorf("more in <%s> than is allowed", w)
		}
	}
	return nil
}

// end checks that nothing follows.
func (d xmlDecoder) end() error {
	if _, err := d.token(); !errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("something follows after the end")
	}
	return nil
}

// member reads <value>…</value>.
func (d xmlDecoder) member(depth int) (any, error) {
	if err := d.open("value"); err != nil {
		return nil, err
	}
	return d.value(depth)
}

// value reads what is in <value> and its end. Text without a type is a string.
func (d xmlDecoder) value(depth int) (any, error) {
	if depth > maxXMLDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxXMLDepth)
	}
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch x := t.(type) {
		case xml.CharData:
			text.Write(x)
		case xml.EndElement:
			return text.String(), nil
		case xml.Directive:
			return nil, errors.New("a document type is not allowed")
		case xml.StartElement:
			if strings.TrimSpace(text.String()) != "" {
				return nil, errors.New("found text before a type")
			}
			v, err := d.typed(x.Name.Local, depth)
			if err != nil {
				return nil, err
			}
			return v, d.close("value")
		}
	}
}

func (d xmlDecoder) typed(word string, depth int) (any, error) {
	switch word {
	case "array":
		return d.array(depth)
	case "struct":
		return d.structure(depth)
	}
	text, err := d.chars()
	if err != nil {
		return nil, err
	}
	switch word {
	case "string":
		return text, nil
	case "int", "i1", "i2", "i4", "i8":
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, errors.New("an int is no whole number of 64 bits")
		}
		return int(n), nil
	case "boolean":
		switch strings.TrimSpace(text) {
		case "0":
			return false, nil
		case "1":
			return true, nil
		}
		return nil, errors.New("a boolean is 0 or 1")
	case "double":
		return double(strings.TrimSpace(text))
	case "nil":
		if strings.TrimSpace(text) != "" {
			return nil, errors.New("nil has a text")
		}
		return nil, nil
	case "dateTime.iso8601":
		return dateTime(strings.TrimSpace(text))
	case "base64":
		text = strings.Join(strings.Fields(text), "")
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return nil, errors.New("base64 is broken")
		}
		return text, nil
	}
	return nil, fmt.Errorf("<%s> is no type of XML-RPC", word)
}

// chars reads text up to the end of the element.
func (d xmlDecoder) chars() (string, error) {
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch x := t.(type) {
		case xml.CharData:
			text.Write(x)
		case xml.EndElement:
			return text.String(), nil
		case xml.StartElement, xml.Directive:
			return "", errors.New("found a tag where text is expected")
		}
	}
}

func (d xmlDecoder) array(depth int) (any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	out := []any{}
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			return out, d.close("array")
		}
		if s.Name.Local != "value" {
			return nil, fmt.Errorf("found <%s> in an array", s.Name.Local)
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func (d xmlDecoder) structure(depth int) (any, error) {
	out := map[string]any{}
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			return out, nil
		}
		if s.Name.Local != "member" {
			return nil, fmt.Errorf("found <%s> in a struct", s.Name.Local)
		}
		if err := d.open("name"); err != nil {
			return nil, err
		}
		name, err := d.chars()
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, errors.New("a struct has two members of one name")
		}
		if out[name], err = d.member(depth + 1); err != nil {
			return nil, err
		}
		if err := d.close("member"); err != nil {
			return nil, err
		}
	}
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// double keeps the digits where JSON can write them.
func double(s string) (any, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f-f != 0 { // infinite or no number
		return nil, errors.New("a double is no number")
	}
	if jsonNumber.MatchString(s) {
		return message.Number(s), nil
	}
	return message.Normal(json.Number(strconv.FormatFloat(f, 'f', -1, 64))), nil
}

// dateTime gives the time as Odoo writes it elsewhere.
func dateTime(s string) (any, error) {
	for _, layout := range []string{"20060102T15:04:05", "2006-01-02T15:04:05", "20060102T150405"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format("2006-01-02 15:04:05"), nil
		}
	}
	return nil, errors.New("a dateTime is not written 20060102T15:04:05")
}

// oldFault reads the fault code of XML-RPC version 1: the name of an exception, or "warning -- UserError" and its text, or
// the text alone of a program failure whose traceback is the fault string.
func oldFault(code, text string) (name, message string) {
	if rest, ok := strings.CutPrefix(code, "warning -- "); ok {
		name, message, _ = strings.Cut(rest, "\n")
		return strings.TrimSpace(name), strings.TrimSpace(message)
	}
	if code == "AccessDenied" {
		return code, text
	}
	if name, message = exceptionLine(text); name != "" {
		return name, message
	}
	return "", code
}
