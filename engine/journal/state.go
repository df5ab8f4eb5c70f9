package journal

import (
	"encoding/hex"
	"time"

	"github.com/njia-health/njia/engine/message"
)

// statuses by their number in rows, which is the index plus 2: the numbers 0 and 1 take no byte in a row, so that a
// change to or from them would change its size, and a row that keeps its size is written in place.
var statuses = [...]Status{Received, Processing, Retrying, Held, Delivered, Filtered, Duplicate, Dead, Discarded}

func (s Status) number() int64 {
	for i, t := range statuses {
		if s == t {
			return int64(i) + 2
		}
	}
	return 0
}

func statusOf(n int64) Status {
	if n >= 2 && int(n-2) < len(statuses) {
		return statuses[n-2]
	}
	return ""
}

// What else there is of a message, so that nobody need look. Every value takes two bytes in a row.
const (
	hasBody       = 1
	hasCalls      = 2
	hasEdit       = 4
	hasDeliveries = 8
	hasTrouble    = 16
	hasRun        = 32
	hasLarge      = 64 // some of it is in a file of its own
	hasAttempts   = 128
	always        = 256
)

// state is what the writer must know of a message before it changes it.
type state struct {
	status Status
	route  int64
	flags  int64
}

// shift makes the key of a delivery, an attempt or a call: seq<<shift | its number.
const (
	shift    = 20
	maxParts = 1 << shift
)

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// idValue is how a row keeps an ID: a UUID in the usual writing as its 16 bytes, any other as text.
func idValue(id message.ID) any {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return string(id)
	}
	digits := make([]byte, 0, 32)
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			digits = append(digits, c)
		case c != '-':
			return string(id)
		}
	}
	out := make([]byte, 16)
	if n, err := hex.Decode(out, digits); err != nil || n != 16 {
		return string(id)
	}
	return out
}

func idOf(v any) message.ID {
	switch x := v.(type) {
	case string:
		return message.ID(x)
	case []byte:
		if len(x) != 16 {
			return message.ID(x)
		}
		var b [36]byte
		hex.Encode(b[0:8], x[0:4])
		hex.Encode(b[9:13], x[4:6])
		hex.Encode(b[14:18], x[6:8])
		hex.Encode(b[19:23], x[8:10])
		hex.Encode(b[24:36], x[10:16])
		b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
		return message.ID(b[:])
	}
	return ""
}
