package expr

import (
	"fmt"
	"slices"
)

// Function is one that all three languages have.
type Function struct {
	Name    string
	Params  []string // their names
	Subject int      // the parameter that jq takes from its input where one argument less is given
	Doc     string   // one sentence
	Example string   // an expression, the same in CEL and in ${…}
	Result  string   // what the example gives, as JSON

	optional int // how many of the last parameters may be left out
	call     func(c *Compiler, args []any) (any, error)
}

// Signature is the function as CEL and ${…} write it.
func (f Function) Signature() string { return f.signature(", ") }

// JQ is the function as jq writes it, with its subject as input.
func (f Function) JQ() string {
	short := f
	short.Params, short.optional = f.Params[:len(f.Params)-f.optional], 0
	short.Params = slices.Delete(slices.Clone(short.Params), f.Subject, f.Subject+1)
	if len(short.Params) == 0 {
		return f.Name
	}
	return short.signature("; ")
}

func (f Function) signature(sep string) string {
	s := f.Name + "("
	for i, p := range f.Params {
		if i > 0 {
			s += sep
		}
		if i >= len(f.Params)-f.optional {
			p += "?"
		}
		s += p
	}
	return s + ")"
}

// Functions are those that all three languages have, in the order of the reference page. A null subject gives null, but for
// the hashes: a hash of nothing would be one id for everything.
func Functions() []Function {
	return []Function{
		{Name: "lookup", Params: []string{"map", "key"}, Subject: 1, call: callLookup,
			Doc:     "the value of a key in a map document, null where it has none; a step translate: holds the message instead",
			Example: `lookup("units", "kg")`, Result: `"kilogram"`},
		{Name: "uuid5", Params: []string{"name"}, call: func(_ *Compiler, a []any) (any, error) { return callUUID5(a[0]) },
			Doc:     "a UUID that is the same for the same name, in every run and every engine (version 5, namespace " + namespace.String() + ")",
			Example: `uuid5("order/12")`, Result: `"a1ffcb38-b494-5502-937e-8df604d44fde"`},
		{Name: "sha256", Params: []string{"s"}, call: func(_ *Compiler, a []any) (any, error) { return callSHA256(a[0]) },
			Doc:     "the SHA-256 of a text, in 64 hexadecimal digits",
			Example: `sha256("abc")`, Result: `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{Name: "hmac", Params: []string{"key_name", "s"}, Subject: 1, call: callHMAC,
			Doc:     "the HMAC-SHA-256 of a text with the secret of that name, in hexadecimal digits: a pseudonym that only the holder of the key can make",
			Example: `hmac("pseudonyms", "abc")`, Result: `"hmac of abc"`},
		{Name: "date", Params: []string{"s"}, call: func(_ *Compiler, a []any) (any, error) { return callDate(a[0]) },
			Doc:     "a date in the one form that compares as text: 2024, 2024-02, 2024-02-29 as they are, an instant in UTC with milliseconds; a day that does not exist is an error",
			Example: `date("2024-02-29T10:00:00+03:00")`, Result: `"2024-02-29T07:00:00.000Z"`},
		{Name: "date_add", Params: []string{"s", "by"}, call: func(_ *Compiler, a []any) (any, error) { return callDateAdd(a[0], a[1]) },
			Doc:     "a date moved by y, mo, w, d, h, m or s; from the 31st a month later is its last day",
			Example: `date_add("2024-01-31", "1mo")`, Result: `"2024-02-29"`},
		{Name: "date_diff", Params: []string{"from", "to", "unit"}, call: func(_ *Compiler, a []any) (any, error) { return callDateDiff(a[0], a[1], a[2]) },
			Doc:     "how many whole y, mo, w, d, h, m or s lie between two dates; a partial date counts as its first day",
			Example: `date_diff("2024-02-28", "2024-03-01", "d")`, Result: `2`},
		{Name: "date_format", Params: []string{"s", "layout", "zone"}, optional: 1, call: callDateFormat,
			Doc:     "a date as text, with %Y %m %d %H %M %S and the other signs of strftime; instants in UTC, or in a zone such as Africa/Nairobi",
			Example: `date_format("2024-02-29T22:30:00Z", "%d.%m.%Y %H:%M", "Africa/Nairobi")`, Result: `"01.03.2024 01:30"`},
		{Name: "age_years", Params: []string{"birth", "at"}, call: func(_ *Compiler, a []any) (any, error) { return callDateDiff(a[0], a[1], "y") },
			Doc:     "how old somebody is at a date; with now as that date, at the message's time",
			Example: `age_years("1990-06-15", "2024-06-14")`, Result: `33`},
		{Name: "code", Params: []string{"concept", "system"}, call: func(_ *Compiler, a []any) (any, error) { return callCode(a[0], a[1]) },
			Doc:     "the first code of that system in a CodeableConcept, a Coding or a list of them; with system null the one without a system, as OpenMRS gives its own",
			Example: `code({"coding": [{"system": "http://loinc.org", "code": "718-7"}]}, "http://loinc.org")`, Result: `"718-7"`},
		{Name: "identifier", Params: []string{"resource", "system"}, call: func(_ *Compiler, a []any) (any, error) { return callIdentifier(a[0], a[1]) },
			Doc:     "the value of the first identifier of a resource whose system, type text, type code or use is this one",
			Example: `identifier({"identifier": [{"type": {"text": "OpenMRS ID"}, "value": "100GEJ"}]}, "OpenMRS ID")`, Result: `"100GEJ"`},
		{Name: "ref_id", Params: []string{"reference"}, call: func(_ *Compiler, a []any) (any, error) { return callRefID(a[0]) },
			Doc:     "the id in a reference: Patient/1, an absolute URL, a urn:uuid, a bare id, or a Reference",
			Example: `ref_id({"reference": "Patient/1"})`, Result: `"1"`},
		{Name: "display_name", Params: []string{"patient"}, call: func(_ *Compiler, a []any) (any, error) { return callDisplayName(a[0]) },
			Doc:     "the name of a patient or practitioner: the official one, else the usual, else the first that is not old; given names and family, else its text",
			Example: `display_name({"name": [{"given": ["Amina", "W"], "family": "Otieno"}]})`, Result: `"Amina W Otieno"`},
	}
}

// fhirFunctions are those that the jq module fhir has.
var fhirFunctions = []string{"code", "identifier", "ref_id", "display_name"}

// callError is what a function says of its arguments. It holds none of their values: they are a patient's.
type callError struct{ text string }

func (e *callError) Error() string { return e.text }

func callErrorf(format string, args ...any) error { return &callError{fmt.Sprintf(format, args...)} }

func callLookup(c *Compiler, a []any) (any, error) {
	name, ok := a[0].(string)
	if !ok {
		return nil, callErrorf("lookup: the name of a map is text, this is %s", typeName(a[0]))
	}
	if a[1] == nil {
		return nil, nil
	}
	key, ok := asText(a[1])
	if !ok {
		return nil, callErrorf("lookup: a key is text or a number, this is %s", typeName(a[1]))
	}
	if c.opts.Maps != nil && !slices.Contains(c.opts.Maps, name) {
		return nil, callErrorf("lookup: there is no map of this name")
	}
	if c.opts.Lookup == nil {
		return nil, nil
	}
	v, ok := c.opts.Lookup(name, key)
	if !ok {
		return nil, nil
	}
	return v, nil
}

func functionNamed(name string) (Function, bool) {
	for _, f := range Functions() {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}

// count is "1 value", "2 values".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
