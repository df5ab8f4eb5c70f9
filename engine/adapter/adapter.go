// Package adapter is the contract between the engine and outside systems.
//
// An adapter is one value in one folder, made by Define. It has typed settings, sources that hand messages to an
// Inbox, and operations that send one. It speaks a protocol and knows a system's quirks; what one implementation wants
// is in its rules.
package adapter

import (
	"context"
	"errors"
	"log/slog"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
)

// ErrHeld is in the chain of an error of open when what it needs, such as a port, is held by somebody: most likely by the
// connection that the new one is to follow. The engine then closes that one first.
var ErrHeld = errors.New("it is held by somebody else")

// Kind is what an operation does to the system it is sent to.
type Kind uint8

const (
	// Reads changes nothing: it is asked again on a retry.
	Reads Kind = iota
	// Writes changes something, and twice is not once: an adapter answers fault.Unknown when it cannot tell whether the
	// system took the message.
	Writes
	// Idempotent changes something, and twice is once.
	Idempotent
)

// Env is what the engine gives a connection.
type Env struct {
	System string       // the system's name
	Log    *slog.Logger // never give it bodies, header values or secrets
}

// Inbox takes what a source has found. The engine makes one for each running source.
type Inbox interface {
	// Accept returns when the source may acknowledge m: it is on disk, or delivered, as its route says. It blocks while
	// the engine has no room. An error means that m was not taken: the source must offer it again, and tell its own
	// client so (HTTP: 503). A message that is filtered, a duplicate or invalid was taken: see Reply. Accept may be called
	// concurrently; messages of one key keep the order in which their calls began only if the calls do not overlap.
	Accept(ctx context.Context, m message.Message) (Reply, error)
	// AcceptAll is Accept for many in order, cheaper. It gives the number taken: those from the front.
	AcceptAll(ctx context.Context, ms []message.Message) (int, error)
	// Cursor is the one of the last accepted message or Save; "" at first.
	Cursor(ctx context.Context) (string, error)
	// Marks gives all marks that are set. See message.Message.Marks.
	Marks(ctx context.Context) (map[string]string, error)
	// Save keeps a cursor ("" leaves it) and marks when there is no message to carry them.
	Save(ctx context.Context, cursor string, marks map[string]string) error
	// Nudged gets a value when somebody wants the source to look now rather than at its next time.
	Nudged() <-chan struct{}
	// MaxBody is the largest body that the route takes, in bytes.
	MaxBody() int64
	// Wants says whether the message may be answered with more than that it was taken, so that Accept waits for the route.
	Replies() bool
}

// Reply is what became of an accepted message, as far as the source may tell its client.
type Reply struct {
	ID      message.ID
	Outcome string // accepted, delivered, filtered, duplicate, invalid, held, dead
	Err     error  // why, of an invalid, held or dead one: a *fault.Error
	// Custom says that the route has a reply: Status, Type, Headers and Body are it.
	Custom  bool
	Status  int // 0: the protocol's usual
	Type    string
	Headers map[string]string
	Body    []byte
}

// Definition is an adapter, as the engine sees it.
type Definition struct {
	Name, Doc  string
	Settings   any // the defaults, a struct
	Sources    []*SourceDef
	Operations []*OperationDef
	check      func(*bind.Node) diag.List
	open       func(context.Context, Env, *bind.Node) (any, error)
	health     func(any, context.Context) error
}

// SourceDef is one way in.
type SourceDef struct {
	Name, Doc string
	With      any    // the defaults, a struct
	Accept    string // the format its messages are in unless the route says so: json, ndjson, fhir+json, text …; "" json
	check     func(*bind.Node) diag.List
	run       func(context.Context, any, *bind.Node, Inbox) error
	fits      func(system, with *bind.Node) ([]string, error)
}

// OperationDef is one thing to ask of a system.
type OperationDef struct {
	Name, Doc string
	Kind      Kind
	With      any // the defaults, a struct
	check     func(*bind.Node) diag.List
	do        func(context.Context, any, *bind.Node, message.Message) (message.Message, error)
	doMany    func(context.Context, any, []*bind.Node, []message.Message) []error
	once      func(*bind.Node) bool
}

// Part is a source, an operation or another part of an adapter whose connection is a C.
type Part[C any] func(*Definition)

// Define makes an adapter. S is the settings of a system document, as a struct whose fields have yaml:"name" or
// yaml:"name,required", doc:"…" and may have enum:"a,b" tags; defaults holds the values of what is not written. open
// connects lazily: it fails only for settings that can never work. If C has a Close() error method, it is called at the end.
func Define[S, C any](name, doc string, defaults S, open func(ctx context.Context, env Env, s S) (C, error), parts ...Part[C]) *Definition {
	d := &Definition{Name: name, Doc: doc, Settings: defaults}
	d.check = checker(defaults)
	d.open = func(ctx context.Context, env Env, n *bind.Node) (any, error) {
		s, err := settings(defaults, n)
		if err != nil {
			return nil, err
		}
		return open(ctx, env, s)
	}
	for _, p := range parts {
		p(d)
	}
	return d
}

// Source is a way in. run returns nil when ctx ends, having ended its goroutines, and an error when it cannot go on: it is
// started again after a while. accept names the format of its messages, "" for json.
func Source[C, W any](name, doc, accept string, defaults W, run func(c C, ctx context.Context, with W, in Inbox) error) Part[C] {
	return func(d *Definition) {
		d.Sources = append(d.Sources, &SourceDef{Name: name, Doc: doc, With: defaults, Accept: accept, check: checker(defaults),
			run: func(ctx context.Context, c any, n *bind.Node, in Inbox) error {
				w, err := settings(defaults, n)
				if err != nil {
					return err
				}
				return run(c.(C), ctx, w, in)
			}})
	}
}

// Operation is something to ask of the system. do gives up at ctx's deadline, may be called concurrently, and returns a
// *fault.Error with a class. The answer's Value or Body becomes vars or the body of the route that called. m.ID is stable
// for a delivery: send it as the idempotency key where the protocol has one.
func Operation[C, W any](name, doc string, kind Kind, defaults W, do func(c C, ctx context.Context, with W, m message.Message) (message.Message, error)) Part[C] {
	return func(d *Definition) {
		d.Operations = append(d.Operations, &OperationDef{Name: name, Doc: doc, Kind: kind, With: defaults, check: checker(defaults),
			do: func(ctx context.Context, c any, n *bind.Node, m message.Message) (message.Message, error) {
				w, err := settings(defaults, n)
				if err != nil {
					return message.Message{}, err
				}
				return do(c.(C), ctx, w, m)
			}})
	}
}

// Many adds to the operation of that name, defined before it, a way to do many at once, for systems where that is much
// cheaper. It gives an error or nil for each message, in order.
func Many[C, W any](operation string, defaults W, do func(c C, ctx context.Context, with []W, ms []message.Message) []error) Part[C] {
	return func(d *Definition) {
		d.Operation(operation).doMany = func(ctx context.Context, c any, ns []*bind.Node, ms []message.Message) []error {
			errs := make([]error, len(ms))
			ws := make([]W, 0, len(ms))
			for i, n := range ns {
				w, err := settings(defaults, n)
				if err != nil {
					for j := range errs {
						errs[j] = err
					}
					_ = i
					return errs
				}
				ws = append(ws, w)
			}
			return do(c.(C), ctx, ws, ms)
		}
	}
}

// Fits looks at the settings of a source of that name, defined before it, together with those of its system. claims are what
// only one route of a system can have, such as "POST /results"; an error says why the two do not go together.
func Fits[C, S, W any](source string, look func(S, W) (claims []string, err error)) Part[C] {
	return func(d *Definition) {
		system, with := d.Settings.(S), d.Source(source).With.(W)
		d.Source(source).fits = func(sn, wn *bind.Node) ([]string, error) {
			s, err := settings(system, sn)
			if err != nil {
				return nil, nil // that has been said
			}
			w, err := settings(with, wn)
			if err != nil {
				return nil, nil
			}
			return look(s, w)
		}
	}
}

// IdempotentIf says for which settings the operation of that name, defined before it as Writes, is Idempotent all the same: a
// request with an idempotency key, say.
func IdempotentIf[C, W any](operation string, is func(W) bool) Part[C] {
	return func(d *Definition) {
		defaults := d.Operation(operation).With.(W)
		d.Operation(operation).once = func(n *bind.Node) bool {
			w, err := settings(defaults, n)
			return err == nil && is(w)
		}
	}
}

// Health is a cheap question that tells whether the system answers and takes our credentials.
func Health[C any](ask func(c C, ctx context.Context) error) Part[C] {
	return func(d *Definition) { d.health = func(c any, ctx context.Context) error { return ask(c.(C), ctx) } }
}

// Source gives the source of that name, or nil.
func (d *Definition) Source(name string) *SourceDef {
	for _, s := range d.Sources {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Operation gives the operation of that name, or nil.
func (d *Definition) Operation(name string) *OperationDef {
	for _, o := range d.Operations {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Check finds what is wrong in a system's settings.
func (d *Definition) Check(n *bind.Node) diag.List { return d.check(n) }

// Open connects a system.
func (d *Definition) Open(ctx context.Context, env Env, n *bind.Node) (any, error) {
	return d.open(ctx, env, n)
}

// Health asks whether the system is well; nil also where the adapter has no way to ask.
func (d *Definition) Health(ctx context.Context, conn any) error {
	if d.health == nil {
		return nil
	}
	return d.health(conn, ctx)
}

// Check finds what is wrong in a route's with.
func (s *SourceDef) Check(n *bind.Node) diag.List { return s.check(n) }

// Fits gives what only one route of a system can have, and says whether the route's settings go with the system's.
func (s *SourceDef) Fits(system, with *bind.Node) (claims []string, err error) {
	if s.fits == nil {
		return nil, nil
	}
	return s.fits(system, with)
}

// Run runs the source until ctx ends.
func (s *SourceDef) Run(ctx context.Context, conn any, with *bind.Node, in Inbox) error {
	return s.run(ctx, conn, with, in)
}

// Check finds what is wrong in an operation's with. Values that come from expressions are holes.
func (o *OperationDef) Check(n *bind.Node) diag.List { return o.check(n) }

// Do asks the system.
func (o *OperationDef) Do(ctx context.Context, conn any, with *bind.Node, m message.Message) (message.Message, error) {
	return o.do(ctx, conn, with, m)
}

// Repeatable says whether doing it twice, with these settings, is as good as doing it once.
func (o *OperationDef) Repeatable(with *bind.Node) bool {
	return o.Kind != Writes || o.once != nil && o.once(with)
}

// DoMany asks for many at once; ok is false where the adapter has no way to.
func (o *OperationDef) DoMany(ctx context.Context, conn any, with []*bind.Node, ms []message.Message) (errs []error, ok bool) {
	if o.doMany == nil {
		return nil, false
	}
	return o.doMany(ctx, conn, with, ms), true
}
