package rule

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/diag"
)

// readable says why src is no text that an editor and the parser count alike.
func readable(file string, src []byte) *diag.Error {
	if len(src) > maxFile {
		e := diag.Errorf(diag.Pos{File: file}, "this file has %d MB, the limit is %d MB", len(src)>>20, maxFile>>20).
			WithHint("code lists belong into a CSV file that a map document names")
		return &e
	}
	pos := diag.Pos{File: file, Line: 1, Col: 1}
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) || bytes.IndexByte(src, 0) >= 0 && len(src)%2 == 0 && bytes.Count(src, []byte{0}) >= len(src)/4 {
		e := diag.Errorf(pos, "this file is written in UTF-16").WithHint("save it as UTF-8")
		return &e
	}
	for i := 0; i < len(src); {
		b := src[i]
		if b >= 0x20 && b < 0x7f || b == '\t' {
			i, pos.Col = i+1, pos.Col+1
			continue
		}
		c, n := utf8.DecodeRune(src[i:])
		bad := ""
		hint := "delete it"
		switch {
		case c == '\n':
			pos.Line, pos.Col = pos.Line+1, 1
			i++
			continue
		case c == '\r':
			if i+1 < len(src) && src[i+1] == '\n' || i+1 == len(src) {
				i++
				continue
			}
			bad, hint = "a carriage return without a line feed", "save the file with line ends as on Linux or Windows"
		case c == utf8.RuneError && n <= 1:
			bad, hint = "a byte that is no UTF-8", "save the file as UTF-8"
		case c == 0x85 || c == 0x2028 || c == 0x2029:
			bad = fmt.Sprintf("an invisible line separator (U+%04X)", c)
		case c < 0x20 || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0xfeff || c == 0xfffe || c == 0xffff:
			bad = fmt.Sprintf("an invisible control character (U+%04X)", c)
		}
		if bad != "" {
			e := diag.Errorf(pos, "there is %s here", bad).WithHint("%s", hint)
			return &e
		}
		i, pos.Col = i+n, pos.Col+1
	}
	return nil
}

// chunk is the text of one document.
type chunk struct {
	lines []string // without line ends
	first int      // lines before it in the file
}

// split cuts a file at its --- and ... lines. These cannot be part of a value, so each document can be read by itself.
func split(src string) []chunk {
	var out []chunk
	lines := strings.Split(src, "\n")
	start := 0
	flush := func(end int) {
		for _, l := range lines[start:end] {
			if t := strings.TrimSpace(l); t != "" && t[0] != '#' && t != "---" {
				out = append(out, chunk{lines[start:end], start})
				return
			}
		}
	}
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
		switch {
		case marks(lines[i], "---"):
			flush(i)
			start = i
		case marks(lines[i], "..."):
			flush(i)
			start = i + 1
		}
	}
	flush(len(lines))
	return out
}

func marks(line, mark string) bool {
	rest, ok := strings.CutPrefix(line, mark)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}
