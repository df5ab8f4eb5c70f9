package expr

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/fault"
)

// jqSyntaxError says what cannot be read.
func jqSyntaxError(t Text, at int, e *gojq.ParseError) diag.Error {
	tok := e.Token
	switch m := e.Error(); {
	case strings.HasPrefix(m, "unexpected EOF"):
		return jqTooEarly(t)
	case strings.HasPrefix(m, "unterminated string"):
		return t.errorf(strings.LastIndexByte(t.Src[:min(at+1, len(t.Src))], '"'), 1, "this text is not closed").WithHint(`it ends with "`)
	case strings.HasPrefix(m, "invalid escape"):
		return t.errorf(at, len(tok), "\"%s\" is no escape of JSON", tok).WithHint(`a backslash is written \\`)
	}
	if i := strings.Index(t.Src[at:], tok); i > 0 {
		at += i
	}
	err := t.errorf(at, len(tok), "%q cannot stand here", tok)
	before := strings.TrimRight(t.Src[:at], " \t\n")
	switch {
	case tok == "&":
		err.Hint = "in jq write and"
	case tok == "'":
		err.Hint = `texts stand in "double quotes"`
	case tok == "!":
		err.Hint = "in jq write … | not"
	case tok == "?" && strings.HasPrefix(t.Src[at:], "?."):
		err.Hint = "fields of null are null in jq: leave the ? out"
	case tok == "$" && strings.HasPrefix(t.Src[at:], "${"):
		err.Hint = `${…} is for string settings; in jq write "\(…)"`
	case tok == "." && strings.HasSuffix(before, "."):
		err.Hint = "one . is enough"
	case tok == ";" && strings.Contains(t.Src[:at], "def "):
		err.Hint = "a definition is written def name: …; and something follows the last one"
	case tok == "," && !strings.HasSuffix(before, "}"):
		err.Hint = "arguments are separated by ;"
	case tok == ":" && strings.Contains(before, "{"):
		err.Hint = `a key that is no plain word is written "key" or (…)`
	case tok == "-" || tok == "+" || tok == "//" || tok == "==" || tok == "and" || tok == "or":
		err.Hint = "in an object put a longer value into ( )"
	case tok == "else" || tok == "elif" || tok == "then" || tok == "end":
		err.Hint = "it is written if … then … elif … then … else … end"
	}
	return err
}

// jqTooEarly names the bracket or word that is not closed.
func jqTooEarly(t Text) diag.Error {
	end := len(strings.TrimRight(t.Src, " \t\n"))
	e := t.errorf(end, 1, "the program ends too early")
	type open struct {
		text string
		at   int
	}
	var stack []open
	tokens := jqTokens(t.Src)
	for _, tok := range tokens {
		switch {
		case tok.kind == jqSign && strings.Contains("([{", tok.text):
			stack = append(stack, open{tok.text, tok.at})
		case tok.kind == jqWord && tok.text == "if":
			stack = append(stack, open{"if", tok.at})
		case tok.kind == jqSign && strings.Contains(")]}", tok.text) || tok.kind == jqWord && tok.text == "end":
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		}
	}
	if len(stack) > 0 {
		o := stack[len(stack)-1]
		closing := map[string]string{"(": ")", "[": "]", "{": "}", "if": "end"}[o.text]
		e.Hint = fmt.Sprintf("%s of line %d is not closed: %s is missing", o.text, t.At(o.at).Line, closing)
	} else if n := len(tokens); n > 0 && tokens[n-1].text == ";" {
		e.Hint = "after the last def comes what to run, such as a single ."
	}
	return e
}

var lastWord = regexp.MustCompile(`[A-Za-z_$][\w:$]*(/\d+)?\s*$`)

// compileError places what gojq finds and jqCheck did not, by the name in its text.
func compileError(t Text, err error) diag.Error {
	name := strings.TrimSpace(lastWord.FindString(err.Error()))
	name, _, _ = strings.Cut(name, "/")
	if at := strings.Index(t.Src, name); name != "" && at >= 0 {
		return t.errorf(at, len(name), "%q cannot be used here", name)
	}
	return t.errorf(0, 1, "this jq program cannot be compiled")
}

// jqFault is an error of a running program as a fault. It shows kinds of values and never the values.
func jqFault(err error) *fault.Error {
	f := &fault.Error{Class: fault.Bug}
	var call *callError
	if errors.As(err, &call) {
		f.Text = call.text
		return f
	}
	var v gojq.ValueError
	if errors.As(err, &v) {
		return raised(v.Value())
	}
	f.Text = jqErrorText(err)
	return f
}

// raised is what a program said with error(…).
func raised(v any) *fault.Error {
	f := &fault.Error{Class: fault.Bug}
	m, ok := v.(map[string]any)
	if !ok {
		if s, isText := asText(v); isText {
			f.Text = clip(s)
		} else {
			f.Text = "error was called with " + typeName(v)
		}
		return f
	}
	f.Text = "error was called with a map"
	if s, ok := asText(m["message"]); ok {
		f.Text = clip(s)
	}
	if class, ok := m["class"].(string); ok {
		if !isClass(class) {
			f.Text = fmt.Sprintf("error was called with class %q, which is none; its message: %s", clip(class), f.Text)
			return f
		}
		f.Class = fault.Class(class)
	}
	f.Map, _ = m["map"].(string)
	f.Code, _ = asText(m["code"])
	if n, ok := m["status"].(int); ok {
		f.Status = n
	}
	return f
}

func isClass(s string) bool {
	for _, c := range fault.Classes {
		if string(c) == s {
			return true
		}
	}
	return false
}

// clip keeps a text that a rule made within an operator's page.
func clip(s string) string {
	if r := []rune(s); len(r) > 500 {
		return string(r[:500]) + "…"
	}
	return s
}

// jqErrorText says what gojq says, with kinds in place of values: those may be a patient's. gojq's error types are its own,
// so their fields are asked for by reflection.
func jqErrorText(err error) string {
	if strings.Contains(err.Error(), "regular expression") {
		return "a regular expression cannot be read"
	}
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct {
		return "jq failed on this message"
	}
	kind := func(field string) string {
		f := v.FieldByName(field)
		if !f.IsValid() {
			return "another value"
		}
		return kindOf(f)
	}
	text := func(field string) string {
		f := v.FieldByName(field)
		if f.IsValid() && f.Kind() == reflect.String {
			return strings.TrimPrefix(f.String(), "_")
		}
		return "a function"
	}
	switch v.Type().Name() {
	case "expectedObjectError":
		return "a field is read of " + kind("v") + ", only a map has fields"
	case "expectedArrayError":
		return "an index is read of " + kind("v") + ", only a list has indexes"
	case "iteratorError":
		return "cannot iterate over " + kind("v") + "; write .[]? where it may be absent"
	case "arrayIndexNegativeError", "arrayIndexTooLargeError":
		return "an index is outside the list"
	case "repeatStringTooLargeError":
		return "a text is repeated too often"
	case "objectKeyNotStringError":
		return "a key of a map is text, this is " + kind("v")
	case "arrayIndexNotNumberError":
		return "an index of a list is a number, this is " + kind("v")
	case "stringIndexNotNumberError":
		return "a field is read of text with " + kind("v")
	case "expectedStartEndError":
		return "a slice has a start and an end, this is " + kind("v")
	case "func0TypeError", "func1TypeError", "func2TypeError":
		return text("name") + " cannot be applied to " + kind("v")
	case "func0WrapError", "func1WrapError", "func2WrapError":
		return text("name") + " cannot be applied to this " + strings.TrimPrefix(kind("v"), "a ")
	case "unaryTypeError":
		return "cannot " + text("name") + ": " + kind("v")
	case "binopTypeError":
		return "cannot " + text("name") + ": " + kind("l") + " and " + kind("r")
	case "zeroDivisionError", "zeroModuloError":
		return "division by zero"
	case "formatNotFoundError":
		return "there is no format @" + text("n")
	case "formatRowError":
		return "@" + text("typ") + " cannot write a list that has " + kind("v") + " in it"
	case "invalidPathError", "invalidPathIterError":
		return "this is no path: what stands left of = or |= computes " + kind("v")
	case "flattenDepthError":
		return "flatten takes a depth of 0 or more"
	case "timeArrayError", "timeEpochError", "timeNumberError":
		return "a time function got no time"
	case "lengthMismatchError":
		return "lists differ in length"
	case "breakError":
		return "break left a label that had ended"
	}
	return "jq failed on this message"
}

// kindOf is the kind of a value in a field that only reflection can read.
func kindOf(f reflect.Value) string {
	for f.Kind() == reflect.Interface || f.Kind() == reflect.Pointer {
		if f.IsNil() {
			return "null"
		}
		f = f.Elem()
	}
	switch f.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Float64, reflect.Struct: // a big.Int is a struct
		return "a number"
	case reflect.String:
		if f.Type().Name() == "Number" {
			return "a number"
		}
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a map"
	}
	return "another value"
}
