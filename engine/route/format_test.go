package route

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

func TestFormatsGiveTheTreeThatRulesSee(t *testing.T) {
	for _, c := range []struct {
		format, in string
		want       any
	}{
		{"json", `{"a": 0.10}`, must(`{"a":0.10}`)},
		{"fhir+json", `{"resourceType":"Patient","id":"1"}`, must(`{"resourceType":"Patient","id":"1"}`)},
		{"text", "Grüße\n", "Grüße\n"},
		{"binary", "\x00\xff", "AP8="},
		{"form", "a=1&b=x+y&b=z", must(`{"a":"1","b":["x y","z"]}`)},
		{"csv", "\ufeffcode,name\n1,\"a, b\"\n2,c\n", must(`[{"code":"1","name":"a, b"},{"code":"2","name":"c"}]`)},
		{"xml", `<?xml version="1.0"?><a x="1"><b>t</b><b/><ns:c xmlns:ns="u">m<d/>n</ns:c></a>`,
			must(`{"a":{"@x":"1","b":["t",""],"ns:c":{"@xmlns:ns":"u","#text":"mn","d":""}}}`)},
	} {
		f, ok := findFormat(c.format)
		if !ok {
			t.Fatalf("there is no format %s", c.format)
		}
		got, err := f.parse([]byte(c.in))
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: parse(%q) = %v, %v, want %v", c.format, c.in, got, err, c.want)
		}
	}
}

func TestBodiesThatDoNotParseAreInvalidAndNotQuoted(t *testing.T) {
	for _, c := range [][2]string{
		{"json", `{"secret": }`}, {"json", ""}, {"json", "  "}, {"fhir+json", `{"secret":1}`}, {"fhir+json", `[]`}, {"text", "secret\xff"}, {"form", "secret=%zz"},
		{"csv", ""}, {"csv", "a,b\n1\n"}, {"csv", "a\n\"secret"}, {"xml", "<secret>"}, {"xml", "<a></secret>"}, {"xml", "<a>&secret;</a>"}, {"xml", ""},
		{"json", strings.Repeat("[", 2000)}, {"xml", strings.Repeat("<a>", 2000)},
	} {
		f, _ := findFormat(c[0])
		_, err := f.parse([]byte(c[1]))
		if fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: parse(%.20q) = %v, want invalid", c[0], c[1], err)
		}
		if c[0] != "xml" && err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes the body: %v", c[0], err)
		}
	}
}

func TestPathsOfTranslate(t *testing.T) {
	body := must(`{"a":{"b c":[{"x":"1"},{"x":"2"}]},"n":3}`)
	for in, want := range map[string]string{".n": "3", `.a["b c"][0].x`: `"1"`, `.a."b c"[-1].x`: `"2"`, ".a.nope.deeper": "null", ".": string(encoded(body))} {
		p, _, err := parsePath(in)
		if err != nil {
			t.Errorf("parsePath(%q): %v", in, err)
			continue
		}
		if got := string(encoded(p.get(body))); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	for in, at := range map[string]int{"a": 0, ".a |": 2, ".a[x]": 3, `.a["b`: 2, ".a[": 2, "..": 1} {
		if _, off, err := parsePath(in); err == nil || off != at {
			t.Errorf("parsePath(%q) = offset %d, %v, want an error at %d", in, off, err, at)
		}
	}
	p, _, err := parsePath(`.a["b c"][].x`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.each(body, func(v any) (any, error) { return v.(string) + "!", nil })
	if got, want := string(encoded(out)), `{"a":{"b c":[{"x":"1!"},{"x":"2!"}]},"n":3}`; err != nil || got != want {
		t.Errorf("each = %s, %v, want %s", got, err, want)
	}
	if got := string(encoded(body)); !strings.Contains(got, `"x":"1"`) {
		t.Errorf("the body that was given is changed: %s", got)
	}
}

func must(s string) any {
	v, err := message.Decode([]byte(s))
	if err != nil {
		panic(err)
	}
	return v
}

func encoded(v any) []byte {
	b, err := message.Encode(v)
	if err != nil {
		panic(err)
	}
	return b
}

// FuzzParse feeds every parser; what it accepts must be a tree that can be written as JSON.
func FuzzParse(f *testing.F) {
	for i, s := range []string{`{"a":[1]}`, "a,b\n1,2\n", "<a b='1'>x</a>", "a=1&b=2", "text", "<a><b/></a>"} {
		f.Add(byte(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		p := formats[int(which)%len(formats)]
		v, err := p.parse(in)
		if err != nil {
			if fault.ClassOf(err) != fault.Invalid {
				t.Fatalf("%s: %v is %s, want invalid", p.name, err, fault.ClassOf(err))
			}
			return
		}
		if _, err := message.Encode(v); err != nil {
			t.Fatalf("%s gave a tree that is no JSON: %v", p.name, err)
		}
	})
}

// FuzzPath reads paths; a place that can be read can be written.
func FuzzPath(f *testing.F) {
	for _, s := range []string{".a.b", `.a["x"][0]`, ".a[].b", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, off, err := parsePath(s)
		if err != nil {
			if off < 0 || off > len(s) {
				t.Fatalf("parsePath(%q) stops at %d", s, off)
			}
			return
		}
		for _, seg := range p {
			if seg.kind != 'k' {
				return
			}
		}
		out, err := p.put(nil, "v")
		if err != nil || p.get(out) != "v" {
			t.Fatalf("%q: put then get = %v, %v", s, p.get(out), err)
		}
	})
}
