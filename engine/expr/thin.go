package expr

// This file is a thin first version that lets the rest of the house be built; the files that replace it remove it.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/google/uuid"
	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

type Compiler struct {
	o   Options
	env *cel.Env
}

func New(o Options) *Compiler {
	env, err := cel.NewEnv(cel.Variable("body", cel.DynType), cel.Variable("headers", cel.DynType), cel.Variable("meta", cel.DynType), cel.Variable("vars", cel.DynType),
		cel.Variable("settings", cel.DynType), cel.Variable("error", cel.DynType), cel.Variable("status", cel.DynType), cel.OptionalTypes(), ext.Strings(), cel.CrossTypeNumericComparisons(true))
	if err != nil {
		panic(err)
	}
	return &Compiler{o: o, env: env}
}

func NewText(n *bind.Node) (Text, diag.List) {
	t := Text{Src: n.Text, Pos: n.TextPos}
	if n.Style == bind.Literal {
		t.Indent = n.TextPos.Col
	}
	return t, nil
}

func (t Text) At(offset int) diag.Pos { return t.Pos }

func (s *Scope) env() map[string]any {
	return map[string]any{"body": s.Body, "headers": s.Headers, "meta": s.Meta, "vars": s.Vars, "settings": s.Settings, "error": s.Error, "status": s.Status}
}

type thinGuard struct {
	p   cel.Program
	src string
}

func (c *Compiler) Guard(t Text, w Where) (Guard, diag.List) {
	ast, iss := c.env.Compile(t.Src)
	if iss.Err() != nil {
		return nil, diag.List{diag.Errorf(t.Pos, "%s", iss.Errors()[0].Message)}
	}
	p, err := c.env.Program(ast)
	if err != nil {
		return nil, diag.List{diag.Errorf(t.Pos, "%v", err)}
	}
	return thinGuard{p, t.Src}, nil
}

func (g thinGuard) Source() string { return g.src }
func (g thinGuard) Eval(ctx context.Context, s *Scope) (bool, error) {
	v, _, err := g.p.ContextEval(ctx, s.env())
	if err != nil {
		if strings.Contains(err.Error(), "no such key") {
			return false, nil
		}
		return false, fault.As(fault.Bug, err)
	}
	b, ok := v.Value().(bool)
	if !ok {
		return false, fault.New(fault.Bug, "a guard is true or false")
	}
	return b, nil
}

type thinJQ struct {
	c   *gojq.Code
	src string
	pos diag.Pos
}
type thinMods struct {
	c   *Compiler
	dir string
}

func (m thinMods) LoadModule(name string) (*gojq.Query, error) {
	if name == "fhir" {
		return gojq.Parse(`def display_name: (.name[0] // {}) | ((.given // []) + [.family]) | map(select(.)) | join(" "); def code($s): first(.coding[]? | select(.system == $s) | .code) // null; def code: first(.coding[]? | .code) // null; def ref_id: if type == "object" then .reference else . end | if . then split("/")[-1] else null end; def identifier($s): first(.identifier[]? | select(.system == $s or .use == $s or .type.text == $s) | .value) // null;`)
	}
	if m.c.o.Module != nil {
		if src, _, ok := m.c.o.Module(m.dir, name); ok {
			return gojq.Parse(string(src))
		}
	}
	return nil, fmt.Errorf("there is no module %q", name)
}

func (c *Compiler) JQ(t Text, dir string, w Where) (JQ, diag.List) {
	q, err := gojq.Parse(t.Src)
	if err != nil {
		return nil, diag.List{diag.Errorf(t.Pos, "%v", err)}
	}
	code, err := gojq.Compile(q, gojq.WithVariables([]string{"$headers", "$meta", "$vars", "$settings", "$error", "$status"}), gojq.WithModuleLoader(thinMods{c, dir}),
		gojq.WithFunction("lookup", 2, 2, func(_ any, a []any) any {
			v, ok := c.o.Lookup(fmt.Sprint(a[0]), fmt.Sprint(a[1]))
			if !ok {
				return nil
			}
			return v
		}), gojq.WithFunction("uuid5", 1, 1, func(_ any, a []any) any { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprint(a[0]))).String() }),
		gojq.WithFunction("sha256", 1, 1, func(_ any, a []any) any { h := sha256.Sum256([]byte(fmt.Sprint(a[0]))); return hex.EncodeToString(h[:]) }))
	if err != nil {
		return nil, diag.List{diag.Errorf(t.Pos, "%v", err)}
	}
	return thinJQ{code, t.Src, t.Pos}, nil
}
func (j thinJQ) Source() string { return j.src }
func obj(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}
func (j thinJQ) Run(ctx context.Context, s *Scope) ([]any, error) {
	var out []any
	it := j.c.RunWithContext(ctx, s.Body, obj(s.Headers), obj(s.Meta), obj(s.Vars), obj(s.Settings), obj(s.Error), s.Status)
	for v, ok := it.Next(); ok; v, ok = it.Next() {
		if err, bad := v.(error); bad {
			return nil, &fault.Error{Class: fault.Bug, Text: err.Error(), Place: j.pos.String()}
		}
		out = append(out, message.Normal(v))
	}
	return out, nil
}

type thinTemplate struct {
	parts []any
}

var hole = regexp.MustCompile(`\$\{([^}]*)\}`)

func runThin(p any, env map[string]any) (any, error) { return exprlang.Run(p.(*vm.Program), env) }

func thinExpr(t Text, src string) (any, diag.List) {
	if i := strings.LastIndex(src, "??"); i < 0 {
		src = regexp.MustCompile(`([A-Za-z0-9_\]])\.`).ReplaceAllString(src, "$1?.")
	}
	p, err := exprlang.Compile(src, exprlang.AllowUndefinedVariables())
	if err != nil {
		return nil, diag.List{diag.Errorf(t.Pos, "%v", err)}
	}
	return p, nil
}

func (c *Compiler) Template(t Text, w Where) (Template, diag.List) {
	tt := thinTemplate{}
	rest := t.Src
	for {
		m := hole.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		if m[0] > 0 {
			tt.parts = append(tt.parts, rest[:m[0]])
		}
		p, errs := exprlang.Compile(rest[m[2]:m[3]], exprlang.AllowUndefinedVariables())
		if errs != nil {
			return nil, diag.List{diag.Errorf(t.Pos, "%v", errs)}
		}
		tt.parts = append(tt.parts, thinProg{p})
		rest = rest[m[1]:]
	}
	if rest != "" || len(tt.parts) == 0 {
		tt.parts = append(tt.parts, rest)
	}
	return tt, nil
}

type thinProg struct{ p any }

func (t thinTemplate) Static() bool {
	for _, p := range t.parts {
		if _, ok := p.(string); !ok {
			return false
		}
	}
	return true
}

func (t thinTemplate) Eval(ctx context.Context, s *Scope) (any, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if str, ok := p.(string); ok {
			if len(t.parts) == 1 {
				return str, nil
			}
			b.WriteString(str)
			continue
		}
		v, err := runThin(p.(thinProg).p, s.env())
		if err != nil {
			v = nil
		}
		if len(t.parts) == 1 {
			return message.Normal(v), nil
		}
		fmt.Fprint(&b, v)
	}
	return b.String(), nil
}

type thinTree struct {
	n      *bind.Node
	leaves map[*bind.Node]func(context.Context, *Scope) (any, error)
}

func (c *Compiler) Tree(n *bind.Node, dir string, w Where) (Tree, diag.List) {
	t := thinTree{n, map[*bind.Node]func(context.Context, *Scope) (any, error){}}
	var errs diag.List
	var walk func(n *bind.Node)
	walk = func(n *bind.Node) {
		if n.Kind == bind.Map && len(n.Keys) == 1 && n.Keys[0].Name == "jq" {
			txt, _ := NewText(n.Items[0])
			q, e := c.JQ(txt, dir, w)
			errs.Add(e...)
			t.leaves[n] = func(ctx context.Context, s *Scope) (any, error) {
				out, err := q.Run(ctx, s)
				if err != nil || len(out) == 0 {
					return nil, err
				}
				return out[0], nil
			}
			return
		}
		if n.Kind == bind.String && strings.Contains(n.Text, "${") {
			txt, _ := NewText(n)
			q, e := c.Template(txt, w)
			errs.Add(e...)
			t.leaves[n] = func(ctx context.Context, s *Scope) (any, error) { return q.Eval(ctx, s) }
			return
		}
		for _, i := range n.Items {
			walk(i)
		}
	}
	walk(n)
	return t, errs
}
func (t thinTree) Static() bool { return len(t.leaves) == 0 }
func (t thinTree) Holes() *bind.Node {
	var walk func(n *bind.Node) *bind.Node
	walk = func(n *bind.Node) *bind.Node {
		o := *n
		if t.leaves[n] != nil {
			o.Hole = true
			return &o
		}
		o.Items = nil
		for _, i := range n.Items {
			o.Items = append(o.Items, walk(i))
		}
		return &o
	}
	return walk(t.n)
}
func (t thinTree) Eval(ctx context.Context, s *Scope) (any, error) {
	var walk func(n *bind.Node) (any, error)
	walk = func(n *bind.Node) (any, error) {
		if f := t.leaves[n]; f != nil {
			return f(ctx, s)
		}
		switch n.Kind {
		case bind.Map:
			m := map[string]any{}
			for i, k := range n.Keys {
				v, err := walk(n.Items[i])
				if err != nil {
					return nil, err
				}
				m[k.Name] = v
			}
			return m, nil
		case bind.List:
			l := []any{}
			for _, i := range n.Items {
				v, err := walk(i)
				if err != nil {
					return nil, err
				}
				l = append(l, v)
			}
			return l, nil
		}
		return n.Value(), nil
	}
	return walk(t.n)
}

func Static(n *bind.Node, env, secret func(string) (string, bool)) (*bind.Node, diag.List) {
	var errs diag.List
	var walk func(n *bind.Node) *bind.Node
	walk = func(n *bind.Node) *bind.Node {
		o := *n
		if n.Kind == bind.String {
			o.Text = hole.ReplaceAllStringFunc(n.Text, func(m string) string {
				kind, name, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(m, "${"), "}"), ".")
				name, def, hasDef := strings.Cut(name, "??")
				name = strings.TrimSpace(name)
				f := env
				if kind == "secret" {
					f = secret
				}
				v, ok := f(name)
				if !ok && hasDef {
					return strings.Trim(strings.TrimSpace(def), `"'`)
				}
				if !ok {
					errs.Add(diag.Errorf(n.Pos, "%s %s is not set", kind, name))
				}
				return v
			})
		}
		o.Items = nil
		for _, i := range n.Items {
			o.Items = append(o.Items, walk(i))
		}
		return &o
	}
	return walk(n), errs
}

var _ = json.Number("")
