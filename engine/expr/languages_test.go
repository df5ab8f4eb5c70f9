package expr_test

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

const order = `{"status":"active","intent":"order","n":3,"zero":0,"d":0.10,"long":1.000,"big":123456789012345678901234567890,"bigger":123456789012345678901234567891,
	"int53":9007199254740993,"list":[1,2,3],"null":null,"empty":[],"active":true,"for":{"reference":"Patient/1"},"a-b":{"in":1},
	"name":[{"use":"official","given":["Amina","Wanjiru"],"family":"Otieno"},{"use":"old","family":"Kamau"}]}`

func scope(tb testing.TB) *expr.Scope {
	tb.Helper()
	body, err := message.Decode([]byte(order))
	if err != nil {
		tb.Fatal(err)
	}
	return &expr.Scope{Body: body, Headers: map[string]any{"change": "7"}, Vars: map[string]any{"patient": map[string]any{"id": "p1"}},
		Meta:     map[string]any{"time": "2026-01-05T08:00:00.500Z", "route": "orders", "attempt": 1, "event": nil},
		Settings: map[string]any{"line-key": "x", "every": "15s"}, Error: map[string]any{"class": "rejected", "status": 404}, Status: 417}
}

func TestGuards(t *testing.T) {
	c, s := compiler(), scope(t)
	for src, want := range map[string]bool{
		`true`: true, `false`: false, `body.status == "active" && body.intent == "order"`: true,
		// absent is null, at any depth and through anything
		`body.nope == null`: true, `body.nope.a.b[3].c == null`: true, `body["null"].a == null`: true, `body.status.a == null`: true, `body.nope == "x"`: false,
		`body.nope != "x"`: true, `body.nope == 3`: false, `body.name[7].family == null`: true, `body.name[7] == null`: true, `vars.nope.id == null`: true, `vars.patient.id == "p1"`: true,
		`body["a-b"]["in"] == 1`: true, `body["nope"]["in"] == null`: true, `body.for.reference == "Patient/1"`: true, `headers.nope == null`: true, `headers["change"] == "7"`: true,
		// an absent list is empty
		`body.nope.exists(x, x == 1)`: false, `body.nope.all(x, x == 1)`: true, `size(body.nope) == 0`: true, `body.nope.size() == 0`: true, `body.nope.filter(x, true) == []`: true,
		`size(body.nope.map(x, x)) == 0`: true, `body.nope.exists_one(x, true)`: false, `1 in body.nope`: false, `2 in body.list`: true, `"status" in body`: true, `body["null"].exists(x, true)`: false,
		`body.name.exists(n, n.given.exists(g, g == "Wanjiru"))`: true, `body.name.exists(n, n.nope.exists(g, g == "x"))`: false, `body.name.all(n, n.family != null)`: true,
		// has tells
		`has(body.status)`: true, `has(body.nope)`: false, `has(body.nul.x)`: false, `has(body.nope.a)`: false, `has(body.status.a)`: false, `has(body.name[0].family)`: true, `has(body.name[9].family)`: false,
		// an implementer's own optionals stay optional
		`body.?nope.?a.orValue("x") == "x"`: true, `body.?status.orValue("x") == "active"`: true, `body.?name[0].?family.hasValue()`: true, `body.name[?9].hasValue()`: false, `optional.of(body.n).value() == 3`: true,
		// numbers
		`body.n == 3.0`: true, `body.n > 2.5`: true, `body.d == 0.1`: true, `body.long == 1`: true, `body.d < 0.11`: true, `body.big < body.bigger`: true, `body.big == body.bigger`: false, `body.big != body.bigger`: true,
		`body.big == body.big`: true, `5 < body.big`: true, `body.big > 5`: true, `body.int53 == 9007199254740993`: true, `body.int53 == 9007199254740992`: false, `body.n + 1 == 4`: true, `body.n * 2 >= 6`: true, `body.d + 1.0 == 1.1`: true, `1.0 + body.d == 1.1`: true,
		`body.n == "3"`: false, `string(body.n) == "3"`: true, `string(body.big) == "123456789012345678901234567890"`: true, `int("3") == body.n`: true, `math.greatest(body.n, 5) == 5`: true,
		// texts, lists, maps
		`body.status.startsWith("act")`: true, `body.status.matches("^a.*e$")`: true, `body.status > "aaa"`: true, `body.status.upperAscii() == "ACTIVE"`: true, `body.status.replace("a", "o") == "octive"`: true, `body.name[0].given.join(" ") == "Amina Wanjiru"`: true,
		`body.list == [1, 2, 3]`: true, `body.name[1] == {"use": "old", "family": "Kamau"}`: true, `sets.contains(body.list, [2])`: true, `body.list.map(x, x * 2).exists(y, y == 6)`: true, `cel.bind(x, body.status, x == "active")`: true,
		`body.active`: true, `!body.active`: false, `body.active ? true : false`: true, `true || body.nope.startsWith("x")`: true, `body.nope == null || body.nope.startsWith("x")`: true,
		// names
		`now == "2026-01-05T08:00:00.500Z"`: true, `meta.route == "orders"`: true, `meta.event == null`: true, `settings["line-key"] == "x"`: true, `settings.every == "15s"`: true,
		`date_diff("2026-01-01", now, "d") == 4`: true, `body.list.exists(i, lookup("units", "kg") == "kilogram")`: true, `code(body.nope, "x") == null`: true,
		`body.list.transformList(i, v, v + i) == [1, 3, 5]`: true, `body.list.exists(i, v, v == 3)`: true,
	} {
		g, errs := c.Guard(text(src), expr.InRoute)
		if errs.Failed() {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		if got, err := g.Eval(context.Background(), s); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", src, got, err, want)
		}
	}
}

func TestNamesByPlace(t *testing.T) {
	c, s := compiler(), scope(t)
	for _, w := range []struct {
		where          expr.Where
		guard, jq, tpl string
	}{
		{expr.InRescue, `error.class == "rejected" && (error.status == 404 || error.status == 410)`, `$error.status == 404`, `${error.class == "rejected"}`},
		{expr.InAnswer, `status == 417 && body.status == "active"`, `$status == 417 and .status == "active"`, `${status == 417}`},
		{expr.InRoute, `meta.attempt == 1`, `$meta.attempt == 1`, `${meta.attempt == 1}`},
	} {
		g, errs := c.Guard(text(w.guard), w.where)
		if errs.Failed() {
			t.Fatal(errs)
		}
		if ok, err := g.Eval(context.Background(), s); !ok || err != nil {
			t.Errorf("%s: %v, %v", w.guard, ok, err)
		}
		p, errs := c.JQ(text(w.jq), "", w.where)
		if errs.Failed() {
			t.Fatal(errs)
		}
		if out, err := p.Run(context.Background(), s); err != nil || !cmp.Equal(out, []any{true}) {
			t.Errorf("%s: %v, %v", w.jq, out, err)
		}
		tpl, errs := c.Template(text(w.tpl), w.where)
		if errs.Failed() {
			t.Fatal(errs)
		}
		if v, err := tpl.Eval(context.Background(), s); err != nil || v != true {
			t.Errorf("%s: %v, %v", w.tpl, v, err)
		}
	}
}

func TestJQ(t *testing.T) {
	c, s := compiler(), scope(t)
	for src, want := range map[string]string{
		`.d, .long, .big, .int53`:                                      `[0.10,1.000,123456789012345678901234567890,9007199254740993]`,
		`.n * 1.0, .big + 1, 10000000000000000000000 * 2, .d + 0, -.n`: `[3,123456789012345678901234567891,20000000000000000000000,0.1,-3]`,
		`{a: .d, b: [.n * 2.0, .long]}`:                                `[{"a":0.10,"b":[6,1.000]}]`,
		`.a.b.c, .null.x, .name[9].family`:                             `[null,null,null]`,
		`empty`:                                                        `[]`,
		`1, halt, 2`:                                                   `[1]`,
		`infinite, nan`:                                                `[1.7976931348623157e+308,null]`,
		`now, (now | date), $meta.time`:                                `[1767600000.5,"2026-01-05T08:00:00.500Z","2026-01-05T08:00:00.500Z"]`,
		`[1 | toarray], have_decnum, ("abc" | ltrimstr("a")), ("x" | debug("y"))`: `[[[1]],false,"bc","x"]`,
		`$__loc__`:                 `[{"file":"a.yaml","line":1}]`,
		`.list | map(. * 2) | add`: `[12]`,
		`"x" * 3, "x" * .n, .n * 1000000, ({a: 1} * {b: 2}), ("x" * .n | length)`:        `["xxx","xxx",3000000,{"a":1,"b":2},3]`,
		`.list[.n - 1], .["a-b"].in, (. as $b | "status" | $b[.])`:                       `[3,1,"active"]`,
		`.list[.n + 1] = 5 | .list`:                                                      `[[1,2,3,null,5]]`,
		`setpath(["list", 0]; 9) | .list`:                                                `[[9,2,3]]`,
		`path(.list[.n - 1]), [paths(type == "boolean")]`:                                `[["list",2],[["active"]]]`,
		`.name[] |= (.family |= ascii_upcase) | .name[0].family`:                         `["OTIENO"]`,
		`def lookup($m; $k): "mine"; lookup("nope"; 1)`:                                  `["mine"]`,
		`def now: "mine"; now`:                                                           `["mine"]`,
		`try error("x") catch ., (try error({a: 1}) catch .a)`:                           `["x",1]`,
		`try date("nope") catch "no date"`:                                               `["no date"]`,
		`.status | test("^a"), [scan("[ae]")], sub("a(?<x>.)"; "<\(.x)>")`:               `[true,["a","e"],"<c>tive"]`,
		`.status as $p | "active" | test($p)`:                                            `[true]`,
		`[.name[] as {$family, given: [$g]} ?// $family | $family]`:                      `[["Otieno","Kamau"]]`,
		`label $out | .list[] | if . > 1 then ., break $out else . end`:                  `[1,2]`,
		`reduce .list[] as $x (0; . + $x), [foreach .list[] as $x (0; . + $x; [., $x])]`: `[6,[[1,1],[3,2],[6,3]]]`,
		`[limit(2; repeat(1))], first(range(10; infinite)), ([range(5)] | length)`:       `[[1,1],10,5]`,
		`@base64 "a\(.n)", (@json "\(.d)"), ({(.status): 1, "x\(.n)": 2, $meta}.x3)`:     `["aMw==","0.10",2]`,
		`if .n > 2 then "big" elif .n > 1 then "mid" else "small" end`:                   `["big"]`,
		`.. | numbers | select(. == 3)`:                                                  `[3,3]`,
		`limit(1; .list[]), getpath(["name", 0, "family"]), .status`:                     `[1,"Otieno","active"]`,
		`$settings["line-key"], $settings.every, $vars.patient.id, $headers.change`:      `["x","15s","p1","7"]`,
		`. as [$a] | $a`: ``, // a fault
	} {
		p, errs := c.JQ(text(src), "", expr.InRoute)
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		got, err := p.Run(context.Background(), s)
		if want == "" {
			if fault.ClassOf(err) != fault.Bug {
				t.Errorf("%s: %v, %v, want a fault", src, got, err)
			}
			continue
		}
		b, _ := message.Encode(got)
		if err != nil || string(b) != want {
			t.Errorf("%s gives %s, %v, want %s", src, b, err, want)
		}
	}
}

// What a program gives may be part of the message: it must not be changed, and numbers of other Go types are put right.
func TestJQDoesNotChangeTheMessage(t *testing.T) {
	s := scope(t)
	s.Body.(map[string]any)["odd"] = []any{1.0, big.NewInt(7), map[string]any{"x": 2.0}}
	before, _ := message.Encode(s.Body)
	p, errs := compiler().JQ(text(`., (.name[0].family = "X"), (.list[0] |= . + 1), del(.name)`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	out, err := p.Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	after, _ := message.Encode(s.Body)
	if string(before) != string(after) {
		t.Errorf("the body was\n%s\nand is\n%s", before, after)
	}
	if _, still := s.Body.(map[string]any)["odd"].([]any)[0].(float64); !still {
		t.Error("the body's own values were put right in place")
	}
	if d := cmp.Diff([]any{1, 7, map[string]any{"x": 2}}, out[0].(map[string]any)["odd"]); d != "" {
		t.Errorf("numbers of the result (-want +got):\n%s", d)
	}
}

func TestTemplates(t *testing.T) {
	c, s := compiler(), scope(t)
	for src, want := range map[string]any{
		`plain`: "plain", ``: "", `$${body.n}`: "${body.n}", `a $${x} ${body.n}`: "a ${x} 3", `$5 and $$`: "$5 and $$", `}{`: "}{",
		`${body.n}`: 3, `${body.d}`: json.Number("0.10"), `x${body.d}`: "x0.10", `${body.big}`: json.Number("123456789012345678901234567890"), "${body.n}\n": 3, " ${body.n}": " 3",
		`${body.nope}`: nil, `${body.nope.a.b[3].c}`: nil, `${body.nope ?? "none"}`: "none", `${body?.nope?.a}`: nil, `${body.status.a}`: nil, `x${body.nope ?? ""}`: "x", `${body.name[-1].family}`: "Kamau",
		`${body.active}`: true, `a${body.active}`: "atrue", `${body.list}`: []any{1, 2, 3}, `${body["a-b"]["in"]}`: 1, `${body.for.reference}/${body.n}`: "Patient/1/3",
		`${body.n + 1}`: 4, `${body.n * 2}`: 6, `${body.d * 3}`: json.Number("0.3"), `${body.d + 0.2}`: json.Number("0.3"), `${body.n / 2}`: json.Number("1.5"), `${1 / 3.0}`: 1.0 / 3,
		`${body.big + 1}`: json.Number("123456789012345678901234567891"), `${-body.n}`: -3, `${body.n % 2}`: 1, `${2 ** 10}`: 1024, `${body.n == 3.0}`: true, `${body.d == 0.1}`: true, `${body.big < body.bigger}`: true, `${body.n == "3"}`: false,
		`${"njia." + string(body.n)}`: "njia.3", `${settings["line-key"] == "" ? "njia." + body.nope : ""}`: "", `${body.n > 2 ? "big" : "small"}`: "big", `${body.n > 2 && body.active}`: true, `${not body.active}`: false,
		`${2 in body.list}`: true, `${"x" in body.nope}`: false, `${body.status matches "^a"}`: true, `${body.status contains "ti"}`: true, `${body.nope contains "x"}`: false, `${body.status startsWith "act"}`: true, `${body.status not in ["a"]}`: true,
		`${filter(body.name, .use == "old")[0].family}`: "Kamau", `${map(body.list, # * 2)}`: []any{2, 4, 6}, `${any(body.nope, # == 1)}`: false, `${all(body.nope, # == 1)}`: true, `${count(body.list, # > 1)}`: 2, `${find(body.name, .use == "official").family}`: "Otieno",
		`${sum(body.list)}`: 6, `${reduce(body.list, #acc + #, 10)}`: 16, `${body.name[0].given | join(" ") | upper()}`: "AMINA WANJIRU", `${join(map(body.name, .family), ", ")}`: "Otieno, Kamau", `${sortBy(body.name, .family)[0].family}`: "Kamau",
		`${len(body.list)}`: 3, `${len("äö")}`: 2, `${len(body.nope)}`: 0, `${first(body.list)}`: 1, `${last(body.list)}`: 3, `${last(body.nope)}`: nil, `${take(body.list, 2)}`: []any{1, 2}, `${reverse(body.list)}`: []any{3, 2, 1}, `${body.list[1:]}`: []any{2, 3}, `${body.status[0:3]}`: "act", `${1..3}`: []any{1, 2, 3},
		`${upper(body.nope)}`: nil, `${trim("  x ")}`: "x", `${split("a,b", ",")}`: []any{"a", "b"}, `${replace("a-b", "-", "")}`: "ab", `${round(2.5)}`: 3, `${round(-2.5)}`: -3, `${floor(-2.5)}`: -3, `${ceil(2.1)}`: 3, `${abs(-2)}`: 2, `${int("12") + 1}`: 13, `${int(2.9)}`: 2, `${float("1.50")}`: json.Number("1.5"), `${max(1, 3, 2)}`: 3, `${min(body.list)}`: 1,
		`${toJSON(body.name[1])}`: `{"family":"Kamau","use":"old"}`, `${fromJSON("{\"a\": 1.00}").a}`: json.Number("1.00"), `${toBase64("a")}`: "YQ==", `${fromBase64("YQ==")}`: "a", `${keys({"b": 1, "a": 2})}`: []any{"a", "b"}, `${values({"b": 1, "a": 2})}`: []any{2, 1}, `${{"a": body.n}}`: map[string]any{"a": 3}, `${[body.n]}`: []any{3},
		`${let x = body.n; x * 2}`: 6, `${if body.n > 1 {"a"} else {"b"}}`: "a", `${now}`: "2026-01-05T08:00:00.500Z", `${now()}`: "2026-01-05T08:00:00.500Z", `${uniq([1, 1, 2])}`: []any{1, 2}, `${flatten([[1], [2, 3]])}`: []any{1, 2, 3}, `${concat([1], body.nope, [2])}`: []any{1, 2}, `${groupBy(body.name, .use)["old"][0].family}`: "Kamau", `${type(body.n)}`: "number",
		`${"}"}`: "}", `${'a"}'}x`: `a"}x`, `${ {"a": {"b": 1}}["a"]["b"] }`: 1,
	} {
		tpl, errs := c.Template(text(src), expr.InRoute)
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		got, err := tpl.Eval(context.Background(), s)
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s gives %#v, %v, want %#v", src, got, err, want)
		}
	}
}

func TestTree(t *testing.T) {
	str := func(s string) *bind.Node { return &bind.Node{Kind: bind.String, Text: s, Exact: true} }
	num := func(s string) *bind.Node { return &bind.Node{Kind: bind.Number, Text: s, Exact: true} }
	mapping := func(kv ...any) *bind.Node {
		n := &bind.Node{Kind: bind.Map}
		for i := 0; i < len(kv); i += 2 {
			n.Keys = append(n.Keys, bind.Key{Name: kv[i].(string)})
			n.Items = append(n.Items, kv[i+1].(*bind.Node))
		}
		return n
	}
	list := func(items ...*bind.Node) *bind.Node { return &bind.Node{Kind: bind.List, Items: items} }
	n := mapping("path", str("Patient/${body.n}"), "n", num("2.50"), "none", &bind.Node{}, "list", list(str("a"), str("${body.list}"), mapping("jq", str(".name[0].family"))),
		"jq", mapping("jq", str("[.n]"), "other", num("1")), "empty", list(), "emptymap", mapping(), "escaped", str("$${x}"), "nothing", mapping("jq", str("empty")))
	tree, errs := compiler().Tree(n, "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	got, err := tree.Eval(context.Background(), scope(t))
	want := map[string]any{"path": "Patient/3", "n": json.Number("2.50"), "none": nil, "list": []any{"a", []any{1, 2, 3}, "Otieno"},
		"jq": map[string]any{"jq": "[.n]", "other": 1}, "empty": []any{}, "emptymap": map[string]any{}, "escaped": "${x}", "nothing": nil}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	holes := tree.Holes()
	for path, want := range map[string]bool{"path": true, "n": false, "list": false, "escaped": false, "nothing": true, "empty": false} {
		if holes.Get(path).Hole != want {
			t.Errorf("hole at %s: %v, want %v", path, !want, want)
		}
	}
	if l := holes.Get("list").Items; l[0].Hole || !l[1].Hole || !l[2].Hole || holes.Get("escaped").Text != "${x}" || tree.Static() {
		t.Errorf("holes in the list: %v %v %v, static %v", l[0].Hole, l[1].Hole, l[2].Hole, tree.Static())
	}
	static, errs := compiler().Tree(mapping("a", num("1")), "", expr.InRoute)
	if errs.Failed() || !static.Static() {
		t.Errorf("a tree without expressions is static: %v", errs)
	}
	if none, errs := compiler().Tree(nil, "", expr.InRoute); errs.Failed() || !none.Static() {
		t.Errorf("no with is a static null: %v", errs)
	}
}

func TestStatic(t *testing.T) {
	env := func(name string) (string, bool) {
		return map[string]string{"URL": "http://x", "EMPTY": ""}[name], name == "URL" || name == "EMPTY"
	}
	secret := func(name string) (string, bool) { return "s3cret", name == "pw" || name == "odoo-pw" }
	for src, want := range map[string]string{
		`plain`: "plain", `${env.URL}/fhir`: "http://x/fhir", `${secret.pw}`: "s3cret", `${secret["odoo-pw"]}`: "s3cret", `${secret.odoo-pw}`: "s3cret", `${env.NOPE ?? "d"}`: "d", `${env.NOPE ?? 'd'}`: "d",
		`${env.URL ?? "d"}`: "http://x", `${env.EMPTY ?? "d"}`: "", `$${env.URL}`: "${env.URL}", `${ env.URL }`: "http://x", `${env.A ?? ""}`: "",
	} {
		in := &bind.Node{Kind: bind.Map, Keys: []bind.Key{{Name: "a"}}, Items: []*bind.Node{{Kind: bind.String, Text: src, Exact: true}}}
		out, errs := expr.Static(in, env, secret)
		if errs.Failed() || out.Get("a").Text != want || out.Get("a").Kind != bind.String {
			t.Errorf("Static(%s) = %q, %v, want %q", src, out.Get("a").Text, errs, want)
		}
		if in.Get("a").Text != src {
			t.Errorf("Static(%s) changed what it was given", src)
		}
	}
	if got := expr.SecretVariable("odoo-password"); got != "NJIA_SECRET_ODOO_PASSWORD" {
		t.Errorf("SecretVariable = %s", got)
	}
}
