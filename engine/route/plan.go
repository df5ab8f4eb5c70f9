// Package route compiles a route and runs a message through it. It has no I/O, goroutine or clock of its own: what a
// route asks of the world goes through Host.
//
//	rule.Route ── Compile ──> Plan
//	message ── Admit ──> Admission (parsed, judged by when: and id: and key:)
//	        ── Run ──> Outcome (deliveries to make, or filtered, failed, waiting at a gate)
package route

import (
	"context"
	"time"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
	"github.com/njia-health/njia/engine/rule"
)

// Host answers what a plan asks of the world. The engine's calls systems and journals the answers of writing calls, a rule
// test's answers from its given.
type Host interface {
	// Call asks a system. A writing call that this message has made before, with the same content, answers from the record.
	Call(ctx context.Context, c Call) (message.Message, error)
	// Seen says whether a dedupe step has confirmed id.
	Seen(ctx context.Context, scope, id string) (bool, error)
	// Now is the time, for gates.
	Now() time.Time
}

// Call is one question to a system.
type Call struct {
	Label     string // of the step, unique in the route
	Operation string // system.operation
	With      any    // the settings as a plain tree
	Node      *bind.Node
	Message   message.Message // what is sent
	Timeout   time.Duration   // 0: the system's
	Tap       bool            // its failure never stops the route
}

// Operation is what Compile must know of an operation.
type Operation struct {
	Name    string // system.operation
	Writes  bool
	Check   func(*bind.Node) diag.List
	Answers []rule.Answer // the system's own
	Dir     string        // of the system's document
}

// Env is what a route is compiled against.
type Env struct {
	Expr     *expr.Compiler
	Settings map[string]any // of the route's pack
	// Operation finds system.operation; hint says what there is, where it is not found.
	Operation func(name string) (op Operation, found bool, hint string)
	Map       func(name string) *rule.Map // nil where there is none
	MapNames  []string
	Lost      func(kind, name string) bool // its file cannot be read, which has been said; may be nil
	File      func(d *rule.Doc, rel string) (src []byte, file string, err error)
	Engine    *rule.Engine // defaults; may be nil
	Rules     string       // rule-set version
	Accept    string       // the source's format
}

// Plan is a compiled route. It is immutable, and safe for concurrent use.
type Plan struct {
	Name   string
	Rules  string
	Route  *rule.Route
	env    Env
	format format
	schema *schema

	id, key expr.Template
	keys    map[string]expr.Template
	when    expr.Guard

	code     []instr
	handlers []handler
	labels   map[string]int // where a child or a gate goes on
	targets  map[string]*target
	reply    *reply
	policy   map[fault.Class]Policy

	Retry    Retry
	Remember time.Duration
	Expire   time.Duration
	MaxBody  int64
	Strict   bool // messages of one key one after the other
	PassHeld bool // later ones go past a held one
	Direct   bool // ack: delivered
	// Writes says that a run may make writing calls, or has gates: it must be journalled step by step.
	Writes    bool
	remembers bool // has dedupe steps
	// Single says that every run makes at most one delivery.
	Single bool
}

// Retry is how transient failures are tried again.
type Retry struct {
	From, To time.Duration
	For      time.Duration
}

// What becomes of a failure.
const (
	DoRetry      = "retry"
	DoHold       = "hold"
	DoDeadLetter = "dead-letter"
	DoFilter     = "filter"
	DoPause      = "pause" // the system waits, and the message with it
)

// Policy is what becomes of a failure of one class.
type Policy struct {
	Do    string
	Alert string // label of the block that tells somebody; "" tells nobody
}

// Policy says what becomes of f.
func (p *Plan) Policy(f *fault.Error) Policy { return p.policy[f.Class] }

// Admission is a message as the route first sees it.
type Admission struct {
	Body   any
	ID     string // for the idempotent receiver; "" is none
	Key    string
	Keys   map[string]string
	Passes bool         // false: filtered, unless Err says more
	Err    *fault.Error // invalid, or a bug of id, key or when
}

// Input is what Run starts with.
type Input struct {
	Message  message.Message
	Body     any // of Admit; used where Parsed
	Parsed   bool
	Source   string
	Engine   string
	Attempt  int
	Resume   string         // label to go on at: of a child or a gate
	Vars     map[string]any // of a child
	Error    map[string]any // of an alert
	Gate     *Gate          // state of the gate that the run stopped at
	Settings map[string]any // of a rehearsal; nil: the pack's
	Observer func(StepEvent)
}

// StepEvent is one step as it happened, for people who look.
type StepEvent struct {
	Label, Kind   string
	Outcome, Note string
	Before, After any
	Vars          map[string]any
	Err           *fault.Error
}

// Status is how a run ended.
type Status string

// The ways a run ends.
const (
	Done      Status = "done"      // its deliveries are to be made; none: it is delivered
	Filtered  Status = "filtered"  //
	Duplicate Status = "duplicate" // a dedupe step knew it
	Failed    Status = "failed"    // Err says why
	Waiting   Status = "waiting"   // at a gate; Gate says until when
)

// Outcome is what a run came to.
type Outcome struct {
	Status     Status
	Err        *fault.Error
	Do         string // overrides the policy for Err, where a step says so
	At         string // label of the step that failed
	System     string // of the call that failed
	Deliveries []Delivery
	Children   []Child
	Reply      *Reply
	Gate       *Gate
	Seen       []SeenID
	Trace      []Traced
	Body       any
	Vars       map[string]any
}

// Delivery is one message to send.
type Delivery struct {
	Label     string
	Operation string
	With      any
	Node      *bind.Node // With with its places, where it is static
	Type      string
	Body      []byte
	Value     any
	Headers   map[string]string
}

// Child is a message that goes on by itself.
type Child struct {
	N      int
	Resume string
	Body   any
	Vars   map[string]any
	Err    *fault.Error // it starts as failed: an item that the target refused
}

// Gate is where a waiting run goes on. It is kept as JSON.
type Gate struct {
	Label      string         `json:"label"`
	Since      time.Time      `json:"since"`
	Due        time.Time      `json:"due"`
	Body       any            `json:"body"`
	Vars       map[string]any `json:"vars,omitempty"`
	Deliveries []GateDelivery `json:"deliveries,omitempty"` // made before the gate; they leave when the run has ended
	Seen       []SeenID       `json:"seen,omitempty"`       // of dedupe steps before the gate
	Looks      int            `json:"looks"`
}

// GateDelivery is a Delivery kept at a gate.
type GateDelivery struct {
	Label, Operation, Type string
	With                   any
	Body                   []byte
}

// SeenID is the value of a dedupe step.
type SeenID struct {
	Scope, ID string
	For       time.Duration
}

// Traced is the outcome of one step.
type Traced struct {
	Label, Outcome, Note string
	Took                 time.Duration
}

// Reply is what a request/reply source answers.
type Reply struct {
	Status  int
	Type    string
	Headers map[string]string
	Body    []byte
}
