// Package journal is the durable log: every message, what became of it, and what was tried.
//
//	Append ──> received ── Resolve ──> deliveries ── Attempt ──> delivered | retrying | held | dead
//
// A write returns when it is on disk. Many writes share one fsync. Reading never blocks writing.
package journal

import (
	"errors"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Seq numbers the messages in the order of their acceptance. It is what operators call a message by.
type Seq int64

// Status is how a message stands. LANGUAGE.md section 6.
type Status string

// The statuses.
const (
	Received   Status = "received"   // accepted, not run yet
	Processing Status = "processing" // has deliveries or a gate under way
	Retrying   Status = "retrying"   // failed for a passing reason, will be tried again at Due
	Held       Status = "held"       // waits for a map entry, a changed route or a person
	Delivered  Status = "delivered"
	Filtered   Status = "filtered"
	Duplicate  Status = "duplicate"
	Dead       Status = "dead"
	Discarded  Status = "discarded"
)

// Open says whether there is still something to do.
func (s Status) Open() bool { return s == Received || s == Processing || s == Retrying || s == Held }

// Errors that callers ask about.
var (
	ErrLocked   = errors.New("the journal is in use")
	ErrNotFound = errors.New("no such message")
	ErrClosed   = errors.New("the journal is closed")
	ErrFull     = errors.New("the disk is full")
	ErrState    = errors.New("the message has moved on")
)

// Entry is a message to keep.
type Entry struct {
	Message  message.Message
	Route    string
	Source   string // system.source
	Rules    string // rule-set version
	Key      string // ordering key; "" is none
	Keys     map[string]string
	DedupeID string        // "" is none
	Remember time.Duration // how long DedupeID counts
	Status   Status        // Received, or how it ended at once: Filtered, Dead, Held
	Failure  *fault.Error  // of a Dead or Held one
	NoBody   bool          // the body is not kept
	Parent   Seq           // of a split message; 0 none
	Resume   string        // where a child goes on: the label of the step after; "" from the start
	Vars     []byte        // JSON, of a child
	// Cursor and marks of the source move with the message, under this name. "" moves nothing.
	CursorName string
	Cursor     string
	Marks      map[string]string
}

// Receipt answers an Entry. An entry whose DedupeID is known (its first is still open, or ended delivered or filtered,
// within Remember) is kept as a Duplicate without body; one whose first ended dead or discarded is accepted anew.
type Receipt struct {
	Seq    Seq
	ID     message.ID
	Status Status
	First  Seq // of a Duplicate: the one it repeats
}

// Record is a message as it stands.
type Record struct {
	Seq      Seq               `json:"seq"`
	ID       message.ID        `json:"id"`
	Route    string            `json:"route"`
	Source   string            `json:"source,omitempty"`
	Rules    string            `json:"rules,omitempty"`
	Key      string            `json:"key,omitempty"`
	Keys     map[string]string `json:"keys,omitempty"`
	DedupeID string            `json:"dedupe_id,omitempty"`
	Event    string            `json:"event,omitempty"`
	Type     string            `json:"type,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Status   Status            `json:"status"`
	Received time.Time         `json:"received"`
	Changed  time.Time         `json:"changed"`
	Due      time.Time         `json:"due,omitzero"` // of a Retrying one, or a gate's next look
	Attempts int               `json:"attempts"`
	Since    time.Time         `json:"since,omitzero"` // first failure of the present trouble
	Class    fault.Class       `json:"class,omitempty"`
	Error    string            `json:"error,omitempty"`
	System   string            `json:"system,omitempty"` // the one it waits for or failed at
	Map      string            `json:"map,omitempty"`    // of an unmapped one
	Code     string            `json:"code,omitempty"`
	Size     int               `json:"size"`
	HasBody  bool              `json:"has_body"`
	Edited   bool              `json:"edited,omitempty"`
	Parent   Seq               `json:"parent,omitempty"`
	Resume   string            `json:"resume,omitempty"`
	Vars     []byte            `json:"vars,omitempty"`
	Reason   string            `json:"reason,omitempty"` // why it was discarded
}

// Delivery is one message for one operation.
type Delivery struct {
	Seq       Seq         `json:"seq"`
	N         int         `json:"n"` // from 0 within the message
	ID        message.ID  `json:"id"`
	Operation string      `json:"operation"` // system.operation
	Label     string      `json:"label"`     // of the target in the route
	With      []byte      `json:"with,omitempty"`
	Type      string      `json:"type,omitempty"`
	Body      []byte      `json:"body,omitempty"`
	Status    Status      `json:"status"` // Received (to be sent), Retrying, Delivered, Held, Dead
	Attempts  int         `json:"attempts"`
	Due       time.Time   `json:"due,omitzero"`
	Since     time.Time   `json:"since,omitzero"`
	Class     fault.Class `json:"class,omitempty"`
	Error     string      `json:"error,omitempty"`
	Answer    []byte      `json:"answer,omitempty"`
}

// Step is the outcome of one step, for the trace.
type Step struct {
	Label   string        `json:"step"`
	Outcome string        `json:"outcome"` // passed, filtered, true, false, called, failed …
	Took    time.Duration `json:"took,omitempty"`
	Note    string        `json:"note,omitempty"`
}

// Resolution is what a run of a message came to. It is kept in one transaction.
type Resolution struct {
	Seq        Seq
	Status     Status // Processing (deliveries follow), Retrying, Held, Delivered, Filtered, Duplicate, Dead
	Rules      string // the version it ran under
	Failure    *fault.Error
	System     string // of a Retrying one: the system it waits for
	Due        time.Time
	Since      time.Time
	Attempts   int
	Deliveries []Delivery // replaces those not delivered; may already be Delivered or failed, with Tried telling how
	Tried      []Attempt  // attempts made before the resolution was written
	Children   []Entry
	Trace      []Step
	Gate       []byte   // state of a wait step, JSON; nil clears it
	Seen       []SeenID // of dedupe steps, confirmed by this success
	DropBody   bool
}

// SeenID is a value of a dedupe step.
type SeenID struct {
	Scope, ID string
	For       time.Duration
}

// Attempt is one try of a delivery (or, with N -1, of the run itself: a failing call).
type Attempt struct {
	Seq     Seq           `json:"seq"`
	N       int           `json:"n"`
	Number  int           `json:"number"` // from 1
	Time    time.Time     `json:"time"`
	Took    time.Duration `json:"took"`
	Status  Status        `json:"status"` // of the delivery afterwards
	Class   fault.Class   `json:"class,omitempty"`
	Error   string        `json:"error,omitempty"`
	Code    int           `json:"code,omitempty"` // the protocol's status
	Answer  []byte        `json:"answer,omitempty"`
	Due     time.Time     `json:"due,omitzero"`
	Since   time.Time     `json:"since,omitzero"`
	Message Status        `json:"message"` // of the whole message afterwards
	System  string        `json:"system,omitempty"`
	// DropBody forgets the bodies of a message that this attempt ends, where its route keeps none.
	DropBody bool `json:"-"`
}

// Call is the recorded answer of a writing call, so that it is not made again.
type Call struct {
	Seq       Seq       `json:"seq"`
	Label     string    `json:"label"` // of the step
	Operation string    `json:"operation"`
	Digest    string    `json:"digest"` // of what was sent: another digest is another call
	Time      time.Time `json:"time"`
	Status    int       `json:"status,omitempty"`
	Answer    []byte    `json:"answer,omitempty"`
}

// Query is a search. Zero fields do not narrow it.
type Query struct {
	Route    string
	Statuses []Status
	System   string
	Class    fault.Class
	Key      string // ordering key or the value of any business key
	ID       string // message id, dedupe id, or a number
	Text     string // words of the error
	Map      string
	From, To time.Time // received
	Parent   Seq
	Before   Seq // page: only older ones
	After    Seq // oldest first, from this on
	Limit    int // 0 is 50
}

// Story is one message with everything known about it.
type Story struct {
	Record
	Body       []byte     `json:"body,omitempty"`
	Original   []byte     `json:"original,omitempty"` // before an edit
	Trace      []Step     `json:"trace,omitempty"`
	Deliveries []Delivery `json:"deliveries,omitempty"`
	Attempts_  []Attempt  `json:"attempts_made,omitempty"`
	Calls      []Call     `json:"calls,omitempty"`
	Children   []Record   `json:"children,omitempty"`
	Actions    []Action   `json:"actions,omitempty"`
	Gate       []byte     `json:"gate,omitempty"`
}

// Action is what a person did, for the audit trail.
type Action struct {
	Time   time.Time `json:"time"`
	Who    string    `json:"who"`
	What   string    `json:"what"` // retry, edit, discard, release, pause, resume, reload
	Seq    Seq       `json:"seq,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Count is how many messages of a route have a status.
type Count struct {
	Route  string
	Status Status
	N      int64
	Oldest time.Time // received
}

// RuleSet is a version that ran.
type RuleSet struct {
	Version string            `json:"version"`
	Time    time.Time         `json:"time"`
	Files   map[string][]byte `json:"-"`
}

// Keep says how long ended messages are kept, by status; a missing or zero one keeps for ever.
type Keep struct {
	For     map[Status]time.Duration
	Bodies  time.Duration // of delivered ones
	MaxSize int64         // bytes of the files; the oldest ended go first
}
