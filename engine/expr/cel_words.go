package expr

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/njia-health/njia/engine/diag"
)

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// place is the byte offset of one of CEL's errors.
func place(t Text, e *common.Error) int {
	if e.Location == nil || e.Location.Line() <= 0 {
		return 0
	}
	return t.offset(e.Location.Line(), e.Location.Column())
}

// syntaxErrors say what cannot be read. The first is the cause; the parser's others follow from it.
func syntaxErrors(t Text, iss *cel.Issues) diag.List {
	if len(iss.Errors()) == 0 {
		return diag.List{t.errorf(0, 1, "this guard cannot be read")}
	}
	first := iss.Errors()[0]
	at := place(t, first)
	for at < len(t.Src) && (t.Src[at] == ' ' || t.Src[at] == '\n') {
		at++
	}
	return diag.List{syntaxError(t, at, first.Message)}
}

// celSlips are what people write who know other languages.
var celSlips = []struct {
	at   *regexp.Regexp
	hint string
}{
	{regexp.MustCompile(`^=([^=]|$)`), "to compare write =="},
	{regexp.MustCompile(`^<>`), "to compare write !="},
	{regexp.MustCompile(`^and\b`), "write &&"},
	{regexp.MustCompile(`^or\b`), "write ||"},
	{regexp.MustCompile(`^not\b`), "write !"},
	{regexp.MustCompile(`^is\b`), "to compare write =="},
	{regexp.MustCompile(`^\|`), "guards are CEL: both are ||, and pipes are jq's"},
	{regexp.MustCompile(`^&`), "write &&"},
	{regexp.MustCompile(`^\$`), "guards are CEL: names have no $, and nothing is wrapped in ${…}"},
	{regexp.MustCompile(`^\.`), "guards are CEL: a path begins with a name, as in body.status"},
	{regexp.MustCompile(`^[{]`), "guards are CEL: a map is written {\"key\": value}"},
	{regexp.MustCompile(`^[“”‘’]`), "write straight quotes"},
}

func syntaxError(t Text, at int, message string) diag.Error {
	switch {
	case strings.Contains(message, "exceeds") || strings.Contains(message, "recursion"):
		return t.errorf(0, 1, "this guard is too large or too deeply nested").WithHint("do the work in jq, and test its result")
	case strings.TrimSpace(t.Src) == "":
		return t.errorf(0, 1, "there is no guard here").WithHint("write what must be true, as in body.status == \"active\"")
	}
	before := strings.TrimRight(t.Src[:at], " \n")
	for _, m := range reserved.FindAllStringSubmatchIndex(t.Src, -1) {
		if word := t.Src[m[2]:m[3]]; at <= m[3]+1 {
			return t.errorf(m[2], len(word), "%q is a word of CEL, and no field can be read like this", word).WithHint(`write ["%s"] in place of .%s`, word, word)
		}
	}
	if e, ok := openQuote(t); ok {
		return e
	}
	for _, s := range celSlips {
		for _, from := range []int{at, len(before) - 1, strings.LastIndexAny(before, " \n") + 1} { // the parser often stops one token later
			if from >= 0 && from < len(t.Src) && s.at.MatchString(t.Src[from:]) && from >= len(before)-4 && !within(t.Src, from) {
				return t.errorf(from, max(len(wordAt(t.Src, from)), 1), "%q cannot stand here", token(t.Src[from:])).WithHint("%s", s.hint)
			}
		}
	}
	if at >= len(strings.TrimRight(t.Src, " \n")) {
		e := t.errorf(len(strings.TrimRight(t.Src, " \n")), 1, "the guard ends too early")
		for _, pair := range []string{"()", "[]", "{}"} {
			if strings.Count(t.Src, pair[:1]) > strings.Count(t.Src, pair[1:]) {
				e.Hint = "a " + pair[:1] + " is not closed"
			}
		}
		return e
	}
	return t.errorf(at, len(token(t.Src[at:])), "%q cannot stand here", token(t.Src[at:]))
}

// openQuote finds a text that is not closed on its line.
func openQuote(t Text) (diag.Error, bool) {
	open := -1
	for i := 0; i < len(t.Src); i++ {
		switch c := t.Src[i]; {
		case c == '\\' && open >= 0:
			i++
		case open >= 0 && (c == '\n' || i == len(t.Src)-1 && c != t.Src[open]):
			return t.errorf(open, 1, "this text is not closed").WithHint("it ends with the quote that it begins with, on the same line"), true
		case open >= 0 && c == t.Src[open]:
			open = -1
		case open < 0 && (c == '"' || c == '\''):
			if strings.HasPrefix(t.Src[i:], `"""`) || strings.HasPrefix(t.Src[i:], "'''") {
				return diag.Error{}, false
			}
			open = i
		}
	}
	if open >= 0 {
		return t.errorf(open, 1, "this text is not closed").WithHint("it ends with the quote that it begins with, on the same line"), true
	}
	return diag.Error{}, false
}

// within says that a sign belongs to one of two, such as ==.
func within(src string, at int) bool {
	return at > 0 && strings.IndexByte("=!<>|&", src[at]) >= 0 && strings.IndexByte("=!<>|&", src[at-1]) >= 0 ||
		at+1 < len(src) && (src[at:at+2] == "||" || src[at:at+2] == "&&")
}

// reserved are words that are no field names in CEL.
var reserved = regexp.MustCompile(`\.\s*(in|true|false|null)\b`)

// token is the word or sign that a text begins with.
func token(s string) string {
	if w := wordAt(s, 0); w != "" {
		return w
	}
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

var (
	noOverload = regexp.MustCompile(`^found no matching overload for '(.*?)' applied to '(.*)'`)
	mismatch   = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'`)
	quoted     = regexp.MustCompile(`'(.*?)'`)
)

// typeErrors say what the checker found, in our words.
func typeErrors(t Text, iss *cel.Issues, names nameCheck) diag.List {
	var errs diag.List
	for _, e := range iss.Errors() {
		at := place(t, e)
		switch m := e.Message; {
		case strings.HasPrefix(m, "undeclared reference"):
			if !names.errs.Failed() {
				name := ""
				if q := quoted.FindStringSubmatch(m); q != nil {
					name = q[1]
				}
				errs.Add(unknownName(t, at, name, names.w, nil))
			}
		case noOverload.MatchString(m):
			if !names.errs.Failed() {
				q := noOverload.FindStringSubmatch(m)
				errs.Add(overloadError(t, at, q[1], q[2]))
			}
		case mismatch.MatchString(m):
			q := mismatch.FindStringSubmatch(m)
			errs.Add(t.errorf(at, 0, "%s is wanted here, this is %s", celTypeWords(q[1]), celTypeWords(q[2])))
		case strings.HasPrefix(m, "expression of type"):
			errs.Add(t.errorf(at, 0, "only a list or a map can be gone through, this is %s", celTypeWords(quoted.FindStringSubmatch(m)[1])))
		case strings.Contains(m, "does not support field selection"):
			errs.Add(t.errorf(at, 0, "%s has no fields", celTypeWords(quoted.FindStringSubmatch(m)[1])))
		case strings.Contains(m, "matches") || strings.Contains(m, "regexp"):
			errs.Add(t.errorf(at, 0, "this regular expression cannot be read").WithHint("guards know RE2 expressions, without look-ahead and back references"))
		case strings.Contains(m, "timestamp") || strings.Contains(m, "duration"):
			errs.Add(t.errorf(at, 0, "this is no valid time or duration").WithHint("use date(…) and date_add(…)"))
		default:
			errs.Add(t.errorf(at, 0, "this cannot be checked: %s", strings.ReplaceAll(m, "dyn", "any")))
		}
	}
	return errs
}

// overloadError says that a function or an operator does not take these types.
func overloadError(t Text, at int, function, signature string) diag.Error {
	name := function
	if op, ok := operators.FindReverse(function); ok && op != "" {
		name = op
	}
	target, rest, member := strings.Cut(signature, ".(")
	if !member {
		rest = strings.TrimPrefix(signature, "(")
	}
	var args []string
	if member {
		args = append(args, celTypeWords(target))
	}
	for _, a := range splitTypes(strings.TrimSuffix(rest, ")")) {
		args = append(args, celTypeWords(a))
	}
	switch function {
	case operators.Equals, operators.NotEquals:
		return t.errorf(at, len(name), "%s are never equal", strings.Join(args, " and ")).WithHint("write both as text, or both as numbers")
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		return t.errorf(at, len(name), "%s takes true or false, this is %s", name, strings.Join(args, " and "))
	}
	if strings.HasPrefix(t.Src[min(at, len(t.Src)):], "(") { // the place of a call is its (
		if i := strings.LastIndex(t.Src[:at], name); i >= 0 {
			at = i
		}
	}
	e := t.errorf(at, len(name), "%s cannot be applied to %s", name, strings.Join(args, " and "))
	if f, ok := functionNamed(name); ok {
		e.Text = name + " takes " + f.Signature() + ", this gives it " + count(len(args), "value")
	}
	return e
}

// splitTypes cuts a list of types at its commas, but not within brackets.
func splitTypes(s string) []string {
	var out []string
	depth, from := 0, 0
	for i := range s {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		out = append(out, last)
	}
	return out
}

// celTypeWords is a CEL type in the words of the pages.
func celTypeWords(s string) string {
	base, _, _ := strings.Cut(s, "(")
	switch base {
	case "string":
		return "text"
	case "int", "uint", "double":
		return "a number"
	case "bool":
		return "true or false"
	case "list":
		return "a list"
	case "map":
		return "a map"
	case "null", "null_type":
		return "null"
	case "dyn", "any":
		return "any value"
	case "optional_type", "optional":
		return "an optional"
	case "timestamp", "google.protobuf.Timestamp":
		return "a timestamp"
	case "duration", "google.protobuf.Duration":
		return "a duration"
	case "type":
		return "a type"
	case "bytes":
		return "bytes"
	}
	return s
}

// celTypeName is the word of an error about a guard that is no yes or no.
func celTypeName(t *cel.Type) string {
	if t.Kind() == types.StringKind {
		return "text"
	}
	return celTypeWords(t.String())
}

// compareHint shows how to make a yes or no of an expression.
func compareHint(src string, t *cel.Type) string {
	src = strings.TrimSpace(firstLine(src))
	if len(src) > 40 {
		src = "…"
	}
	switch t.Kind() {
	case types.StringKind:
		return "compare it with something, as in " + src + ` == "active"`
	case types.IntKind, types.UintKind, types.DoubleKind:
		return "compare it with something, as in " + src + " > 0"
	case types.ListKind, types.MapKind:
		return "ask something of it, as in size(" + src + ") > 0"
	case types.OpaqueKind:
		return "end it with .orValue(false), or leave the ? out: what is absent is null"
	}
	return "compare it with something, as in " + src + " != null"
}

// planError is what the planner found, such as a regular expression that cannot be read.
func planError(t Text, err error) diag.Error {
	if strings.Contains(err.Error(), "regexp") {
		return t.errorf(0, 1, "a regular expression in this guard cannot be read").WithHint("guards know RE2 expressions, without look-ahead and back references")
	}
	return t.errorf(0, 1, "this guard cannot be compiled: what it computes of constants fails")
}
