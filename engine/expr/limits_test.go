package expr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
)

// A program without end ends, as a fault of the rule, and quickly.
func TestLimitsOfJQ(t *testing.T) {
	c := expr.New(expr.Options{Limits: expr.Limits{JQSteps: 1_000_000, JQOutput: 1 << 20}})
	s := scope(t)
	s.Body.(map[string]any)["index"] = 536870000
	for src, want := range map[string]string{
		`def f: f; f`:       "more than 1,000,000 steps",
		`def f: 1 + f; f`:   "more than 1,000,000 steps",
		`def f: [f]; f`:     "more than 1,000,000 steps",
		`[range(infinite)]`: "more than 1,000,000 steps",
		`reduce range(1; 100000000) as $i (0; . + $i)`: "more than 1,000,000 steps",
		`repeat("0123456789abcdef")`:                   "larger than 1 MB",
		`"x" * .index`:                                 "cannot be repeated",
		`.index * "x"`:                                 "cannot be repeated",
		`.list[.index] = 1`:                            "no index above",
		`.index as $i | .list[$i] |= 1`:                "no index above",
		`[.index] as $p | setpath(["list", $p[0]]; 1)`: "no index above",
		`def at($i): .list[$i]; at(.index) = 1`:        "no index above",
		`"a" * 2000 as $p | "x" | test($p)`:            "at most 1000 characters",
	} {
		start := time.Now()
		p, errs := c.JQ(text(src), "", expr.InRoute)
		if errs.Failed() {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		out, err := p.Run(context.Background(), s)
		if fault.ClassOf(err) != fault.Bug || !strings.Contains(err.Error(), want) || out != nil {
			t.Errorf("%s: %v, want a bug with %q", src, err, want)
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("%s took %s", src, d)
		}
	}
}

func TestClockOfJQ(t *testing.T) {
	c := expr.New(expr.Options{Limits: expr.Limits{JQSteps: 1 << 40, Seconds: 1}})
	p, errs := c.JQ(text(`def f: f; f`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	if _, err := p.Run(context.Background(), scope(t)); fault.ClassOf(err) != fault.Bug || !strings.Contains(err.Error(), "more than 1 s") {
		t.Errorf("%v, want a bug that says more than 1 s", err)
	}
}

// A rule that is stopped because the engine stops has not failed.
func TestStoppedIsTransient(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, s := compiler(), scope(t)
	p, _ := c.JQ(text(`def f: f; f`), "", expr.InRoute)
	if _, err := p.Run(ctx, s); fault.ClassOf(err) != fault.Transient || !errors.Is(err, context.Canceled) {
		t.Errorf("jq: %v, want a transient fault", err)
	}
	g, _ := c.Guard(text(`[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, a + b + c > body.zero)))`), expr.InRoute)
	if _, err := g.Eval(ctx, s); fault.ClassOf(err) != fault.Transient || !errors.Is(err, context.Canceled) {
		t.Errorf("guard: %v, want a transient fault", err)
	}
	tpl, _ := c.Template(text(`${all(1..1000, all(1..1000, true))}`), expr.InRoute)
	if _, err := tpl.Eval(ctx, s); fault.ClassOf(err) != fault.Transient || !errors.Is(err, context.Canceled) {
		t.Errorf("template: %v, want a transient fault", err)
	}
}

func TestLimitsOfGuards(t *testing.T) {
	c := expr.New(expr.Options{Limits: expr.Limits{GuardCost: 10_000}})
	src := `lists.range(100).all(a, lists.range(100).all(b, lists.range(100).all(c, a + b + c >= 0)))`
	g, errs := c.Guard(text(src), expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	if _, err := g.Eval(context.Background(), scope(t)); fault.ClassOf(err) != fault.Bug || !strings.Contains(err.Error(), "costs more than 10000 steps") {
		t.Errorf("%v, want a bug that names the cost", err)
	}
	for _, src := range []string{strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000), strings.Repeat("true && ", 5000) + "true"} {
		if _, errs := c.Guard(text(src), expr.InRoute); !errs.Failed() {
			t.Errorf("a guard of %d characters was compiled", len(src))
		}
	}
}

func TestLimitsOfTemplates(t *testing.T) {
	c, s := compiler(), scope(t)
	for src, want := range map[string]string{
		`${all(1..1000, all(1..1000, all(1..1000, true)))}`:               "more than 1,000,000 steps",
		`${repeat("x", 100000000)}`:                                       "more than 16 MB",
		`${repeat(repeat("x", 10000), 10000)}`:                            "more than 16 MB",
		`${1..1000000}`:                                                   "100000 numbers at most",
		`${replace(repeat("a", 1000000), "a", repeat("b", 1000))}`:        "more than 16 MB",
		`${reduce(1..60, #acc + #acc, "xxxxxxxx")}`:                       "more than 16 MB",
		`${9 ** 99999}`:                                                   "too large",
		`${fromJSON("1e999999999") + 1}`:                                  "too many digits",
		`${toJSON(map(1..100000, map(1..1000, "xxxxxxxxxxxxxxxxxxxx")))}`: "more than",
	} {
		tpl, errs := c.Template(text(src), expr.InRoute)
		if errs.Failed() {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		_, err := tpl.Eval(context.Background(), s)
		if fault.ClassOf(err) != fault.Bug || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a bug with %q", src, err, want)
		}
	}
}

// What is compiled is used by many messages at once.
func TestConcurrentUse(t *testing.T) {
	c, s := compiler(), scope(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			g, errs := c.Guard(text(fmt.Sprintf(`body.n > %d && body.list.exists(x, x == 2)`, i-10)), expr.InRoute)
			p, errs2 := c.JQ(text(`.list | map(. + 1) | tostring | test("2")`), "", expr.InRoute)
			bad, errs3 := c.JQ(text(`.list | map(. + "x")`), "", expr.InRoute)
			tpl, errs4 := c.Template(text(`${body.status}-${len(body.list)}`), expr.InRoute)
			if errs.Failed() || errs2.Failed() || errs3.Failed() || errs4.Failed() {
				t.Error(errs, errs2, errs3, errs4)
				return
			}
			for range 20 {
				if ok, err := g.Eval(context.Background(), s); !ok || err != nil {
					t.Error(ok, err)
				}
				if out, err := p.Run(context.Background(), s); err != nil || !cmp.Equal(out, []any{true}) {
					t.Error(out, err)
				}
				if _, err := bad.Run(context.Background(), s); err == nil || err.Error() != "a.yaml:1:15: cannot add: a number and text" {
					t.Error(err)
				}
				if v, err := tpl.Eval(context.Background(), s); v != "active-3" || err != nil {
					t.Error(v, err)
				}
			}
		})
	}
	wg.Wait()
}

// A program whose regular expressions come from messages does not keep them all.
func TestPatternsOfMessagesAreForgotten(t *testing.T) {
	p, errs := compiler().JQ(text(`.pattern as $p | "x12y" | test($p)`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	for i := range 2500 {
		out, err := p.Run(context.Background(), &expr.Scope{Body: map[string]any{"pattern": fmt.Sprintf("x%dy", i)}})
		if err != nil || out[0] != (i == 12) {
			t.Fatalf("pattern x%dy: %v, %v", i, out, err)
		}
	}
}

// gojq panics on foreign Go types: one message fails, the next does not.
func TestForeignTypesFailOneMessage(t *testing.T) {
	p, errs := compiler().JQ(text(`.a + 1`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	_, err := p.Run(context.Background(), &expr.Scope{Body: map[string]any{"a": []string{"x"}}})
	if fault.ClassOf(err) != fault.Bug || strings.Contains(err.Error(), "[]string") {
		t.Errorf("%v, want a bug without Go's words", err)
	}
	if out, err := p.Run(context.Background(), &expr.Scope{Body: map[string]any{"a": 1}}); err != nil || out[0] != 2 {
		t.Errorf("the next message: %v, %v", out, err)
	}
}

func TestErrorClassesOfJQ(t *testing.T) {
	p, errs := compiler().JQ(text(`error({class: "unmapped", message: "no entry for \(.n)", map: "units", code: .n, status: 404})`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	_, err := p.Run(context.Background(), scope(t))
	want := &fault.Error{Class: fault.Unmapped, Text: "no entry for 3", Map: "units", Code: "3", Status: 404, Place: "a.yaml:1:1"}
	if d := cmp.Diff(want, fault.Of(err)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestPatientToPartner(t *testing.T) {
	src, err := os.ReadFile("testdata/patient_to_partner.jq")
	if err != nil {
		t.Fatal(err)
	}
	p, errs := compiler().JQ(text(string(src)), "", expr.InRoute)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	out, err := p.Run(context.Background(), benchScope(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"ref": "100GEJ", "name": "Amina Wanjiru Otieno", "x_birthdate": "1991-04-01", "x_village": "Kibos", "phone": "+254700000001"}
	for k, v := range want {
		if got := out[0].(map[string]any)[k]; got != v {
			t.Errorf("%s = %v, want %v", k, got, v)
		}
	}
}

func TestMemoryOfJQ(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a gigabyte")
	}
	c := expr.New(expr.Options{Limits: expr.Limits{Seconds: 300}}) // it is the memory that stops it, however slow the machine
	p, errs := c.JQ(text(`def f: (f | f); f`), "", expr.InRoute)
	if errs.Failed() {
		t.Fatal(errs)
	}
	if _, err := p.Run(context.Background(), scope(t)); fault.ClassOf(err) != fault.Bug || !strings.Contains(err.Error(), "too much memory") {
		t.Errorf("%v, want a bug that says too much memory", err)
	}
}
