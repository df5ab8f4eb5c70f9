package file_test

import (
	"encoding/csv"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/file"
)

func TestLinesAreThoseOfTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`[a-z"é,;\r]{0,12}`)).Draw(t, "lines")
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		text := strings.Join(lines, "\n")
		got, end, err := file.Cut(iotest.OneByteReader(strings.NewReader(text)), 0, limit)
		if err != nil {
			t.Fatal(err)
		}
		var want []file.Piece
		for i, s := range lines {
			if i == len(lines)-1 && s == "" {
				break
			}
			if i < len(lines)-1 {
				s = strings.TrimSuffix(s, "\r")
			}
			p := file.Piece{Text: s, Line: i + 1}
			if len(s) > limit {
				p.Text, p.Long = s[:limit], true
			}
			want = append(want, p)
		}
		if d := cmp.Diff(want, got); d != "" || end != int64(len(text)) {
			t.Fatalf("Cut(%q, limit %d) ends at %d of %d (-want +got):\n%s", text, limit, end, len(text), d)
		}
	})
}

func TestALineOverTheLimitTakesNoMemory(t *testing.T) {
	endless := &repeated{text: "x", n: 64 << 20}
	allocs := testing.AllocsPerRun(1, func() {
		endless.given = 0
		got, end, err := file.Cut(endless, 0, 100<<10)
		if err != nil || end != 64<<20 || len(got) != 1 || !got[0].Long || len(got[0].Text) != 64<<10 {
			t.Fatalf("%d pieces, end %d, %v", len(got), end, err)
		}
	})
	if allocs > 40 {
		t.Errorf("%v allocations for a line of 64 MB, want a few", allocs)
	}
}

type repeated struct {
	text     string
	n, given int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.given >= r.n {
		return 0, io.EOF
	}
	n := min(len(b), r.n-r.given)
	for i := range b[:n] {
		b[i] = r.text[0]
	}
	r.given += n
	return n, nil
}

func TestRecordsAreThoseOfTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sep := rapid.SampledFrom([]rune{',', ';', '\t', '|'}).Draw(t, "separator")
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching(`[a-zé",;|\t\n ]{0,8}`), 2, 4), 0, 6).Draw(t, "rows")
		var b strings.Builder
		w := csv.NewWriter(&b)
		w.Comma, w.UseCRLF = sep, rapid.Bool().Draw(t, "CRLF")
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		pieces, end, err := file.Cut(iotest.HalfReader(strings.NewReader(text)), byte(sep), 10_000)
		if err != nil || end != int64(len(text)) {
			t.Fatalf("Cut(%q): end %d, %v", text, end, err)
		}
		got := [][]string{}
		line := 1
		for _, p := range pieces {
			r, err := file.Row([]byte(p.Text), byte(sep))
			if err != nil {
				t.Fatalf("Row(%q): %v", p.Text, err)
			}
			if p.Line != line {
				t.Fatalf("%q begins in line %d, want %d", p.Text, p.Line, line)
			}
			line += 1 + strings.Count(p.Text, "\n")
			for i := range r {
				r[i] = strings.ReplaceAll(r[i], "\r\n", "\n") // as the writer made them
			}
			got = append(got, r)
		}
		if d := cmp.Diff(append([][]string{}, rows...), got); d != "" {
			t.Fatalf("rows of %q (-want +got):\n%s", text, d)
		}
	})
}

func TestAQuoteThatDoesNotCloseSpoilsItsOwnLine(t *testing.T) {
	for name, text := range map[string]string{
		"before the end":   "a,b\n\"open,1\nc,d\ne,f\n",
		"before the limit": "a,b\n\"open,1\nc,d\ne,f\n" + strings.Repeat("x,y\n", 200),
	} {
		got, _, err := file.Cut(strings.NewReader(text), ',', 500)
		if err != nil {
			t.Fatal(err)
		}
		want := []file.Piece{{Text: "a,b", Line: 1}, {Text: `"open,1`, Line: 2, Open: true}, {Text: "c,d", Line: 3}, {Text: "e,f", Line: 4}}
		if d := cmp.Diff(want, got[:4]); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte("a,\"b\nc\"\r\n\"x\"y,\"\"\n"), byte(','), 8)
	f.Add([]byte("\"\n\n\n\""), byte(0), 1)
	f.Fuzz(func(t *testing.T, text []byte, sep byte, limit int) {
		if sep == '"' || sep == '\n' || sep == '\r' {
			return
		}
		limit = 1 + (limit&0x7fffffff)%100
		pieces, end, err := file.Cut(&chunks{text, rand.New(rand.NewPCG(1, uint64(len(text))))}, sep, limit)
		if err != nil || len(text) > 0 && end != int64(len(text)) {
			t.Fatalf("Cut(%q, %q, %d) ends at %d of %d: %v", text, sep, limit, end, len(text), err)
		}
		for _, p := range pieces {
			if len(p.Text) > limit {
				t.Fatalf("a piece of %d bytes is over the limit of %d", len(p.Text), limit)
			}
			_, _ = file.Row([]byte(p.Text), ',')
		}
	})
}

type chunks struct {
	rest []byte
	rnd  *rand.Rand
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 1+c.rnd.IntN(7))], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func FuzzParsePosition(f *testing.F) {
	f.Add("0123456789abcdef01234567", int64(10), 3, true, "x 1")
	f.Fuzz(func(t *testing.T, id string, off int64, line int, failed bool, any string) {
		_ = file.ParsePosition(any)
		if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > 126 }) {
			return
		}
		if i, o, l, f := file.Reparsed(id, off, line, failed); i != id || o != off || l != line || f != failed {
			t.Errorf("(%q %d %d %v) becomes (%q %d %d %v)", id, off, line, failed, i, o, l, f)
		}
	})
}
