package adapter

import (
	"reflect"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// checker finds what is wrong in a node that is to become a T.
func checker[T any](defaults T) func(*bind.Node) diag.List {
	return func(n *bind.Node) diag.List {
		into := clone(defaults)
		return bind.Decode(n, &into)
	}
}

// settings are the defaults with what n says put over them.
func settings[T any](defaults T, n *bind.Node) (T, error) {
	into := clone(defaults)
	if errs := bind.Decode(n, &into); errs.Failed() {
		return into, &fault.Error{Class: fault.Bug, Text: errs[0].Text, Place: errs[0].Pos.String(), Err: errs}
	}
	return into, nil
}

// clone keeps Decode from writing into a map or list of the defaults.
func clone[T any](v T) T {
	out := reflect.New(reflect.TypeOf(&v).Elem()).Elem()
	out.Set(reflect.ValueOf(&v).Elem())
	if out.Kind() != reflect.Struct {
		return out.Interface().(T)
	}
	for i := range out.NumField() {
		f := out.Field(i)
		if !f.CanSet() || f.IsZero() {
			continue
		}
		switch f.Kind() {
		case reflect.Map:
			c := reflect.MakeMap(f.Type())
			for it := f.MapRange(); it.Next(); {
				c.SetMapIndex(it.Key(), it.Value())
			}
			f.Set(c)
		case reflect.Slice:
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
		}
	}
	return out.Interface().(T)
}
