package expr

import (
	"context"
	"path"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// tree is a compiled with:.
type tree struct {
	root  *branch
	holes *bind.Node
}

// branch is a part of a tree: a value that is known at load, an expression, or a list or map of parts.
type branch struct {
	value    any
	template Template
	program  *jqProgram
	keys     []string
	items    []*branch
	isMap    bool
	isList   bool
}

// Tree compiles a value of any shape with ${…} and {jq: …} in it. dir is the folder of its document.
func (c *Compiler) Tree(n *bind.Node, dir string, w Where) (Tree, diag.List) {
	if n == nil {
		n = &bind.Node{}
	}
	b, holes, errs := c.branch(n, dir, w)
	if errs.Failed() {
		return nil, errs
	}
	return &tree{b, holes}, errs
}

func (c *Compiler) branch(n *bind.Node, dir string, w Where) (*branch, *bind.Node, diag.List) {
	switch n.Kind {
	case bind.String:
		if strings.Contains(n.Text, "${") {
			return c.textBranch(n, w)
		}
	case bind.Map:
		if len(n.Keys) == 1 && n.Keys[0].Name == "jq" && n.Items[0].Kind == bind.String {
			return c.jqBranch(n, dir, w)
		}
		return c.inner(n, dir, w)
	case bind.List:
		return c.inner(n, dir, w)
	}
	return &branch{value: n.Value()}, n, nil
}

func (c *Compiler) textBranch(n *bind.Node, w Where) (*branch, *bind.Node, diag.List) {
	t, errs := NewText(n)
	if errs.Failed() {
		return nil, nil, errs
	}
	tpl, errs := c.Template(t, w)
	if errs.Failed() {
		return nil, nil, errs
	}
	hole := *n
	if tpl.Static() { // it has $${ only
		v, err := tpl.Eval(context.Background(), &Scope{})
		if err == nil {
			hole.Text, _ = v.(string)
			return &branch{value: v}, &hole, errs
		}
	}
	hole.Hole = true
	return &branch{template: tpl}, &hole, errs
}

// jqBranch compiles {jq: …}, written in place or as the name of a file.
func (c *Compiler) jqBranch(n *bind.Node, dir string, w Where) (*branch, *bind.Node, diag.List) {
	src := n.Items[0]
	t, errs := NewText(src)
	if errs.Failed() {
		return nil, nil, errs
	}
	if src.Style != bind.Literal && strings.HasSuffix(src.Text, ".jq") && !strings.ContainsAny(src.Text, " |({\"") {
		body, file, ok := []byte(nil), "", false
		if c.opts.Module != nil {
			body, file, ok = c.opts.Module(dir, strings.TrimSuffix(src.Text, ".jq"))
		}
		if !ok {
			return nil, nil, diag.List{t.errorf(0, len(t.Src), "there is no file %s", src.Text)}
		}
		t, dir = Text{Src: string(body), Pos: diag.Pos{File: file, Line: 1, Col: 1}, Indent: 1}, path.Dir(file)
	}
	p, errs := c.JQ(t, dir, w)
	if errs.Failed() || p == nil {
		return nil, nil, errs
	}
	hole := *n
	hole.Hole = true
	return &branch{program: p.(*jqProgram)}, &hole, errs
}

// inner compiles the parts of a list or map.
func (c *Compiler) inner(n *bind.Node, dir string, w Where) (*branch, *bind.Node, diag.List) {
	b := &branch{isMap: n.Kind == bind.Map, isList: n.Kind == bind.List}
	holes := *n
	holes.Items = make([]*bind.Node, len(n.Items))
	var errs diag.List
	static := true
	for i, item := range n.Items {
		part, hole, e := c.branch(item, dir, w)
		errs.Add(e...)
		if part == nil {
			part, hole = &branch{}, item
		}
		b.items = append(b.items, part)
		holes.Items[i] = hole
		static = static && part.static()
		if b.isMap {
			b.keys = append(b.keys, n.Keys[i].Name)
		}
	}
	if static && !errs.Failed() {
		v, _ := b.eval(context.Background(), nil)
		b = &branch{value: v}
	}
	return b, &holes, errs
}

func (b *branch) static() bool { return b.template == nil && b.program == nil && !b.isMap && !b.isList }

func (b *branch) eval(ctx context.Context, s *Scope) (any, error) {
	switch {
	case b.template != nil:
		return b.template.Eval(ctx, s)
	case b.program != nil:
		return b.program.one(ctx, s)
	case b.isMap:
		out := make(map[string]any, len(b.items))
		for i, item := range b.items {
			v, err := item.eval(ctx, s)
			if err != nil {
				return nil, err
			}
			out[b.keys[i]] = v
		}
		return out, nil
	case b.isList:
		out := make([]any, len(b.items))
		for i, item := range b.items {
			v, err := item.eval(ctx, s)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	return b.value, nil
}

// one is the output of a program that stands for one value. No output is null.
func (p *jqProgram) one(ctx context.Context, s *Scope) (any, error) {
	out, err := p.Run(ctx, s)
	switch {
	case err != nil || len(out) == 0:
		return nil, err
	case len(out) > 1:
		return nil, p.fault(fault.New(fault.Bug, "jq gives %d values here, where one is wanted; write [ … ] around it for a list, or first(…)", len(out)))
	}
	return out[0], nil
}

// Eval gives the value. What is known at load is shared between results: nobody may change it.
func (t *tree) Eval(ctx context.Context, s *Scope) (any, error) { return t.root.eval(ctx, s) }

// Holes is the tree with a Hole for every value that is known at run time only.
func (t *tree) Holes() *bind.Node { return t.holes }

// Static says that nothing in it is computed.
func (t *tree) Static() bool { return t.root.static() }
