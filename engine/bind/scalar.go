package bind

import (
	"encoding"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/njia-health/njia/engine/diag"
)

// special reads the types of this package and of time.
func (d *decoder) special(n *Node, v reflect.Value) bool {
	t := v.Type()
	switch t {
	case durationType:
		d.text(n, v, "a duration such as 15s", func(s string) (any, string) { return pair(ParseDuration(s)) })
	case sizeType:
		d.text(n, v, "a size such as 10MB", func(s string) (any, string) { return pair(ParseSize(s)) })
	case rateType:
		d.text(n, v, "a rate such as 20/s", func(s string) (any, string) { return pair(ParseRate(s)) })
	case rangeType:
		d.text(n, v, "a range of durations such as 2s..15m", func(s string) (any, string) { return pair(ParseRange(s)) })
	case timeType:
		d.text(n, v, "a time such as 2026-01-05T08:00:00Z", func(s string) (any, string) { return pair(parseTime(s)) })
	case pathType:
		if n.Kind != String || n.Text == "" {
			d.wrong(n, "a file or folder")
			return true
		}
		p := filepath.FromSlash(n.Text)
		if !filepath.IsAbs(p) && n.Base != "" {
			p = filepath.Join(n.Base, p)
		}
		v.SetString(p)
	case secretType:
		if n.Kind == List || n.Kind == Map {
			d.errs.Add(diag.Errorf(n.Pos, "%s is text, this is %s", d.at(), n.Kind))
			return true
		}
		v.SetString(n.Text)
	case numberType:
		if _, err := strconv.ParseFloat(n.Text, 64); err != nil || !n.numeric() {
			d.wrong(n, "a number")
			return true
		}
		v.SetString(n.Text)
	default:
		if t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(readsText) {
			if n.Kind != String || v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Text)) != nil {
				d.wrong(n, "written another way")
			}
			return true
		}
		return false
	}
	return true
}

func pair[T any](v T, err error) (any, string) {
	if err != nil {
		return nil, err.Error()
	}
	return v, ""
}

// text reads a scalar that parse understands; what parse says is the hint.
func (d *decoder) text(n *Node, v reflect.Value, expected string, parse func(string) (any, string)) {
	if n.Kind != String && n.Kind != Number {
		d.wrong(n, expected)
		return
	}
	x, hint := parse(n.Text)
	if x == nil {
		d.wrong(n, expected).Hint = hint
		return
	}
	v.Set(reflect.ValueOf(x))
}

// numeric says whether n is a number, or text that is one: the environment has only text.
func (n *Node) numeric() bool {
	return n.Kind == Number || n.Kind == String && n.Text != "" && strings.Trim(n.Text, "0123456789.-eE+") == ""
}

func (d *decoder) scalar(n *Node, v reflect.Value, f field) {
	switch v.Kind() {
	case reflect.String:
		if n.Kind == Null || n.Kind == List || n.Kind == Map {
			d.wrong(n, "text")
			return
		}
		if d.oneOf(n, f) {
			v.SetString(n.Text)
		}
	case reflect.Bool:
		switch {
		case (n.Kind == Bool || n.Kind == String) && (n.Text == "true" || n.Text == "false"):
			v.SetBool(n.Text == "true")
		default:
			e := d.wrong(n, "true or false")
			switch strings.ToLower(n.Text) {
			case "yes", "on", "y", "1":
				e.Hint = "write true"
			case "no", "off", "n", "0":
				e.Hint = "write false"
			}
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if i, ok := d.whole(n); ok {
			if v.OverflowInt(i) {
				most := int64(1)<<(v.Type().Bits()-1) - 1
				d.wrong(n, fmt.Sprintf("a whole number from %d to %d", -most-1, most))
			} else if d.oneOf(n, f) {
				v.SetInt(i)
			}
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if i, ok := d.whole(n); ok {
			if i < 0 || v.OverflowUint(uint64(i)) {
				d.wrong(n, fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())))
			} else if d.oneOf(n, f) {
				v.SetUint(uint64(i))
			}
		}
	case reflect.Float64, reflect.Float32:
		x, err := strconv.ParseFloat(n.Text, 64)
		if err != nil || !n.numeric() {
			d.wrong(n, "a number")
			return
		}
		v.SetFloat(x)
	default:
		panic(fmt.Sprintf("bind.Decode: there is no way to write a %s in YAML", v.Type()))
	}
}

func (d *decoder) whole(n *Node) (int64, bool) {
	if n.numeric() {
		if i, err := strconv.ParseInt(n.Text, 10, 64); err == nil {
			return i, true
		}
		if x, err := strconv.ParseFloat(n.Text, 64); err == nil && x == float64(int64(x)) && x < 1<<53 && x > -1<<53 {
			return int64(x), true
		}
	}
	d.wrong(n, "a whole number")
	return 0, false
}

func (d *decoder) oneOf(n *Node, f field) bool {
	if len(f.enum) == 0 || slices.Contains(f.enum, n.Text) && n.Kind != List && n.Kind != Map {
		return true
	}
	expected := f.enum[0]
	if last := len(f.enum) - 1; last > 0 {
		expected = strings.Join(f.enum[:last], ", ") + " or " + f.enum[last]
	}
	e := d.wrong(n, expected)
	if near := diag.Nearest(n.Text, f.enum); near != "" && n.Exact {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return false
}
