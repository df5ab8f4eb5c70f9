package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// SyntaxError says where a body stops being JSON. It never quotes the body: that may be patient data.
type SyntaxError struct {
	Line, Column int // from 1; the column counts characters
	Reason       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// syntaxError finds the place. The fast decoder gives none that can be shown, so the standard one reads b again.
func syntaxError(b []byte, err error) error {
	reason, offset := err.Error(), len(b)
	var std *json.SyntaxError
	var any any
	if e := json.Unmarshal(b, &any); errors.As(e, &std) {
		reason, offset = std.Error(), max(int(std.Offset)-1, 0)
		if offset >= len(b)-1 && bytes.Contains([]byte(reason), []byte("unexpected end")) {
			reason, offset = "it ends too early", len(b)
		}
	}
	before := b[:min(offset, len(b))]
	line := 1 + bytes.Count(before, []byte("\n"))
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	return &SyntaxError{Line: line, Column: 1 + utf8.RuneCount(before), Reason: reason}
}
