// Package fault says why a message failed, and so what becomes of it.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Class decides what happens next to a message that failed.
type Class string

// The classes and their defaults. LANGUAGE.md section 6.
const (
	Transient    Class = "transient"    // network, time-out, 408/429/5xx, lock: tried again with back-off
	Rejected     Class = "rejected"     // the target refused the content: dead letter
	Unauthorized Class = "unauthorized" // credentials refused: the system pauses
	Unmapped     Class = "unmapped"     // a code has no entry in a map: held until it has
	Invalid      Class = "invalid"      // the input does not parse or validate: dead letter, raw bytes kept
	Conflict     Class = "conflict"     // the target changed since: held for a person
	Bug          Class = "bug"          // a rule failed on this message: held until the route changes
	Expired      Class = "expired"      // older than expire, or a gate's for is over: dead letter
	Unknown      Class = "unknown"      // sent, and the answer was lost, and the target has no idempotency
)

// Classes in the order of LANGUAGE.md.
var Classes = []Class{Transient, Rejected, Unauthorized, Unmapped, Invalid, Conflict, Bug, Expired, Unknown}

// Error is a failure with its class. Its text is for an operator: what was done to what, and what the system said.
// It holds no secret and no patient data; the full answer is in Answer, which is kept in the journal only.
type Error struct {
	Class      Class
	Text       string
	Status     int           // the protocol's status, such as 409; 0 where there is none
	Answer     []byte        // the system's answer, for the attempt's record
	RetryAfter time.Duration // what the system asked for; 0: nothing
	Place      string        // file:line:col of the rule, where one is to blame
	Map, Code  string        // what is missing, of an Unmapped one
	Err        error         // what is behind it; may be nil
}

func (e *Error) Error() string {
	text := e.Text
	if text == "" && e.Err != nil {
		text = e.Err.Error()
	}
	if e.Place != "" {
		return e.Place + ": " + text
	}
	return text
}

// Unwrap gives what is behind e.
func (e *Error) Unwrap() error { return e.Err }

// As gives err a class. A nil err stays nil.
func As(c Class, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: c, Err: err}
}

// New is an Error with a text.
func New(c Class, format string, args ...any) *Error {
	return &Error{Class: c, Text: fmt.Sprintf(format, args...)}
}

// Of gives the Error in err's chain, or makes one. What nobody classified is Transient: sending again is safe, dropping
// is not. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if same, ok := err.(*Error); ok && same == e { //nolint:errorlint // itself, not what it wraps
			return e
		}
		c := *e // the outer text says more
		c.Text, c.Place, c.Err = err.Error(), "", err
		return &c
	}
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		text = "no answer in time: " + text
	}
	return &Error{Class: Transient, Text: text, Err: err}
}

// ClassOf is the class of err; "" for nil.
func ClassOf(err error) Class {
	if e := Of(err); e != nil {
		return e.Class
	}
	return ""
}

// FromPanic makes a Bug of a recovered value. The value's text is kept, the stack is not: the caller logs it.
func FromPanic(doing string, p any) *Error {
	return New(Bug, "%s: the program failed: %v", doing, p)
}

// FromHTTP gives the class that a status has in plain HTTP: 2xx "", 401 unauthorized, 408, 423, 425, 429 and 5xx transient,
// 409 and 412 conflict, every other one rejected. RFC 9110 section 15.
func FromHTTP(status int) Class {
	switch {
	case status >= 200 && status < 300:
		return ""
	case status == 401:
		return Unauthorized
	case status == 408 || status == 423 || status == 425 || status == 429 || status >= 500:
		return Transient
	case status == 409 || status == 412:
		return Conflict
	}
	return Rejected
}
