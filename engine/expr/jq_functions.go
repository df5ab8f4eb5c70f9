package expr

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/itchyny/gojq"
)

// options are what a program is compiled with.
func (l *jqLoader) options(patterns *atomic.Int64) []gojq.CompilerOption {
	opts := []gojq.CompilerOption{gojq.WithVariables(jqVariables), gojq.WithModuleLoader(l)}
	for _, f := range Functions() {
		opts = append(opts, l.c.jqFunction(f.Name, f), l.c.jqFunction("_njia_"+f.Name, f))
	}
	return append(opts,
		gojq.WithFunction("_njia_now", 0, 0, func(meta any, _ []any) any { return epoch(meta) }),
		gojq.WithFunction("_njia_index", 0, 0, func(v any, _ []any) any { return checkIndex(v) }),
		gojq.WithFunction("_njia_path", 0, 0, func(v any, _ []any) any { return checkPath(v) }),
		gojq.WithFunction("_njia_pattern", 0, 0, func(v any, _ []any) any { return checkPattern(v, patterns) }),
		gojq.WithFunction("_njia_at", 1, 1, l.atSpot),
		gojq.WithFunction("_njia_mul", 2, 2, func(_ any, a []any) any { return checkMul(a[0], a[1]) }),
	)
}

// jqFunction gives a function to jq: with all its parameters, or with its subject as the input.
func (c *Compiler) jqFunction(name string, f Function) gojq.CompilerOption {
	full := len(f.Params)
	least := full - f.optional - 1
	return gojq.WithFunction(name, least, full, func(v any, args []any) any {
		args = slices.Clone(args)
		if f.takesInput(len(args)) {
			args = slices.Insert(args, f.Subject, v)
		}
		out, err := f.call(c, args)
		if err != nil {
			return err
		}
		return out
	})
}

// takesInput says whether so many arguments in jq leave the subject to the input. Of a function with an optional parameter
// the number alone does not say it: date_format("%Y") and date_format(.d; "%Y") do, date_format(.d; "%Y"; "UTC") does not.
func (f Function) takesInput(args int) bool { return args < len(f.Params)-f.optional }

// epoch is a message's time in seconds since 1970, as jq's now is.
func epoch(meta any) any {
	t, ok := field(meta, "time").(string)
	if !ok {
		return callErrorf("now: there is no message here that has a time")
	}
	m, err := parseMoment("now", t)
	if err != nil {
		return err
	}
	s := float64(m.UnixMilli()) / 1000
	return tidyFloat(s)
}

// Bounds of what one jq instruction may build.
const (
	maxIndex  = 100_000   // of a list, written out in a program; gojq fills a list that is written to up to there
	maxItems  = 5_000_000 // the same, computed: 80 MB
	maxRepeat = 10 << 20  // bytes of a repeated string
	// maxPattern is the length of a regular expression that a message gives; a long one takes minutes to compile.
	maxPattern = 1000
	// freshAfter is how many regular expressions of messages a program is run with before it is compiled again: gojq keeps
	// each of them for as long as the program lives.
	freshAfter = 1000
)

// checkPattern counts a regular expression that was computed.
func checkPattern(v any, patterns *atomic.Int64) any {
	s, _ := v.(string)
	if list, ok := v.([]any); ok && len(list) > 0 {
		s, _ = list[0].(string)
	}
	if len(s) > maxPattern {
		return callErrorf("a regular expression has at most %d characters", maxPattern)
	}
	patterns.Add(1)
	return v
}

func checkIndex(v any) any {
	if n, ok := gojq.ToFloat64(v); ok && n > maxItems {
		if isNumber(v) {
			return callErrorf("a list has no index above %d", maxItems)
		}
	}
	return v
}

func isNumber(v any) bool { return typeName(v) == "a number" }

func checkPath(v any) any {
	for _, p := range each(v) {
		if e, bad := checkIndex(p).(error); bad {
			return e
		}
	}
	return v
}

// checkMul gives both factors of a product that is not too large.
func checkMul(a, b any) any {
	for _, x := range [][2]any{{a, b}, {b, a}} {
		s, ok := x[0].(string)
		if !ok || !isNumber(x[1]) {
			continue
		}
		if n, ok := gojq.ToFloat64(x[1]); ok && n*math.Max(float64(len(s)), 1) > maxRepeat {
			return callErrorf("a text cannot be repeated to more than %d MB", maxRepeat>>20)
		}
	}
	return []any{a, b}
}

// fhirModule is the text of the module fhir.
var fhirModule = sync.OnceValue(func() string {
	var b strings.Builder
	for _, name := range fhirFunctions {
		f, _ := functionNamed(name)
		for n := len(f.Params) - 1; n <= len(f.Params); n++ {
			params := slices.Clone(f.Params)
			if n < len(f.Params) {
				params = slices.Delete(params, f.Subject, f.Subject+1)
			}
			list := ""
			if len(params) > 0 {
				list = "($" + strings.Join(params, "; $") + ")"
			}
			b.WriteString("def " + name + list + ": _njia_" + name + list + ";\n")
		}
	}
	return b.String()
})
