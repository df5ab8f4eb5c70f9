package rule

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// kinds are the first keys that say what a document is.
var kinds = []string{"engine", "pack", "system", "route", "map", "test", "port"}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// parse splits a file into documents, and finds their kinds and names.
func (b *builder) parse(file string, src []byte) {
	nodes, errs := parse(file, b.base(file), src)
	b.errs.Add(errs...)
	if len(errs) > 0 {
		b.set.Unread = append(b.set.Unread, file)
	}
	if len(errs) == 0 && len(bytes.TrimSpace(src)) == 0 {
		b.set.Unread = append(b.set.Unread, file)
		b.errs.Add(diag.Errorf(diag.Pos{File: file, Line: 1, Col: 1}, "this file is empty").
			WithHint("it may be half written; a document begins with one of %s", strings.Join(kinds, ", ")))
	}
	for _, n := range nodes {
		if d := b.document(file, n); d != nil {
			b.docs = append(b.docs, d)
		}
	}
}

// document gives nil for what cannot be told to be one.
func (b *builder) document(file string, n *bind.Node) *document {
	if n.Kind != bind.Map || len(n.Keys) == 0 {
		b.errs.Add(diag.Errorf(n.Pos, "a document is a map, this is %s", n.Kind).WithHint("it begins with one of %s", strings.Join(kinds, ", ")))
		return nil
	}
	first := n.Keys[0]
	switch {
	case first.Name == "port":
		b.errs.Add(diag.Errorf(first.Pos, "ports are not available yet in this version").WithHint("name the system itself: to: odoo.upsert"))
		return nil
	case !slices.Contains(kinds, first.Name):
		b.errs.Add(unknownKind(n))
		return nil
	}
	v := n.Items[0]
	d := &document{kind: first.Name, name: v.Text, file: file, node: n}
	switch {
	case v.Kind == bind.Null || v.Kind == bind.String && strings.TrimSpace(v.Text) == "":
		b.errs.Add(diag.Errorf(first.Pos, "this %s has no name", d.kind).WithHint("write %s: NAME", d.kind))
		return nil
	case v.Kind == bind.List || v.Kind == bind.Map:
		b.errs.Add(diag.Errorf(v.Pos, "the name of a %s is text, this is %s", d.kind, v.Kind).WithHint("write %s: NAME", d.kind))
		return nil
	case d.kind != "test" && !kebab.MatchString(d.name):
		e := diag.Errorf(v.Pos, "a name is small letters, digits and single dashes, and begins with a letter; this is %q", d.name)
		e.Len = utf8.RuneCountInString(d.name)
		if k := toKebab(d.name); k != "" {
			e.Hint = "write " + k
		}
		b.errs.Add(e)
	}
	if o := n.Get("override"); o != nil {
		if o.Kind != bind.Bool {
			b.errs.Add(diag.Errorf(o.Pos, "override is true or false, this is %s", describe(o)))
		}
		d.override = o.Text == "true"
	}
	return d
}

func unknownKind(n *bind.Node) diag.Error {
	first := n.Keys[0]
	e := diag.Errorf(first.Pos, "a document begins with what it declares, and there is no kind %q", first.Name)
	e.Hint, e.Len = diag.DidYouMean(first.Name, kinds), utf8.RuneCountInString(first.Name)
	if near := diag.Nearest(first.Name, kinds); near == "" {
		for _, k := range n.Keys[1:] {
			if slices.Contains(kinds, k.Name) {
				e.Hint = fmt.Sprintf("put %s: first", k.Name)
				break
			}
		}
	}
	return e
}

// toKebab makes a name of text; "" where there is nothing to make it of.
func toKebab(s string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			out.WriteRune(r)
		} else if out.Len() > 0 && !strings.HasSuffix(out.String(), "-") {
			out.WriteByte('-')
		}
	}
	return strings.TrimLeft(strings.Trim(out.String(), "-"), "0123456789-")
}

// describe shows a value in an error.
func describe(n *bind.Node) string {
	if n.Kind == bind.List || n.Kind == bind.Map || n.Kind == bind.Null {
		return n.Kind.String()
	}
	return fmt.Sprintf("%q", n.Text)
}
