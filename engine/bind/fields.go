package bind

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Field is one setting, for reference pages and schemas.
type Field struct {
	// Type is text, true or false, whole number, number, duration, time, size, rate, range of durations, file or folder,
	// secret, any value, map, list of TYPE or map of TYPE.
	Name, Type, Doc, Default string
	Required                 bool
	Enum                     []string
	Fields                   []Field // of a struct, or of the structs in a list or map
	Rest                     bool    // keys of any name may stand beside the other fields, with values of this Type
}

// Fields describes the settings of a struct, whose values are the defaults.
func Fields(defaults any) []Field {
	v := reflect.ValueOf(defaults)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	return describe(v, nil)
}

func describe(v reflect.Value, above []reflect.Type) []Field {
	t := v.Type()
	if slices.Contains(above, t) { // a type within itself
		return nil
	}
	above = append(slices.Clip(above), t)
	var out []Field
	for _, f := range fieldsOf(t) {
		if f.pos {
			continue
		}
		x := v.FieldByIndex(f.index)
		d := Field{Name: f.name, Doc: f.doc, Required: f.required && x.IsZero(), Enum: f.enum, Default: defaultText(x), Rest: f.rest}
		word, inner := typeWord(f.typ)
		if f.rest {
			word, inner = typeWord(f.typ.Elem())
		}
		d.Type = word
		if inner != nil {
			iv := reflect.New(inner).Elem()
			for x.Kind() == reflect.Pointer && !x.IsNil() {
				x = x.Elem()
			}
			if x.Type() == inner {
				iv = x
			}
			d.Fields = describe(iv, above)
		}
		out = append(out, d)
	}
	return out
}

// typeWord names a type for people; inner is the struct that is in it.
func typeWord(t reflect.Type) (word string, inner reflect.Type) {
	for t.Kind() == reflect.Pointer && t.Elem() != nodeType {
		if t.Implements(readsItself) && !t.Elem().Implements(readsItself) {
			break
		}
		t = t.Elem()
	}
	switch t {
	case durationType:
		return "duration", nil
	case timeType:
		return "time", nil
	case sizeType:
		return "size", nil
	case rateType:
		return "rate", nil
	case rangeType:
		return "range of durations", nil
	case pathType:
		return "file or folder", nil
	case secretType:
		return "secret", nil
	case numberType:
		return "number", nil
	case nodeType, reflect.PointerTo(nodeType):
		return "any value", nil
	}
	switch t.Kind() {
	case reflect.String:
		return "text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Float32, reflect.Float64:
		return "number", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "whole number", nil
	case reflect.Slice:
		word, inner = typeWord(t.Elem())
		return "list of " + word, inner
	case reflect.Map:
		if word, inner = typeWord(t.Elem()); word == "any value" {
			return "map", nil
		}
		return "map of " + word, inner
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(readsItself) || reflect.PointerTo(t).Implements(readsText) {
			if len(fieldsOf(t)) == 0 {
				return "text", nil
			}
		}
		return "map", t
	}
	return "any value", nil
}

func defaultText(v reflect.Value) string {
	if v.IsZero() {
		return ""
	}
	if v.Kind() == reflect.Pointer {
		return defaultText(v.Elem())
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return FormatDuration(x)
	case time.Time:
		return x.Format(time.RFC3339)
	case Secret, Node:
		return ""
	case fmt.Stringer: // Size, Rate, Range
		return x.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		return ""
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = defaultText(v.Index(i))
		}
		if strings.Join(parts, "") == "" {
			return ""
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Interface:
		return defaultText(v.Elem())
	case reflect.Map:
		var parts []string
		for it := v.MapRange(); it.Next(); {
			if text := defaultText(it.Value()); text != "" {
				parts = append(parts, it.Key().String()+": "+text)
			}
		}
		if len(parts) == 0 {
			return ""
		}
		slices.Sort(parts)
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v.Interface())
}
