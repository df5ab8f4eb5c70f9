package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader is the header that holds the signature.
func (h HMAC) SignatureHeader() string {
	if h.Header == "" {
		return "X-Signature"
	}
	return h.Header
}

func (h HMAC) sum(stamp string, body []byte) []byte {
	var algo func() hash.Hash
	switch h.Algorithm {
	case "sha1":
		algo = sha1.New
	case "sha512":
		algo = sha512.New
	default:
		algo = sha256.New
	}
	mac := hmac.New(algo, []byte(h.Key.Reveal()))
	if h.Timestamp != "" {
		mac.Write([]byte(stamp + "."))
	}
	mac.Write(body)
	return mac.Sum(nil)
}

// Signature gives the text of the signature header for a body sent at that time.
func (h HMAC) Signature(body []byte, at time.Time) string {
	sum := h.sum(strconv.FormatInt(at.Unix(), 10), body)
	if h.Encoding == "base64" {
		return h.Prefix + base64.StdEncoding.EncodeToString(sum)
	}
	return h.Prefix + hex.EncodeToString(sum)
}

// Verify says why the headers do not prove that body comes from who knows the key, or nil. It compares in constant time.
func (h HMAC) Verify(headers http.Header, body []byte, now time.Time) error {
	text := headers.Get(h.SignatureHeader())
	if text == "" {
		return errors.New("there is no signature")
	}
	rest, ok := strings.CutPrefix(text, h.Prefix)
	if !ok {
		return errors.New("the signature does not begin with its prefix")
	}
	var given []byte
	var err error
	if h.Encoding == "base64" {
		given, err = base64.StdEncoding.DecodeString(rest)
	} else {
		given, err = hex.DecodeString(rest)
	}
	if err != nil {
		return errors.New("the signature is not written as it should be")
	}
	stamp := ""
	if h.Timestamp != "" {
		stamp = headers.Get(h.Timestamp)
		sec, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return errors.New("the time of signing is missing or no number of seconds")
		}
		tolerance := h.Tolerance
		if tolerance == 0 {
			tolerance = 5 * time.Minute
		}
		if off := now.Sub(time.Unix(sec, 0)).Abs(); off > tolerance {
			return errors.New("the time of signing is too far from now; check both clocks")
		}
	}
	if !hmac.Equal(given, h.sum(stamp, body)) {
		return errors.New("the signature does not fit the body")
	}
	return nil
}

// sign reads the body of r, which must be replayable, and adds the headers.
func (h HMAC) sign(r *http.Request) error {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	now := time.Now()
	if h.Timestamp != "" {
		r.Header.Set(h.Timestamp, strconv.FormatInt(now.Unix(), 10))
	}
	r.Header.Set(h.SignatureHeader(), h.Signature(body, now))
	return nil
}
