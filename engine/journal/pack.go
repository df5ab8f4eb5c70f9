package journal

import (
	_ "embed"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// What is kept is a byte that says how, and the rest.
const (
	packRaw   = 0 // as it is
	packZstd  = 1 // a zstd frame that needs words (dict/1.txt)
	packLarge = 2 // in a file of its own: 32 bytes of SHA-256 (large.go)
)

// words is what FHIR, OpenMRS and Odoo JSON is made of. A 2 KB resource becomes 3.6 times smaller with it, 3.0 times
// without. It never changes: bodies in journals need it. A better one is a new file with a new pack byte.
//
//go:embed dict/1.txt
var words []byte

const (
	packFrom = 160      // shorter ones are kept as they are
	maxRow   = 64 << 10 // packed; larger ones go into files
	maxDirty = 4 << 20  // longer ones are not compressed in memory, but into their file
	maxBody  = 4 << 30  // of one unpacked body: no bound in practice, but one for a damaged frame
)

// packer compresses in the goroutine that has the bytes.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderDictRaw(1, words), zstd.WithWindowSize(128<<10),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // SQLite's WAL has checksums; a file is named by its hash
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(1, words), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxBody))
	if err != nil {
		return nil, err
	}
	return &packer{enc, dec}, nil
}

func (p *packer) close() {
	_ = p.enc.Close()
	p.dec.Close()
}

// pack gives what a row keeps of b; nil for nil.
func (p *packer) pack(b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) >= packFrom {
		out := make([]byte, 1, len(b)+1)
		out[0] = packZstd
		out = p.enc.EncodeAll(b, out)
		if len(out) <= len(b) {
			if cap(out)-len(out) > len(out) {
				out = append(make([]byte, 0, len(out)), out...)
			}
			return out
		}
	}
	out := make([]byte, 1+len(b))
	out[0] = packRaw
	copy(out[1:], b)
	return out
}

// unpack gives back what pack was given.
func (p *packer) unpack(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	switch b[0] {
	case packRaw:
		return b[1:], nil
	case packZstd:
		out, err := p.dec.DecodeAll(b[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("a body in the journal is damaged: %w", err)
		}
		return out, nil
	}
	return nil, errors.New("a body in the journal is kept in a way that this program does not know")
}
