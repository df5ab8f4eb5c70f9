package expr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// compiler knows two maps, one key and two settings.
func compiler() *expr.Compiler {
	return expr.New(expr.Options{
		Maps: []string{"units", "sexes"}, Settings: []string{"line-key", "every"},
		Lookup: func(m, k string) (any, bool) {
			v, ok := map[string]any{"units/kg": "kilogram", "units/1": json.Number("1.50"), "sexes/M": "male"}[m+"/"+k]
			return v, ok
		},
		HMAC: func(key, s string) (string, error) {
			if key != "pseudonyms" {
				return "", errors.New("there is no secret of this name to hash with")
			}
			return "hmac of " + s, nil
		},
	})
}

// each function gives the same in all three languages, in jq with its subject as an argument and as the input.
func TestFunctionsAreTheSameInAllLanguages(t *testing.T) {
	concept := `{"coding": [{"code": "5089", "display": "Weight"}, {"system": "http://loinc.org", "code": "29463-7"}], "text": "Weight"}`
	person := `{"identifier": [{"use": "official", "system": "urn:a", "value": "A1"}, {"type": {"text": "OpenMRS ID", "coding": [{"code": "05a2"}]}, "value": "100GEJ"}],
		"name": [{"use": "old", "family": "Kamau", "given": ["Amina"]}, {"use": "official", "family": "Otieno", "given": ["Amina", "Wanjiru"]}]}`
	const bug = "error: "
	for _, c := range []struct{ call, args, want string }{
		{"lookup", `["units", "kg"]`, `"kilogram"`},
		{"lookup", `["units", "stone"]`, `null`},
		{"lookup", `["units", 1]`, `1.50`},
		{"lookup", `["units", null]`, `null`},
		{"lookup", `["none", "kg"]`, bug + "lookup: there is no map of this name"},
		{"lookup", `["units", []]`, bug + "lookup: a key is text or a number, this is a list"},
		{"uuid5", `["order/12"]`, `"a1ffcb38-b494-5502-937e-8df604d44fde"`},
		{"uuid5", `[12]`, `"d311a4ce-c7b4-57f2-ab8a-66ccd6a768ce"`},
		{"uuid5", `[null]`, bug + "uuid5 takes text, this is null"},
		{"sha256", `["abc"]`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{"sha256", `[0.5]`, `"d2cbad71ff333de67d07ec676e352ab7f38248eb69c942950157220607c55e84"`},
		{"sha256", `[{}]`, bug + "sha256 takes text, this is a map"},
		{"hmac", `["pseudonyms", "abc"]`, `"hmac of abc"`},
		{"hmac", `["other", "abc"]`, bug + "hmac: there is no secret of this name to hash with"},
		{"date", `["2024"]`, `"2024"`},
		{"date", `["2024-02"]`, `"2024-02"`},
		{"date", `["2024-02-29"]`, `"2024-02-29"`},
		{"date", `["2024-02-30"]`, bug + "date: the calendar has no such day or time"},
		{"date", `["2023-02-29"]`, bug + "date: the calendar has no such day or time"},
		{"date", `["2024-13"]`, bug + "date: the calendar has no such day or time"},
		{"date", `["2024-02-29T10:00:00+03:00"]`, `"2024-02-29T07:00:00.000Z"`},
		{"date", `["2024-02-29T10:00:00.123+0300"]`, `"2024-02-29T07:00:00.123Z"`},
		{"date", `["2024-02-29T25:00:00Z"]`, bug + "date: the calendar has no such day or time"},
		{"date", `["2024-02-29T10:00:00"]`, bug + "date: this time has no zone; append Z or an offset such as +03:00"},
		{"date", `["29.02.2024"]`, bug + "date: this is no date; dates are written 2024, 2024-02, 2024-02-29 or 2024-02-29T10:00:00Z"},
		{"date", `[1704067200.5]`, `"2024-01-01T00:00:00.500Z"`},
		{"date", `[true]`, bug + "date takes a date as text, this is true or false"},
		{"date", `[null]`, `null`},
		{"date_add", `["2024-01-31", "1mo"]`, `"2024-02-29"`},
		{"date_add", `["2024-02-29", "1y"]`, `"2025-02-28"`},
		{"date_add", `["2024-02-29", "-4y"]`, `"2020-02-29"`},
		{"date_add", `["2024-03-01", "-1d"]`, `"2024-02-29"`},
		{"date_add", `["2024-12-31", "2w"]`, `"2025-01-14"`},
		{"date_add", `["2024-02", "1y2mo"]`, `"2025-04"`},
		{"date_add", `["2024-02-29T23:00:00Z", "90m"]`, `"2024-03-01T00:30:00.000Z"`},
		{"date_add", `["2024-02-29", "3h"]`, bug + "date_add: a date without a time cannot be moved by h, m or s"},
		{"date_add", `["2024", "3d"]`, bug + "date_add: a date without a day cannot be moved by d or w"},
		{"date_add", `["2024-02-29", "soon"]`, bug + "date_add: write what to add as 3d, -2mo, 1y, 12h or 1y6mo"},
		{"date_add", `["9999-12-31", "1d"]`, bug + "date_add: that is outside the years 1 to 9999"},
		{"date_add", `[null, "1d"]`, `null`},
		{"date_diff", `["2024-02-28", "2024-03-01", "d"]`, `2`},
		{"date_diff", `["2024-03-01", "2024-02-28", "d"]`, `-2`},
		{"date_diff", `["2024-01-31", "2024-02-29", "mo"]`, `0`},
		{"date_diff", `["2000-02-29", "2001-02-28", "y"]`, `0`},
		{"date_diff", `["2024-01-01T00:00:00Z", "2024-01-01T01:30:00Z", "h"]`, `1`},
		{"date_diff", `["2024", "2024-01-08", "w"]`, `1`},
		{"date_diff", `["2024", "2025", "x"]`, bug + "date_diff: a unit is one of y, mo, w, d, h, m and s"},
		{"date_diff", `["2024", null, "y"]`, `null`},
		{"date_format", `["2024-02-09", "%d.%m.%Y %a %j"]`, `"09.02.2024 Fri 040"`},
		{"date_format", `["2024-02-09T22:30:05Z", "%F %T %z"]`, `"2024-02-09 22:30:05 +0000"`},
		{"date_format", `["2024-02-09T22:30:05Z", "%F %T", "Africa/Nairobi"]`, `"2024-02-10 01:30:05"`},
		{"date_format", `["2024-02-09", "%F", "Africa/Nowhere"]`, bug + "date_format: there is no such time zone; zones are named as in Africa/Nairobi"},
		{"date_format", `["2024", "%d"]`, bug + "date_format: %d is not known of a date that is only a year"},
		{"date_format", `["2024", "%Q"]`, bug + "date_format: %Q is no sign of a layout"},
		{"date_format", `["2024", "100%% %Y"]`, `"100% 2024"`},
		{"age_years", `["1990-06-15", "2024-06-14"]`, `33`},
		{"age_years", `["1990-06-15", "2024-06-15"]`, `34`},
		{"age_years", `["1990", "2024-06-15T00:00:00Z"]`, `34`},
		{"age_years", `[null, "2024"]`, `null`},
		{"code", `[` + concept + `, "http://loinc.org"]`, `"29463-7"`},
		{"code", `[` + concept + `, null]`, `"5089"`},
		{"code", `[` + concept + `, "http://snomed.info/sct"]`, `null`},
		{"code", `[[` + concept + `], "http://loinc.org"]`, `"29463-7"`},
		{"code", `[{"system": "a", "code": "b"}, "a"]`, `"b"`},
		{"code", `[null, "a"]`, `null`},
		{"code", `[` + concept + `, 3]`, bug + "code: a code system is text or null, this is a number"},
		{"identifier", `[` + person + `, "urn:a"]`, `"A1"`},
		{"identifier", `[` + person + `, "official"]`, `"A1"`},
		{"identifier", `[` + person + `, "OpenMRS ID"]`, `"100GEJ"`},
		{"identifier", `[` + person + `, "05a2"]`, `"100GEJ"`},
		{"identifier", `[` + person + `, "National ID"]`, `null`},
		{"identifier", `[null, "x"]`, `null`},
		{"ref_id", `["Patient/1"]`, `"1"`},
		{"ref_id", `["Patient/1/_history/2"]`, `"1"`},
		{"ref_id", `["https://emr.example/ws/fhir2/R4/Patient/1"]`, `"1"`},
		{"ref_id", `["urn:uuid:5c9d3c1e-0f44-4f0b-9d5c-8c8f2a7d1e10"]`, `"5c9d3c1e-0f44-4f0b-9d5c-8c8f2a7d1e10"`},
		{"ref_id", `["5c9d3c1e-0f44-4f0b-9d5c-8c8f2a7d1e10"]`, `"5c9d3c1e-0f44-4f0b-9d5c-8c8f2a7d1e10"`},
		{"ref_id", `[{"reference": "Patient/1", "display": "Amina"}]`, `"1"`},
		{"ref_id", `[{"display": "Amina"}]`, `null`},
		{"ref_id", `["#p1"]`, `null`},
		{"ref_id", `["Patient?identifier=1"]`, `null`},
		{"ref_id", `["Questionnaire/q1|2.0"]`, `"q1"`},
		{"ref_id", `[7]`, `"7"`},
		{"ref_id", `[true]`, bug + "ref_id takes a reference or its text, this is true or false"},
		{"display_name", `[` + person + `]`, `"Amina Wanjiru Otieno"`},
		{"display_name", `[{"name": [{"text": "Mama Amina"}]}]`, `"Mama Amina"`},
		{"display_name", `[{"name": [{"use": "old", "family": "A"}, {"family": "B"}]}]`, `"B"`},
		{"display_name", `[{"family": "B", "given": ["A"]}]`, `"A B"`},
		{"display_name", `[{}]`, `null`},
		{"display_name", `[null]`, `null`},
		{"display_name", `["Amina"]`, bug + "display_name takes a patient, this is text"},
	} {
		t.Run(c.call+strings.ReplaceAll(c.args, "/", "_"), func(t *testing.T) {
			args, err := message.Decode([]byte(c.args))
			if err != nil {
				t.Fatal(err)
			}
			names := []string{"a", "b", "c"}[:len(args.([]any))]
			body := map[string]any{}
			for i, a := range args.([]any) {
				body[names[i]] = a
			}
			for _, form := range []string{"CEL", "jq", "jq with its subject as input", "${…}"} {
				got, err := callIn(form, c.call, names, body)
				if text, isBug := strings.CutPrefix(c.want, bug); isBug {
					if fault.ClassOf(err) != fault.Bug || !strings.HasSuffix(err.Error(), ": "+text) {
						t.Errorf("%s: %v, want %s", form, err, text)
					}
					continue
				}
				want, _ := message.Decode([]byte(c.want))
				if d := cmp.Diff(want, got); err != nil || d != "" {
					t.Errorf("%s gives %v, %v (-want +got):\n%s", form, got, err, d)
				}
			}
		})
	}
}

// callIn calls a function in one of the languages. CEL gives a boolean only, so its value is found by comparing.
func callIn(form, name string, args []string, body map[string]any) (any, error) {
	c, ctx, s := compiler(), context.Background(), &expr.Scope{Body: body}
	switch form {
	case "CEL":
		tpl, errs := c.Template(text("${"+name+"(body."+strings.Join(args, ", body.")+")}"), expr.InRoute)
		if errs.Failed() {
			return nil, errs
		}
		want, bad := tpl.Eval(ctx, s)
		with := map[string]any{"want": want}
		for k, v := range body {
			with[k] = v
		}
		g, errs := c.Guard(text(name+"(body."+strings.Join(args, ", body.")+") == body.want"), expr.InRoute)
		if errs.Failed() {
			return nil, errs
		}
		ok, err := g.Eval(ctx, &expr.Scope{Body: with})
		if err == nil && !ok {
			err = fmt.Errorf("CEL gives another value than %v", want)
		}
		if err == nil && bad != nil {
			err = fmt.Errorf("no error as in ${…}: %w", bad)
		}
		return want, err
	case "${…}":
		tpl, errs := c.Template(text("${"+name+"(body."+strings.Join(args, ", body.")+")}"), expr.InRoute)
		if errs.Failed() {
			return nil, errs
		}
		return tpl.Eval(ctx, s)
	}
	src := name + "(." + strings.Join(args, "; .") + ")"
	if form != "jq" && len(args) < 3 {
		for _, f := range expr.Functions() {
			if f.Name != name {
				continue
			}
			rest := append(append([]string{}, args[:f.Subject]...), args[f.Subject+1:]...)
			src = ". as $d | $d." + args[f.Subject] + " | " + name
			if len(rest) > 0 {
				src += "($d." + strings.Join(rest, "; $d.") + ")"
			}
		}
	}
	p, errs := c.JQ(text(src), "", expr.InRoute)
	if errs.Failed() {
		return nil, errs
	}
	out, err := p.Run(ctx, s)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func TestExamplesOfFunctionsAreTrue(t *testing.T) {
	c := compiler()
	for _, f := range expr.Functions() {
		if f.Doc == "" || f.Example == "" || f.Result == "" || strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: the reference page needs a sentence without a full stop, an example and its result", f.Name)
		}
		tpl, errs := c.Template(text("${"+f.Example+"}"), expr.InRoute)
		if errs.Failed() {
			t.Errorf("%s: %v", f.Example, errs)
			continue
		}
		got, err := tpl.Eval(context.Background(), &expr.Scope{})
		if err != nil {
			t.Errorf("%s: %v", f.Example, err)
			continue
		}
		if b, _ := message.Encode(got); string(b) != f.Result {
			t.Errorf("%s gives %s, its page says %s", f.Example, b, f.Result)
		}
		g, errs := c.Guard(text(f.Example+" == "+f.Result), expr.InRoute)
		if errs.Failed() {
			t.Errorf("%s: %v", f.Example, errs)
			continue
		}
		if ok, err := g.Eval(context.Background(), &expr.Scope{}); !ok || err != nil {
			t.Errorf("CEL: %s == %s is %v, %v", f.Example, f.Result, ok, err)
		}
	}
}

func TestFunctionSignatures(t *testing.T) {
	got := map[string][2]string{}
	for _, f := range expr.Functions() {
		got[f.Name] = [2]string{f.Signature(), f.JQ()}
	}
	for name, want := range map[string][2]string{
		"lookup": {"lookup(map, key)", "lookup(map)"}, "date": {"date(s)", "date"}, "date_format": {"date_format(s, layout, zone?)", "date_format(layout)"},
	} {
		if got[name] != want {
			t.Errorf("%s is written %v, want %v", name, got[name], want)
		}
	}
}

func TestFHIRModule(t *testing.T) {
	body, err := message.Decode([]byte(`{"code": {"coding": [{"system": "a", "code": "b"}]}, "subject": {"reference": "Patient/1"}, "name": [{"family": "X"}], "identifier": [{"use": "usual", "value": "7"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, errs := compiler().JQ(text(`import "fhir" as fhir; [(.code | fhir::code("a")), fhir::code(.code; "a"), (.subject | fhir::ref_id), fhir::display_name, fhir::identifier("usual")]`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	got, err := p.Run(context.Background(), &expr.Scope{Body: body})
	if d := cmp.Diff([]any{[]any{"b", "b", "1", "X", "7"}}, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}
