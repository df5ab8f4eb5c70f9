package file

import (
	"io"
	"os"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoder gives the encoding of that name; nil is UTF-8.
func decoder(name string) encoding.Encoding {
	switch name {
	case "latin1":
		return charmap.ISO8859_1
	case "latin9":
		return charmap.ISO8859_15
	case "cp1252":
		return charmap.Windows1252
	case "cp850":
		return charmap.CodePage850
	case "cp437":
		return charmap.CodePage437
	case "macroman":
		return charmap.Macintosh
	case "utf-16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	return nil
}

// text is a file as UTF-8 without a byte order mark. Offsets count bytes of what it gives.
type text struct {
	f   *os.File
	enc encoding.Encoding
	bom int64 // bytes of a UTF-8 byte order mark
}

// newText looks for a byte order mark, which says more than the settings.
func newText(f *os.File, name string) (*text, error) {
	t := &text{f: f, enc: decoder(name)}
	var mark [3]byte
	n, err := f.ReadAt(mark[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case n == 3 && mark == [3]byte{0xef, 0xbb, 0xbf}:
		t.enc, t.bom = nil, 3
	case n >= 2 && (mark[0] == 0xff && mark[1] == 0xfe || mark[0] == 0xfe && mark[1] == 0xff):
		t.enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	}
	return t, nil
}

// from gives a reader that stands at off.
func (t *text) from(off int64) (io.Reader, error) {
	if t.enc == nil {
		_, err := t.f.Seek(t.bom+off, io.SeekStart)
		return t.f, err
	}
	if _, err := t.f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := transform.NewReader(t.f, t.enc.NewDecoder())
	_, err := io.CopyN(io.Discard, r, off)
	return r, err
}
