package expr

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/google/uuid"
)

// namespace is that of uuid5: the version 5 UUID of https://njia.health/ in the namespace of URLs. It never changes.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://njia.health/"))

// hashed is the text to hash: null, lists and maps have no one text.
func hashed(name string, v any) (string, error) {
	if s, ok := asText(v); ok {
		return s, nil
	}
	return "", callErrorf("%s takes text, this is %s", name, typeName(v))
}

func callUUID5(v any) (any, error) {
	s, err := hashed("uuid5", v)
	if err != nil {
		return nil, err
	}
	return uuid.NewSHA1(namespace, []byte(s)).String(), nil
}

func callSHA256(v any) (any, error) {
	s, err := hashed("sha256", v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:]), nil
}

func callHMAC(c *Compiler, a []any) (any, error) {
	name, ok := a[0].(string)
	if !ok {
		return nil, callErrorf("hmac: the name of a key is text, this is %s", typeName(a[0]))
	}
	s, err := hashed("hmac", a[1])
	if err != nil {
		return nil, err
	}
	if c.opts.HMAC == nil {
		return nil, callErrorf("hmac: there are no keys here")
	}
	sum, err := c.opts.HMAC(name, s)
	if err != nil {
		return nil, callErrorf("hmac: %v", err)
	}
	return sum, nil
}
