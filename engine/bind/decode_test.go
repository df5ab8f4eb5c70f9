package bind_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/rule"
)

// color reads itself.
type color struct{ R, G, B int }

func (c *color) BindNode(n *bind.Node) diag.List {
	if n.Kind != bind.String || n.Text != "red" {
		return diag.List{diag.Errorf(n.Pos, "a color is red")}
	}
	c.R = 255
	return nil
}

type login struct {
	User     string      `yaml:"user,required" doc:"who"`
	Password bind.Secret `yaml:"password" doc:"the word"`
}

type paging struct {
	Size int `yaml:"page-size" doc:"rows at once"`
}

type settings struct {
	URL      string            `yaml:"url,required" doc:"base address"`
	On       bool              `yaml:"on"`
	Count    int               `yaml:"count"`
	Small    int8              `yaml:"small"`
	Port     uint16            `yaml:"port"`
	Ratio    float64           `yaml:"ratio"`
	Every    time.Duration     `yaml:"every" doc:"how often"`
	At       time.Time         `yaml:"at"`
	Max      bind.Size         `yaml:"max"`
	Rate     bind.Rate         `yaml:"rate"`
	Backoff  bind.Range        `yaml:"backoff"`
	Dir      bind.Path         `yaml:"dir"`
	Secret   bind.Secret       `yaml:"secret"`
	Node     *bind.Node        `yaml:"node"`
	Any      any               `yaml:"any"`
	Names    []string          `yaml:"names"`
	Headers  map[string]string `yaml:"headers"`
	Mode     string            `yaml:"mode" enum:"create,update,upsert" doc:"what to do"`
	Modes    []string          `yaml:"modes" enum:"a,b"`
	Login    *login            `yaml:"login" doc:"credentials"`
	Logins   []login           `yaml:"logins"`
	Hosts    map[string]login  `yaml:"hosts"`
	Flag     *bool             `yaml:"flag"`
	Color    color             `yaml:"color"`
	Number   json.Number       `yaml:"number"`
	paging   `yaml:",inline"`
	Untagged string
}

func parse(t *testing.T, src string) *bind.Node {
	t.Helper()
	docs, errs := rule.Parse("a.yaml", []byte(src))
	if len(errs) > 0 || len(docs) > 1 {
		t.Fatalf("%q: %v", src, errs)
	}
	if len(docs) == 0 {
		return nil
	}
	return docs[0]
}

func TestDecode(t *testing.T) {
	yes := true
	for _, c := range []struct {
		name, src string
		into      settings
		want      settings
	}{
		{"text", "url: http://a", settings{}, settings{URL: "http://a"}},
		{"text from a number, as it is written", "url: 1.10", settings{}, settings{URL: "1.10"}},
		{"text from true", "url: true", settings{}, settings{URL: "true"}},
		{"defaults stay", "url: a", settings{Count: 5, Every: time.Second}, settings{URL: "a", Count: 5, Every: time.Second}},
		{"nothing behind a key is nothing said", "url: a\ncount:\nnames: ~\nlogin:", settings{Count: 5}, settings{URL: "a", Count: 5}},
		{"numbers", "url: a\ncount: -3\nsmall: 127\nport: 8080\nratio: 0.5", settings{}, settings{URL: "a", Count: -3, Small: 127, Port: 8080, Ratio: 0.5}},
		{"numbers as text: the environment has only text", "url: a\ncount: '3'\nratio: \"1e3\"\non: 'true'", settings{}, settings{URL: "a", Count: 3, Ratio: 1000, On: true}},
		{"whole numbers written otherwise", "url: a\ncount: 1e3\nport: 10.0", settings{}, settings{URL: "a", Count: 1000, Port: 10}},
		{"the digits of a number", "url: a\nnumber: 1.10", settings{}, settings{URL: "a", Number: "1.10"}},
		{"a duration", "url: a\nevery: 1h30m", settings{}, settings{URL: "a", Every: 90 * time.Minute}},
		{"no duration", "url: a\nevery: 0", settings{Every: 1}, settings{URL: "a"}},
		{"times", "url: a\nat: 2026-01-05T08:00:00+03:00", settings{}, settings{URL: "a", At: time.Date(2026, 1, 5, 5, 0, 0, 0, time.UTC)}},
		{"a date", "url: a\nat: 2026-01-05", settings{}, settings{URL: "a", At: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}},
		{"size, rate, range", "url: a\nmax: 10MB\nrate: 20/s\nbackoff: 2s..15m", settings{}, settings{URL: "a", Max: 10 << 20, Rate: bind.Rate{N: 20, Per: time.Second}, Backoff: bind.Range{From: 2 * time.Second, To: 15 * time.Minute}}},
		{"a list of one", "url: a\nnames: x", settings{Names: []string{"old"}}, settings{URL: "a", Names: []string{"x"}}},
		{"a list", "url: a\nnames: [x, 1]", settings{}, settings{URL: "a", Names: []string{"x", "1"}}},
		{"an empty list", "url: a\nnames: []", settings{Names: []string{"old"}}, settings{URL: "a", Names: []string{}}},
		{"a list of one map", "url: a\nlogins: { user: u }", settings{}, settings{URL: "a", Logins: []login{{User: "u"}}}},
		{"a map over the default's entries", "url: a\nheaders: { b: 2, c: 3 }", settings{Headers: map[string]string{"a": "1", "b": "1"}}, settings{URL: "a", Headers: map[string]string{"a": "1", "b": "2", "c": "3"}}},
		{"a struct behind a pointer", "url: a\nlogin: { user: u, password: p }", settings{}, settings{URL: "a", Login: &login{User: "u", Password: "p"}}},
		{"over the struct behind a pointer", "url: a\nlogin: { password: p }", settings{Login: &login{User: "u"}}, settings{URL: "a", Login: &login{User: "u", Password: "p"}}},
		{"a map of structs", "url: a\nhosts: { x: { user: u } }", settings{}, settings{URL: "a", Hosts: map[string]login{"x": {User: "u"}}}},
		{"a pointer to a scalar", "url: a\nflag: true", settings{}, settings{URL: "a", Flag: &yes}},
		{"inline", "url: a\npage-size: 3", settings{}, settings{URL: "a", paging: paging{3}}},
		{"a type that reads itself", "url: a\ncolor: red", settings{}, settings{URL: "a", Color: color{R: 255}}},
		{"any", "url: a\nany: { a: [1, 1.0, x, null, true] }", settings{}, settings{URL: "a", Any: map[string]any{"a": []any{1, json.Number("1.0"), "x", nil, true}}}},
		{"an enum", "url: a\nmode: upsert\nmodes: [a, b]", settings{}, settings{URL: "a", Mode: "upsert", Modes: []string{"a", "b"}}},
		{"a required default", "count: 1", settings{URL: "set"}, settings{URL: "set", Count: 1}},
		{"a secret that looks like a number", "url: a\nsecret: 0123", settings{}, settings{URL: "a", Secret: "0123"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.into
			if errs := bind.Decode(parse(t, c.src), &got); len(errs) > 0 {
				t.Fatalf("Decode(%q) failed: %v", c.src, errs)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(settings{}), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
				t.Errorf("Decode(%q) (-want +got)\n%s", c.src, diff)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"missing", "on: true", "a.yaml:1:1: url is missing | add url: base address"},
		{"missing with nothing behind it", "url:", "a.yaml:1:1: url is missing | add url: base address"},
		{"an unknown key", "url: a\nevry: 5s", `a.yaml:2:1: there is no setting evry | did you mean "every"?`},
		{"an unknown key far from all", "url: a\nlogin: { user: a, certificate: b }", `a.yaml:2:19: there is no setting login.certificate | one of: password, user`},
		{"an untagged field is no setting", "url: a\nUntagged: b", `a.yaml:2:1: there is no setting Untagged | `},
		{"a list for text", "url: [a]", "a.yaml:1:6: url is text, this is a list | "},
		{"no duration", "url: a\nevery: soon", `a.yaml:2:8: every is a duration such as 15s, this is text "soon" | units are ms, s, m (minutes), h, d and w, as in 1h30m`},
		{"no unit", "url: a\nevery: 15", `a.yaml:2:8: every is a duration such as 15s, this is the number 15 | say which unit: 15s, 15m or 15h`},
		{"a negative duration", "url: a\nevery: -5s", `a.yaml:2:8: every is a duration such as 15s, this is text "-5s" | units are ms, s, m (minutes), h, d and w, as in 1h30m`},
		{"an endless duration", "url: a\nevery: 99999999999h", `a.yaml:2:8: every is a duration such as 15s, this is text "99999999999h" | at most 100 years`},
		{"no size", "url: a\nmax: ten", `a.yaml:2:6: max is a size such as 10MB, this is text "ten" | units are KB, MB and GB`},
		{"no rate", "url: a\nrate: 20", "a.yaml:2:7: rate is a rate such as 20/s, this is the number 20 | write how many in what time: 20/s, 100/m or 1000/h"},
		{"a range the wrong way", "url: a\nbackoff: 15m..2s", `a.yaml:2:10: backoff is a range of durations such as 2s..15m, this is text "15m..2s" | the shorter one comes first`},
		{"no time", "url: a\nat: 5.1.2026", `a.yaml:2:5: at is a time such as 2026-01-05T08:00:00Z, this is text "5.1.2026" | RFC 3339: date, T, time, and Z or an offset such as +03:00`},
		{"yes", "url: a\non: yes", `a.yaml:2:5: on is true or false, this is text "yes" | write true`},
		{"off", "url: a\non: Off", `a.yaml:2:5: on is true or false, this is text "Off" | write false`},
		{"no number", "url: a\ncount: many", `a.yaml:2:8: count is a whole number, this is text "many" | `},
		{"a fraction", "url: a\ncount: 1.5", `a.yaml:2:8: count is a whole number, this is the number 1.5 | `},
		{"too large", "url: a\nsmall: 128", `a.yaml:2:8: small is a whole number from -128 to 127, this is the number 128 | `},
		{"too large for a machine", "url: a\ncount: 99999999999999999999", `a.yaml:2:8: count is a whole number, this is the number 99999999999999999999 | `},
		{"below nothing", "url: a\nport: -1", `a.yaml:2:7: port is a whole number from 0 to 65535, this is the number -1 | `},
		{"not a number", "url: a\nratio: NaN", `a.yaml:2:8: ratio is a number, this is text "NaN" | `},
		{"outside the enum", "url: a\nmode: updaet", `a.yaml:2:7: mode is create, update or upsert, this is text "updaet" | did you mean "update"?`},
		{"outside the enum in a list", "url: a\nmodes: [a, c]", `a.yaml:2:12: modes[1] is a or b, this is text "c" | did you mean "a"?`},
		{"a key required within", "url: a\nlogin: { password: x }", "a.yaml:2:8: login.user is missing | add user: who"},
		{"in a list of structs", "url: a\nlogins: [ { user: u }, {} ]", "a.yaml:2:24: logins[1].user is missing | add user: who"},
		{"in a map of structs", "url: a\nhosts: { x: 5 }", "a.yaml:2:13: hosts.x is a map, this is the number 5 | its keys are user, password"},
		{"text for a map", "url: a\nheaders: x", `a.yaml:2:10: headers is a map, this is text "x" | `},
		{"nothing in a list", "url: a\nnames: [a, ~]", "a.yaml:2:12: names[1] is text, this is nothing | "},
		{"a type that reads itself", "url: a\ncolor: blue", "a.yaml:2:8: a color is red | "},
		{"a secret is never shown", "url: a\nsecret: [hunter2]", "a.yaml:2:9: secret is text, this is a list | "},
		{"a path of nothing", "url: a\ndir: ''", `a.yaml:2:6: dir is a file or folder, this is text "" | `},
		{"long text is not shown", "url: a\nevery: " + strings.Repeat("x", 100), `a.yaml:2:8: every is a duration such as 15s, this is text | units are ms, s, m (minutes), h, d and w, as in 1h30m`},
		{"all at once", "coutn: 1\nevery: x\nmode: y", `a.yaml:1:1: there is no setting coutn | did you mean "count"?
a.yaml:2:8: every is a duration such as 15s, this is text "x" | units are ms, s, m (minutes), h, d and w, as in 1h30m
a.yaml:3:7: mode is create, update or upsert, this is text "y" | 
a.yaml:1:1: url is missing | add url: base address`},
		{"a list for all", "[a]", "a.yaml:1:1: this is a map, this is a list | "},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s settings
			var got []string
			for _, e := range bind.Decode(parse(t, c.src), &s) {
				got = append(got, fmt.Sprintf("%v | %s", e, e.Hint))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("Decode(%q) (-want +got)\n%s", c.src, diff)
			}
		})
	}
}

// TestDecodeValues: values of messages have no place, so errors name the path, and never the value: it may be a patient's.
func TestDecodeValues(t *testing.T) {
	n := bind.FromValue(map[string]any{
		"url": "a", "count": "Jane Doe", "every": "Jane Doe", "mode": "Jane Doe", "login": map[string]any{"password": "Jane Doe", "Jane": 1},
		"logins": []any{map[string]any{"user": []any{"Jane Doe"}}}, "color": "Jane Doe",
	}, "")
	var s settings
	var got []string
	for _, e := range bind.Decode(n, &s) {
		if strings.Contains(e.Text+e.Hint, "Doe") {
			t.Errorf("a value is shown: %v %s", e, e.Hint)
		}
		got = append(got, e.Error())
	}
	want := []string{
		"color: a color is red", "count is a whole number, this is text", "every is a duration such as 15s, this is text",
		"there is no setting login.Jane", "login.user is missing", "logins[0].user is text, this is a list", "mode is create, update or upsert, this is text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got)\n%s", diff)
	}
}

// TestHoles: a value that is known at run time only fits everywhere, and counts as said.
func TestHoles(t *testing.T) {
	n := &bind.Node{Kind: bind.Map}
	for _, k := range []string{"url", "on", "count", "every", "at", "max", "rate", "backoff", "dir", "secret", "any", "names", "headers", "mode", "login", "color", "number"} {
		n.Keys = append(n.Keys, bind.Key{Name: k})
		n.Items = append(n.Items, &bind.Node{Hole: true})
	}
	n.Keys, n.Items = append(n.Keys, bind.Key{Name: "logins"}, bind.Key{Name: "hosts"}), append(n.Items,
		&bind.Node{Kind: bind.List, Items: []*bind.Node{{Hole: true}, {Kind: bind.Map, Keys: []bind.Key{{Name: "user"}}, Items: []*bind.Node{{Hole: true}}}}},
		&bind.Node{Kind: bind.Map, Keys: []bind.Key{{Name: "x"}}, Items: []*bind.Node{{Hole: true}}})
	var s settings
	if errs := bind.Decode(n, &s); len(errs) > 0 {
		t.Errorf("holes do not fit: %v", errs)
	}
	n.Keys[0].Name = "ulr"
	if errs := bind.Decode(n, &s); len(errs) != 2 {
		t.Errorf("a hole under an unknown key: %v", errs)
	}
	if errs := bind.Decode(&bind.Node{Hole: true}, &s); len(errs) > 0 {
		t.Errorf("a hole for everything: %v", errs)
	}
}

func TestPath(t *testing.T) {
	base := filepath.FromSlash("/srv/rules")
	n := parse(t, "url: a\ndir: ../in/x")
	n.Items[1] = &bind.Node{Kind: bind.String, Text: "../in/x", Base: base}
	for _, c := range []struct{ text, base, want string }{
		{"../in/x", base, filepath.FromSlash("/srv/in/x")}, {"in", "", "in"}, {base, "elsewhere", base},
	} {
		var s settings
		n.Items[1] = &bind.Node{Kind: bind.String, Text: c.text, Base: c.base}
		if errs := bind.Decode(n, &s); len(errs) > 0 || string(s.Dir) != c.want {
			t.Errorf("path %q in %q is %q, %v, want %q", c.text, c.base, s.Dir, errs, c.want)
		}
	}
}

// TestShared: Decode changes nothing that the defaults share with other copies of them.
func TestShared(t *testing.T) {
	defaults := settings{URL: "a", Login: &login{User: "u"}, Headers: map[string]string{"a": "1"}, Names: []string{"x", "y"}}
	one := defaults
	if errs := bind.Decode(parse(t, "login: { user: v }\nheaders: { a: 2 }\nnames: [z]"), &one); len(errs) > 0 {
		t.Fatal(errs)
	}
	want := settings{URL: "a", Login: &login{User: "u"}, Headers: map[string]string{"a": "1"}, Names: []string{"x", "y"}}
	if diff := cmp.Diff(want, defaults, cmp.AllowUnexported(settings{})); diff != "" {
		t.Errorf("the defaults changed (-want +got)\n%s", diff)
	}
}

func TestRestAndPos(t *testing.T) {
	var s struct {
		Name string                `yaml:"name"`
		Rest map[string]*bind.Node `yaml:",inline"`
		Pos  diag.Pos
	}
	if errs := bind.Decode(parse(t, "\n\nname: a\nx: 1\ny: [2]"), &s); len(errs) > 0 {
		t.Fatal(errs)
	}
	if len(s.Rest) != 2 || s.Rest["x"].Text != "1" || s.Pos.Line != 3 || s.Pos.Col != 1 {
		t.Errorf("Decode = %+v", s)
	}
}

func TestNil(t *testing.T) {
	var s struct {
		A int `yaml:"a"`
	}
	if errs := bind.Decode(nil, &s); len(errs) > 0 {
		t.Error(errs)
	}
	var need login
	if errs := bind.Decode(nil, &need); len(errs) != 1 {
		t.Error(errs)
	}
}
