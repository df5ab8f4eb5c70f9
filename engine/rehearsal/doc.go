// Package rehearsal runs rules with given answers and a given clock: rule tests and trial runs. Nothing is sent.
//
//	test: document ── Run ──> every turn through the same route.Plan that the engine runs ──> Report
//	a message      ── Try ──> each step's result
package rehearsal

import (
	"time"

	"github.com/njia-health/njia/engine/diag"
)

// Report is what the tests of a rule set came to.
type Report struct {
	Results []Result
	Took    time.Duration
}

// Result is one test.
type Result struct {
	Name     string        `json:"name"`
	Pos      diag.Pos      `json:"pos"`
	Route    string        `json:"route"`
	OK       bool          `json:"ok"`
	Failures []Failure     `json:"failures,omitempty"`
	Took     time.Duration `json:"took"`
}

// Failure is one expectation that was not met.
type Failure struct {
	Pos  diag.Pos `json:"pos"`  // of the expectation
	What string   `json:"what"` // what was looked at, such as sent[0].body.quantity
	Want string   `json:"want,omitempty"`
	Got  string   `json:"got,omitempty"`
	Note string   `json:"note,omitempty"`
}

// OK says whether every test passed.
func (r Report) OK() bool { return r.Failed() == 0 }

// Failed counts the tests that did not pass.
func (r Report) Failed() int {
	n := 0
	for _, t := range r.Results {
		if !t.OK {
			n++
		}
	}
	return n
}
