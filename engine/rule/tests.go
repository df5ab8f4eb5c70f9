package rule

import (
	"regexp"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
)

// test decodes a rule test.
func (r *reader) test(d Doc) *Test {
	n := d.Node
	t := &Test{Doc: d}
	r.known(n, "a test", "test", "about", "route", "given", "expect", "turns")
	if rt := n.Get("route"); rt != nil {
		t.Route = r.text(rt, "route")
	} else {
		r.errs.Add(diag.Errorf(d.Pos, "this test names no route").WithHint("add route: NAME"))
	}
	if turns := n.Get("turns"); turns != nil {
		if turns.Kind != bind.List {
			r.at(turns, "turns is a list of given and expect, this is %s", turns.Kind)
			return t
		}
		for _, item := range turns.Items {
			if item.Kind != bind.Map {
				r.at(item, "a turn is a map of given and expect, this is %s", item.Kind)
				continue
			}
			r.known(item, "a turn", "given", "expect", "about")
			t.Turns = append(t.Turns, r.turn(&t.Doc, item))
		}
		if n.Get("given") != nil || n.Get("expect") != nil {
			r.errs.Add(diag.Errorf(turns.Pos, "a test has turns, or given and expect, not both"))
		}
		return t
	}
	t.Turns = []Turn{r.turn(&t.Doc, n)}
	return t
}

func (r *reader) turn(d *Doc, n *bind.Node) Turn {
	t := Turn{Pos: n.Pos}
	if g := n.Get("given"); g != nil {
		t.Given = r.given(d, g)
	}
	e := n.Get("expect")
	if e == nil {
		r.errs.Add(diag.Errorf(n.Pos, "this expects nothing").WithHint("add expect: { outcome: delivered }"))
		return t
	}
	if e.Kind != bind.Map {
		r.at(e, "expect is a map, this is %s", e.Kind)
		return t
	}
	if n := e.Get("reply"); n != nil {
		r.known(n, "reply", "status", "body", "headers", "type")
	}
	for _, key := range []string{"sent", "calls"} {
		if n := e.Get(key); n != nil {
			for _, item := range append([]*bind.Node{n}, n.Items...) {
				r.known(item, key, "to", "call", "with", "body", "exactly")
			}
		}
	}
	r.known(e, "expect", "outcome", "class", "error", "sent", "calls", "reply", "body", "vars", "key", "id", "exactly")
	x := Expect{Pos: e.Pos, Sent: e.Get("sent"), Calls: e.Get("calls"), Reply: e.Get("reply"), Body: e.Get("body"), Vars: e.Get("vars")}
	if o := e.Get("outcome"); o != nil {
		x.Pos = o.Pos
		x.Outcome = r.word(o, "outcome", "received", "processing", "delivered", "filtered", "duplicate", "held", "retrying", "dead", "discarded")
	}
	x.Class = r.word(e.Get("class"), "class", classNames()...)
	x.Error = r.text(e.Get("error"), "error")
	x.Key, x.ID = r.text(e.Get("key"), "key"), r.text(e.Get("id"), "id")
	into(r, e.Get("exactly"), "exactly", &x.Exactly)
	x.Sent, x.Calls, x.Body, x.Reply = r.fill(d, x.Sent), r.fill(d, x.Calls), r.fill(d, x.Body), r.fill(d, x.Reply)
	t.Expect = x
	return t
}

// fill replaces body: FILE in an expectation by the file's JSON.
func (r *reader) fill(d *Doc, n *bind.Node) *bind.Node {
	if n == nil {
		return nil
	}
	if isJSON(n) {
		v, ok := r.json(d, n)
		if !ok {
			return n
		}
		f := bind.FromValue(v, "")
		put(f, n.Pos)
		return f
	}
	if n.Kind != bind.List && n.Kind != bind.Map {
		return n
	}
	out := *n
	out.Items = make([]*bind.Node, len(n.Items))
	for i, item := range n.Items {
		out.Items[i] = item
		if n.Kind == bind.List || n.Keys[i].Name == "body" {
			out.Items[i] = r.fill(d, item)
		}
	}
	return &out
}

func put(n *bind.Node, pos diag.Pos) {
	n.Pos = pos
	for i := range n.Keys {
		n.Keys[i].Pos = pos
	}
	for _, i := range n.Items {
		put(i, pos)
	}
}

// aFile is a text that names a file rather than being a text itself.
var aFile = regexp.MustCompile(`^[\p{L}\p{N}_./@-]*[\p{L}\p{N}_-]\.(json|ndjson|xml|hl7|csv|txt|astm|edi|bin|form)$`)

func isFile(n *bind.Node) bool { return n.Kind == bind.String && aFile.MatchString(n.Text) }

func isJSON(n *bind.Node) bool { return isFile(n) && strings.HasSuffix(n.Text, ".json") }

// json reads a file that a test names.
func (r *reader) json(d *Doc, n *bind.Node) (any, bool) {
	src, file, err := r.open(d, n.Pos.File, n.Text)
	if err != nil {
		r.at(n, "%v", err)
		return nil, false
	}
	v, err := message.Decode(src)
	if err != nil {
		r.errs.Add(placed(file, err))
		return nil, false
	}
	return v, true
}

// bytes are those of a file that a test names.
func (r *reader) bytes(d *Doc, n *bind.Node) []byte {
	src, _, err := r.open(d, n.Pos.File, n.Text)
	if err != nil {
		r.at(n, "%v", err)
		return nil
	}
	return src
}

// value is a plain value, or what a file holds: JSON, or text.
func (r *reader) value(d *Doc, n *bind.Node) any {
	switch {
	case isJSON(n):
		v, _ := r.json(d, n)
		return v
	case isFile(n):
		return string(r.bytes(d, n))
	}
	return n.Value()
}

// body reads the message of a turn: a file or a value as message: or body:, or bytes as raw:.
func (r *reader) body(d *Doc, n *bind.Node, g *Given) {
	first := ""
	for _, key := range []string{"message", "body", "raw"} {
		v := n.Get(key)
		if v == nil {
			continue
		}
		if first != "" {
			r.errs.Add(diag.Errorf(v.Pos, "a turn gives one message, and this one has %s already", first))
			return
		}
		first, g.HasBody = key, true
		switch {
		case isFile(v):
			g.Raw = r.bytes(d, v)
			if isJSON(v) && key != "raw" {
				g.Body, _ = r.json(d, v)
			}
		case key == "raw":
			g.Raw = []byte(r.text(v, "raw"))
		default:
			g.Body = v.Value()
		}
	}
}

func (r *reader) given(d *Doc, n *bind.Node) Given {
	var g Given
	if n.Kind != bind.Map {
		r.at(n, "given is a map, this is %s", n.Kind)
		return g
	}
	r.known(n, "given", "message", "body", "raw", "event", "headers", "time", "id", "calls", "vars", "settings")
	g.settings = n.Get("settings")
	r.body(d, n, &g)
	g.Event = r.word(n.Get("event"), "event", "create", "update", "delete")
	into(r, n.Get("headers"), "headers", &g.Headers)
	g.ID = r.text(n.Get("id"), "id")
	into(r, n.Get("time"), "time", &g.Time)
	if v := n.Get("vars"); v != nil {
		g.Vars, _ = v.Value().(map[string]any)
	}
	if c := n.Get("calls"); c != nil {
		for _, item := range c.Items {
			if c.Kind == bind.List {
				g.Calls = append(g.Calls, r.givenCall(d, item))
			}
		}
		if c.Kind != bind.List {
			r.at(c, "calls is a list, this is %s", c.Kind)
		}
	}
	return g
}

func (r *reader) givenCall(d *Doc, n *bind.Node) GivenCall {
	g := GivenCall{Pos: n.Pos}
	if n.Kind != bind.Map {
		r.at(n, "a given call is a map, this is %s", n.Kind)
		return g
	}
	r.known(n, "a given call", "call", "to", "with", "body", "returns", "status", "fails", "times")
	g.Call = r.text(n.Get("call"), "call")
	if g.Call == "" {
		g.Call = r.text(n.Get("to"), "to")
	}
	if g.Call == "" {
		r.at(n, "this given call names no operation").Hint = "write call: SYSTEM.OPERATION"
	}
	g.With, g.Body = n.Get("with"), n.Get("body")
	if v := n.Get("returns"); v != nil {
		g.Returns = r.value(d, v)
	}
	into(r, n.Get("status"), "status", &g.Status)
	into(r, n.Get("times"), "times", &g.Times)
	if f := n.Get("fails"); f != nil {
		var gf GivenFault
		into(r, f, "fails", &gf)
		if gf.Class != "" && !isClass(gf.Class) {
			r.at(f.Get("class"), "%q is no failure class", gf.Class).Hint = diag.DidYouMean(gf.Class, classNames())
		}
		g.Fails = &gf
		if n.Get("returns") != nil {
			r.at(f, "a given call returns or fails, not both")
		}
	}
	return g
}
