package bind

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/diag"
)

// Decode puts n into the struct that into points at, over the values that are there. A nil n is an empty map. It reports
// every fault: a key that is not known (with did-you-mean), a value of the wrong kind, a missing required one, one outside
// its enum. A field's name is its yaml tag; ",required" and ",inline" may follow. A field that is called Pos, is a diag.Pos
// and has no tag gets the place of the map. A key with nothing behind it counts as not written, but for a *Node or any.
//
// Field types: string, bool, int*, uint*, float64, time.Duration ("15s", "7d"), time.Time (RFC 3339, or a date), Size
// ("10MB"), Rate ("20/s"), Range ("2s..15m"), Path, Secret, *Node (kept as it is), any (Node.Value), slices, maps of string,
// structs, pointers, and whatever has BindNode. A list field takes a single value as a list of one; a map is put over the
// entries that are there. A string takes a number or true as it is written, a number takes text that is one.
//
// What into points at is changed, but nothing that it shares by a pointer, map or list with another value.
//
// An error of a node without a place begins with the path to it. Values are shown only where they stand in a file.
func Decode(n *Node, into any) diag.List {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("bind.Decode: %T is no pointer", into))
	}
	if n == nil || n.Kind == Null && !n.Hole {
		empty := Node{Kind: Map}
		if n != nil {
			empty.Pos, empty.Base = n.Pos, n.Base
		}
		n = &empty
	}
	d := decoder{}
	d.value(n, v.Elem(), field{})
	return d.errs
}

// Unmarshaler is a type that reads itself.
type Unmarshaler interface{ BindNode(n *Node) diag.List }

type decoder struct {
	errs diag.List
	path []string
}

func (d *decoder) in(name string, f func()) {
	d.path = append(d.path, name)
	f()
	d.path = d.path[:len(d.path)-1]
}

// at is the path of the value being read, such as limits.rate or answers[0].class.
func (d *decoder) at() string {
	p := strings.TrimPrefix(strings.Join(d.path, ""), ".")
	if p == "" {
		return "this"
	}
	return p
}

// wrong reports that n is not what is expected.
func (d *decoder) wrong(n *Node, expected string) *diag.Error {
	e := diag.Errorf(n.Pos, "%s is %s, this is %s", d.at(), expected, n.describe())
	e.Len = n.width()
	d.errs.Add(e)
	return &d.errs[len(d.errs)-1]
}

// describe names a value as its author sees it. What does not stand in a file like that may be a message's, and is not shown.
func (n *Node) describe() string {
	text := strings.TrimRight(n.Text, "\n")
	if !n.Exact || utf8.RuneCountInString(text) > 60 || strings.Contains(text, "\n") {
		return n.Kind.String()
	}
	switch n.Kind {
	case Bool:
		return n.Text
	case Number:
		return "the number " + n.Text
	case String:
		return fmt.Sprintf("text %q", text)
	}
	return n.Kind.String()
}

// width is how many characters of the file to underline.
func (n *Node) width() int {
	if !n.Exact || n.Style == Literal || n.Kind == List || n.Kind == Map {
		return 0
	}
	w := utf8.RuneCountInString(n.Text)
	if n.Style != Plain {
		w += 2
	}
	return w
}

var (
	nodeType     = reflect.TypeFor[Node]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	sizeType     = reflect.TypeFor[Size]()
	rateType     = reflect.TypeFor[Rate]()
	rangeType    = reflect.TypeFor[Range]()
	pathType     = reflect.TypeFor[Path]()
	secretType   = reflect.TypeFor[Secret]()
	numberType   = reflect.TypeFor[json.Number]()
	posType      = reflect.TypeFor[diag.Pos]()
	readsItself  = reflect.TypeFor[Unmarshaler]()
	readsText    = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value reads n into v. f tells of the enum.
func (d *decoder) value(n *Node, v reflect.Value, f field) {
	t := v.Type()
	switch {
	case t == nodeType:
		v.Set(reflect.ValueOf(*n))
		return
	case t == reflect.PointerTo(nodeType):
		v.Set(reflect.ValueOf(n))
		return
	case n.Hole:
		return
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		if d.oneOf(n, f) {
			setAny(v, n.Value())
		}
		return
	case n.Kind == Null && len(d.path) > 0 && !strings.HasPrefix(d.path[len(d.path)-1], "["):
		return
	case reflect.PointerTo(t).Implements(readsItself):
		d.self(n, v)
		return
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		if !v.IsNil() {
			p.Elem().Set(v.Elem())
		}
		d.value(n, p.Elem(), f)
		v.Set(p)
		return
	}
	if d.special(n, v) {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Map:
		d.mapping(n, v, f)
	case reflect.Slice:
		d.list(n, v, f)
	default:
		d.scalar(n, v, f)
	}
}

func setAny(v reflect.Value, x any) {
	if x == nil {
		v.SetZero()
		return
	}
	v.Set(reflect.ValueOf(x))
}

// self lets a type read itself, and gives its errors a path where they have no place.
func (d *decoder) self(n *Node, v reflect.Value) {
	for _, e := range v.Addr().Interface().(Unmarshaler).BindNode(n) {
		if e.Pos == (diag.Pos{}) && len(d.path) > 0 && !strings.HasPrefix(e.Text, d.at()) {
			e.Text = d.at() + ": " + e.Text
		}
		d.errs.Add(e)
	}
}

func (d *decoder) list(n *Node, v reflect.Value, f field) {
	items := n.Items
	if n.Kind != List {
		items = []*Node{n}
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if n.Kind != List {
			d.value(item, out.Index(i), f)
			continue
		}
		d.in("["+strconv.Itoa(i)+"]", func() { d.value(item, out.Index(i), f) })
	}
	v.Set(out)
}

func (d *decoder) mapping(n *Node, v reflect.Value, f field) {
	if n.Kind != Map {
		d.wrong(n, "a map")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Items)+v.Len())
	for it := v.MapRange(); it.Next(); {
		out.SetMapIndex(it.Key(), it.Value())
	}
	for i, k := range n.Keys {
		x := reflect.New(v.Type().Elem()).Elem()
		d.in("."+k.Name, func() { d.value(n.Items[i], x, f) })
		out.SetMapIndex(reflect.ValueOf(k.Name).Convert(v.Type().Key()), x)
	}
	v.Set(out)
}

func (d *decoder) structure(n *Node, v reflect.Value) {
	if n.Kind != Map {
		e := d.wrong(n, "a map")
		if names := names(fieldsOf(v.Type())); len(names) > 0 && len(names) <= 12 {
			e.Hint = "its keys are " + strings.Join(names, ", ")
		}
		return
	}
	fields := fieldsOf(v.Type())
	seen := make([]bool, len(fields))
	rest := -1
	for i := range fields {
		if f := &fields[i]; f.pos {
			v.FieldByIndex(f.index).Set(reflect.ValueOf(n.Pos))
		} else if f.rest {
			rest = i
		}
	}
	for i, k := range n.Keys {
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == k.Name && !f.pos && !f.rest })
		switch {
		case at >= 0:
			f := &fields[at]
			seen[at] = n.Items[i].Kind != Null || n.Items[i].Hole || keepsNull(f.typ)
			d.in("."+k.Name, func() { d.value(n.Items[i], v.FieldByIndex(f.index), *f) })
		case rest >= 0:
			d.in("."+k.Name, func() { d.entry(v.FieldByIndex(fields[rest].index), k.Name, n.Items[i]) })
		default:
			d.unknown(k, names(fields))
		}
	}
	for i := range fields {
		if f := &fields[i]; f.required && !seen[i] && v.FieldByIndex(f.index).IsZero() {
			d.missing(n, *f)
		}
	}
}

func keepsNull(t reflect.Type) bool {
	return t == nodeType || t == reflect.PointerTo(nodeType) || t.Kind() == reflect.Interface
}

// entry puts a key that no field has into the map that takes the rest.
func (d *decoder) entry(m reflect.Value, name string, n *Node) {
	x := reflect.New(m.Type().Elem()).Elem()
	d.value(n, x, field{})
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	m.SetMapIndex(reflect.ValueOf(name), x)
}

func (d *decoder) unknown(k Key, known []string) {
	at := k.Name
	if len(d.path) > 0 {
		at = d.at() + "." + k.Name
	}
	e := diag.Errorf(k.Pos, "there is no setting %s", at)
	e.Len = utf8.RuneCountInString(k.Name)
	e.Hint = diag.DidYouMean(k.Name, known)
	d.errs.Add(e)
}

func (d *decoder) missing(n *Node, f field) {
	at := f.name
	if len(d.path) > 0 {
		at = d.at() + "." + f.name
	}
	e := diag.Errorf(n.Pos, "%s is missing", at)
	e.Hint = fmt.Sprintf("add %s: %s", f.name, f.doc)
	if f.doc == "" {
		e.Hint = fmt.Sprintf("add %s:", f.name)
	}
	if len(f.enum) > 0 {
		e.Hint = fmt.Sprintf("add %s: one of %s", f.name, strings.Join(f.enum, ", "))
	}
	d.errs.Add(e)
}

// DecodeValue is Decode for one value of any of the types that a field can have. name is what errors call it.
func DecodeValue(n *Node, name string, into any) diag.List {
	d := decoder{path: []string{name}}
	d.value(n, reflect.ValueOf(into).Elem(), field{})
	return d.errs
}
