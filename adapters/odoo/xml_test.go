package odoo_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/odoo"
)

// genValue makes what a message may hold, without control characters.
func genValue(depth int) *rapid.Generator[any] {
	text := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("ab é☃<>&\"'\t\n\r]]>")), rapid.Rune()).Filter(func(r rune) bool {
		return r >= 0x20 && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
	}))
	return rapid.Custom(func(t *rapid.T) any {
		most := 7
		if depth == 0 {
			most = 5
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int().Draw(t, "int")
		case 3:
			return json.Number(rapid.StringMatching(`-?[1-9][0-9]{0,8}\.[0-9]{1,8}`).Draw(t, "decimal"))
		case 4, 5:
			return text.Draw(t, "text")
		case 6:
			return rapid.SliceOfN(genValue(depth-1), 0, 3).Draw(t, "list")
		}
		return rapid.MapOfN(text, genValue(depth-1), 0, 3).Draw(t, "map")
	})
}

// answerOf is the call as an answer would carry its one parameter.
func answerOf(call []byte) []byte {
	_, rest, _ := strings.Cut(string(call), "<params>")
	return []byte("<?xml version=\"1.0\"?>\n<methodResponse>\n<params>" + strings.Replace(rest, "</methodCall>", "</methodResponse>", 1))
}

func TestXMLRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(3).Draw(t, "value")
		call, err := odoo.EncodeXML("x", []any{v})
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		got, flt, err := odoo.DecodeXML(answerOf(call))
		if err != nil || flt != nil {
			t.Fatalf("decode: %v %v\n%s", flt, err, call)
		}
		if d := cmp.Diff(v, got); d != "" {
			t.Fatalf("not the same: %s\n%s", d, call)
		}
	})
}

func TestXMLNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"0.10": "<double>0.10</double>", "1e3": "<double>1000.0</double>", "2147483647": "<int>2147483647</int>",
		"2147483648": "<i8>2147483648</i8>", "-2147483649": "<i8>-2147483649</i8>", "99999999999999999999": "<double>99999999999999999999.0</double>",
	} {
		b, err := odoo.EncodeXML("x", []any{json.Number(in)})
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s is written %s, %v; want %s", in, b, err, want)
		}
	}
	for _, bad := range []any{"a\x00b", "a\x0bb", "\uFFFE", json.Number("1e999"), make(chan int)} {
		if b, err := odoo.EncodeXML("x", []any{bad}); err == nil {
			t.Errorf("%q is written %s, want an error", bad, b)
		}
	}
}

func TestXMLIsStrict(t *testing.T) {
	wrap := func(s string) string {
		return "<methodResponse><params><param>" + s + "</param></params></methodResponse>"
	}
	for name, in := range map[string]string{
		"nothing":           "",
		"not closed":        "<methodResponse><params>",
		"two parameters":    "<methodResponse><params><param><value>1</value></param><param><value>2</value></param></params></methodResponse>",
		"no parameter":      "<methodResponse><params></params></methodResponse>",
		"a call":            "<methodCall></methodCall>",
		"two types":         wrap("<value><int>1</int><int>2</int></value>"),
		"text beside":       wrap("<value>x<int>1</int></value>"),
		"unknown type":      wrap("<value><float>1</float></value>"),
		"int that is none":  wrap("<value><int>1.5</int></value>"),
		"huge int":          wrap("<value><i8>9223372036854775808</i8></value>"),
		"boolean":           wrap("<value><boolean>true</boolean></value>"),
		"infinite":          wrap("<value><double>inf</double></value>"),
		"no number":         wrap("<value><double>nan</double></value>"),
		"nil with text":     wrap("<value><nil>x</nil></value>"),
		"date":              wrap("<value><dateTime.iso8601>yesterday</dateTime.iso8601></value>"),
		"base64":            wrap("<value><base64>***</base64></value>"),
		"no data":           wrap("<value><array><value>1</value></array></value>"),
		"text in an array":  wrap("<value><array><data>x</data></array></value>"),
		"no name":           wrap("<value><struct><member><value>1</value></member></struct></value>"),
		"name twice":        wrap("<value><struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct></value>"),
		"something follows": wrap("<value>1</value>") + "<x/>",
		"entity":            `<!DOCTYPE x [<!ENTITY a "b">]>` + wrap("<value>&a;</value>"),
		"unknown entity":    wrap("<value>&a;</value>"),
		"fault without":     "<methodResponse><fault><value>1</value></fault></methodResponse>",
		"too deep":          wrap(strings.Repeat("<value><array><data>", 80) + strings.Repeat("</data></array></value>", 80)),
	} {
		if v, flt, err := odoo.DecodeXML([]byte(in)); err == nil {
			t.Errorf("%s: gave %v, %v, want an error", name, v, flt)
		}
	}
	for in, want := range map[string]any{
		"<value>bare</value>":                                                   "bare",
		"<value/>":                                                              "",
		"<value><string></string></value>":                                      "",
		"<value><int> 7 </int></value>":                                         7,
		"<value><i4>7</i4></value>":                                             7,
		"<value><double>1.50</double></value>":                                  json.Number("1.50"),
		"<value><double>+1.5</double></value>":                                  json.Number("1.5"),
		"<value><nil/></value>":                                                 nil,
		"<value><base64>aGk=\n</base64></value>":                                "aGk=",
		"<value><array><data/></array></value>":                                 []any{},
		"<!-- x --><value><struct/></value>":                                    map[string]any{},
		"<value><string>a&#13;b</string></value>":                               "a\rb",
		"<value><dateTime.iso8601>20240501T10:00:00</dateTime.iso8601></value>": "2024-05-01 10:00:00",
	} {
		got, flt, err := odoo.DecodeXML([]byte(wrap(in)))
		if err != nil || flt != nil || !cmp.Equal(got, want) {
			t.Errorf("%s is %#v, %v, %v; want %#v", in, got, flt, err, want)
		}
	}
}

func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte("<methodResponse><params><param><value><array><data><value><int>1</int></value></data></array></value></param></params></methodResponse>"))
	f.Add([]byte("<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>2</int></value></member></struct></value></fault></methodResponse>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, flt, err := odoo.DecodeXML(in)
		if err != nil || flt != nil {
			return
		}
		call, err := odoo.EncodeXML("x", []any{v})
		if err != nil {
			t.Fatalf("%v cannot be written again: %v", v, err)
		}
		again, _, err := odoo.DecodeXML(answerOf(call))
		if err != nil || !cmp.Equal(v, again) {
			t.Fatalf("%v becomes %v, %v", v, again, err)
		}
	})
}

// TestXMLAsPythonWritesIt compares what we send with what Python's own client sent, byte for byte.
func TestXMLAsPythonWritesIt(t *testing.T) {
	same := 0
	for _, x := range exchanges(t) {
		if !strings.Contains(x.path, "xmlrpc") || !strings.Contains(string(x.request), "</methodCall>") {
			continue
		}
		_, rest, _ := strings.Cut(string(x.request), "<methodName>")
		method, _, _ := strings.Cut(rest, "</methodName>")
		// The parameters, read by our decoder as the items of one array.
		_, params, _ := strings.Cut(string(x.request), "<params>")
		params, _, _ = strings.Cut(params, "</params>")
		params = strings.NewReplacer("<param>", "", "</param>", "").Replace(params)
		v, _, err := odoo.DecodeXML([]byte("<methodResponse><params><param><value><array><data>" + params + "</data></array></value></param></params></methodResponse>"))
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		got, err := odoo.EncodeXML(method, v.([]any))
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		if string(got) == string(x.request) {
			same++
			continue
		}
		// The members of a struct stand in another order there: the lines are the same.
		if d := cmp.Diff(sortedLines(string(x.request)), sortedLines(string(got))); d != "" {
			t.Errorf("%s: %s", x.name, d)
		}
	}
	if same < 20 {
		t.Errorf("%d requests are the same to the byte, want at least 20", same)
	}
}
