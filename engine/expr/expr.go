// Package expr is the three expression languages, CEL, jq and ${…}, over one set of names and functions.
//
//	text with its place ── Compiler ──> Guard | JQ | Template | Tree, all compiled at load ── Scope ──> a value
//
// What is compiled is safe for concurrent use.
package expr

import (
	"context"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Scope is the names an expression sees. Values are trees as message.Decode gives them. An expression changes none.
type Scope struct {
	Body     any
	Headers  map[string]any
	Meta     map[string]any // id, route, source, time (RFC 3339 text), attempt, event, engine, rules
	Vars     map[string]any
	Settings map[string]any
	Error    map[string]any // class, message, status, body: in rescue only
	Status   any            // of an answer: in answers only
}

// Options is what a Compiler needs. The zero value compiles expressions that use no map, module, setting or key.
type Options struct {
	// Lookup answers lookup(map, key). An unknown key gives nil, false.
	Lookup func(mapName, key string) (value any, ok bool)
	// Maps are the names that Lookup knows; a literal map name that is not among them is an error at load. nil: not checked.
	Maps []string
	// HMAC answers hmac(key_name, s).
	HMAC func(keyName, s string) (string, error)
	// Module gives the text of a jq module (NAME.jq) or JSON data that is imported from a document in dir, and the file it
	// stands in. It looks in dir, then up to the rule set's (or pack's) root.
	Module func(dir, name string) (src []byte, file string, ok bool)
	// Settings are the names under settings. nil: not checked.
	Settings []string
	Limits   Limits
}

// Limits bound one evaluation. A zero field takes its default.
type Limits struct {
	GuardCost uint64 // CEL cost units; default 1,000,000
	JQSteps   int    // gojq instructions; default 20,000,000
	JQOutput  int    // bytes of one result, roughly; default 64 MB
	Seconds   int    // wall time of one evaluation; default 10
}

// Where is what an expression is for, which decides the names it sees beside those of Scope.
type Where uint8

const (
	InRoute  Where = iota // body headers meta vars settings
	InRescue              // also error
	InAnswer              // body (of the answer) headers status, and settings
	InStatic              // env and secret, nothing else: engine and system documents
)

// Text is an expression's source and where it stands.
type Text struct {
	Src    string
	Pos    diag.Pos // of its first character
	Indent int      // column (from 1) at which every later line begins; 0: Src is one line

	loose *diag.Error // why Src does not stand in the file letter by letter; nil: it does
}

// Guard is a compiled yes/no in CEL.
type Guard interface {
	// Eval gives the answer. An error is a *fault.Error of class bug with its place.
	Eval(ctx context.Context, s *Scope) (bool, error)
	Source() string
}

// JQ is a compiled jq program.
type JQ interface {
	// Run gives all outputs. An error is a *fault.Error of class bug with its place; error(…) called with an object
	// {class, message} by the program gives that class.
	Run(ctx context.Context, s *Scope) ([]any, error)
	Source() string
}

// Template is a string setting with ${…} in it, in expr.
type Template interface {
	// Eval gives the text, or, where the whole text is one ${…}, the value with its type.
	Eval(ctx context.Context, s *Scope) (any, error)
	// Static says that there is no ${…} in it.
	Static() bool
}

// Tree is a with: of any shape: plain values, ${…} and {jq: …}.
type Tree interface {
	Eval(ctx context.Context, s *Scope) (any, error)
	// Holes is the tree with a Hole for every value that is known at run time only.
	Holes() *bind.Node
	Static() bool
}
