package console

import (
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/journal"
)

// Page is a part of a list of messages.
type Page struct {
	Messages []journal.Record `json:"messages"`
	// Next gives the parameters of the page after this one; nil at the end.
	Next *Cursor `json:"next,omitempty"`
}

// Cursor is where a list goes on: one of the two is set.
type Cursor struct {
	Before journal.Seq `json:"before,omitempty"`
	After  journal.Seq `json:"after,omitempty"`
}

// Story is one message with everything known about it. What may be patient data is there only where it was asked for.
type Story struct {
	journal.Record
	Vars       Text             `json:"vars,omitempty"`
	Body       Text             `json:"body,omitempty"`
	Original   Text             `json:"original,omitempty"`
	Trace      []Step           `json:"trace,omitempty"`
	Deliveries []Delivery       `json:"deliveries,omitempty"`
	Attempts   []Attempt        `json:"attempts_made,omitempty"`
	Calls      []Call           `json:"calls,omitempty"`
	Children   []journal.Record `json:"children,omitempty"`
	Actions    []journal.Action `json:"actions,omitempty"`
	Gate       Text             `json:"gate,omitempty"`
}

// Step is one step of the trace.
type Step struct {
	journal.Step
	Took Duration `json:"took,omitempty"`
}

// Delivery is one message for one operation.
type Delivery struct {
	journal.Delivery
	With   Text `json:"with,omitempty"`
	Body   Text `json:"body,omitempty"`
	Answer Text `json:"answer,omitempty"`
}

// Attempt is one try.
type Attempt struct {
	journal.Attempt
	Took    Duration       `json:"took"`
	Message journal.Status `json:"message,omitempty"` // of the whole message afterwards
	Answer  Text           `json:"answer,omitempty"`
}

// Call is the recorded answer of a call that writes.
type Call struct {
	journal.Call
	Answer Text `json:"answer,omitempty"`
}

// storyOf gives s for the API. Without bodies it has what the message went through and none of what was in it, but for
// the answers of failed attempts: they say what the other system did not like.
func storyOf(s journal.Story, bodies bool) Story {
	content := func(b []byte) Text {
		if !bodies {
			return nil
		}
		return b
	}
	out := Story{Record: s.Record, Vars: content(s.Vars), Body: content(s.Body), Original: content(s.Original), Gate: content(s.Gate), Actions: s.Actions}
	out.Record.Vars = nil
	for _, t := range s.Trace {
		out.Trace = append(out.Trace, Step{Step: t, Took: Duration(t.Took)})
	}
	for _, d := range s.Deliveries {
		x := Delivery{Delivery: d, With: content(d.With), Body: content(d.Body), Answer: content(d.Answer)}
		x.Delivery.With, x.Delivery.Body, x.Delivery.Answer = nil, nil, nil
		out.Deliveries = append(out.Deliveries, x)
	}
	for _, t := range s.Attempts_ {
		x := Attempt{Attempt: t, Took: Duration(t.Took), Message: t.Message, Answer: content(t.Answer)}
		if t.Class != "" {
			x.Answer = t.Answer
		}
		x.Attempt.Answer = nil
		out.Attempts = append(out.Attempts, x)
	}
	for _, c := range s.Calls {
		x := Call{Call: c, Answer: content(c.Answer)}
		x.Call.Answer = nil
		out.Calls = append(out.Calls, x)
	}
	for _, c := range s.Children {
		c.Vars = nil
		out.Children = append(out.Children, c)
	}
	return out
}

// Status is how the engine stands.
type Status struct {
	engine.Status
	Reload  *Reload  `json:"reload,omitempty"`
	Systems []System `json:"systems"`
}

// System is how a system stands.
type System struct {
	engine.SystemStatus
	Latency Duration `json:"latency,omitempty"`
}

// Reload is how a change of rules went.
type Reload struct {
	engine.ReloadResult
	Took     Duration  `json:"took"`
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is one thing that is wrong in a rule set.
type Finding struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Length  int    `json:"length,omitempty"`
	Warning bool   `json:"warning,omitempty"`
	Text    string `json:"text"`
	Hint    string `json:"hint,omitempty"`
	Shown   string `json:"shown,omitempty"` // as the command line shows it, with the line of the file
}

// Findings are errs for the API. source gives the text of a file, or nil.
func Findings(errs diag.List, source func(file string) []byte) []Finding {
	var out []Finding
	for _, e := range errs {
		out = append(out, Finding{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Col, Length: e.Len, Warning: e.Warning, Text: e.Text, Hint: e.Hint, Shown: e.Render(source)})
	}
	return out
}

func statusOf(s engine.Status, source func(string) []byte) Status {
	out := Status{Status: s, Systems: []System{}}
	if s.Reload != nil {
		out.Reload = &Reload{ReloadResult: *s.Reload, Took: Duration(s.Reload.Took), Findings: Findings(s.Reload.Errors, source)}
	}
	for _, sys := range s.Systems {
		out.Systems = append(out.Systems, System{SystemStatus: sys, Latency: Duration(sys.Latency)})
	}
	out.Status.Reload, out.Status.Systems = nil, nil
	return out
}
