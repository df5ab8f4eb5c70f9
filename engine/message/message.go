// Package message is the envelope that moves: what a source hands to the engine and an operation sends.
//
//	source ── Message ──> Inbox.Accept ──> journal ──> route ── Message ──> operation ── Message (its answer) ──>
package message

import (
	"time"

	"github.com/google/uuid"
)

// ID names one message, or one delivery of it, for ever. It is a version 7 UUID, so IDs sort by time.
type ID string

// NewID returns a fresh ID.
func NewID() ID {
	u, err := uuid.NewV7()
	if err != nil {
		u = uuid.New() // no clock or randomness trouble may stop intake
	}
	return ID(u.String())
}

// Child returns the ID of the n-th thing that id leads to: the same for the same arguments, in every run,
// so that a delivery repeated after a crash carries the idempotency key of the first.
func (id ID) Child(n string) ID {
	return ID(uuid.NewSHA1(uuid.NameSpaceOID, []byte(string(id)+"/"+n)).String())
}

// What happened at the source, where it knows.
const (
	Create = "create"
	Update = "update"
	Delete = "delete" // also a void, or a 410 Gone; the body is the last known state, or {"id": …}
)

// Message is one thing that happened, or one thing to send. It is a value: who wants a change makes a copy,
// and nobody writes to the Body or Headers they were given.
type Message struct {
	ID      ID                // stable; the idempotency key of a delivery. A source may leave it empty: the engine makes one
	Time    time.Time         // when the engine accepted it: "now" in rules. A source may leave it zero
	Event   string            // Create, Update, Delete, or "" where the source does not know
	Type    string            // media type of Body, such as "application/fhir+json"; "" takes the route's accept
	Headers map[string]string // lower-case names
	Body    []byte            // as it came, or as it goes
	// Cursor is where the source stands once this message is accepted. It becomes durable together with the
	// message. "" keeps the old one.
	Cursor string
	// Marks are small durable facts of the source, such as the items it must look at again, kept with the
	// message in one transaction. An empty value forgets the name.
	Marks map[string]string
	// Status is the protocol's status of an answer, such as 201; 0 where there is none.
	Status int
	// Value is the decoded JSON of Body, where whoever made the message had it at hand; nil means decode Body.
	Value any
	// Fault says that the source itself found the message unfit, such as a line that is no JSON or a file over
	// the limit: it is journalled as invalid, with Body as far as it was read.
	Fault error
}

// JSON returns the body as a tree of map[string]any, []any, string, int, json.Number, bool and nil.
// The caller must not change it.
func (m Message) JSON() (any, error) {
	if m.Value != nil {
		return m.Value, nil
	}
	return Decode(m.Body)
}
