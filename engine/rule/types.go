// Package rule reads a rule set: YAML documents as Go types that keep their places.
//
//	folder ── Load ──> Set{Engine, Systems, Routes, Maps, Tests} or everything that is wrong with it
package rule

import (
	"time"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Doc is what every document has.
type Doc struct {
	Name   string     // the value of its first key
	Pos    diag.Pos   // of that value
	File   string     // as in Pos: relative to the rule set, with forward slashes; a shipped pack's as pack:NAME/file
	Pack   string     // the pack it belongs to; "" for the site's own
	Digest string     // of what it says once overrides are merged, whatever its place and comments
	Node   *bind.Node // the whole document, overrides merged
	About  string
	also   []string // folders of the documents that override it
}

// Set is a whole rule set. It is not changed once loaded.
type Set struct {
	Version string            // digest of all files and shipped packs in use: 12 hex digits
	Files   map[string][]byte // every file read, by the name that a Pos has; it can be loaded again from this
	// Overrides are what the site says otherwise than its packs.
	Overrides []Override
	Engine    *Engine // nil where the set has no engine document
	Packs     []*Pack
	Systems   []*System
	Routes    []*Route
	Maps      []*Map
	Tests     []*Test
	// Unread are the files that could not be read in full, so a name may be missing because of that: see Lost.
	Unread []string
}

// Engine is the engine: document.
type Engine struct {
	Doc
	Journal   string                // folder of the messages; "" is data below the rule set
	Listen    string                // address of metrics and health
	TLS       *bind.Node            // certificate and key of that listener
	Auth      *bind.Node            // bearer token that it needs off loopback
	Bind      map[string]string     // which provider serves each port
	Packs     map[string]*bind.Node // packs in use and their settings
	Retry     *Retry                // default for all routes
	On        map[string]*bind.Node // default for all routes
	Retention Retention             // how long ended messages are kept
	Remember  time.Duration         // how long an id counts as a repeat
	MaxBody   bind.Size             // largest body that a source takes
	Secrets   bind.Path             // folder with one file for each secret
}

// Retention is how long ended messages are kept, by status. Zero keeps for ever; open messages are always kept.
type Retention struct {
	Delivered time.Duration `yaml:"delivered" doc:"how long delivered messages are kept"`
	Filtered  time.Duration `yaml:"filtered" doc:"how long filtered ones are"`
	Duplicate time.Duration `yaml:"duplicate" doc:"how long repeats are"`
	Dead      time.Duration `yaml:"dead" doc:"how long dead letters are"`
	Discarded time.Duration `yaml:"discarded" doc:"how long discarded ones are"`
	Bodies    time.Duration `yaml:"bodies" doc:"how long the bodies of delivered ones are"`
	MaxSize   bind.Size     `yaml:"max-size" doc:"size of the journal at which the oldest ended messages go"`
}

// Pack is the pack: document.
type Pack struct {
	Doc
	Version  string
	Settings map[string]*Setting
	Values   map[string]any // what the site chose, over the defaults
	Dir      string         // where its files are, as in Pos
}

// Setting is one setting of a pack.
type Setting struct {
	Type    string `yaml:"type" enum:"text,number,boolean,duration,list,map" doc:"what it holds"`
	Default any    `yaml:"default" doc:"its value unless the site says so"`
	About   string `yaml:"about" doc:"what it is for"`
	Enum    []any  `yaml:"enum" doc:"the values that it may have"`
	Pos     diag.Pos
}

// System is the system: document.
type System struct {
	Doc
	Adapter  string
	Settings *bind.Node // the document without the keys here: the adapter's own, ${env.X} and ${secret.X} still in
	Limits   Limits
	Breaker  Breaker
	Retry    *Retry
	Answers  []Answer
	Enabled  *bool
	Window   *Window
}

// Limits are of one system, over all routes.
type Limits struct {
	Rate        bind.Rate     `yaml:"rate" doc:"requests in a time, such as 20/s; none: no limit"`
	Concurrency int           `yaml:"concurrency" doc:"requests at once"`
	Timeout     time.Duration `yaml:"timeout" doc:"how long one request may take"`
}

// Breaker opens after so many transient failures in a row; then one message at a time tries whether the system is back.
type Breaker struct {
	After int        `yaml:"after" doc:"transient failures in a row that open it"`
	Probe bind.Range `yaml:"probe" doc:"how long between tries while it is open"`
}

// Retry is how transient failures are tried again.
type Retry struct {
	Backoff bind.Range    `yaml:"backoff" doc:"shortest and longest wait, doubling, with jitter"`
	For     time.Duration `yaml:"for" doc:"how long to go on; then the message is dead"`
}

// Window is when deliveries may leave.
type Window struct {
	Cron string        `yaml:"cron,required" doc:"when it opens"`
	For  time.Duration `yaml:"for,required" doc:"how long it stays open"`
	Zone string        `yaml:"zone" doc:"time zone, such as Africa/Nairobi"`
	Pos  diag.Pos
}

// Answer judges a system's answer before the adapter does.
type Answer struct {
	When  *bind.Node `yaml:"when,required" doc:"CEL over status, headers and body of the answer"`
	Class string     `yaml:"class,required" doc:"ok, or a failure class"`
	Text  *bind.Node `yaml:"text" doc:"what to tell the operator"`
}

// Route is the route: document.
type Route struct {
	Doc
	From     string
	FromPos  diag.Pos
	With     *bind.Node // the source's settings
	Accept   string     // "" is the source's own
	Schema   *bind.Node // a file or a JSON Schema in place
	ID       *bind.Node // ${…}
	Remember time.Duration
	Key      *bind.Node
	Keys     *bind.Node
	When     *bind.Node
	Steps    []Step
	To       []Target
	Reply    *Reply
	Retry    *Retry // nil: the engine's
	On       map[string]On
	Order    string // strict, pass-held, none; "" is strict where there is a key
	Ack      string // accepted (default), delivered
	Expire   time.Duration
	Window   *Window
	Store    Store
	MaxBody  bind.Size
	Enabled  *bool
}

// Store is what of a message is kept.
type Store struct {
	Filtered string `yaml:"filtered" enum:"no-body,body" doc:"what is kept of a filtered message; no-body unless said otherwise"`
	Body     string `yaml:"body" enum:"always,until-delivered" doc:"how long a body is kept; always unless said otherwise"`
}

// On is what becomes of a failure of one class.
type On struct {
	Do  string // retry, hold, dead-letter, filter
	To  *Target
	Pos diag.Pos
}

// Reply is what a request/reply source answers.
type Reply struct {
	Pos     diag.Pos
	Body    *bind.Node // jq
	Status  *bind.Node // ${…} or a number
	Headers *bind.Node
	Type    string
}

// Step is one step: exactly one of the pointers is set.
type Step struct {
	Pos   diag.Pos
	Label string // where it stands in the route, such as steps[2] or steps[3].choose[0].steps[1]
	Name  string // its key: when, jq, set …

	When      *bind.Node
	JQ        *bind.Node
	Set       *bind.Node // a map of ${…}, {jq: …} and plain values
	Call      *Call
	Translate *Translate
	Validate  *bind.Node // {schema: …}
	Choose    []Branch
	Split     *bind.Node // jq
	Dedupe    *Dedupe
	Tap       *Target
	Wait      *Wait
	To        []Target

	Rescue []Branch
}

// Call asks a system and waits.
type Call struct {
	Operation    string
	OperationPos diag.Pos
	With         *bind.Node
	Body         *bind.Node // jq: what is sent; nil: the body
	As           string     // a name of vars, or body; "" throws the answer away
	Expect       string     // one, many, or ""
	Answers      []Answer
	Items        *bind.Node // jq over the answer: [{index, class, message}]
	Timeout      time.Duration
}

// Target is where a delivery goes.
type Target struct {
	Call
	When *bind.Node // only if true; nil: always
	Pos  diag.Pos
}

// Translate maps codes.
type Translate struct {
	Map     string
	MapPos  diag.Pos
	From    *bind.Node // jq path
	To      *bind.Node // jq path; nil: From
	Missing *bind.Node // hold, keep, null, dead-letter, or {value: …}
	System  string     // the code system to look for where From is a CodeableConcept
}

// Branch is one of choose or rescue.
type Branch struct {
	Pos   diag.Pos
	Label string
	When  *bind.Node // nil: otherwise, or always
	Steps []Step     // its to: is the last of them
}

// Dedupe ends repeats.
type Dedupe struct {
	By  *bind.Node // ${…}
	For time.Duration
}

// Wait is a gate.
type Wait struct {
	Until *bind.Node // CEL
	Call  *Call      // asked before each look; nil: time alone
	Every time.Duration
	For   time.Duration
}

// Map is the map: document.
type Map struct {
	Doc
	CSV        string // file, relative to the document
	From, To   string // columns
	Inline     map[string]any
	ConceptMap string // file, FHIR ConceptMap
	Entries    map[string]any
	Default    *bind.Node
}

// Test is the test: document.
type Test struct {
	Doc
	Route string
	Turns []Turn // given/expect is one turn
}

// Turn is one message and what should become of it.
type Turn struct {
	Pos    diag.Pos
	Given  Given
	Expect Expect
}

// Given is what a turn starts with.
type Given struct {
	Body    any    // the message, JSON
	Raw     []byte // instead of Body
	HasBody bool
	Event   string
	Headers map[string]string
	Time    time.Time
	ID      string
	Calls   []GivenCall
	Vars    map[string]any
	// Settings are all of the route's pack that this turn runs with; nil: those that the site chose. A pack's own tests begin
	// with its defaults, so that they hold wherever the pack is used.
	Settings map[string]any
	settings *bind.Node // as written
}

// GivenCall is a stubbed answer.
type GivenCall struct {
	Pos     diag.Pos
	Call    string     // operation
	With    *bind.Node // subset match; nil: any
	Body    *bind.Node // subset match of what is sent; nil: any
	Returns any
	Status  int
	Fails   *GivenFault
	Times   int // how often it answers; 0: always
}

// GivenFault is a stubbed failure.
type GivenFault struct {
	Class   string `yaml:"class,required" doc:"a failure class"`
	Message string `yaml:"message" doc:"its text"`
	Status  int    `yaml:"status" doc:"the protocol's status"`
	Body    any    `yaml:"body" doc:"the system's answer"`
}

// Expect is what should become of it.
type Expect struct {
	Pos     diag.Pos
	Outcome string     // a status; "": any
	Class   string     // of the failure
	Error   string     // part of its text
	Sent    *bind.Node // list of {to, with, body, exactly}; nil: not looked at
	Calls   *bind.Node // list of {call, with, body}; nil: not looked at
	Reply   *bind.Node // {status, body}
	Body    *bind.Node // after the steps
	Vars    *bind.Node
	Key     string
	ID      string
	Exactly bool
}

// Override is a document of the site that is merged over one of a pack.
type Override struct {
	Kind, Name string
	Pos        diag.Pos
	Pack       string
	Changes    []string // for people, such as limits.rate: 5/s (was 20/s)
}
