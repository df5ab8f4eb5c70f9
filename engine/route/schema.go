package route

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	xmessage "golang.org/x/text/message"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// schema is a compiled JSON Schema.
type schema struct {
	name string
	tree any // as message.Decode gives it
	s    *jsonschema.Schema
}

// noRemote keeps a schema from being read from the network or from anywhere outside the rule set.
type noRemote struct{}

func (noRemote) Load(url string) (any, error) {
	return nil, fmt.Errorf("the schema refers to %s; a rule set is complete in itself, put it under $defs", url)
}

// compileSchema makes a schema of its JSON text.
func compileSchema(name string, src []byte) (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		if _, err := message.Decode(src); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return nil, fmt.Errorf("%s is not JSON", name)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noRemote{})
	c.AssertFormat()
	const url = "mem:///schema.json"
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(url)
	var ve *jsonschema.ValidationError
	if errors.As(err, &ve) {
		var lines []string
		leaves(ve, func(e *jsonschema.ValidationError) { lines = append(lines, pathOf(e.InstanceLocation)+" "+reason(e)) })
		slices.Sort(lines)
		return nil, fmt.Errorf("%s is no JSON Schema: %s", name, strings.Join(slices.Compact(lines), "; "))
	}
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), url, name))
	}
	tree, err := message.Decode(src)
	if err != nil {
		return nil, err
	}
	return &schema{name, tree, s}, nil
}

// validate names every path that does not fit, without the values: they may be patient data.
func (s *schema) validate(v any) *fault.Error {
	err := s.s.Validate(v)
	if err == nil {
		return nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return fault.New(fault.Invalid, "does not fit %s", s.name)
	}
	var lines []string
	leaves(ve, func(e *jsonschema.ValidationError) {
		lines = append(lines, pathOf(e.InstanceLocation)+": "+reason(e))
	})
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) > 10 {
		lines = append(lines[:10], fmt.Sprintf("and %d more", len(lines)-10))
	}
	return fault.New(fault.Invalid, "does not fit %s: %s", s.name, strings.Join(lines, "; "))
}

func leaves(e *jsonschema.ValidationError, f func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		f(e)
	}
	for _, c := range e.Causes {
		leaves(c, f)
	}
}

func pathOf(loc []string) string {
	if len(loc) == 0 {
		return "the body"
	}
	return "." + strings.Join(loc, ".")
}

var english = xmessage.NewPrinter(language.English)

// reason is the library's text for kinds that say what is expected, and our own for those that would quote the value.
func reason(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Enum:
		return fmt.Sprintf("is not one of %v", k.Want)
	case *kind.Const:
		return fmt.Sprintf("is not %v", k.Want)
	case *kind.Pattern:
		return "does not match " + k.Want
	case *kind.Format:
		return "is not a " + k.Want
	case *kind.Required:
		return "lacks " + strings.Join(k.Missing, ", ")
	case *kind.AdditionalProperties:
		return "has " + strings.Join(k.Properties, ", ") + ", which the schema does not know"
	case *kind.Type:
		return fmt.Sprintf("is %s, expected %s", k.Got, strings.Join(k.Want, " or "))
	}
	return e.ErrorKind.LocalizedString(english)
}
