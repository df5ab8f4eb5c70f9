package openmrs

import (
	"crypto/sha256"
	"fmt"
)

// uuidOf is the uuid that a name has for ever.
func uuidOf(name string) string {
	h := sha256.Sum256([]byte("njia/openmrs/" + name))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
